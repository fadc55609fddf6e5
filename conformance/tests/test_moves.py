"""Which executions the judge of a black box considers."""

import pytest
from attrs import evolve

import spec.rules.modules
from conformance.judging.moves import Bindings, execution_moves, forced_move, work
from spec.rules.tests.executing import running
from spec.rules.tests.worlds import FAKES, B, performed, returns
from spec.state.origin import Deadline
from spec.values.containers import List

LATE = 1_000 * 10**9 + 5
"""Five nanoseconds after a full second."""


@pytest.fixture(autouse=True)
def fake_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code is a Python object."""
    monkeypatch.setattr(spec.rules.modules, "module_by_engine", lambda raw_module, _profile: FAKES[raw_module])


def with_slots(most, calls):
    """A state in which so many calls are about to be made, if they are not refused, and so many may be open."""
    state = running({"update go": returns()}, time=LATE)
    state = evolve(state, profile=evolve(state.profile, limits=evolve(state.profile.limits, open_calls=most)))
    (fake,) = FAKES.values()

    def made(before):
        refused = fake.seen[-1][1]["environment"].refused_calls
        numbers = [number for number in range(calls) if number not in refused]
        return returns(new_calls=List(tuple(performed(B, "go", number=number) for number in numbers)))(before)

    fake.gives["update go"] = made
    return state


@pytest.fixture(autouse=True)
def no_fakes_before():
    FAKES.clear()
    yield
    FAKES.clear()


def test_an_execution_whose_choices_show_nothing_is_forced():
    state = running({"update go": returns(new_calls=List.of(performed(B, "go")))}, time=LATE)
    assert len(list(execution_moves(state))) == 1
    assert forced_move(state) is not None


def test_deadlines_in_seconds_and_in_nanoseconds_are_considered():
    state = running({"update go": returns(new_calls=List.of(performed(B, "go", timeout=5)))}, time=LATE)
    assert forced_move(state) is None
    deadlines = [fired.state.messages[1].origin.deadline for _, fired in work(state, Bindings())]
    assert deadlines == [Deadline(1_005 * 10**9), Deadline(LATE + 5 * 10**9)]


@pytest.mark.parametrize(("most", "numbers_of_calls"), [(2, [2, 4]), (3, [3, 4]), (4, [4])])
def test_calls_beyond_those_that_production_takes_are_considered_refused_and_taken(most, numbers_of_calls):
    moves = list(execution_moves(with_slots(most, 4)))
    assert [len(fired.state.messages.ids()) for _, fired in moves] == numbers_of_calls
