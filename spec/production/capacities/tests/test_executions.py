"""Executions that ask for more than the subnet has left: what is refused, and what the next ones find."""

import pytest
from attrs import evolve

from spec.machine import step
from spec.production.capacities.room import free_memory, free_message_memory, left_after, room_of
from spec.production.capacities.tests.growing import MIB, PAGES_OF_MIB, asking_for, with_stable
from spec.production.capacities.usage import largest_response
from spec.production.executions import execution_label
from spec.production.rounds.tests.playing import Played, asking, with_figures
from spec.rules.tests.worlds import (
    PROFILE,
    A,
    B,
    C,
    a_context,
    canister,
    contexts,
    execution,
    from_canister,
    module,
    performed,
    returns,
    world,
)
from spec.state.canister import Code, Empty
from spec.state.message import ResponseMessage
from spec.state.request import Replied
from spec.values.containers import Queue
from spec.values.rejects import Reply

RESPONSE = largest_response(PROFILE.limits)


def holding(*canisters, threads=4, memory=None, **capacities):
    """A world on a subnet with these capacities; `memory` is what the subnet has in all."""
    state = with_figures(world(*canisters), threads=threads)
    limits = state.profile.limits if memory is None else evolve(state.profile.limits, subnet_memory=memory)
    held = evolve(state.profile.capacities, **capacities)
    return evolve(state, profile=evolve(state.profile, limits=limits, capacities=held))


def told(played, *ingress):
    """What the canisters tell of each request that they asked for: 1 where they got it."""
    statuses = [played.status(one.request) for one in ingress]
    return [list(status.data) if isinstance(status, Replied) else status for status in statuses]


def one_of(canister_id, raw_module, pages=0, **settings):
    return canister_id, canister(canister_id, with_stable(canister_id, raw_module, pages), **settings)


# Memory.


@pytest.mark.checklist("prod.execution_test.exceeding_memory_capacity_fails_during_message_execution")
def test_stable_memory_grows_until_a_core_has_less_left_than_is_asked_for():
    """On a subnet of 21 MiB, 1 MiB of which is kept for callbacks; the canister has 2 MiB already."""
    grows = one_of(A, asking_for(PAGES_OF_MIB), 2 * PAGES_OF_MIB)
    played = Played(holding(grows, memory=21 * MIB, memory_for_callbacks=MIB))
    results = []
    for number in range(16):
        request = asking(A, number)
        played = played.round(request)
        results += told(played, request)
    grown = results.index([0])
    assert results == [[1]] * grown + [[0]] * (16 - grown)
    assert grown == 14
    assert 3 * MIB < free_memory(played.state) < 4 * MIB


@pytest.mark.checklist("prod.call_or_task.stable_grow_updates_subnet_available_memory")
def test_what_is_granted_is_taken_and_what_is_refused_is_not():
    state = holding(one_of(A, asking_for(1, 10)), threads=1)
    usage = PROFILE.limits.subnet_memory - PROFILE.capacities.memory_for_callbacks - free_memory(state)
    state = holding(one_of(A, asking_for(1, 10)), threads=1, memory=usage + 10 * 65_536, memory_for_callbacks=0)
    request = asking(A)
    played = Played(state).round(request)
    assert told(played, request) == [[1, 0]]
    assert free_memory(played.state) == 9 * 65_536


@pytest.mark.checklist("prod.hypervisor.stable_memory_grow_does_not_reserve_cycles_on_out_of_memory")
def test_a_growth_that_is_refused_reserves_nothing():
    """On a subnet of a GiB, with 16,000 pages."""
    state = holding(one_of(A, asking_for(16_000)), memory=2**30, memory_for_callbacks=0)
    state = evolve(state, profile=evolve(state.profile, limits=evolve(state.profile.limits, subnet_memory_threshold=0)))
    request = asking(A)
    played = Played(state).round(request)
    assert told(played, request) == [[0]]
    assert played.state.canisters[A].reserved_balance == 0
    wide = evolve(state, profile=evolve(state.profile, limits=evolve(state.profile.limits, subnet_memory=2**36)))
    assert Played(wide).round(request).state.canisters[A].reserved_balance > 0


