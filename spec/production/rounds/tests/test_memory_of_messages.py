"""Memory of messages in rounds: what is paid for it, and what stays, is rejected or is dropped for want of it."""

import pytest
from attrs import evolve

from spec import fees
from spec.production.capacities.room import free_message_memory
from spec.production.capacities.schedules import of_system_subnet
from spec.production.capacities.tests.test_executions import holding
from spec.production.capacities.usage import (
    best_effort_message_memory,
    guaranteed_message_memory,
    largest_response,
    message_memory_of,
)
from spec.production.rounds.finalization import shed
from spec.production.rounds.induction import delivered, timed_out
from spec.production.rounds.payments import price_of, resources_paid
from spec.production.rounds.progress import Progress, adopted
from spec.production.rounds.round_state import Place, RoundState, Waiting
from spec.production.rounds.tests.playing import NOW, SECOND
from spec.rules.resources import memory_usage
from spec.rules.tests.worlds import PROFILE, A, B, C, a_call, a_context, canister, contexts, from_canister
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import Deadline
from spec.values.containers import Map, Queue
from spec.values.rejects import Reply

RESPONSE = largest_response(PROFILE.limits)
BOUNDED = from_canister(deadline=Deadline(NOW + 100 * SECOND))


def waiting(*messages, place=Place.OUTPUT, since=NOW, profile=None, **capacities):
    """Messages of calls of A to B, on their way."""
    state = holding((A, canister(A)), (B, canister(B)), (C, canister(C)), **capacities)
    if profile is not None:
        state = evolve(state, profile=profile)
    state = evolve(state, messages=Queue().append(*messages), call_contexts=contexts(a_context(A)))
    places = Map.of((one, Waiting(A, place, since)) for one in state.messages.ids())
    return adopted(Progress(state, RoundState(waiting=places)))


def places(progress):
    """Where the messages are."""
    return [progress.rounds.waiting[one].place for one in progress.state.messages.ids()]


# What is paid.


@pytest.mark.checklist("prod.sched_charging.charging_for_message_memory_works")
@pytest.mark.parametrize("place", [Place.OUTPUT, Place.INPUT])
def test_a_canister_pays_for_the_memory_of_its_messages(place):
    """The maker for the response that is to come; the callee, once the call is there, for the one it will give."""
    progress = waiting(a_call(), place=place)
    later = evolve(progress, state=evolve(progress.state, system_time=NOW + 10 * SECOND))
    paid = resources_paid(later)
    for canister_id, has_room in ((A, True), (B, place is Place.INPUT), (C, False)):
        before, after = (one.state.canisters[canister_id] for one in (later, paid))
        own = memory_usage(PROFILE, before) * 317_500 * 10 // 2**30
        messages = (2 * 2**20 + 144) * 317_500 * 10 // 2**30 if has_room else 0
        assert before.balance - after.balance == own + messages
        assert price_of(later, canister_id, 10) == own + messages
    assert fees.memory_cost(PROFILE.fees, RESPONSE, 10, 13) == 6_201


def test_the_parts_of_canisters_add_up_to_what_the_subnet_counts():
    large = a_call(argument=bytes(3 * 2**20))
    response = ResponseMessage(from_canister(), Reply(bytes(1_000)), 0)
    for place in (Place.OUTPUT, Place.INPUT):
        progress = waiting(a_call(), large, response, place=place)
        parts = [message_memory_of(progress.state, one, progress.under_way()) for one in progress.canisters()]
        assert sum(parts) == guaranteed_message_memory(progress.state, progress.under_way())


# What stays.


@pytest.mark.checklist("prod.sched_routing.induct_messages_on_same_subnet_respects_memory_limits")
def test_calls_for_which_no_memory_is_left_stay_with_their_maker_but_not_on_a_system_subnet():
    """Two with bounded wait, and four without; there is memory for two more responses."""
    calls = [a_call(origin=BOUNDED)] * 2 + [a_call()] * 4
    progress = waiting(*calls, guaranteed_message_memory=6 * RESPONSE)
    after = delivered(progress, (Place.OUTPUT,))
    assert places(after) == [Place.INPUT] * 4 + [Place.OUTPUT] * 2
    assert free_message_memory(after.state, after.under_way()) == 0
    system = delivered(waiting(*calls, profile=of_system_subnet(PROFILE)), (Place.OUTPUT,))
    assert places(system) == [Place.INPUT] * 6


def test_what_is_behind_a_call_that_stays_stays_too():
    calls = [a_call(), a_call(origin=BOUNDED), a_call(callee=C, origin=evolve(BOUNDED, callee=C))]
    after = delivered(waiting(*calls, guaranteed_message_memory=RESPONSE), (Place.OUTPUT,))
    assert places(after) == [Place.OUTPUT, Place.OUTPUT, Place.INPUT]


@pytest.mark.parametrize(("seconds", "is_rejected"), [(300, False), (301, True)])
def test_a_call_that_has_stayed_for_300_seconds_is_rejected(seconds, is_rejected):
    progress = waiting(a_call(), since=NOW - seconds * SECOND)
    after = timed_out(progress)
    (message,) = list(after.state.messages)
    assert isinstance(message, ResponseMessage) == is_rejected
    delivered_before = timed_out(waiting(a_call(), place=Place.INPUT, since=NOW - 1_000 * SECOND))
    assert isinstance(next(iter(delivered_before.state.messages)), CallMessage)


# What is dropped.


def test_the_largest_calls_with_bounded_wait_are_dropped_until_the_rest_fits():
    sizes = [100, 300, 200]
    calls = [a_call(origin=BOUNDED, method_name="", argument=bytes(size)) for size in sizes]
    capacity = 2 * (176 + 200) + 200
    after = shed(waiting(*calls, best_effort_message_memory=capacity))
    left = [len(one.argument) for one in after.state.messages if isinstance(one, CallMessage)]
    assert left == [100, 200]
    assert sum(isinstance(one, ResponseMessage) for one in after.state.messages) == 1
    assert best_effort_message_memory(after.state) <= capacity < 3 * 176 + sum(sizes)
