"""The judge of a black box tries every rule that a state enables, though it does not ask all of them."""

from collections.abc import Iterator

import pytest

from conformance.judging import following, searching
from conformance.judging.moves import WORK, Bindings, Move, forced_move, may_be_possible, work
from conformance.judging.verdicts import Pass
from conformance.running.case import Manner
from conformance.running.run import judge
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios, selected
from spec.commutation import EAGER
from spec.machine import candidates, step
from spec.state.state import State
from spec.transition import RULES, NotEnabled

SCENARIOS = "^(lifecycle/stop_and_start|refusals/to_missing_canister|refusals/to_empty_canister)$"

SOMETIMES = ("initiate_call", "stop_completion", "reject_call_to_missing_canister", "reject_call_to_empty_canister")
"""Rules that work on something rare."""


def test_a_rule_that_is_not_asked_is_not_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[State] = []

    def works(state: State, bindings: Bindings) -> Iterator[Move]:
        seen.append(state)
        return work(state, bindings)

    def is_forced(state: State) -> Move | None:
        seen.append(state)
        return forced_move(state)

    monkeypatch.setattr(searching, "work", works)
    monkeypatch.setattr(following, "forced_move", is_forced)
    for chosen in selected(all_scenarios(), SCENARIOS):
        assert judge(chosen, SpecificationImplementation(), Manner(black_box=True)).verdict == Pass()
    asked: set[str] = set()
    left_out: set[str] = set()
    for state in seen:
        for rule in (*EAGER, *WORK):
            if may_be_possible(state, rule):
                asked.add(rule)
                continue
            left_out.add(rule)
            tried = [step(state, label) for label in candidates(state, RULES[rule])]
            assert all(isinstance(each, NotEnabled) for each in tried), rule
    assert asked.issuperset(SOMETIMES)
    assert left_out.issuperset(SOMETIMES)
