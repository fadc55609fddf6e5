"""A trap leaves the same count on both engines and nothing else, whatever the execution has done before it."""

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import ModulePair, load_pair, running_canister
from spec.canister.environment import Environment
from spec.canister.outcome import Callback, Closure, Outcome, Returned, SystemRecord, TrapCause, Trapped, TrapReason
from spec.profile import load_profile
from spec.values.rejects import Reply

PROFILE = load_profile()
ENVIRONMENT = running_canister(PROFILE)
LINE = b"hello"
GO, CLEAN = Closure(0, 0), Closure(1, 0)

HEAD = """
    (import "ic0" "debug_print" (func $print (param i32 i32)))
    (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
    (import "ic0" "msg_reply" (func $reply))
    (import "ic0" "msg_cycles_accept128" (func $accept (param i64 i64 i32)))
    (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
    (import "ic0" "global_timer_set" (func $timer (param i64) (result i64)))
    (import "ic0" "stable64_grow" (func $stable_grow (param i64) (result i64)))
    (import "ic0" "stable64_size" (func $stable_size (result i64)))
    (import "ic0" "stable64_write" (func $stable_write (param i64 i64 i64)))
    (import "ic0" "cycles_burn128" (func $burn (param i64 i64 i32)))
    (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "ic0" "call_perform" (func $perform (result i32)))
    (import "ic0" "performance_counter" (func $counter (param i32) (result i64)))
    (memory 2) (data (i32.const 0) "hello") (global $seen (mut i64) (i64.const 0))
    (table 4 funcref) (elem (i32.const 0) $callback $clean $fail $look)"""

EFFECTS = """
    (call $print (i32.const 0) (i32.const 5))
    (call $append (i32.const 0) (i32.const 5))
    (call $accept (i64.const 0) (i64.const 1000) (i32.const 64))
    (call $certify (i32.const 0) (i32.const 5))
    (drop (call $timer (i64.const 77)))
    (drop (call $stable_grow (i64.const 2)))
    (call $stable_write (i64.const 70000) (i64.const 0) (i64.const 5))
    (call $burn (i64.const 0) (i64.const 500) (i32.const 64))
    (call $call_new (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 5)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (drop (call $perform))"""
"""What an update call may do."""

PRINTS = "(call $print (i32.const 0) (i32.const 5))"
"""What every execution may do."""

CHANGES = """
    (i64.store (i32.const 5000) (i64.add (i64.load (i32.const 5000)) (i64.const 1)))
    (global.set $seen (i64.add (global.get $seen) (i64.const 1)))"""

LOOK = """(func $look (export "canister_update look")
      (i64.store (i32.const 100) (i64.load (i32.const 5000)))
      (i64.store (i32.const 108) (global.get $seen))
      (i64.store (i32.const 116) (call $stable_size))
      (i64.store (i32.const 124) (i64.extend_i32_u (memory.size)))
      (i64.store (i32.const 132) (call $counter (i32.const 0)))
      (call $append (i32.const 100) (i32.const 32)) (call $reply))"""

TRAPS = {
    "load": "(drop (i32.load (i32.const 131071)))",
    "store after growing": """(drop (memory.grow (i32.const 1))) (i64.store (i32.const 196601) (i64.const 1))""",
    "load of a vector": "(drop (v128.load (i32.const 131071)))",
    "division by zero": "(drop (i64.div_u (i64.const 1) (i64.const 0)))",
    "quotient too large": "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
    "conversion": "(drop (i32.trunc_f64_u (f64.const 1e20)))",
    "fill": "(memory.fill (i32.const 131070) (i32.const 0) (i32.const 4))",
    "call of another type": "(call_indirect (param i64) (i64.const 1) (i32.const 3))",
    "call outside of the table": "(call_indirect (i32.const 4))",
    "element outside of the table": "(drop (table.get (i32.const 4)))",
    "unreachable": "(unreachable)",
    "too many instructions": "(loop $forever (br $forever))",
    "too deep": "(call $fail (i32.const 0))",
    "by the host": "(call $append (i32.const 131071) (i32.const 2))",
}


def failing(trap: str, effects: str) -> str:
    """
    Traps in the third turn of a loop, two calls deep, in the middle of a segment. The callers have branches too, so
    that each holds a count of its own.
    """
    return f"""
    (func $inner (param $i i32)
      (if (i32.eqz (local.get $i)) (then (nop) {CHANGES} {TRAPS[trap]} (nop) (nop))))
    (func $fail (param $n i32) (local $i i32)
      (local.set $i (i32.const 3))
      (loop $next
        (if (i32.and (local.get $i) (i32.const 1)) (then {CHANGES} (nop)) (else (nop)))
        (local.set $i (i32.sub (local.get $i) (i32.const 1)))
        (call $inner (local.get $i))
        (br_if $next (local.get $i))))
    (func $go {CHANGES} {effects} (block $out (br_if $out (i64.eqz (global.get $seen))) (call $fail (i32.const 0))))
    (func $callback (param i32) (call $go))
    (func $clean (param i32) {CHANGES} {PRINTS})"""


def loaded(text: str) -> ModulePair:
    pair = load_pair(bytes(wasmtime.wat2wasm(f"(module {HEAD} {LOOK} {text})")), PROFILE)
    assert pair is not None
    return pair


