"""The mutable parts of an instance: counter, memory, tables, globals, segments."""

from collections.abc import Callable, MutableSequence, Sequence
from typing import Final

from spec.values.quantities import Instructions
from spec.wasm.memory import Memory
from spec.wasm.metering import HIGHEST_COUNTER, after_dynamic_charge, is_exhausted, overruns_slice
from spec.wasm.syntax import Module, TableType
from spec.wasm.traps import OutOfInstructions, SliceOverrun, Trap
from spec.wasm.validate import MAXIMUM_ELEMENTS

UNDEFINED_ELEMENT: Final = "undefined element"
UNINITIALIZED_ELEMENT: Final = "uninitialized element"
TYPE_MISMATCH: Final = "indirect call type mismatch"
TABLE_OUT_OF_BOUNDS: Final = "out of bounds table access"
CALL_STACK_EXHAUSTED: Final = "call stack exhausted"

LARGEST_TABLE: Final = 10_000_000
"""A table does not grow beyond this many elements; growing may always fail. Source: the limit that engines share."""


class Table:
    """The references of a table, and its bounds."""

    __slots__ = ("elements", "maximum")

    def __init__(self, table_type: TableType, elements: list[int]) -> None:
        limits = table_type.limits
        bounds = (limits.maximum, LARGEST_TABLE, MAXIMUM_ELEMENTS[limits.is_64_bit])
        self.maximum = min(bound for bound in bounds if bound is not None)
        self.elements = elements

    def check(self, index: int, number: int) -> None:
        """Traps unless the elements lie inside the table."""
        if index + number > len(self.elements):
            raise Trap(TABLE_OUT_OF_BOUNDS)

    def get(self, index: int) -> int:
        """One element."""
        self.check(index, 1)
        return self.elements[index]

    def put(self, index: int, references: Sequence[int]) -> None:
        """Replaces elements."""
        self.check(index, len(references))
        self.elements[index : index + len(references)] = references

    def fill(self, index: int, reference: int, number: int) -> None:
        """Puts the same reference everywhere."""
        self.check(index, number)
        self.elements[index : index + number] = [reference] * number

    def grow(self, reference: int, number: int) -> int:
        """Adds elements. The number of elements before, or -1 if there is no room."""
        before = len(self.elements)
        if before + number > self.maximum:
            return -1
        self.elements.extend([reference] * number)
        return before


class Store:
    """What the instructions of one instance read and change."""

    module: Module
    counter: int
    """Instructions left: a signed 64-bit number."""
    limit: Instructions
    """With which the counter started."""
    one_slice: Instructions | None
    """How much a slice of the execution holds; None if it is not sliced."""
    memory: Memory | None
    tables: list[Table]
    globals: MutableSequence[int]
    """The bit patterns of all globals, by index."""
    element_segments: list[Sequence[int]]
    """The references of each element segment; empty once dropped."""
    data_segments: list[bytes]
    """The bytes of each data segment; empty once dropped."""
    may_grow: Callable[[], bool] | None
    """
    Asked before each `memory.grow`, which fails unless it may; None: it always may. Source: core specification,
    `memory.grow` (it may fail at any time).
    """
    after_memory_grow: Callable[[int, int], None] | None
    """
    Called after each `memory.grow` with its result, -1 if it failed, and the pages asked for (facts on weights, G1).
    """

    @property
    def heap(self) -> Memory:
        """The memory, which validation has found to exist."""
        assert self.memory is not None
        return self.memory

    def charge(self, amount: int) -> None:
        """
        Charges for a system function. Source: facts on System API costs, C2.

        The counter is compared with zero before and after. A charge that is no signed 64-bit number ends the execution.
        """
        if is_exhausted(self.counter) or amount > HIGHEST_COUNTER:
            raise OutOfInstructions
        self.charge_dynamically(amount)

    def charge_dynamically(self, amount: int) -> None:
        """Charges for a bulk operation, or for stable memory: compared with zero afterwards only (D4, C4)."""
        before, self.counter = self.counter, after_dynamic_charge(self.counter, amount)
        if self.one_slice is not None and overruns_slice(self.limit, self.one_slice, before, amount):
            raise SliceOverrun
        if is_exhausted(self.counter):
            raise OutOfInstructions
