"""Versions, certified data, contexts and timers after messages: both sides agree, and as is said here."""

import pytest
import wasmtime

from properties.agreement.lockstep import SETTLING, enabled_of
from properties.agreement.stage import ALICE, BOB, Stage
from spec.machine import submission_label
from spec.production.choices import as_production
from spec.state.request import Rejected, Replied, Request
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId
from spec.values.management import SettingsArguments, UpdateSettingsArguments, UpgradeMode
from spec.values.quantities import NANOSECONDS_PER_SECOND
from spec.values.rejects import RejectReason, Reply

IMPORTS = """(import "ic0" "msg_reply" (func $reply))
    (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
    (import "ic0" "canister_version" (func $version (result i64)))
    (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
    (import "ic0" "trap" (func $trap (param i32 i32)))
    (import "ic0" "time" (func $time (result i64)))
    (import "ic0" "global_timer_set" (func $timer (param i64) (result i64)))
    (import "ic0" "msg_arg_data_copy" (func $argument (param i32 i32 i32)))
    (import "ic0" "canister_self_copy" (func $self (param i32 i32 i32)))
    (import "ic0" "call_new" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "ic0" "call_on_cleanup" (func $on_cleanup (param i32 i32)))
    (import "ic0" "call_perform" (func $perform (result i32)))
    (memory 1)
    (func $tell (param i64) (i64.store (i32.const 0) (local.get 0)) (call $append (i32.const 0) (i32.const 8))
      (call $reply))"""


def binary(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {IMPORTS} {text})"))


def method(name: str, instructions: str, kind: str = "update") -> str:
    return f'(func (export "canister_{kind} {name}") {instructions})'


def replied(stage: Stage, canister: CanisterId, name: str, argument: bytes = b"") -> bytes:
    status = stage.call(canister, name, argument)
    assert isinstance(status, Replied)
    return status.data


def number(stage: Stage, canister: CanisterId, name: str, argument: bytes = b"") -> int:
    return int.from_bytes(replied(stage, canister, name, argument), "little")


@pytest.mark.checklist("prod.canister_manager.canister_version_changes_are_visible")
def test_each_message_and_each_change_of_settings_raises_the_version() -> None:
    stage = Stage()
    canister = stage.installed(binary(method("go", "(call $tell (call $version))")))
    assert number(stage, canister, "go") == 1
    settings = SettingsArguments(controllers=List.of(*sorted((ALICE, BOB))))
    assert isinstance(stage.manage("update_settings", UpdateSettingsArguments(canister, settings)), Replied)
    assert number(stage, canister, "go") == 3


# Contexts

CALLS = f"""(table funcref (elem $fails)) (func $fails (param i32) unreachable)
    (data (i32.const 20) "silent")
    {method("silent", "")} {method("answers", "(call $reply)")} {method("traps", "unreachable")}
    {
    method(
        "calls",
        '''(call $self (i32.const 0) (i32.const 0) (i32.const 10))
    (call $call (i32.const 0) (i32.const 10) (i32.const 20) (i32.const 6)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $on_cleanup (i32.const 0) (i32.const 0)) (drop (call $perform))''',
    )
}"""


def executing(stage: Stage, canister: CanisterId, name: str, executions: int = 1) -> None:
    """Submits a call, and takes steps until so many executions have been taken."""
    before = stage.lockstep.fired["message_execution"]
    stage.lockstep.submit(ALICE, canister, name, b"")
    while stage.lockstep.fired["message_execution"] < before + executions:
        label = next(enabled_of(stage.state, SETTLING))
        assert stage.lockstep.take(label)
        stage.lockstep.finish_execution()


def task(stage: Stage, name: str, canister: CanisterId) -> bool:
    """Begins the task of a canister, if it may begin."""
    labels = enabled_of(stage.state, [f"{name}_context_creation"])
    label = next((one for one in labels if one.arguments()["canister_id"] == canister), None)
    return label is not None and stage.lockstep.take(label)


def contexts(stage: Stage) -> list[int]:
    """The instructions that the open call contexts have used."""
    return [context.instructions_used for _, context in stage.state.call_contexts.items()]


