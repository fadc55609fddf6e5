"""Responses come back; call contexts starve and are removed."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.rules.tests.worlds import (
    CALLBACK,
    NOTHING_LOST,
    NOW,
    RESERVED_FOR_RESPONSE,
    RICH,
    USER,
    A,
    B,
    a_call,
    a_context,
    canister,
    contexts,
    fire,
    from_canister,
    is_refused,
    world,
)
from spec.state.call_context import FailedExecution
from spec.state.canister import Empty, HookStatus, StopCall, Stopping
from spec.state.message import CallbackInvocation, FuncMessage, ResponseMessage, Unordered
from spec.state.origin import Deadline, Expired, FromSystemTask
from spec.transition import Step
from spec.values.containers import List, Queue
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, system_reject

REPLY = Reply(b"data")
RESPONSE = ResponseMessage(from_canister(), REPLY, 70)


def responding(awaiting=None, context=None, response=RESPONSE, **changes):
    """A state in which a response to a call of A, made in context 0, is on its way."""
    given = a_context(A) if context is None else context
    return world(
        (A, canister(A) if awaiting is None else awaiting),
        messages=(response, a_call()),
        call_contexts=contexts(given),
        **changes,
    )


@pytest.mark.checklist("rule.callback-invocation.live-context", "inv.cycles.response-reserve", "def.message-shapes")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": Stopping()},
        {"balance": 0, "freezing_threshold": 2**64 - 1, "compute_allocation": 1},
        {"low_memory_hook": HookStatus.READY},
    ],
)
def test_a_response_becomes_the_execution_of_a_callback_and_its_refund_is_there_at_once(changes):
    awaiting = canister(A, **changes)
    state = responding(awaiting)
    fired = fire(state, "callback_invocation", message_id=0)
    entry_point = CallbackInvocation(CALLBACK, REPLY, 70)
    function = FuncMessage(0, Caller(USER), A, entry_point, Unordered(), RESERVED_FOR_RESPONSE)
    assert fired == Step(
        evolve(
            state,
            messages=Queue(((0, function), (1, a_call())), 2),
            canisters=state.canisters.set(A, evolve(awaiting, balance=awaiting.balance + 70)),
        ),
        burned=(NOTHING_LOST,),
    )


@pytest.mark.checklist("unspec.value.reject-messages", "rule.callback-invocation.live-context")
def test_a_callback_may_hear_any_text_where_the_system_rejected():
    reject = system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED, "ouch")
    state = responding(response=evolve(RESPONSE, response=reject))
    for text in ("", "IC0503: ouch"):
        fired = fire(state, "callback_invocation", message_id=0, reject_message=text)
        assert fired.state.messages[0].entry_point.response == evolve(reject, message=text)
    because = "only what the system says may be said otherwise"
    own = Reject(RejectCode.CANISTER_REJECT, "no, thanks")
    for response in (REPLY, own):
        others = responding(response=evolve(RESPONSE, response=response))
        assert is_refused(others, "callback_invocation", because, message_id=0, reject_message="")


@pytest.mark.checklist("rule.callback-invocation.live-context")
def test_the_caller_that_a_callback_sees_is_kept_with_the_call():
    caller = Caller(USER, b"info", B)
    origin = evolve(from_canister(), caller_of_context=caller)
    fired = fire(responding(response=evolve(RESPONSE, origin=origin)), "callback_invocation", message_id=0)
    assert fired.state.messages[0].caller == caller


@pytest.mark.checklist("inv.order.responses-unordered", "unspec.order.responses")
def test_responses_are_taken_in_any_order():
    state = responding()
    state = evolve(state, messages=state.messages.append(RESPONSE))
    fire(state, "callback_invocation", message_id=2)


@pytest.mark.checklist(
    "rule.callback-invocation.deleted-context",
    "inv.empty-canister-response",
    "mgmt.uninstall-code",
    "prod.response.execute_response_when_call_context_deleted",
)
@pytest.mark.parametrize("installed", [Empty(), None])
def test_a_response_to_a_deleted_context_runs_no_code_and_its_cycles_go_to_the_canister(installed):
    awaiting = canister(A, installed)
    deleted = a_context(A, deleted=True, needs_to_respond=False)
    state = responding(awaiting, deleted)
    fired = fire(state, "callback_of_deleted_context", message_id=0)
    after = evolve(awaiting, balance=RICH + 70 + RESERVED_FOR_RESPONSE)
    expected = evolve(state, messages=Queue(((1, a_call()),), 2), canisters=state.canisters.set(A, after))
    assert fired == Step(expected, burned=(NOTHING_LOST,))


@pytest.mark.checklist("rule.callback-invocation.live-context", "rule.callback-invocation.deleted-context")
def test_responses_need_a_canister_that_awaits_them_in_an_existing_context():
    live, deleted = "callback_invocation", "callback_of_deleted_context"
    assert is_refused(responding(), deleted, "the call context is deleted", message_id=0)
    gone = a_context(A, deleted=True, needs_to_respond=False)
    assert is_refused(responding(context=gone), live, "the call context is not deleted", message_id=0)
    for rule in (live, deleted):
        to_user = ResponseMessage(a_context(A).origin, REPLY, 0)
        assert is_refused(responding(response=to_user), rule, "a canister made the call", message_id=0)
        expired = ResponseMessage(from_canister(deadline=Expired(NOW)), REPLY, 0)
        assert is_refused(responding(response=expired), rule, "the call has not expired", message_id=0)
        elsewhere = ResponseMessage(from_canister(5), REPLY, 0)
        assert is_refused(responding(response=elsewhere), rule, "the call context exists", message_id=0)
        assert is_refused(responding(), rule, "the message is a response", message_id=1)
        assert is_refused(responding(), rule, "the message exists", message_id=9)


# Starvation and removal.

STARVED = a_context(B, from_canister(0), available_cycles=90)


def starving(context=STARVED, others=(), **changes):
    """A state in which context 1, of B, is looked at; A made its call in context 0."""
    messages = changes.pop("messages", ())
    stopping = changes.pop("status", None)
    third = [] if stopping is None else [(A, canister(A, status=stopping))]
    return world(
        (A, canister(A)),
        (B, canister(B)),
        *third,
        messages=messages,
        call_contexts=contexts(a_context(A), context, *others),
        **changes,
    )


@pytest.mark.checklist(
    "rule.call-context-starvation",
    "inv.prop-07-single-response",
    "inv.reject-does-not-undo",
    "inv.cycles.context-bound",
    "unspec.spont.starvation-and-removal",
    "unspec.value.reject-messages",
)
@pytest.mark.parametrize(
    ("failure", "reject"),
    [
        (None, system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_DID_NOT_RESPOND)),
        (
            FailedExecution(RejectReason.CANISTER_TRAPPED, "ouch"),
            system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED, "ouch"),
        ),
    ],
)
def test_a_context_to_which_no_response_can_come_is_answered_with_a_reject_and_a_refund(failure, reject):
    context = evolve(STARVED, last_failure=failure)
    state = starving(context)
    fired = fire(state, "call_context_starvation", context_id=1)
    closed = evolve(context, needs_to_respond=False, available_cycles=0)
    assert fired == Step(
        evolve(
            state,
            call_contexts=state.call_contexts.set(1, closed),
            messages=Queue(((0, ResponseMessage(context.origin, reject, 90)),), 1),
        )
    )


REFERENCES = {
    "a call": {"messages": (a_call(origin=from_canister(1)),)},
    "a call with a deadline": {"messages": (a_call(origin=from_canister(1, Deadline(NOW))),)},
    "a response": {"messages": (ResponseMessage(from_canister(1), REPLY, 0),)},
    "an open context": {"others": (a_context(A, from_canister(1)),)},
    "a stop call": {"status": Stopping(List.of(StopCall(from_canister(1), 0)))},
}
NO_REFERENCES = {
    "an expired call": {"messages": (a_call(origin=from_canister(1, Expired(NOW))),)},
    "an expired response": {"messages": (ResponseMessage(from_canister(1, Expired(NOW)), REPLY, 0),)},
    "an open context of an expired call": {"others": (a_context(A, from_canister(1, Expired(NOW))),)},
    "an answered context": {"others": (a_context(A, from_canister(1), needs_to_respond=False),)},
    "an expired stop call": {"status": Stopping(List.of(StopCall(from_canister(1, Expired(NOW)), 0)))},
    "what belongs to another context": {"messages": (a_call(origin=from_canister(0)),)},
}
ANSWERED = a_context(B, from_canister(0), needs_to_respond=False)
NOTHING_COMES = "no call, response, context or stop call refers to it"


@pytest.mark.checklist("rule.call-context-starvation", "rule.call-context-removal")
@pytest.mark.parametrize("what", REFERENCES)
def test_a_context_to_which_something_refers_neither_starves_nor_disappears(what):
    open_state, closed_state = starving(**REFERENCES[what]), starving(ANSWERED, **REFERENCES[what])
    assert is_refused(open_state, "call_context_starvation", NOTHING_COMES, context_id=1)
    assert is_refused(closed_state, "call_context_removal", NOTHING_COMES, context_id=1)


@pytest.mark.checklist("rule.call-context-starvation", "rule.call-context-removal")
@pytest.mark.parametrize("what", NO_REFERENCES)
def test_what_expired_or_was_answered_keeps_no_context_alive(what):
    fire(starving(**NO_REFERENCES[what]), "call_context_starvation", context_id=1)
    fire(starving(ANSWERED, **NO_REFERENCES[what]), "call_context_removal", context_id=1)


@pytest.mark.checklist("rule.call-context-removal", "unspec.spont.starvation-and-removal")
@pytest.mark.parametrize(
    "context",
    [
        ANSWERED,
        a_context(B, FromSystemTask(), needs_to_respond=False),
        a_context(B, from_canister(0), needs_to_respond=False, deleted=True),
    ],
)
def test_a_context_that_owes_nothing_disappears(context):
    state = starving(context)
    fired = fire(state, "call_context_removal", context_id=1)
    assert fired == Step(evolve(state, call_contexts=contexts(a_context(A))))


@pytest.mark.checklist("rule.call-context-starvation", "rule.call-context-removal")
def test_only_open_contexts_starve_and_only_answered_ones_disappear():
    because = "the call context still owes a response"
    assert is_refused(starving(ANSWERED), "call_context_starvation", because, context_id=1)
    assert is_refused(starving(), "call_context_removal", "the call context owes no response", context_id=1)
    for rule in ("call_context_starvation", "call_context_removal"):
        assert is_refused(starving(), rule, "the call context exists", context_id=7)
