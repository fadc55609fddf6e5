"""
How large the parts of a module may be for the engine that production compiles it with.

The interface specification leaves them open. Source: the implementation limits of the validator `wasmparser`, which
the engine of production uses.
"""

from collections.abc import Iterator
from typing import Final

from spec.values.identifiers import Text
from spec.values.quantities import ByteCount, Count
from spec.wasm.syntax import ExternalKind, Module

PARAMETERS: Final[Count] = 1_000
"""Of one function type; likewise results."""

TYPES: Final[Count] = 1_000_000
"""Likewise imports and exports."""

TABLES: Final[Count] = 100
SEGMENTS: Final[Count] = 100_000
"""Of each kind."""

SEGMENT_ELEMENTS: Final[Count] = 10_000_000
NAME: Final[ByteCount] = 100_000
"""Names of imports, exports and custom sections."""

FUNCTION_BODY: Final[ByteCount] = 7_654_321

TYPE_SIZE: Final[Count] = 999_999
"""Of the type of a module: see `type_size`."""


def engine_violation(module: Module) -> Text | None:
    """The first limit that a decoded module does not keep to."""
    for what, number, limit in (
        ("types", len(module.types), TYPES),
        ("imports", len(module.imports), TYPES),
        ("exports", len(module.exports), TYPES),
        ("parameters", max((len(one.parameters) for one in module.types), default=0), PARAMETERS),
        ("results", max((len(one.results) for one in module.types), default=0), PARAMETERS),
        ("tables", len(module.tables), TABLES),
        ("element segments", len(module.elements), SEGMENTS),
        ("data segments", len(module.data), SEGMENTS),
        ("elements in a segment", max((len(one.items) for one in module.elements), default=0), SEGMENT_ELEMENTS),
        ("parts in the type of the module", type_size(module), TYPE_SIZE),
        ("bytes in a name", max((len(name.encode()) for name in _names(module)), default=0), NAME),
    ):
        if number > limit:
            return f"{number} {what}; the engine accepts {limit}"
    return None


def type_size(module: Module) -> Count:
    """
    How large the type of the module is: one, and what each import and export adds.

    A function adds its parameters and results, and two; anything else adds one.
    """
    functions = [len(one.parameters) + len(one.results) + 2 for one in module.types]
    sizes = [functions[index] for index in module.function_type_indices]
    imported = len(module.imported_functions)
    size = 1 + sum(sizes[:imported]) + len(module.imports) - imported
    return size + sum(sizes[each.index] if each.kind is ExternalKind.FUNCTION else 1 for each in module.exports)


def body_violation(sizes: Iterator[ByteCount]) -> Text | None:
    """Whether a function body, of those with these sizes, is too large for the engine."""
    largest = max(sizes, default=0)
    return f"{largest} bytes in a function; the engine accepts {FUNCTION_BODY}" if largest > FUNCTION_BODY else None


def _names(module: Module) -> Iterator[Text]:
    for entry in module.imports:
        yield entry.module
        yield entry.name
    for export in module.exports:
        yield export.name
    for section in module.custom_sections:
        yield section.name
