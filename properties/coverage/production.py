"""
The behaviours that production's own tests assert, and what this repository answers to each.

A behaviour is shown by the tests and scenarios that name it, as a row of the checklist is. One that is not shown has a
line in the file of answers that says why, or it is open.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from properties.coverage.join import OF_PRODUCTION, Names
from properties.coverage.marks import ROOT
from spec.values.identifiers import Text

BEHAVIOURS: Final = ROOT / "docs" / "facts" / "production_tests.jsonl"
ANSWERS: Final = ROOT / "docs" / "production-answers.toml"


class Answer(StrEnum):
    """What is answered to a behaviour."""

    SHOWN = "shown"
    """A test or scenario fails if it is not so."""
    DIFFERS = "differs"
    """The text of the interface specification says otherwise; the reason tells what."""
    DRIFTED = "drifted"
    """Production is no longer so at the base commit; the reason names the source."""
    ELSEWHERE = "elsewhere"
    """It is about streams between subnets or about servers, which the reason names."""
    OPEN = "open"


REASONED: Final = (Answer.DIFFERS, Answer.DRIFTED, Answer.ELSEWHERE)
"""What the file of answers may say."""


class BehavioursError(Exception):
    """A file of behaviours or answers is not as it should be. The message names the file and the place."""


@frozen
class Behaviour:
    """What a test of production asserts."""

    id: Text
    area: Text
    behaviour: Text
    is_in_scope: bool


@frozen
class Answered:
    """A behaviour with what is answered."""

    behaviour: Behaviour
    answer: Answer
    shown_by: tuple[Text, ...] = ()
    reason: Text | None = None


@frozen
class Prediction:
    """The answers to all behaviours in scope."""

    rows: tuple[Answered, ...]
    unresolved: tuple[Text, ...]
    """`id (where it is named)` for ids that no behaviour has."""
    needless: tuple[Text, ...]
    """Ids with a reason although they are shown, or out of scope."""

    def counts(self, area: Text | None = None) -> Mapping[Answer, int]:
        """How many behaviours of an area, or in all, have which answer."""
        return Counter(one.answer for one in self.rows if area in (None, one.behaviour.area))

    @property
    def areas(self) -> tuple[Text, ...]:
        """In the order of their names."""
        return tuple(sorted({one.behaviour.area for one in self.rows}))


def read_behaviours(path: Path = BEHAVIOURS) -> tuple[Behaviour, ...]:
    """All behaviours, also those out of scope. Raises `BehavioursError`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as problem:
        raise BehavioursError(f"{path}: {problem.strerror or problem}") from None
    return tuple(_behaviour(line, f"{path}:{number}") for number, line in enumerate(lines, 1))


def _behaviour(line: Text, place: Text) -> Behaviour:
    try:
        given = json.loads(line)
        return Behaviour(given["id"], given["area"], given["behaviour"], given["in_scope"])
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise BehavioursError(f"{place}: no behaviour: {problem}") from None


def read_answers(path: Path = ANSWERS) -> Mapping[Text, tuple[Answer, Text]]:
    """The answer that is given in words, with its reason, by behaviour. Raises `BehavioursError`."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BehavioursError(f"{path}: {problem.strerror or problem}") from None
    except tomllib.TOMLDecodeError as problem:
        raise BehavioursError(f"{path}: {problem}") from None
    return {id: _answer(entry, f"{path}: {id}") for id, entry in given.items()}


def _answer(entry: Any, place: Text) -> tuple[Answer, Text]:
    match list(entry.items()) if isinstance(entry, dict) else entry:
        case [(name, str(reason))] if name in REASONED and reason.endswith("."):
            return Answer(name), reason
    kinds = ", ".join(REASONED)
    raise BehavioursError(f"{place}: one of {kinds} is needed, with a sentence")


def predict(
    behaviours: Iterable[Behaviour], evidence: Names, answers: Mapping[Text, tuple[Answer, Text]]
) -> Prediction:
    """Puts everything together. What a test shows is shown, whatever the file of answers says."""
    listed = tuple(behaviours)
    in_scope = tuple(one for one in listed if one.is_in_scope)
    known = {one.id for one in listed}
    named = {id: names for id, names in evidence.items() if id.startswith(OF_PRODUCTION)}
    places = [(id, place) for id, names in named.items() for place in names]
    places += [(id, ANSWERS.relative_to(ROOT).as_posix()) for id in answers]
    needed = {one.id for one in in_scope} - named.keys()
    return Prediction(
        rows=tuple(_answered(one, named.get(one.id, ()), answers.get(one.id)) for one in in_scope),
        unresolved=tuple(sorted(f"{id} ({place})" for id, place in places if id not in known)),
        needless=tuple(sorted(id for id in answers if id in known and id not in needed)),
    )


def _answered(one: Behaviour, shown_by: tuple[Text, ...], given: tuple[Answer, Text] | None) -> Answered:
    if shown_by:
        return Answered(one, Answer.SHOWN, shown_by)
    if given is not None:
        return Answered(one, given[0], reason=given[1])
    return Answered(one, Answer.OPEN)
