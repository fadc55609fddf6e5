"""
The decoder: from bytes in the binary format to a module. Source: core specification, binary format of modules.

Decompression is not done here. Features that canisters may not use are refused by name: threads, exceptions, garbage
collection, typed function references, more than one memory, extended constant expressions.
"""

from functools import lru_cache, partial
from typing import Any, Final

from spec.wasm.binary_code import InstructionsOfModule, decode_body, decode_expression
from spec.wasm.decoding_limits import (
    COUNTED_INSTRUCTIONS,
    COUNTED_PER_BODY,
    MAXIMUM_CUSTOM_SECTIONS,
    MAXIMUM_ELEMENTS_IN_SEGMENTS,
    MAXIMUM_EXPORTS,
    MAXIMUM_FUNCTION_BODY,
    MAXIMUM_IMPORTS,
    MAXIMUM_PARAMETERS,
    MAXIMUM_RESULTS,
    MAXIMUM_SEGMENTS,
    MAXIMUM_TABLES,
    MAXIMUM_TYPES,
    SHARED_LIMITS,
    DecodingLimits,
)
from spec.wasm.opcodes import BY_NAME
from spec.wasm.reader import VALUE_TYPES, Reader
from spec.wasm.reader import Malformed as Malformed
from spec.wasm.reader import TooLarge as TooLarge
from spec.wasm.syntax import (
    CustomSection,
    DataSegment,
    ElementSegment,
    Export,
    Expression,
    ExternalKind,
    Function,
    FunctionType,
    Global,
    GlobalType,
    Import,
    ImportDescription,
    Instruction,
    LaterFunction,
    Limits,
    MemoryType,
    Module,
    SegmentMode,
    TableType,
    ValueType,
)

MAGIC: Final = b"\0asm"
VERSION: Final = b"\x01\0\0\0"

CUSTOM_SECTION: Final = 0
CODE_SECTION: Final = 10
SECTION_ORDER: Final = {section: place for place, section in enumerate((1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11))}
"""The place of each section; the data count section stands before the code section."""

NEED_DATA_COUNT: Final = (BY_NAME["memory.init"], BY_NAME["data.drop"])
"""Instructions that may only be used if the module has a data count section."""


def function_type(reader: Reader) -> FunctionType:
    """A function type."""
    start = reader.position
    form = reader.byte()
    if form in (0x4E, 0x4F, 0x50, 0x5E, 0x5F):
        raise reader.fail("garbage collection is not accepted", start)
    if form != 0x60:
        raise reader.fail("malformed type: integer representation too long or not a function type", start)
    return FunctionType(
        value_types(reader, "parameters", MAXIMUM_PARAMETERS), value_types(reader, "results", MAXIMUM_RESULTS)
    )


def value_types(reader: Reader, what: str, limit: int) -> tuple[ValueType, ...]:
    """A number of value types; most often all are known and written in one byte."""
    number, start = reader.count(what, limit), reader.position
    read = known_value_types(reader.take(number))
    if read is not None:
        return read
    reader.position = start
    return tuple(reader.value_type() for _ in range(number))


@lru_cache(maxsize=1 << 12)
def known_value_types(raw: bytes) -> tuple[ValueType, ...] | None:
    """The types of these bytes, or None if a byte is not one."""
    return tuple(VALUE_TYPES[byte] for byte in raw) if VALUE_TYPES.keys() >= set(raw) else None


def limits(reader: Reader) -> Limits:
    """The limits of a memory or a table."""
    start = reader.position
    flags = reader.byte()
    if flags in (2, 3, 6, 7):
        raise reader.fail("shared memories and tables (threads) are not accepted", start)
    if flags not in (0, 1, 4, 5):
        raise reader.fail("malformed limits flags", start)
    is_64_bit = flags >= 4
    width = 64 if is_64_bit else 32
    minimum = reader.unsigned(width)
    return Limits(minimum, reader.unsigned(width) if flags & 1 else None, is_64_bit)


