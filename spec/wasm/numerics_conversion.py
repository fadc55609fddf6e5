"""Conversions between types, as functions on bit patterns. Source: core specification, conversions."""

import math
from typing import Final

from spec.wasm.numerics_float import F32_FORMAT, F64_FORMAT, FloatFormat
from spec.wasm.numerics_integer import Unary, signed
from spec.wasm.traps import Trap

FORMATS: Final[dict[str, FloatFormat]] = {"f32": F32_FORMAT, "f64": F64_FORMAT}
WIDTHS: Final[dict[str, int]] = {"i32": 32, "i64": 64}


def bounds(width: int, is_signed: bool) -> tuple[int, int]:
    """The least and the greatest integer of a width."""
    return (-(1 << (width - 1)), (1 << (width - 1)) - 1) if is_signed else (0, (1 << width) - 1)


def truncation(form: FloatFormat, width: int, is_signed: bool) -> Unary:
    """`trunc`: rounding towards zero; traps for NaN and for numbers without such an integer."""
    least, greatest = bounds(width, is_signed)
    mask = (1 << width) - 1

    def trunc(operand: int) -> int:
        number = form.number(operand)
        if number != number:
            raise Trap("invalid conversion to integer")
        if math.isinf(number) or not least <= (integer := math.trunc(number)) <= greatest:
            raise Trap("integer overflow")
        return integer & mask

    return trunc


def saturating_truncation(form: FloatFormat, width: int, is_signed: bool) -> Unary:
    """`trunc_sat`: like `trunc`, but NaN gives 0 and what is out of range gives the nearest bound."""
    least, greatest = bounds(width, is_signed)
    mask = (1 << width) - 1

    def trunc_sat(operand: int) -> int:
        number = form.number(operand)
        if number != number:
            return 0
        if math.isinf(number):
            return (greatest if number > 0 else least) & mask
        return min(max(math.trunc(number), least), greatest) & mask

    return trunc_sat


def round_to_precision(integer: int, digits: int) -> int:
    """The nearest integer with at most this many significant binary digits, ties to even."""
    magnitude = abs(integer)
    excess = magnitude.bit_length() - digits
    if excess <= 0:
        return integer
    kept, lost, half = magnitude >> excess, magnitude & ((1 << excess) - 1), 1 << (excess - 1)
    if lost > half or (lost == half and kept & 1):
        kept += 1
    return (kept << excess) if integer > 0 else -(kept << excess)


def conversion_from_integer(form: FloatFormat, width: int, is_signed: bool) -> Unary:
    """`convert`: the nearest number, ties to even. The integer is rounded once, to the digits of the format."""
    digits = form.fraction + 1

    def convert(operand: int) -> int:
        integer = signed(operand, width) if is_signed else operand
        return form.bits(float(round_to_precision(integer, digits)))

    return convert


def between_formats(source: FloatFormat, target: FloatFormat) -> Unary:
    """`promote` and `demote`: the nearest number of the other format."""

    def convert(operand: int) -> int:
        return target.bits(source.number(operand))

    return convert


def wrap(operand: int) -> int:
    """The lowest 32 bits."""
    return operand & 0xFFFFFFFF


def same_bits(operand: int) -> int:
    """The same bits, as another type; also an i32 as an unsigned i64."""
    return operand


def extend_signed(operand: int) -> int:
    """A signed i32 as an i64."""
    return ((operand ^ 0x80000000) - 0x80000000) & 0xFFFFFFFFFFFFFFFF


def _truncations() -> dict[str, Unary]:
    """From floating point to integer: eight that trap and eight that saturate."""
    table: dict[str, Unary] = {}
    for target, width in WIDTHS.items():
        for source, form in FORMATS.items():
            for suffix in ("s", "u"):
                table[f"{target}.trunc_{source}_{suffix}"] = truncation(form, width, suffix == "s")
                table[f"{target}.trunc_sat_{source}_{suffix}"] = saturating_truncation(form, width, suffix == "s")
    return table


def _conversions_from_integers() -> dict[str, Unary]:
    """From integer to floating point."""
    return {
        f"{target}.convert_{source}_{suffix}": conversion_from_integer(form, width, suffix == "s")
        for target, form in FORMATS.items()
        for source, width in WIDTHS.items()
        for suffix in ("s", "u")
    }


CONVERSIONS: Final[dict[str, Unary]] = {
    "i32.wrap_i64": wrap,
    "i64.extend_i32_s": extend_signed,
    "i64.extend_i32_u": same_bits,
    "i32.reinterpret_f32": same_bits,
    "i64.reinterpret_f64": same_bits,
    "f32.reinterpret_i32": same_bits,
    "f64.reinterpret_i64": same_bits,
    "f32.demote_f64": between_formats(F64_FORMAT, F32_FORMAT),
    "f64.promote_f32": between_formats(F32_FORMAT, F64_FORMAT),
    **_truncations(),
    **_conversions_from_integers(),
}
"""Every conversion by its name."""
