"""
Stable memory. Source: canister-interface, stable memory; facts on System API costs.

The charges of these functions are made here, because they depend on what is written. `stable_size` and `stable64_size`
charge nothing at all, so they do not notice that instructions have run out either. Reading and writing charge as bulk
operations do.
"""

from typing import Final

from spec.fees import smaller
from spec.system_api.context import QUERYING, UPGRADING
from spec.system_api.execution_state import Execution
from spec.values.checklist import defines
from spec.values.quantities import OS_PAGE, WASM_PAGE, Count, Instructions
from spec.wasm.memory import OUT_OF_BOUNDS
from spec.wasm.traps import Trap

LARGEST_FOR_32_BITS: Final[Count] = 65536
"""WebAssembly pages; beyond this the 32-bit functions trap."""
LARGEST_FOR_64_BITS: Final[Count] = 2**48
"""WebAssembly pages; all that 64 bits address."""

GROW: Final[Instructions] = 100
COPY: Final[Instructions] = 20
"""Reading and writing cost this and one instruction a byte."""
NEWLY_WRITTEN_PAGE: Final[Instructions] = 1000
"""For each 4 KiB page that the execution writes to for the first time. The same with 64-bit heaps."""

FAILED_32: Final = 2**32 - 1
FAILED_64: Final = 2**64 - 1
"""Minus one."""

BEYOND_32_BITS: Final = "the stable memory is too large for the 32-bit functions"
OUTSIDE_STABLE_MEMORY: Final = "outside the stable memory"
"""Reasons of traps; the second one is the end of such."""


def stable_size(execution: Execution) -> int:
    _check_32_bits(execution)
    return execution.stable_memory.wasm_pages


def stable_grow(execution: Execution, new_pages: int) -> int:
    execution.running.charge(GROW)
    _check_32_bits(execution)
    before = _grow(execution, new_pages, LARGEST_FOR_32_BITS)
    return FAILED_32 if before is None else before


def stable_write(execution: Execution, offset: int, source: int, size: int) -> None:
    execution.running.charge_dynamically(COPY + size)
    _check_32_bits(execution)
    _write(execution, offset, source, size)


def stable_read(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.running.charge_dynamically(COPY + size)
    _check_32_bits(execution)
    _read(execution, destination, offset, size)


def stable64_size(execution: Execution) -> int:
    return execution.stable_memory.wasm_pages


@defines("seed2.stable-memory-64")
def stable64_grow(execution: Execution, new_pages: int) -> int:
    execution.running.charge(GROW)
    before = _grow(execution, new_pages, LARGEST_FOR_64_BITS)
    return FAILED_64 if before is None else before


@defines("seed2.stable-access")
def stable64_write(execution: Execution, offset: int, source: int, size: int) -> None:
    execution.running.charge_dynamically(COPY + size)
    _write(execution, offset, source, size)


@defines("seed2.stable-access")
def stable64_read(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.running.charge_dynamically(COPY + size)
    _read(execution, destination, offset, size)


def _check_32_bits(execution: Execution) -> None:
    if execution.stable_memory.wasm_pages > LARGEST_FOR_32_BITS:
        raise Trap(BEYOND_32_BITS)


@defines("unspec.fn.stable-grow", "error.out-of-memory")
def _grow(execution: Execution, new_pages: int, largest: Count) -> Count | None:
    """The size before; None if the system refuses, or the size would be beyond the limit or the largest."""
    before = execution.stable_memory.wasm_pages
    most = smaller(largest, execution.environment.profile.limits.stable_memory // WASM_PAGE)
    if not execution.may_grow() or before + new_pages > most:
        return None
    execution.stable_memory.grow(new_pages)
    return before


def _write(execution: Execution, offset: int, source: int, size: int) -> None:
    """Newly written pages are charged before the heap is looked at, as production does it."""
    _access(execution, offset, size)
    if size > 0:
        charge = NEWLY_WRITTEN_PAGE * execution.stable_memory.pages_newly_written(offset, size)
        execution.stable_page_charge += charge
        execution.running.charge_dynamically(charge)
    _check_heap(execution, source, size)
    execution.stable_memory.write(offset, execution.read_heap(source, size))


def _read(execution: Execution, destination: int, offset: int, size: int) -> None:
    """The heap is looked at first, so that no more is read than fits into it."""
    _access(execution, offset, size)
    _check_heap(execution, destination, size)
    execution.write_heap(destination, execution.stable_memory.read(offset, size))


def _check_heap(execution: Execution, address: int, size: int) -> None:
    """Traps, as an instruction would, unless so many bytes of the heap are there."""
    if address + size > execution.heap_size:
        raise Trap(OUT_OF_BOUNDS)


@defines("error.memory-access-limit")
def _access(execution: Execution, offset: int, size: int) -> None:
    """Traps unless the range is inside the stable memory, and the execution may access so many pages."""
    if offset + size > execution.stable_memory.size:
        raise Trap(f"{size} bytes at {offset} are {OUTSIDE_STABLE_MEMORY}")
    limit = _largest_access(execution)
    if size > limit * OS_PAGE or execution.stable_memory.access(offset, size) > limit:
        raise Trap(f"more than {limit} pages of stable memory are accessed")


def _largest_access(execution: Execution) -> Count:
    """How many different 4 KiB pages the execution may read or write."""
    limits = execution.environment.profile.limits
    if execution.context in UPGRADING:
        return limits.stable_pages_in_upgrade
    if execution.context in QUERYING:
        return limits.stable_pages_in_query
    return limits.stable_pages_in_message
