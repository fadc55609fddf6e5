"""Both engines decide alike what a round does, while every capacity of a subnet is reached."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from properties.agreement.lockstep import Disagreement
from properties.agreement.playing import play
from reference_impl.rounds.production import conductor, ending, mailing, management, priorities, usage
from reference_impl.rounds.production.turns import Source
from reference_impl.subnet.queues import MessageQueues
from spec.state.message import ResponseMessage
from spec.values.quantities import Count
from spec.values.rejects import Reject

QUICK = (0, 1, 2, 5, 21, 22)
"""Worlds in which every capacity is reached within 50 rounds each."""
FIRST = range(2)
"""The worlds in which planted mistakes are found."""
MANY = range(40)
"""With 50 rounds each, two thousand rounds."""


def test_they_agree_on_rounds_in_which_every_capacity_is_reached() -> None:
    tally = play(QUICK)
    print(tally.table())
    assert tally.unreached == []
    assert tally.rounds == 300


Plant = Callable[[pytest.MonkeyPatch], None]


def a_source_keeps_its_turn(patch: pytest.MonkeyPatch) -> None:
    """Ingress is not passed to other sources."""
    patch.setattr("reference_impl.rounds.production.turns._after", lambda source: Source(source - source % 2))


def cores_do_not_share_memory(patch: pytest.MonkeyPatch) -> None:
    """Each core may take all memory for messages."""
    spare = usage.spare_message_memory
    patch.setattr(usage, "spare_message_memory", lambda one: spare(one) * one.instance.profile.rounds.threads)


def rounds_are_free(patch: pytest.MonkeyPatch) -> None:
    """No canister pays with priority for the rounds that it had."""
    patch.setattr(priorities, "_pay_for_rounds", lambda *_: None)


def calls_never_stay(patch: pytest.MonkeyPatch) -> None:
    """Callees need no room for responses."""
    patch.setattr(mailing, "_has_to_stay", lambda *_: False)


def nothing_is_aborted(patch: pytest.MonkeyPatch) -> None:
    """Paused executions survive a checkpoint, and any number of others."""
    patch.setattr(ending, "_abort", lambda *_: None)


def installations_come_at_any_rate(patch: pytest.MonkeyPatch) -> None:
    """The debit of an installation is forgotten at once."""
    keep = management._keep_installation

    def keeps(one: conductor.Conductor, before: Any, about: Any, used: Count) -> None:
        keep(one, before, about, used)
        one.book(about).installed = 0

    patch.setattr(management, "_keep_installation", keeps)


@pytest.mark.parametrize(
    "plant",
    [
        a_source_keeps_its_turn,
        cores_do_not_share_memory,
        rounds_are_free,
        calls_never_stay,
        nothing_is_aborted,
        installations_come_at_any_rate,
    ],
)
def test_a_planted_mistake_in_the_rounds_of_the_reference_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(Disagreement, match="round"):
        play(FIRST, rounds=30)


def test_the_first_label_that_differs_is_told_in_a_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that gets no response has its cycles refunded, but for one."""

    def append(queues: MessageQueues, message: Any) -> Any:
        if isinstance(message, ResponseMessage) and isinstance(message.response, Reject) and message.refunded_cycles:
            message = evolve(message, refunded_cycles=message.refunded_cycles - 1)
        return appended(queues, message)

    appended = MessageQueues.append
    monkeypatch.setattr(MessageQueues, "append", append)
    with pytest.raises(Disagreement) as found:
        play(range(7), rounds=25)
    world, first, what = str(found.value).splitlines()
    assert world.startswith("world ")
    assert re.match(r"the first label of \d+ that differs is number \d+: \w+ \{", first), first
    assert "refunded_cycles" in what
    assert max(len(world), len(first), len(what)) < 700


@pytest.mark.deep
def test_they_agree_on_two_thousand_rounds() -> None:
    tally = play(MANY)
    print(tally.table())
    assert tally.rounds == 2_000
    assert {capacity.name: count for capacity, count in tally.reached.items() if count < 3} == {}
    assert tally.unreached == []
