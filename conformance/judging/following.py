"""What can follow a candidate, within the budget of the search. In which order it is tried is of `searching`."""

import time
from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve

from conformance.judging.candidates import Candidate
from conformance.judging.drift import raised
from conformance.judging.judge import FiredRules, Terms
from conformance.judging.moves import (
    Move,
    Silence,
    failures_outside,
    forced_move,
    heartbeats,
    rejections_of_expired,
    rejections_of_stop_calls,
    taken,
    trouble,
)
from conformance.judging.refusals import refusing_calls, refusing_growths
from conformance.judging.verdicts import inconclusive
from spec.state.label import Label
from spec.values.identifiers import Text
from spec.values.quantities import CanisterVersion, Count


class Following:
    """Finds what can follow candidates, and counts what was tried."""

    def __init__(self, terms: Terms, most_heartbeats: Count) -> None:
        self._terms = terms
        self._most_heartbeats = most_heartbeats
        self._deadline = time.process_time() + terms.seconds
        self.most_steps = terms.steps
        """So many transitions are tried in all."""
        self.steps = 0
        self.fired = FiredRules()
        self.silences: dict[Text, None] = {}
        """What the specification leaves unspecified of what was tried."""
        self.rests = 0
        """How often the system came to rest."""
        self.has_stopped_hearts = False
        """More heartbeats might have explained something."""

    def count(self, label: Label) -> None:
        """A transition is tried. Raises `verdicts.Judged` if that is more than the budget allows."""
        self.steps += 1
        self.fired.add(label.rule)
        if self.steps > self.most_steps:
            raise inconclusive(f"the budget of {self.most_steps} steps is used up")
        if time.process_time() > self._deadline:
            raise inconclusive(f"the budget of {self._terms.seconds:g} seconds of processor time is used up")

    def without_forced(self, candidate: Candidate) -> tuple[Candidate, list[Candidate]]:
        """The candidate after all that is forced, and those on the way in which code ran."""
        passed: list[Candidate] = []
        while (move := forced_move(candidate.state)) is not None:
            self.count(move[0])
            if move[0].rule == "message_execution":
                passed.append(candidate)
            candidate = candidate.after(*move)
        return candidate, passed

    def moved(self, candidate: Candidate, moves: Iterable[Move], rejections: Count = 0) -> Iterator[Candidate]:
        """The candidates after each of these moves, which counts as so many rejections without reason."""
        try:
            for label, fired in moves:
                self.count(label)
                yield evolve(candidate.after(label, fired), rejections=candidate.rejections + rejections)
        except Silence as silence:
            self.silences[str(silence)] = None

    def beating(self, candidate: Candidate) -> Iterator[Candidate]:
        """A heartbeat ran, of a canister whose did not yet run as often as is tried for so many rests."""
        for canister_id, label, fired in heartbeats(candidate.state):
            if candidate.beaten.count(canister_id) >= self._most_heartbeats * self.rests:
                self.has_stopped_hearts = True
                continue
            self.count(label)
            yield evolve(candidate.after(label, fired), beaten=tuple(sorted((*candidate.beaten, canister_id))))

    def refused(self, executing: Sequence[Candidate]) -> Iterator[Candidate]:
        """
        The system let memories not grow in an execution on the way, or took no calls, which the environment must admit.
        """
        for each in executing:
            chosen = evolve(each, has_refused=True)
            yield from self.moved(chosen, refusing_growths(each.state))
            if self._terms.environment.admits(each.rejections + 1):
                yield from self.moved(chosen, refusing_calls(each.state), 1)

    def drifted(self, candidate: Candidate, versions: tuple[CanisterVersion, ...]) -> Iterator[Candidate]:
        """A version rose to one of these."""
        drifting = evolve(candidate, has_drifted=True)
        yield from self.moved(drifting, raised(candidate.state, versions))

    def troubled(self, candidate: Candidate) -> Iterator[Candidate]:
        """What nothing waits for, as far as the environment admits it."""
        yield from self.moved(candidate, rejections_of_expired(candidate.state))
        yield from self.moved(candidate, rejections_of_stop_calls(candidate.state, candidate.overdue))
        yield from self.moved(candidate, failures_outside(candidate.state))
        for label in candidate.lost:
            left = tuple(other for other in candidate.lost if other is not label)
            yield from self.moved(evolve(candidate, lost=left), taken(candidate.state, [label]))
        if self._terms.environment.admits(candidate.rejections + 1):
            yield from self.moved(candidate, trouble(candidate.state), 1)
