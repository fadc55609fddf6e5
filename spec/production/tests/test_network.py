"""Several subnets: what leaves one in which order, what the other takes in or refuses, and what both forget."""

import pytest
from attrs import evolve

from spec.production.capacities.usage import largest_response
from spec.production.network import wire_form
from spec.production.rounds import execute_round
from spec.production.rounds.round_state import Place
from spec.production.rounds.tests.playing import asking
from spec.production.streams.stream import Refusal
from spec.production.streams.topology import StreamLimits
from spec.production.tests.subnets import (
    BEYOND,
    HERE,
    NOWHERE,
    OTHER,
    THERE,
    THIRD,
    Played,
    answering,
    calling,
    home,
    subnets,
)
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.worlds import PROFILE, RICH, SUBNET, A
from spec.state.canister import Stopped, Stopping
from spec.state.message import CallMessage
from spec.state.request import Replied
from spec.state.state import total_cycles
from spec.values.containers import List
from spec.values.rejects import RejectCode, RejectReason, Reply

# What leaves


@pytest.mark.checklist("seed1.xnet-queues", "prod.sched_routing.induct_messages_on_same_subnet_handles_foreign_subnet")
def test_a_call_to_another_subnet_is_in_the_stream_after_the_round_and_is_not_executed_here():
    played = subnets(calling(A, THERE[0]), answering(THERE[0])).round(SUBNET, asking(A))
    assert played.sent() == [(A, THERE[0])]
    assert played.places() == {Place.AWAY: 1}
    assert played.round(SUBNET).sent() == [(A, THERE[0])]


@pytest.mark.checklist("prod.stream_builder.build_streams_with_messages_targeted_to_other_subnets")
def test_each_call_is_in_the_stream_to_the_subnet_of_its_callee():
    played = subnets(calling(A, BEYOND, THERE[0], HERE[1])).round(SUBNET, asking(A))
    assert (played.sent(receiver=OTHER), played.sent(receiver=THIRD)) == ([(A, THERE[0])], [(A, BEYOND)])


@pytest.mark.checklist("prod.stream_builder.build_streams_success")
def test_senders_take_turns_and_the_receivers_of_each_sender():
    both = [calling(one, THERE[0], THERE[0], THERE[1]) for one in HERE[:2]]
    played = subnets(*both).round(SUBNET, *(asking(one) for one in HERE[:2]))
    first, second = HERE[:2]
    assert played.sent() == [
        (first, THERE[0]),
        (second, THERE[0]),
        (first, THERE[1]),
        (second, THERE[1]),
        (first, THERE[0]),
        (second, THERE[0]),
    ]


@pytest.mark.checklist(
    "prod.stream_builder.build_streams_respects_message_limit",
    "prod.stream_builder.build_streams_at_message_limit_leaves_state_untouched",
)
def test_a_stream_takes_so_many_messages_and_the_others_stay_in_order():
    played = subnets(calling(A, *[THERE[0]] * 5), limits=StreamLimits(messages=3)).round(SUBNET, asking(A))
    assert (len(played.sent()), played.places()) == (3, {Place.AWAY: 3, Place.LEAVING: 2})
    again = played.round(SUBNET)
    assert (again.stream(), again.places()) == (played.stream(), played.places())


@pytest.mark.checklist("prod.stream_builder.build_streams_at_memory_limit_leaves_state_untouched")
def test_a_stream_takes_messages_until_they_have_so_many_bytes():
    calls = subnets(calling(A, *[THERE[0]] * 4), limits=StreamLimits(bytes=400)).round(SUBNET, asking(A))
    assert [one.size for one in calls.stream().messages] == [178, 178, 178]
    assert calls.round(SUBNET).stream() == calls.stream()


def test_a_full_stream_does_not_hold_up_the_stream_to_another_subnet():
    played = subnets(calling(A, THERE[0], THERE[0], BEYOND), limits=StreamLimits(messages=1)).round(SUBNET, asking(A))
    assert (len(played.sent()), len(played.sent(receiver=THIRD))) == (1, 1)


def test_fewer_messages_go_to_a_system_subnet():
    limits = StreamLimits(messages_to_system_subnet=1)
    played = subnets(calling(A, THERE[0], THERE[0], BEYOND, BEYOND), limits=limits, system=(THIRD,))
    played = played.round(SUBNET, asking(A))
    assert (len(played.sent()), len(played.sent(receiver=THIRD))) == (2, 1)


@pytest.mark.checklist("prod.stream_builder.build_streams_reject_response_on_unknown_destination_subnet")
def test_a_call_that_has_no_way_to_go_is_rejected_and_its_maker_has_the_answer():
    played = subnets(calling(A, NOWHERE, transferred_cycles=7)).round(SUBNET, asking(A))
    response = played.response(A)
    assert (response.code, response.reason) == (RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)
    assert played.places() == {Place.INPUT: 1}


