"""
Rewrites a module once, so that it counts its instructions and its state can be read and set.

Function, global and data indices stay as they are: what is added comes last. A run out of instructions ends the
execution inside the module, which sets a flag.
"""

import contextlib
from typing import Final

from attrs import frozen

from reference_impl.wasm.layout.encoding import HEADER, Reader, name, section, signed, unsigned, vector
from reference_impl.wasm.layout.fast_functions import FAST, uses_stable_memory
from reference_impl.wasm.layout.parsed_module import (
    CODE,
    DATA,
    DATA_COUNT,
    ELEMENT,
    EXPORT,
    FUNCREF,
    FUNCTION,
    GLOBAL,
    I32,
    I64,
    IMPORT,
    KIND_FUNCTION,
    KIND_GLOBAL,
    KIND_MEMORY,
    KIND_TABLE,
    MEMORY,
    TABLE,
    TYPE,
    FunctionType,
    ParsedModule,
    declared,
)
from reference_impl.wasm.rewriting.added_memories import USUAL_STABLE_PAGES, added_memories
from reference_impl.wasm.rewriting.begin_code import begin_body, outer_body
from reference_impl.wasm.rewriting.charge_code import ChargePlaces, charge_body
from reference_impl.wasm.rewriting.code_rewriting import Bounds, CodeWriter, NoRoom, Places
from reference_impl.wasm.rewriting.fast_code import FastCode
from reference_impl.wasm.rewriting.passed_counter import LARGEST_TYPE, with_counter
from spec.values.checklist import defines
from spec.values.quantities import Instructions

COUNTER: Final = "counter"
"""The exported global that holds the instructions left."""
DEPTH: Final = "depth"
"""The exported global that holds how many more calls may nest."""
EXHAUSTED: Final = "exhausted"
"""The exported global that tells why the execution ended in the module: see `counting_code`."""
LIMIT: Final = "limit"
"""The exported global that holds with how many instructions the execution started."""
ONE_SLICE: Final = "slice"
"""The exported global that holds how many instructions a slice of the execution holds."""
THE_MEMORY: Final = "memory"
SYSTEM_MEMORY: Final = "system"
STABLE_MEMORY: Final = "stable"
START_FUNCTION: Final = "start"
BEGIN_CLOSURE: Final = "begin:closure"
"""The exported function that begins an execution at a function of table 0, with its index and one argument."""
GROWTHS: Final = "growths"
"""The exported table of exact code whose function tells whether the heap may grow now."""


def function_export(index: int) -> str:
    """The name under which an exported function of the original module is exported."""
    return f"function:{index}"


def begin_export(index: int) -> str:
    """The name of the function that begins an execution at a function without parameters of the original module."""
    return f"begin:{index}"


def global_export(index: int) -> str:
    """The name under which a persistent global is exported."""
    return f"global:{index}"


@frozen
class Instrumented:
    """A rewritten module."""

    binary: bytes
    instructions_in_instrumented_code: Instructions
    """What compilation is charged for. Source: facts on weights, compilation."""
    drops_data: bool
    """The module contains `data.drop`, so an instance cannot serve a second execution."""
    has_stable_memory: bool
    """Some system functions that run inside the module use stable memory."""
    is_exact: bool
    """The counter is right after every trap, not only after `unreachable`; and the host is asked before heaps grow."""
    is_hard_to_compile: bool
    """Optimization may take too long."""


_MUTABLE_32, _MUTABLE_64 = b"\x7f\x01\x41\x00\x0b", b"\x7e\x01\x42\x00\x0b"
_ADDED_GLOBALS: Final = [_MUTABLE_64, _MUTABLE_32, _MUTABLE_32, _MUTABLE_64, _MUTABLE_64]

_INJECTED_HELPERS: Final = 20 + 46
"""The counter helper and the clean page counter, their closing ends included."""
_INJECTED_GLOBALS: Final = 3
_INSTRUCTIONS_PER_GLOBAL: Final = 2


def _closure_type(parsed: ParsedModule) -> FunctionType:
    return FunctionType(bytes([I64 if parsed.has_64_bit_memory else I32]), b"")


def _added_types(parsed: ParsedModule) -> list[FunctionType]:
    closure = _closure_type(parsed)
    is_64_bit_table = bool(parsed.tables) and parsed.tables[0].limits.is_64_bit
    index = bytes([I64 if is_64_bit_table else I32])
    return [
        FunctionType(bytes([I64]), bytes([I64])),
        closure,
        FunctionType(index + closure.parameters, b""),
        FunctionType(b"", b""),
        *(FunctionType(b"", results) for results in _several_results(parsed)),
        FunctionType(b"", bytes([I32])),
        FunctionType(closure.parameters, closure.parameters),
    ]


