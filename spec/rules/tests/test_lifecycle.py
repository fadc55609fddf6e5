"""Canisters are stopped, started, uninstalled and deleted."""

import pytest
from attrs import evolve

from spec.machine import step
from spec.rules.tests.worlds import (
    ADMIN,
    NOW,
    RICH,
    STRANGER,
    SUBNET,
    USER,
    A,
    B,
    C,
    a_context,
    asked,
    canister,
    contexts,
    fire,
    from_canister,
    is_refused,
    managing,
    refusal,
    world,
)
from spec.state.canister import Empty, LogRecord, Running, StopCall, Stopped, Stopping
from spec.state.history import Change, ChangeFromCanister, CodeUninstall, recorded
from spec.state.label import Label
from spec.state.message import ResponseMessage
from spec.state.origin import FromSystemTask
from spec.transition import Burned, BurnReason, Step
from spec.values import management
from spec.values.containers import List, Map, Queue
from spec.values.rejects import RejectCode, RejectReason, Reply, system_reject

DONE = Reply(management.EMPTY_RESULT)
WAITING = Stopping(List.of(StopCall(from_canister(), 10), StopCall(from_canister(), 20)))
ADMINS = Map.of([(SUBNET.subnet_id, List.of(ADMIN))])


def calling(method_name, managed=None, caller=USER, **changes):
    """A state in which a method that takes the id of A only was called."""
    if method_name == "uninstall_code":
        arguments = management.UninstallCodeArguments(A, 3)
    else:
        arguments = management.CanisterIdArguments(A)
    others = [] if managed is None else [(A, managed)]
    return managing(*others, call=asked(arguments, method_name, caller), subnet_admins=ADMINS, **changes)


def after(state, managed, *responses):
    """The state in which A is another one, and the call was consumed with these responses."""
    canisters = state.canisters.remove(A) if managed is None else state.canisters.set(A, managed)
    return evolve(state, canisters=canisters, messages=state.messages.remove(0).append(*responses))


def reply_to(state):
    return ResponseMessage(state.messages[0].origin, DONE, 1_000_000)


@pytest.mark.checklist(
    "rule.mgmt.stop-canister.from-running",
    "mgmt.stop-canister",
    "inv.version.monotone",
    "def.simple-status",
    "prod.canister_manager.stop_a_running_canister",
)
def test_a_running_canister_begins_to_stop_and_the_call_waits_with_its_cycles():
    managed = canister(A)
    state = calling("stop_canister", managed)
    waiting = Stopping(List.of(StopCall(state.messages[0].origin, 1_000_000)))
    fired = fire(state, "stop_running_canister", message_id=0)
    assert fired == Step(after(state, evolve(managed, status=waiting, version=8)))


@pytest.mark.checklist("rule.mgmt.stop-canister.while-stopping", "mgmt.stop-canister")
def test_one_more_call_waits_for_a_stopping_canister():
    managed = canister(A, status=WAITING)
    state = calling("stop_canister", managed)
    calls = WAITING.stop_calls.append(StopCall(state.messages[0].origin, 1_000_000))
    fired = fire(state, "stop_stopping_canister", message_id=0)
    assert fired == Step(after(state, evolve(managed, status=Stopping(calls), version=8)))


@pytest.mark.checklist(
    "rule.mgmt.stop-canister.when-stopped",
    "mgmt.stop-canister",
    "prod.ee_tests.stopping_an_already_stopped_canister_succeeds",
    "prod.canister_manager.stopping_an_already_stopped_canister_keeps_it_stopped",
)
def test_stopping_a_stopped_canister_succeeds_at_once():
    managed = canister(A, status=Stopped())
    state = calling("stop_canister", managed)
    fired = fire(state, "stop_stopped_canister", message_id=0)
    assert fired == Step(after(state, evolve(managed, version=8), reply_to(state)))


@pytest.mark.checklist(
    "rule.mgmt.stop-canister.completion",
    "inv.version.monotone",
    "unspec.order.stop-replies",
    "unspec.spont.stop-completion",
)
@pytest.mark.parametrize("status", [WAITING, Stopping()])
def test_a_stopping_canister_without_contexts_is_stopped_and_everybody_is_answered(status):
    stopping = canister(A, status=status)
    state = world((A, stopping), (C, canister(C)), call_contexts=contexts(a_context(C)))
    fired = fire(state, "stop_completion", canister_id=A)
    responses = [ResponseMessage(call.origin, DONE, call.cycles) for call in status.stop_calls]
    assert fired == Step(
        evolve(
            state,
            canisters=state.canisters.set(A, evolve(stopping, status=Stopped(), version=8)),
            messages=Queue().append(*responses),
        )
    )


