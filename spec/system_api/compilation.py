"""
What installing a module is charged for compiling it. Source: facts on weights, compilation.

Production compiles an instrumented module: one that charges for its own instructions. So the charge depends on how
many instructions that adds. Left out is the code by which production replaces imported functions for stable memory,
whose size is not recorded; a module that imports some of them is charged too little here.
"""

from typing import Final

from spec.values.quantities import Count, Instructions
from spec.wasm.metering import charged_segments
from spec.wasm.syntax import Function, Module

BASE: Final[Instructions] = 20_000_000
PER_INSTRUCTION: Final[Instructions] = 6_000
"""For each instruction of the instrumented module."""

UNCHECKED_SEGMENT: Final[Count] = 4
CHECKED_SEGMENT: Final[Count] = 10
"""Instructions that charge for a segment, without and with a comparison with zero."""

CHARGE_BY_32_BIT_SIZE: Final[Count] = 3
CHARGE_BY_64_BIT_SIZE: Final[Count] = 1
"""Instructions that charge for a bulk operation, by the type of its size."""

AFTER_MEMORY_GROW: Final[Count] = 3

HELPERS: Final[Count] = 20 + 46
"""Instructions of the two injected functions: the one that lowers the counter, and the one that counts clean pages."""

PER_GLOBAL: Final[Count] = 2
INJECTED_GLOBALS: Final[Count] = 3

SIZE_AS_ADDRESS: Final = frozenset({"memory.fill", "memory.copy"})
"""Bulk operations whose size has the type of addresses."""

SIZE_OF_32_BITS: Final = frozenset({"memory.init"})
"""Bulk operations whose size always has 32 bits. Those of tables are not supported in canisters."""


def instructions_to_compile(module: Module) -> Instructions:
    """The charge, the fixed part included."""
    return BASE + PER_INSTRUCTION * instrumented_instructions(module)


def instrumented_instructions(module: Module) -> Count:
    """How many instructions the instrumented module has; globals count with their initial values."""
    functions = sum(_instrumented_function(function, module.has_64_bit_memory) for function in module.functions)
    return functions + HELPERS + PER_GLOBAL * (len(module.globals) + INJECTED_GLOBALS)


def _instrumented_function(function: Function, wasm64: bool) -> Count:
    segments = charged_segments(function.body, wasm64).values()
    charging = sum(CHECKED_SEGMENT if segment.is_re_entrant else UNCHECKED_SEGMENT for segment in segments)
    counted = function.counted_instructions().items()
    return len(function.body) + charging + sum(_injected(opcode.name, wasm64) * number for opcode, number in counted)


def _injected(name: str, wasm64: bool) -> Count:
    """Instructions that are injected beside this one."""
    if name == "memory.grow":
        return AFTER_MEMORY_GROW
    if name in SIZE_OF_32_BITS or (name in SIZE_AS_ADDRESS and not wasm64):
        return CHARGE_BY_32_BIT_SIZE
    return CHARGE_BY_64_BIT_SIZE if name in SIZE_AS_ADDRESS else 0