_TYPES_BEFORE_RESULTS: Final = 4


def _several_results(parsed: ParsedModule) -> list[bytes]:
    """The lists of more than one result that functions of the module give."""
    return sorted(
        {one.results for index in set(parsed.function_types) if len((one := parsed.types[index]).results) > 1}
    )


def _wrapper_types(parsed: ParsedModule) -> dict[bytes, bytes]:
    """The type of a block without parameters, by its results."""
    first = len(parsed.types) + _TYPES_BEFORE_RESULTS
    several = {results: signed(first + place) for place, results in enumerate(_several_results(parsed))}
    return {b"": b"\x40"} | {one.results: one.results for one in parsed.types if len(one.results) == 1} | several


def _function_type(one: FunctionType) -> bytes:
    return (
        b"\x60"
        + vector([one.parameters[i : i + 1] for i in range(len(one.parameters))])
        + vector([one.results[i : i + 1] for i in range(len(one.results))])
    )


def _helpers(parsed: ParsedModule, places: Places, writer: CodeWriter) -> list[tuple[int, bytes]]:
    """Type index and body of each function that is added."""
    first_type = len(parsed.types)
    charging = ChargePlaces(places.counter, places.limit, places.one_slice, places.exhausted)
    helpers = [(first_type, charge_body(charging))]
    if has_closures(parsed):
        helpers.append(_closure_helper(places, writer, first_type))
    fast_code = FastCode(places.counter, places.one_slice, parsed.has_64_bit_memory)
    bodies = fast_code.bodies([(parsed.imports[imported].name, imported) for imported in places.fast])
    helpers += [(parsed.imports[imported].type_index, body) for imported, body in zip(places.fast, bodies, strict=True)]
    closure_function = len(parsed.imports) + len(parsed.function_types) + 1
    helpers += [(first_type + 3, begin_body(places, begun)) for begun in _begun(parsed)]
    if has_closures(parsed):
        helpers.append((first_type + 2, begin_body(places, closure_function, parameters=2)))
    for function in _with_outer(parsed) if places.passes_counter else []:
        type_index = parsed.function_types[function - len(parsed.imports)]
        helpers.append((type_index, outer_body(places, function, len(parsed.types[type_index].parameters))))
    return helpers


def _closure_helper(places: Places, writer: CodeWriter, first_type: int) -> tuple[int, bytes]:
    """Type index and body of the function that calls one of table 0 with an argument."""
    if places.passes_counter:
        called, own = writer.type_with_counter(first_type + 1), writer.type_with_counter(first_type + 2)
        return own, b"\x00\x20\x01\x20\x02\x20\x03\x20\x00\x11" + unsigned(called) + b"\x00\x0b"
    return first_type + 2, b"\x00\x20\x01\x20\x00\x11" + unsigned(first_type + 1) + b"\x00\x0b"


def _called_from_outside(parsed: ParsedModule) -> set[int]:
    return {*parsed.exported_functions().values(), *([] if parsed.start is None else [parsed.start])}


def _with_outer(parsed: ParsedModule) -> list[int]:
    """The functions that others stand for to be called from outside, where they pass the counter."""
    return sorted(index for index in _called_from_outside(parsed) if index >= len(parsed.imports))


def _begun(parsed: ParsedModule) -> list[int]:
    """The functions without parameters and results at which an execution may begin."""
    nothing = FunctionType(b"", b"")
    return sorted(index for index in _called_from_outside(parsed) if parsed.type_of_function(index) == nothing)


def _begin_exports(parsed: ParsedModule) -> list[str]:
    return [*map(begin_export, _begun(parsed)), *([BEGIN_CLOSURE] if has_closures(parsed) else [])]


def _grow_helper(parsed: ParsedModule) -> tuple[int, bytes]:
    """Type index and body of the function that stands for `memory.grow`: -1 if the host does not let the heap grow."""
    asking = len(parsed.types) + len(_added_types(parsed)) - 2
    ask = b"\x41\x00\x11" + unsigned(asking) + unsigned(len(parsed.tables))
    fail = b"\x45\x04\x40" + (b"\x42" if parsed.has_64_bit_memory else b"\x41") + b"\x7f\x0f\x0b"
    return asking + 1, b"\x00" + ask + fail + b"\x20\x00\x40\x00\x0b"


