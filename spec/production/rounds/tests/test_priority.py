"""Priorities: who comes first, on which core, and what a round costs and gives."""

import pytest
from attrs import evolve

from spec.production.rounds.priority import (
    PERCENT,
    WHOLE,
    Order,
    assigned,
    bounded,
    cores_for_long,
    order,
    with_free_compute,
    with_new_priorities,
)
from spec.production.rounds.progress import Progress
from spec.production.rounds.round_state import Beginning, LongExecution, Record, RoundState
from spec.production.rounds.tests.playing import SLICE, Played, asking, busy, with_figures
from spec.rules.tests.worlds import NOW, canister, world
from spec.values.containers import Map
from spec.values.identifiers import Principal

IDS = tuple(Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(6))
SOME_LONG = LongExecution(Beginning("call_context_creation", 0), 3 * SLICE, SLICE)


def having(*priorities, allocations=(), long=(), number=9, **records):
    """A round in which canisters have these priorities, allocations in percent, and long executions."""
    ids = IDS[: len(priorities)]
    given = (*allocations, *(0 for _ in range(len(priorities) - len(allocations))))
    state = world(*((one, canister(one, compute_allocation=percent)) for one, percent in zip(ids, given, strict=True)))
    known = Map.of(
        (one, evolve(Record(charged_until=NOW, priority=priority), **records.get(f"of_{index}", {})))
        for index, (one, priority) in enumerate(zip(ids, priorities, strict=True))
    )
    executions = Map.of((ids[index], SOME_LONG) for index in long)
    return Progress(state, RoundState(number=number, records=known, long_executions=executions))


def priorities(progress):
    """The priorities, in percent."""
    return [progress.record(one).priority / PERCENT for one in progress.canisters()]


def test_larger_priority_and_allocation_together_come_first_then_smaller_ids():
    assert order(having(5, 7, 5, 0)).others == (IDS[1], IDS[0], IDS[2], IDS[3])
    assert order(having(0, 2 * PERCENT, 0, allocations=(1, 0, 3))).others == (IDS[2], IDS[1], IDS[0])


def test_long_executions_come_before_all_others_and_those_with_more_rounds_first():
    given = having(9, 0, 0, 0, long=(1, 2, 3), of_2={"executed_rounds": 2}, of_3={"priority": 4})
    assert order(given) == Order((IDS[2], IDS[3], IDS[1]), (IDS[0],), 3)


def test_of_equal_long_executions_the_older_one_comes_first_and_no_round_counts_as_one():
    given = having(0, 0, 0, long=(0, 1, 2), of_0={"long_since": 8, "executed_rounds": 1}, of_1={"long_since": 7})
    assert order(given).long == (IDS[1], IDS[0], IDS[2])


@pytest.mark.parametrize(
    ("canisters", "long", "allocations", "cores"),
    [
        (3, 0, (), 0),
        (3, 3, (), 3),
        (6, 6, (), 4),
        (6, 1, (), 1),
        (6, 2, (), 1),
        (6, 3, (), 2),
        (6, 5, (), 3),
        (6, 3, (100, 50, 50), 3),
        (6, 2, (0, 0, 100, 100, 100), 1),
    ],
)
def test_so_many_cores_go_to_long_executions(canisters, long, allocations, cores):
    given = having(*(0,) * canisters, allocations=allocations, long=tuple(range(long)))
    assert cores_for_long(given, list(IDS[:long]), canisters) == cores


def test_canisters_are_dealt_to_cores_in_turn_and_long_ones_have_cores_of_their_own():
    given = having(*(0,) * 6)
    assert assigned(given, Order((), IDS, 0)) == ((IDS[0], IDS[4]), (IDS[1], IDS[5]), (IDS[2],), (IDS[3],))
    assert assigned(given, Order(IDS[:2], IDS[2:], 1)) == (IDS[:2], (IDS[2], IDS[5]), (IDS[3],), (IDS[4],))
    assert assigned(given, Order(IDS[:5], IDS[5:], 4)) == ((IDS[0], IDS[4]), (IDS[1],), (IDS[2],), (IDS[3], IDS[5]))


