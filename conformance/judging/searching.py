"""
Judges a black box by the set of specification states that it may be in.

The set is produced on demand: as long as the first state found explains what is seen, no other is computed; when
something is seen that it cannot explain, the search goes on where it stopped. A verdict `fail` comes only after all
orders were tried.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final

from attrs import evolve

from conformance.judging.candid_text import MANAGEMENT_NAMES, FieldNames
from conformance.judging.candidates import Candidate, Candidates
from conformance.judging.clocks import period, with_time, with_time_read
from conformance.judging.concerning import rules_about
from conformance.judging.drift import (
    answers_not_told,
    statuses_read,
    versions_told,
    with_forgotten,
    with_version_told,
)
from conformance.judging.following import Following
from conformance.judging.hindsight import NONE, Hindsight
from conformance.judging.judge import (
    FiredRules,
    Terms,
    first_state,
    is_repetition,
    refused_otherwise,
    shown_submission,
    status_in,
    submission,
    submission_agrees,
    submission_labels,
)
from conformance.judging.log_numbers import NumbersTold
from conformance.judging.missing import require_calls
from conformance.judging.moves import (
    FEW_HEARTBEATS,
    Bindings,
    Silence,
    bindings_from,
    by_itself,
    refunds,
    stop_calls,
    work,
)
from conformance.judging.others import Others, Words
from conformance.judging.patterns import agrees, departures_of
from conformance.judging.querying import Leeway, judged, may_have_taken_too_long
from conformance.judging.reading import values_agree, values_in
from conformance.judging.refusals import chooses_growths
from conformance.judging.unseen import LEFT_OPEN as UNSEEN
from conformance.judging.verdicts import fail, silent
from conformance.judging.wording import shown, shown_id, shown_other, shown_status, shown_values
from conformance.judging.words import (
    LEFT_OPEN,
    Sayings,
    always,
    depends_on_words,
)
from conformance.protocol.interface import (
    Accepted,
    Advanced,
    Answer,
    Instance,
    Path,
    Processing,
    Query,
    QueryAnswer,
    Received,
    Refused,
    Replied,
    Seen,
    UnknownRequest,
    Values,
)
from spec.rules.management.answers import ANSWERS
from spec.state.canonical import canonical_form
from spec.state.label import Label
from spec.state.request import Request
from spec.state.state import State
from spec.transition import Step
from spec.values.identifiers import Blob, Principal, RequestId, Text
from spec.values.quantities import CanisterVersion

CHOOSING: Final = frozenset({"raw_rand", *ANSWERS})
"""Rules with values that the system chooses, which a canister may keep to itself."""

SHOWN_ALTERNATIVES: Final = 8
"""How many allowed outcomes a failure lists."""


class Search:
    """The judge of a black box."""

    def __init__(
        self,
        terms: Terms,
        instance: Instance,
        hindsight: Hindsight = NONE,
    ) -> None:
        self.field_names = dict(MANAGEMENT_NAMES)
        self._terms = terms
        self.following = Following(terms, hindsight.most_heartbeats)
        """Its budget is that of all that is judged."""
        self._told_later = hindsight.versions
        self._sayings = hindsight.sayings
        self.sayings_told: tuple[Sayings, ...] = ()
        """What code may have heard, as far as what was seen last tells it, if what is known does not explain it."""
        self._began = instance.system_time if terms.is_live else None
        self._candidates = Candidates(iter([Candidate(first_state(terms, instance))]))
        self._states = 0
        self._requests: dict[RequestId, Request] = {}
        """Those that were taken in."""
        self._unseen: dict[RequestId, Label] = {}
        """The submissions of those of them that were never told to be known."""
        self._replies: list[Blob] = []
        self._numbers = NumbersTold()

    @property
    def effort(self) -> Mapping[str, int]:
        return {"steps": self.following.steps, "states": self._states}

    @property
    def fired(self) -> FiredRules:
        return self.following.fired

    def new_steps(self) -> Sequence[Text]:
        """A black box does not tell its steps."""
        return ()

    @property
    def departures(self) -> Sequence[Text]:
        return self._candidates.departures()

    @property
    def has_refused(self) -> bool:
        """What was seen is explained only if the system refused something to code that ran."""
        return self._candidates.have_refused()

    def said_after_refusals(self) -> Iterator[Mapping[Blob, Seen]]:
        return (dict(candidate.instead) for candidate in self._candidates if candidate.has_refused)

    @property
    def has_drifted(self) -> bool:
        """What was seen is explained only if versions rose by themselves."""
        return self._candidates.have_drifted()

    @property
    def likely_state(self) -> State:
        """The first that explains all that was seen."""
        return next(iter(self._candidates)).state

    def knows(self, identifier: Blob) -> bool:
        """An id that was told is no stand-in."""
        return any(identifier in reply for reply in self._replies)

    @property
    def knows_the_order(self) -> bool:
        return False

    @property
    def knows_all_values(self) -> bool:
        return self.following.fired.isdisjoint(CHOOSING) and not self.has_drifted

    # What was done and seen

    def submitted(self, request: Request, label: Label, seen: Accepted | Refused) -> None:
        if isinstance(seen, Accepted) and seen.request_id not in self._requests:
            self._requests[seen.request_id] = request
            self._unseen[seen.request_id] = label

        def after(candidate: Candidate, others: Others) -> Iterator[Candidate]:
            if is_repetition(candidate.state, label, seen):
                yield candidate
                return
            for each in submission_labels(candidate.state, label):
                outcome = submission(candidate.state, request, each)
                if isinstance(outcome, str):
                    self.following.silences[outcome] = None
                elif submission_agrees(outcome[0], seen):
                    self.following.fired.add(label.rule)
                    later = candidate.after(each, Step(outcome[1])).departing(refused_otherwise(outcome[0], seen))
                    yield evolve(later, has_refused=later.has_refused or chooses_growths(each))
                    return
                elif isinstance(seen, Refused) and self._terms.environment.admits(candidate.rejections + 1):
                    yield evolve(candidate, rejections=candidate.rejections + 1)
                    return
                else:
                    others.note(candidate, outcome[0], partial(shown_submission, outcome[0]))

        self._keep(
            after,
            lambda: f"the submission of {request.method_name!r} was {shown_submission(seen)}",
            lambda _: (label.rule,),
        )

    def settled(self, advanced: Advanced, answers: Mapping[RequestId, Answer]) -> None:
        bindings = bindings_from(answers.values())
        self._replies += bindings.replies
        told = versions_told(bindings.replies)
        passes: dict[tuple[CanisterVersion, ...], set[Hashable]] = {
            versions: set() for versions in ((), told, (*told, *self._told_later))
        }
        bindings = evolve(bindings, wordings=(self._sayings.stand_in,))
        marks = evolve(bindings, wordings=(self._sayings.marked,))
        before = self._candidates
        latest = self.likely_state.system_time
        if advanced.system_time < latest:
            raise fail(f"the system time is {advanced.system_time}", (f"{latest} or later",), ("system_time_progress",))
        self.following.rests += 1
        unknown = self._unknown(answers)
        visited_with_marks: set[Hashable] = set()

        def after(candidate: Candidate, others: Others) -> Iterator[Candidate]:
            now = with_time(candidate.state, advanced.system_time)
            waited = tuple(stop_calls(candidate.state)) if advanced.system_time > latest else candidate.overdue
            later = self._losing(evolve(candidate, state=now, overdue=waited), unknown)
            if candidate.hears_marks:
                yield from self._shown_at_rest(later, answers, marks, told, visited_with_marks, others)
                return
            for versions, visited in passes.items():
                is_shown = False
                for rested in self._shown_at_rest(later, answers, bindings, versions, visited, others):
                    is_shown = True
                    yield rested
                if is_shown and not self._told_later:
                    break  # What is not told by now may have risen as well when it is told.
            if not others.has_just_heard:
                return
            are_marked = before.have_marks()  # Those of an earlier text stand for all.
            if is_shown and are_marked:
                return
            told_with_marks = Others() if are_marked else others
            if are_marked:
                others.marked_now.append(told_with_marks)
            marking = evolve(later, hears_marks=True)
            for rested in self._shown_at_rest(marking, answers, marks, versions, visited_with_marks, told_with_marks):
                if not are_marked:
                    yield rested
            words = () if is_shown else told_with_marks.words()
            if words:
                said = evolve(bindings, wordings=(self._sayings.stand_in, *map(always, words)))
                yield from self._shown_at_rest(later, answers, said, versions, set(), Others())

        def what() -> Text:
            statuses = "; ".join(
                shown_status(request_id, seen, self.field_names) for request_id, seen in answers.items()
            )
            return f"the system came to rest with {statuses or 'no answer'}"

        self._keep(after, what, self._rules_about)

    def answered(self, request_id: RequestId, seen: Answer) -> None:
        unknown = self._unknown({request_id: seen})

        def after(candidate: Candidate, others: Others) -> Iterator[Candidate]:
            kept = self._losing(candidate, unknown)
            left = evolve(kept, state=with_forgotten(kept.state, {request_id: seen}), has_just_heard=False)
            if self._shows(left, {request_id: seen}, others):
                yield self._saying(left, {request_id: seen})

        self._keep(
            after, lambda: f"asked for again, {shown_status(request_id, seen, self.field_names)}", self._rules_about
        )

    def _rules_about(self, others: Others) -> tuple[Text, ...]:
        """The rules that answer the requests of which other statuses would have been allowed."""
        asked = [key[0] for key in others.usual if isinstance(key, tuple)]
        return rules_about(self._requests[request_id] for request_id in asked if request_id in self._requests)

    def queried(self, query: Query, effective_id: Principal, seen: QueryAnswer) -> None:
        versions = versions_told([seen.data]) if isinstance(seen, Replied) else ()

        def after(candidate: Candidate, others: Others) -> Iterator[Candidate]:
            for drifted in chain([candidate], self.following.drifted(candidate, versions)):
                try:
                    leeway = Leeway(self._terms.costs_are_exact, drifted.failures, self._began)
                    judgement = judged(drifted.state, query, effective_id, seen, leeway)
                except Silence as silence:
                    self.following.silences[str(silence)] = None
                    return
                if judgement.agrees:
                    told = drifted.departing(judgement.departures + departures_of(judgement.allowed, seen))
                    said = told.saying(query.nonce, judgement.allowed, seen, self._terms.costs_are_exact)
                    refusing = said.has_refused or judgement.has_refused
                    yield evolve(risen(said, query, seen), has_refused=refusing)
                    if drifted is candidate:
                        return  # What is not told by now may have risen as well when it is told.
                else:
                    words = partial(shown_other, judgement.allowed, seen, self.field_names)
                    others.note(drifted, judgement.allowed, words, seen)
                    takes_long = drifted is candidate and may_have_taken_too_long(judgement.allowed, seen)
                    if takes_long and self._terms.environment.admits(candidate.rejections + 1):
                        yield evolve(candidate, rejections=candidate.rejections + 1)

        self._keep(
            after, lambda: f"the query {query.method_name!r} gave {shown(seen, self.field_names)}", lambda _: ("query",)
        )
        self._numbers.take_in(self.likely_state, query, seen)

    def was_read(
        self, sender: Principal, effective_id: Principal, paths: Sequence[Path], seen: Values | Refused
    ) -> None:
        forgotten = statuses_read(paths, seen)
        unknown = self._unknown(forgotten)
        not_told = answers_not_told(paths, seen)

        def after(candidate: Candidate, others: Others) -> Iterator[Candidate]:
            now = with_time_read(candidate.state, paths, seen) if self._terms.is_live else candidate.state
            kept = self._losing(evolve(candidate, state=now), unknown)
            told = with_forgotten(kept.state, forgotten)
            for state in (told, with_forgotten(told, not_told)):
                allowed = values_in(state, sender, effective_id, paths)
                if values_agree(state, paths, allowed, seen, period(state, self._began)):
                    yield evolve(kept, state=state)
                    return
                others.note(candidate, allowed, partial(shown_values, allowed, paths))

        self._keep(after, lambda: f"reading gave {shown_values(seen, paths)}", lambda _: ("read_state",))

    def _unknown(self, answers: Mapping[RequestId, Answer]) -> Mapping[RequestId, Label]:
        """The submissions of the requests that are not known, and never were told to be."""
        for request_id, seen in answers.items():
            if not isinstance(seen, UnknownRequest):
                self._unseen.pop(request_id, None)
        return {each: self._unseen[each] for each in answers if each in self._unseen}

    def _losing(self, candidate: Candidate, unknown: Mapping[RequestId, Label]) -> Candidate:
        """The candidate in which these submissions were lost, if the environment admits it."""
        left = candidate.without(unknown)
        return left if self._terms.environment.admits(left.rejections) else candidate

    # The set of states

    def _keep(
        self,
        after: Callable[[Candidate, Others], Iterator[Candidate]],
        what: Words,
        rules: Callable[[Others], tuple[Text, ...]],
    ) -> None:
        """Goes on with the candidates that show what was seen; if there is none, it is these rules that say so."""
        before = self._candidates
        others = Others()
        self._candidates = Candidates(chain.from_iterable(after(candidate, others) for candidate in before))
        if not self._candidates.is_empty():
            return
        if self.following.silences:
            raise silent("; ".join(self.following.silences))
        # Without states with marks, what was said earlier was shown.
        with_marks = others.marked.keys() | (set() if before.have_marks() else others.before_hearing)
        if others.has_heard and depends_on_words(others.usual, with_marks, others.seen):
            self.sayings_told = tuple(dict.fromkeys(others.sayings(self._sayings)))
            raise silent(LEFT_OPEN)
        if others.depend_on_answers(self.knows):
            raise silent(UNSEEN)
        allowed = tuple(dict.fromkeys(words() for words in others.usual.values()))
        more = len(allowed) - SHOWN_ALTERNATIVES
        listed = allowed[:SHOWN_ALTERNATIVES] + ((f"and {more} more",) if more > 0 else ())
        raise fail(f"{what()}, which the specification does not allow", listed, rules(others))

    def _shows(
        self, candidate: Candidate, answers: Mapping[RequestId, Answer], others: Others, final_only: bool = False
    ) -> bool:
        """The requests have the statuses that were seen; final ones only, if more may still happen."""
        shows = True
        for request_id, seen in answers.items():
            allowed = status_in(candidate.state, request_id)
            if final_only and isinstance(allowed, Received | Processing):
                continue
            if not agrees(allowed, seen, self._terms.costs_are_exact):
                words = partial(_other_status, request_id, allowed, seen, self.field_names)
                others.note(candidate, (request_id, allowed), words, seen)
                shows = False
        return shows

    def _saying(self, candidate: Candidate, answers: Mapping[RequestId, Answer]) -> Candidate:
        """
        The candidate with what the specification says of these requests, where that is not what was seen.

        Versions of canisters rise to those that statuses tell.
        """
        for request_id, seen in answers.items():
            allowed = status_in(candidate.state, request_id)
            candidate = candidate.saying(request_id, allowed, seen, self._terms.costs_are_exact)
            if request_id in self._requests:
                candidate = risen(candidate, self._requests[request_id], seen)
        return candidate

    def _shown_at_rest(
        self,
        start: Candidate,
        answers: Mapping[RequestId, Answer],
        bindings: Bindings,
        versions: tuple[CanisterVersion, ...],
        visited: set[Hashable],
        others: Others,
    ) -> Iterator[Candidate]:
        """The candidates at rest that can follow and show these answers."""
        for rested in self._rested(start, answers, bindings, versions, visited, others):
            left = evolve(rested, state=with_forgotten(rested.state, answers))
            if self._shows(left, answers, others):
                others.hear(rested)
                told = evolve(left, has_just_heard=False).departing(told_otherwise(left.state, answers))
                yield self._saying(told, answers)

    def _rested(
        self,
        start: Candidate,
        answers: Mapping[RequestId, Answer],
        bindings: Bindings,
        versions: tuple[CanisterVersion, ...],
        visited: set[Hashable],
        others: Others,
    ) -> Iterator[Candidate]:
        """
        The candidates at rest that can follow, depth first; those that showed another answer are left out.

        When no order explains what was seen, heartbeats are tried; then, beside few heartbeats, what the system may
        refuse to executions, and after that, what nothing waits for.
        """
        waiting: list[Iterator[Candidate]] = [iter([start])]
        beating: list[Iterator[Candidate]] = []
        refusing: list[Iterator[Candidate]] = []
        rare: list[Iterator[Candidate]] = []
        while sources := waiting or beating or refusing or rare:
            candidate = next(sources[-1], None)
            if candidate is None:
                sources.pop()
                continue
            candidate, passed = self.following.without_forced(candidate)
            is_usual = len(candidate.beaten) - len(start.beaten) <= FEW_HEARTBEATS
            if is_usual:
                refusing.append(self.following.refused([*passed, candidate]))
            require_calls(candidate.state, self._terms.missing)
            kept = (candidate.rejections, candidate.lost, candidate.beaten, candidate.failures, candidate.instead)
            key = (canonical_form(candidate.state), *kept)
            left = evolve(candidate, state=with_forgotten(candidate.state, answers))
            if key in visited or not self._shows(left, answers, others, final_only=True):
                continue
            visited.add(key)
            self._states += 1
            following = self.following.moved(candidate, work(candidate.state, bindings))
            first = next(following, None)
            expiring = self.following.moved(candidate, by_itself(candidate.state, bindings))
            beating.append(self.following.beating(candidate))
            if is_usual:
                late = self.following.moved(candidate, refunds(candidate.state))
                rare.append(
                    chain(late, self.following.troubled(candidate), self.following.drifted(candidate, versions))
                )
            if first is None:
                yield candidate
                waiting.append(expiring)
            else:
                waiting.append(chain([first], following, expiring))


def risen(candidate: Candidate, asked: Request | Query, answer: Answer | QueryAnswer) -> Candidate:
    """The candidate in which a version rose to the one that was told."""
    state = with_version_told(candidate.state, asked, answer)
    return candidate if state is candidate.state else evolve(candidate, state=state, has_drifted=True)


def told_otherwise(state: State, answers: Mapping[RequestId, Answer]) -> tuple[Text, ...]:
    """What is told of requests otherwise than production tells it."""
    pairs = ((status_in(state, request_id), seen) for request_id, seen in answers.items())
    return tuple(chain.from_iterable(departures_of(allowed, seen) for allowed, seen in pairs))


def _other_status(request_id: RequestId, allowed: Answer, seen: Answer, known: FieldNames) -> Text:
    return f"{shown_id(request_id)}: {shown_other(allowed, seen, known)}"
