"""Who takes what cannot be taken is told so, rule by rule; what is called impossible is, and is of every kind."""

from collections.abc import Iterable

import pytest

from conformance.judging.impossible import PARTS, impossible_labels
from conformance.protocol.interface import Capability
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from spec.machine import OUTSIDE, step
from spec.rules.tests.worlds import A, a_call, a_context, canister, contexts, world
from spec.state.canister import Empty
from spec.state.label import Label
from spec.transition import RULES, NotEnabled, Step
from spec.values.identifiers import Text

STORIES = {chosen.id: chosen for chosen in all_scenarios() if chosen.id.startswith("impossible/")}


STATE = world((A, canister(A, Empty())), messages=(a_call(A, A),), call_contexts=contexts(a_context()))


class TakesTheImpossible(SpecificationImplementation):
    """Says of the labels of one rule that it took them, and does nothing where the rule forbids them."""

    def __init__(self, rule: Text) -> None:
        super().__init__()
        self.rule = rule
        self.capabilities = frozenset(Capability)

    def _tried(self, label: Label) -> Step | Text:
        tried = super()._tried(label)
        return Step(self.current) if isinstance(tried, str) and label.rule == self.rule else tried


def told(implementation: SpecificationImplementation, stories: Iterable[Text] = STORIES) -> list[Case]:
    """The cases of the stories, up to the first that is not passed."""
    cases = []
    for story in stories:
        cases.append(run_scenario(STORIES[story], implementation, implementation.describe(), Manner()))
        if cases[-1].verdict.name != "pass":
            break
    return cases


@pytest.mark.parametrize(
    "rule", ["request_deletion", "call_context_starvation", "canister_history_trimming", "raw_rand"]
)
def test_who_takes_a_transition_that_cannot_be_taken_fails(rule: Text) -> None:
    """The failure names the label and the rule."""
    last = told(TakesTheImpossible(rule))[-1].verdict
    assert last.name == "fail"
    assert last.why.startswith(f"told to take {rule}(")
    assert last.why.endswith("it did")


def test_who_does_not_offer_to_attempt_is_asked_one_by_one() -> None:
    """And told the same."""
    each, together = TakesTheImpossible("raw_rand"), TakesTheImpossible("raw_rand")
    each.capabilities -= {Capability.ATTEMPT}
    first, second = told(each)[-1], told(together)[-1]
    assert first.verdict == second.verdict
    assert first.id == second.id


@pytest.mark.deep
@pytest.mark.parametrize("rule", sorted(set(RULES) - OUTSIDE))
def test_of_every_rule_something_impossible_is_asked_for(rule: Text) -> None:
    """So that no rule lacks its conditions unseen."""
    assert told(TakesTheImpossible(rule))[-1].verdict.name == "fail"


def test_impossible_labels_are_not_enabled_and_each_is_asked_for_once() -> None:
    """In all turns together."""
    labels = [label for turn in range(PARTS) for label in impossible_labels(STATE, turn)]
    assert len(labels) == len(set(labels)) > 100
    assert all(isinstance(step(STATE, label), NotEnabled) for label in labels)


def test_the_turns_share_the_rules() -> None:
    """No rule has two turns, and those that answer users have none."""
    rules = [{label.rule for label in impossible_labels(STATE, turn)} for turn in range(PARTS)]
    assert sum(map(len, rules)) == len(set().union(*rules))
    assert not OUTSIDE & set().union(*rules)
    assert len(set().union(*rules)) > 50
