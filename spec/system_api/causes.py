"""What made code trap, told from the reason of a trap."""

from collections.abc import Mapping
from typing import Final

from spec.canister.outcome import TrapCause
from spec.system_api.cycles import BEYOND_64_BITS
from spec.system_api.stable_memory import BEYOND_32_BITS, OUTSIDE_STABLE_MEMORY
from spec.values.identifiers import Text
from spec.wasm.memory import OUT_OF_BOUNDS
from spec.wasm.store import (
    CALL_STACK_EXHAUSTED,
    TABLE_OUT_OF_BOUNDS,
    TYPE_MISMATCH,
    UNDEFINED_ELEMENT,
    UNINITIALIZED_ELEMENT,
)

CAUSES: Final[Mapping[Text, TrapCause]] = {
    CALL_STACK_EXHAUSTED: TrapCause.STACK_OVERFLOW,
    OUT_OF_BOUNDS: TrapCause.HEAP_OUT_OF_BOUNDS,
    TABLE_OUT_OF_BOUNDS: TrapCause.TABLE_OUT_OF_BOUNDS,
    UNDEFINED_ELEMENT: TrapCause.TABLE_OUT_OF_BOUNDS,
    UNINITIALIZED_ELEMENT: TrapCause.OTHER,
    "integer divide by zero": TrapCause.DIVISION_BY_ZERO,
    "integer overflow": TrapCause.OTHER,
    "invalid conversion to integer": TrapCause.OTHER,
    "unreachable": TrapCause.UNREACHABLE,
    BEYOND_32_BITS: TrapCause.STABLE_MEMORY_TOO_LARGE,
    BEYOND_64_BITS: TrapCause.CYCLES_TOO_MANY,
}
"""By the reasons that are always the same."""


def cause_of(reason: Text) -> TrapCause | None:
    """What made code trap; None for a violated condition of the System API, or a call with another signature."""
    if reason.endswith(OUTSIDE_STABLE_MEMORY):
        return TrapCause.STABLE_MEMORY_OUT_OF_BOUNDS
    return None if reason == TYPE_MISMATCH else CAUSES.get(reason)
