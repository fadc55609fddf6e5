"""A module taken apart: what the rewriting, the requirements and the runtime need to know of it."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from attrs import define, field, frozen

from reference_impl.wasm.layout.encoding import Malformed, Reader, sections, unsigned, vector

CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA, DATA_COUNT = range(13)
"""The ids of the sections."""

I32: Final = 0x7F
I64: Final = 0x7E
F32: Final = 0x7D
F64: Final = 0x7C
V128: Final = 0x7B
FUNCREF: Final = 0x70

DECLARATIVE: Final = b"\x03\x00"
"""How an element segment begins that declares functions."""

KIND_FUNCTION, KIND_TABLE, KIND_MEMORY, KIND_GLOBAL = range(4)

VALUE_SIZES: Final = {I32: 4, I64: 8, F32: 4, F64: 8, V128: 16}
"""The size in bytes of a value of each type that is a number or a vector."""


@frozen
class FunctionType:
    """Parameters and results, each the byte of a value type."""

    parameters: bytes
    results: bytes


@frozen
class Import:
    """An imported function."""

    module: str
    name: str
    type_index: int


@frozen
class Limits:
    """The size of a memory or table."""

    minimum: int
    maximum: int | None
    is_64_bit: bool


@frozen
class Table:
    """A table."""

    reference_type: int
    limits: Limits


@frozen
class Global:
    """A global that the module defines."""

    value_type: int
    is_mutable: bool
    initial: int
    """The bit pattern of the initial value; 0 for references."""


@frozen
class Export:
    """An export."""

    name: str
    kind: int
    index: int


@frozen
class DataSegment:
    """A data segment. `offset` is None if it is passive."""

    offset: int | None
    content: bytes


@frozen
class ElementSegment:
    """The place and size of an element segment. `offset` is None if it is passive or declarative."""

    table: int
    offset: int | None
    length: int
    written: bytes
    """
    As it stands in a module that runs. Of one that is not active it is enough that its functions are declared, each
    once: no canister can take elements from it, and the engine would need kilobytes for each.
    """


@define
class ParsedModule:
    """All parts of a module. Contents of sections that are taken over unchanged are kept as they are."""

    raw_sections: dict[int, bytes] = field(factory=dict)
    keeps_elements: bool = False
    """Segments that are not active keep their elements: the module may take some from them."""
    types: list[FunctionType] = field(factory=list)
    imports: list[Import] = field(factory=list)
    function_types: list[int] = field(factory=list)
    """The type index of each function that the module defines."""
    tables: list[Table] = field(factory=list)
    memory: Limits | None = None
    globals: list[Global] = field(factory=list)
    exports: list[Export] = field(factory=list)
    start: int | None = None
    element_segments: list[ElementSegment] = field(factory=list)
    bodies: list[bytes] = field(factory=list)
    has_imports_in_table: bool = False
    """An element segment holds an imported function."""
    data_segments: list[DataSegment] = field(factory=list)
    custom_sections: list[tuple[str, bytes]] = field(factory=list)

    @property
    def has_64_bit_memory(self) -> bool:
        """Memory 0 has 64-bit addresses."""
        return self.memory is not None and self.memory.is_64_bit

    def type_of_function(self, index: int) -> FunctionType:
        """The type of an imported or defined function."""
        if index < len(self.imports):
            return self.types[self.imports[index].type_index]
        return self.types[self.function_types[index - len(self.imports)]]

    def exported_functions(self) -> dict[str, int]:
        """The indices of the exported functions, by name."""
        return {export.name: export.index for export in self.exports if export.kind == KIND_FUNCTION}

    def persistent_globals(self) -> Iterator[int]:
        """The indices of the globals that are mutable or exported, in increasing order."""
        exported = {export.index for export in self.exports if export.kind == KIND_GLOBAL}
        return (index for index, one in enumerate(self.globals) if one.is_mutable or index in exported)


def parse(module: bytes, keeps_elements: bool = False) -> ParsedModule:
    """
    Takes a valid module apart. Raises `Malformed` for what WebAssembly allows and a canister module may not have:
    imports other than functions, and constants that are computed.
    """
    parsed = ParsedModule(keeps_elements=keeps_elements)
    for section in sections(module):
        if section.section_id == CUSTOM:
            reader = Reader(section.content)
            name = reader.name()
            parsed.custom_sections.append((name, section.content[reader.position :]))
        else:
            parsed.raw_sections[section.section_id] = section.content
            _READERS[section.section_id](parsed, Reader(section.content))
    return parsed


def _read_types(parsed: ParsedModule, reader: Reader) -> None:
    for _ in range(reader.unsigned()):
        if reader.byte() != 0x60:
            raise Malformed("a type is not a function type")
        parameters = reader.take(reader.unsigned())
        parsed.types.append(FunctionType(parameters, reader.take(reader.unsigned())))


def _read_imports(parsed: ParsedModule, reader: Reader) -> None:
    for _ in range(reader.unsigned()):
        module, name = reader.name(), reader.name()
        if reader.byte() != KIND_FUNCTION:
            raise Malformed(f"the import {module}.{name} is not a function")
        parsed.imports.append(Import(module, name, reader.unsigned()))


def _read_functions(parsed: ParsedModule, reader: Reader) -> None:
    parsed.function_types = [reader.unsigned() for _ in range(reader.unsigned())]


def _read_limits(reader: Reader) -> Limits:
    flags = reader.byte()
    minimum = reader.unsigned()
    return Limits(minimum, reader.unsigned() if flags & 1 else None, bool(flags & 4))


def _read_tables(parsed: ParsedModule, reader: Reader) -> None:
    for _ in range(reader.unsigned()):
        reference_type = reader.byte()
        parsed.tables.append(Table(reference_type, _read_limits(reader)))


def _read_memories(parsed: ParsedModule, reader: Reader) -> None:
    for _ in range(reader.unsigned()):
        parsed.memory = _read_limits(reader)


def _read_constant(reader: Reader) -> int:
    """The bit pattern of a constant expression; 0 for references."""
    opcode = reader.byte()
    match opcode:
        case 0x41:
            value = reader.signed() & 2**32 - 1
        case 0x42:
            value = reader.signed() & 2**64 - 1
        case 0x43:
            value = int.from_bytes(reader.take(4), "little")
        case 0x44:
            value = int.from_bytes(reader.take(8), "little")
        case 0xD0 | 0xD2:
            value = reader.unsigned() & 0
        case 0xFD:
            reader.unsigned()
            value = int.from_bytes(reader.take(16), "little")
        case _:
            raise Malformed("a constant expression is more than one constant")
    if reader.byte() != 0x0B:
        raise Malformed("a constant expression is more than one constant")
    return value


def _read_reference(reader: Reader) -> int | None:
    """The index of a function to which a constant expression refers; None if to none."""
    start = reader.position
    if reader.byte() != 0xD2:
        reader.position = start
        _read_constant(reader)
        return None
    function = reader.unsigned()
    if reader.byte() != 0x0B:
        raise Malformed("a constant expression is more than one constant")
    return function


def _read_globals(parsed: ParsedModule, reader: Reader) -> None:
    for _ in range(reader.unsigned()):
        value_type, is_mutable = reader.byte(), bool(reader.byte())
        parsed.globals.append(Global(value_type, is_mutable, _read_constant(reader)))


def _read_exports(parsed: ParsedModule, reader: Reader) -> None:
    for _ in range(reader.unsigned()):
        name = reader.name()
        kind = reader.byte()
        parsed.exports.append(Export(name, kind, reader.unsigned()))


def _read_start(parsed: ParsedModule, reader: Reader) -> None:
    parsed.start = reader.unsigned()


def _read_elements(parsed: ParsedModule, reader: Reader) -> None:
    for _ in range(reader.unsigned()):
        start = reader.position
        flags = reader.unsigned()
        is_active, has_expressions = not flags & 1, bool(flags & 4)
        table = reader.unsigned() if is_active and flags & 2 else 0
        offset = _read_constant(reader) if is_active else None
        if flags & 3:
            reader.byte()
        length = reader.unsigned()
        read: Callable[[], int | None] = partial(_read_reference, reader) if has_expressions else reader.unsigned
        functions = {function for _ in range(length) if (function := read()) is not None}
        parsed.has_imports_in_table |= any(function < len(parsed.imports) for function in functions)
        is_whole = is_active or parsed.keeps_elements
        written = reader.content[start : reader.position] if is_whole else declared(functions)
        parsed.element_segments.append(ElementSegment(table, offset, length, written))


def declared(functions: Iterable[int]) -> bytes:
    """A declarative segment."""
    return DECLARATIVE + vector([unsigned(function) for function in sorted(functions)])


def _read_data_count(parsed: ParsedModule, reader: Reader) -> None:
    reader.unsigned()


def _read_code(parsed: ParsedModule, reader: Reader) -> None:
    parsed.bodies = [reader.take(reader.unsigned()) for _ in range(reader.unsigned())]


def _read_data(parsed: ParsedModule, reader: Reader) -> None:
    for _ in range(reader.unsigned()):
        flags = reader.unsigned()
        if flags == 2:
            reader.unsigned()
        offset = None if flags == 1 else _read_constant(reader)
        parsed.data_segments.append(DataSegment(offset, reader.take(reader.unsigned())))


_READERS: Final = {
    TYPE: _read_types,
    IMPORT: _read_imports,
    FUNCTION: _read_functions,
    TABLE: _read_tables,
    MEMORY: _read_memories,
    GLOBAL: _read_globals,
    EXPORT: _read_exports,
    START: _read_start,
    ELEMENT: _read_elements,
    CODE: _read_code,
    DATA: _read_data,
    DATA_COUNT: _read_data_count,
}
