"""System API: stable memory."""

from typing import Final

from reference_impl.wasm.execution import Execution
from reference_impl.wasm.system_api_table import EVERYWHERE, Context, system_function
from spec.values.quantities import WASM_PAGE, Count, Instructions

ACCESS: Final[Instructions] = 20
"""What an access costs beside its bytes. Source: facts on System API costs."""
GROW: Final[Instructions] = 100
PAGE_CHARGE: Final[Instructions] = 1000
"""For each 4 KiB page that is written for the first time. Source: facts on instruction weights, older page rule."""
INSTALLING: Final = frozenset(map(Context, ["I", "G"]))
QUERYING: Final = frozenset(map(Context, ["RQ", "NRQ", "TQ", "CQ", "CRy", "CRt", "CC", "F"]))
"""Where other limits hold for the pages accessed. Source: facts on limits."""
LARGEST_32_BIT: Final[Count] = 65536
"""In pages; the 32-bit functions trap beyond. Source: facts on limits."""


def _require_small(execution: Execution) -> None:
    execution.trap_unless(execution.stable.wasm_pages <= LARGEST_32_BIT)


def _most_accessed(execution: Execution) -> Count:
    """How many different 4 KiB pages the execution may read or write."""
    limits = execution.environment.profile.limits
    if execution.context in INSTALLING:
        return limits.stable_pages_in_upgrade
    return limits.stable_pages_in_query if execution.context in QUERYING else limits.stable_pages_in_message


def _access(execution: Execution, offset: int, size: int) -> None:
    execution.trap_unless(offset + size <= execution.stable.size)
    execution.trap_unless(execution.stable.access(offset, size, _most_accessed(execution)))


def _read(execution: Execution, destination: int, offset: int, size: int) -> None:
    _access(execution, offset, size)
    execution.trap_unless(destination + size <= execution.instance.memory_size)
    execution.write(destination, execution.stable.read(offset, size))


def _write(execution: Execution, offset: int, source: int, size: int) -> None:
    _access(execution, offset, size)
    # Source: production charges for the pages before it looks at the heap.
    charge = PAGE_CHARGE * execution.stable.pages_new_to_write(offset, size)
    execution.stable_page_charge += charge
    execution.charge_in_module(charge)
    execution.stable.write(offset, execution.read(source, size))


def _grow(execution: Execution, more: Count, most: Count) -> int:
    before = execution.stable.wasm_pages
    if before + more > min(most, execution.environment.profile.limits.stable_memory // WASM_PAGE):
        return -1
    execution.stable.grow(more)
    return before


@system_function("", "l", EVERYWHERE, charges_itself=True)
def stable64_size(execution: Execution) -> int:
    """The size in pages."""
    return execution.stable.wasm_pages


@system_function("l", "l", EVERYWHERE, fixed_cost=GROW)
def stable64_grow(execution: Execution, more: int) -> int:
    """Appends pages; gives the size before, or -1 if the limit does not allow it."""
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
