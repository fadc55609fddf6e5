"""Every numeric and vector instruction that maps operands to a result, by its name in the text format."""

from typing import Final

from spec.wasm.numerics_conversion import CONVERSIONS
from spec.wasm.numerics_float import FLOAT_32, FLOAT_64, FloatInstructions
from spec.wasm.numerics_integer import INTEGER_32, INTEGER_64, Binary, IntegerInstructions, Unary
from spec.wasm.numerics_vector import VECTOR_BINARY, VECTOR_UNARY

_FAMILIES: Final[dict[str, IntegerInstructions | FloatInstructions]] = {
    "i32": INTEGER_32,
    "i64": INTEGER_64,
    "f32": FLOAT_32,
    "f64": FLOAT_64,
}

SCALAR_UNARY: Final[dict[str, Unary]] = CONVERSIONS | {
    f"{prefix}.{name}": function for prefix, family in _FAMILIES.items() for name, function in family.unary.items()
}
"""Instructions on numbers with one operand."""

SCALAR_BINARY: Final[dict[str, Binary]] = {
    f"{prefix}.{name}": function for prefix, family in _FAMILIES.items() for name, function in family.binary.items()
}
"""Instructions on numbers with two operands."""

UNARY: Final[dict[str, Unary]] = SCALAR_UNARY | VECTOR_UNARY
"""Instructions with one operand."""

BINARY: Final[dict[str, Binary]] = SCALAR_BINARY | VECTOR_BINARY
"""Instructions with two operands, the right one from the top of the stack."""
