"""A campaign: scenarios are drawn and run until the time is over, and steered by the paths that they take."""

import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from attrs import define, field

from conformance.fuzzing.corpus import Corpus, Counts, Failure
from conformance.fuzzing.drawing import Drawing, Drawn, Vocabulary
from conformance.fuzzing.tasks import Outcome, Task
from conformance.fuzzing.workers import Workers
from conformance.running.processes import Target
from spec.values.identifiers import Text
from spec.values.quantities import Count

NEW: Final = 0.35
"""How often a scenario has nothing of others, once there are others."""

OTHERS: Final[Count] = 2
"""A scenario may be continued with a part of one of so many others."""

WEIGHED_EVERY: Final[Count] = 20
"""After so many scenarios it is found anew which paths are rare."""

SECONDS_AT_ONCE: Final = 0.5
"""So long is waited for outcomes before it is seen whether the time is over."""


@define
class Steering:
    """Draws the next scenario: a new one, or one like those that took rare paths and are short."""

    corpus: Corpus
    vocabulary: Vocabulary
    seed: Text
    _kept: list[Count] = field(factory=list)
    _weights: list[float] = field(factory=list)
    _times: Mapping[Text, Count] = field(factory=dict)
    """How often each rule was taken."""
    _drawn_since: Count = WEIGHED_EVERY

    def draw(self, number: Count) -> Drawn:
        """The scenario of a number."""
        chance = random.Random(f"{self.seed} {number}")
        self._weigh()
        drawing = Drawing(chance, self.vocabulary, self._times)
        if not self._kept or chance.random() < NEW:
            return drawing.new()
        (chosen,) = chance.choices(self._kept, self._weights)
        others = chance.sample(self._kept, min(OTHERS, len(self._kept)))
        return drawing.changed(self.corpus.drawn(chosen), [self.corpus.drawn(each) for each in others])

    def _weigh(self) -> None:
        self._drawn_since += 1
        if self._drawn_since < WEIGHED_EVERY:
            return
        self._drawn_since = 0
        kept = list(self.corpus.kept())
        self._kept = [number for number, _ in kept]
        self._weights = [worth for _, worth in kept]
        self._times = self.corpus.times_of_rules()


@define
class Campaign:
    """Hands out what is to be run, and takes in what comes of it."""

    corpus: Corpus
    steering: Steering
    target: Target
    most: Count | None = None
    """So many scenarios the campaign has in the end, with those of earlier runs; None if there is no end."""
    _again: deque[tuple[Count, Drawn]] = field(factory=deque)
    _shrinking: dict[Count, Text] = field(factory=dict)
    """The causes of the failures that are being made smaller, by the number of the scenario."""
    _number: Count = 0
    _handed_out: Count = 0

    def __attrs_post_init__(self) -> None:
        self._again.extend(self.corpus.under_way())
        self._number = self.corpus.next_number()
        self._handed_out = self.corpus.counts().scenarios

    @property
    def has_more(self) -> bool:
        """Not all scenarios that are wanted are handed out."""
        return self.most is None or self._handed_out < self.most

    def next_task(self, *, may_draw: bool = True) -> Task | None:
        """What is to be done next; None if nothing is."""
        failure = self._to_shrink()
        if failure is not None:
            self._shrinking[failure.number] = failure.cause
            return Task(failure.number, failure.drawn, self.target, shrinks=True)
        if not may_draw or not self.has_more:
            return None
        self._handed_out += 1
        if self._again:
            number, drawn = self._again.popleft()
            return Task(number, drawn, self.target)
        number, self._number = self._number, self._number + 1
        drawn = self.steering.draw(number)
        self.corpus.hand_out(number, drawn)
        return Task(number, drawn, self.target)

    def take_in(self, task: Task, outcome: Outcome) -> None:
        """What came of a task."""
        if task.shrinks:
            cause = self._shrinking.pop(task.number)
            self.corpus.shrink(cause, outcome if outcome.cause == cause else _as_found(task, self._failure(cause)))
        else:
            self.corpus.take_in(outcome, time.time())

    def _failure(self, cause: Text) -> Failure:
        return next(each for each in self.corpus.failures() if each.cause == cause)

    def _to_shrink(self) -> Failure | None:
        waiting = (each for each in self.corpus.failures() if not each.is_shrunk and each.number not in self._shrinking)
        return next(waiting, None)


def _as_found(task: Task, failure: Failure) -> Outcome:
    """A failure that did not show again stays as it was found."""
    return Outcome(
        number=task.number,
        drawn=failure.drawn,
        verdict="fail",
        why=failure.why,
        cause=failure.cause,
        allowed=failure.allowed,
        rules=(),
        paths=(),
        seconds=0.0,
        shrinks=True,
    )


def run(
    campaign: Campaign,
    workers: Workers,
    seconds: float | None,
    tell: Callable[[Counts, float], None],
    tell_every: float,
) -> None:
    """
    Runs scenarios until the time is over or all are run; then what is under way, and what fails is made smaller.

    `tell` is told how far the campaign is, and for how long this run goes on.
    """
    started = told = time.monotonic()
    under_way = 0
    while True:
        now = time.monotonic()
        may_draw = seconds is None or now - started < seconds
        for _ in range(workers.wanted):
            task = campaign.next_task(may_draw=may_draw)
            if task is None:
                break
            workers.begin(task)
            under_way += 1
        if under_way == 0:
            return
        for task, outcome in workers.outcomes(SECONDS_AT_ONCE):
            campaign.take_in(task, outcome)
            under_way -= 1
        if now - told >= tell_every:
            told = now
            tell(campaign.corpus.counts(), now - started)
