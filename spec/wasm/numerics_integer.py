"""
Integer instructions, as functions on unsigned bit patterns. Source: core specification, integer operations.

Each width gives one table, by the specification's names: `INTEGER_32["add"]` is `i32.add`. Booleans are 0 and 1.
"""

from collections.abc import Callable
from operator import and_, or_, xor
from typing import Final

from attrs import frozen

from spec.wasm.traps import Trap

Unary = Callable[[int], int]
Binary = Callable[[int, int], int]


@frozen
class IntegerInstructions:
    """The integer instructions of one width, without the prefix of the type."""

    unary: dict[str, Unary]
    binary: dict[str, Binary]


def signed(value: int, width: int) -> int:
    """The signed interpretation of a bit pattern."""
    return value - (1 << width) if value >> (width - 1) else value


def _unary(width: int) -> dict[str, Unary]:
    """Instructions with one operand, of this width."""
    mask = (1 << width) - 1

    def clz(value: int) -> int:
        """The number of leading zeros."""
        return width - value.bit_length()

    def ctz(value: int) -> int:
        """The number of trailing zeros; all, if the value is zero."""
        return (value & -value).bit_length() - 1 if value else width

    def popcnt(value: int) -> int:
        """The number of ones."""
        return value.bit_count()

    def eqz(value: int) -> int:
        """Whether the value is zero."""
        return 0 if value else 1

    def extend(narrow: int) -> Unary:
        """Sign extension of the lowest bits."""
        sign, low = 1 << (narrow - 1), (1 << narrow) - 1

        def extend_s(value: int) -> int:
            return (((value & low) ^ sign) - sign) & mask

        return extend_s

    extensions = {f"extend{narrow}_s": extend(narrow) for narrow in (8, 16, 32) if narrow < width}
    return {"clz": clz, "ctz": ctz, "popcnt": popcnt, "eqz": eqz, **extensions}


def _arithmetic(width: int) -> dict[str, Binary]:
    """Addition to remainder, of this width."""
    mask = (1 << width) - 1
    sign = 1 << (width - 1)

    def add(left: int, right: int) -> int:
        """The sum, modulo 2^width."""
        return (left + right) & mask

    def sub(left: int, right: int) -> int:
        """The difference, modulo 2^width."""
        return (left - right) & mask

    def mul(left: int, right: int) -> int:
        """The product, modulo 2^width."""
        return (left * right) & mask

    def div_u(left: int, right: int) -> int:
        """The quotient."""
        if right == 0:
            raise Trap("integer divide by zero")
        return left // right

    def div_s(left: int, right: int) -> int:
        """The signed quotient, rounded towards zero. The quotient of the least number and -1 does not exist."""
        if right == 0:
            raise Trap("integer divide by zero")
        if left == sign and right == mask:
            raise Trap("integer overflow")
        dividend, divisor = signed(left, width), signed(right, width)
        quotient = abs(dividend) // abs(divisor)
        return (quotient if (dividend < 0) == (divisor < 0) else -quotient) & mask

    def rem_u(left: int, right: int) -> int:
        """The remainder."""
        if right == 0:
            raise Trap("integer divide by zero")
        return left % right

    def rem_s(left: int, right: int) -> int:
        """The remainder of the signed division; it has the sign of the dividend."""
        if right == 0:
            raise Trap("integer divide by zero")
        dividend = signed(left, width)
        remainder = abs(dividend) % abs(signed(right, width))
        return (-remainder if dividend < 0 else remainder) & mask

    return {
        "add": add,
        "sub": sub,
        "mul": mul,
        "div_s": div_s,
        "div_u": div_u,
        "rem_s": rem_s,
        "rem_u": rem_u,
    }


def _bitwise(width: int) -> dict[str, Binary]:
    """Bitwise operations, shifts and rotations, of this width. Distances count modulo the width."""
    mask = (1 << width) - 1
    sign = 1 << (width - 1)
    distance = width - 1

    def shl(left: int, right: int) -> int:
        """Shifted left."""
        return (left << (right & distance)) & mask

    def shr_u(left: int, right: int) -> int:
        """Shifted right, zeros moved in."""
        return left >> (right & distance)

    def shr_s(left: int, right: int) -> int:
        """Shifted right, copies of the sign moved in."""
        return (((left ^ sign) - sign) >> (right & distance)) & mask

    def rotl(left: int, right: int) -> int:
        """Rotated left."""
        return ((left << (right & distance)) | (left >> (width - (right & distance)))) & mask

    def rotr(left: int, right: int) -> int:
        """Rotated right."""
        return ((left >> (right & distance)) | (left << (width - (right & distance)))) & mask

    return {"and": and_, "or": or_, "xor": xor, "shl": shl, "shr_s": shr_s, "shr_u": shr_u, "rotl": rotl, "rotr": rotr}


def _comparisons(width: int) -> dict[str, Binary]:
    """Comparisons, of this width. Flipping the sign bit makes the order of signed numbers that of unsigned ones."""
    sign = 1 << (width - 1)

    def eq(left: int, right: int) -> int:
        return 1 if left == right else 0

    def ne(left: int, right: int) -> int:
        return 1 if left != right else 0

    def lt_u(left: int, right: int) -> int:
        return 1 if left < right else 0

    def gt_u(left: int, right: int) -> int:
        return 1 if left > right else 0

    def le_u(left: int, right: int) -> int:
        return 1 if left <= right else 0

    def ge_u(left: int, right: int) -> int:
        return 1 if left >= right else 0

    def lt_s(left: int, right: int) -> int:
        return 1 if left ^ sign < right ^ sign else 0

    def gt_s(left: int, right: int) -> int:
        return 1 if left ^ sign > right ^ sign else 0

    def le_s(left: int, right: int) -> int:
        return 1 if left ^ sign <= right ^ sign else 0

    def ge_s(left: int, right: int) -> int:
        return 1 if left ^ sign >= right ^ sign else 0

    return {
        "eq": eq,
        "ne": ne,
        "lt_s": lt_s,
        "lt_u": lt_u,
        "gt_s": gt_s,
        "gt_u": gt_u,
        "le_s": le_s,
        "le_u": le_u,
        "ge_s": ge_s,
        "ge_u": ge_u,
    }


def integer_instructions(width: int) -> IntegerInstructions:
    """All integer instructions of one width."""
    return IntegerInstructions(_unary(width), _arithmetic(width) | _bitwise(width) | _comparisons(width))


INTEGER_32: Final = integer_instructions(32)
INTEGER_64: Final = integer_instructions(64)
