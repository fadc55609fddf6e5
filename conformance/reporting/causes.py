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
    # The same bytes are shown as text if they are some.
    (re.compile(r"\breply '…'"), "reply …"),
)
"""What differs between failures of one cause (quoted texts, principals, bytes, numbers), and what replaces it."""


@frozen
class Cause:
    """Failures that say the same."""

    message: Text
    """What they say, without what differs between them."""
    cases: tuple[Case, ...]


def message_of(text: Text) -> Text:
    """A text without what differs between failures of one cause."""
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    return text


def cause_of(failed: Fail) -> Text:
    """What a failure says of what was seen, and of the first thing that would have been allowed."""
    return "; allowed: ".join(map(message_of, (failed.why, *failed.allowed[:1])))


def causes(cases: Iterable[Case]) -> Sequence[Cause]:
    """The failures among the cases by cause, the most frequent first."""
    found: dict[Text, list[Case]] = {}
    for case in cases:
        if isinstance(case.verdict, Fail):
            found.setdefault(cause_of(case.verdict), []).append(case)
    by_size = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [Cause(message, tuple(sorted(together, key=lambda case: case.id))) for message, together in by_size]
