"""The inner loop: how much runs in a round, on how many cores, and when it ends."""

import pytest
from attrs import evolve

from spec.production.rounds.finalization import may_execute
from spec.production.rounds.iterations import is_rate_limited, start_limit
from spec.production.rounds.priority import PERCENT
from spec.production.rounds.progress import Progress
from spec.production.rounds.round_state import Record, RoundState
from spec.production.rounds.tests.playing import NOW, ROUND, SLICE, Played, asking, busy, doing, with_figures
from spec.rules.tests.worlds import PROFILE, A, B, C, performed, returns, world
from spec.state.request import Received, Replied
from spec.transition import Executed
from spec.values.containers import List, Map
from spec.values.identifiers import Principal
from spec.values.rejects import Reply

IDS = tuple(Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(6))
OVERHEAD = PROFILE.rounds.execution_overhead
PER_CANISTER = PROFILE.rounds.canister_overhead
FINAL = PROFILE.rounds.finalization_overhead


def executed(played):
    """How many executions each canister has had in the last round."""
    ran = [output.canister_id for output in played.done[-1].outputs if isinstance(output, Executed)]
    return [ran.count(canister_id) for canister_id, _ in played.state.canisters.items()]


def requests(canister_id, count):
    return [asking(canister_id, number) for number in range(count)]


def test_a_round_begins_with_what_leaves_room_for_one_slice():
    assert start_limit(Progress(world(), RoundState())) == ROUND - SLICE + 1 == 2_000_000_001


def test_executions_begin_as_long_as_instructions_are_left():
    """One fewer is left than the first one takes with its overhead: the second does not begin."""
    for instructions, count in ((ROUND - SLICE - OVERHEAD, 2), (ROUND - SLICE + 1 - OVERHEAD, 1)):
        played = busy(A, instructions=instructions).round(*requests(A, 2))
        assert executed(played) == [count]
        assert played.done[0].cores[0] == instructions * count <= ROUND


def test_every_execution_takes_its_overhead():
    state = with_figures(busy(A).state, round_instructions=SLICE + 10 * OVERHEAD)
    assert executed(Played(state).round(*requests(A, 15))) == [10]
    free = with_figures(state, execution_overhead=0)
    assert executed(Played(free).round(*requests(A, 15))) == [15]


def test_a_canister_that_executed_something_takes_an_overhead_of_its_own():
    room = SLICE + 2 * (OVERHEAD + PER_CANISTER) + 2_000
    state = with_figures(busy(*IDS[:4]).state, threads=1, round_instructions=room)
    assert executed(Played(state).round(*(asking(one) for one in IDS[:4]))) == [1, 1, 1, 0]
    nothing = with_figures(busy(*IDS[:4], instructions=0).state, threads=1, round_instructions=room)
    assert executed(Played(nothing).round(*(asking(one) for one in IDS[:4]))) == [1, 1, 1, 1]


def test_canisters_run_on_four_cores_at_once():
    played = busy(*IDS, instructions=5).round(*(asking(one) for one in IDS))
    assert played.done[0].cores == (10, 10, 5, 5)


def chain():
    """A asks B, which asks C."""
    asks_b = returns(10, new_calls=List.of(performed(B)))
    asks_c = returns(20, new_calls=List.of(performed(C)))
    back = returns(30, response=Reply(b"back"))
    return world(doing(A, go=asks_b, callback=back), doing(B, go=asks_c, callback=back), doing(C, go=back))


@pytest.mark.checklist("seed1.intra-subnet-delivery", "seed2.later-delivery")
def test_what_an_execution_sends_arrives_in_the_next_iteration_of_the_same_round():
    played = Played(chain()).round(asking(A))
    assert played.status(asking(A).request) == Replied(b"back")
    assert played.done[0].iterations == 5


def test_each_iteration_takes_an_overhead_for_every_canister():
    """Without room for a second iteration the callee has its turn in the next round."""
    room = SLICE + 10 + OVERHEAD + PER_CANISTER
    for more, iterations in ((0, 1), (3 * FINAL + 1, 2)):
        state = with_figures(chain(), round_instructions=room + more)
        assert Played(state).round(asking(A)).done[0].iterations == iterations
    slow = Played(with_figures(chain(), round_instructions=room)).round(asking(A)).idle(4)
    assert slow.status(asking(A).request) == Replied(b"back")
    assert [one.iterations for one in slow.done] == [1] * 5


def test_the_limit_falls_by_what_the_busiest_core_used():
    """B has done little in the first iteration, and still cannot go on in the second."""
    gives = returns(ROUND - SLICE)
    calls = returns(1, new_calls=List.of(performed(C)))
    state = world(doing(A, go=gives), doing(B, go=calls), doing(C, go=returns(1)))
    played = Played(state).round(asking(A), asking(B))
    assert executed(played) == [1, 1, 0]
    assert executed(played.round()) == [0, 1, 1]


