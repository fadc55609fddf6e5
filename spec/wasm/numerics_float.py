"""
Floating-point instructions, as functions on bit patterns. Source: core specification, floating-point operations.

Every NaN that an arithmetic instruction gives is the positive canonical NaN, whatever its operands; the core
specification leaves the payload open, and execution on the Internet Computer must be the same everywhere. `abs`, `neg`
and `copysign` work on the sign bit alone. Sums, products, quotients and roots in f32 are computed in f64 and then
rounded; as f64 has more than twice the digits, the result is the correctly rounded one.
"""

import math
import struct
from collections.abc import Callable
from typing import Final

from attrs import frozen

from spec.values.checklist import defines
from spec.wasm.numerics_integer import Binary, Unary


@frozen
class FloatFormat:
    """A format of floating-point numbers."""

    width: int
    """In bits."""
    fraction: int
    """The number of bits that are stored of the significand."""
    packing: struct.Struct
    """The conversion between Python's numbers and bytes."""

    @property
    def sign_bit(self) -> int:
        """The sign."""
        return 1 << (self.width - 1)

    @property
    def infinity(self) -> int:
        """The bits of positive infinity: an exponent of ones and a fraction of zeros."""
        return self.sign_bit - (1 << self.fraction)

    @property
    @defines("seed1.wasm-determinism")
    def canonical_nan(self) -> int:
        """The positive NaN of which only the highest bit of the fraction is one."""
        return self.infinity | 1 << (self.fraction - 1)

    def is_nan(self, bits: int) -> bool:
        """The bits are a NaN."""
        return bits & (self.sign_bit - 1) > self.infinity

    def number(self, bits: int) -> float:
        """The number that the bits stand for."""
        value: float = self.packing.unpack(bits.to_bytes(self.width // 8, "little"))[0]
        return value

    def bits(self, number: float) -> int:
        """The bits of the nearest number of the format, ties to even; the canonical NaN for any NaN."""
        if number != number:
            return self.canonical_nan
        try:
            return int.from_bytes(self.packing.pack(number), "little")
        except OverflowError:
            return self.infinity | (self.sign_bit if number < 0 else 0)


F32_FORMAT: Final = FloatFormat(32, 23, struct.Struct("<f"))
F64_FORMAT: Final = FloatFormat(64, 52, struct.Struct("<d"))


@frozen
class FloatInstructions:
    """The floating-point instructions of one format, without the prefix of the type."""

    unary: dict[str, Unary]
    binary: dict[str, Binary]


def square_root(number: float) -> float:
    """The square root; NaN for negative numbers, but the root of -0 is -0."""
    if number < 0 or number != number:
        return math.nan
    return math.sqrt(number)


def quotient(left: float, right: float) -> float:
    """The quotient; infinite if a number is divided by zero, NaN if zero is."""
    if right != 0:
        return left / right
    if left == 0 or left != left:
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def to_integral(rounding: Callable[[float], int]) -> Callable[[float], float]:
    """Rounding to an integral number that keeps the sign of zero; infinities and NaN stay what they are."""

    def rounded(number: float) -> float:
        if math.isinf(number) or number != number:
            return number
        return math.copysign(float(rounding(number)), number)

    return rounded


def round_half_even(number: float) -> int:
    """The nearest integer, ties to even."""
    return round(number)


def minimum(left: float, right: float) -> float:
    """The lesser number; NaN if one is NaN; -0 is less than 0."""
    if left != left or right != right:
        return math.nan
    if left == right == 0:
        return left if math.copysign(1.0, left) < 0 else right
    return min(left, right)


def maximum(left: float, right: float) -> float:
    """The greater number; NaN if one is NaN; 0 is greater than -0."""
    if left != left or right != right:
        return math.nan
    if left == right == 0:
        return right if math.copysign(1.0, left) < 0 else left
    return max(left, right)


ARITHMETIC_UNARY: Final[dict[str, Callable[[float], float]]] = {
    "ceil": to_integral(math.ceil),
    "floor": to_integral(math.floor),
    "trunc": to_integral(math.trunc),
    "nearest": to_integral(round_half_even),
    "sqrt": square_root,
}

ARITHMETIC_BINARY: Final[dict[str, Callable[[float, float], float]]] = {
    "add": lambda left, right: left + right,
    "sub": lambda left, right: left - right,
    "mul": lambda left, right: left * right,
    "div": quotient,
    "min": minimum,
    "max": maximum,
}

COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "lt": lambda left, right: left < right,
    "gt": lambda left, right: left > right,
    "le": lambda left, right: left <= right,
    "ge": lambda left, right: left >= right,
}


def _on_bits_unary(form: FloatFormat, function: Callable[[float], float]) -> Unary:
    """The instruction that a function on numbers defines."""

    def instruction(operand: int) -> int:
        return form.bits(function(form.number(operand)))

    return instruction


def _on_bits_binary(form: FloatFormat, function: Callable[[float, float], float]) -> Binary:
    """The instruction that a function on two numbers defines."""

    def instruction(left: int, right: int) -> int:
        return form.bits(function(form.number(left), form.number(right)))

    return instruction


def _on_bits_comparison(form: FloatFormat, function: Callable[[float, float], bool]) -> Binary:
    """The instruction that a relation of numbers defines."""

    def instruction(left: int, right: int) -> int:
        return 1 if function(form.number(left), form.number(right)) else 0

    return instruction


def float_instructions(form: FloatFormat) -> FloatInstructions:
    """All floating-point instructions of one format."""
    sign_bit, magnitude = form.sign_bit, form.sign_bit - 1

    def absolute(operand: int) -> int:
        """The sign bit cleared."""
        return operand & magnitude

    def negated(operand: int) -> int:
        """The sign bit flipped."""
        return operand ^ sign_bit

    def copysign(left: int, right: int) -> int:
        """The left operand with the sign bit of the right one."""
        return (left & magnitude) | (right & sign_bit)

    unary = {name: _on_bits_unary(form, function) for name, function in ARITHMETIC_UNARY.items()}
    binary = {name: _on_bits_binary(form, function) for name, function in ARITHMETIC_BINARY.items()}
    relations = {name: _on_bits_comparison(form, function) for name, function in COMPARISONS.items()}
    return FloatInstructions(
        {"abs": absolute, "neg": negated, **unary},
        {**binary, **relations, "copysign": copysign},
    )


FLOAT_32: Final = float_instructions(F32_FORMAT)
FLOAT_64: Final = float_instructions(F64_FORMAT)
