"""
Vector instructions on integer lanes, as functions on vectors. Source: core specification, vector operations.

What a lane does is defined here, or is the scalar instruction of the same name in `numerics_integer`. Which shapes have
an instruction is said by the table of instructions. Sums and products go into lanes of their width, so they are modulo
its power of two.
"""

from collections.abc import Callable
from typing import Final

from spec.wasm.numerics_integer import Binary, Unary, integer_instructions
from spec.wasm.vector_shapes import (
    I8X16,
    I16X8,
    I32X4,
    I64X2,
    INTEGER_SHAPES,
    OnLane,
    OnLanes,
    Shape,
    comparison_of_lanes,
    on_each_lane,
    on_pairs_of_lanes,
)

# What happens to one lane, or to the two lanes at one place, as signed or unsigned integers.


def negated(lane: int) -> int:
    """The lane with the other sign."""
    return -lane


def sum_of(left: int, right: int) -> int:
    """The sum."""
    return left + right


def difference_of(left: int, right: int) -> int:
    """The difference."""
    return left - right


def product_of(left: int, right: int) -> int:
    """The product."""
    return left * right


def rounding_average(left: int, right: int) -> int:
    """The mean of two unsigned integers, a half rounded up."""
    return (left + right + 1) >> 1


def saturated(shape: Shape, is_signed: bool) -> OnLane:
    """The nearest integer that a lane holds."""
    least = -(1 << shape.width - 1) if is_signed else 0
    greatest = (1 << shape.width - 1) - 1 if is_signed else shape.mask

    def saturate(integer: int) -> int:
        return min(max(integer, least), greatest)

    return saturate


def then(first: OnLanes, second: OnLane) -> OnLanes:
    """One function after the other."""
    return lambda left, right: second(first(left, right))


def rounded_fixed_point_product(left: int, right: int) -> int:
    """The product of two numbers with 15 binary digits behind the point, rounded to as many."""
    return (left * right + (1 << 14)) >> 15


# Lane by lane.

SIGNEDNESS: Final = {"s": True, "u": False}
"""What the end of a name says of the lanes."""


def lane_by_lane(shape: Shape) -> dict[str, Unary | Binary]:
    """Arithmetic that each lane does for itself."""
    table: dict[str, Unary | Binary] = {
        "abs": on_each_lane(shape, abs, is_signed=True),
        "neg": on_each_lane(shape, negated),
        "popcnt": on_each_lane(shape, int.bit_count),
        "add": on_pairs_of_lanes(shape, sum_of),
        "sub": on_pairs_of_lanes(shape, difference_of),
        "mul": on_pairs_of_lanes(shape, product_of),
        "avgr_u": on_pairs_of_lanes(shape, rounding_average),
        "q15mulr_sat_s": on_pairs_of_lanes(
            shape, then(rounded_fixed_point_product, saturated(shape, is_signed=True)), is_signed=True
        ),
    }
    for end, is_signed in SIGNEDNESS.items():
        fit = saturated(shape, is_signed)
        table[f"add_sat_{end}"] = on_pairs_of_lanes(shape, then(sum_of, fit), is_signed)
        table[f"sub_sat_{end}"] = on_pairs_of_lanes(shape, then(difference_of, fit), is_signed)
        table[f"min_{end}"] = on_pairs_of_lanes(shape, min, is_signed)
        table[f"max_{end}"] = on_pairs_of_lanes(shape, max, is_signed)
    return table


COMPARISONS: Final = ("eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u")
SHIFTS: Final = ("shl", "shr_s", "shr_u")


def like_scalars(shape: Shape) -> dict[str, Unary | Binary]:
    """Comparisons, and shifts of all lanes by one distance, which counts modulo the width of a lane."""
    scalar = integer_instructions(shape.width).binary
    return {
        **{name: comparison_of_lanes(shape, scalar[name]) for name in COMPARISONS},
        **{name: shift(shape, scalar[name]) for name in SHIFTS},
    }


def shift(shape: Shape, of_lane: OnLanes) -> Binary:
    """The shift of every lane."""

    def instruction(vector: int, distance: int) -> int:
        return shape.vector(of_lane(lane, distance) for lane in shape.lanes(vector))

    return instruction