def limited(trap: str) -> Environment:
    return evolve(ENVIRONMENT, instruction_limit=3_000_000) if trap == "too many instructions" else ENVIRONMENT


def assert_trapped(outcome: Outcome, trap: str, lines: int) -> None:
    assert isinstance(outcome, Trapped)
    runs_out = trap == "too many instructions"
    assert outcome.reason is (TrapReason.OUT_OF_INSTRUCTIONS if runs_out else TrapReason.TRAPPED)
    assert [entry for entry in outcome.logs if entry != SystemRecord()] == [LINE] * lines
    assert outcome.instructions_used > 250


@pytest.mark.parametrize("trap", TRAPS)
def test_an_update_that_traps_after_effects_leaves_its_count_and_one_line_in_the_log(trap: str) -> None:
    pair = loaded(failing(trap, EFFECTS) + '(export "canister_update go" (func $go))')
    state = pair.initial_state()
    before = pair.update("look", state, ENVIRONMENT)
    assert isinstance(before, Returned)
    # The second time, instances are there that have run already.
    for _ in range(2):
        outcome = pair.update("go", state, limited(trap), available_cycles=10_000)
        assert_trapped(outcome, trap, lines=1)
        assert pair.update("look", state, ENVIRONMENT) == before


@pytest.mark.parametrize("trap", TRAPS)
def test_a_query_that_traps_has_the_same_count_and_no_lines(trap: str) -> None:
    pair = loaded(failing(trap, PRINTS) + '(export "canister_query go" (func $go))')
    environment = evolve(limited(trap), replicated=False)
    assert_trapped(pair.query("go", pair.initial_state(), environment), trap, lines=0)


@pytest.mark.parametrize("trap", TRAPS)
def test_a_start_function_that_traps_at_installation_has_the_same_count(trap: str) -> None:
    pair = loaded(failing(trap, PRINTS) + "(start $go)")
    assert_trapped(pair.install(b"", limited(trap)), trap, lines=1)


@pytest.mark.parametrize("trap", TRAPS)
def test_a_cleanup_runs_after_a_callback_that_traps_and_may_trap_too(trap: str) -> None:
    pair = loaded(failing(trap, PRINTS))
    state = pair.initial_state()
    cleaned = pair.callback(Callback(GO, GO, CLEAN), Reply(b""), state, limited(trap))
    assert isinstance(cleaned, Returned)
    assert cleaned.cleaned_up_after is not None
    assert cleaned.logs == (LINE, SystemRecord(), LINE)
    assert_trapped(pair.callback(Callback(GO, GO, GO), Reply(b""), state, limited(trap)), trap, lines=2)
    assert_trapped(pair.callback(Callback(GO, GO), Reply(b""), state, limited(trap)), trap, lines=1)


CAUSES = {
    "load": TrapCause.HEAP_OUT_OF_BOUNDS,
    "store after growing": TrapCause.HEAP_OUT_OF_BOUNDS,
    "load of a vector": TrapCause.HEAP_OUT_OF_BOUNDS,
    "division by zero": TrapCause.DIVISION_BY_ZERO,
    "quotient too large": TrapCause.OTHER,
    "conversion": TrapCause.OTHER,
    "fill": TrapCause.HEAP_OUT_OF_BOUNDS,
    "call of another type": None,
    "call outside of the table": TrapCause.TABLE_OUT_OF_BOUNDS,
    "element outside of the table": TrapCause.TABLE_OUT_OF_BOUNDS,
    "unreachable": TrapCause.UNREACHABLE,
    "too many instructions": None,
    "too deep": TrapCause.STACK_OVERFLOW,
    "by the host": None,
}


@pytest.mark.checklist("unspec.fn.logs")
@pytest.mark.parametrize("trap", TRAPS)
def test_both_sides_say_what_made_code_trap(trap: str) -> None:
    pair = loaded(failing(trap, PRINTS) + '(export "canister_update go" (func $go))')
    (_, place) = pair.update("go", pair.initial_state(), limited(trap)).logs
    assert isinstance(place, SystemRecord)
    assert place.cause is CAUSES[trap]


KNOWN_AT_ONCE = {"unreachable", "too many instructions", "too deep", "by the host"}


@pytest.mark.parametrize("trap", TRAPS)
def test_only_where_the_count_is_not_known_are_executions_repeated(trap: str) -> None:
    pair = loaded(failing(trap, "(nop)") + '(export "canister_update go" (func $go))')
    assert isinstance(pair.update("look", pair.initial_state(), ENVIRONMENT), Returned)
    assert not pair.reference.compiled.exact
    assert_trapped(pair.update("go", pair.initial_state(), limited(trap)), trap, lines=0)
    assert bool(pair.reference.compiled.exact) is (trap not in KNOWN_AT_ONCE)


@pytest.mark.parametrize("limit", [2**62 - 1, 2**62, 2**62 + 1, 2**63 - 1])
def test_the_largest_limits_count_like_others(limit: int) -> None:
    pair = loaded(failing("load", "(nop)") + '(export "canister_update go" (func $go))')
    outcomes = [
        pair.update("go", pair.initial_state(), evolve(ENVIRONMENT, instruction_limit=one)) for one in (10**9, limit)
    ]
    assert outcomes[0] == outcomes[1]
