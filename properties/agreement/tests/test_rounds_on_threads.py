"""Rounds of production do the same on several threads: what the specification says, label by label."""

import pytest

from properties.agreement.playing import play_world
from reference_impl.rounds import foresight
from reference_impl.rounds.foresight import Foresight
from reference_impl.rounds.production import ahead

WORLDS = (0, 1, 2)
"""Those of many messages, of slices, and of outcalls."""


@pytest.fixture(autouse=True)
def _everything_is_worth_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foresight, "WORTH_A_THREAD", 0)


@pytest.mark.checklist("seed1.parallel-execution", "seed1.deterministic-state")
@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize("seed", WORLDS)
def test_rounds_on_several_threads_take_the_labels_of_the_specification(seed: int, threads: int) -> None:
    world = play_world(seed, 25, threads)
    found = world.engine.instance.foresight
    assert isinstance(found, Foresight)
    print(f"world {seed}, {threads} threads: {found.used} taken over, {found.mistaken} mistaken")
    assert found.used > 20 and found.failed == 0


def test_however_few_go_ahead_together_the_labels_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "AT_A_TIME", 2)
    world = play_world(1, 25, 2)
    found = world.engine.instance.foresight
    assert isinstance(found, Foresight) and found.used > 10