def test_a_full_round_costs_a_whole_core_and_everybody_gets_an_equal_share_of_what_is_free():
    given = evolve(having(0, 0, 0, 0), fully_executed=frozenset(IDS[:2]))
    assert priorities(with_new_priorities(given)) == [-50, -50, 50, 50]


def test_an_allocation_is_a_gain_that_the_others_do_not_get():
    def after(*allocations):
        given = evolve(having(0, 0, allocations=allocations), fully_executed=frozenset(IDS[:1]))
        return priorities(with_new_priorities(given))

    assert (after(), after(50)) == ([-50, 50], [-25, 25])


def test_a_long_execution_pays_for_its_first_round_at_once_and_for_the_others_at_its_end():
    first = with_new_priorities(evolve(having(0, 0, long=(0,)), fully_executed=frozenset(IDS[:1])))
    assert (first.record(IDS[0]).executed_rounds, first.record(IDS[0]).long_since) == (1, 9)
    assert priorities(first) == [-50, 50]
    second = with_new_priorities(evolve(first, rounds=evolve(first.rounds, number=10)))
    assert (second.record(IDS[0]).executed_rounds, priorities(second)) == (2, [-50, 50])
    ended = with_new_priorities(second.with_long_execution(IDS[0], None))
    assert (ended.record(IDS[0]).executed_rounds, ended.record(IDS[0]).long_since) == (0, None)
    assert priorities(ended) == [-150, 150]


def test_shares_are_cut_at_a_whole_core():
    assert priorities(with_free_compute(having(-90 * PERCENT, 0, 0))) == [-60, 30, 30]
    assert priorities(with_free_compute(having(-90 * PERCENT, 0, 0, allocations=(100,)))) == [-90, 45, 45]
    assert priorities(with_free_compute(having(-150 * PERCENT, 0, allocations=(100, 100)))) == [-75, 75]


def test_points_that_cannot_be_shared_equally_go_to_the_last():
    after = with_free_compute(having(-5, 0, 0))
    assert [after.record(one).priority for one in IDS[:3]] == [-4, 2, 2]


def test_nothing_is_given_away_if_nothing_is_free():
    assert priorities(with_free_compute(having(30 * PERCENT, -10 * PERCENT))) == [30, -10]


@pytest.mark.parametrize(
    ("before", "after"),
    [(500, 500), (600, 580), (-2_000, -2_000), (-2_100, -2_080), (0, 0)],
)
def test_a_priority_far_from_zero_shrinks(before, after):
    assert bounded(having(0), before * PERCENT) == after * PERCENT


def test_debits_fall_by_what_a_round_allows():
    limit = having(0).state.profile.rounds
    debits = {"heap_delta_debit": 5 + limit.heap_delta_of_canister, "install_debit": 7}
    record = with_new_priorities(having(0, of_0=debits)).record(IDS[0])
    assert (record.heap_delta_debit, record.install_debit) == (5, 0)


def test_all_priorities_are_reset_once_in_a_long_while():
    state = with_figures(busy(*IDS[:2]).state, priority_reset=3)
    played = Played(state).round(asking(IDS[0])).idle(1)
    assert played.record(IDS[1]).priority > 0
    assert played.round().record(IDS[1]).priority == 0


@pytest.mark.checklist("prod.sched_scheduling.charge_canisters_for_full_execution")
def test_waiting_raises_the_priority_until_it_is_a_canisters_turn():
    """With one core, and more work than it can do, two canisters take turns."""
    played = Played(with_figures(busy(*IDS[:2], instructions=SLICE).state, threads=1))
    turns = []
    for number in range(6):
        played = played.round(*(asking(one, number) for one in IDS[:2]))
        turns.append([one for one in IDS[:2] if played.record(one).fully_executed == number + 1])
    assert turns == [[IDS[0]], [IDS[1]]] * 3


def test_whole_is_a_hundred_percent():
    assert WHOLE == 100 * PERCENT == 10**8
