"""Verdicts on a scenario."""

from enum import Enum

from attrs import frozen

from spec.values.identifiers import Text


@frozen
class Pass:
    """Everything seen is allowed."""

    name = "pass"
    why: Text = ""


@frozen
class Fail:
    """Something seen is not allowed."""

    name = "fail"
    why: Text
    allowed: tuple[Text, ...] = ()
    """What the specification would have allowed there."""
    rules: tuple[Text, ...] = ()
    """The names of the rules that do not allow it, or `query` or `read_state`, as far as the judge can tell."""
    is_unseen: bool = False
    """It follows from what the implementation says of its own state or steps, and names nothing that users see."""


@frozen
class Inconclusive:
    """It cannot be told: the budget is used up, the implementation is silent, or the specification is."""

    name = "inconclusive"
    why: Text


@frozen
class NotApplicable:
    """The scenario needs something that the implementation does not offer."""

    name = "not_applicable"
    why: Text


Verdict = Pass | Fail | Inconclusive | NotApplicable

VERDICT_NAMES = (Pass.name, Fail.name, Inconclusive.name, NotApplicable.name)
"""In the order in which they are counted."""


class AsProduction(Enum):
    """Whether an implementation does what production does where the interface specification leaves it open."""

    YES = "yes"
    NO = "no"
    NOT_CLAIMED = "not_claimed"
    """The implementation does not claim it, or it did not come to that."""


class Judged(Exception):
    """Ends a scenario with a verdict."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.why)
        self.verdict = verdict


def fail(why: Text, allowed: tuple[Text, ...] = (), rules: tuple[Text, ...] = ()) -> Judged:
    """Ends a scenario: something seen is not allowed."""
    return Judged(Fail(why, allowed, rules))


class SpecificationIsSilent(Judged):
    """Ends a scenario, as inconclusive: the specification does not say what should have been seen."""


def inconclusive(why: Text) -> Judged:
    """Ends a scenario: it cannot be told."""
    return Judged(Inconclusive(why))


def silent(because: Text, place: Text = "") -> Judged:
    """Ends a scenario: the specification is silent, there if a place is given."""
    return SpecificationIsSilent(Inconclusive(f"{place}the specification is silent: {because}"))
