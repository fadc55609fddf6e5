"""The beginning of a round: clocks, time-outs, delivery, requests."""

import pytest
from attrs import evolve

from spec.production.choices import FREE_SETTINGS_CHANGE
from spec.production.rounds import Batch, Ingress, RoundState, execute_round
from spec.production.rounds.induction import payer_of
from spec.production.rounds.round_state import Place, Waiting
from spec.production.rounds.tests.playing import NOW, SECOND, SLICE, Played, asking, busy, doing
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.worlds import (
    ADMIN,
    SET_ASIDE,
    STRANGER,
    SUBNET,
    USER,
    A,
    B,
    C,
    a_call,
    a_context,
    a_request,
    canister,
    contexts,
    from_canister,
    performed,
    returns,
    world,
)
from spec.state.canister import StopCall, Stopped, Stopping
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import Deadline, Expired
from spec.state.request import KnownRequest, Processing, Received, Rejected, Replied
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import RejectCode, RejectReason, Reply


def test_the_time_of_a_later_batch_is_that_of_the_system_and_of_every_canister():
    state = busy(A, B).round(seconds=7).state
    assert [state.system_time, state.canisters[A].time, state.canisters[B].time] == [NOW + 7 * SECOND] * 3


def test_the_time_of_an_earlier_batch_changes_nothing():
    played = busy(A).round(seconds=-7)
    assert played.state.system_time == NOW
    assert played.done[0].labels == ()


def test_subnet_admins_become_those_of_the_registry():
    admins = Map.of([(SUBNET.subnet_id, List.of(ADMIN))])
    played = Played(world(subnet_admins=Map.of([(B, List.of(STRANGER))]))).round(subnet_admins=admins)
    assert played.state.subnet_admins == admins
    assert played.round(subnet_admins=None).state.subnet_admins == admins


# Time-outs


def waiting_for(seconds, callee=B, **changes):
    """A call whose deadline comes after so many seconds, waiting for its callee, who cannot take it."""
    call = a_call(callee, origin=from_canister(deadline=Deadline(NOW + seconds * SECOND)), **changes)
    caller = doing(A, callback=returns(response=Reply(b"told")))
    context = a_context(A, origin=from_canister(7))
    return world(caller, doing(B, go=returns()), messages=(call,), call_contexts=contexts(context))


def test_a_bounded_wait_call_is_given_up_when_its_deadline_has_passed():
    """The call is dropped before the callee takes it, and the caller is told in the same round."""
    played = Played(waiting_for(5)).round(seconds=6)
    rules = played.rules()
    assert rules[:2] == ["call_expiry_of_message", "drop_expired_message"]
    assert rules[2:4] == ["callback_invocation", "message_execution"]
    assert "call_context_creation" not in rules


def test_a_call_whose_deadline_is_now_is_still_taken():
    assert "call_context_creation" in Played(waiting_for(5)).round(seconds=5).rules()