def test_a_call_with_more_bytes_than_may_cross_is_rejected():
    limit = PROFILE.limits.inter_canister_payload
    fits, large = (calling(A, THERE[0], argument=bytes(limit - 2 + more)) for more in (0, 1))
    assert subnets(fits).round(SUBNET, asking(A)).sent() == [(A, THERE[0])]
    played = subnets(large).round(SUBNET, asking(A))
    assert (played.sent(), played.response(A).code) == ([], RejectCode.CANISTER_ERROR)


# What arrives


def answered():
    """After a call of A was answered on another subnet; the answer is on its way."""
    played = subnets(calling(A, THERE[0], transferred_cycles=5), answering(THERE[0]))
    return played.round(SUBNET, asking(A)).round(OTHER)


@pytest.mark.checklist("seed1.new-messages")
def test_a_call_goes_over_and_its_answer_comes_back():
    played = answered()
    assert played.stream(OTHER, SUBNET).messages and played.stream(OTHER, SUBNET).signals_end == 1
    played = played.round(SUBNET)
    request = asking(A).request
    assert played.network.state.requests[request_id_of(request)].status == Replied(b"done")


@pytest.mark.checklist("seed1.xnet-queues")
def test_cycles_in_streams_are_in_the_state():
    played = answered()
    assert total_cycles(played.network.state) == total_cycles(played.round(SUBNET, senders=()).network.state)
    (sent,) = played.stream(OTHER, SUBNET).messages
    assert played.network.state.messages[sent.message_id].refunded_cycles == 5
    assert played.network.state.canisters[A].balance < RICH


def test_both_streams_are_empty_after_both_subnets_have_heard_of_it():
    played = answered().round(SUBNET)
    assert (played.stream().begin, played.stream().messages) == (1, ())
    played = played.round(OTHER)
    assert (played.stream(OTHER, SUBNET).begin, played.stream(OTHER, SUBNET).messages) == (1, ())


@pytest.mark.checklist("prod.stream_handler.induct_stream_slices_partial_success")
def test_some_calls_of_a_slice_are_taken_in_and_others_are_refused_at_their_indices():
    played = subnets(calling(A, THERE[0], THERE[3], THERE[0]), answering(THERE[0])).round(SUBNET, asking(A))
    assert played.sent() == [(A, THERE[0]), (A, THERE[3]), (A, THERE[0])]
    reverse = played.round(OTHER).stream(OTHER, SUBNET)
    assert (reverse.signals_end, [(one.index, one.reason) for one in reverse.reject_signals]) == (
        3,
        [(1, Refusal.CANISTER_NOT_FOUND)],
    )


def test_a_slice_may_be_less_than_the_stream_and_the_next_one_has_the_rest():
    played = subnets(calling(A, THERE[0], THERE[0]), answering(THERE[0])).round(SUBNET, asking(A))
    played = played.round(OTHER, takes=1)
    assert played.stream(OTHER, SUBNET).signals_end == 1
    assert played.round(OTHER, takes=1).stream(OTHER, SUBNET).signals_end == 2


def refused_by(*canisters, profile=PROFILE):
    """After the call of A was refused; A's subnet has heard of it, but A has not run."""
    played = subnets(calling(A, THERE[0], transferred_cycles=9), *canisters, profile=profile)
    played = played.round(SUBNET, asking(A)).round(OTHER)
    (signal,) = played.stream(OTHER, SUBNET).reject_signals
    assert played.stream(OTHER, SUBNET).messages == ()
    return signal.reason, played


@pytest.mark.checklist("prod.stream_handler.check_stream_handler_generated_reject_signal_canister_not_found")
def test_a_call_to_a_canister_that_does_not_exist_is_answered_by_a_signal():
    reason, played = refused_by()
    assert (reason, played.response(A).code) == (Refusal.CANISTER_NOT_FOUND, RejectCode.DESTINATION_INVALID)


@pytest.mark.checklist("prod.stream_handler.check_stream_handler_generated_reject_signal_canister_stopped")
def test_a_call_to_a_canister_that_has_stopped_is_answered_by_a_signal():
    reason, played = refused_by(answering(THERE[0], status=Stopped()))
    assert (reason, played.response(A).code) == (Refusal.CANISTER_STOPPED, RejectCode.CANISTER_ERROR)


@pytest.mark.checklist("prod.stream_handler.check_stream_handler_generated_reject_signal_canister_stopping")
def test_a_call_to_a_canister_that_is_stopping_is_answered_by_a_signal():
    reason, played = refused_by(answering(THERE[0], status=Stopping(List())))
    assert (reason, played.response(A).code) == (Refusal.CANISTER_STOPPING, RejectCode.CANISTER_ERROR)


