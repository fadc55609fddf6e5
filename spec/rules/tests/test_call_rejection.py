"""Calls that are rejected before they start."""

import pytest
from attrs import evolve

from spec.rules.tests.worlds import (
    NOW,
    RICH,
    SET_ASIDE,
    SET_ASIDE_FOR_QUERY,
    A,
    B,
    a_call,
    a_context,
    a_request,
    a_user_call,
    canister,
    code,
    contexts,
    fire,
    from_canister,
    is_refused,
    module,
    returns,
    world,
)
from spec.state.canister import Empty, Stopped, Stopping
from spec.state.message import Between, ResponseMessage
from spec.state.origin import Deadline, Expired, FromSystemTask
from spec.transition import Step
from spec.values.containers import Queue
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import RejectCode, RejectReason, system_reject

FROZEN = {"balance": 0, "freezing_threshold": 2**64 - 1, "compute_allocation": 1}


def calling(callee=None, call=None, **changes):
    """A state in which A, in a context of a user, has called B."""
    canisters = [(A, canister(A))] + ([] if callee is None else [(B, callee)])
    return world(
        *canisters, messages=(a_call() if call is None else call,), call_contexts=contexts(a_context()), **changes
    )


def rejects(state, rule, expected, reason, **choices):
    """The only call is removed, and its rejection with all cycles is the youngest message."""
    fired = fire(state, rule, message_id=0, **choices)
    call = state.messages[0]
    response = ResponseMessage(call.origin, system_reject(expected, reason), call.transferred_cycles)
    return fired == Step(evolve(state, messages=Queue(((1, response),), 2)))


@pytest.mark.checklist(
    "error.canister-not-found",
    "inv.prop-07-single-response",
    "unspec.error.nonexistent-canister",
    "unspec.error.incomplete",
)
def test_a_call_to_a_missing_canister_is_rejected_with_all_its_cycles():
    codes = RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND
    assert rejects(calling(), "reject_call_to_missing_canister", *codes)
    existing = calling(canister(B, Empty()))
    assert is_refused(existing, "reject_call_to_missing_canister", "the callee does not exist", message_id=0)


@pytest.mark.checklist("unspec.error.empty-canister", "error.wasm-module-not-found", "unspec.error.incomplete")
def test_a_call_to_an_empty_canister_is_rejected_with_all_its_cycles():
    codes = RejectCode.CANISTER_ERROR, RejectReason.CANISTER_HAS_NO_CODE
    assert rejects(calling(canister(B, Empty())), "reject_call_to_empty_canister", *codes)
    assert is_refused(calling(canister(B)), "reject_call_to_empty_canister", "the callee has no code", message_id=0)


OPEN = {
    "reject_call_to_missing_canister": (lambda: None, RejectReason.CANISTER_NOT_FOUND),
    "reject_call_to_empty_canister": (lambda: canister(B, Empty()), RejectReason.CANISTER_HAS_NO_CODE),
    "reject_call_to_canister_out_of_cycles": (
        lambda: canister(B, balance=1, freezing_threshold=0),
        RejectReason.CANISTER_OUT_OF_CYCLES,
    ),
}
"""Rejections whose code the text does not state, with what makes a callee that they fit, and their reason."""


@pytest.mark.checklist(
    "unspec.error.nonexistent-canister",
    "unspec.error.empty-canister",
    "unspec.error.low-liquid-balance",
    "inv.sys-unknown-only-bounded-wait",
    "http.reject-code.6",
)
@pytest.mark.parametrize("rule", OPEN)
def test_a_rejection_whose_code_the_text_leaves_open_bears_any_but_sys_unknown_is_for_bounded_waits(rule):
    made, reason = OPEN[rule]
    callee = made()
    for each in RejectCode:
        bounded = calling(callee, a_call(origin=from_canister(deadline=Deadline(NOW + 1))))
        assert rejects(bounded, rule, each, reason, code=each)
        if each is not RejectCode.SYS_UNKNOWN:
            assert rejects(calling(callee), rule, each, reason, code=each)
    because = "only the caller of a bounded-wait call may see SYS_UNKNOWN"
    assert is_refused(calling(callee), rule, because, message_id=0, code=RejectCode.SYS_UNKNOWN)


@pytest.mark.checklist("rule.reject-call.stopped-or-stopping", "inv.stopping-processes-responses")
@pytest.mark.parametrize(
    ("status", "reason"),
    [(Stopping(), RejectReason.CANISTER_STOPPING), (Stopped(), RejectReason.CANISTER_STOPPED)],
)
def test_a_call_to_a_canister_that_does_not_run_is_rejected_with_all_its_cycles(status, reason):
    state = calling(canister(B, status=status))
    assert rejects(state, "reject_call_to_stopped_canister", RejectCode.CANISTER_ERROR, reason)


