"""
On states that are known, a rule means the same to the prover as to `step`.

The prover runs a rule's text with its conditions asked as a whole, its functions merged and its builtins replaced. On
values that are known all of this must change nothing, whether the rule fires or not.
"""

import random
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice

import pytest
from attrs import evolve, frozen

import spec.transition
from properties.exploration.explorer import steps_from
from properties.exploration.worlds import WORLDS
from properties.proof.meaning.symbolic_meaning import body_on_unknown_values, new_session, symbolic_meaning
from properties.proof.paths.runs import paths
from properties.proof.terms.session import opened
from spec.machine import OUTSIDE, candidates, choices_of, step
from spec.profile import load_profile
from spec.state.label import Label
from spec.state.state import State
from spec.transition import RULES, NotEnabled, Step, Unspecified

LABELS = 3
"""Labels of a rule that are tried in each state."""


def walk(world_name: str, length: int, chance: random.Random) -> Iterator[State]:
    """The states of a random schedule of a small world."""
    world = WORLDS[world_name]
    state = world.begin(load_profile("small-world"))
    for _ in range(length):
        yield state
        successors = list(steps_from(world, state))
        if not successors:
            return
        state = chance.choice(successors)[1].state


def labels_of(state: State, rule_name: str) -> list[Label]:
    """Some labels of a rule, most of which are not enabled."""
    return list(islice(candidates(state, RULES[rule_name]), LABELS)) if rule_name not in OUTSIDE else []


@frozen
class Trial:
    """A label in a state, and what `step` says of it."""

    state: State
    label: Label
    outcome: Step | NotEnabled | Unspecified


def trials(world_names: list[str], length: int, share: int) -> Iterator[Trial]:
    """Every so many of the labels in walks."""
    chance = random.Random(0)
    for world_name in world_names:
        for state in walk(world_name, length, chance):
            fired = [label for label, _ in steps_from(WORLDS[world_name], state)]
            for label in [*fired, *(one for name in RULES for one in labels_of(state, name))]:
                if chance.randrange(share) == 0:
                    yield Trial(state, label, step(state, label))


def compared(tried: list[Trial]) -> Counter[str]:
    """What the rules give when their texts are run as the prover runs them; how often each did what."""
    outcomes: Counter[str] = Counter()
    with opened(new_session()), symbolic_meaning():
        # Opaque functions compute here: their arguments are known.
        spec.transition.interpretation = None
        for trial in tried:
            rule = RULES[trial.label.rule]
            rewritten = evolve(rule, body=body_on_unknown_values(rule))
            question = partial(rewritten, trial.state, **choices_of(trial.label))
            assert [result for _, result in paths(question)] == [trial.outcome], trial.label
            outcomes[f"{rule.name}: {type(trial.outcome).__name__}"] += 1
    return outcomes


def test_some_rules_mean_the_same_in_some_states():
    outcomes = compared(list(trials(["two-callers", "stop-while-awaiting"], length=12, share=8)))
    assert sum(count for name, count in outcomes.items() if name.endswith("Step")) > 3
    assert sum(count for name, count in outcomes.items() if name.endswith("NotEnabled")) > 3


@pytest.mark.deep
def test_rules_mean_the_same_in_every_small_world():
    outcomes = compared(list(trials(sorted(WORLDS), length=60, share=2)))
    assert len(outcomes) > 40
