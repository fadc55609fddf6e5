"""Tasks and inputs of a canister: which comes next."""

import pytest
from attrs import evolve

from spec.production.rounds.round_state import Method
from spec.production.rounds.tests.playing import NOW, SLICE, Played, asking, doing, with_figures
from spec.rules.tests.worlds import (
    RICH,
    SUBNET,
    A,
    B,
    C,
    a_call,
    a_context,
    canister,
    contexts,
    from_canister,
    performed,
    received,
    returns,
    world,
)
from spec.state.canister import HookStatus, Running, Stopped, Stopping, Subnet
from spec.state.message import ResponseMessage
from spec.state.request import Replied
from spec.values.containers import List, Map
from spec.values.identifiers import Principal
from spec.values.rejects import Reply

HEARTBEAT = "heartbeat_context_creation"
TIMER = "global_timer_context_creation"
HOOK = "on_low_wasm_memory_context_creation"
MESSAGE = "call_context_creation"


def begun(played, number=-1):
    """The rules with which executions began in a round."""
    return [rule for rule in played.rules(number) if rule in (HEARTBEAT, TIMER, HOOK, MESSAGE, "callback_invocation")]


def ticking(**settings):
    """A canister with a heartbeat, a timer that is always due, and a method."""
    again = returns(new_global_timer=1)
    gives = {"heartbeat": returns(), "global_timer": again, "go": returns(response=Reply(b""))}
    return doing(A, settings={"global_timer": 1, **settings}, **gives)


@pytest.mark.checklist("unspec.order.system-tasks", "unspec.spont.heartbeat", "unspec.spont.global-timer")
def test_timer_heartbeat_and_messages_come_first_in_turn():
    played = Played(world(ticking()))
    orders = []
    for number in range(4):
        played = played.round(asking(A, number))
        orders.append(begun(played))
    assert orders == [[TIMER, HEARTBEAT, MESSAGE], [HEARTBEAT, TIMER, MESSAGE], [MESSAGE], [TIMER, HEARTBEAT, MESSAGE]]


@pytest.mark.checklist("prod.sched_timers.global_timer_is_not_scheduled_if_not_expired")
def test_without_messages_it_is_never_their_turn():
    played = Played(world(ticking())).idle(4)
    assert [begun(played, number)[0] for number in range(4)] == [TIMER, HEARTBEAT, TIMER, HEARTBEAT]
    assert played.record(A).next_method is Method.MESSAGE


def test_a_timer_that_is_not_due_does_not_run():
    played = Played(world(ticking(global_timer=NOW + 2 * 10**9))).round()
    assert begun(played) == [HEARTBEAT]
    assert TIMER in begun(played.round())


@pytest.mark.checklist("prod.sched_timers.unexecuted_heartbeat_and_timer_tasks_are_removed_after_round")
@pytest.mark.parametrize("settings", [{"status": Stopped()}, {"balance": 10**9}])
def test_tasks_need_a_running_canister_with_cycles(settings):
    assert begun(Played(world(ticking(**settings))).round()) == []


def test_tasks_that_have_no_room_in_their_round_are_forgotten():
    """The timer takes the whole round, and the heartbeat behind it is dropped."""
    again = returns(SLICE + 1, new_global_timer=1)
    state = world(doing(A, global_timer=again, heartbeat=returns(), settings={"global_timer": 1}))
    played = Played(state).round()
    assert begun(played) == []
    played = played.round()
    assert begun(played) == [TIMER]
    assert begun(played.round()) == [HEARTBEAT]


@pytest.mark.checklist("unspec.spont.low-memory-hook", "inv.low-memory-hook-once")
def test_the_low_memory_hook_comes_before_everything_else_and_no_task_is_queued():
    gives = {"on_low_wasm_memory": returns(), "heartbeat": returns(), "go": returns(response=Reply(b""))}
    due = doing(A, settings={"low_memory_hook": HookStatus.READY}, **gives)
    assert begun(Played(world(due)).round(asking(A))) == [HOOK, MESSAGE]


UNPAID = {"low_memory_hook": HookStatus.READY, "balance": 5 * 10**9, "freezing_threshold": 0}
"""Of a canister whose hook is due and cannot be paid for."""


@pytest.mark.parametrize("status", [Running(), Stopping()])
def test_nothing_comes_before_a_hook_that_cannot_be_paid_for_also_no_response(status):
    poor = doing(
        A,
        go=returns(),
        callback=returns(response=Reply(b"")),
        settings={**UNPAID, "status": status},
        **{"query see": returns()},
    )
    call = a_call(A, B, origin=from_canister(1), method_name="see")
    response = ResponseMessage(from_canister(), Reply(b""), 0)
    known = {"call_contexts": contexts(a_context(A, origin=from_canister(7)), a_context(B))}
    played = Played(world(poor, (B, canister(B)), messages=(call, response), **known)).idle(2)
    assert begun(played, 0) == begun(played, 1) == []
    assert list(played.state.messages) == [call, response]


def test_a_hook_that_can_be_paid_for_waits_until_its_canister_runs_again():
    """Production forgets it."""
    settings = {"low_memory_hook": HookStatus.READY, "status": Stopped()}
    played = Played(world(doing(A, on_low_wasm_memory=returns(), settings=settings))).idle(2)
    assert begun(played, 0) == begun(played, 1) == []
    assert played.state.canisters[A].low_memory_hook is HookStatus.READY
    running = evolve(played.state.canisters[A], status=Running())
    played = evolve(played, state=evolve(played.state, canisters=played.state.canisters.set(A, running))).round()
    assert begun(played, 2) == [HOOK]


