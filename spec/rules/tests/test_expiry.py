"""Bounded-wait calls expire, and what comes later is dropped."""

import pytest
from attrs import evolve

from spec.machine import step
from spec.rules.tests.worlds import (
    NOW,
    RESERVED_FOR_RESPONSE,
    A,
    B,
    a_call,
    a_context,
    a_request,
    a_user_call,
    canister,
    contexts,
    fire,
    from_canister,
    is_refused,
    world,
)
from spec.state.canister import StopCall, Stopping
from spec.state.label import Label
from spec.state.message import ResponseMessage
from spec.state.origin import Deadline, Expired, NoDeadline
from spec.transition import Burned, BurnReason, Step
from spec.values.containers import List, Queue
from spec.values.quantities import MAXIMUM_CYCLES
from spec.values.rejects import RejectCode, RejectReason, Reply, system_reject

BOUNDED, EXPIRED, UNBOUNDED = (from_canister(0, deadline) for deadline in (Deadline(NOW), Expired(NOW), NoDeadline()))
UNKNOWN = ResponseMessage(UNBOUNDED, system_reject(RejectCode.SYS_UNKNOWN, RejectReason.CALL_TIMED_OUT), 0)
"""What the caller of an expired call gets."""


def waiting(*messages, others=(), **changes):
    """A state in which A has made calls in context 0."""
    state = world((A, canister(A)), (B, canister(B)), messages=messages, call_contexts=contexts(a_context(A), *others))
    return evolve(state, **changes)


@pytest.mark.checklist("rule.call-expiry.message", "inv.prop-09-bounded-wait-unknown", "unspec.spont.call-expiry")
@pytest.mark.parametrize("time", [NOW - 1, NOW, NOW + 1])
@pytest.mark.parametrize("message", [a_call(origin=BOUNDED), ResponseMessage(BOUNDED, Reply(b""), 7)])
def test_a_bounded_wait_message_expires_at_its_place_at_any_time_and_the_caller_is_told(message, time):
    younger = a_call(callee=A)
    state = waiting(message, younger, system_time=time)
    fired = fire(state, "call_expiry_of_message", message_id=0)
    messages = ((0, evolve(message, origin=EXPIRED)), (1, younger), (2, UNKNOWN))
    assert fired == Step(evolve(state, messages=Queue(messages, 3)))


@pytest.mark.checklist("rule.call-expiry.call-context", "inv.sys-unknown-only-bounded-wait")
def test_a_call_in_progress_expires_and_the_callee_goes_on():
    context = a_context(B, BOUNDED, available_cycles=9)
    state = waiting(others=(context,))
    fired = fire(state, "call_expiry_of_call_context", context_id=1)
    expected = evolve(
        state,
        call_contexts=state.call_contexts.set(1, evolve(context, origin=EXPIRED)),
        messages=Queue(((0, UNKNOWN),), 1),
    )
    assert fired == Step(expected)


@pytest.mark.checklist("rule.call-expiry.stop-canister")
def test_a_stop_call_expires_in_place_and_the_canister_goes_on_stopping():
    calls = List.of(StopCall(UNBOUNDED, 1), StopCall(BOUNDED, 2))
    stopping = canister(B, status=Stopping(calls))
    state = waiting(others=(a_context(B),))
    state = evolve(state, canisters=state.canisters.set(B, stopping))
    fired = fire(state, "call_expiry_of_stop_call", canister_id=B, index=1)
    left = Stopping(List.of(StopCall(UNBOUNDED, 1), StopCall(EXPIRED, 2)))
    assert fired == Step(
        evolve(
            state,
            canisters=state.canisters.set(B, evolve(stopping, status=left)),
            messages=Queue(((0, UNKNOWN),), 1),
        )
    )


