"""What would have been allowed in place of what was seen."""

from collections.abc import Callable, Hashable, Iterator
from itertools import chain

from conformance.judging.candidates import Candidate
from conformance.judging.unseen import differ_in_amounts
from conformance.judging.words import Sayings, answer_in, bytes_more, texts_told, words_for_marks
from conformance.protocol.interface import Answer, QueryAnswer
from spec.values.identifiers import Blob, Text

Words = Callable[[], Text]
"""What is told if a scenario fails: it takes long to put into words, and is not needed otherwise."""


class Others:
    """What states would have shown instead of one thing that was seen, in the order of finding."""

    def __init__(self) -> None:
        self.usual: dict[Hashable, Words] = {}
        self.marked: dict[Hashable, Words] = {}
        """The same where code hears a mark in place of what the system says, or has heard nothing."""
        self.before_hearing: set[Hashable] = set()
        """What states would have shown in which code has heard nothing since the last thing was seen."""
        self.marked_now: list[Others] = []
        """The same where code hears marks only since the last thing was seen."""
        self.seen: dict[Hashable, Answer | QueryAnswer] = {}
        self.after_answers: dict[Hashable, frozenset[Blob]] = {}
        """What code was answered from outside that stands for all answers, in a state that would have shown this."""
        self.has_heard = False
        """There is a state in which code has heard a text of the system."""
        self.heard: dict[Hashable, frozenset[Text]] = {}
        """The usual texts that code has heard in a state that would have shown this."""
        self.has_just_heard = False
        """And one in which it did so since the system was last at rest."""

    def note(self, candidate: Candidate, key: Hashable, words: Words, seen: Answer | QueryAnswer | None = None) -> None:
        """A candidate would have shown something else."""
        self.hear(candidate)
        self.heard[key] = candidate.heard
        self.after_answers[key] = candidate.answers_for_all
        if not candidate.hears_marks:
            self.usual[key] = words
            if not candidate.has_just_heard:
                self.before_hearing.add(key)
        if candidate.hears_marks or not candidate.heard:
            self.marked[key] = words
        if seen is not None:
            self.seen[key] = seen

    def hear(self, candidate: Candidate) -> None:
        """What code of a candidate has heard."""
        self.has_heard |= bool(candidate.heard)
        self.has_just_heard |= candidate.has_just_heard

    def words(self) -> tuple[Text, ...]:
        """What the system may have said in place of the marks."""
        found = [words_for_marks(answer_in(key), self.seen[key]) for key in self.marked if key in self.seen]
        told = [texts_told(each) for each in self.seen.values()]
        return tuple(dict.fromkeys(chain.from_iterable([*(each or () for each in found), *told])))

    def depend_on_answers(self, was_shown: Callable[[Blob], bool]) -> bool:
        """What was seen differs by amounts alone from what follows from answers of which some were not shown."""
        return any(
            not all(map(was_shown, answers)) and differ_in_amounts(answer_in(key), self.seen.get(key))
            for key, answers in self.after_answers.items()
        )

    def sayings(self, known: Sayings) -> Iterator[Sayings]:
        """What the system may have said all the time, as far as what was seen shows more than is known."""
        for others in (self, *self.marked_now):
            for key in others.marked:
                words = words_for_marks(answer_in(key), others.seen[key]) if key in others.seen else None
                if words is not None:
                    yield from known.with_text(others.heard[key], set(words))
            for usual, marked, more in bytes_more(self.usual, others.marked, {**self.seen, **others.seen}):
                if self.heard[usual] == others.heard[marked]:
                    yield from known.with_more(self.heard[usual], more)
