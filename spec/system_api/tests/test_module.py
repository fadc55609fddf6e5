"""Entry points: what each of them runs with, and what stays of it."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from spec.canister.environment import Caller, Environment
from spec.canister.outcome import Inspected, Returned, SystemRecord, Trapped, TrapReason
from spec.system_api.module import parse_module
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, Principal
from spec.values.memory import LinearMemory
from spec.values.rejects import Reject, RejectCode, Reply

Run = Callable[..., Any]

NEW = """(call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))"""
INSTALLER = Caller(Principal(b"installer"))
COUNT_CALLER = "(call $msg_caller_size)"


@pytest.mark.checklist(
    "prod.hypervisor.executing_non_existing_method_does_not_consume_cycles",
    "prod.ee_canister_task.heartbeat_fails_gracefully_if_not_exported",
    "error.method-not-found",
    "entry.heartbeat",
    "seed2.function-lookup",
)
def test_a_missing_method_or_task_is_told(canister: Run, environment: Environment) -> None:
    one = canister('(func (export "canister_update go"))')
    missing = Trapped(0, TrapReason.NO_SUCH_METHOD)
    assert one.update("stay") == one.query("go") == missing
    for task in (one.module.heartbeat, one.module.global_timer, one.module.on_low_wasm_memory):
        assert task(one.state, environment) == missing


@pytest.mark.checklist("entry.init", "entry.pre-upgrade", "entry.post-upgrade", "entry.inspect-message")
def test_missing_hooks_change_nothing(canister: Run, environment: Environment) -> None:
    one = canister("")
    unchanged = Returned(one.state, 0)
    assert one.module.init(one.state, b"", INSTALLER, environment) == unchanged
    assert one.module.pre_upgrade(one.state, INSTALLER, environment) == unchanged
    assert one.module.post_upgrade(one.state, b"", INSTALLER, environment) == unchanged
    assert one.module.inspect_message("go", one.state, b"", INSTALLER, environment) == Inspected(accepts=True)


@pytest.mark.checklist("module.method-export-types", "seed2.function-lookup")
def test_exports_are_listed(canister: Run) -> None:
    module = canister("""
        (func $f (export "canister_update a") (export "canister_update b c") (export "canister_query d")
          (export "canister_composite_query e") (export "canister_heartbeat") (export "canister_inspect_message"))
    """).module
    assert module.update_methods == {"a", "b c"}
    assert module.query_methods == {"d"}
    assert module.composite_query_methods == {"e"}
    assert module.has_heartbeat and module.has_inspect_message
    assert not module.has_global_timer and not module.has_on_low_wasm_memory


@pytest.mark.checklist(
    "seed1.heap-and-stable",
    "seed2.commit-on-success",
    "seed2.wasm-memory-automatic",
    "seed2.persisted-between-messages",
)
def test_the_heap_and_globals_are_kept_between_executions(canister: Run) -> None:
    one = canister("""
        (global $count (mut i64) (i64.const 5))
        (func (export "canister_update go")
          (global.set $count (i64.add (global.get $count) (i64.const 1)))
          (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 2))))
    """)
    for _ in range(2):
        one.state = one.update().new_state
    assert one.state.globals == (7,)
    assert one.state.wasm_memory.read(8, 1) == b"\x04"


@pytest.mark.checklist("error.trapped", "entry.trap-discards")
def test_a_trap_keeps_nothing(canister: Run) -> None:
    one = canister(f"""
        (func (export "canister_update go")
          (i32.store (i32.const 8) (i32.const 1)) {NEW} (drop (call $call_perform)) (call $msg_reply) unreachable)""")
    outcome = one.update()
    assert isinstance(outcome, Trapped)
    assert outcome.reason is TrapReason.TRAPPED


def test_changed_pages_of_the_heap_are_charged_at_the_end(go: Run) -> None:
    store = "(i32.store (i32.const 0) (i32.const 5)) (i32.store (i32.const 4094) (i32.const -1))"
    assert go(store).instructions_used == 1 + 3 + 3 + 2000
    assert go(store + "(i32.store8 (i32.const 0) (i32.const 0))").instructions_used == 1 + 3 * 3 + 2000
    assert go("(i32.store (i32.const 0) (i32.const 0))").instructions_used == 4
    assert go(store + "unreachable").instructions_used == 1 + 3 + 3 + 1 + 2000
    wide = store.replace("i32.const 0)", "i64.const 0)", 1).replace("i32.const 4094)", "i64.const 4094)")
    assert go(wide, wasm64=True).instructions_used == 1 + 4 + 4 + 8000


def test_the_charge_for_changed_pages_fails_nothing(go: Run) -> None:
    store = "(i32.store (i32.const 0) (i32.const 5))"
    outcome = go(store, instruction_limit=100)
    assert isinstance(outcome, Returned)
    assert outcome.instructions_used == 100


@pytest.mark.checklist("error.instruction-limit", "unspec.fn.cycles-used")
def test_an_execution_that_runs_out_is_charged_its_limit(go: Run) -> None:
    outcome = go("(i32.store (i32.const 0) (i32.const 5)) (loop (br 0))", instruction_limit=5_000)
    assert outcome == Trapped(5_000, TrapReason.OUT_OF_INSTRUCTIONS, logs=(SystemRecord(),))


@pytest.mark.checklist("entry.query", "inv.query-discards-state")
def test_queries_do_not_pay_for_pages_and_keep_no_changes(canister: Run) -> None:
    one = canister('(func (export "canister_query go") (i32.store (i32.const 0) (i32.const 5)) (call $msg_reply))')
    for replicated in (False, True):
        outcome = one.query(replicated=replicated)
        assert outcome == Returned(one.state, 1 + 3 + 5 + 500, response=Reply(b""))


@pytest.mark.checklist("entry.query")
def test_replicated_queries_accept_cycles_and_others_may_not(canister: Run) -> None:
    one = canister('(func (export "canister_query go") (drop (call $msg_cycles_accept (i64.const 5))))')
    assert one.query(replicated=True, cycles=9).cycles_accepted == 5
    assert isinstance(one.query(replicated=False, cycles=9), Trapped)


@pytest.mark.checklist(
    "prod.hypervisor.ic0_msg_caller_copy_works_in_heartbeat",
    "entry.heartbeat",
    "entry.global-timer",
    "api.msg-caller-size",
)
def test_system_tasks_are_called_by_the_system(canister: Run, environment: Environment) -> None:
    one = canister(f"""
        (func (export "canister_heartbeat") {NEW} (drop (call $call_perform))
          (drop (call $global_timer_set (i64.extend_i32_u (call $msg_caller_size)))))
        (func (export "canister_global_timer") (call $msg_reply))""")
    assert MANAGEMENT_CANISTER == b""
    outcome = one.module.heartbeat(one.state, environment)
    assert outcome.new_global_timer == 0
    assert len(outcome.new_calls) == 1
    assert isinstance(one.module.global_timer(one.state, environment), Trapped)


# Installation and upgrade.

LIFE = """
    (start $begin)
    (global $begun (mut i32) (i32.const 0))
    (func $begin (global.set $begun (i32.const 1)) (i32.store (i32.const 0) (i32.const 7)))
    (func (export "canister_init")
      (call $msg_arg_data_copy (i32.const 8) (i32.const 0) (call $msg_arg_data_size))
      (i32.store (i32.const 4096) (global.get $begun))
      (drop (call $global_timer_set (i64.const 3)))
      (call $certified_data_set (i32.const 8) (i32.const 2)))
    (func (export "canister_pre_upgrade")
      (drop (call $stable64_grow (i64.const 1)))
      (drop (call $global_timer_set (i64.const 3)))
      (call $certified_data_set (i32.const 0) (call $msg_caller_size)))
