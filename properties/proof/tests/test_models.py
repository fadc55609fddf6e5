"""
What a path says happens in the states that it describes, when the rule's text is run on one of them.

Each path of a rule has a model; it is made into a known state, the rule is run on it as `step` runs it, and the outcome
has to be the one of the path: the same step, or the same condition that does not hold. A path of which there is no
small known state is skipped, and counted with the reason.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

import spec.rules
import spec.rules.messages.message_execution
import spec.transition
import spec.values.rejects
from properties.proof.claims.obligations import Fired
from properties.proof.claims.proof import examine, unknown_choices
from properties.proof.meaning.symbolic_meaning import new_session, symbolic_meaning
from properties.proof.paths.runs import paths
from properties.proof.terms.session import opened
from properties.proof.tests.realising import AnsweringModule, Realised, Unrealised, realised
from properties.proof.values.unknown import unknown
from spec.state.state import State
from spec.transition import RULES, NotEnabled, Rule

QUICK = ("system_time_progress", "request_done", "call_context_removal", "initiate_call")
"""Rules with few paths, which are tried always; the others are tried by `pytest -m deep`."""

MOST = 60
"""So many paths of a rule are tried."""

FIRES, DOES_NOT = "fires as the path says", "does not fire, as the path says"
"""The text does what the path says."""

ORDER = "no older call of the same queue waits"
"""The condition that depends on the order of a queue, which paths leave open."""

EQUALITY = "the admins are others than before"
"""The condition that compares two lists; whether lists are equal that are made in two ways, paths leave open."""

SKIPPED = {
    "a list is too long",
    "a name is too short or too long",
    "an item in the middle",
    "an opaque function was not asked this on the path",
    "no such state is small",
    f"after {MOST} others",
    f"the order of a queue decides whether {ORDER}",
    f"the equality of two lists decides whether {EQUALITY}",
}
"""Why a path is skipped: it leaves something open, or speaks of more than a small state has."""


def realisations(rule: Rule, most: int = MOST) -> Iterator[Realised | str]:
    """A known state for each of the first paths of a rule, or the reason why it is skipped."""
    with opened(new_session()), symbolic_meaning():
        for number, (current, outcome) in enumerate(paths(lambda: examine(rule))):
            assert isinstance(outcome, Fired | NotEnabled)
            if number >= most:
                yield f"after {most} others"
                continue
            try:
                yield realised(current, outcome, unknown(State, "state"), unknown_choices(rule))
            except Unrealised as problem:
                yield str(problem)


def outcome_of(rule: Rule, known: Realised) -> str:
    """Whether the text does what the path says."""
    original = spec.values.rejects.text_of_reject

    def text_of_reject(reason: Any, detail: Any) -> Any:
        try:
            return known.interpretation("text_of_reject", original, (reason, detail), {})
        except Unrealised:
            # Reason: of a known reason and a known detail the path has the text itself.
            return original(reason, detail)

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spec.transition, "interpretation", known.interpretation)
            patch.setattr(spec.values.rejects, "text_of_reject", text_of_reject)
            found = rule(known.state, **known.choices)
    except Unrealised:
        return "an opaque function was not asked this on the path"
    said, given = (one.condition if isinstance(one, NotEnabled) else one for one in (known.expected, found))
    if said == given:
        return DOES_NOT if isinstance(found, NotEnabled) else FIRES
    for what, condition in (("the order of a queue", ORDER), ("the equality of two lists", EQUALITY)):
        if condition in (said, given):
            return f"{what} decides whether {condition}"
    return f"{given} instead of {said}"


def agreement(rule: Rule) -> Counter[str]:
    """How many paths agree with the text, and how many were skipped for which reason."""
    known = list(realisations(rule))
    return Counter(one if isinstance(one, str) else outcome_of(rule, one) for one in known)


FEWEST_FIRED = {"message_execution": 30}
"""So many of the tried paths of these rules fire at least, each on a module that answers as the path says."""


def check(name: str) -> None:
    """Every path of a rule agrees with its text or is skipped for a known reason; some path agrees."""
    found = agreement(RULES[name])
    print(f"{name}: {sum(found.values())} paths: {dict(found.most_common())}")
    assert set(found) <= SKIPPED | {FIRES, DOES_NOT}, found
    assert found[FIRES] + found[DOES_NOT] > 0, found
    assert found[FIRES] > 0 or set(found) & SKIPPED, found
    assert found[FIRES] >= FEWEST_FIRED.get(name, 0), found


def first_of_message_execution(most: int) -> list[Realised]:
    """Known states for the first paths of message execution, each with a module that answers as its path says."""
    known = islice(realisations(RULES["message_execution"], most), most)
    return [one for one in known if isinstance(one, Realised)]


def test_code_that_nobody_knows_does_on_first_paths_what_they_say() -> None:
    known = first_of_message_execution(4)
    assert {outcome_of(RULES["message_execution"], one) for one in known} == {FIRES, DOES_NOT}
    assert sum(bool(modules_that_answer(one)) for one in known) == len(known) == 4


def modules_that_answer(known: Realised) -> list[AnsweringModule]:
    """The modules that code has on a path, and that are asked to run it."""
    modules = {result for name, _, result in known.opaque_calls if name == "module_or_defect"}
    return [one for one in modules if isinstance(one, AnsweringModule) and one.answers]


def test_a_rule_that_is_changed_after_its_paths_were_found_does_not_what_they_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A copy of message execution that keeps the cycles of an answered context is told."""
    known = first_of_message_execution(2)
    assert {outcome_of(RULES["message_execution"], one) for one in known} == {FIRES}
    monkeypatch.setattr(
        spec.rules.messages.message_execution, "with_answered_context", lambda context, outcome: context
    )
    assert FIRES not in {outcome_of(RULES["message_execution"], one) for one in known}


@pytest.mark.parametrize("name", QUICK)
def test_the_text_does_what_its_paths_say(name: str) -> None:
    check(name)


@pytest.mark.deep
@pytest.mark.parametrize("name", [name for name in RULES if name not in QUICK])
def test_the_text_of_every_rule_does_what_its_paths_say(name: str) -> None:
    check(name)