def tests(shape: Shape) -> dict[str, Unary | Binary]:
    """What a vector says as one integer."""

    def all_true(vector: int) -> int:
        """Whether no lane is zero."""
        return 1 if all(shape.lanes(vector)) else 0

    def bitmask(vector: int) -> int:
        """The highest bits of the lanes, that of lane 0 lowest."""
        return sum((lane >> shape.width - 1) << place for place, lane in enumerate(shape.lanes(vector)))

    return {"all_true": all_true, "bitmask": bitmask}


# Between lanes of different widths.


def narrowing(shape: Shape, wide: Shape, is_signed: bool) -> Binary:
    """`narrow`: the signed lanes of both vectors in half of their width, those out of range saturated."""
    fit = saturated(shape, is_signed)

    def narrow(left: int, right: int) -> int:
        return shape.vector(map(fit, (*wide.lanes(left, is_signed=True), *wide.lanes(right, is_signed=True))))

    return narrow


def extending(shape: Shape, half: slice, is_signed: bool) -> Unary:
    """`extend`: one half of the lanes, in twice their width."""
    narrow = shape.halved

    def extend(vector: int) -> int:
        return shape.vector(narrow.lanes(vector, is_signed)[half])

    return extend


def extended_product(shape: Shape, half: slice, is_signed: bool) -> Binary:
    """`extmul`: the products of one half of the lanes, in twice their width."""
    narrow = shape.halved

    def extmul(left: int, right: int) -> int:
        return shape.vector(map(product_of, narrow.lanes(left, is_signed)[half], narrow.lanes(right, is_signed)[half]))

    return extmul


def sums_of_neighbours(shape: Shape, lanes: tuple[int, ...]) -> int:
    """The sums of lanes 0 and 1, 2 and 3, and so on, in twice their width."""
    return shape.vector(map(sum_of, lanes[::2], lanes[1::2]))


def extended_pairwise_sum(shape: Shape, is_signed: bool) -> Unary:
    """`extadd_pairwise`: the sums of neighbours."""
    narrow = shape.halved

    def extadd_pairwise(vector: int) -> int:
        return sums_of_neighbours(shape, narrow.lanes(vector, is_signed))

    return extadd_pairwise


def dot_product(left: int, right: int) -> int:
    """`i32x4.dot_i16x8_s`: the sums of neighbours among the products of signed lanes."""
    products = map(product_of, I16X8.lanes(left, is_signed=True), I16X8.lanes(right, is_signed=True))
    return sums_of_neighbours(I32X4, tuple(products))


def between_widths(shape: Shape) -> dict[str, Unary | Binary]:
    """Instructions whose results have lanes of twice or half the width of the operands'."""
    table: dict[str, Unary | Binary] = {}
    for end, is_signed in SIGNEDNESS.items():
        if shape is not I64X2:
            wide = INTEGER_SHAPES[shape.width * 2]
            table[f"narrow_{wide.name}_{end}"] = narrowing(shape, wide, is_signed)
        if shape is not I8X16:
            narrow = shape.halved
            for place, half in (("low", slice(0, shape.count)), ("high", slice(shape.count, None))):
                table[f"extend_{place}_{narrow.name}_{end}"] = extending(shape, half, is_signed)
                table[f"extmul_{place}_{narrow.name}_{end}"] = extended_product(shape, half, is_signed)
            table[f"extadd_pairwise_{narrow.name}_{end}"] = extended_pairwise_sum(shape, is_signed)
    return table


FAMILIES: Final[tuple[Callable[[Shape], dict[str, Unary | Binary]], ...]] = (
    lane_by_lane,
    like_scalars,
    tests,
    between_widths,
)

INTEGER_LANES: Final[dict[str, Unary | Binary]] = {
    f"{shape.name}.{name}": function
    for shape in INTEGER_SHAPES.values()
    for family in FAMILIES
    for name, function in family(shape).items()
} | {"i32x4.dot_i16x8_s": dot_product}
"""By name; more than there are in WebAssembly, as not every shape has every one."""