@pytest.mark.checklist(
    "prod.call_or_task.test_call_context_instructions_executed_is_updated_on_ok_update",
    "prod.call_or_task.test_call_context_instructions_executed_is_updated_on_err_update",
)
def test_an_update_raises_version_and_count_and_a_trap_neither() -> None:
    stage = Stage()
    canister = stage.installed(binary(CALLS))
    assert stage.canister(canister).version == 1
    executing(stage, canister, "traps")
    assert stage.canister(canister).version == 1
    stage.lockstep.settle()
    assert contexts(stage) == []
    executing(stage, canister, "calls")
    assert stage.canister(canister).version == 2
    (used,) = contexts(stage)
    assert used > 0


@pytest.mark.checklist("prod.response.test_call_context_instructions_executed_is_updated_on_err_cleanup")
def test_a_callback_and_a_cleanup_that_trap_raise_the_count_and_not_the_version() -> None:
    """The callee does not answer, so that the callback is called with a reject; the version is that of the call."""
    stage = Stage()
    canister = stage.installed(
        binary(CALLS.replace('"silent")\n', '"traps ")\n').replace("(i32.const 6)", "(i32.const 5)"))
    )
    executing(stage, canister, "calls")
    (before,) = contexts(stage)
    assert stage.canister(canister).version == 2
    fired = stage.lockstep.fired["message_execution"]
    while stage.lockstep.fired["message_execution"] < fired + 2:
        assert stage.lockstep.take(next(enabled_of(stage.state, SETTLING)))
        stage.lockstep.finish_execution()
    assert stage.canister(canister).version == 2
    assert stage.lockstep.executions[-1].instructions > 0
    assert [used > before for used in contexts(stage)] == [True]


# Certified data


def certify(place: int, size: int) -> str:
    return f"(call $certify (i32.const {place}) (i32.const {size}))"


CERTIFIES = f"""(data (i32.const 0) "BARFOO")
    {method("twice", f"{certify(0, 3)} {certify(3, 3)} (call $reply)")}
    {method("traps", f"{certify(0, 3)} (call $trap (i32.const 0) (i32.const 0))")}
    {method("too_long", f"{certify(0, 33)} (call $reply)")}"""


@pytest.mark.checklist(
    "prod.hypervisor.ic0_certified_data_initially_empty",
    "prod.hypervisor.ic0_certified_data_set_twice",
    "prod.hypervisor.ic0_certified_data_set_and_then_trap",
    "prod.hypervisor.ic0_certified_data_set_too_long",
)
def test_the_last_data_that_a_message_certifies_stay_unless_it_fails() -> None:
    stage = Stage()
    canister = stage.installed(binary(CERTIFIES))
    assert stage.canister(canister).certified_data == b""
    replied(stage, canister, "twice")
    assert stage.canister(canister).certified_data == b"FOO"
    for name in ("traps", "too_long"):
        status = stage.call(canister, name, b"")
        assert isinstance(status, Rejected)
        assert status.reject.reason is RejectReason.CANISTER_TRAPPED
        assert stage.canister(canister).certified_data == b"FOO"


# Timers

TIMES = f"""(global $fired (mut i64) (i64.const 0))
    {method("fired", "(call $tell (global.get $fired))")}
    {
    method(
        "set",
        "(call $argument (i32.const 0) (i32.const 0) (i32.const 8))"
        " (call $tell (call $timer (i64.load (i32.const 0))))",
    )
}
    {
    method(
        "set_and_cancel",
        "(drop (call $timer (i64.add (call $time) (i64.const 1)))) (call $tell (call $timer (i64.const 0)))",
    )
}
    {method("now", "(call $tell (call $time))")}"""
FIRES = '(func (export "canister_global_timer") (global.set $fired (i64.add (global.get $fired) (i64.const 1))))'
SECOND = NANOSECONDS_PER_SECOND


def timed(module: str = FIRES) -> tuple[Stage, CanisterId]:
    stage = Stage()
    return stage, stage.installed(binary(TIMES + module))


def later(stage: Stage, canister: CanisterId, seconds: int) -> None:
    """Time passes; then the timer fires if it is due, and everything else happens."""
    stage.lockstep.advance(seconds * SECOND)
    if task(stage, "global_timer", canister):
        stage.lockstep.finish_execution()
    stage.lockstep.settle()


def set_timer(stage: Stage, canister: CanisterId, time: int) -> int:
    """The time that it was set to before."""
    return number(stage, canister, "set", time.to_bytes(8, "little"))


