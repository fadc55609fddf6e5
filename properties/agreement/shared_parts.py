"""
Modules that share memories, tables and globals, made into modules that can be rewritten, and back.

A canister imports functions alone, so rewriting knows no other imports. Those of a test script are made into
definitions first: imports have the first indices, so nothing else changes. In the rewritten module the definitions
become imports again. Active segments are taken out; who links the modules writes them.
"""

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from reference_impl.wasm.layout.encoding import HEADER, Reader, name, section, sections, signed, unsigned, vector
from reference_impl.wasm.layout.parsed_module import (
    CUSTOM,
    DATA,
    ELEMENT,
    EXPORT,
    GLOBAL,
    IMPORT,
    KIND_FUNCTION,
    KIND_GLOBAL,
    KIND_MEMORY,
    KIND_TABLE,
    MEMORY,
    TABLE,
)
from reference_impl.wasm.rewriting.instrument import function_export
from spec.tooling.wast.engine import Skipped
from spec.wasm.initial import constant_value
from spec.wasm.syntax import (
    DataSegment,
    ElementSegment,
    Expression,
    ExternalKind,
    Global,
    GlobalType,
    Import,
    Limits,
    MemoryType,
    Module,
    SegmentMode,
    TableType,
    ValueType,
)

TYPES: Final = {
    ValueType.I32: 0x7F,
    ValueType.I64: 0x7E,
    ValueType.F32: 0x7D,
    ValueType.F64: 0x7C,
    ValueType.V128: 0x7B,
    ValueType.FUNCREF: 0x70,
    ValueType.EXTERNREF: 0x6F,
}
"""The bytes of value types."""

END: Final = b"\x0b"
ORDER: Final = (1, IMPORT, 3, TABLE, MEMORY, GLOBAL, EXPORT, 8, ELEMENT, 12, 10, DATA)
"""The ids of sections, in the order in which they stand."""


def table_export(index: int) -> str:
    """The name under which an exported table is exported."""
    return f"table:{index}"


@frozen
class Parts:
    """What a module imports that is no function, by kind."""

    tables: tuple[TableType, ...]
    memories: tuple[MemoryType, ...]
    globals: tuple[GlobalType, ...]

    @classmethod
    def of(cls, module: Module) -> "Parts":
        """The imports of a module."""
        found = [entry.description for entry in module.imports]
        return cls(
            tuple(one for one in found if isinstance(one, TableType)),
            tuple(one for one in found if isinstance(one, MemoryType)),
            tuple(one for one in found if isinstance(one, GlobalType)),
        )

    def __bool__(self) -> bool:
        """There are any."""
        return bool(self.tables or self.memories or self.globals)


def with_definitions(binary: bytes, module: Module, values: Sequence[int]) -> bytes:
    """The module with definitions in place of these imports; `values` are those of the imported globals."""
    parts = Parts.of(module)
    found = _sections(binary)
    functions = [entry for entry in module.imports if isinstance(entry.description, int)]
    found[IMPORT] = vector([_import(entry) for entry in functions])
    found[TABLE] = _in_front(found.get(TABLE), [_table(one) for one in parts.tables])
    found[MEMORY] = _in_front(found.get(MEMORY), [_limits(one.limits) for one in parts.memories])
    imported = [_global(one, _constant(one.value_type, bits)) for one, bits in zip(parts.globals, values, strict=True)]
    found[GLOBAL] = vector([*imported, *(_defined_global(one, values) for one in module.defined_globals)])
    found[ELEMENT] = vector([_without_place(one) for one in module.elements])
    found[DATA] = vector([_not_active(one) for one in module.data])
    return _joined(found)


def with_imports(rewritten: bytes, module: Module, elements: Sequence[int]) -> bytes:
    """
    The rewritten module with the imports of the original one, which has all that is exported under known names.

    The functions are exported, too, that active segments refer to.
    """
    parts = Parts.of(module)
    found = _sections(rewritten)
    others = [_import(entry) for entry in module.imports if not isinstance(entry.description, int)]
    found[IMPORT] = _behind(found.get(IMPORT), others)
    found[TABLE] = _less(found.get(TABLE), [_table(one) for one in parts.tables])
    if parts.memories:
        found[MEMORY] = _without_first_memory(found[MEMORY])
    placeholders = len(parts.globals)
    if placeholders:
        found[GLOBAL] = _without_globals(found[GLOBAL], placeholders)
    exported = {one.index for one in module.exports if one.kind is ExternalKind.FUNCTION}
    more = [_export(function_export(index), KIND_FUNCTION, index) for index in sorted({*elements} - exported)]
    tables = {one.index for one in module.exports if one.kind is ExternalKind.TABLE}
    if parts:
        tables |= {one.table for one in module.elements if one.mode is SegmentMode.ACTIVE}
    more += [_export(table_export(index), KIND_TABLE, index) for index in sorted(tables)]
    found[EXPORT] = _behind(found.get(EXPORT), more)
    return _joined(found)


def functions_placed(module: Module) -> list[int]:
    """The functions that active segments put into tables."""
    active = (segment.items for segment in module.elements if segment.mode is SegmentMode.ACTIVE)
    return [index for items in active for item in items if (index := function_of(item)) is not None]


def function_of(item: Expression) -> int | None:
    """The index of the function that an element refers to by itself; None if to none."""
    return item[0].index if item[0].name == "ref.func" else None