_TABLE_OF_ONE: Final = bytes([FUNCREF, 0, 1])


def _fast_functions(parsed: ParsedModule, first: int) -> dict[int, int]:
    """Indices for the functions that stand for imported ones, by the indices of those."""
    imported = [index for index, one in enumerate(parsed.imports) if one.name in FAST]
    return {index: first + place for place, index in enumerate(imported)}


def _has_stable_memory(parsed: ParsedModule) -> bool:
    return any(uses_stable_memory(one.name) for one in parsed.imports)


def has_closures(parsed: ParsedModule) -> bool:
    """There is a table of functions, at which executions may begin."""
    return bool(parsed.tables) and parsed.tables[0].reference_type == FUNCREF


_NO_MEMORY: Final = b"\x01\x00\x00"
"""Stands for the memory of a module that has none, so that the others have their indices."""


def _memory_section(parsed: ParsedModule, most_pages: int) -> bytes:
    """The memory with its maximum cut to what the profile allows, so that memory.grow beyond it gives -1."""
    memories = [_NO_MEMORY]
    if parsed.memory:
        declared = parsed.memory.maximum
        maximum = most_pages if declared is None else min(declared, most_pages)
        flags = 1 | (4 if parsed.memory.is_64_bit else 0)
        memories = [bytes([flags]) + unsigned(parsed.memory.minimum) + unsigned(maximum)]
    return vector(memories + added_memories(USUAL_STABLE_PAGES if _has_stable_memory(parsed) else 0))


def _data_section(parsed: ParsedModule) -> bytes:
    """Active segments become passive and empty: after instantiation that is what they are, and the indices stay."""
    return vector(
        [
            b"\x01" + (unsigned(len(segment.content)) + segment.content if segment.offset is None else b"\x00")
            for segment in parsed.data_segments
        ]
    )


def _export_section(parsed: ParsedModule, places: Places, first_begin: int) -> bytes:
    outer: dict[int, int] = {}
    if places.passes_counter:
        first_outer = first_begin + len(_begin_exports(parsed))
        outer = {function: first_outer + place for place, function in enumerate(_with_outer(parsed))}
    exports = [
        name(function_export(index)) + bytes([KIND_FUNCTION]) + unsigned(outer.get(index, index))
        for index in sorted(set(parsed.exported_functions().values()))
    ]
    for index in parsed.persistent_globals():
        exports.append(name(global_export(index)) + bytes([KIND_GLOBAL]) + unsigned(index))
    for text, index in (
        (COUNTER, places.counter),
        (DEPTH, places.depth),
        (EXHAUSTED, places.exhausted),
        (LIMIT, places.limit),
        (ONE_SLICE, places.one_slice),
    ):
        exports.append(name(text) + bytes([KIND_GLOBAL]) + unsigned(index))
    if parsed.memory:
        exports.append(name(THE_MEMORY) + bytes([KIND_MEMORY, 0]))
    exports.append(name(SYSTEM_MEMORY) + bytes([KIND_MEMORY, 1]))
    if _has_stable_memory(parsed):
        exports.append(name(STABLE_MEMORY) + bytes([KIND_MEMORY, 2]))
    if places.grow is not None:
        exports.append(name(GROWTHS) + bytes([KIND_TABLE]) + unsigned(len(parsed.tables)))
    if parsed.tables:
        exports.append(name("table") + bytes([KIND_TABLE, 0]))
    if parsed.start is not None:
        exports.append(name(START_FUNCTION) + bytes([KIND_FUNCTION]) + unsigned(outer.get(parsed.start, parsed.start)))
    for place, text in enumerate(_begin_exports(parsed)):
        exports.append(name(text) + bytes([KIND_FUNCTION]) + unsigned(first_begin + place))
    return vector(exports)


def _extended(parsed: ParsedModule, section_id: int, more: list[bytes]) -> bytes:
    """The content of a section that is a vector, with more items at its end."""
    reader = Reader(parsed.raw_sections.get(section_id, b"\x00"))
    count = reader.unsigned()
    return unsigned(count + len(more)) + reader.content[reader.position :] + b"".join(more)


def _types_after(parsed: ParsedModule, writer: CodeWriter) -> list[FunctionType]:
    """The types that are added."""
    added = _added_types(parsed)
    before = [*parsed.types, *added]
    return added + [with_counter(before[index]) for index in writer.types_with_counter]


_MOST_TYPES: Final = 1_000_000
"""Of a module. Source: the limit that WebAssembly engines share."""


