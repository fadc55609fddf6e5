"""Calls with bounded wait between subnets: who is told what, and when, and where the cycles are."""

import pytest
from attrs import evolve

from spec.production.network import wire_form
from spec.production.rounds.round_state import SentRefund
from spec.production.rounds.tests.playing import asking
from spec.production.streams.topology import StreamLimits
from spec.production.streams.wire import AnonymousRefund
from spec.production.tests.subnets import HERE, OTHER, SECOND, THERE, answering, calling, subnets
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.worlds import SUBNET, A
from spec.state.canister import Running, Stopped
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import Deadline, Expired
from spec.state.request import Replied
from spec.state.state import total_cycles
from spec.values.rejects import RejectCode, RejectReason

CYCLES = 1_000_000
WAIT = 10
"""Seconds."""


def bounded(*others, **settings):
    """A calls another subnet with cycles and a bound; the call is in the stream."""
    made = calling(A, THERE[0], timeout=WAIT, transferred_cycles=CYCLES)
    return subnets(made, *others, **settings).round(SUBNET, asking(A))


def answered(played):
    """The status of the request by which A was asked."""
    return played.network.state.requests[request_id_of(asking(A).request)].status


def balance(played, canister_id=A):
    return played.network.state.canisters[canister_id].balance


def told(played):
    """The rejects that wait for canisters or are on their way."""
    messages = [one for one in played.network.state.messages if isinstance(one, ResponseMessage)]
    return [(one.response.code, one.response.reason) for one in messages]


@pytest.mark.checklist("prod.stream_builder.build_streams_with_best_effort_messages")
def test_a_call_with_bounded_wait_crosses_with_its_deadline_and_is_answered():
    played = bounded(answering(THERE[0]))
    (sent,) = played.stream().messages
    shown = wire_form(played.network.state, sent)
    call = played.network.state.messages[sent.message_id]
    assert call.origin.deadline == Deadline(shown.deadline * SECOND)
    after = played.round(OTHER).round(SUBNET)
    assert answered(after) == Replied(b"done")
    assert after.network.rounds[SUBNET.subnet_id].bounded == ()


def test_the_maker_is_told_at_the_deadline_that_the_outcome_is_unknown_wherever_the_call_is():
    in_stream = bounded(answering(THERE[0]))
    response_in_stream = in_stream.round(OTHER)
    for played in (in_stream, response_in_stream):
        before = played.round(SUBNET, senders=(), seconds=WAIT - 2)
        assert before.network.rounds[SUBNET.subnet_id].bounded != ()
        after = played.round(SUBNET, senders=(), seconds=WAIT + 2)
        assert after.network.rounds[SUBNET.subnet_id].bounded == ()
        assert answered(after) == Replied(b"done")


def late():
    """A was told that nothing is known; the response to its call is in the stream."""
    played = bounded(answering(THERE[0])).round(OTHER).round(SUBNET, senders=(), seconds=WAIT + 2)
    (response,) = (one for one in played.network.state.messages if isinstance(one, ResponseMessage))
    assert isinstance(response.origin.deadline, Expired)
    return played


def without(played, canister_id):
    """The same without a canister."""
    state = played.network.state
    return evolve(
        played, network=evolve(played.network, state=evolve(state, canisters=state.canisters.remove(canister_id)))
    )


@pytest.mark.checklist(
    "prod.stream_handler.inducting_best_effort_response_into_stopped_canister_does_not_raise_a_critical_error"
)
@pytest.mark.parametrize("status", [Running(), Stopped()])
def test_a_response_that_comes_too_late_is_dropped_and_its_cycles_come_back(status):
    played = late()
    state = played.network.state
    canisters = state.canisters.set(A, evolve(state.canisters[A], status=status))
    after = evolve(played, network=evolve(played.network, state=evolve(state, canisters=canisters))).round(SUBNET)
    assert balance(after) == balance(played) + CYCLES
    assert list(after.network.state.messages) == []
    assert after.stream().signals_end == 1


@pytest.mark.checklist(
    "prod.stream_handler.inducting_best_effort_response_addressed_to_non_existent_canister_does_not_raise_a_critical_error"
)
def test_a_late_response_to_a_canister_that_is_gone_is_dropped_and_its_cycles_are_lost():
    gone = without(late(), A)
    after = gone.round(SUBNET)
    assert list(after.network.state.messages) == []
    assert total_cycles(after.network.state) == total_cycles(gone.network.state) - CYCLES