@pytest.mark.checklist("rule.reject-call.stopped-or-stopping")
def test_a_call_is_not_rejected_as_stopped_if_the_callee_runs_or_is_empty():
    running, empty = calling(canister(B)), calling(canister(B, Empty(), status=Stopped()))
    rule = "reject_call_to_stopped_canister"
    assert is_refused(running, rule, "the callee is stopping or stopped", message_id=0)
    assert is_refused(empty, rule, "the callee has code", message_id=0)


@pytest.mark.checklist(
    "rule.reject-call.frozen", "inv.cycles.frozen-no-new-work", "setting.freezing-threshold", "http.reject-code.2"
)
def test_a_call_to_a_frozen_canister_is_rejected_with_all_its_cycles():
    state = calling(canister(B, **FROZEN))
    codes = RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN
    assert rejects(state, "reject_call_to_frozen_canister", *codes)
    rule = "call_context_creation"
    because = "the callee can set aside the cycles for the execution"
    assert is_refused(state, rule, because, message_id=0, context_id=1)


@pytest.mark.checklist("rule.reject-call.frozen", "def.liquid-balance")
def test_a_call_is_not_rejected_as_frozen_if_the_liquid_balance_is_zero_or_the_callee_is_empty():
    rule = "reject_call_to_frozen_canister"
    zero = canister(B, balance=0, freezing_threshold=0)
    assert is_refused(calling(zero), rule, "the callee is frozen", message_id=0)
    assert is_refused(calling(canister(B, Empty(), **FROZEN)), rule, "the callee has code", message_id=0)


@pytest.mark.checklist(
    "rule.reject-call.frozen", "rule.reject-call.stopped-or-stopping", "unspec.order.overlapping-rejections"
)
def test_a_call_to_a_canister_both_frozen_and_stopped_may_be_rejected_for_either_reason():
    state = calling(canister(B, status=Stopped(), **FROZEN))
    assert rejects(
        state, "reject_call_to_frozen_canister", RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN
    ) and rejects(state, "reject_call_to_stopped_canister", RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPED)


@pytest.mark.checklist("rule.reject-call.insufficient-cycles", "setting.minimum-incoming-canister-call-cycles")
def test_a_call_of_another_canister_with_too_few_cycles_is_rejected_and_cannot_start():
    state = calling(canister(B, minimum_incoming_canister_call_cycles=1_000_001))
    codes = RejectCode.CANISTER_ERROR, RejectReason.INSUFFICIENT_CYCLES_ATTACHED
    assert rejects(state, "reject_call_with_insufficient_cycles", *codes)
    because = "as many cycles are attached as the callee asks for"
    assert is_refused(state, "call_context_creation", because, message_id=0, context_id=1)


@pytest.mark.checklist("rule.reject-call.insufficient-cycles", "setting.minimum-incoming-canister-call-cycles")
def test_enough_cycles_calls_of_users_and_calls_of_the_canister_itself_are_not_rejected():
    rule, demanding = (
        "reject_call_with_insufficient_cycles",
        canister(B, minimum_incoming_canister_call_cycles=1_000_001),
    )
    because = "fewer cycles are attached than the callee asks for"
    enough = calling(demanding, a_call(transferred_cycles=1_000_001))
    assert is_refused(enough, rule, because, message_id=0)
    fire(enough, "call_context_creation", message_id=0, context_id=1)
    of_user = calling(demanding, a_user_call(a_request(B)))
    assert is_refused(of_user, rule, "the call was made by a canister", message_id=0)
    fire(of_user, "call_context_creation", message_id=0, context_id=1)
    of_itself = calling(demanding, a_call(caller=B))
    assert is_refused(of_itself, rule, "the caller is another canister", message_id=0)
    fire(of_itself, "call_context_creation", message_id=0, context_id=1)


@pytest.mark.checklist("unspec.error.low-liquid-balance")
@pytest.mark.parametrize(
    ("kind", "needed"), [("update", SET_ASIDE), ("query", SET_ASIDE_FOR_QUERY), ("neither", SET_ASIDE)]
)
def test_a_call_to_a_canister_that_cannot_set_enough_aside_is_rejected(kind, needed):
    installed = code(B, module(gives={f"{kind} go": returns()}))
    poor = canister(B, installed, balance=needed - 1, freezing_threshold=0)
    codes = RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_OUT_OF_CYCLES
    assert rejects(calling(poor), "reject_call_to_canister_out_of_cycles", *codes)
    enough = calling(evolve(poor, balance=needed))
    because = "the callee cannot set aside the cycles for the execution"
    assert is_refused(enough, "reject_call_to_canister_out_of_cycles", because, message_id=0)
    fire(enough, "call_context_creation", message_id=0, context_id=1)