def table_type(reader: Reader) -> TableType:
    """The type of a table."""
    start = reader.position
    if reader.raw[start : start + 1] == b"\x40":
        raise reader.fail("tables with an initial value (typed function references) are not accepted", start)
    return TableType(reader.reference_type(), limits(reader))


def memory_type(reader: Reader) -> MemoryType:
    """The type of a memory."""
    return MemoryType(limits(reader))


def global_type(reader: Reader) -> GlobalType:
    """The type of a global."""
    value_type = reader.value_type()
    start = reader.position
    mutability = reader.byte()
    if mutability > 1:
        raise reader.fail("malformed mutability", start)
    return GlobalType(value_type, mutability == 1)


def import_entry(reader: Reader) -> Import:
    """One import."""
    module, name, start = reader.name(), reader.name(), reader.position
    description: ImportDescription
    match reader.byte():
        case 0:
            description = reader.unsigned()
        case 1:
            description = table_type(reader)
        case 2:
            description = memory_type(reader)
        case 3:
            description = global_type(reader)
        case 4:
            raise reader.fail("exceptions are not accepted", start)
        case _:
            raise reader.fail("malformed import kind", start)
    return Import(module, name, description)


def export_entry(reader: Reader) -> Export:
    """One export."""
    name, start, kind = reader.name(), reader.position, reader.byte()
    if kind == 4:
        raise reader.fail("exceptions are not accepted", start)
    if kind > 4:
        raise reader.fail("malformed export kind", start)
    return Export(name, ExternalKind(kind), reader.unsigned())


def global_entry(reader: Reader) -> Global:
    """One global with its initial value."""
    return Global(global_type(reader), decode_expression(reader))


@lru_cache(maxsize=1 << 16)
def reference_to_function(index: int) -> Expression:
    """The expression that refers to a function."""
    return (Instruction(BY_NAME["ref.func"], index=index), Instruction(BY_NAME["end"]))


def element_segment(reader: Reader) -> ElementSegment:
    """
    One element segment.

    Bit 0 of its first number: not active. Bit 1: a table is named, or else the segment is declarative. Bit 2: items are
    expressions, not indices of functions.
    """
    start = reader.position
    flags = reader.unsigned()
    if flags > 7:
        raise reader.fail("malformed elements segment kind", start)
    is_active, has_expressions = not flags & 1, bool(flags & 4)
    table = reader.unsigned() if flags & 2 and is_active else 0
    offset = decode_expression(reader) if is_active else ()
    element_type = ValueType.FUNCREF
    if flags & 3 and has_expressions:
        element_type = reader.reference_type()
    elif flags & 3 and reader.byte() != 0:
        raise reader.fail("malformed element kind", reader.position - 1)
    mode = SegmentMode.ACTIVE if is_active else SegmentMode.DECLARATIVE if flags & 2 else SegmentMode.PASSIVE
    item = partial(element_expression, reader, {}) if has_expressions else partial(element_index, reader)
    items = reader.limited_vector(item, "elements in a segment", MAXIMUM_ELEMENTS_IN_SEGMENTS)
    return ElementSegment(element_type, mode, items, table, offset)


def element_index(reader: Reader) -> Expression:
    """The item of an element segment, given as the index of a function."""
    return reference_to_function(reader.unsigned())


def element_expression(reader: Reader, known: dict[bytes, Expression]) -> Expression:
    """The item of an element segment, given as an expression. Equal ones, which are many, are decoded once."""
    start = reader.position
    for end in range(start + 3, min(start + 6, reader.end + 1)):
        found = known.get(reader.raw[start:end])
        if found is not None:
            reader.position = end
            return found
    expression = decode_expression(reader)
    known[reader.raw[start : reader.position]] = expression
    return expression


