"""Every numeric instruction gives what wasmtime gives, on operands at the edges."""

import itertools
from functools import cache

import pytest
import wasmtime

from spec.wasm.numerics import SCALAR_BINARY as BINARY
from spec.wasm.numerics import SCALAR_UNARY as UNARY
from spec.wasm.opcodes import BY_NAME
from spec.wasm.syntax import Immediates
from spec.wasm.traps import Trap

I32 = (
    0,
    1,
    2,
    7,
    31,
    32,
    33,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0x7FFFFFFF,
    0x80000000,
    0x80000001,
    0xFFFFFFFE,
    0xFFFFFFFF,
)
I64 = (
    *(0, 1, 2, 63, 64, 65, 0x80, 0xFF, 0x8000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000),
    *(0x0020000000000001, 0x8000008000000001, 0x7FFFFF4000000001, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000),
    *(0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF),
)
F32 = (
    *(0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x3F000000, 0xBF000000, 0x3F800000),
    *(0xBF800000, 0x3FC00000, 0x40200000, 0xC0200000, 0x3EFFFFFF, 0x4B000001, 0x4EFFFFFF, 0x4F000000, 0xCF000000),
    *(0xCF000001, 0x4F800000, 0x5EFFFFFF, 0x5F000000, 0xDF000000, 0x5F800000, 0x7F7FFFFF, 0xFF7FFFFF),
    *(0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7FC12345, 0x7F800001),
)
F64 = (
    *(0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x8000000000000001, 0x000FFFFFFFFFFFFF),
    *(0x0010000000000000, 0x3FE0000000000000, 0xBFE0000000000000, 0x3FF0000000000000, 0xBFF0000000000000),
    *(0x3FF8000000000000, 0x4004000000000000, 0xC004000000000000, 0x3FDFFFFFFFFFFFFF, 0x4330000000000001),
    *(0x36A0000000000000, 0x36A0000000000001, 0x3690000000000000, 0x3FF0000010000000, 0x3FF0000030000000),
    *(0x41DFFFFFFFC00000, 0x41E0000000000000, 0xC1E0000000000000, 0xC1E0000000200000, 0xC1E00000001FFFFF),
    *(0x41EFFFFFFFE00000, 0x41F0000000000000, 0x43DFFFFFFFFFFFFF, 0x43E0000000000000, 0xC3E0000000000000),
    *(0x43F0000000000000, 0x47EFFFFFE0000000, 0x47EFFFFFF0000000, 0x7FEFFFFFFFFFFFFF, 0xFFEFFFFFFFFFFFFF),
    *(0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8123456789ABC),
    *(0x7FF0000000000001,),
)
OPERANDS = {"i32": I32, "i64": I64, "f32": F32, "f64": F64}
BITS = {"i32": "i32", "i64": "i64", "f32": "i32", "f64": "i64"}

NUMERIC = (*UNARY, *BINARY)


def as_text(name: str) -> str:
    """A function that takes and gives the bits of the operands and the result as integers."""
    opcode = BY_NAME[name]
    parameters = [entry.value for entry in opcode.parameters]
    (result,) = (entry.value for entry in opcode.results)
    body = []
    for index, entry in enumerate(parameters):
        body.append(f"local.get {index}")
        if entry[0] == "f":
            body.append(f"{entry}.reinterpret_{BITS[entry]}")
    body.append(name)
    if result[0] == "f":
        body.append(f"{BITS[result]}.reinterpret_{result}")
    types = " ".join(BITS[entry] for entry in parameters)
    return f'(func (export "{name}") (param {types}) (result {BITS[result]}) {" ".join(body)})'


@cache
def engine() -> tuple[wasmtime.Store, wasmtime.Instance]:
    """All numeric instructions as functions of one module on wasmtime."""
    config = wasmtime.Config()
    config.cranelift_nan_canonicalization = True
    store = wasmtime.Store(wasmtime.Engine(config))
    module = wasmtime.Module(store.engine, f"(module {' '.join(map(as_text, NUMERIC))})")
    return store, wasmtime.Instance(store, module, [])


def of_wasmtime(name: str, operands: tuple[int, ...]) -> int | str:
    """The bits of the result, or the reason of the trap."""
    store, instance = engine()
    try:
        result = instance.exports(store)[name](store, *operands)
    except wasmtime.Trap as trap:
        return str(trap.message)
    width = int(BY_NAME[name].results[0].value[1:])
    return result & ((1 << width) - 1)


def of_specification(name: str, operands: tuple[int, ...]) -> int | str:
    """The same by the specification."""
    try:
        return BINARY[name](*operands) if name in BINARY else UNARY[name](*operands)
    except Trap as trap:
        return trap.reason


def test_every_instruction_without_immediates_and_with_a_result_is_numeric_and_present():
    expected = {
        name
        for name, opcode in BY_NAME.items()
        if opcode.immediates is Immediates.NONE and opcode.results and opcode.parameters and opcode.encoding[0] != 0xFD
    }
    assert set(NUMERIC) == expected
    assert len(expected) == 136


@pytest.mark.parametrize("name", NUMERIC)
def test_the_result_is_that_of_wasmtime(name):
    operand_sets = [OPERANDS[entry.value] for entry in BY_NAME[name].parameters]
    for operands in itertools.product(*operand_sets):
        actual, expected = of_specification(name, operands), of_wasmtime(name, operands)
        if isinstance(expected, str):
            assert isinstance(actual, str) and actual in expected, (name, [hex(entry) for entry in operands])
        else:
            assert actual == expected, (name, [hex(entry) for entry in operands])
