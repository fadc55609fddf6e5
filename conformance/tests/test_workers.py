"""Which scenario a worker is handed next."""

from attrs import evolve

from conformance.running.workers import Waiting
from conformance.suite.loading import all_scenarios
from conformance.suite.scenario import Scenario

ONE = all_scenarios()[0]


def of_group(group: str, count: int) -> list[Scenario]:
    """Scenarios that differ in their names alone."""
    return [evolve(ONE, id=f"{group}/{number}") for number in range(count)]


FIRST, SECOND = of_group("first", 3), of_group("second", 1)


def test_a_worker_stays_with_the_group_of_its_last_scenario() -> None:
    waiting = Waiting([*SECOND, *FIRST])
    assert waiting.take(FIRST[0], []) == FIRST[0]


def test_a_worker_begins_a_group_that_nobody_is_at() -> None:
    waiting = Waiting([*FIRST, *SECOND])
    assert waiting.take(None, [FIRST[0]]) == SECOND[0]


def test_a_worker_helps_with_a_group_when_no_other_is_left() -> None:
    waiting = Waiting(FIRST)
    assert waiting.take(SECOND[0], [FIRST[0]]) == FIRST[0]


def test_every_scenario_is_handed_out_once() -> None:
    waiting, last = Waiting([*FIRST, *SECOND]), None
    taken = []
    while (last := waiting.take(last, [])) is not None:
        taken.append(last)
    assert taken == [*FIRST, *SECOND]
