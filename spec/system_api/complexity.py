"""How complex a function is. Production installs no module with a too complex function. Source: facts on weights."""

from typing import Final

from spec.values.quantities import Count
from spec.wasm.syntax import Function

_INTEGER_COMPARISONS: Final = "eq ne eqz lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"
_FLOAT_COMPARISONS: Final = "ne lt gt le ge"
_LOADS: Final = """
    i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u
    i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u
"""
_STORES: Final = "i32.store i64.store f32.store f64.store i32.store8 i32.store16 i64.store8 i64.store16 i64.store32"


def _of(types: str, operations: str) -> str:
    """The names of some operations of some types."""
    return " ".join(f"{value_type}.{operation}" for value_type in types.split() for operation in operations.split())


def _conversions(operation: str, targets: str, sources: str) -> str:
    """The names of signed and unsigned conversions."""
    return " ".join(_of(targets, f"{operation}_{source}_s {operation}_{source}_u") for source in sources.split())


_POINTS: Final[tuple[tuple[Count, str], ...]] = (
    (50, "block loop if br br_if br_table call call_indirect memory.grow"),
    (14, "table.get"),
    (8, "ref.func"),
    (6, "ref.is_null"),
    (5, _conversions("trunc", "i32 i64", "f32 f64")),
    (5, _conversions("convert", "f32 f64", "i32 i64")),
    (5, "i64.extend_i32_s i64.extend_i32_u f32.demote_f64"),
    (4, _of("f32 f64", "neg abs")),
    (4, "memory.copy"),
    (3, _of("f32 f64", "copysign")),
    (3, _of("i32 i64", "div_s div_u rem_s rem_u")),
    (3, f"f64.eq memory.fill {_LOADS}"),
    (3, _conversions("trunc_sat", "i32 i64", "f32 f64")),
    (2, "global.get select memory.size i32.wrap_i64 f64.promote_f32 i64.extend32_s f32.eq"),
    (2, _of("i32 i64", f"popcnt extend8_s extend16_s {_INTEGER_COMPARISONS}")),
    (2, _STORES),
    (2, _of("f32 f64", f"ceil floor sqrt trunc {_FLOAT_COMPARISONS}")),
    (2, "i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64"),
)

POINTS: Final = {name: points for points, names in _POINTS for name in names.split()}
"""What an instruction counts; one that is not listed counts 1."""


def complexity(function: Function) -> Count:
    """The sum over the instructions of a function."""
    return sum(POINTS.get(opcode.name, 1) * number for opcode, number in function.counted_instructions().items())