@pytest.mark.checklist("prod.hypervisor.ic0_global_timer_set_returns_previous_value")
def test_setting_a_timer_tells_what_it_was_set_to() -> None:
    stage, canister = timed("")
    assert [set_timer(stage, canister, time) for time in (1, 0)] == [0, 1]


@pytest.mark.checklist(
    "prod.ee_canister_task.global_timer_is_one_off", "prod.sched_timers.global_timer_is_not_scheduled_if_not_expired"
)
def test_a_timer_fires_once_when_its_time_has_come() -> None:
    stage, canister = timed()
    set_timer(stage, canister, stage.state.system_time + 2 * SECOND)
    fired = []
    for _ in range(4):
        later(stage, canister, 1)
        fired.append(number(stage, canister, "fired"))
    assert fired == [0, 1, 1, 1]


@pytest.mark.checklist("prod.ee_canister_task.global_timer_can_be_cancelled")
def test_a_timer_that_is_cancelled_never_fires() -> None:
    stage, canister = timed()
    due = stage.state.system_time + 3 * SECOND
    set_timer(stage, canister, due)
    later(stage, canister, 1)
    assert set_timer(stage, canister, 0) == due
    for _ in range(3):
        later(stage, canister, 1)
    assert number(stage, canister, "fired") == 0


@pytest.mark.checklist("prod.ee_canister_task.global_timer_can_be_immediately_cancelled")
def test_a_timer_that_is_cancelled_in_the_same_message_never_fires() -> None:
    stage, canister = timed()
    now = stage.canister(canister).time
    assert number(stage, canister, "set_and_cancel") == now + 1
    for _ in range(2):
        later(stage, canister, 1)
    assert number(stage, canister, "fired") == 0


@pytest.mark.checklist("prod.ee_canister_task.global_timer_can_be_reactivated")
def test_a_timer_that_is_set_again_fires_again() -> None:
    stage, canister = timed()
    fired = []
    for _ in range(2):
        set_timer(stage, canister, 1)
        for _ in range(2):
            later(stage, canister, 1)
            fired.append(number(stage, canister, "fired"))
    assert fired == [1, 1, 2, 2]


@pytest.mark.checklist("prod.ee_canister_task.global_timer_set_returns_zero_in_canister_global_timer_method")
def test_a_timer_is_off_when_its_method_runs() -> None:
    stage, canister = timed("""(func (export "canister_global_timer")
        (global.set $fired (i64.add (i64.const 100) (call $timer (i64.const 0)))))""")
    set_timer(stage, canister, 1)
    later(stage, canister, 1)
    assert number(stage, canister, "fired") == 100


AGAIN = """(func (export "canister_global_timer") (drop (call $timer (i64.const 1)))
    (global.set $fired (i64.add (global.get $fired) (i64.const 1))))"""
"""A timer that sets itself again."""


@pytest.mark.checklist("prod.ee_canister_task.global_timer_resumes_after_canister_is_being_stopped_and_started_again")
def test_a_timer_waits_while_its_canister_is_stopped() -> None:
    stage, canister = timed(AGAIN)
    set_timer(stage, canister, 1)
    for _ in range(5):
        later(stage, canister, 1)
    assert isinstance(stage.control("stop_canister", canister), Replied)
    for _ in range(5):
        later(stage, canister, 1)
    assert isinstance(stage.control("start_canister", canister), Replied)
    assert number(stage, canister, "fired") == 5
    later(stage, canister, 1)
    assert number(stage, canister, "fired") == 6
    for _ in range(4):
        later(stage, canister, 1)
    assert number(stage, canister, "fired") == 10


@pytest.mark.checklist("prod.ee_canister_task.global_timer_resumes_after_canister_is_being_frozen_and_unfrozen_again")
def test_a_timer_waits_while_its_canister_is_frozen() -> None:
    stage, canister = timed(AGAIN)

    def threshold(seconds: int) -> None:
        """As production does, the system takes in a change of settings of a frozen canister."""
        changed = UpdateSettingsArguments(canister, SettingsArguments(freezing_threshold=seconds))
        request = Request(
            seconds.to_bytes(8, "big"),
            stage.state.system_time + 240 * SECOND,
            ALICE,
            MANAGEMENT_CANISTER,
            "update_settings",
            management.encode_arguments(changed),
        )
        assert stage.lockstep.take(as_production(stage.state, submission_label(request, canister)))
        stage.lockstep.settle()
        assert stage.canister(canister).settings.freezing_threshold == seconds

    set_timer(stage, canister, 1)
    for _ in range(5):
        later(stage, canister, 1)
    threshold(2**62)
    for _ in range(5):
        later(stage, canister, 1)
    threshold(0)
    assert number(stage, canister, "fired") == 5
    for expected in (6, 7, 8, 9, 10):
        later(stage, canister, 1)
        assert number(stage, canister, "fired") == expected


