"""Both engines take the same labels in the scenarios of the conformance suite, and agree after each of them."""

import os

import pytest

from conformance.suite.loading import all_scenarios
from properties.agreement import lockstep, scenarios
from properties.agreement.scenarios import WAYS, ByRounds, all_played, played

ALL = all_scenarios()
DRAWN = ALL[7::97]
"""Scenarios of many groups."""
LABELS = 60_000
"""So many labels are taken at least in all scenarios, both ways together."""
UNFINISHED = {
    "shortest": set(),
    "rounds": {"expiry/low_memory_unpaid", "expiry/reserved_first", "reserved_cycles/more"},
}
"""By way, the scenarios whose scripts do not go on from what comes of it: a round leaves too few cycles, or no rest."""


@pytest.mark.parametrize("way", sorted(WAYS))
def test_the_engines_agree_after_each_label_of_some_scenarios(way):
    found = [played(way, one) for one in DRAWN]
    assert [one for one in found if one.disagreement is not None or one.unfinished is not None] == []
    assert sum(one.labels for one in found) > 20 * len(DRAWN)


@pytest.mark.deep
def test_the_engines_agree_after_each_label_of_all_scenarios():
    ids, labels = [one.id for one in ALL], 0
    for way in sorted(WAYS):
        found = list(all_played(way, ids, os.cpu_count() or 1))
        assert [one for one in found if one.disagreement is not None] == []
        assert {one.scenario for one in found if one.unfinished is not None} == UNFINISHED[way]
        assert len(found) == len(ids)
        labels += sum(one.labels for one in found)
    assert labels >= LABELS


def chosen(scenario_id):
    return next(one for one in ALL if one.id == scenario_id)


def test_by_rounds_there_are_rounds(monkeypatch):
    rounds = []
    monkeypatch.setattr(ByRounds, "advance", _noting(ByRounds.advance, rounds))
    assert played("rounds", chosen("calls/chain_of_calls")).disagreement is None
    assert any(one.labels for one in rounds)


def _noting(advance, rounds):
    def advance_and_note(self, *arguments):
        before = len(self.history)
        advanced = advance(self, *arguments)
        rounds.extend(one for one in self.history[before:] if one is not None)
        return advanced

    return advance_and_note


@pytest.mark.parametrize("way", sorted(WAYS))
def test_an_engine_that_does_something_else_is_found_out(way, monkeypatch):
    original = lockstep.Engine.take

    def takes_less(self, label):
        taken = original(self, label)
        if label.rule == "call_context_creation":
            next(iter(self.instance.canisters.values())).balance -= 1
        return taken

    monkeypatch.setattr(lockstep.Engine, "take", takes_less)
    found = played(way, chosen("calls/chain_of_calls"))
    assert "balance" in found.disagreement
    assert 0 < found.labels < 200


def test_a_scenario_that_is_not_gone_through_is_told(monkeypatch):
    monkeypatch.setattr(scenarios.ShortestWay, "capabilities", frozenset())
    needy = next(one for one in ALL if one.needs.capabilities)
    found = played("shortest", needy)
    assert (found.labels, found.disagreement) == (0, None)
    assert "does not offer" in found.unfinished