ANSWERS = returns(response=Reply(b""))


def in_callback(*asks):
    """
    What a callback is granted that asks for so much, on a subnet of 120 MiB of which 50 are kept for callbacks.

    Another canister has allocated nearly all the rest.
    """
    caller = one_of(A, asking_for(performed(B), in_callback=asks))
    callee = B, canister(B, Code(module(gives={"update go": ANSWERS}), with_stable(B, b"", 0).wasm_state))
    full = one_of(C, module(), memory_allocation=70 * MIB - 1_000)
    state = holding(caller, callee, full, memory=120 * MIB, memory_for_callbacks=50 * MIB)
    assert 0 <= free_memory(state) <= 1_000
    request = asking(A)
    return told(Played(state).round(request), request)


@pytest.mark.checklist("prod.execution_test.subnet_memory_reservation_works")
def test_a_callback_grows_into_its_core_s_part_of_what_is_kept_for_callbacks():
    assert in_callback(50 * PAGES_OF_MIB // 4) == [[1]]


def test_a_callback_does_not_grow_beyond_its_core_s_part():
    assert in_callback(50 * PAGES_OF_MIB // 4 + 1) == [[0]]
    assert in_callback(50 * PAGES_OF_MIB) == [[0]]


# Calls.


@pytest.mark.checklist("prod.hypervisor.call_perform_fails_when_out_of_subnet_callbacks")
def test_the_fifth_call_fails_where_the_subnet_has_four_callbacks_and_the_canister_three():
    calls = [performed(A, "waits", number=number) for number in range(5)]
    state = holding(one_of(A, asking_for(*calls)), threads=1, callbacks=4, callbacks_of_canister=3)
    played = Played(state).round(asking(A))
    executed = next(one for one in played.done[0].labels if one.rule == "message_execution")
    assert executed.arguments()["refused_calls"] == (4,)


@pytest.mark.checklist("prod.hypervisor.call_perform_fails_when_out_of_subnet_callbacks")
def test_a_canister_with_few_open_calls_makes_them_though_the_subnet_has_no_callbacks():
    calls = [performed(A, "waits", number=number) for number in range(5)]
    state = holding(one_of(A, asking_for(*calls)), threads=1, callbacks=0, callbacks_of_canister=3)
    played = Played(state).round(asking(A))
    executed = next(one for one in played.done[0].labels if one.rule == "message_execution")
    assert executed.arguments()["refused_calls"] == (3, 4)


@pytest.mark.checklist("prod.sched_limits.subnet_callback_soft_cap_not_exceeded")
def test_each_core_sees_all_callbacks_that_are_left():
    """Two canisters, each on a core of its own, make both their calls though three callbacks are left."""
    asks = asking_for(*(performed(C, "waits", number=number) for number in range(2)))
    state = holding(one_of(A, asks), one_of(B, asks), one_of(C, module()), threads=2, callbacks=3)
    state = evolve(
        state, profile=evolve(state.profile, capacities=evolve(state.profile.capacities, callbacks_of_canister=0))
    )
    played = Played(state).round(asking(A), asking(B))
    executed = [one.arguments() for one in played.done[0].labels if one.rule == "message_execution"]
    assert ["refused_calls" in one for one in executed[:2]] == [False, False]
    tight = evolve(state, profile=evolve(state.profile, rounds=evolve(state.profile.rounds, threads=1)))
    played = Played(tight).round(asking(A), asking(B))
    executed = [one.arguments() for one in played.done[0].labels if one.rule == "message_execution"]
    assert [one.get("refused_calls", ()) for one in executed[:2]] == [(), (1,)]


# Memory of messages.


def calling(*calls, threads=1, settings=None, **capacities):
    """The calls that are refused, how much less is left for messages then, and how many messages there are."""
    state = holding(one_of(A, asking_for(*calls), **(settings or {})), threads=threads, **capacities)
    state = evolve(state, messages=Queue().append(execution(A)), call_contexts=contexts(a_context(A)))
    label = execution_label(state, 0)
    after = step(state, label).state
    taken = free_message_memory(state) - free_message_memory(after, after.messages.ids())
    return label.arguments().get("refused_calls", ()), taken, len(after.messages)


@pytest.mark.checklist("prod.ee_tests.output_requests_on_application_subnets_update_subnet_available_memory")
def test_a_call_takes_the_memory_of_the_largest_response():
    assert calling(performed(B), guaranteed_message_memory=2**30) == ((), RESPONSE, 1)
    assert RESPONSE == 2 * MIB + 144


@pytest.mark.checklist("prod.ee_tests.output_requests_on_application_subnets_update_subnet_available_memory_reserved")
def test_an_allocation_does_not_cover_the_memory_of_messages():
    settings = {"memory_allocation": 1_000_000}
    assert calling(performed(B), settings=settings, guaranteed_message_memory=2**30) == ((), RESPONSE, 1)


@pytest.mark.checklist(
    "prod.ee_tests.output_best_effort_requests_on_application_subnets_update_subnet_available_memory"
)
def test_a_call_with_bounded_wait_takes_no_such_memory_but_a_slot():
    bounded = [performed(B, number=number, timeout=5) for number in range(501)]
    assert calling(bounded[0], guaranteed_message_memory=2**30) == ((), 0, 1)
    assert calling(*bounded, guaranteed_message_memory=0) == ((500,), 0, 500)


@pytest.mark.checklist("prod.system_api.push_output_request_respects_memory_limits")
def test_a_second_call_fails_where_memory_is_left_for_one_response_and_13_bytes():
    two = [performed(B, number=0), performed(B, number=1)]
    assert calling(*two, guaranteed_message_memory=RESPONSE + 13) == ((1,), RESPONSE, 1)


@pytest.mark.checklist("prod.system_api.push_output_request_oversized_request_memory_limits")
def test_a_large_call_takes_its_own_size_where_that_is_more_than_a_response():
    """With memory for three responses; what it takes is the size of its record, method name and argument."""
    two, four = (performed(B, "", bytes(count * RESPONSE - 176)) for count in (2, 4))
    assert calling(two, guaranteed_message_memory=3 * RESPONSE) == ((), 2 * RESPONSE, 1)
    assert calling(four, guaranteed_message_memory=3 * RESPONSE) == ((0,), 0, 1)


def test_what_a_core_has_used_of_its_room_is_gone_until_the_next_iteration():
    state = holding(one_of(A, asking_for(performed(B))), one_of(B, module(gives={"update go": ANSWERS})))
    before = room_of(state)
    state = evolve(state, messages=Queue().append(execution(A)), call_contexts=contexts(a_context(A)))
    after = step(state, execution_label(state, 0)).state
    left = left_after(before, state, after)
    assert before.callbacks - left.callbacks == 1
    assert before.guaranteed_messages - left.guaranteed_messages == RESPONSE
    assert before.memory == left.memory


@pytest.mark.checklist("prod.response.subnet_available_memory_does_not_change_on_response_validation_failure")
def test_a_response_for_a_canister_without_code_takes_no_memory():
    """Its call context is there still; no callback runs."""
    response = ResponseMessage(from_canister(), Reply(b"too late"), 5)
    context = a_context(A, needs_to_respond=False, deleted=True)
    state = holding((A, canister(A, Empty())))
    state = evolve(state, messages=Queue().append(response), call_contexts=contexts(context))
    played = Played(state).round().round()
    assert "callback_of_deleted_context" in played.rules(0) + played.rules(1)
    assert len(played.state.messages) == 0
    assert free_memory(played.state) == free_memory(state)
