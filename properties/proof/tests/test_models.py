"""
What a path says happens in the states that it describes, when the rule's text is run on one of them.

Each path of a rule has a model; it is made into a known state, the rule is run on it as `step` runs it, and the outcome
has to be the one of the path: the same step, or the same condition that does not hold.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

import spec.transition
from properties.proof.claims.obligations import Fired
from properties.proof.claims.proof import examine, unknown_choices
from properties.proof.meaning.symbolic_meaning import new_session, symbolic_meaning
from properties.proof.paths.runs import paths
from properties.proof.terms.session import opened
from properties.proof.tests.realising import Realised, Unrealised, realised
from properties.proof.values.unknown import unknown
from spec.state.state import State
from spec.transition import RULES, NotEnabled, Rule

QUICK = ("system_time_progress", "request_done", "call_context_removal", "initiate_call")
"""Rules with few paths."""

ORDER = "no older call of the same queue waits"
"""The condition that depends on the order of a queue, which paths leave open."""
ADMITTED = {"agrees", "no small state", "not asked", "order"}
"""What may become of a path: the text does the same, or the path says too little to have a known state."""


def realisations(rule: Rule) -> Iterator[Realised | None]:
    """A known state for each path of a rule; None where there is no small one."""
    with opened(new_session()), symbolic_meaning():
        for current, outcome in paths(lambda: examine(rule)):
            assert isinstance(outcome, Fired | NotEnabled)
            try:
                yield realised(current, outcome, unknown(State, "state"), unknown_choices(rule))
            except Unrealised:
                yield None


def outcome_of(rule: Rule, known: Realised) -> str:
    """Whether the text does what the path says."""
    before, spec.transition.interpretation = spec.transition.interpretation, known.interpretation
    try:
        found = rule(known.state, **known.choices)
    except Unrealised:
        return "not asked"
    finally:
        spec.transition.interpretation = before
    said, given = (one.condition if isinstance(one, NotEnabled) else one for one in (known.expected, found))
    if said == given:
        return "agrees"
    return "order" if ORDER in (said, given) else f"{given} instead of {said}"


def agreement(rule: Rule) -> Counter[str]:
    """How many paths agree with the text, and how many have no small known state."""
    known = list(realisations(rule))
    return Counter("no small state" if one is None else outcome_of(rule, one) for one in known)


@pytest.mark.parametrize("name", QUICK)
def test_the_text_does_what_its_paths_say(name):
    found = agreement(RULES[name])
    assert set(found) <= ADMITTED, found
    assert found["agrees"] > 0, found
