"""What an execution leaves, and what it does not."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.canister.outcome import Callback, Closure, Returned, SystemRecord, Trapped, TrapReason
from spec.values.identifiers import Principal
from spec.values.memory import LinearMemory
from spec.values.rejects import Reject, RejectCode, Reply

SELF = Principal(b"self")
COUNTER = """(module (memory 1 4) (global $g (mut i32) (i32.const 0)) (data (i32.const 8) "data")
    (import "ic0" "trap" (func $trap (param i32 i32)))
    (start $start)
    (func $start (i32.store (i32.const 4096) (i32.const 1)))
    (func (export "canister_init") (i32.store (i32.const 4100) (i32.const 2)))
    (func (export "canister_post_upgrade") (i32.store (i32.const 4104) (i32.const 3)))
    (func (export "canister_update inc") (global.set $g (i32.add (global.get $g) (i32.const 1)))
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))))
    (func (export "canister_update grow") (drop (memory.grow (i32.const 1)))
      (i32.store (i32.const 70000) (i32.const 1)))
    (func (export "canister_update spoil") (i32.store (i32.const 0) (i32.const 99)) (drop (memory.grow (i32.const 1)))
      (call $trap (i32.const 8) (i32.const 4)))
    (func (export "canister_query peek") (i32.store (i32.const 0) (i32.const 99)))
    (func (export "canister_heartbeat") (i32.store (i32.const 12) (i32.const 5))))"""
COUNTER = COUNTER.replace(
    "(module (memory", '(module (import "ic0" "trap" (func $trap (param i32 i32))) (memory'
).replace('    (import "ic0" "trap" (func $trap (param i32 i32)))\n', "")


def run(module, method, state, environment):
    return module.update(method, state, b"", Caller(), None, environment, 0)


def number(state, place=0):
    return int.from_bytes(state.wasm_memory.read(place, 4), "little")


def test_executions_start_from_the_state_given_and_not_from_the_last_one(load, environment) -> None:
    module = load(COUNTER)
    first = module.initial_state(SELF)
    states = [first]
    for _ in range(3):
        states.append(run(module, "inc", states[-1], environment).new_state)
    for index, state in enumerate(states):
        again = run(module, "inc", state, environment).new_state
        assert (number(again), again.globals) == (index + 1, (index + 1,))
    other = run(module, "grow", states[1], environment).new_state
    assert (other.wasm_memory.wasm_pages, number(other), number(other, 70000)) == (2, 1, 1)
    assert run(module, "inc", states[3], environment).new_state.wasm_memory.wasm_pages == 1


@pytest.mark.checklist("seed1.wasm-determinism")
def test_equal_arguments_give_equal_outcomes(load, environment) -> None:
    module = load(COUNTER)
    state = module.initial_state(SELF)
    for method in ("inc", "grow", "spoil"):
        assert run(module, method, state, environment) == run(module, method, state, environment)


def test_a_trap_changes_nothing_and_carries_the_text(load, environment) -> None:
    module = load(COUNTER)
    state = module.initial_state(SELF)
    outcome = run(module, "spoil", state, environment)
    assert isinstance(outcome, Trapped)
    assert (outcome.reason, outcome.message, outcome.logs) == (
        TrapReason.TRAPPED,
        "data",
        (SystemRecord(b"data"),),
    )
    assert number(run(module, "inc", state, environment).new_state) == 1


def test_a_query_keeps_the_state(load, environment) -> None:
    module = load(COUNTER)
    state = module.initial_state(SELF)
    outcome = module.query("peek", state, b"", Caller(), environment, 0)
    assert isinstance(outcome, Returned)
    assert outcome.new_state == state
    assert number(run(module, "inc", state, environment).new_state) == 1


def test_start_runs_before_init_and_both_pay_for_their_pages(load, environment) -> None:
    module = load(COUNTER)
    outcome = module.init(module.initial_state(SELF), b"", Caller(), environment)
    assert (number(outcome.new_state, 4096), number(outcome.new_state, 4100)) == (1, 2)
    assert outcome.instructions_used == 4 + 4 + 2000


def test_an_upgrade_keeps_or_clears_the_heap(load, environment) -> None:
    module = load(COUNTER)
    before = run(module, "grow", run(module, "inc", module.initial_state(SELF), environment).new_state, environment)
    before = evolve(before.new_state, stable_memory=LinearMemory(3))
    kept, cleared = module.upgraded_state(before, True), module.upgraded_state(before, False)
    assert (kept.wasm_memory, kept.stable_memory, kept.globals) == (before.wasm_memory, LinearMemory(3), (0,))
    assert (cleared.wasm_memory, cleared.stable_memory) == (module.initial_heap, LinearMemory(3))
    assert number(module.post_upgrade(kept, b"", Caller(), environment).new_state, 4104) == 3


def test_missing_hooks_return_and_missing_methods_trap(load, environment) -> None:
    module = load("(module)")
    state = module.initial_state(SELF)
    unchanged = Returned(state, 0)
    assert module.init(state, b"", Caller(), environment) == unchanged
    assert module.pre_upgrade(state, Caller(), environment) == unchanged
    assert module.post_upgrade(state, b"", Caller(), environment) == unchanged
    missing = Trapped(0, TrapReason.NO_SUCH_METHOD)
    assert run(module, "go", state, environment) == missing
    assert module.heartbeat(state, environment) == missing
    assert module.inspect_message("go", state, b"", Caller(), environment).accepts


CALLBACKS = """(module (import "ic0" "msg_reply" (func $reply))
    (import "ic0" "msg_reject_code" (func $code (result i32)))
    (import "ic0" "certified_data_set" (func $set (param i32 i32)))
    (memory 1) (table 5 funcref) (elem (i32.const 0) $good $bad $clean $wrong_type)
    (func $good (param i32) (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (call $code)) call $reply)
    (func $bad (param i32) (i32.store (i32.const 0) (local.get 0)) unreachable)
    (func $clean (param i32) (i32.store (i32.const 8) (local.get 0)) (i32.store (i32.const 12) (call $code)))
    (func $wrong_type (param i64)))"""


def call_back(module, callback, response, environment, **changes):
    environment = evolve(environment, **changes)
    return module.callback(
        callback, response, 0, module.initial_state(SELF), Caller(), None, environment, 0, needs_to_respond=True
    )


@pytest.mark.checklist("prod.wasmtime_embedder.calling_function_by_index")
def test_closures_run_with_their_argument(load, environment) -> None:
    module = load(CALLBACKS)
    callback = Callback(Closure(0, 11), Closure(0, 22))
    replied = call_back(module, callback, Reply(b"yes"), environment)
    assert (number(replied.new_state), number(replied.new_state, 4), replied.response) == (11, 0, Reply(b""))
    rejected = call_back(module, callback, Reject(RejectCode.SYS_TRANSIENT, "no"), environment)
    assert (number(rejected.new_state), number(rejected.new_state, 4)) == (22, 2)


def test_a_cleanup_runs_on_the_state_before_and_both_are_charged(load, environment) -> None:
    module = load(CALLBACKS)
    callback = Callback(Closure(1, 11), Closure(1, 22), Closure(2, 33))
    outcome = call_back(module, callback, Reject(RejectCode.CANISTER_ERROR, "no"), environment)
    assert isinstance(outcome, Returned)
    assert outcome.cleaned_up_after == Trapped(1 + 1 + 1 + 1 + 1 + 1000, TrapReason.TRAPPED, logs=(SystemRecord(),))
    assert (number(outcome.new_state), number(outcome.new_state, 8), number(outcome.new_state, 12)) == (0, 33, 5)
    assert outcome.instructions_used == 1005 + 1 + 3 + 1 + 5 + 1 + 500 + 1000


@pytest.mark.checklist("prod.wasmtime_embedder.calling_function_with_invalid_signature_fails")
def test_a_closure_that_is_no_fitting_function_traps(load, environment) -> None:
    module = load(CALLBACKS)
    for index in (3, 4, 5, 2**32 - 1, 2**64 - 1):
        outcome = call_back(module, Callback(Closure(index, 0), Closure(0, 0)), Reply(b""), environment)
        assert outcome == Trapped(0, TrapReason.TRAPPED, logs=(SystemRecord(),))


def test_a_part_of_the_limit_is_kept_for_the_cleanup(load, environment) -> None:
    module = load(CALLBACKS.replace("unreachable", "loop br 0 end"))
    outcome = call_back(
        module,
        Callback(Closure(1, 0), Closure(1, 0), Closure(2, 1)),
        Reply(b""),
        environment,
        instruction_limit=100_000,
    )
    assert outcome.cleaned_up_after == Trapped(95_000, TrapReason.OUT_OF_INSTRUCTIONS, logs=(SystemRecord(),))


def test_a_cleanup_gets_what_is_left_of_the_limit(load, environment) -> None:
    module = load(CALLBACKS.replace("unreachable", "loop br 0 end"))
    callback = Callback(Closure(1, 0), Closure(1, 0), Closure(1, 0))
    outcome = call_back(module, callback, Reply(b""), environment, instruction_limit=100_000)
    assert outcome == Trapped(100_000, TrapReason.OUT_OF_INSTRUCTIONS, logs=(SystemRecord(),) * 2)


def test_a_dropped_data_segment_is_there_again_in_the_next_execution(load, environment) -> None:
    module = load(
        """(module (memory 1) (data $d "abc") (func (export "canister_update go")
        (memory.init $d (i32.const 0) (i32.const 0) (i32.const 3)) data.drop $d))"""
    )
    for _ in range(2):
        outcome = run(module, "go", module.initial_state(SELF), environment)
        assert outcome.new_state.wasm_memory.read(0, 3) == b"abc"


def test_a_trap_after_a_run_out_of_instructions_is_a_trap(load, environment) -> None:
    module = load('(module (func (export "canister_update go") unreachable))')
    state = module.initial_state(SELF)
    reasons = [run(module, "go", state, evolve(environment, instruction_limit=limit)).reason for limit in (0, 10)]
    assert reasons == [TrapReason.OUT_OF_INSTRUCTIONS, TrapReason.TRAPPED]


def test_the_logs_of_a_trapped_callback_come_before_those_of_its_cleanup(load, environment) -> None:
    module = load("""
        (module (import "ic0" "debug_print" (func $print (param i32 i32))) (memory 1) (data (i32.const 0) "ab")
          (table funcref (elem $reply $cleanup))
          (func $reply (param i32) (call $print (i32.const 0) (i32.const 1)) unreachable)
          (func $cleanup (param i32) (call $print (i32.const 1) (i32.const 1))))
    """)
    callback = Callback(Closure(0, 0), Closure(0, 0), Closure(1, 0))
    outcome = module.callback(
        callback, Reply(b""), 0, module.initial_state(SELF), Caller(SELF), None, environment, 0, True
    )
    assert outcome.logs == (b"a", SystemRecord(), b"b")
    assert outcome.cleaned_up_after.logs == (b"a", SystemRecord())
