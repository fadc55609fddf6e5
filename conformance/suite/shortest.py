"""The shortest way in which a difference was seen from outside."""

from attrs import frozen

from conformance.judging.verdicts import Fail
from conformance.suite.transcript import Event
from spec.values.quantities import Count


@frozen
class Shortest:
    """What users did, and saw then."""

    done: Count
    """How many requests they handed in, and how often they let time pass."""
    verdict: Fail
    """What they saw that is not allowed."""
    transcript: tuple[Event, ...]