"""


@pytest.mark.checklist("entry.start", "entry.init", "module.start-function", "api.msg-arg-data-size")
def test_the_start_function_runs_before_init(canister: Run, environment: Environment) -> None:
    one = canister(LIFE)
    outcome = one.module.init(one.state, b"ab", INSTALLER, environment)
    assert isinstance(outcome, Returned)
    assert outcome.new_state.wasm_memory.read(0, 10) == b"\7\0\0\0\0\0\0\0ab"
    assert outcome.new_state.wasm_memory.read(4096, 1) == b"\1"
    assert outcome.new_state.globals == (1,)
    assert outcome.new_global_timer == 3
    assert outcome.new_certified_data == b"ab"


@pytest.mark.checklist("entry.post-upgrade")
def test_pages_are_charged_for_start_and_init_each(canister: Run, environment: Environment) -> None:
    one = canister("""
        (start $begin) (func $begin (i32.store (i32.const 0) (i32.const 7)))
        (func (export "canister_init") (i32.store (i32.const 0) (i32.const 8)))""")
    assert one.module.init(one.state, b"", INSTALLER, environment).instructions_used == 8 + 2000
    assert one.module.post_upgrade(one.state, b"", INSTALLER, environment).instructions_used == 4 + 1000
    limited = evolve(environment, instruction_limit=1_003)
    outcome = one.module.init(one.state, b"", INSTALLER, limited)
    assert outcome == Trapped(1_003, TrapReason.OUT_OF_INSTRUCTIONS, logs=(SystemRecord(),))


@pytest.mark.checklist("entry.start")
def test_the_start_function_may_call_little(canister: Run, environment: Environment) -> None:
    one = canister("(start $begin) (func $begin (drop (call $time)))")
    assert isinstance(one.module.init(one.state, b"", INSTALLER, environment), Trapped)


@pytest.mark.checklist("entry.pre-upgrade", "api.msg-caller-size")
def test_pre_upgrade_sets_no_timer(canister: Run, environment: Environment) -> None:
    one = canister(LIFE)
    outcome = one.module.pre_upgrade(one.state, INSTALLER, environment)
    assert outcome.new_state.stable_memory == LinearMemory(1)
    assert outcome.new_certified_data == bytes(9)
    assert outcome.new_global_timer is None


@pytest.mark.checklist("seed1.upgrade-clears-heap", "seed2.upgrade-memories")
def test_an_upgrade_keeps_stable_memory_and_the_heap_on_request(canister: Run) -> None:
    one = canister('(global (mut i32) (i32.const 4)) (data (i32.const 0) "new")')
    before = evolve(
        one.state,
        wasm_memory=LinearMemory.from_bytes(b"old" + bytes(131_069)),
        stable_memory=LinearMemory(3),
        globals=(1, 2),
    )
    cleared = one.module.upgraded_state(before, keep_wasm_memory=False)
    assert cleared == evolve(one.state, stable_memory=LinearMemory(3))
    kept = one.module.upgraded_state(before, keep_wasm_memory=True)
    assert kept == evolve(before, globals=(4,))
    small = evolve(before, wasm_memory=LinearMemory())
    assert one.module.upgraded_state(small, keep_wasm_memory=True).wasm_memory == LinearMemory(1)


@pytest.mark.checklist("seed2.two-memories")
def test_the_initial_state_has_the_data_of_the_module(canister: Run) -> None:
    one = canister('(data (i32.const 3) "abc")')
    state = one.module.initial_state(CanisterId(b"id"))
    assert state.self_id == b"id"
    assert state.wasm_memory.read(0, 8) == b"\0\0\0abc\0\0"
    assert state.stable_memory == LinearMemory()


# Inspection.


@pytest.mark.checklist(
    "entry.inspect-message", "api.msg-method-name-size", "api.msg-method-name-copy", "api.accept-message"
)
def test_a_message_is_accepted_if_the_inspection_says_so(canister: Run, environment: Environment) -> None:
    def inspected(instructions: str, method: str = "go") -> Inspected:
        one = canister(f'(func (export "canister_inspect_message") {instructions})')
        result: Inspected = one.module.inspect_message(method, one.state, b"", INSTALLER, environment)
        return result

    accepted, not_accepted, trapped = Inspected(True), Inspected(False), Inspected(False, traps=True)
    assert inspected("(call $accept_message)") == accepted
    assert inspected("") == not_accepted
    assert inspected("(call $accept_message) (call $accept_message)") == trapped
    assert inspected("(call $accept_message) unreachable") == trapped
    chosen = """(call $msg_method_name_copy (i32.const 0) (i32.const 0) (call $msg_method_name_size))
        (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 103)) (then (call $accept_message)))"""
    assert inspected(chosen, "go") == accepted
    assert inspected(chosen, "stay") == not_accepted


# Callbacks.

CALLBACKS = """
    (type $closure (func (param i32)))
    (table 8 funcref)
    (elem (i32.const 0) $reply_data $reject_message $failing $cleanup $wrong $failing_cleanup $spinning)
    (func $reply_data (param i32)
      (drop (call $msg_reject_code))
      (call $msg_arg_data_copy (i32.const 0) (i32.const 0) (call $msg_arg_data_size))
      (i32.store8 (call $msg_arg_data_size) (local.get 0))
      (call $reply (i32.const 0) (i32.add (call $msg_arg_data_size) (i32.const 1))))
    (func $reject_message (param i32)
      (call $msg_reject_msg_copy (i32.const 0) (i32.const 0) (call $msg_reject_msg_size))
      (i32.store8 (call $msg_reject_msg_size) (call $msg_reject_code))
      (call $reply (i32.const 0) (i32.add (call $msg_reject_msg_size) (i32.const 1))))
    (func $failing (param i32)
      (i32.store (i32.const 0) (i32.const 1))
      (call $debug_print (i32.const 0) (i32.const 1)) (call $trap (i32.const 100) (i32.const 3)))
    (func $cleanup (param i32)
      (drop (call $global_timer_set (i64.const 77)))
      (i32.store8 (i32.const 8) (local.get 0))
      (i32.store8 (i32.const 9) (call $msg_reject_code))
      (call $debug_print (i32.const 8) (i32.const 1)))
    (func $wrong (param i64))
    (func $failing_cleanup (param i32) unreachable)
    (func $spinning (param i32) (loop (br 0)))
    (data (i32.const 100) "why")