@pytest.mark.checklist("rule.mgmt.stop-canister.completion", "inv.stopped-canister-no-contexts")
@pytest.mark.parametrize("context", [a_context(A), a_context(A, needs_to_respond=False, deleted=True)])
def test_a_canister_with_a_context_also_a_deleted_one_goes_on_stopping(context):
    state = world((A, canister(A, status=Stopping())), call_contexts=contexts(context))
    assert is_refused(state, "stop_completion", "the canister has no call context", canister_id=A)


@pytest.mark.checklist(
    "rule.mgmt.stop-canister.reject-pending",
    "unspec.spont.stop-rejection",
    "mgmt.stop-canister",
    "unspec.env.stop-timeout",
)
@pytest.mark.parametrize("index", [0, 1])
def test_any_call_that_waits_may_be_rejected_and_the_canister_goes_on_stopping(index):
    stopping = canister(A, status=WAITING)
    state = world((A, stopping), (C, canister(C)), call_contexts=contexts(a_context(C), a_context(A)))
    fired = fire(state, "stop_call_rejection", canister_id=A, index=index)
    taken, left = WAITING.stop_calls.take(index)
    reject = system_reject(RejectCode.SYS_TRANSIENT, RejectReason.CALL_TIMED_OUT)
    assert fired == Step(
        evolve(
            state,
            canisters=state.canisters.set(A, evolve(stopping, status=Stopping(left))),
            messages=Queue().append(ResponseMessage(taken.origin, reject, taken.cycles)),
        )
    )


@pytest.mark.checklist("rule.mgmt.stop-canister.reject-pending")
def test_only_calls_that_wait_are_rejected():
    rule, state = "stop_call_rejection", world((A, canister(A, status=WAITING)), (B, canister(B)))
    assert is_refused(state, rule, "the call waits", canister_id=A, index=2)
    with pytest.raises(ValueError, match="index of stop_call_rejection is a number of items, not -1"):
        step(state, Label(rule, {"canister_id": A, "index": -1}))
    assert is_refused(state, rule, "the canister is stopping", canister_id=B, index=0)
    assert is_refused(state, rule, "the canister exists", canister_id=C, index=0)
    assert is_refused(state, "stop_completion", "the canister is stopping", canister_id=B)
    assert is_refused(state, "stop_completion", "the canister exists", canister_id=C)


@pytest.mark.checklist(
    "rule.mgmt.start-canister.running-or-stopped",
    "mgmt.start-canister",
    "inv.version.monotone",
    "prod.canister_manager.starting_an_already_running_canister_keeps_it_running",
    "prod.canister_manager.start_a_stopped_canister_succeeds",
)
@pytest.mark.parametrize("status", [Running(), Stopped()])
def test_a_canister_is_started_and_its_version_rises_also_if_it_ran(status):
    managed = canister(A, status=status)
    state = calling("start_canister", managed)
    fired = fire(state, "start_canister", message_id=0)
    assert fired == Step(after(state, evolve(managed, status=Running(), version=8), reply_to(state)))


@pytest.mark.checklist(
    "rule.mgmt.start-canister.stopping",
    "mgmt.start-canister",
    "prod.canister_manager.stopping_canister_can_be_restarted",
    "prod.canister_manager.start_a_stopping_canister_with_stop_contexts",
)
def test_a_stopping_canister_runs_on_and_who_waited_for_its_stop_is_rejected():
    managed = canister(A, status=WAITING)
    state = calling("start_canister", managed)
    fired = fire(state, "start_stopping_canister", message_id=0)
    reject = system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_RESTARTED)
    rejects = [ResponseMessage(call.origin, reject, call.cycles) for call in WAITING.stop_calls]
    assert fired == Step(after(state, evolve(managed, status=Running(), version=8), reply_to(state), *rejects))


BY_STATUS = {
    "stop_running_canister": ("stop_canister", Running()),
    "stop_stopping_canister": ("stop_canister", WAITING),
    "stop_stopped_canister": ("stop_canister", Stopped()),
    "start_canister": ("start_canister", Running()),
    "start_stopping_canister": ("start_canister", WAITING),
}


@pytest.mark.checklist(
    "rule.mgmt.stop-canister.from-running",
    "rule.mgmt.stop-canister.while-stopping",
    "rule.mgmt.stop-canister.when-stopped",
    "rule.mgmt.start-canister.running-or-stopped",
    "rule.mgmt.start-canister.stopping",
)
@pytest.mark.parametrize("status", [Running(), WAITING, Stopped()])
@pytest.mark.parametrize("method_name", ["stop_canister", "start_canister"])
def test_exactly_one_rule_takes_a_call_to_stop_or_start(method_name, status):
    state = calling(method_name, canister(A, status=status))
    enabled = []
    for rule, (method, fitting) in BY_STATUS.items():
        fits = type(status) is type(fitting) or (rule == "start_canister" and status == Stopped())
        if method == method_name and fits:
            fire(state, rule, message_id=0)
            enabled.append(rule)
        else:
            refusal(state, rule, message_id=0)
    assert len(enabled) == 1