_MOST_SEGMENTS: Final = 100_000
"""Of elements. Source: the same."""


def _can_pass_counter(parsed: ParsedModule, bounds: Bounds) -> bool:
    """Nobody calls functions by their own types, and there is room for others."""
    largest = max((max(len(one.parameters), len(one.results)) for one in parsed.types), default=0)
    types = len(parsed.types) + len(_added_types(parsed))
    has_room = largest <= LARGEST_TYPE and 2 * types <= _MOST_TYPES
    return has_room and not bounds.keeps_types and not parsed.has_imports_in_table


@defines("seed1.instrumentation")
def instrument(parsed: ParsedModule, bounds: Bounds, is_exact: bool = False) -> Instrumented:
    """
    Rewrites a valid module. Code that is exact has the right count after every trap and is slower. Raises `Malformed`
    for a forbidden instruction and for a function that exceeds the bounds.
    """
    if not is_exact and _can_pass_counter(parsed, bounds):
        with contextlib.suppress(NoRoom):
            return _instrumented(parsed, bounds, is_exact, passes_counter=True)
    return _instrumented(parsed, bounds, is_exact, passes_counter=False)


def _instrumented(parsed: ParsedModule, bounds: Bounds, is_exact: bool, passes_counter: bool) -> Instrumented:
    """The same, with the counter in one way. Raises `NoRoom` too."""
    first_function = len(parsed.imports) + len(parsed.function_types)
    first_global = len(parsed.globals)
    first_fast = first_function + (2 if has_closures(parsed) else 1)
    fast = _fast_functions(parsed, first_fast)
    first_begin = first_fast + len(fast)
    asks = is_exact and parsed.memory is not None
    places = Places(
        counter=first_global,
        depth=first_global + 1,
        exhausted=first_global + 2,
        limit=first_global + 3,
        one_slice=first_global + 4,
        charge=first_function,
        fast=fast,
        wrappers=_wrapper_types(parsed),
        grow=first_begin + len(_begin_exports(parsed)) if asks else None,
        passes_counter=passes_counter,
        imported=len(parsed.imports),
        first_type=len(parsed.types) + len(_added_types(parsed)),
    )
    writer = CodeWriter(parsed, places, bounds)
    helpers = _helpers(parsed, places, writer) + ([_grow_helper(parsed)] if asks else [])
    types = [parsed.types[index] for index in parsed.function_types]
    bodies = [writer.body(body, one) for body, one in zip(parsed.bodies, types, strict=True)]
    bodies += [body for _, body in helpers]
    function_types = list(map(writer.type_with_counter, parsed.function_types)) if passes_counter else []
    function_types = [*(function_types or parsed.function_types), *(type_index for type_index, _ in helpers)]
    new_sections: dict[int, bytes] = {
        TYPE: _extended(parsed, TYPE, list(map(_function_type, _types_after(parsed, writer)))),
        FUNCTION: vector(list(map(unsigned, function_types))),
        GLOBAL: _extended(parsed, GLOBAL, _ADDED_GLOBALS),
        MEMORY: _memory_section(parsed, bounds.memory_pages),
        EXPORT: _export_section(parsed, places, first_begin),
        CODE: vector([unsigned(len(body)) + body for body in bodies]),
    }
    elements = [one.written for one in parsed.element_segments]
    if passes_counter and writer.has_references:
        # Its export may be all that has declared a function, and now another one is exported.
        elements.append(declared(_with_outer(parsed)))
        if len(elements) > _MOST_SEGMENTS:
            raise NoRoom
    if elements:
        new_sections[ELEMENT] = vector(elements)
    if parsed.data_segments:
        new_sections[DATA] = _data_section(parsed)
    kept = {key: parsed.raw_sections[key] for key in (IMPORT, TABLE, DATA_COUNT) if key in parsed.raw_sections}
    new_sections.update(kept)
    if asks:
        new_sections[TABLE] = _extended(parsed, TABLE, [_TABLE_OF_ONE])
    order = (TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, ELEMENT, DATA_COUNT, CODE, DATA)
    binary = HEADER + b"".join(section(key, new_sections[key]) for key in order if key in new_sections)
    count = writer.count + _INJECTED_HELPERS + _INSTRUCTIONS_PER_GLOBAL * (len(parsed.globals) + _INJECTED_GLOBALS)
    return Instrumented(
        binary,
        count,
        writer.drops_data,
        _has_stable_memory(parsed),
        is_exact,
        writer.effort.is_too_large,
    )