@pytest.mark.checklist("seed1.round-ends-empty-or-limit")
def test_a_round_without_work_ends_at_once():
    played = busy(A).round()
    assert (played.done[0].iterations, played.done[0].cores) == (0, (0, 0, 0, 0))


def writing(pages):
    """A method that changes so many 4 KiB pages of the heap."""
    return returns(10, heap=b"x".ljust(4096, b"y") * pages)


def test_changed_memory_ends_the_work_of_a_core_and_the_round():
    state = with_figures(world(doing(A, go=writing(16))), heap_delta_in_iteration=10 * 4096)
    played = Played(state).round(*requests(A, 3))
    assert executed(played) == [1]
    assert played.rounds.heap_delta == 16 * 4096
    assert executed(played.round()) == [2], "what is written again is as before, and counts nothing"


@pytest.mark.checklist("prod.sched_rate_limiting.canister_gets_heap_delta_rate_limited")
def test_a_canister_that_changed_much_memory_pauses_until_its_debit_has_fallen():
    state = with_figures(world(doing(A, go=writing(16))), heap_delta_of_canister=6 * 4096)
    played = Played(state).round(asking(A), asking(A, 1))
    assert played.record(A).heap_delta_debit == 10 * 4096
    late = asking(A, 2)
    played = played.round(late)
    assert played.status(late.request) == Received()
    assert played.record(A).heap_delta_debit == 4 * 4096
    assert played.round().status(late.request) != Received()


def test_a_rate_limited_canister_loses_the_priority_of_a_round():
    record = Record(charged_until=NOW, install_debit=PROFILE.rounds.install_instructions_of_canister)
    state = busy(A, B).state
    rounds = RoundState(records=Map.of([(A, record)]))
    assert is_rate_limited(Progress(state, rounds), A)
    assert not is_rate_limited(Progress(state, rounds), B)
    played = Played(state, rounds).round()
    assert [played.record(one).priority for one in (A, B)] == [-50 * PERCENT, 50 * PERCENT]
    without = Played(state).round()
    assert [without.record(one).priority for one in (A, B)] == [0, 0]


def test_with_too_much_changed_memory_a_round_does_nothing_until_a_checkpoint():
    state = with_figures(world(doing(A, go=writing(16))), heap_delta_capacity=20 * 4096, checkpoint_interval=3)
    played = Played(state, RoundState(heap_delta=20 * 4096)).round(asking(A))
    assert played.rules() == ["submit_request"]
    played = played.idle(2)
    assert (played.rules(), played.rounds.number, played.rounds.heap_delta) == ([], 3, 0)
    assert executed(played.round()) == [1]


@pytest.mark.parametrize(("number", "kept_back"), [(0, 499), (1, 498), (498, 1), (499, 0)])
def test_the_room_for_changed_memory_grows_until_the_checkpoint(number, kept_back):
    rounds = PROFILE.rounds
    room = rounds.heap_delta_capacity - (rounds.heap_delta_capacity - rounds.heap_delta_reserve) * kept_back // 500
    progress = Progress(world(), RoundState(number=number + 1, heap_delta=room - 1))
    assert may_execute(progress)
    assert not may_execute(evolve(progress, rounds=evolve(progress.rounds, heap_delta=room)))


def test_fully_executed_are_the_first_of_each_core_the_idle_in_front_and_those_that_ran_out_of_messages():
    state = with_figures(busy(*IDS, instructions=ROUND - SLICE).state, threads=2)
    played = Played(state).round(*(asking(one, number) for one in IDS[1:] for number in range(2)))
    assert [played.record(one).fully_executed for one in IDS] == [1, 1, 1, 0, 0, 0]


def test_who_is_first_on_a_core_in_a_later_iteration_has_not_had_its_share_by_that():
    """B gets two calls in the second iteration, and there is room for one."""
    calls = returns(1, new_calls=List.of(performed(B), performed(B)))
    played = Played(world(doing(A, go=calls), doing(B, go=returns(ROUND - SLICE)))).round(asking(A))
    assert executed(played) == [1, 1]
    assert [played.record(one).fully_executed for one in (A, B)] == [1, 0]


@pytest.mark.checklist("prod.sched_scheduling.inner_loop_stops_when_no_instructions_consumed")
def test_a_round_ends_with_an_iteration_that_used_nothing():
    calls = returns(0, new_calls=List.of(performed(B)))
    state = world(doing(A, go=calls), doing(B, go=returns(0)))
    free = with_figures(state, execution_overhead=0)
    assert [Played(one).round(asking(A)).done[0].iterations for one in (state, free)] == [3, 1]
