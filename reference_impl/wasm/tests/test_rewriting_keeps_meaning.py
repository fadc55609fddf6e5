"""A rewritten module does what the module as given does."""

import random

import pytest
import wasmtime

from reference_impl.wasm.instances.wasmtime_engine import engine
from spec.canister.outcome import Returned, Trapped

MODULES = {
    "sorts with nested loops": """
        (memory 1) (data (i32.const 0) "\\05\\03\\09\\01\\07\\02\\08\\04\\06\\00")
        (func (export "canister_update go") (local $i i32) (local $j i32) (local $t i32)
          loop $outer
            local.get $i local.set $j
            block $placed
              loop $inner
                local.get $j i32.eqz br_if $placed
                (i32.le_u (i32.load8_u (i32.sub (local.get $j) (i32.const 1))) (i32.load8_u (local.get $j)))
                br_if $placed
                (local.set $t (i32.load8_u (local.get $j)))
                (i32.store8 (local.get $j) (i32.load8_u (i32.sub (local.get $j) (i32.const 1))))
                (local.set $j (i32.sub (local.get $j) (i32.const 1)))
                (i32.store8 (local.get $j) (local.get $t))
                br $inner
              end
            end
            (local.tee $i (i32.add (local.get $i) (i32.const 1))) i32.const 10 i32.lt_u br_if $outer
          end)""",
    "returns several values from blocks and functions": """
        (global $g (export "g") (mut i64) (i64.const 1))
        (func $swap (param i64 i64) (result i64 i64) local.get 1 local.get 0)
        (func (export "canister_update go")
          i64.const 10 i64.const 3 call $swap i64.sub
          i64.const 5 i32.const 1 if (param i64) (result i64 i64) i64.const 2 else i64.const 4 end
          i64.mul i64.add global.set $g)""",
    "calls through a table, by tail calls too": """
        (type $t (func (param i32) (result i32))) (table 3 funcref) (elem (i32.const 0) $a $b $c)
        (global $g (mut i32) (i32.const 0))
        (func $a (type $t) (i32.add (local.get 0) (i32.const 1)))
        (func $b (type $t) (return_call_indirect (type $t) (i32.mul (local.get 0) (i32.const 3)) (i32.const 0)))
        (func $c (type $t) (call_indirect (type $t) (local.get 0) (i32.const 1)) return_call $a)
        (func (export "canister_update go")
          (global.set $g (call_indirect (type $t) (i32.const 5) (i32.const 2))))""",
    "moves memory in bulk and grows it": """
        (memory 1 3) (data $active (i32.const 100) "active") (data $passive "passive bytes")
        (func (export "canister_update go")
          (memory.init $passive (i32.const 200) (i32.const 3) (i32.const 5)) data.drop $passive
          (memory.copy (i32.const 210) (i32.const 100) (i32.const 6))
          (memory.fill (i32.const 300) (i32.const 7) (i32.const 20))
          (i32.store (i32.const 400) (memory.grow (i32.const 2)))
          (i32.store (i32.const 404) (memory.grow (i32.const 1)))
          (i32.store (i32.const 408) (memory.size)))""",
    "uses vectors": """
        (memory 1)
        (func (export "canister_update go")
          (v128.store (i32.const 16) (i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31
            (v128.const i32x4 1 2 3 4) (i32x4.mul (v128.const i32x4 5 6 7 8) (i32x4.splat (i32.const 9)))))
          (v128.store32_lane 2 (i32.const 64) (v128.load (i32.const 16)))
          (i32.store (i32.const 80) (i32x4.extract_lane 3 (v128.load (i32.const 16)))))""",
    "has a memory with 64-bit addresses": """
        (memory i64 1) (data (i64.const 8) "abcdefgh")
        (func (export "canister_update go")
          (i64.store (i64.const 0) (i64.rotl (i64.load (i64.const 8)) (i64.const 8)))
          (memory.copy (i64.const 32) (i64.const 8) (i64.const 8))
          (i64.store (i64.const 64) (memory.grow (i64.const 1))))""",
    "branches by tables": """
        (memory 1) (global $i (mut i32) (i32.const 0))
        (func (export "canister_update go")
          loop $again
            block $a block $b block $c (br_table $c $b $a (global.get $i)) end
              (i32.store8 (global.get $i) (i32.const 67)) br $a end
              (i32.store8 (global.get $i) (i32.const 66)) end
            (global.set $i (i32.add (global.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (global.get $i) (i32.const 5)))
          end)""",
    "traps on a division": """(func (export "canister_update go") (drop (i32.div_s (i32.const 1) (i32.const 0))))""",
    "traps on a table entry of the wrong type": """
        (table 1 funcref) (elem (i32.const 0) $f) (func $f (param i32))
        (func (export "canister_update go") (call_indirect (i32.const 0)))""",
    "initialises from a segment that was active": """
        (memory 1) (data $d (i32.const 0) "abc")
        (func (export "canister_update go") (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))""",
}


def plain_run(text):
    """Memory and globals after running the module as given, or None after a trap."""
    store = wasmtime.Store(engine())
    module = wasmtime.Module(engine(), f"(module {text})")
    exports = wasmtime.Instance(store, module, []).exports(store)
    try:
        exports["canister_update go"](store)
    except (wasmtime.Trap, wasmtime.WasmtimeError):
        return None
    return bytes(exports["memory"].read(store)) if "memory" in exports else b""


@pytest.mark.checklist("seed1.instrumentation")
@pytest.mark.parametrize("name", MODULES)
def test_the_heap_ends_as_in_a_plain_run(update, name) -> None:
    text = MODULES[name].replace("(memory ", '(memory (export "memory") ', 1)
    expected = plain_run(text)
    for _ in range(3):
        outcome = update(f"(module {text})")
        if expected is None:
            assert isinstance(outcome, Trapped)
        else:
            assert isinstance(outcome, Returned)
            assert outcome.new_state.wasm_memory.to_bytes() == expected


def test_globals_are_returned_as_bit_patterns_in_the_order_of_their_indices(update) -> None:
    outcome = update(
        """(module (global (mut i32) (i32.const -1)) (global f64 (f64.const 1)) (global (export "e") f32 (f32.const 1))
        (global $v (mut v128) (v128.const i64x2 1 2)) (global $l (mut i64) (i64.const 0))
        (func (export "canister_update go") (global.set $l (i64.const -2))))"""
    )
    assert outcome.new_state.globals == (2**32 - 1, 0x3F800000, 1 | 2 << 64, 2**64 - 2)


def test_random_arithmetic_gives_equal_results(update) -> None:
    chance = random.Random(20260507)
    operations = ("add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor", "shl", "shr_s", "rotl")
    for _ in range(25):
        body = f"i64.const {chance.getrandbits(64) - 2**63}"
        for _ in range(chance.randint(1, 30)):
            body += f" i64.const {chance.choice([1, 3, -1, 7, 2**40 + 1, 63])} i64.{chance.choice(operations)}"
        text = f'(memory (export "memory") 1) (func (export "canister_update go") i32.const 8 {body} i64.store)'
        assert update(f"(module {text})").new_state.wasm_memory.to_bytes() == plain_run(text)


@pytest.mark.checklist("seed1.wasm-determinism")
def test_results_that_are_not_numbers_have_one_bit_pattern(update) -> None:
    outcome = update(
        """(module (memory 1) (func (export "canister_update go")
        (f64.store (i32.const 0) (f64.add (f64.const nan:0x8000000000123) (f64.const 1)))))"""
    )
    assert outcome.new_state.wasm_memory.read(0, 8) == bytes.fromhex("000000000000f87f")
