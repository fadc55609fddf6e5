"""
Validation of modules. Source: core specification, validation.

Constant expressions are those without the extension to arithmetic; `global.get` in them refers to an imported global
that is not mutable. Function bodies are checked in `validate_code`.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from weakref import WeakSet

from spec.values.checklist import defines
from spec.wasm.syntax import (
    DataSegment,
    ElementSegment,
    Export,
    Expression,
    ExternalKind,
    FunctionType,
    Limits,
    Module,
    SegmentMode,
    ValueType,
)
from spec.wasm.validate_code import BodyChecker
from spec.wasm.validate_stacks import Invalid as Invalid

MAXIMUM_PAGES: Final[dict[bool, int]] = {False: 1 << 16, True: 1 << 48}
"""The greatest number of pages of a memory, without and with 64-bit addresses."""

MAXIMUM_ELEMENTS: Final[dict[bool, int]] = {False: (1 << 32) - 1, True: (1 << 64) - 1}
"""The greatest number of elements of a table, without and with 64-bit indices."""

_validated: WeakSet[Module] = WeakSet()


def validate(module: Module) -> None:
    """Raises `Invalid`, with the reason, if the module is not valid. A module is checked once."""
    if module in _validated:
        return
    check_types_used(module)
    check_memories_and_tables(module)
    check_globals(module)
    check_exports(module.exports, module)
    check_start(module)
    for element in module.elements:
        check_element_segment(element, module)
    for data in module.data:
        check_data_segment(data, module)
    referable = referable_functions(module)
    checker = BodyChecker(module, referable)
    for index, function in enumerate(module.functions, start=len(module.imported_functions)):
        try:
            checker.check(function)
        except Invalid as error:
            raise Invalid(f"function {index}: {error.reason}") from None
    _validated.add(module)


def check_types_used(module: Module) -> None:
    """Every function has a type that the module defines."""
    for index in module.function_type_indices:
        if index >= len(module.types):
            raise Invalid(f"unknown type {index}")


def check_limits(limits: Limits, greatest: int, what: str) -> None:
    """The limits are in range and in order."""
    if limits.minimum > greatest or (limits.maximum is not None and limits.maximum > greatest):
        raise Invalid(f"{what} size must be at most {greatest}")
    if limits.maximum is not None and limits.minimum > limits.maximum:
        raise Invalid("size minimum must not be greater than maximum")


@defines("seed2.wasm-memory-limit")
def check_memories_and_tables(module: Module) -> None:
    """There is at most one memory, and sizes are possible."""
    if len(module.memories) > 1:
        raise Invalid("multiple memories: more than one memory is not accepted")
    for memory in module.memories:
        check_limits(memory.limits, MAXIMUM_PAGES[memory.limits.is_64_bit], "memory")
    for table in module.tables:
        check_limits(table.limits, MAXIMUM_ELEMENTS[table.limits.is_64_bit], "table")


def check_globals(module: Module) -> None:
    """Initial values have the declared types."""
    for entry in module.defined_globals:
        check_constant(entry.initial, entry.type.value_type, module)


def check_exports(exports: Sequence[Export], module: Module) -> None:
    """Names are used once and everything exported exists."""
    spaces: dict[ExternalKind, Sequence[object]] = {
        ExternalKind.FUNCTION: module.function_type_indices,
        ExternalKind.TABLE: module.tables,
        ExternalKind.MEMORY: module.memories,
        ExternalKind.GLOBAL: module.globals,
    }
    seen: set[str] = set()
    for export in exports:
        if export.name in seen:
            raise Invalid(f"duplicate export name {export.name!r}")
        seen.add(export.name)
        if export.index >= len(spaces[export.kind]):
            raise Invalid(f"unknown {export.kind.name.lower()} {export.index}")


def check_start(module: Module) -> None:
    """The start function exists, takes nothing and returns nothing."""
    if module.start is None:
        return
    if module.start >= len(module.function_type_indices):
        raise Invalid(f"unknown function {module.start}")
    if module.function_type(module.start) != FunctionType():
        raise Invalid("start function must have type [] -> []")


def check_element_segment(segment: ElementSegment, module: Module) -> None:
    """Items have the segment's type, and an active segment fits its table."""
    for item in segment.items:
        check_constant(item, segment.type, module)
    if segment.mode is not SegmentMode.ACTIVE:
        return
    if segment.table >= len(module.tables):
        raise Invalid(f"unknown table {segment.table}")
    table = module.tables[segment.table]
    if table.element is not segment.type:
        raise Invalid(f"type mismatch: table of {table.element.value}, segment of {segment.type.value}")
    check_constant(segment.offset, table.limits.address_type, module)


def check_data_segment(segment: DataSegment, module: Module) -> None:
    """An active segment has a memory and an offset of its address type."""
    if segment.mode is not SegmentMode.ACTIVE:
        return
    if segment.memory >= len(module.memories):
        raise Invalid(f"unknown memory {segment.memory}")
    check_constant(segment.offset, module.memories[segment.memory].limits.address_type, module)


def constant_type(expression: Expression, module: Module) -> ValueType:
    """The type of the value of a constant expression."""
    if len(expression) != 2:
        too_many = "type mismatch or constant expression required: exactly one constant instruction is accepted"
        raise Invalid(too_many)
    instruction = expression[0]
    match instruction.name:
        case "i32.const" | "i64.const" | "f32.const" | "f64.const" | "v128.const":
            return ValueType(instruction.name.removesuffix(".const"))
        case "ref.null":
            return instruction.types[0]
        case "ref.func":
            if instruction.index >= len(module.function_type_indices):
                raise Invalid(f"unknown function {instruction.index}")
            return ValueType.FUNCREF
        case "global.get":
            if instruction.index >= len(module.imported_globals):
                raise Invalid(f"unknown global {instruction.index}: only imported globals may be used here")
            if module.imported_globals[instruction.index].is_mutable:
                raise Invalid("constant expression required: the global is mutable")
            return module.imported_globals[instruction.index].value_type
        case name:
            raise Invalid(f"constant expression required, not {name}")


def check_constant(expression: Expression, expected: ValueType, module: Module) -> None:
    """The expression is constant and has the expected type."""
    actual = constant_type(expression, module)
    if actual is not expected:
        raise Invalid(f"type mismatch: expected {expected.value}, found {actual.value}")


def referable_functions(module: Module) -> frozenset[int]:
    """The functions that `ref.func` in a body may name: those that occur outside of function bodies."""
    expressions: Iterable[Expression] = (
        *(item for segment in module.elements for item in segment.items),
        *(entry.initial for entry in module.defined_globals),
    )
    named = {
        instruction.index for expression in expressions for instruction in expression if instruction.name == "ref.func"
    }
    exported = {entry.index for entry in module.exports if entry.kind is ExternalKind.FUNCTION}
    return frozenset(named | exported)