def busy(played, **capacities):
    """From now on no canister of any subnet gets to execute anything, and other capacities are as given."""
    profile = played.network.state.profile
    profile = evolve(
        profile,
        rounds=evolve(profile.rounds, round_instructions=1),
        capacities=evolve(profile.capacities, **capacities),
    )
    return evolve(played, network=evolve(played.network, state=evolve(played.network.state, profile=profile)))


def stuck():
    """The call has reached its callee, which does not get to it."""
    return busy(bounded(answering(THERE[0]))).round(OTHER)


@pytest.mark.checklist("prod.stream_handler.induct_stream_slices_with_refunds")
def test_a_call_that_waits_too_long_is_dropped_and_its_cycles_go_back_as_a_refund():
    waiting = stuck()
    (call,) = waiting.network.state.messages
    assert isinstance(call, CallMessage)
    dropped = waiting.round(OTHER, seconds=WAIT + 2)
    (refund,) = dropped.stream(OTHER, SUBNET).messages
    assert isinstance(refund, SentRefund)
    assert wire_form(dropped.network.state, refund) == AnonymousRefund(A, CYCLES)
    assert total_cycles(dropped.network.state) == total_cycles(waiting.network.state)
    after = dropped.round(SUBNET)
    assert balance(after) >= balance(dropped) + CYCLES
    assert after.stream().signals_end == 1


def test_who_gives_up_first_makes_no_difference_to_what_the_maker_is_told():
    waiting = stuck()
    callee_first = waiting.round(OTHER, seconds=WAIT + 2).round(SUBNET, senders=())
    maker_first = waiting.round(SUBNET, senders=(), seconds=WAIT + 2).round(OTHER)
    unknown = (RejectCode.SYS_UNKNOWN, RejectReason.CALL_TIMED_OUT)
    for played in (callee_first, maker_first):
        assert unknown in told(played)
        assert played.network.rounds[SUBNET.subnet_id].bounded == ()
        (refund,) = played.stream(OTHER, SUBNET).messages
        assert refund.amount == CYCLES


def test_the_answer_to_a_call_that_was_given_up_elsewhere_waits_for_the_deadline():
    shed = busy(bounded(answering(THERE[0])), best_effort_message_memory=0).round(OTHER)
    (refund,) = shed.stream(OTHER, SUBNET).messages
    assert refund.amount == CYCLES
    early = shed.round(SUBNET)
    assert early.network.rounds[SUBNET.subnet_id].bounded != ()
    assert balance(early) == balance(shed) + CYCLES
    late = early.round(SUBNET, seconds=WAIT + 2)
    assert late.network.rounds[SUBNET.subnet_id].bounded == ()
    assert told(late) == [(RejectCode.SYS_UNKNOWN, RejectReason.CALL_TIMED_OUT)]


def test_refunds_come_before_messages_and_take_half_of_a_stream_at_most():
    makers = [
        calling(one, THERE[0], timeout=WAIT, transferred_cycles=CYCLES + place) for place, one in enumerate(HERE[:3])
    ]
    played = subnets(*makers, answering(THERE[0]), limits=StreamLimits(messages=4))
    played = played.round(SUBNET, *map(asking, HERE[:3]))
    assert len(played.stream().messages) == 3
    dropped = busy(played).round(OTHER).round(OTHER, seconds=WAIT + 2)
    amounts = [one.amount for one in dropped.stream(OTHER, SUBNET).messages]
    assert amounts == [CYCLES + 2, CYCLES + 1]
    left = dropped.network.rounds[OTHER.subnet_id].refunds
    assert [recipient for recipient, _ in left.items()] == [HERE[0]]
    again = dropped.round(SUBNET).round(OTHER)
    assert [one.amount for one in again.stream(OTHER, SUBNET).messages] == [CYCLES]


def test_a_refund_for_a_canister_that_is_gone_is_lost():
    gone = without(stuck().round(OTHER, seconds=WAIT + 2), A)
    after = gone.round(SUBNET)
    assert total_cycles(after.network.state) == total_cycles(gone.network.state) - CYCLES
