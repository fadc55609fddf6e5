"""The states in which a black box may be, each with what led to it."""

from collections.abc import Iterator

from attrs import evolve, field, frozen

from conformance.judging.logs import NONE_FAILED, Failures, failures_after
from spec.production.choices import POLICIES, departure
from spec.state.label import Label
from spec.state.state import State
from spec.transition import Step
from spec.values.identifiers import CanisterId, Text
from spec.values.quantities import Count


def departures_of_label(state: State, label: Label) -> tuple[Text, ...]:
    """What a label chooses otherwise than production does."""
    other = departure(state, label) if label.rule in POLICIES else None
    return () if other is None else (f"{label.rule} {other}",)


@frozen
class Candidate:
    """A state in which the implementation may be."""

    state: State
    rejections: Count = 0
    """How many rejections without reason led here."""
    beaten: frozenset[CanisterId] = frozenset()
    """Whose heartbeat ran since the system was last at rest: at most one of each is considered."""
    failures: Failures = NONE_FAILED
    departures: tuple[Text, ...] = ()
    """What was done on the way otherwise than production does it."""

    def after(self, label: Label, fired: Step) -> "Candidate":
        """
        The candidate one step later.

        A black box does not say what it chose about an execution, so nothing that the label chooses departs.
        """
        is_told = label.rule != "message_execution"
        return evolve(
            self,
            state=fired.state,
            failures=failures_after(self.failures, self.state, label, fired),
            departures=(*self.departures, *(departures_of_label(self.state, label) if is_told else ())),
        )

    def departing(self, departures: tuple[Text, ...]) -> "Candidate":
        """The candidate with what was told otherwise than production tells it."""
        return evolve(self, departures=(*self.departures, *departures)) if departures else self


@frozen
class Candidates:
    """A sequence of candidates that is computed as far as somebody looks, and then kept."""

    source: Iterator[Candidate]
    known: list[Candidate] = field(factory=list)

    def __iter__(self) -> Iterator[Candidate]:
        index = 0
        while True:
            while index >= len(self.known):
                following = next(self.source, None)
                if following is None:
                    return
                self.known.append(following)
            yield self.known[index]
            index += 1

    def is_empty(self) -> bool:
        """There is no candidate."""
        return next(iter(self), None) is None

    def departures(self) -> tuple[Text, ...]:
        """Those of the known candidate that has the fewest, each once."""
        fewest = min((each.departures for each in self.known), key=len, default=())
        return tuple(dict.fromkeys(fewest))