def test_deadlines_are_compared_in_whole_seconds():
    half_a_second_late = Batch(NOW + 5 * SECOND + SECOND // 2)
    _, _, done = execute_round(waiting_for(5), RoundState(), half_a_second_late)
    assert "call_context_creation" in [label.rule for label in done.labels]


def test_a_call_in_progress_is_given_up_and_what_the_callee_answers_later_is_dropped():
    origin = from_canister(deadline=Deadline(NOW + 5 * SECOND))
    state = world(
        doing(A, callback=returns(response=Reply(b"told"))),
        doing(B, callback=returns(response=Reply(b"late"))),
        (C, canister(C)),
        messages=(a_call(C, B, origin=from_canister(1)),),
        call_contexts=contexts(a_context(A, origin=from_canister(7)), a_context(B, origin=origin)),
    )
    played = Played(state).round(seconds=6)
    assert played.rules()[0] == "call_expiry_of_call_context"
    played = played.idle(2)
    assert "drop_expired_message" in [rule for number in range(3) for rule in played.rules(number)]


def test_a_call_that_waits_for_a_canister_to_stop_is_given_up():
    call = StopCall(from_canister(deadline=Deadline(NOW + 5 * SECOND)), 0)
    state = world(
        doing(A, callback=returns(response=Reply(b"told"))),
        (B, canister(B, status=Stopping(List.of(call)))),
        (C, canister(C)),
        messages=(a_call(C, B, origin=from_canister(1)),),
        call_contexts=contexts(a_context(A, origin=from_canister(7)), a_context(B)),
    )
    assert "call_expiry_of_stop_call" in Played(state).round(seconds=6).rules()


def test_a_response_that_has_reached_its_receiver_is_handled_however_late():
    """It comes while a long execution of its receiver is paused, in time."""
    played = Played(world(doing(A, go=returns(3 * SLICE), callback=returns()))).round(asking(A))
    response = ResponseMessage(from_canister(deadline=Deadline(NOW + 2 * SECOND)), Reply(b""), 0)
    arrived = evolve(
        played.state,
        messages=played.state.messages.append(response),
        call_contexts=contexts(a_context(A, origin=from_canister(7))),
    )
    played = Played(arrived, played.rounds).idle(3)
    assert played.state.system_time == NOW + 4 * SECOND
    assert "callback_invocation" not in played.rules(0) + played.rules(1)
    assert played.rules()[0] == "callback_invocation"
    assert "call_expiry_of_message" not in played.rules(1) + played.rules(2)


def test_a_response_that_is_late_on_its_way_is_dropped():
    context = a_context(A, origin=from_canister(7))
    response = ResponseMessage(from_canister(deadline=Deadline(NOW)), Reply(b""), 0)
    state = world(doing(A, callback=returns()), messages=(response,), call_contexts=contexts(context))
    assert Played(state).round().rules()[:2] == ["call_expiry_of_message", "drop_expired_message"]


def test_a_call_whose_long_execution_has_begun_expires_and_goes_on():
    state = world(
        doing(A, callback=returns(response=Reply(b"told"))),
        doing(B, go=returns(3 * SLICE, response=Reply(b""))),
        messages=(a_call(B, origin=from_canister(deadline=Deadline(NOW + 2 * SECOND))),),
        call_contexts=contexts(a_context(A, origin=from_canister(7))),
    )
    played = Played(state).idle(4)
    rules = [rule for number in range(4) for rule in played.rules(number)]
    expired, executed, dropped = (
        rules.index(rule) for rule in ("call_expiry_of_message", "call_context_creation", "drop_expired_message")
    )
    assert expired < executed < dropped


# Requests


def test_requests_are_taken_in_the_order_of_the_block():
    requests = [asking(A, number) for number in (5, 3, 9)]
    played = busy(A, instructions=SLICE).round(*requests)
    assert [played.status(one.request) for one in requests][1:] == [Received()] * 2
    played = played.round()
    assert [isinstance(played.status(one.request), Rejected) for one in requests] == [True, True, False]


def test_a_request_that_the_rules_do_not_admit_leaves_no_trace():
    played = busy(A).round(asking(A, ingress_expiry=NOW - 1), asking(A), asking(A))
    assert played.rules().count("submit_request") == 1
    assert len(played.state.requests) == 1


def test_a_request_that_was_not_started_in_time_is_rejected():
    long = doing(A, go=returns(4 * SLICE), **{"update quick": returns()})
    quick, just = (asking(A, number, "quick", ingress_expiry=NOW + number * SECOND) for number in (2, 3))
    played = Played(world(long)).round(asking(A)).round(quick, just).round()
    status = played.status(quick.request)
    assert (status.reject.code, status.reject.reason) == (RejectCode.SYS_TRANSIENT, RejectReason.SYSTEM_OVERLOADED)
    assert played.status(just.request) == Received(), "it expires just now"


def test_a_request_to_a_canister_that_does_not_exist_is_rejected():
    """The canister was there when the request was taken in."""
    request = a_request(A)
    known = KnownRequest(request, Received(), A)
    played = Played(world(requests=Map.of([(request_id_of(request), known)]))).round()
    assert played.status(request).reject.reason == RejectReason.CANISTER_NOT_FOUND


@pytest.mark.checklist("seed1.reverse-gas", "seed1.network-charge")
def test_the_canister_pays_for_a_request_if_its_size_is_known():
    before = busy(A)
    played = before.round(evolve(asking(A), size=300))
    assert played.rules()[:2] == ["submit_request", "payment_from_main_balance"]
    free = before.round(asking(A))
    paid = free.state.canisters[A].balance - played.state.canisters[A].balance
    assert paid == 1_200_000 + 300 * 2_000


def test_a_request_that_the_canister_cannot_pay_for_is_not_taken():
    state = world((A, canister(A, balance=1_799_999, freezing_threshold=0)))
    assert Played(state).round(evolve(asking(A), size=300)).rules() == []


def test_the_fee_of_a_request_waits_as_long_as_an_execution_is_paused():
    played = busy(A, instructions=3 * SLICE).round(asking(A)).round(evolve(asking(A, 1), size=0))
    assert (played.record(A).unpaid, "payment_from_main_balance" in played.rules()) == (1_200_000, False)
    played = played.round()
    assert (played.record(A).unpaid, "payment_from_main_balance" in played.rules()) == (0, True)


@pytest.mark.parametrize(("controllers", "payer"), [(1, None), (12, A)])
def test_a_small_change_of_settings_is_taken_in_for_free(controllers, payer):
    settings = management.SettingsArguments(controllers=List((USER,) * controllers))
    argument = management.encode_arguments(management.UpdateSettingsArguments(A, settings))
    assert (len(argument) > FREE_SETTINGS_CHANGE) == (payer is not None)
    assert payer_of(a_request(MANAGEMENT_CANISTER, "update_settings", argument)) == payer


def test_a_small_change_of_settings_is_taken_in_for_a_frozen_canister_too():
    frozen = canister(A, balance=0, freezing_threshold=2**64 - 1, compute_allocation=1)
    settings = management.SettingsArguments(freezing_threshold=0, compute_allocation=0)
    argument = management.encode_arguments(management.UpdateSettingsArguments(A, settings))
    request = a_request(MANAGEMENT_CANISTER, "update_settings", argument)
    played = Played(world((A, frozen))).round(Ingress(request, A))
    assert played.rules()[0] == "submit_management_request"
    assert played.state.canisters[A].settings.freezing_threshold == 0


def test_the_canister_that_a_management_call_is_about_pays_for_it():
    argument = management.encode_arguments(management.CanisterIdArguments(A))
    assert payer_of(a_request(MANAGEMENT_CANISTER, "start_canister", argument)) == A
    assert payer_of(a_request(B)) == B


def test_a_fee_that_is_owed_leaves_less_for_the_next_one():
    """
    The canister can pay for two requests but not for three, and nothing is paid before all have come.

    What is set aside for its execution counts as spent.
    """
    state = world(doing(A, go=returns(4 * SLICE), settings={"freezing_threshold": 0}))
    played = Played(state).round(asking(A))
    poor = evolve(played.state.canisters[A], balance=SET_ASIDE + 2 * 1_200_000)
    requests = [evolve(asking(A, number), size=0) for number in range(1, 4)]
    played = Played(evolve(played.state, canisters=Map.of([(A, poor)])), played.rounds).round(*requests)
    assert [played.status(one.request) is None for one in requests] == [False, False, True]
    assert played.record(A).unpaid == 2 * 1_200_000


# Delivery


@pytest.mark.checklist("prod.sched_routing.induct_messages_on_same_subnet_destination_not_found")
def test_a_call_to_a_canister_that_does_not_exist_is_rejected_and_the_caller_is_told():
    state = world(doing(A, go=returns(new_calls=List.of(performed(C))), callback=returns(response=Reply(b"told"))))
    played = Played(state).round(asking(A))
    assert played.status(asking(A).request) == Processing()
    ((call_id, call),) = played.state.messages.entries
    assert isinstance(call, CallMessage) and call.callee == C
    # It was left where it is by the iterations of the round, and put into the stream at its end.
    assert played.rounds.waiting[call_id].place is Place.STREAM
    played = played.round()
    assert "reject_call_to_missing_canister" in played.rules()
    assert played.idle(2).status(asking(A).request) == Replied(b"told")


def test_messages_that_came_without_a_round_are_delivered_in_the_first_one():
    state = world(
        (A, canister(A)),
        doing(B, go=returns()),
        messages=(a_call(B, origin=from_canister()),),
        call_contexts=contexts(a_context(A)),
    )
    assert Played(state).round().rules()[:2] == ["call_context_creation", "message_execution"]


@pytest.mark.parametrize("place", [Place.OUTPUT, Place.STREAM])
def test_a_response_whose_call_has_expired_is_dropped_when_it_would_reach_its_receiver(place):
    response = ResponseMessage(from_canister(deadline=Expired(NOW)), Reply(b""), 0)
    rounds = RoundState(waiting=Map.of([(0, Waiting(B, place))]))
    played = Played(world((A, canister(A)), messages=(response,)), rounds).round()
    assert played.rules() == ["drop_expired_message"]


# Calls to canisters that have stopped


@pytest.mark.parametrize("is_started", [False, True])
def test_a_call_to_a_stopped_canister_is_rejected_at_its_turn_unless_it_was_started_before(is_started):
    """Production rejects it before; the text admits both. Errata: rounds-and-slices."""
    stopped = doing(B, go=returns(response=Reply(b"late")), settings={"status": Stopped()})
    known = {"messages": (a_call(B),), "call_contexts": contexts(a_context(A))}
    start = management.encode_arguments(management.CanisterIdArguments(B))
    starting = Ingress(a_request(MANAGEMENT_CANISTER, "start_canister", start), B)
    played = Played(world(doing(A, callback=returns()), stopped, **known)).round(*[starting] * is_started)
    taken = ("call_context_creation", "reject_call_to_stopped_canister")
    assert [rule for rule in played.rules() if rule in taken] == [taken[0 if is_started else 1]]