@pytest.mark.checklist(
    "rule.call-expiry.message",
    "rule.call-expiry.call-context",
    "rule.call-expiry.stop-canister",
    "inv.sys-unknown-only-bounded-wait",
    "inv.prop-08-unbounded-wait-first-response",
)
@pytest.mark.parametrize("origin", [UNBOUNDED, EXPIRED])
def test_only_calls_with_a_deadline_that_have_not_expired_expire(origin):
    because = "the call has a deadline and has not expired"
    calls = waiting(a_call(origin=origin), a_user_call(a_request()))
    assert is_refused(calls, "call_expiry_of_message", because, message_id=0)
    assert is_refused(calls, "call_expiry_of_message", "a canister made the call", message_id=1)
    in_progress = waiting(others=(a_context(B, origin),))
    assert is_refused(in_progress, "call_expiry_of_call_context", because, context_id=1)
    assert is_refused(in_progress, "call_expiry_of_call_context", "a canister made the call", context_id=0)
    stopping = canister(B, status=Stopping(List.of(StopCall(origin, 2))))
    state = evolve(calls, canisters=calls.canisters.set(B, stopping))
    assert is_refused(state, "call_expiry_of_stop_call", because, canister_id=B, index=0)
    assert is_refused(state, "call_expiry_of_stop_call", "the call waits", canister_id=B, index=1)
    with pytest.raises(ValueError, match="index of call_expiry_of_stop_call is a number of items, not -1"):
        step(state, Label("call_expiry_of_stop_call", {"canister_id": B, "index": -1}))
    assert is_refused(state, "call_expiry_of_stop_call", "the canister is stopping", canister_id=A, index=0)


@pytest.mark.checklist("rule.call-expiry.call-context")
def test_a_call_that_was_answered_does_not_expire():
    state = waiting(others=(a_context(B, BOUNDED, needs_to_respond=False),))
    because = "the call context still owes a response"
    assert is_refused(state, "call_expiry_of_call_context", because, context_id=1)


@pytest.mark.checklist("rule.drop-expired-message", "inv.prop-11-bounded-wait-cycles", "unspec.spont.drop-expired")
@pytest.mark.parametrize(
    ("message", "lost"),
    [(a_call(origin=EXPIRED), 1_000_000), (ResponseMessage(EXPIRED, Reply(b""), 7), 7)],
)
def test_a_message_of_an_expired_call_may_be_dropped_with_its_cycles(message, lost):
    state = waiting(message, a_call())
    fired = fire(state, "drop_expired_message", message_id=0)
    expected = evolve(state, messages=Queue(((1, a_call()),), 2))
    assert fired == Step(expected, burned=(Burned(lost, BurnReason.LOST),))


@pytest.mark.checklist("inv.prop-11-bounded-wait-cycles", "unspec.spont.drop-expired", "inv.cycles.saturating")
@pytest.mark.parametrize(
    ("message", "carried"),
    [(a_call(origin=EXPIRED), 1_000_000), (ResponseMessage(EXPIRED, Reply(b""), 7), 7)],
)
@pytest.mark.parametrize("missing", [10**9, 3])
def test_its_cycles_may_come_back_to_who_made_the_call_even_if_its_context_is_gone(message, carried, missing):
    maker = canister(A, balance=MAXIMUM_CYCLES - missing)
    state = world((A, maker), (B, canister(B)), messages=(message,))
    fired = fire(state, "drop_expired_message", message_id=0, refunds_cycles=True)
    kept = min(carried, missing)
    richer = evolve(maker, balance=maker.balance + kept)
    expected = evolve(state, messages=Queue((), 1), canisters=state.canisters.set(A, richer))
    assert fired == Step(expected, burned=(Burned(carried - kept, BurnReason.LOST),))


@pytest.mark.checklist("inv.prop-11-bounded-wait-cycles")
def test_its_cycles_are_lost_if_who_made_the_call_is_gone():
    state = world((B, canister(B)), messages=(ResponseMessage(EXPIRED, Reply(b""), 7),))
    fired = fire(state, "drop_expired_message", message_id=0, refunds_cycles=True)
    assert fired == Step(evolve(state, messages=Queue((), 1)), burned=(Burned(7, BurnReason.LOST),))


@pytest.mark.checklist("rule.drop-expired-message")
@pytest.mark.parametrize("origin", [UNBOUNDED, BOUNDED, a_user_call(a_request()).origin])
def test_messages_of_other_calls_are_not_dropped(origin):
    state = waiting(a_call(origin=origin))
    assert is_refused(state, "drop_expired_message", "the call has expired", message_id=0)


@pytest.mark.checklist("inv.prop-09-bounded-wait-unknown", "inv.cycles.response-reserve", "inv.prop-07-single-response")
def test_the_caller_of_an_expired_call_handles_one_response_with_the_cycles_set_aside_for_it():
    state = waiting(a_call(origin=BOUNDED))
    told = fire(state, "call_expiry_of_message", message_id=0).state
    handled = fire(told, "callback_invocation", message_id=1).state
    assert handled.messages[1].reserved_cycles == RESERVED_FOR_RESPONSE
    late = waiting(ResponseMessage(EXPIRED, Reply(b""), 7))
    assert is_refused(late, "callback_invocation", "the call has not expired", message_id=0)