def global_of(item: Expression) -> int | None:
    """The index of the imported global whose value an element is; None if of none."""
    return item[0].index if item[0].name == "global.get" else None


# Sections


def _sections(binary: bytes) -> dict[int, bytes]:
    return {one.section_id: one.content for one in sections(binary) if one.section_id != CUSTOM}


def _joined(found: dict[int, bytes]) -> bytes:
    kept = [(key, found[key]) for key in ORDER if key in found and found[key] != b"\x00"]
    return HEADER + b"".join(section(key, content) for key, content in kept)


def _counted(content: bytes | None) -> tuple[int, bytes]:
    reader = Reader(content or b"\x00")
    return reader.unsigned(), reader.content[reader.position :]


def _in_front(content: bytes | None, more: list[bytes]) -> bytes:
    count, items = _counted(content)
    return unsigned(count + len(more)) + b"".join(more) + items


def _behind(content: bytes | None, more: list[bytes]) -> bytes:
    count, items = _counted(content)
    return unsigned(count + len(more)) + items + b"".join(more)


def _less(content: bytes | None, first: list[bytes]) -> bytes:
    """The vector without its first items, which are these."""
    count, items = _counted(content)
    gone = b"".join(first)
    assert items.startswith(gone)
    return unsigned(count - len(first)) + items[len(gone) :]


def _without_first_memory(content: bytes) -> bytes:
    """The memories without that of the module; those that rewriting adds stay."""
    total, items = _counted(content)
    reader = Reader(items)
    has_maximum = reader.byte() & 1
    for _ in range(1 + has_maximum):
        reader.unsigned()
    return unsigned(total - 1) + items[reader.position :]


def _without_globals(content: bytes, count: int) -> bytes:
    """The globals without the first ones, each of which has a constant of its type."""
    total, items = _counted(content)
    reader = Reader(items)
    for _ in range(count):
        reader.take(2)
        match reader.byte():
            case 0x43:
                reader.take(4)
            case 0x44:
                reader.take(8)
            case 0xFD:
                reader.take(17)
            case _:
                reader.signed()
        assert reader.take(1) == END
    return unsigned(total - count) + items[reader.position :]


# Entries


def _import(entry: Import) -> bytes:
    names = name(entry.module) + name(entry.name)
    match entry.description:
        case TableType(element, limits):
            # Whether the size fits was looked at; so any is taken here.
            return names + bytes([KIND_TABLE]) + _table(TableType(element, Limits(0, None, limits.is_64_bit)))
        case MemoryType(limits):
            return names + bytes([KIND_MEMORY]) + _limits(Limits(0, None, limits.is_64_bit))
        case GlobalType(value_type, is_mutable):
            return names + bytes([KIND_GLOBAL, TYPES[value_type], is_mutable])
        case type_index:
            return names + bytes([KIND_FUNCTION]) + unsigned(type_index)


def _export(text: str, kind: int, index: int) -> bytes:
    return name(text) + bytes([kind]) + unsigned(index)


def _limits(limits: Limits) -> bytes:
    flags = (4 if limits.is_64_bit else 0) | (0 if limits.maximum is None else 1)
    most = b"" if limits.maximum is None else unsigned(limits.maximum)
    return bytes([flags]) + unsigned(limits.minimum) + most


def _table(table: TableType) -> bytes:
    return bytes([TYPES[table.element]]) + _limits(table.limits)


def _global(declared: GlobalType, initial: bytes) -> bytes:
    return bytes([TYPES[declared.value_type], declared.is_mutable]) + initial


def _defined_global(one: Global, values: Sequence[int]) -> bytes:
    if one.type.value_type.is_reference:
        return _global(one.type, _reference(one.initial, one.type.value_type))
    return _global(one.type, _constant(one.type.value_type, constant_value(one.initial, values)))


def _constant(value_type: ValueType, bits: int) -> bytes:
    """An expression with a value; of a reference, the null one."""
    match value_type:
        case ValueType.I32:
            return b"\x41" + signed(bits - (bits >> 31 << 32)) + END
        case ValueType.I64:
            return b"\x42" + signed(bits - (bits >> 63 << 64)) + END
        case ValueType.F32:
            return b"\x43" + bits.to_bytes(4, "little") + END
        case ValueType.F64:
            return b"\x44" + bits.to_bytes(8, "little") + END
        case ValueType.V128:
            return b"\xfd\x0c" + bits.to_bytes(16, "little") + END
        case _:
            return b"\xd0" + bytes([TYPES[value_type]]) + END


def _reference(item: Expression, value_type: ValueType) -> bytes:
    function = function_of(item)
    return _constant(value_type, 0) if function is None else b"\xd2" + unsigned(function) + END


def _without_place(segment: ElementSegment) -> bytes:
    """An element segment of which an active one only declares its functions. Raises `Skipped` for values of globals."""
    if segment.mode is SegmentMode.PASSIVE and any(global_of(item) is not None for item in segment.items):
        raise Skipped("passive elements that are values of globals are not there")
    kind = b"\x05" if segment.mode is SegmentMode.PASSIVE else b"\x07"
    return kind + bytes([TYPES[segment.type]]) + vector([_reference(item, segment.type) for item in segment.items])


def _not_active(segment: DataSegment) -> bytes:
    """A data segment; an active one is empty, as it is after it was written."""
    content = segment.content if segment.mode is SegmentMode.PASSIVE else b""
    return b"\x01" + unsigned(len(content)) + content
