"""Straight code does what its steps do one after the other, however they are put together."""

from itertools import product

import pytest

from spec.wasm.execute import Trap
from spec.wasm.numerics import SCALAR_BINARY, SCALAR_UNARY
from spec.wasm.straight_code import BINARY_STEP, CONSTANT, LOCAL_GET, UNARY_STEP, StraightCode, compose, definition
from spec.wasm.tests.conftest import compiled, fresh, outcome

PUT_IN_LINE = 68
"""Instructions on numbers whose definition is one expression of operands and numbers: those on integers."""

OPERANDS = {
    "i32": (0, 1, 5, 31, 32, 0x7F, 0x80, 0xFF80, 0x7FFFFFFF, 0x80000000, 0xDEADBEEF, 0xFFFFFFFF),
    "i64": (0, 1, 63, 64, 0x80, 0x8000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xDEADBEEF12345678, 2**64 - 1),
}


def taken(straight: StraightCode, *local_values: int) -> int:
    """What straight code that asks nothing of the instance gives as operand."""
    stack: list[int] = []
    given: int = straight(None, stack, list(local_values))
    assert stack == []
    return given


def operands_of(name: str) -> tuple[int, ...]:
    kind = "i32" if name in ("i64.extend_i32_s", "i64.extend_i32_u") else "i64" if "i32.wrap" in name else name[:3]
    return OPERANDS.get(kind, OPERANDS["i32"])


def test_definitions_in_line_give_what_the_definitions_give() -> None:
    in_line = 0
    for name, unary in SCALAR_UNARY.items():
        if definition(unary) is not None:
            in_line += 1
            of_local = compose([(LOCAL_GET, 0, None), (UNARY_STEP, unary, None)], gives_operand=True)
            for operand in operands_of(name):
                of_constant = compose([(CONSTANT, operand, None), (UNARY_STEP, unary, None)], gives_operand=True)
                assert taken(of_local, operand) == taken(of_constant) == unary(operand), (name, operand)
    for name, binary in SCALAR_BINARY.items():
        if definition(binary) is not None:
            in_line += 1
            steps = [(LOCAL_GET, 0, None), (LOCAL_GET, 1, None), (BINARY_STEP, binary, None)]
            straight = compose(steps, gives_operand=True)
            for left, right in product(operands_of(name), repeat=2):
                assert taken(straight, left, right) == binary(left, right), (name, left, right)
    assert in_line == PUT_IN_LINE


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("local.get 0 (local.set 0 (i32.const 9)) local.get 0 i32.sub", 7 - 9),
        ("local.get 0 (local.tee 0 (i32.const 9)) local.get 0 i32.mul i32.sub", 7 - 81),
        ("(i32.add (local.get 0) (local.get 0)) (local.set 0 (i32.const 9)) local.get 0 i32.sub", 14 - 9),
        ("global.get 0 (global.set 0 (i32.const 4)) global.get 0 i32.sub", 3 - 4),
        ("(i32.load (i32.const 8)) (i32.store (i32.const 8) (i32.const 1)) (i32.load (i32.const 8)) i32.sub", 5 - 1),
        ("(select (i32.const 1) (local.get 0) (i32.eqz (local.get 0)))", 7),
        ("local.get 0 (call $seven (drop (i32.const 1)) (local.set 0 (i32.const 1))) i32.sub", 0),
        ("local.get 0 (block (br_if 0 (i32.const 1))) (local.set 0 (i32.const 2)) local.get 0 i32.sub", 5),
        (" ".join(["local.get 0"] * 400 + ["i32.add"] * 399), 2800),
        ("local.get 0" + " (i32.add (i32.const 1))" * 700, 707),
        ("local.get 0" + " i32.const 3 i32.rotl i32.clz i32.eqz" * 60 + " drop local.get 0", 7),
    ],
    ids=range(11),
)
def test_operands_have_their_values_when_they_were_pushed(body: str, expected: int, make) -> None:
    instance = make(f"""(module (memory 1) (data (i32.const 8) "\\05") (global (mut i32) (i32.const 3))
        (func $seven (result i32) (i32.const 7)) (func (export "go") (param i32) (result i32) {body}))""")
    assert instance.invoke(1, (7,)) == [expected % 2**32]


@pytest.mark.parametrize(
    ("body", "stored", "cost"),
    [
        ("(i32.store (i32.const 8) (i32.const 1)) (drop (i32.div_u (i32.const 1) (i32.const 0)))", 1, 17),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0))) (i32.store (i32.const 8) (i32.const 1))", 5, 17),
        ("(i32.store (i32.const 65536) (i32.load (i32.const 8))) (i32.store (i32.const 8) (i32.const 1))", 5, 8),
    ],
)
def test_what_comes_before_a_trap_is_done_and_charged(body: str, stored: int, cost: int) -> None:
    text = f"""(module (memory 1) (data (i32.const 8) "\\05") (func (export "go") {body}))"""
    instance = fresh(compiled(text))
    end, charged = outcome(instance, "go")
    assert end in ("integer divide by zero", "out of bounds memory access")
    assert charged == cost
    assert instance.memory.content[8] == stored


def test_instances_of_one_module_share_what_was_put_together(make) -> None:
    text = '(module (func (export "go") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))'
    first = make(text)
    assert first.invoke(0, (1,)) == [2]
    [(straight, *_)] = first.code[0].pieces
    assert straight is not None
    assert first.invoke(0, (5,)) == [6]
    assert first.code[0].pieces[0][0] is straight


def test_a_trap_has_its_own_reason_in_straight_code(make) -> None:
    with pytest.raises(Trap, match="integer overflow"):
        make("""(module (func (export "go") (drop (i32.div_s (i32.const -2147483648) (i32.const -1)))))""").invoke(
            0, ()
        )
