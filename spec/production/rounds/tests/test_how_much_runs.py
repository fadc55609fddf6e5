"""How much runs in a round, with small figures, and how soon everything has run."""

import pytest

from spec.production.rounds.iterations import start_limit
from spec.production.rounds.progress import Progress
from spec.production.rounds.round_state import RoundState
from spec.production.rounds.tests.playing import Played, asking, busy, doing, with_figures
from spec.rules.tests.worlds import (
    A,
    B,
    a_call,
    a_context,
    canister,
    contexts,
    from_canister,
    performed,
    returns,
    world,
)
from spec.state.request import Received, Rejected, Replied
from spec.transition import Executed
from spec.values.containers import List
from spec.values.identifiers import Principal
from spec.values.rejects import RejectReason, Reply

NO_OVERHEADS = {"execution_overhead": 0, "canister_overhead": 0, "finalization_overhead": 0}


def ids(count):
    return [Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(count)]


def small(state, **figures):
    """A world whose overheads are 0 but for those given; installations have slices as other executions do."""
    slices = {"install_slice_instructions": figures.get("slice_instructions", 1)}
    return with_figures(state, **{**NO_OVERHEADS, **slices, **figures})


def executed(played, number=-1):
    """How many executions each canister has had in a round."""
    ran = [output.canister_id for output in played.done[number].outputs if isinstance(output, Executed)]
    return [ran.count(canister_id) for canister_id, _ in played.state.canisters.items()]


def requests(canister_ids, count):
    return [asking(one, number) for number in range(count) for one in canister_ids]


# One round.


@pytest.mark.checklist("prod.sched_limits.round_instructions_limit_depends_on_slice_instructions")
@pytest.mark.parametrize(
    ("slice_instructions", "install_slice_instructions", "count"), [(100, 100, 10), (500, 100, 6), (100, 500, 6)]
)
def test_a_round_keeps_room_for_the_longer_kind_of_slice(slice_instructions, install_slice_instructions, count):
    figures = {"slice_instructions": slice_instructions, "install_slice_instructions": install_slice_instructions}
    state = small(busy(A, instructions=100).state, round_instructions=1_000, **figures)
    assert start_limit(Progress(state, RoundState())) == 1_000 - max(figures.values()) + 1
    assert executed(Played(state).round(*requests([A], 15))) == [count]


@pytest.mark.checklist(
    "prod.sched_limits.inner_loop_stops_when_max_instructions_per_round_consumed",
    "seed1.round-effort-limit",
    "seed1.round-ends-empty-or-limit",
)
def test_two_of_three_messages_that_take_half_a_round_each_run_in_it():
    state = small(busy(A, instructions=50).state, round_instructions=100, slice_instructions=50)
    assert executed(Played(state).round(*requests([A], 3))) == [2]