def test_calls_to_a_frozen_canister_wait_for_its_hook_and_are_not_rejected():
    state = doing(A, go=returns(), settings={**UNPAID, "balance": 0}, on_low_wasm_memory=returns())
    call = a_call(A, B, origin=from_canister(0, callee=A))
    played = Played(world(state, (B, canister(B)), messages=(call,), call_contexts=contexts(a_context(B)))).round()
    assert played.rules() == []
    assert played.state.canisters[A].low_memory_hook is HookStatus.READY


def test_with_the_cycles_for_it_the_hook_runs_and_what_waited_after_it():
    state = doing(A, go=returns(), on_low_wasm_memory=returns(), settings=UNPAID)
    call = a_call(A, B, origin=from_canister(0, callee=A))
    played = Played(world(state, (B, canister(B)), messages=(call,), call_contexts=contexts(a_context(B)))).round()
    rich = evolve(played.state.canisters[A], balance=RICH)
    played = evolve(played, state=evolve(played.state, canisters=played.state.canisters.set(A, rich))).round()
    assert begun(played)[:2] == [HOOK, MESSAGE]


def test_a_hook_that_is_tried_in_vain_takes_the_round_of_its_core():
    """Another canister on the core executes only in rounds in which it comes first."""
    poor = doing(A, on_low_wasm_memory=returns(), settings=UNPAID)
    busy = doing(B, go=returns())
    played = Played(with_figures(world(poor, busy), threads=1))
    for number in range(4):
        played = played.round(asking(B, number))
    assert [len(begun(played, number)) for number in range(4)] == [0, 2, 0, 2]


def test_beside_a_hook_that_is_due_no_task_is_queued_and_the_pointer_moves_on():
    played = Played(world(ticking(low_memory_hook=HookStatus.READY))).round()
    assert begun(played) == [HOOK]
    assert played.record(A).next_method is Method.HEARTBEAT
    played = Played(world(ticking(**UNPAID))).round()
    assert played.record(A).next_method is Method.GLOBAL_TIMER


# Inputs

OTHER_SUBNET = Subnet(Principal(b"another subnet"), 13)


def calls_taken(*callers, requests=0):
    """In which order A, which rejects everything, takes messages: 0, 1, ... of the callers, then those of users."""
    stopped = (A, canister(A, status=Stopped()))
    others = [(one, canister(one, subnet=OTHER_SUBNET if one == D else SUBNET)) for one in dict.fromkeys(callers)]
    known = {
        "messages": tuple(a_call(A, caller, origin=from_canister(number)) for number, caller in enumerate(callers)),
        "call_contexts": contexts(*(a_context(caller) for caller in callers)),
        "requests": Map.of(received(asking(A, number).request) for number in range(requests)),
    }
    labels = Played(world(stopped, *others, **known)).round().done[0].labels
    return [one.arguments()["message_id"] for one in labels if one.rule == "reject_call_to_stopped_canister"]


def taken_in_order(*callers, requests=0):
    """The makers of the calls in the order in which A takes them; a user is None."""
    return [callers[one] if one < len(callers) else None for one in calls_taken(*callers, requests=requests)]


D = Principal((3).to_bytes(8, "big") + b"\x01\x01")


@pytest.mark.checklist("unspec.order.different-senders", "unspec.order.ingress", "seed2.input-queue")
def test_sources_take_turns_and_empty_ones_are_passed_over():
    assert taken_in_order(B, B, B, D, requests=2) == [B, None, D, B, None, B]
    assert taken_in_order(B, B, requests=1) == [B, None, B]
    assert taken_in_order(D, D, requests=1) == [None, D, D]


@pytest.mark.checklist("inv.prop-03-fifo-per-pair")
def test_senders_of_a_source_take_turns():
    assert taken_in_order(C, B, C, B, C) == [B, C, B, C, C]


def test_calls_of_one_sender_stay_in_order():
    assert calls_taken(B, C, B, B) == [0, 1, 2, 3]


def test_the_next_source_is_remembered_from_round_to_round():
    """One execution fits into a round; sources go on where they were."""
    state = world(
        doing(A, go=returns(SLICE)),
        (B, canister(B)),
        messages=(a_call(A, B), a_call(A, B)),
        call_contexts=contexts(a_context(B)),
    )
    played = Played(state).round(asking(A, 0), asking(A, 1)).idle(3)
    takers = ["user" if "initiate_call" in played.rules(number) else "canister" for number in range(4)]
    assert takers == ["canister", "user", "canister", "user"]


@pytest.mark.checklist("prod.sched_scheduling.test_multiple_iterations_of_inner_loop")
def test_a_message_of_a_canister_to_itself_comes_in_the_next_iteration():
    state = world(
        doing(
            A,
            go=returns(new_calls=List.of(performed(A, "inner"))),
            callback=returns(response=Reply(b"x")),
            **{"update inner": returns(response=Reply(b""))},
        )
    )
    played = Played(state).round(asking(A))
    assert (played.status(asking(A).request), played.done[0].iterations) == (Replied(b"x"), 3)