@pytest.mark.parametrize(
    ("callee", "because"),
    [
        ({"installed": Empty()}, "the callee has code"),
        ({"status": Stopped()}, "the callee is running"),
        (FROZEN, "the callee is not frozen"),
    ],
)
def test_a_call_is_rejected_for_lack_of_cycles_only_if_nothing_else_is_wrong(callee, because):
    state = calling(canister(B, **({"balance": 0} | callee)))
    assert is_refused(state, "reject_call_to_canister_out_of_cycles", because, message_id=0)


REJECTIONS = (
    "reject_call_to_missing_canister",
    "reject_call_to_empty_canister",
    "reject_call_to_stopped_canister",
    "reject_call_to_frozen_canister",
    "reject_call_with_insufficient_cycles",
    "reject_call_to_canister_out_of_cycles",
)


@pytest.mark.checklist("def.message-eligibility", "inv.prop-03-fifo-per-pair")
@pytest.mark.parametrize("rule", REJECTIONS)
def test_a_call_behind_an_older_one_of_its_queue_waits(rule):
    state = world((A, canister(A)), messages=(a_call(), a_call()), call_contexts=contexts(a_context()))
    assert is_refused(state, rule, "no older call of the same queue waits", message_id=1)


@pytest.mark.checklist("def.message-eligibility", "unspec.order.different-senders")
def test_neither_a_response_nor_a_call_of_another_queue_nor_any_call_without_order_holds_a_call_up():
    older = (ResponseMessage(from_canister(), system_reject(5, RejectReason.CANISTER_TRAPPED), 0), a_call(callee=A))
    state = world((A, canister(A)), messages=(*older, a_call()), call_contexts=contexts(a_context()))
    fire(state, "reject_call_to_missing_canister", message_id=2)
    unordered = world(messages=(a_user_call(a_request()), a_user_call(a_request())))
    fire(unordered, "reject_call_to_missing_canister", message_id=1)


@pytest.mark.parametrize("rule", REJECTIONS)
def test_calls_to_the_management_canister_are_not_for_these_rules(rule):
    call = a_call(callee=MANAGEMENT_CANISTER)
    assert is_refused(calling(call=call), rule, "the callee is not the management canister", message_id=0)


@pytest.mark.checklist(
    "rule.spontaneous-call-rejection",
    "inv.prop-06-at-most-once",
    "unspec.spont.call-rejection",
    "unspec.error.capacity",
)
@pytest.mark.parametrize("code_of_reject", set(RejectCode) - {RejectCode.SYS_UNKNOWN})
def test_the_system_may_reject_any_call_that_was_not_started(code_of_reject):
    waiting = a_call(callee=MANAGEMENT_CANISTER, queue=Between(A, MANAGEMENT_CANISTER))
    state = world((A, canister(A)), messages=(waiting, waiting), call_contexts=contexts(a_context()))
    fired = fire(state, "spontaneous_call_rejection", message_id=1, code=code_of_reject)
    reject = system_reject(code_of_reject, RejectReason.SYSTEM_OVERLOADED)
    response = ResponseMessage(waiting.origin, reject, waiting.transferred_cycles)
    assert fired == Step(evolve(state, messages=Queue(((0, waiting), (2, response)), 3)))


@pytest.mark.checklist(
    "rule.spontaneous-call-rejection", "inv.sys-unknown-only-bounded-wait", "inv.prop-08-unbounded-wait-first-response"
)
def test_only_callers_that_wait_with_a_bound_may_see_that_the_outcome_is_unknown():
    rule, code_of_reject = "spontaneous_call_rejection", RejectCode.SYS_UNKNOWN
    because = "only the caller of a bounded-wait call may see SYS_UNKNOWN"
    for deadline in (Deadline(NOW), Expired(NOW)):
        bounded = calling(canister(B), a_call(origin=from_canister(deadline=deadline)))
        fire(bounded, rule, message_id=0, code=code_of_reject)
    for origin in (from_canister(), a_user_call(a_request()).origin, FromSystemTask()):
        unbounded = calling(canister(B), a_call(origin=origin))
        assert is_refused(unbounded, rule, because, message_id=0, code=code_of_reject)


@pytest.mark.checklist("rule.spontaneous-call-rejection")
def test_only_calls_are_rejected():
    response = ResponseMessage(from_canister(), system_reject(5, RejectReason.CANISTER_TRAPPED), 0)
    state = calling(call=response)
    for rule in (*REJECTIONS, "spontaneous_call_rejection"):
        choices = {"code": RejectCode.SYS_FATAL} if rule.startswith("spontaneous") else {}
        assert is_refused(state, rule, "the message is a call", message_id=0, **choices)
        assert is_refused(state, rule, "the message exists", message_id=9, **choices)
    assert state.canisters[A].balance == RICH
