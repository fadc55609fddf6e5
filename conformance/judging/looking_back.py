"""
Judges a black box, and looks back where nothing explains what is seen.

The version of a canister may rise at any time, but `searching.Search` lets it rise only where an answer tells it. Code
may keep the version that it had, and tell it much later. So if nothing explains an answer that tells a number which may
be a version, all that was seen is judged again, and versions may have risen to that number at any earlier time.
Checklist: `unspec.spont.version`.

Likewise heartbeats may run in every round, but most systems explain themselves with few of them. And what the system
says where it rejects may show only where code tells it later, or where it has counted its bytes or paid for them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import evolve

from conformance.judging.answers_told import AnswersTold
from conformance.judging.drift import FAR, versions_told
from conformance.judging.hindsight import NONE, Hindsight
from conformance.judging.judge import FiredRules, Terms
from conformance.judging.moves import MOST_HEARTBEATS
from conformance.judging.searching import Search
from conformance.judging.verdicts import Fail, Judged, Verdict, silent
from conformance.judging.words import LEFT_OPEN, Sayings
from conformance.protocol.interface import (
    Accepted,
    Advanced,
    Answer,
    Instance,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Replied,
    Values,
)
from conformance.protocol.interface import Seen as Answered
from spec.state.label import Label
from spec.state.request import Request
from spec.state.state import State
from spec.values.identifiers import Blob, Principal, RequestId, Text
from spec.values.quantities import CanisterVersion, Count

MOST_STEPS_AGAIN: Final[Count] = 20_000
"""How many steps of the specification are tried when all is judged again."""

MOST_VERSIONS: Final[Count] = 16
"""So many numbers of an answer are tried as versions: the lowest."""

MOST_SAYINGS: Final[Count] = 8
"""So many ways are tried to explain something by what the system says where it rejects."""

Seen = Callable[[Search], None]
"""Tells a judge of something that was done and seen."""


class LookingBack:
    """The judge of a black box."""

    def __init__(self, terms: Terms, instance: Instance) -> None:
        self._terms, self._instance = terms, instance
        self._search = Search(terms, instance)
        self._past: list[Seen] = []
        self._answers = AnswersTold()
        self._hindsight = NONE
        self._untried: list[Sayings] = []
        """What the system may have said in place of what is taken for it now."""

    def submitted(self, request: Request, label: Label, seen: Accepted | Refused) -> None:
        self._take_in(lambda search: search.submitted(request, label, seen))

    def settled(self, advanced: Advanced, answers: Mapping[RequestId, Answer]) -> None:
        self._answers.take_in(answers)
        self._take_in(lambda search: search.settled(advanced, answers), answers.values())

    def answered(self, request_id: RequestId, seen: Answer) -> None:
        self._answers.take_in({request_id: seen})
        self._take_in(lambda search: search.answered(request_id, seen), [seen])

    def queried(self, query: Query, effective_id: Principal, seen: QueryAnswer) -> None:
        self._take_in(lambda search: search.queried(query, effective_id, seen), [seen])

    def was_read(
        self, sender: Principal, effective_id: Principal, paths: Sequence[Path], seen: Values | Refused
    ) -> None:
        self._answers.take_in_read(paths, seen)
        self._take_in(lambda search: search.was_read(sender, effective_id, paths, seen))

    def _take_in(self, seen: Seen, answers: Iterable[Answer | QueryAnswer] = ()) -> None:
        """Takes in what was seen, if need be by looking back."""
        before = self._search.likely_state
        self._past.append(seen)
        try:
            seen(self._search)
        except Judged as judged:
            told = versions_told(each.data for each in answers if isinstance(each, Replied))
            if any(map(self._judges_again, self._other_hindsights(judged.verdict, before, told))):
                return
            if isinstance(judged.verdict, Fail) and self._hindsight.sayings != NONE.sayings:
                raise silent(LEFT_OPEN) from judged  # What is taken for it may not be what the system said.
            raise

    def _other_hindsights(
        self, verdict: Verdict, before: State, told: Iterable[CanisterVersion]
    ) -> Iterator[Hindsight]:
        """What may have been so earlier, if it was not as was thought."""
        if isinstance(verdict, Fail):
            versions = self._possible(before, told)
            if versions:
                yield evolve(self._hindsight, versions=versions)
            if self._search.following.has_stopped_hearts and self._hindsight.most_heartbeats < MOST_HEARTBEATS:
                yield evolve(self._hindsight, most_heartbeats=MOST_HEARTBEATS)
        self._untried += self._search.sayings_told
        for _ in range(MOST_SAYINGS):
            if self._untried:
                yield evolve(self._hindsight, sayings=self._untried.pop())

    def _possible(self, state: State, numbers: Iterable[CanisterVersion]) -> tuple[CanisterVersion, ...]:
        """All that may be versions of canisters told only now or before; none if no number is new."""
        highest = max((canister.version for _, canister in state.canisters.items()), default=0)
        new = [number for number in numbers if 0 < number <= highest + FAR and number not in self._hindsight.versions]
        return (*self._hindsight.versions, *sorted(new)[:MOST_VERSIONS]) if new else ()

    def _judges_again(self, hindsight: Hindsight) -> bool:
        """All that was seen is explained where this was so; this judge goes on from there."""
        again, explains_all = self._told_all(hindsight)
        if explains_all:
            again.following.most_steps = self._terms.steps
            self._search, self._hindsight = again, hindsight
        else:
            self._untried += again.sayings_told
        return explains_all

    def _told_all(self, hindsight: Hindsight) -> tuple[Search, bool]:
        """A judge that was told all that was seen, as far as it explains it, and whether that is all."""
        again = Search(self._terms, self._instance, hindsight)
        again.following.most_steps = MOST_STEPS_AGAIN
        again.field_names = self._search.field_names
        try:
            for seen in self._past:
                seen(again)
        except Judged:
            return again, False
        return again, True

    # What is known

    @property
    def field_names(self) -> dict[int, Text]:
        return self._search.field_names

    @field_names.setter
    def field_names(self, known: dict[int, Text]) -> None:
        self._search.field_names = known

    @property
    def effort(self) -> Mapping[str, int]:
        return self._search.effort

    @property
    def fired(self) -> FiredRules:
        return self._search.fired

    def new_steps(self) -> Sequence[Text]:
        return self._search.new_steps()

    @property
    def departures(self) -> Sequence[Text]:
        return self._search.departures

    @property
    def has_refused(self) -> bool:
        return self._search.has_refused

    def said_after_refusals(self) -> Iterator[Mapping[Blob, Answered]]:
        return self._search.said_after_refusals()

    @property
    def likely_state(self) -> State:
        return self._search.likely_state

    def knows(self, identifier: Blob) -> bool:
        return self._search.knows(identifier)

    @property
    def knows_the_order(self) -> bool:
        return self._search.knows_the_order

    @property
    def knows_all_values(self) -> bool:
        return self._search.knows_all_values
