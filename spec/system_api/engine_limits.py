"""
How large the parts of a module may be for the engine that production compiles it with.

The interface specification leaves them open. Most are checked while a module is decoded (`spec.wasm.decoding_limits`);
here are the others. Source: the implementation limits of the validator `wasmparser`, which production's engine uses;
ours#sizes-of-modules.
"""

from collections.abc import Iterator
from typing import Final

from spec.values.identifiers import Text
from spec.values.quantities import ByteCount, Count
from spec.wasm.syntax import ExternalKind, Module

NAME: Final[ByteCount] = 100_000
"""Names of imports, exports and custom sections."""

TYPES: Final[Count] = 900_000
"""Ours: `wasmparser` has a million, counted after the embedder has added types of its own."""

TYPE_SIZE: Final[Count] = 990_000
"""Of the type of a module: see `type_size`. Ours: `wasmparser` has 999,999, and an engine that counts adds exports."""

ROOM_FOR_COUNTING: Final[ByteCount] = 80
"""
Ours: so many bytes of code that counts fit at each place where it may be written, below the largest size that
`wasmparser` has for a function body. Production writes less, some 25 bytes.
"""


def engine_violation(module: Module) -> Text | None:
    """The first limit that a decoded module does not keep to."""
    for what, number, limit in (
        ("types", len(module.types), TYPES),
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


def _names(module: Module) -> Iterator[Text]:
    for entry in module.imports:
        yield entry.module
        yield entry.name
    for export in module.exports:
        yield export.name
    for section in module.custom_sections:
        yield section.name