@pytest.mark.checklist(
    "prod.ee_canister_task.global_timer_runs_if_set_in_stopped_canister_post_upgrade",
    "prod.ee_canister_task.ic0_global_timer_set_is_supported_in_pre_upgrade",
)
def test_a_timer_that_an_upgrade_of_a_stopped_canister_sets_fires_after_the_start() -> None:
    hooks = "".join(
        f'(func (export "canister_{name}") (drop (call $timer (i64.const 1))))'
        for name in ("pre_upgrade", "post_upgrade")
    )
    stage, canister = timed(AGAIN + hooks)
    assert isinstance(stage.control("stop_canister", canister), Replied)
    assert isinstance(stage.install(canister, binary(TIMES + AGAIN + hooks), UpgradeMode()), Replied)
    for _ in range(3):
        later(stage, canister, 1)
    assert isinstance(stage.control("start_canister", canister), Replied)
    assert number(stage, canister, "fired") == 0
    for _ in range(5):
        later(stage, canister, 1)
    assert number(stage, canister, "fired") == 5


@pytest.mark.checklist("prod.ee_canister_task.heartbeat_is_executed")
def test_a_heartbeat_may_grow_the_heap() -> None:
    stage = Stage()
    canister = stage.installed(binary('(func (export "canister_heartbeat") (drop (memory.grow (i32.const 10))))'))
    assert task(stage, "heartbeat", canister)
    stage.lockstep.finish_execution()
    assert stage.wasm_state(canister).wasm_memory.wasm_pages == 11


@pytest.mark.checklist(
    "prod.ee_canister_task.heartbeat_doesnt_run_if_canister_is_stopped",
    "prod.ee_canister_task.heartbeat_doesnt_run_if_canister_is_stopping",
)
def test_no_heartbeat_runs_while_a_canister_is_stopped_or_stopping() -> None:
    stage = Stage()
    text = '(func (export "canister_heartbeat") (drop (memory.grow (i32.const 10))))'
    canister = stage.installed(binary(CALLS + text))
    assert next(enabled_of(stage.state, ["heartbeat_context_creation"]), None) is not None
    executing(stage, canister, "calls")
    arguments = management.encode_arguments(management.CanisterIdArguments(canister))
    stage.lockstep.submit(ALICE, MANAGEMENT_CANISTER, "stop_canister", arguments)
    for name in ("initiate_call", "stop_running_canister"):
        assert stage.lockstep.take(next(enabled_of(stage.state, [name])))
    assert type(stage.canister(canister).status).__name__ == "Stopping"
    assert not task(stage, "heartbeat", canister)
    stage.lockstep.settle()
    assert type(stage.canister(canister).status).__name__ == "Stopped"
    assert not task(stage, "heartbeat", canister)
    assert stage.wasm_state(canister).wasm_memory.wasm_pages == 1


# Queries


@pytest.mark.checklist("prod.hypervisor.replicated_query_does_not_commit_memory_changes")
def test_a_query_method_that_is_called_keeps_no_changes() -> None:
    stage = Stage()
    changing = "(i32.store (i32.const 50) (i32.add (i32.const 1) (i32.load (i32.const 50)))) (call $reply)"
    reading = "(call $append (i32.const 50) (i32.const 4)) (call $reply)"
    calling = """(call $self (i32.const 0) (i32.const 0) (i32.const 10))
        (call $call (i32.const 0) (i32.const 10) (i32.const 20) (i32.const 6)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (drop (call $perform))"""
    canister = stage.installed(
        binary(f"""(table funcref (elem $back)) (func $back (param i32) (call $reply)) (data (i32.const 20) "change")
        {method("change", changing, "query")} {method("read", reading, "query")} {method("call", calling)}""")
    )
    replied(stage, canister, "change")
    replied(stage, canister, "call")
    answer = stage.query(canister, "read", b"")
    assert answer == Reply(bytes(4))
