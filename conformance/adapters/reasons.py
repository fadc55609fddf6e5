"""Which reason an error of production stands for, if it stands for one alone."""

import re
from collections.abc import Mapping
from typing import Final

from spec.production.errors import ERRORS, REJECTED_MESSAGE
from spec.values.identifiers import Text
from spec.values.rejects import RejectReason

NUMBERS: Final[Mapping[Text, int]] = {error.name: error.number for errors in ERRORS.values() for error in errors}
PREFIX: Final = re.compile(r"IC0[0-9]{3}: ")
"""What stands before the text of an error of the system."""


def number_of(shown: Text | None) -> int | None:
    """The number of an error that is shown by its name or as `IC0` and the number; None for one that is not known."""
    if shown is None:
        return None
    matched = re.fullmatch(r"IC0([0-9]{3})", shown)
    return NUMBERS.get(shown) if matched is None else int(matched[1])


def reason_of(shown: Text | None, message: Text) -> RejectReason | None:
    """The reason that an error stands for; None if it may stand for several, or for none that is known."""
    number = number_of(shown)
    text = PREFIX.sub("", message, count=1)
    told = [(reason, error.text) for reason, errors in ERRORS.items() for error in errors if error.number == number]
    fitting = {reason for reason, pattern in told if pattern and _fits(pattern, text)}
    if not fitting:
        fitting = {reason for reason, _ in told}
    if number == REJECTED_MESSAGE.number and RejectReason.EXPLICIT in fitting:
        # Reason: what a canister says itself bears no number.
        return RejectReason.EXPLICIT if text == message else None
    return fitting.pop() if len(fitting) == 1 else None


def _fits(pattern: Text, text: Text) -> bool:
    """The text begins as the pattern says, with anything in the place of what is in braces."""
    parts = re.split(r"\{[a-z_]+\}", pattern)
    return re.match(".*?".join(map(re.escape, parts)), text, re.DOTALL) is not None
