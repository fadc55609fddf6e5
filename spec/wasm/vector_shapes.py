"""
How the 128 bits of a vector are read as lanes. Source: core specification, vector operations.

A vector is an unsigned integer of 128 bits. Its lanes are unsigned integers too, lane 0 in the lowest bits.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Final

from attrs import field, frozen

from spec.wasm.numerics_integer import Binary, Unary

VECTOR_BYTES: Final = 16
VECTOR_BITS: Final = 8 * VECTOR_BYTES
ALL_BITS: Final = (1 << VECTOR_BITS) - 1

Lanes = tuple[int, ...]

_UNSIGNED: Final = {8: "B", 16: "H", 32: "I", 64: "Q"}
_SIGNED: Final = {8: "b", 16: "h", 32: "i", 64: "q"}


@frozen(eq=False)
class Shape:
    """A division of a vector into lanes of one width."""

    name: str
    """In the text format: type and number of lanes."""
    width: int
    """The width of a lane, in bits."""
    unsigned_packing: struct.Struct = field(init=False, repr=False)
    signed_packing: struct.Struct = field(init=False, repr=False)

    @unsigned_packing.default
    def _(self) -> struct.Struct:
        return struct.Struct(f"<{self.count}{_UNSIGNED[self.width]}")

    @signed_packing.default
    def _(self) -> struct.Struct:
        return struct.Struct(f"<{self.count}{_SIGNED[self.width]}")

    @property
    def count(self) -> int:
        """The number of lanes."""
        return VECTOR_BITS // self.width

    @property
    def mask(self) -> int:
        """A lane of ones: what a comparison that holds gives."""
        return (1 << self.width) - 1

    @property
    def halved(self) -> "Shape":
        """The shape with integer lanes of half the width."""
        return INTEGER_SHAPES[self.width // 2]

    def lanes(self, vector: int, is_signed: bool = False) -> Lanes:
        """The lanes as integers, lane 0 first."""
        packing = self.signed_packing if is_signed else self.unsigned_packing
        return packing.unpack(vector.to_bytes(VECTOR_BYTES, "little"))

    def vector(self, lanes: Iterable[int]) -> int:
        """The vector with these lanes, of which only the lowest bits are taken."""
        mask = self.mask
        return int.from_bytes(self.unsigned_packing.pack(*(lane & mask for lane in lanes)), "little")


I8X16: Final = Shape("i8x16", 8)
I16X8: Final = Shape("i16x8", 16)
I32X4: Final = Shape("i32x4", 32)
I64X2: Final = Shape("i64x2", 64)
F32X4: Final = Shape("f32x4", 32)
F64X2: Final = Shape("f64x2", 64)

INTEGER_SHAPES: Final = {8: I8X16, 16: I16X8, 32: I32X4, 64: I64X2}
"""By the width of lanes."""

SHAPES: Final = {shape.name: shape for shape in (I8X16, I16X8, I32X4, I64X2, F32X4, F64X2)}
"""By name."""

OnLane = Callable[[int], int]
OnLanes = Callable[[int, int], int]


def on_each_lane(shape: Shape, function: OnLane, is_signed: bool = False) -> Unary:
    """The instruction that applies a function to every lane."""

    def instruction(operand: int) -> int:
        return shape.vector(map(function, shape.lanes(operand, is_signed)))

    return instruction


def on_pairs_of_lanes(shape: Shape, function: OnLanes, is_signed: bool = False) -> Binary:
    """The instruction that applies a function to the lanes of two vectors at the same place."""

    def instruction(left: int, right: int) -> int:
        return shape.vector(map(function, shape.lanes(left, is_signed), shape.lanes(right, is_signed)))

    return instruction


def comparison_of_lanes(shape: Shape, function: OnLanes) -> Binary:
    """The instruction that compares lanes, bit patterns, by a function that gives 0 or 1."""
    return on_pairs_of_lanes(shape, lambda left, right: -function(left, right))
