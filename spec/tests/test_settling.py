"""The deterministic policy: it goes on until nothing is left to do."""

import pytest

from spec.machine import OUTSIDE, SPONTANEOUS, run
from spec.rules.tests.worlds import (
    NOW,
    A,
    B,
    a_request,
    asked,
    canister,
    code,
    managing,
    module,
    performed,
    received,
    returns,
    traps,
    world,
)
from spec.settling import ORDER, next_label, settled, steps
from spec.state.canister import Empty, Stopped
from spec.state.request import Rejected, Replied
from spec.transition import RULES, RequestStatusChanged
from spec.values import management
from spec.values.containers import List, Map
from spec.values.rejects import RejectCode, RejectReason, Reply, system_reject

REQUEST = a_request()
REQUEST_ID, KNOWN = received(REQUEST)
REQUESTS = Map.of([(REQUEST_ID, KNOWN)])


def status_after(*canisters):
    """The status of the request when nothing is left to do."""
    return settled(world(*canisters, requests=REQUESTS))[0].requests[REQUEST_ID].status


def calling():
    """A state in which a request asks A, which asks B."""
    gives = {"update go": returns(new_calls=List.of(performed())), "callback": returns(response=Reply(b"in the end"))}
    callee = canister(B, code(B, module(gives={"update go": returns(response=Reply(b"pong"))})))
    return world((A, canister(A, code(A, module(gives=gives)))), (B, callee), requests=REQUESTS)


def test_the_policy_knows_every_rule_once_or_leaves_it_to_the_schedule():
    assert len(ORDER) == len(set(ORDER))
    left = {"heartbeat_context_creation"} | OUTSIDE | SPONTANEOUS
    assert set(ORDER) | left == set(RULES)
    assert set(ORDER) & left == set()


@pytest.mark.checklist(
    "inv.prop-02-call-splits-execution", "inv.prop-07-single-response", "inv.ingress.status-monotone"
)
def test_a_request_whose_canister_asks_another_one_is_answered():
    state, outputs, labels = settled(calling())
    assert [label.rule for label in labels] == [
        "initiate_call",
        "call_context_creation",
        "message_execution",
        "call_context_creation",
        "message_execution",
        "callback_invocation",
        "message_execution",
        "respond_to_user",
        "call_context_removal",
        "call_context_removal",
    ]
    assert state.requests[REQUEST_ID].status == Replied(b"in the end")
    shown = [output.status for output in outputs if isinstance(output, RequestStatusChanged)]
    assert shown[-1] == Replied(b"in the end")
    assert (len(state.messages), len(state.call_contexts)) == (0, 0)


def test_the_schedule_that_the_policy_took_gives_the_same_state_again():
    state, outputs, labels = settled(calling())
    again = run(calling(), labels)
    assert (again.outputs, again.taken, again.stopped) == (outputs, len(labels), None)
    assert again.state.requests == state.requests


def test_nothing_is_left_to_do_in_a_settled_state():
    state, _, _ = settled(calling())
    assert next_label(state) is None
    assert settled(state) == (state, (), [])


def test_the_policy_stops_at_its_limit():
    assert [label.rule for label, _ in steps(calling(), 2)] == ["initiate_call", "call_context_creation"]


@pytest.mark.checklist("rule.call-context-starvation", "inv.reject-does-not-undo")
@pytest.mark.parametrize(
    ("outcome", "reason", "detail"),
    [
        (returns(), RejectReason.CANISTER_DID_NOT_RESPOND, ""),
        (traps(message="ouch"), RejectReason.CANISTER_TRAPPED, "ouch"),
    ],
)
def test_a_request_that_gets_no_response_is_rejected_with_the_reason(outcome, reason, detail):
    status = status_after((A, canister(A, code(A, module(gives={"update go": outcome})))))
    assert status == Rejected(system_reject(RejectCode.CANISTER_ERROR, reason, detail))


@pytest.mark.checklist("unspec.error.unknown-method")
def test_a_request_to_a_method_that_does_not_exist_is_rejected():
    status = status_after((A, canister(A)))
    assert status == Rejected(system_reject(RejectCode.CANISTER_ERROR, RejectReason.METHOD_NOT_FOUND))


FROZEN = {"balance": 0, "compute_allocation": 1}


@pytest.mark.checklist("unspec.order.overlapping-rejections")
@pytest.mark.parametrize(
    ("callee", "code_of_reject", "reason"),
    [
        (None, RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND),
        (
            {"installed": Empty(), "status": Stopped(), **FROZEN},
            RejectCode.CANISTER_ERROR,
            RejectReason.CANISTER_HAS_NO_CODE,
        ),
        ({"status": Stopped(), **FROZEN}, RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPED),
        (FROZEN, RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN),
        ({"balance": 0, "freezing_threshold": 0}, RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_OUT_OF_CYCLES),
    ],
)
def test_the_first_of_several_reasons_is_told(callee, code_of_reject, reason):
    canisters = [] if callee is None else [(A, canister(A, **callee))]
    assert status_after(*canisters) == Rejected(system_reject(code_of_reject, reason))


def test_a_timer_that_is_due_runs_and_then_nothing_is_left():
    ticking = canister(A, code(A, module(gives={"global_timer": returns()})), global_timer=NOW)
    state, _, labels = settled(world((A, ticking)))
    assert [label.rule for label in labels] == [
        "global_timer_context_creation",
        "message_execution",
        "call_context_removal",
    ]
    assert state.canisters[A].global_timer == 0


@pytest.mark.parametrize(
    ("method_name", "rule"),
    [("start_canister", "start_canister"), ("no_such_method", "management_call_rejection")],
)
def test_management_calls_are_answered(method_name, rule):
    call = asked(management.CanisterIdArguments(A), method_name)
    label, fired = next_label(managing((A, canister(A)), call=call))
    assert label.rule == rule
    assert [message.origin for message in fired.state.messages] == [call.origin]