RULES_OF_ADMINS = BY_STATUS | {
    "uninstall_code": ("uninstall_code", Running()),
    "delete_canister": ("delete_canister", Stopped()),
}


@pytest.mark.checklist(
    "mgmt-general.subnet-admins", "error.invalid-controller", "error.canister-not-found", "seed2.controllers-only"
)
@pytest.mark.parametrize("rule", RULES_OF_ADMINS)
def test_controllers_and_admins_rule_over_the_life_of_existing_canisters(rule):
    method_name, status = RULES_OF_ADMINS[rule]
    managed = canister(A, status=status)
    fire(calling(method_name, managed, USER), rule, message_id=0)
    fire(calling(method_name, managed, ADMIN), rule, message_id=0)
    for caller in (STRANGER, A):
        found = refusal(calling(method_name, managed, caller), rule, message_id=0)
        assert found.reject == system_reject(RejectCode.CANISTER_ERROR, RejectReason.NOT_AUTHORIZED)
    missing = refusal(calling(method_name), rule, message_id=0)
    assert missing.reject == system_reject(RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)
    undecodable = refusal(managing((A, managed), call=asked(b"rubbish", method_name)), rule, message_id=0)
    assert undecodable.reject == system_reject(RejectCode.CANISTER_REJECT, RejectReason.INVALID_ARGUMENT)


# Uninstalling.


@pytest.mark.checklist(
    "rule.mgmt.uninstall-code",
    "mgmt.uninstall-code",
    "inv.deleted-context-not-awaiting",
    "inv.logs-replicated-only",
    "prod.canister_manager.uninstall_canister_doesnt_respond_to_responded_call_contexts",
    "prod.canister_manager.uninstall_canister_responds_to_unresponded_call_contexts",
)
@pytest.mark.parametrize("status", [Running(), WAITING, Stopping()])
@pytest.mark.parametrize("installed", [None, Empty()])
def test_uninstalling_removes_code_and_state_and_rejects_what_was_open(status, installed):
    managed = canister(
        A,
        installed,
        status=status,
        certified_data=b"data",
        global_timer=NOW,
        chunk_store=Map.of([(b"hash", b"chunk")]),
        logs=List.of(LogRecord(0, NOW, b"log")),
        reserved_balance=4,
    )
    other = canister(B, chunk_store=Map.of([(b"hash", b"chunk")]))
    open_context = a_context(A, from_canister(0), available_cycles=50)
    answered = a_context(A, from_canister(0), needs_to_respond=False)
    task = a_context(A, FromSystemTask(), needs_to_respond=False)
    state = calling("uninstall_code", managed)
    state = evolve(
        state,
        canisters=state.canisters.set(B, other),
        call_contexts=contexts(a_context(C), open_context, answered, task, a_context(B)),
    )
    fired = fire(state, "uninstall_code", message_id=0)
    change = Change(NOW, 8, ChangeFromCanister(USER, 3), CodeUninstall())
    uninstalled = evolve(
        managed,
        code=Empty(),
        version=8,
        certified_data=b"",
        global_timer=0,
        installed_at=None,
        chunk_store=Map(),
        logs=List(),
        history=recorded(managed.history, change),
    )
    reject = system_reject(RejectCode.CANISTER_REJECT, RejectReason.CODE_UNINSTALLED)
    rejection = ResponseMessage(open_context.origin, reject, 50)
    deleted = evolve(open_context, deleted=True, needs_to_respond=False, available_cycles=0)
    closed = (deleted, evolve(answered, deleted=True), evolve(task, deleted=True))
    assert fired == Step(
        evolve(
            after(state, uninstalled, reply_to(state), rejection),
            call_contexts=contexts(a_context(C), *closed, a_context(B)),
        )
    )


# Deleting.


@pytest.mark.checklist(
    "rule.mgmt.delete-canister",
    "mgmt.delete-canister",
    "inv.state-map-domains",
    "inv.id-not-reused",
    "prod.canister_manager.delete_canister_consumed_cycles_observed",
)
def test_a_deleted_canister_disappears_with_its_cycles_and_its_id_is_remembered():
    managed = canister(A, status=Stopped(), reserved_balance=5)
    state = calling("delete_canister", managed)
    fired = fire(state, "delete_canister", message_id=0)
    assert fired == Step(
        evolve(after(state, None, reply_to(state)), deleted_canisters=List.of(A)),
        burned=(Burned(RICH + 5, BurnReason.LOST),),
    )


@pytest.mark.checklist("rule.mgmt.delete-canister", "error.delete-not-stopped")
@pytest.mark.parametrize("status", [Running(), Stopping()])
def test_only_stopped_canisters_are_deleted(status):
    found = refusal(calling("delete_canister", canister(A, status=status)), "delete_canister", message_id=0)
    assert found.reject == system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_NOT_STOPPED)