def with_room_for(responses):
    """A profile with message memory for so many responses."""
    room = responses * largest_response(PROFILE.limits)
    return evolve(PROFILE, capacities=evolve(PROFILE.capacities, guaranteed_message_memory=room))


@pytest.mark.checklist(
    "prod.stream_handler.check_stream_handler_generated_reject_signal_out_of_memory",
    "prod.stream_handler.induct_stream_slices_with_subnet_message_memory_limit",
)
def test_a_call_without_room_for_its_response_is_answered_by_a_signal():
    cores = PROFILE.rounds.threads
    makers = [calling(one, THERE[0]) for one in HERE[: cores + 1]]
    played = subnets(*makers, answering(THERE[0]), profile=with_room_for(4 * cores))
    played = played.round(SUBNET, *(asking(one) for one in HERE[: cores + 1]))
    tight = evolve(played.network, state=evolve(played.network.state, profile=with_room_for(1)))
    reverse = Played(tight).round(OTHER).stream(OTHER, SUBNET)
    assert {one.reason for one in reverse.reject_signals} == {Refusal.OUT_OF_MEMORY}
    assert (reverse.signals_end, reverse.reject_signals[0].index) == (len(played.sent()), 1)


def test_the_maker_of_a_refused_call_is_told_when_the_signal_comes():
    reason, played = refused_by(answering(THERE[0], status=Stopped()))
    assert played.places()[Place.INPUT] == 0
    later = played.round(SUBNET)
    request = asking(A).request
    assert later.network.state.requests[request_id_of(request)].status == Replied(b"done")
    assert later.stream().begin == 1


# Independence


@pytest.mark.checklist("seed1.subnet-parallelism")
def test_rounds_of_subnets_that_send_nothing_to_each_other_may_change_places():
    def labels(first, second):
        played = subnets(answering(A), answering(THERE[0]))
        states = []
        for subnet in (first, second):
            canister_id = A if subnet is SUBNET else THERE[0]
            played = played.round(subnet, asking(canister_id))
            states.append(played)
        return {one: played.network.state.canisters[one].balance for one in (A, THERE[0])}

    assert labels(SUBNET, OTHER) == labels(OTHER, SUBNET)


@pytest.mark.checklist("seed1.subnet-parallelism")
def test_a_subnet_does_the_same_whether_there_are_others_or_not():
    own = [calling(A, HERE[1]), answering(HERE[1])]
    alone = subnets(*own).round(SUBNET, asking(A))
    beside = subnets(*own, answering(THERE[0]), answering(BEYOND)).round(THIRD).round(SUBNET, asking(A))
    later = subnets(*own).round(THIRD).round(SUBNET, asking(A))
    assert later.network.state.requests == beside.network.state.requests
    for canister_id in HERE[:2]:
        assert later.network.state.canisters[canister_id] == beside.network.state.canisters[canister_id]
        assert alone.network.state.canisters[canister_id].balance == beside.network.state.canisters[canister_id].balance


@pytest.mark.checklist("seed1.replication-factor-pricing")
def test_what_a_call_costs_depends_on_the_subnet_of_its_maker():
    costs = []
    for maker, callee in ((A, THERE[0]), (THERE[0], A)):
        played = subnets(calling(maker, callee), answering(callee))
        after = played.round(home(maker), asking(maker))
        costs.append(RICH - after.network.state.canisters[maker].balance)
    assert costs[1] > costs[0]


def test_the_wire_shows_a_call_and_its_answer():
    played = answered()
    (sent,) = played.stream(OTHER, SUBNET).messages
    message = played.network.state.messages[sent.message_id]
    assert not isinstance(message, CallMessage)
    shown = wire_form(played.network.state, sent, 3)
    assert (shown.originator, shown.respondent, shown.callback, shown.response) == (A, THERE[0], 3, Reply(b"hello"))


@pytest.mark.checklist("seed1.one-invocation-per-round")
def test_a_round_of_a_subnet_executes_once_and_takes_in_the_requests_of_its_batch(monkeypatch):
    batches = []

    def counted(state, rounds, batch):
        batches.append(batch)
        return execute_round(state, rounds, batch)

    monkeypatch.setattr("spec.production.network.execute_round", counted)
    first, second = HERE[0], HERE[1]
    requests = [asking(first), asking(second)]
    played = subnets(answering(first), answering(second))
    for number, request in enumerate(requests, start=1):
        played = played.round(SUBNET, request)
        assert len(batches) == number
        assert batches[-1].ingress == (request,)
        assert played.network.rounds[SUBNET.subnet_id].number == number
        known = played.network.state.requests
        assert [request_id_of(one.request) in known for one in requests] == [True, number == 2]
        assert known[request_id_of(request.request)].status == Replied(b"hello")
