"""
Vector instructions on all bits at once, and those that move lanes, as functions on vectors; then all by name.

Source: core specification, vector operations. Those with a lane index, or with sixteen of them, are functions of it
that give the function on operands. Instructions on vectors in memory are in `instructions_vector_memory`.
"""

from collections.abc import Callable
from typing import Any, Final

from spec.wasm.numerics_integer import Binary, Unary
from spec.wasm.numerics_vector_float import FLOAT_LANES
from spec.wasm.numerics_vector_integer import INTEGER_LANES
from spec.wasm.opcodes import BY_NAME
from spec.wasm.vector_shapes import ALL_BITS, I8X16, SHAPES, Shape

# On all bits.


def v128_not(vector: int) -> int:
    """`v128.not`: every bit flipped."""
    return vector ^ ALL_BITS


def v128_and(left: int, right: int) -> int:
    """`v128.and`."""
    return left & right


def v128_andnot(left: int, right: int) -> int:
    """`v128.andnot`: the bits of the left vector that the right one does not have."""
    return left & ~right


def v128_or(left: int, right: int) -> int:
    """`v128.or`."""
    return left | right


def v128_xor(left: int, right: int) -> int:
    """`v128.xor`."""
    return left ^ right


def v128_any_true(vector: int) -> int:
    """`v128.any_true`: whether some bit is one."""
    return 1 if vector else 0


def v128_bitselect(first: int, second: int, selection: int) -> int:
    """`v128.bitselect`: bits of the first vector where the selection has ones, of the second where it has zeros."""
    return (first & selection) | (second & ~selection)


# Lanes.


def splat(shape: Shape) -> Unary:
    """`splat`: every lane is the operand."""
    return lambda operand: shape.vector((operand,) * shape.count)


def swizzle(vector: int, indices: int) -> int:
    """`i8x16.swizzle`: the lanes of a vector that the indices name; zero where there is no such lane."""
    lanes = I8X16.lanes(vector)
    return I8X16.vector(lanes[index] if index < I8X16.count else 0 for index in I8X16.lanes(indices))


def shuffle(indices: tuple[int, ...]) -> Binary:
    """`i8x16.shuffle`: the lanes that the indices name, the left vector's counted first."""

    def instruction(left: int, right: int) -> int:
        lanes = (*I8X16.lanes(left), *I8X16.lanes(right))
        return I8X16.vector(lanes[index] for index in indices)

    return instruction


def extract_lane(shape: Shape, result_width: int, is_signed: bool) -> Callable[[int], Unary]:
    """`extract_lane`: one lane, extended to the width of the result."""
    mask = (1 << result_width) - 1
    return lambda index: lambda vector: shape.lanes(vector, is_signed)[index] & mask


def replace_lane(shape: Shape) -> Callable[[int], Binary]:
    """`replace_lane`: the vector with another value in one lane."""

    def at(index: int) -> Binary:
        def instruction(vector: int, value: int) -> int:
            lanes = shape.lanes(vector)
            return shape.vector((*lanes[:index], value, *lanes[index + 1 :]))

        return instruction

    return at


EXTRACT_LANE: Final[dict[str, Callable[[int], Unary]]] = {
    "i8x16.extract_lane_s": extract_lane(SHAPES["i8x16"], 32, is_signed=True),
    "i8x16.extract_lane_u": extract_lane(SHAPES["i8x16"], 32, is_signed=False),
    "i16x8.extract_lane_s": extract_lane(SHAPES["i16x8"], 32, is_signed=True),
    "i16x8.extract_lane_u": extract_lane(SHAPES["i16x8"], 32, is_signed=False),
    "i32x4.extract_lane": extract_lane(SHAPES["i32x4"], 32, is_signed=False),
    "i64x2.extract_lane": extract_lane(SHAPES["i64x2"], 64, is_signed=False),
    "f32x4.extract_lane": extract_lane(SHAPES["f32x4"], 32, is_signed=False),
    "f64x2.extract_lane": extract_lane(SHAPES["f64x2"], 64, is_signed=False),
}
"""By name: from the index of a lane to the function of a vector."""

REPLACE_LANE: Final[dict[str, Callable[[int], Binary]]] = {
    f"{name}.replace_lane": replace_lane(shape) for name, shape in SHAPES.items()
}
"""By name: from the index of a lane to the function of a vector and the new value."""

# All by name.

_FUNCTIONS: Final[dict[str, Callable[..., int]]] = {
    **INTEGER_LANES,
    **FLOAT_LANES,
    **{f"{name}.splat": splat(shape) for name, shape in SHAPES.items()},
    "i8x16.swizzle": swizzle,
    "v128.not": v128_not,
    "v128.and": v128_and,
    "v128.andnot": v128_andnot,
    "v128.or": v128_or,
    "v128.xor": v128_xor,
    "v128.any_true": v128_any_true,
}


def _with_operands(number: int) -> dict[str, Any]:
    """Those of the functions above that are instructions with this number of operands."""
    return {
        name: function
        for name, function in _FUNCTIONS.items()
        if name in BY_NAME and len(BY_NAME[name].parameters or ()) == number
    }


VECTOR_UNARY: Final[dict[str, Unary]] = _with_operands(1)
"""Vector instructions with one operand and nothing else."""

VECTOR_BINARY: Final[dict[str, Binary]] = _with_operands(2)
"""Vector instructions with two operands and nothing else."""