def element_section(reader: Reader) -> tuple[ElementSegment, ...]:
    """All element segments."""
    remaining = MAXIMUM_ELEMENTS_IN_SEGMENTS
    segments: list[ElementSegment] = []
    start = reader.position
    for _ in range(reader.count("element segments", MAXIMUM_SEGMENTS)):
        segments.append(element_segment(reader))
        remaining -= len(segments[-1].items)
        if remaining < 0:
            number = MAXIMUM_ELEMENTS_IN_SEGMENTS - remaining
            raise TooLarge(number, "elements in segments", MAXIMUM_ELEMENTS_IN_SEGMENTS, start)
    return tuple(segments)


def data_segment(reader: Reader) -> DataSegment:
    """One data segment."""
    start = reader.position
    flags = reader.unsigned()
    if flags > 2:
        raise reader.fail("malformed data segment kind", start)
    if flags == 1:
        return DataSegment(SegmentMode.PASSIVE, reader.take(reader.unsigned()))
    memory = reader.unsigned() if flags == 2 else 0
    offset = decode_expression(reader)
    return DataSegment(SegmentMode.ACTIVE, reader.take(reader.unsigned()), memory, offset)


def local_group(reader: Reader) -> tuple[int, ValueType]:
    """A number of locals of one type."""
    return reader.unsigned(), reader.value_type()


def function_body(reader: Reader, type_index: int, known: InstructionsOfModule, limits: DecodingLimits) -> Function:
    """One entry of the code section."""
    start = reader.position
    size = reader.unsigned()
    if size > MAXIMUM_FUNCTION_BODY:
        raise TooLarge(size, "bytes in a function body", MAXIMUM_FUNCTION_BODY, start)
    body = reader.part(size)
    start = body.position
    groups = body.vector(partial(local_group, body))
    if sum(count for count, _ in groups) >= 1 << 32:
        raise reader.fail("too many locals", start)
    instructions = decode_body(body, known, limits.function_instructions)
    counted = size + room_for_counting(size, instructions, limits)
    if counted > MAXIMUM_FUNCTION_BODY:
        raise TooLarge(counted, "bytes in a function body with the code that counts", MAXIMUM_FUNCTION_BODY, start)
    return Function(type_index, groups, instructions)


def room_for_counting(size: int, instructions: Expression, limits: DecodingLimits) -> int:
    """How many bytes of counting code a body of some size may get. It is not counted where it is little in any case."""
    most = limits.room_for_counting * (len(instructions) + COUNTED_PER_BODY)
    if size + most <= MAXIMUM_FUNCTION_BODY:
        return 0
    counted = sum(one.name in COUNTED_INSTRUCTIONS for one in instructions)
    return limits.room_for_counting * (counted + COUNTED_PER_BODY)


def later_function(reader: Reader, type_index: int, known: InstructionsOfModule, limits: DecodingLimits) -> Function:
    """An entry of the code section of a module that was decoded before: it is decoded when it is asked for."""
    entry = Reader(reader.raw, reader.position, reader.end)
    reader.part(reader.unsigned())
    return LaterFunction(
        type_index, lambda: function_body(Reader(entry.raw, entry.position, entry.end), type_index, known, limits)
    )


def code_section(
    reader: Reader, type_indices: tuple[int, ...], limits: DecodingLimits, is_known: bool
) -> tuple[Function, ...]:
    """The bodies of the functions whose types the function section gave."""
    start = reader.position
    known = InstructionsOfModule()
    remaining = iter(type_indices)
    if reader.unsigned() != len(type_indices):
        raise reader.fail("function and code section have inconsistent lengths", start)
    read = later_function if is_known else function_body
    return tuple(read(reader, type_index, known, limits) for type_index in remaining)


def custom_section(reader: Reader) -> CustomSection:
    """A custom section; all that is left after its name is its content."""
    return CustomSection(reader.name(), reader.take(reader.end - reader.position))