"""
REJECT = Reject(RejectCode.CANISTER_ERROR, "bad")


@pytest.mark.checklist("entry.reply-callback", "api.msg-arg-data-size", "entry.closure")
def test_a_reply_callback_sees_the_reply(canister: Run) -> None:
    outcome = canister(CALLBACKS).callback(Reply(b"yes"), on_reply=0, on_reject=1, argument=33)
    assert outcome.response == Reply(b"yes!")


@pytest.mark.checklist(
    "entry.reject-callback", "api.msg-reject-msg-size", "api.msg-reject-msg-copy", "api.msg-reject-code"
)
def test_a_reject_callback_sees_code_and_message(canister: Run) -> None:
    outcome = canister(CALLBACKS).callback(REJECT, on_reply=0, on_reject=1)
    assert outcome.response == Reply(b"bad\5")


@pytest.mark.checklist("api.msg-reject-msg-size")
def test_a_reply_callback_has_no_reject_message(canister: Run) -> None:
    assert isinstance(canister(CALLBACKS).callback(Reply(b""), on_reply=1), Trapped)


@pytest.mark.checklist("module.table", "entry.reply-callback")
def test_a_closure_must_be_a_function_of_the_right_type(canister: Run) -> None:
    one = canister(CALLBACKS)
    for index in (4, 7, 8, 2**32 - 1):
        assert one.callback(Reply(b""), on_reply=index) == Trapped(0, TrapReason.TRAPPED, logs=(SystemRecord(),))
    assert canister("").callback(Reply(b"")) == Trapped(0, TrapReason.TRAPPED, logs=(SystemRecord(),))


@pytest.mark.checklist("entry.cleanup-callback", "inv.cleanup-iff-trap")
def test_the_cleanup_runs_on_the_state_before(canister: Run) -> None:
    one = canister(CALLBACKS)
    alone = one.callback(REJECT, on_reject=2)
    assert alone.message == "why"
    outcome = one.callback(REJECT, on_reject=2, on_cleanup=3, argument=9)
    assert isinstance(outcome, Returned)
    assert outcome.new_state.wasm_memory.read(0, 10) == bytes(8) + b"\x09\x05"
    assert outcome.new_global_timer == 77
    assert outcome.cleaned_up_after == alone
    assert outcome.logs == (b"\1", SystemRecord(b"why"), b"\x09")
    assert outcome.response is None
    assert outcome.instructions_used > alone.instructions_used + 2000


@pytest.mark.checklist("entry.cleanup-callback", "inv.cleanup-iff-trap")
def test_a_failing_cleanup_keeps_the_state_before(canister: Run) -> None:
    one = canister(CALLBACKS)
    alone = one.callback(REJECT, on_reject=2)
    outcome = one.callback(REJECT, on_reject=2, on_cleanup=5)
    logs = (*alone.logs, SystemRecord())
    assert outcome == evolve(alone, instructions_used=alone.instructions_used + 2, logs=logs)
    assert one.callback(REJECT, on_reject=2, on_cleanup=4) == evolve(alone, logs=logs)


@pytest.mark.checklist("entry.cleanup-callback", "entry.init", "entry.post-upgrade", "unspec.fn.balance-drift")
def test_the_second_of_two_functions_sees_the_balance_of_the_first(canister: Run, environment: Environment) -> None:
    look = "(i64.store (i32.const 0) (call $canister_cycle_balance))"
    one = canister(f"""
        (table 2 funcref) (elem (i32.const 0) $fail $look)
        (func $fail (param i32) (drop (memory.grow (i32.const 1))) unreachable)
        (func $look (param i32) {look})
        (start $begin) (func $begin (drop (memory.grow (i32.const 1))))
        (func (export "canister_init") {look})
        (func (export "canister_post_upgrade") {look})""")
    outcomes = [
        one.callback(REJECT, on_reject=0, on_cleanup=1),
        one.module.init(one.state, b"", INSTALLER, environment),
        one.module.post_upgrade(one.state, b"", INSTALLER, environment),
    ]
    seen = [int.from_bytes(outcome.new_state.wasm_memory.read(0, 8), "little") for outcome in outcomes]
    assert environment.balance > 0
    assert seen == [environment.balance] * 3


@pytest.mark.checklist("unspec.env.cleanup-limit")
def test_a_part_of_the_limit_is_kept_for_the_cleanup(canister: Run) -> None:
    one = canister(CALLBACKS)
    alone = one.callback(REJECT, on_reject=6, instruction_limit=100_000)
    assert alone == Trapped(95_000, TrapReason.OUT_OF_INSTRUCTIONS, logs=(SystemRecord(),))
    outcome = one.callback(REJECT, on_reject=6, on_cleanup=3, instruction_limit=100_000)
    assert isinstance(outcome, Returned)
    assert outcome.cleaned_up_after == alone
    assert one.callback(REJECT, on_reject=6, on_cleanup=6, instruction_limit=100_000) == evolve(
        alone, instructions_used=100_000, logs=(SystemRecord(),) * 2
    )


@pytest.mark.checklist("api.msg-cycles-refunded", "entry.reply-callback")
def test_the_refund_is_read_in_callbacks(canister: Run) -> None:
    one = canister("""
        (table 1 funcref) (elem (i32.const 0) $read)
        (func $read (param i32) (call $reply_i64 (call $msg_cycles_refunded)))""")
    assert one.callback(Reply(b""), refunded=44).response == Reply((44).to_bytes(8, "little"))
    assert isinstance(one.callback(Reply(b""), refunded=44, needs_to_respond=False), Trapped)


@pytest.mark.checklist("entry.composite-query")
def test_composite_queries_call_and_answer(canister: Run, environment: Environment) -> None:
    one = canister(
        CALLBACKS + f'(func (export "canister_composite_query go") {NEW} (drop (call $call_perform)) (call $msg_reply))'
    )
    local = evolve(environment, replicated=False)
    outcome = one.module.composite_query("go", one.state, b"", INSTALLER, local)
    assert len(outcome.new_calls) == 1
    callback = next(iter(outcome.new_calls)).callback
    answered = one.module.composite_callback(callback, Reply(b"yes"), one.state, INSTALLER, local, True)
    assert answered.response == Reply(b"yes\0")


@pytest.mark.checklist("prod.hypervisor.canister_system_query_transform_http_response", "entry.transform")
def test_a_response_to_an_outcall_is_transformed_by_a_query_method_that_the_system_calls(
    canister: Run, environment: Environment
) -> None:
    one = canister("""
        (func (export "canister_query go")
          (i32.store8 (i32.const 0) (call $msg_caller_size))
          (i32.store8 (i32.const 1) (call $data_certificate_present))
          (i32.store8 (i32.const 2) (call $in_replicated_execution))
          (call $msg_arg_data_copy (i32.const 3) (i32.const 0) (call $msg_arg_data_size))
          (call $reply (i32.const 0) (i32.add (i32.const 3) (call $msg_arg_data_size))))
        (func (export "canister_query accept") (drop (call $msg_cycles_accept (i64.const 1))))
        (func (export "canister_query deadline") (drop (call $msg_deadline)))
        (func (export "canister_query certificate") (drop (call $data_certificate_size)))
        (func (export "canister_update change") (call $msg_reply))""")
    local = evolve(environment, replicated=False, certificate=b"certificate")
    outcome = one.module.transform("go", one.state, b"response and context", local)
    assert outcome.response == Reply(b"\0\0\0response and context")
    assert outcome.new_state == one.state
    for missing in ("accept", "deadline", "certificate", "change"):
        assert isinstance(one.module.transform(missing, one.state, b"", local), Trapped)


def test_equal_modules_are_the_same_object(raw: Run, environment: Environment) -> None:
    binary = raw("(module)")
    assert parse_module(binary, environment.profile) is parse_module(bytes(bytearray(binary)), environment.profile)


@pytest.mark.checklist("error.out-of-memory")
def test_the_heap_grows_no_further_than_its_limit(go: Run, environment: Environment) -> None:
    profile = environment.profile
    small = evolve(profile, limits=evolve(profile.limits, wasm_memory_32=3 * 65_536, wasm_memory_64=4 * 65_536))
    grow = "(i32.store (i32.const 0) (memory.grow (i32.const {}))) (call $reply (i32.const 0) (i32.const 4))"
    assert go(grow.format(2), profile=small).response == Reply(b"\1\0\0\0")
    assert go(grow.format(3), profile=small).response == Reply(b"\xff" * 4)
