"""Pieces of WebAssembly text that the system functions inside a module are made of."""

from functools import reduce
from typing import Final

from attrs import frozen

from reference_impl.wasm.layout.fast_functions import CELLS, FLAGS, LOG_CAPACITY, LOG_SPACE, PLACES
from reference_impl.wasm.layout.system_functions import LOG_SENT, LOG_STORED, Logging, PerByte, SystemFunction
from spec.values.quantities import Instructions

HEAP, SYSTEM, STABLE = 0, 1, 2
"""The memories of a rewritten module."""

_NOWHERE: Final = "(i32.const 0)"


def both(*conditions: str) -> str:
    """All of the conditions hold. Each is evaluated."""
    return reduce(lambda left, right: f"(i32.and {left} {right})", conditions)


def cell(number: int) -> str:
    """A cell of the system memory."""
    return f"(i64.load {SYSTEM} offset={CELLS + 8 * number} {_NOWHERE})"


def cell_32(number: int) -> str:
    """The lower half of a cell."""
    return f"(i32.load {SYSTEM} offset={CELLS + 8 * number} {_NOWHERE})"


def set_cell(number: int, value: str) -> str:
    """Gives a cell a new value."""
    return f"(i64.store {SYSTEM} offset={CELLS + 8 * number} {_NOWHERE} {value})"


def heap_size() -> str:
    """The size of the heap in bytes, for modules with a 32-bit memory or none."""
    return f"(i64.shl (i64.extend_i32_u (memory.size {HEAP})) (i64.const 16))"


def fits(start: str, size: str, whole: str) -> str:
    """The range lies inside. Neither of the two comparisons can overflow if the first one holds."""
    return both(f"(i64.le_u {size} {whole})", f"(i64.le_u {start} (i64.sub {whole} {size}))")


def _smaller(left: str, right: str) -> str:
    return f"(select {left} {right} (i64.lt_u {left} {right}))"


@frozen
class FunctionText:
    """The pieces that depend on the function and the module."""

    function: SystemFunction
    counter: int
    """The index of the global that counts down."""
    one_slice: int
    """The index of the global that holds what a slice holds."""
    is_64_bit: bool

    @property
    def signature(self) -> str:
        """Parameters and result."""
        return f"(param {' '.join(map(self._type, self.function.parameters))}) (result {self.result})"

    @property
    def result(self) -> str:
        """The type of the result, or nothing."""
        return "".join(map(self._type, self.function.result))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The parameters by which the cost grows."""
        match self.function.cost:
            case PerByte(positions, _):
                return positions
            case Logging():
                return (1,)
            case _:
                return ()

    def _type(self, letter: str) -> str:
        return "i64" if self._is_wide(letter) else "i32"

    def _is_wide(self, letter: str) -> bool:
        return letter == "l" or letter == "P" and self.is_64_bit

    @property
    def gives_64_bits(self) -> bool:
        """The result has 64 bits."""
        return self._is_wide(self.function.result)

    def call(self, imported: int) -> str:
        """The call of the imported function with the same parameters."""
        given = " ".join(f"(local.get {index})" for index in range(len(self.function.parameters)))
        return f"(call {imported} {given})"

    def wide(self, parameter: int) -> str:
        """A parameter as 64-bit number."""
        given = f"(local.get {parameter})"
        return given if self._is_wide(self.function.parameters[parameter]) else f"(i64.extend_i32_u {given})"

    def narrow(self, parameter: int) -> str:
        """A parameter as 32-bit number."""
        given = f"(local.get {parameter})"
        return f"(i32.wrap_i64 {given})" if self._is_wide(self.function.parameters[parameter]) else given

    def address(self, parameter: int) -> str:
        """A parameter that is known to lie inside the heap, as address in it."""
        return self.wide(parameter) if self.is_64_bit else self.narrow(parameter)

    def heap_size(self) -> str:
        """The size of the heap in bytes."""
        return f"(i64.shl (memory.size {HEAP}) (i64.const 16))" if self.is_64_bit else heap_size()

    def in_heap(self, parameter: int, size: str) -> str:
        """The range that starts at a parameter lies inside the heap."""
        return fits(self.wide(parameter), size, self.heap_size())

    @property
    def is_plain(self) -> str:
        """The host has nothing against the plain way."""
        return f"(i32.load8_u {SYSTEM} offset={FLAGS + PLACES[self.function.name]} {_NOWHERE})"

    def cost(self, size: str, factor: int = 1, fixed: Instructions | None = None) -> str:
        """What moving so many bytes costs, beside what is fixed."""
        moved = size if factor == 1 else f"(i64.mul {size} (i64.const {factor}))"
        return f"(i64.add {moved} (i64.const {self.function.fixed_cost if fixed is None else fixed}))"

    def cost_of_parameters(self) -> str:
        """What the function costs, given its parameters."""
        match self.function.cost:
            case None:
                return self.fixed_cost
            case PerByte(positions, factor):
                moved = reduce(lambda left, right: f"(i64.add {left} {right})", map(self.wide, positions))
                return self.cost(moved, factor)
            case Logging(factor):
                return self.cost(self._cost_of_log(self.wide(1), factor))
            case unknown:
                raise TypeError(f"{self.function.name} cannot be charged in the module: {unknown}")

    def _cost_of_log(self, size: str, factor: int) -> str:
        stored, sent = _smaller(size, cell(LOG_CAPACITY)), _smaller(size, cell(LOG_SPACE))
        written = f"(i64.add (i64.mul {stored} (i64.const {LOG_STORED})) (i64.mul {sent} (i64.const {LOG_SENT})))"
        return f"(i64.add {written} (i64.mul {size} (i64.const {factor})))"

    @property
    def fixed_cost(self) -> str:
        """What the function costs whatever it is given."""
        return f"(i64.const {self.function.fixed_cost})"

    def affordable(self, cost: str) -> str:
        """So many instructions are left, and they are too few to be too many for slices."""
        return both(
            f"(i64.ge_s (global.get {self.counter}) {cost})", f"(i64.gt_s (global.get {self.one_slice}) {cost})"
        )

    def charge(self, cost: str) -> str:
        """Charges the counter."""
        return f"(global.set {self.counter} (i64.sub (global.get {self.counter}) {cost}))"
