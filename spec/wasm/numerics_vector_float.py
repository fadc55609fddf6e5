"""
Vector instructions on floating-point lanes, and conversions of lanes. Source: core specification, vector operations.

Lanes do what the scalar instruction of the same name does, so NaN results are canonical in each lane. `pmin` and
`pmax` are no arithmetic but choices between operands: they give a NaN as it stands.
"""

from typing import Final

from spec.wasm.numerics_conversion import CONVERSIONS
from spec.wasm.numerics_float import (
    ARITHMETIC_BINARY,
    ARITHMETIC_UNARY,
    COMPARISONS,
    F32_FORMAT,
    F64_FORMAT,
    FLOAT_32,
    FLOAT_64,
    FloatFormat,
    FloatInstructions,
)
from spec.wasm.numerics_integer import Binary, Unary
from spec.wasm.vector_shapes import (
    F32X4,
    F64X2,
    I32X4,
    OnLanes,
    Shape,
    comparison_of_lanes,
    on_each_lane,
    on_pairs_of_lanes,
)


def pseudo_minimum(form: FloatFormat) -> OnLanes:
    """`pmin`: the right operand if it is less, else the left one."""
    return lambda left, right: right if form.number(right) < form.number(left) else left


def pseudo_maximum(form: FloatFormat) -> OnLanes:
    """`pmax`: the right operand if it is greater, else the left one."""
    return lambda left, right: right if form.number(left) < form.number(right) else left


def lane_by_lane(shape: Shape, form: FloatFormat, scalar: FloatInstructions) -> dict[str, Unary | Binary]:
    """What each lane does for itself."""
    return {
        **{name: on_each_lane(shape, scalar.unary[name]) for name in ("abs", "neg", *ARITHMETIC_UNARY)},
        **{name: on_pairs_of_lanes(shape, scalar.binary[name]) for name in ARITHMETIC_BINARY},
        **{name: comparison_of_lanes(shape, scalar.binary[name]) for name in COMPARISONS},
        "pmin": on_pairs_of_lanes(shape, pseudo_minimum(form)),
        "pmax": on_pairs_of_lanes(shape, pseudo_maximum(form)),
    }


def conversion(source: Shape, target: Shape, scalar: str) -> Unary:
    """
    Converts lanes by a scalar instruction, from lane 0 on.

    If the target has fewer lanes, the lower half of the source is converted; if it has more, the others are zero.
    """
    convert = CONVERSIONS[scalar]
    zeros = (0,) * (target.count - source.count)

    def instruction(vector: int) -> int:
        return target.vector((*map(convert, source.lanes(vector)[: target.count]), *zeros))

    return instruction


LANE_CONVERSIONS: Final[dict[str, Unary]] = {
    "i32x4.trunc_sat_f32x4_s": conversion(F32X4, I32X4, "i32.trunc_sat_f32_s"),
    "i32x4.trunc_sat_f32x4_u": conversion(F32X4, I32X4, "i32.trunc_sat_f32_u"),
    "i32x4.trunc_sat_f64x2_s_zero": conversion(F64X2, I32X4, "i32.trunc_sat_f64_s"),
    "i32x4.trunc_sat_f64x2_u_zero": conversion(F64X2, I32X4, "i32.trunc_sat_f64_u"),
    "f32x4.convert_i32x4_s": conversion(I32X4, F32X4, "f32.convert_i32_s"),
    "f32x4.convert_i32x4_u": conversion(I32X4, F32X4, "f32.convert_i32_u"),
    "f64x2.convert_low_i32x4_s": conversion(I32X4, F64X2, "f64.convert_i32_s"),
    "f64x2.convert_low_i32x4_u": conversion(I32X4, F64X2, "f64.convert_i32_u"),
    "f32x4.demote_f64x2_zero": conversion(F64X2, F32X4, "f32.demote_f64"),
    "f64x2.promote_low_f32x4": conversion(F32X4, F64X2, "f64.promote_f32"),
}
"""Conversions by name."""

_FLOAT_SHAPES: Final = ((F32X4, F32_FORMAT, FLOAT_32), (F64X2, F64_FORMAT, FLOAT_64))

FLOAT_LANES: Final[dict[str, Unary | Binary]] = {
    **{
        f"{shape.name}.{name}": function
        for shape, form, scalar in _FLOAT_SHAPES
        for name, function in lane_by_lane(shape, form, scalar).items()
    },
    **LANE_CONVERSIONS,
}
"""Every one by its name."""
