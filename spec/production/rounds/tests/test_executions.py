"""Executions in slices: how long they take, what waits for them, and how they end."""

import pytest
from attrs import evolve

from spec.canister.outcome import TrapReason
from spec.production.rounds.tests.playing import SECOND, SLICE, Played, asking, busy, doing, with_figures
from spec.rules.tests.worlds import A, B, returns, traps, world
from spec.state.request import Processing, Received, Rejected, Replied
from spec.transition import Executed
from spec.values.containers import Map
from spec.values.identifiers import Principal
from spec.values.rejects import RejectReason, Reply

LONG = 2 * SLICE + 5
"""It takes three slices."""


def a_long_one(instructions=LONG, **settings):
    """A canister whose method replies after so many instructions."""
    return Played(world(doing(A, go=returns(instructions, response=Reply(b"done")), settings=settings)))


def test_an_execution_of_a_slice_is_done_in_its_round():
    played = a_long_one(SLICE).round(asking(A))
    assert played.status(asking(A).request) == Replied(b"done")
    assert played.done[0].cores == (SLICE, 0, 0, 0)


@pytest.mark.checklist("prod.hypervisor.dts_pause_resume_works_in_update_call")
def test_a_longer_one_takes_a_round_for_each_slice_and_its_label_comes_with_the_last():
    first = a_long_one().round(asking(A))
    assert first.rules() == ["submit_request", "initiate_call"]
    assert first.status(asking(A).request) == Processing()
    second = first.round()
    assert second.rules() == []
    third = second.round()
    assert third.rules()[:2] == ["call_context_creation", "message_execution"]
    assert [one.cores[0] for one in third.done] == [SLICE, SLICE, 5]
    assert [one.slices for one in third.done] == [((A, SLICE),), ((A, SLICE),), ()]
    assert third.status(asking(A).request) == Replied(b"done")


def test_the_slices_add_up_to_what_the_execution_is_charged_for():
    played = a_long_one().round(asking(A)).idle(2)
    shown = [output for output in played.done[2].outputs if isinstance(output, Executed)]
    assert [one.instructions for one in shown] == [sum(one.cores[0] for one in played.done)] == [LONG]


@pytest.mark.checklist("seed1.parallel-execution", "seed2.concurrent-canisters", "seed2.single-threaded")
def test_other_messages_of_the_canister_wait_and_other_canisters_do_not():
    state = world(doing(A, go=returns(LONG), **{"update quick": returns(7)}), doing(B, go=returns(9)))
    played = Played(state).round(asking(A))
    quick = asking(A, 1, "quick")
    played = played.round(quick, asking(B))
    assert played.status(quick.request) == Received()
    assert played.done[1].cores == (SLICE, 9, 0, 0)
    played = played.idle(2)
    assert isinstance(played.status(quick.request), Rejected)


def test_the_clock_of_the_canister_stands_still_while_its_execution_is_paused():
    played = a_long_one()
    began = played.state.system_time + SECOND
    played = played.round(asking(A)).round()
    assert played.state.canisters[A].time == began
    assert played.state.system_time == began + SECOND
    assert played.idle(2).state.canisters[A].time == began + 3 * SECOND


@pytest.mark.checklist("prod.sched_charging.dont_charge_allocations_for_long_running_canisters")
def test_a_paused_canister_pays_for_storage_when_its_execution_has_ended():
    played = a_long_one().round(asking(A))
    before = played.state.canisters[A].balance
    played = played.round(seconds=1_000)
    assert played.state.canisters[A].balance == before
    played = played.round()
    assert "payment_from_main_balance" in played.rules()


def test_a_trap_after_several_slices_is_shown_with_the_last_one():
    played = Played(world(doing(A, go=traps(LONG)))).round(asking(A)).round()
    assert played.status(asking(A).request) == Processing()
    assert isinstance(played.round().status(asking(A).request), Rejected)


def test_a_task_can_be_long_and_its_timer_is_switched_off_at_the_end():
    ticking = doing(A, global_timer=returns(LONG), settings={"global_timer": 1})
    played = Played(world(ticking)).idle(2)
    assert played.state.canisters[A].global_timer == 1
    assert "global_timer_context_creation" in played.round().rules()
    assert played.round().state.canisters[A].global_timer == 0


@pytest.mark.checklist("prod.sched_dts.filter_after_long_executions")
def test_a_canister_that_ended_a_long_execution_rests_until_the_next_round():
    played = Played(world(doing(A, go=returns(SLICE + 1), **{"update quick": returns(7)}))).round(asking(A))
    played = played.round(asking(A, 1, "quick"))
    assert played.done[1].cores[0] == 1
    assert played.round().done[2].cores[0] == 7


def test_a_checkpoint_aborts_paused_executions_and_they_begin_anew():
    state = with_figures(a_long_one().state, checkpoint_interval=2)
    played = Played(state).round(asking(A))
    assert played.rounds.long_executions[A].executed == SLICE
    played = played.round()
    assert played.rounds.long_executions[A].is_aborted
    assert played.record(A).executed_rounds == 0
    state = with_figures(played.state, checkpoint_interval=100)
    played = Played(state, played.rounds).round()
    assert played.rounds.long_executions[A].is_paused
    played = played.idle(2)
    assert played.status(asking(A).request) == Replied(b"done")
    assert [one.cores[0] for one in played.done] == [SLICE, SLICE, 5]


def test_few_paused_executions_are_kept_and_the_others_are_aborted():
    ids = [Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(6)]
    played = busy(*ids, instructions=5 * SLICE)
    played = Played(with_figures(played.state, threads=8, paused_executions=2)).round(*(asking(one) for one in ids))
    assert [long.is_paused for _, long in played.rounds.long_executions.items()] == [True, True] + [False] * 4


def test_an_execution_whose_cycles_are_gone_is_rejected_instead():
    played = a_long_one().round(asking(A))
    poor = evolve(played.state.canisters[A], balance=10**9)
    state = evolve(played.state, canisters=Map.of([(A, poor)]))
    after = Played(state, played.rounds).idle(2)
    assert isinstance(after.status(asking(A).request), Rejected)
    assert len(after.rounds.long_executions) == 0


def test_a_round_with_room_for_more_runs_several_slices_one_after_another():
    state = with_figures(a_long_one().state, round_instructions=10 * SLICE)
    played = Played(state).round(asking(A))
    assert played.done[0].cores[0] == LONG
    assert played.status(asking(A).request) == Replied(b"done")


def test_who_ends_a_long_execution_had_its_share_though_it_was_not_the_first_on_its_core():
    """Two long executions share a core in the second round; the other canisters are idle in front of those others."""
    ids = [Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(6)]
    played = busy(*ids, instructions=SLICE + 5).round(asking(ids[2]), asking(ids[3])).round()
    assert played.done[1].cores == (10, 0, 0, 0)
    assert [played.record(one).fully_executed for one in ids] == [2, 2, 2, 2, 2, 2]


@pytest.mark.checklist("prod.sched_dts.dts_long_execution_runs_out_of_instructions")
def test_an_execution_that_reaches_its_limit_of_ten_slices_fails_in_the_tenth_round():
    reaching = traps(10 * SLICE, TrapReason.OUT_OF_INSTRUCTIONS)
    played = Played(world(doing(A, go=reaching))).round(asking(A)).idle(8)
    assert played.status(asking(A).request) == Processing()
    rejected = played.round().status(asking(A).request)
    assert isinstance(rejected, Rejected)
    assert rejected.reject.reason is RejectReason.INSTRUCTION_LIMIT_EXCEEDED
