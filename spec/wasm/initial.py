"""What an instance starts with: tables, globals, segments and memory. Source: core specification, instantiation."""

from collections.abc import Sequence
from typing import Final
from weakref import WeakKeyDictionary

from attrs import field, frozen

from spec.values.memory import ZERO_PAGE, LinearMemory
from spec.values.quantities import OS_PAGE, WASM_PAGE
from spec.wasm.flat_code import FlatCode
from spec.wasm.memory import OUT_OF_BOUNDS
from spec.wasm.store import LARGEST_TABLE, TABLE_OUT_OF_BOUNDS
from spec.wasm.syntax import NULL, DataSegment, ElementSegment, Expression, Module, SegmentMode
from spec.wasm.traps import Trap


@frozen(eq=False)
class InitialState:
    """What every instance of a module starts with, except for the memory."""

    globals: tuple[int, ...]
    tables: tuple[tuple[int, ...], ...]
    """The references of each table, active element segments applied."""
    element_segments: tuple[tuple[int, ...], ...]
    """The references of the passive segments; the others count as dropped."""
    data_segments: tuple[bytes, ...]
    """The bytes of the passive segments; the others count as dropped."""
    code: dict[int, FlatCode] = field(factory=dict)
    """The code of the functions that were called, by index: kept here for all instances."""


def constant_value(expression: Expression, known_globals: Sequence[int]) -> int:
    """The value of a constant expression of a valid module."""
    instruction = expression[0]
    match instruction.name:
        case "ref.null":
            return NULL
        case "ref.func":
            return instruction.index
        case "global.get":
            return known_globals[instruction.index]
        case _:
            return instruction.constant


def initial_globals(module: Module) -> tuple[int, ...]:
    """The initial values of the globals."""
    values: list[int] = []
    for entry in module.defined_globals:
        values.append(constant_value(entry.initial, values))
    return tuple(values)


def references(segment: ElementSegment, known_globals: Sequence[int]) -> tuple[int, ...]:
    """The references of an element segment."""
    return tuple(constant_value(item, known_globals) for item in segment.items)


def initial_tables(module: Module, known_globals: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The tables, with active element segments applied in order. Traps if one does not fit."""
    tables: list[list[int]] = []
    for table in module.tables:
        if table.limits.minimum > LARGEST_TABLE:
            raise Trap(f"tables have at most {LARGEST_TABLE} elements")
        tables.append([NULL] * table.limits.minimum)
    for segment in module.elements:
        if segment.mode is SegmentMode.ACTIVE:
            offset, table_elements = constant_value(segment.offset, known_globals), tables[segment.table]
            if offset + len(segment.items) > len(table_elements):
                raise Trap(TABLE_OUT_OF_BOUNDS)
            table_elements[offset : offset + len(segment.items)] = references(segment, known_globals)
    return tuple(map(tuple, tables))


_states: Final[WeakKeyDictionary[Module, InitialState]] = WeakKeyDictionary()
_memories: Final[WeakKeyDictionary[Module, LinearMemory]] = WeakKeyDictionary()


def initial_state(module: Module) -> InitialState:
    """What instances of the module start with; computed once."""
    state = _states.get(module)
    if state is None:
        values = initial_globals(module)
        state = _states[module] = InitialState(
            globals=values,
            tables=initial_tables(module, values),
            element_segments=tuple(
                references(segment, values) if segment.mode is SegmentMode.PASSIVE else ()
                for segment in module.elements
            ),
            data_segments=tuple(
                segment.content if segment.mode is SegmentMode.PASSIVE else b"" for segment in module.data
            ),
        )
    return state


def write_segment(pages: dict[int, bytearray], offset: int, segment: DataSegment) -> None:
    """Writes the bytes of a data segment to the 4 KiB pages that it covers."""
    position = 0
    while position < len(segment.content):
        number, start = divmod(offset + position, OS_PAGE)
        piece = segment.content[position : position + OS_PAGE - start]
        page = pages.setdefault(number, bytearray(ZERO_PAGE))
        page[start : start + len(piece)] = piece
        position += len(piece)


def initial_memory(module: Module) -> LinearMemory:
    """The memory with active data segments applied in order; computed once. Traps if one does not fit."""
    memory = _memories.get(module)
    if memory is None:
        pages: dict[int, bytearray] = {}
        wasm_pages = module.memories[0].limits.minimum if module.memories else 0
        values = initial_globals(module)
        for segment in module.data:
            if segment.mode is SegmentMode.ACTIVE:
                offset = constant_value(segment.offset, values)
                if offset + len(segment.content) > wasm_pages * WASM_PAGE:
                    raise Trap(OUT_OF_BOUNDS)
                write_segment(pages, offset, segment)
        changed = ((number, bytes(page)) for number, page in pages.items())
        memory = _memories[module] = LinearMemory().with_pages(wasm_pages, changed)
    return memory
