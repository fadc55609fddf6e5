"""Wherever the counter can be seen, both engines show the same: after traps, in calls, on every way out."""

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import ModulePair, load_pair, running_canister
from spec.canister.outcome import Callback, Closure, Outcome, Returned, Trapped, TrapReason
from spec.profile import load_profile
from spec.values.rejects import Reply

PROFILE = load_profile()
ENVIRONMENT = running_canister(PROFILE)

HEAD = """(import "ic0" "performance_counter" (func $counter (param i32) (result i64)))
    (import "ic0" "canister_cycle_balance128" (func $by_host (param i32)))
    (memory 1) (global $seen (mut i64) (i64.const 0)) (table 3 funcref) (elem (i32.const 0) $see $exits)
    (func $see (global.set $seen (i64.add (i64.mul (global.get $seen) (i64.const 31)) (call $counter (i32.const 0)))))
    (func $turn (param $i i32) (result i32)
      (if (i32.and (local.get $i) (i32.const 1)) (then (nop) (nop))) (i32.sub (local.get $i) (i32.const 1)))
    (func $exits (local $i i32) (local.set $i (i32.const 3))
      (loop $next (br_if $next (local.tee $i (call $turn (local.get $i))))))"""
"""`$see` mixes the counter into a global."""


def looping(body: str) -> str:
    """Does something in each of five turns of a loop with branches, and looks at the counter in between."""
    return f"""(func (export "canister_update go") (local $i i32) (local.set $i (i32.const 5))
      (loop $next
        (if (i32.and (local.get $i) (i32.const 1)) (then (nop) {body}) (else (nop) (nop)))
        (local.set $i (i32.sub (local.get $i) (i32.const 1)))
        (if (i32.eq (local.get $i) (i32.const 2)) (then (call $see)))
        (br_if $next (local.get $i)))
      (call $see))"""


def taking_exit(signature: str, body: str, drops: str) -> str:
    """Calls a function with each of some numbers, and looks at the counter after each call."""
    return f"""(func $f (param $i i32) {signature} {body})
      (func (export "canister_update go") (local $i i32)
        (loop $next (call $f (local.get $i)) {drops} (call $see)
          (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5)))))"""


TRAPS = {
    "load": "(drop (i32.load (i32.const 65533)))",
    "store": "(i64.store (i32.const 65533) (i64.const 1))",
    "load of a vector": "(drop (v128.load (i32.const 65533)))",
    "division by zero": "(drop (i32.div_u (local.get $i) (i32.sub (local.get $i) (local.get $i))))",
    "remainder": "(drop (i64.rem_s (i64.const 1) (i64.const 0)))",
    "conversion": "(drop (i64.trunc_f64_s (f64.const nan)))",
    "conversion of a short number": "(drop (i32.trunc_f32_u (f32.const -1)))",
    "unreachable": "(unreachable)",
    "call of no function": "(call_indirect (i32.const 2))",
    "call outside of the table": "(call_indirect (i32.const 3))",
    "tail call of no function": "(return_call_indirect (i32.const 2))",
    "element outside of the table": "(drop (ref.is_null (table.get (i32.const 3))))",
    "fill": "(memory.fill (i32.const 65533) (i32.const 0) (i32.const 4))",
    "copy": "(memory.copy (i32.const 65533) (i32.const 0) (i32.const 4))",
    "host function": "(call $by_host (i32.const 65533))",
}

PROGRAMS = {
    "nothing": looping(""),
    "fill": looping("(memory.fill (i32.const 8) (i32.const 7) (i32.const 20))"),
    "fill at the start of a segment": looping(
        "(i32.const 8) (i32.const 7) (i32.const 20) (br_if 0 (i32.const 0)) (memory.fill)"
    ),
    "calls": looping("(call $exits) (nop) (call_indirect (i32.const 0)) (call_indirect (i32.const 1)) (call $see)"),
    "host functions": looping("(call $by_host (i32.const 8)) (nop) (call $by_host (i32.const 8)) (call $see)"),
    "memory.grow": looping("(drop (memory.grow (i32.const 0)))"),
    "tail call": looping("(return_call $see)"),
    "tail call through the table": looping("(return_call_indirect (i32.const 1))"),
    "tail call of an import": """(func $f (param $i i32)
        (if (local.get $i) (then (return_call $by_host (i32.const 8)))) (nop))
      (func (export "canister_update go") (call $f (i32.const 0)) (call $see) (call $f (i32.const 1)) (call $see))""",
    "branches to the end": taking_exit(
        "",
        """(block $a (block $b (br_table $b 2 $a 2 (local.get $i))) (nop) (br 0))
        (br_if 0 (i32.eq (local.get $i) (i32.const 2))) (nop)
        (if (i32.eq (local.get $i) (i32.const 4)) (then (br 1)))""",
        "",
    ),
    "one result": taking_exit(
        "(result i64)",
        """(drop (br_if 0 (i64.const 7) (local.get $i))) (if (local.get $i) (then (return (i64.const 8))))
        (block $out (result i64) (br $out (i64.const 9)))""",
        "drop",
    ),
    "a vector as result": taking_exit(
        "(result v128)",
        "(if (local.get $i) (then (nop) (br 1 (v128.const i64x2 1 2)))) (v128.const i64x2 3 4)",
        "drop",
    ),
    "a reference as result": taking_exit(
        "(result funcref)", "(if (local.get $i) (then (nop) (br 1 (ref.null func)))) (ref.func $see)", "drop"
    ),
    "several results": taking_exit(
        "(result i64 i32)",
        """(i64.const 7) (i32.const 1) (br_if 0 (local.get $i)) (if (local.get $i) (then (nop) (return)
          ) (else (return (i64.const 1) (i32.const 2)))) (nop)""".replace(
            "(nop) (return)", "(i64.const 3) (i32.const 4) (return)"
        ),
        "drop drop",
    ),
    "the end is not reached": taking_exit(
        "(result i64)", "(loop $l (br_if $l (i32.const 0)) (return (i64.const 1))) (unreachable)", "drop"
    ),
}


