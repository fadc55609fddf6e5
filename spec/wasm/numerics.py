"""Every numeric instruction that maps operands to a result, by its name in the text format."""

from typing import Final

from spec.wasm.numerics_conversion import CONVERSIONS
from spec.wasm.numerics_float import FLOAT_32, FLOAT_64, FloatInstructions
from spec.wasm.numerics_integer import INTEGER_32, INTEGER_64, Binary, IntegerInstructions, Unary

_FAMILIES: Final[dict[str, IntegerInstructions | FloatInstructions]] = {
    "i32": INTEGER_32,
    "i64": INTEGER_64,
    "f32": FLOAT_32,
    "f64": FLOAT_64,
}

UNARY: Final[dict[str, Unary]] = CONVERSIONS | {
    f"{prefix}.{name}": function for prefix, family in _FAMILIES.items() for name, function in family.unary.items()
}
"""Instructions with one operand."""

BINARY: Final[dict[str, Binary]] = {
    f"{prefix}.{name}": function for prefix, family in _FAMILIES.items() for name, function in family.binary.items()
}
"""Instructions with two operands, the right one from the top of the stack."""
