"""System API: stable memory."""

from typing import Final

from reference_impl.wasm.layout.fast_functions import HEAP_SIZE
from reference_impl.wasm.layout.system_functions import EVERYWHERE, Context, system_function
from reference_impl.wasm.rewriting.fast_stable_code import ACCESS, LARGEST_32_BIT, PAGE_CHARGE
from reference_impl.wasm.system_api.execution import Execution
from spec.canister.outcome import TrapCause
from spec.profile import Limits
from spec.values.quantities import WASM_PAGE, Count, Instructions

GROW: Final[Instructions] = 100
INSTALLING: Final = frozenset(map(Context, ["I", "G"]))
QUERYING: Final = frozenset(map(Context, ["RQ", "NRQ", "TQ", "CQ", "CRy", "CRt", "CC", "F"]))
"""Where other limits hold for the pages accessed. Source: facts on limits."""


def _require_small(execution: Execution) -> None:
    execution.trap_unless(execution.stable.wasm_pages <= LARGEST_32_BIT, TrapCause.STABLE_MEMORY_TOO_LARGE)


def most_pages_accessed(context: Context, limits: Limits) -> Count:
    """How many different 4 KiB pages an execution may read or write."""
    if context in INSTALLING:
        return limits.stable_pages_in_upgrade
    return limits.stable_pages_in_query if context in QUERYING else limits.stable_pages_in_message


def _access(execution: Execution, offset: int, size: int) -> None:
    execution.trap_unless(offset + size <= execution.stable.size, TrapCause.STABLE_MEMORY_OUT_OF_BOUNDS)
    most = most_pages_accessed(execution.context, execution.environment.profile.limits)
    execution.trap_unless(execution.stable.access(offset, size, most))


def _read(execution: Execution, destination: int, offset: int, size: int) -> None:
    _access(execution, offset, size)
    execution.trap_unless(destination + size <= execution.cells[HEAP_SIZE], TrapCause.HEAP_OUT_OF_BOUNDS)
    execution.stable.read(offset, execution.instance.address(destination), size)


def _write(execution: Execution, offset: int, source: int, size: int) -> None:
    _access(execution, offset, size)
    # Source: production charges for the pages before it looks at the heap.
    execution.charge_in_module(PAGE_CHARGE * execution.stable.note_written(offset, size))
    execution.trap_unless(source + size <= execution.cells[HEAP_SIZE], TrapCause.HEAP_OUT_OF_BOUNDS)
    execution.stable.write(offset, execution.instance.address(source), size)


def _grow(execution: Execution, more: Count, most: Count) -> int:
    before = execution.stable.wasm_pages
    if not execution.may_grow() or before + more > min(
        most, execution.environment.profile.limits.stable_memory // WASM_PAGE
    ):
        return -1
    execution.stable.grow(more)
    return before


@system_function("", "l", EVERYWHERE, charges_itself=True)
def stable64_size(execution: Execution) -> int:
    """The size in pages."""
    return execution.stable.wasm_pages


@system_function("l", "l", EVERYWHERE, fixed_cost=GROW)
def stable64_grow(execution: Execution, more: int) -> int:
    """Appends pages; gives the size before, or -1 if the limit or the system does not allow it."""
    return _grow(execution, more, 2**64)


@system_function("lll", "", EVERYWHERE, charges_itself=True)
def stable64_write(execution: Execution, offset: int, source: int, size: int) -> None:
    """Copies from the heap into stable memory."""
    execution.charge_in_module(ACCESS + size)
    _write(execution, offset, source, size)


@system_function("lll", "", EVERYWHERE, charges_itself=True)
def stable64_read(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies from stable memory into the heap."""
    execution.charge_in_module(ACCESS + size)
    _read(execution, destination, offset, size)


@system_function("", "i", EVERYWHERE, only_32_bit=True, charges_itself=True)
def stable_size(execution: Execution) -> int:
    """The size in pages; a trap if it is beyond the reach of 32 bits."""
    _require_small(execution)
    return execution.stable.wasm_pages


@system_function("i", "i", EVERYWHERE, only_32_bit=True, fixed_cost=GROW)
def stable_grow(execution: Execution, more: int) -> int:
    """Appends pages; gives the size before, or -1 if it would be beyond the reach of 32 bits; a trap if it was."""
    _require_small(execution)
    return _grow(execution, more, LARGEST_32_BIT)


@system_function("iii", "", EVERYWHERE, only_32_bit=True, charges_itself=True)
def stable_write(execution: Execution, offset: int, source: int, size: int) -> None:
    """Copies from the heap into stable memory; a trap if it is beyond the reach of 32 bits."""
    execution.charge_in_module(ACCESS + size)
    _require_small(execution)
    _write(execution, offset, source, size)


@system_function("iii", "", EVERYWHERE, only_32_bit=True, charges_itself=True)
def stable_read(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies from stable memory into the heap; a trap if it is beyond the reach of 32 bits."""
    execution.charge_in_module(ACCESS + size)
    _require_small(execution)
    _read(execution, destination, offset, size)