def section(reader: Reader, number: int, found: dict[str, Any], limits: DecodingLimits, is_known: bool) -> None:
    """Reads one section into `found`, the fields of the module."""
    match number:
        case 1:
            found["types"] = reader.limited_vector(partial(function_type, reader), "types", MAXIMUM_TYPES)
        case 2:
            found["imports"] = reader.limited_vector(partial(import_entry, reader), "imports", MAXIMUM_IMPORTS)
        case 3:
            found["type_indices"] = reader.limited_vector(reader.unsigned, "functions", limits.functions)
        case 4:
            found["defined_tables"] = reader.limited_vector(partial(table_type, reader), "tables", MAXIMUM_TABLES)
        case 5:
            found["defined_memories"] = reader.vector(partial(memory_type, reader))
        case 6:
            found["defined_globals"] = reader.limited_vector(partial(global_entry, reader), "globals", limits.globals)
        case 7:
            found["exports"] = reader.limited_vector(partial(export_entry, reader), "exports", MAXIMUM_EXPORTS)
        case 8:
            found["start"] = reader.unsigned()
        case 9:
            found["elements"] = element_section(reader)
        case 10:
            found["functions"] = code_section(reader, found.get("type_indices", ()), limits, is_known)
        case 11:
            found["data"] = reader.limited_vector(partial(data_segment, reader), "data segments", MAXIMUM_SEGMENTS)
        case 12:
            found["data_count"] = reader.unsigned()


def check_counts(found: dict[str, Any], offset: int) -> None:
    """Checks what must agree between sections."""
    if len(found.get("type_indices", ())) != len(found.get("functions", ())):
        raise Malformed("function and code section have inconsistent lengths", offset)
    if found.get("data_count") not in (None, len(found.get("data", ()))):
        raise Malformed("data count and data section have inconsistent lengths", offset)
    if found.get("data_count") is None and any(
        instruction.opcode in NEED_DATA_COUNT
        for function in found.get("functions", ())
        for instruction in function.body
    ):
        raise Malformed("data count section required", offset)


@lru_cache(maxsize=64)
def decode(raw: bytes, limits: DecodingLimits = SHARED_LIMITS, *, is_known: bool = False) -> Module:
    """
    The module that these bytes stand for; not yet validated.

    Equal bytes give the same object while it is remembered, so that code prepared for it is found again. Raises
    `Malformed` with the reason and the offset of the byte, and `TooLarge` as soon as a limit is passed. Of bytes that
    are known to be a valid module within these limits, functions are decoded when they are asked for.
    """
    reader = Reader(raw, 0, len(raw))
    if raw[:4] != MAGIC:
        raise reader.fail("magic header not detected")
    if raw[4:8] != VERSION:
        raise reader.fail("unknown binary version", 4)
    reader.position = 8
    found: dict[str, Any] = {}
    custom_sections: list[CustomSection] = []
    last_place = -1
    while not reader.at_end:
        start = reader.position
        number = reader.byte()
        content = reader.part(reader.unsigned())
        if number == CUSTOM_SECTION:
            custom_sections.append(custom_section(content))
            if len(custom_sections) > MAXIMUM_CUSTOM_SECTIONS:
                raise TooLarge(len(custom_sections), "custom sections", MAXIMUM_CUSTOM_SECTIONS, start)
            continue
        if number == 13:
            raise reader.fail("exceptions are not accepted", start)
        if number not in SECTION_ORDER:
            raise reader.fail("malformed section id", start)
        if SECTION_ORDER[number] <= last_place:
            raise reader.fail("unexpected content after last section", start)
        last_place = SECTION_ORDER[number]
        size = content.end - content.position
        if number == CODE_SECTION and size > limits.code_section_size:
            raise TooLarge(size, "bytes in the code section", limits.code_section_size, start)
        section(content, number, found, limits, is_known)
        if not content.at_end:
            raise content.fail("section size mismatch")
    if not is_known:
        check_counts(found, reader.position)
    found.pop("type_indices", None)
    return Module(**found, custom_sections=tuple(custom_sections))