def trapping(kind: str) -> str:
    """Traps in the last turn."""
    return looping(f"(if (i32.eq (local.get $i) (i32.const 1)) (then (nop) {TRAPS[kind]}))")


def loaded(text: str) -> ModulePair:
    pair = load_pair(bytes(wasmtime.wat2wasm(f"(module {HEAD} {text})")), PROFILE)
    assert pair is not None
    return pair


def run(pair: ModulePair, limit: int = PROFILE.limits.message_instructions) -> Outcome:
    return pair.update("go", pair.initial_state(), evolve(ENVIRONMENT, instruction_limit=limit))


@pytest.mark.parametrize("kind", TRAPS)
def test_a_trap_in_a_loop_leaves_the_same_counter(kind):
    outcome = run(loaded(trapping(kind)))
    assert isinstance(outcome, Trapped)
    assert outcome.reason is TrapReason.TRAPPED
    assert outcome.instructions_used > 60


@pytest.mark.parametrize("kind", PROGRAMS)
def test_whoever_looks_at_the_counter_sees_the_same(kind):
    outcome = run(loaded(PROGRAMS[kind]))
    assert isinstance(outcome, Returned)


@pytest.mark.parametrize("kind", [*PROGRAMS, *TRAPS])
def test_every_limit_ends_programs_at_the_same_points(kind):
    pair = loaded(PROGRAMS.get(kind) or trapping(kind))
    whole = run(pair)
    steps = max(1, whole.instructions_used // 60)
    endings = {type(run(pair, limit)) for limit in range(1, whole.instructions_used + 2 * steps, steps)}
    assert Trapped in endings
    assert isinstance(run(pair, whole.instructions_used), type(whole))


@pytest.mark.parametrize("locals_beside", [49_998, 49_999, 50_000])
def test_functions_with_all_locals_that_there_may_be_are_counted(locals_beside):
    declared = locals_beside - 1
    text = f"""(func $f (param $i i32) (local {"i32 " * declared})
        (if (local.get $i) (then (call $f (i32.sub (local.get $i) (i32.const 1))) (call $see))) (nop))
      (func (export "canister_update go") (call $f (i32.const 3)) (call $see))"""
    assert isinstance(run(loaded(text)), Returned)


CLEANING = """(import "ic0" "performance_counter" (func $counter (param i32) (result i64)))
    (global $own (mut i64) (i64.const 0)) (global $in_context (mut i64) (i64.const 0))
    (table 2 funcref) (elem (i32.const 0) $cleans $traps)
    (func $cleans (param i32)
      (global.set $own (call $counter (i32.const 0))) (global.set $in_context (call $counter (i32.const 1))))
    (func $traps (param i32) (local $i i32) (local.set $i (i32.const 1000))
      (loop $next (br_if $next (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) unreachable)"""


def test_a_cleanup_is_not_told_what_the_callback_before_it_used() -> None:
    """Counter 1 shows what earlier messages of the call context used, and this execution."""
    pair = load_pair(bytes(wasmtime.wat2wasm(f"(module {CLEANING})")), PROFILE)
    assert pair is not None
    callback = Callback(Closure(1, 0), Closure(1, 0), Closure(0, 0))
    environment = evolve(ENVIRONMENT, call_context_instructions=5_000)
    outcome = pair.callback(callback, Reply(b""), pair.initial_state(), environment)
    assert isinstance(outcome, Returned)
    own, in_context = outcome.new_state.globals[:2]
    assert own + 5_000 < in_context < 6_000
    assert outcome.instructions_used > own + 6_000
