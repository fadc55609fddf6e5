"""Failures of one cause: those that say the same but for ids, numbers and contents."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import frozen

from conformance.judging.verdicts import Fail
from conformance.running.case import Case
from spec.values.identifiers import Text

VARYING: Final = (
    (re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"), "'…'"),
    (re.compile(r"\b(?:aaaaa-aa|[a-z2-7]{5}(?:-[a-z2-7]{5})+-[a-z2-7]{1,5})\b"), "…"),
    (re.compile(r"\b0x[0-9a-f]*(?:\.\.\.)?"), "…"),
    (re.compile(r"\b[0-9a-f]{8,}\b"), "…"),
    (re.compile(r"\b\d[\d,_]*\b"), "#"),
)
"""What differs between failures of one cause (quoted texts, principals, bytes, numbers), and what replaces it."""


@frozen
class Cause:
    """Failures that say the same."""

    message: Text
    """What they say, without what differs between them."""
    cases: tuple[Case, ...]


def message_of(why: Text) -> Text:
    """What a failure says, without what differs between failures of one cause."""
    for pattern, instead in VARYING:
        why = pattern.sub(instead, why)
    return why


def causes(cases: Iterable[Case]) -> Sequence[Cause]:
    """The failures among the cases by cause, the most frequent first."""
    found: dict[Text, list[Case]] = {}
    for case in cases:
        if isinstance(case.verdict, Fail):
            found.setdefault(message_of(case.verdict.why), []).append(case)
    by_size = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [Cause(message, tuple(sorted(together, key=lambda case: case.id))) for message, together in by_size]