@pytest.mark.checklist("prod.sched_limits.test_message_limit_from_message_overhead")
def test_the_overhead_limits_how_many_messages_run_that_use_nothing():
    """With 7 and 5 units in place of milliards, and an overhead of 2 in place of 2 millions."""
    figures = {"round_instructions": 70, "slice_instructions": 50, "execution_overhead": 2}
    state = small(busy(A, instructions=0).state, **figures)
    assert executed(Played(state).round(*requests([A], 20))) == [(70 - 50) // 2 + 1]


@pytest.mark.checklist("prod.sched_limits.dont_execute_any_canisters_if_not_enough_instructions_in_round")
def test_in_a_round_that_has_no_room_for_a_slice_nothing_runs():
    state = small(busy(A, B, instructions=1).state, round_instructions=49, slice_instructions=50)
    asked = requests([A, B], 2)
    played = Played(state).round(*asked)
    assert executed(played) == [0, 0]
    assert [played.status(one.request) for one in asked] == [Received()] * 4


@pytest.mark.checklist("prod.sched_limits.can_fully_execute_canisters_deterministically_until_out_of_instructions")
def test_the_first_canister_of_each_core_runs_all_its_messages_and_the_others_none():
    figures = {"round_instructions": 51, "slice_instructions": 5, "threads": 2}
    state = small(busy(*ids(5), instructions=5).state, **figures)
    assert executed(Played(state).round(*requests(ids(5), 10))) == [10, 10, 0, 0, 0]


@pytest.mark.checklist("prod.sched_limits.can_execute_messages_from_multiple_canisters_until_out_of_instructions")
def test_each_core_runs_as_many_messages_as_it_has_instructions_for():
    figures = {"round_instructions": 18, "slice_instructions": 5, "threads": 2}
    state = small(busy(A, B, instructions=5).state, **figures)
    assert executed(Played(state).round(*requests([A, B], 10))) == [3, 3]


@pytest.mark.checklist("prod.sched_limits.max_canisters_per_round")
def test_the_overhead_of_canisters_limits_how_many_run_on_a_core():
    figures = {"round_instructions": 100, "slice_instructions": 10, "threads": 2, "canister_overhead": 10}
    state = small(busy(*ids(14), instructions=10).state, **figures)
    assert sum(executed(Played(state).round(*requests(ids(14), 1)))) == 10


@pytest.mark.checklist("prod.sched_limits.max_canisters_per_round")
def test_canisters_without_cycles_cost_no_overhead():
    """Calls to two hundred of them, whose turn comes first, are rejected in the round in which ten others execute."""
    poor, rich = ids(214)[:200], ids(214)[200:]
    calls = tuple(
        a_call(one, rich[0], origin=from_canister(0, callee=one, maker=rich[0]), transferred_cycles=0) for one in poor
    )
    canisters = [doing(one, go=returns(10), callback=returns(10)) for one in rich]
    canisters += [(one, canister(one, balance=0, reserved_balance=0)) for one in poor]
    state = world(*canisters, messages=calls, call_contexts=contexts(a_context(rich[0])))
    figures = {"round_instructions": 100, "slice_instructions": 10, "threads": 2, "canister_overhead": 10}
    played = Played(small(state, **figures)).round(*requests(rich[1:], 1))
    assert sum(executed(played)) == 10
    assert played.rules().count("reject_call_to_frozen_canister") == 200


@pytest.mark.checklist("prod.sched_scheduling.execution_round_does_not_end_too_early")
def test_the_limit_of_a_round_is_that_of_each_core():
    figures = {"round_instructions": 150, "slice_instructions": 100, "threads": 2}
    state = small(busy(A, B, instructions=100).state, **figures)
    assert executed(Played(state).round(*requests([A, B], 1))) == [1, 1]


@pytest.mark.checklist("prod.sched_scheduling.can_fully_execute_multiple_canisters_with_multiple_messages_each")
def test_three_canisters_with_five_small_messages_each_run_them_all_in_a_round():
    assert executed(busy(*ids(3)).round(*requests(ids(3), 5))) == [5, 5, 5]


@pytest.mark.checklist("prod.sched_rate_limiting.canister_can_run_for_multiple_iterations")
def test_a_canister_that_calls_itself_goes_on_until_the_round_has_no_instructions_left():
    again = returns(50, new_calls=List.of(performed(A)))
    state = small(world(doing(A, go=again)), round_instructions=300, slice_instructions=50)
    played = Played(state).round(asking(A))
    assert executed(played) == [6]
    assert played.done[0].iterations == 6


@pytest.mark.checklist("prod.sched_routing.basic_induct_messages_on_same_subnet_works", "seed1.intra-subnet-delivery")
def test_calls_to_a_canister_of_the_same_subnet_are_answered_in_the_same_round():
    asked = [performed(B, "inner", number=0), performed(B, "inner", number=1)]
    state = world(
        doing(A, go=returns(new_calls=List(tuple(asked))), callback=returns()),
        doing(B, **{"update inner": returns(response=Reply(b""))}),
    )
    assert executed(Played(state).round(*requests([A], 3))) == [9, 6]


@pytest.mark.checklist("prod.sched_routing.induct_messages_to_self_works")
def test_calls_of_a_canister_to_itself_are_answered_in_the_same_round():
    asked = [performed(A, "inner", number=0), performed(A, "inner", number=1)]
    inner = {"update inner": returns(response=Reply(b""))}
    state = world(doing(A, go=returns(new_calls=List(tuple(asked))), callback=returns(), **inner))
    assert executed(Played(state).round(*requests([A], 3))) == [15]


# Several rounds.


@pytest.mark.checklist("prod.sched_dts.dts_long_execution_completes")
def test_ten_slices_take_ten_rounds():
    figures = {"round_instructions": 100, "slice_instructions": 100}
    played = Played(small(busy(A, instructions=1_000).state, **figures)).round(asking(A)).idle(8)
    assert played.rounds.long_executions[A].is_paused
    assert not isinstance(played.status(asking(A).request), Rejected)
    status = played.round().status(asking(A).request)
    assert isinstance(status, Rejected) and status.reject.reason is RejectReason.CANISTER_DID_NOT_RESPOND


@pytest.mark.checklist(
    "prod.sched_scheduling.scheduler_can_deplete_induction_pool_given_enough_execution_rounds",
    "seed1.round-effort-limit",
    "seed1.round-ends-empty-or-limit",
)
@pytest.mark.parametrize(("messages", "in_round"), [(1, 1), (7, 2), (9, 4)])
def test_all_messages_have_run_after_enough_rounds(messages, in_round):
    figures = {"round_instructions": 10 * in_round, "slice_instructions": 10, "threads": 1}
    state = small(busy(A, instructions=10).state, **figures)
    asked = requests([A], messages)
    played = Played(state).round(*asked).idle(messages // in_round)
    assert all(isinstance(played.status(one.request), Rejected) for one in asked)


@pytest.mark.checklist("prod.sched_scheduling.scheduler_does_not_lose_canisters")
def test_there_are_as_many_canisters_after_a_round_as_before():
    played = busy(*ids(7)).round(*requests(ids(7), 2))
    assert played.state.canisters.keys() == ids(7)


@pytest.mark.checklist("prod.call_or_task.dts_replicated_execution_does_not_expire_while_executing")
@pytest.mark.parametrize("is_aborted", [False, True])
def test_a_request_whose_execution_has_begun_does_not_expire(is_aborted):
    state = small(
        world(doing(A, go=returns(300, response=Reply(b"done")))), round_instructions=100, slice_instructions=100
    )
    played = Played(state).round(asking(A))
    if is_aborted:
        played = Played(with_figures(played.state, checkpoint_interval=2), played.rounds).round()
        assert played.rounds.long_executions[A].is_aborted
        played = Played(with_figures(played.state, checkpoint_interval=100), played.rounds)
    played = played.round(seconds=3_600).idle(3)
    assert played.status(asking(A).request) == Replied(b"done")


@pytest.mark.checklist("prod.canister_logging.test_logging_debug_print_over_dts")
def test_what_a_long_execution_prints_is_there_at_its_end_with_the_time_of_its_beginning():
    prints = returns(400, logs=(b"one", b"two", b"three", b"four"), response=Reply(b""))
    played = Played(small(world(doing(A, go=prints)), round_instructions=100, slice_instructions=100))
    began = played.state.system_time + 10**9
    played = played.round(asking(A)).idle(2)
    assert played.state.canisters[A].logs == List()
    records = played.round().state.canisters[A].logs
    assert [(one.content, one.timestamp) for one in records] == [
        (text, began) for text in (b"one", b"two", b"three", b"four")
    ]
