"""
Both engines round by round: what production does next is decided twice, by different programs.

The rounds of `spec.production` and those of the reference implementation get the same blocks. After each round they
must have taken the same labels, in the same order, and be in the same state; what they say of cores, slices and
management instructions must be equal, too.
"""

from collections import Counter
from itertools import zip_longest
from typing import Any

from attrs import frozen

from properties.agreement.difference import difference
from properties.agreement.lockstep import Disagreement, Lockstep, brief, observation
from reference_impl.rounds.production import Block, BlockRequest, Capacity, ProductionRounds, RoundDone
from spec.machine import canonical_label
from spec.production.rounds import Batch, Round, RoundState, execute_round
from spec.state.label import Label
from spec.state.state import State
from spec.values.quantities import Count

SHOWN_BEFORE = 12
"""How many labels before the first different one are told."""


@frozen
class Told:
    """What both say of a round, beside labels and state."""

    number: int
    cores: tuple[int, ...]
    iterations: int
    management_instructions: int
    slices: tuple[Any, ...]


class RoundLockstep:
    """A specification state and an engine that have had the same blocks."""

    def __init__(self, beginning: Lockstep, threads: Count = 1) -> None:
        """
        Rounds begin where the lockstep is, in which nothing may be under way.

        In the engine canisters execute on so many threads.
        """
        self.state: State = beginning.state
        self.engine = beginning.engine
        self._specified = RoundState()
        self._production = ProductionRounds(self.engine.instance, threads)
        self.reached: Counter[Capacity] = Counter()
        """How often each capacity was reached."""
        self.fired: Counter[str] = Counter()
        """How often each rule was taken."""
        self.rounds = 0
        self.labels: list[Label] = []
        """Those that the specification took, of all rounds."""

    def round(self, batch: Batch) -> Round:
        """One round on both sides. Raises `Disagreement`."""
        self.state, self._specified, specified = execute_round(self.state, self._specified, batch)
        done = self._production.execute(block_of(batch))
        self.rounds += 1
        self.reached.update(done.reached)
        self.fired.update(label.rule for label in specified.labels)
        self.labels += specified.labels
        found = first_difference(specified, done) or difference(self.state, self.engine.abstract())
        if found is not None:
            raise Disagreement(f"round {self.rounds}: {found}")
        return specified


def block_of(batch: Batch) -> Block:
    """The same block in the words of the reference implementation."""
    admins = batch.subnet_admins
    return Block(
        time=batch.time,
        requests=tuple(BlockRequest(one.request, one.effective_id, one.size) for one in batch.ingress),
        answers=batch.answers,
        randomness=batch.randomness,
        subnet_admins=None if admins is None else dict(admins.items()),
    )


def first_difference(specified: Round, done: RoundDone) -> str | None:
    """Where two accounts of a round differ, in words; None if nowhere."""
    ours, theirs = list(map(canonical_label, specified.labels)), list(map(canonical_label, done.labels))
    for number, (one, other) in enumerate(zip_longest(ours, theirs)):
        if one != other:
            shown = "\n".join(f"  {told(label)}" for label in ours[max(number - SHOWN_BEFORE, 0) : number])
            return f"label {number}: {told(one)}, but the reference {told(other)}\nafter\n{shown}"
    outputs = tuple(map(observation, specified.outputs))
    observed = tuple(shown for step in done.steps for shown in step.observed.outputs)
    return difference(outputs, observed, "outputs") or difference(account(specified), account(done), "round")


def account(one: Round | RoundDone) -> Told:
    """What is told of a round."""
    return Told(one.number, one.cores, one.iterations, one.management_instructions, one.slices)


def told(label: Label | None) -> str:
    """A label in few words; of none, that nothing follows."""
    return "nothing" if label is None else brief(label)
