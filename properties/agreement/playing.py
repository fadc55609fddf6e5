"""
Rounds over many random worlds, and how often each capacity was reached in them.

`python -m properties.agreement.playing --rounds 2000` plays as many and prints the table.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from attrs import field, frozen

from properties.agreement.blocks import ROUNDS_IN_WORLD, Blocks
from properties.agreement.lockstep import Disagreement, Lockstep, brief
from properties.agreement.rounds import RoundLockstep
from properties.agreement.scarcity import TASTES, begun, profile
from reference_impl.rounds.production import Capacity
from spec.state.label import Label
from spec.values.identifiers import Text
from spec.values.quantities import Count

LONGEST: Final[Count] = 300
"""So many characters of a label are told."""


@frozen
class Tally:
    """What some rounds came to, on which both engines agree."""

    rounds: Count = 0
    reached: Counter[Capacity] = field(factory=Counter)
    """How often each capacity was reached."""
    fired: Counter[str] = field(factory=Counter)
    """How often each rule was taken."""

    def with_world(self, world: RoundLockstep) -> "Tally":
        """The same, with the rounds of another world."""
        return Tally(self.rounds + world.rounds, self.reached + world.reached, self.fired + world.fired)

    @property
    def unreached(self) -> list[Capacity]:
        """The capacities that were never reached."""
        return [capacity for capacity in Capacity if not self.reached[capacity]]

    def table(self) -> str:
        """How often each capacity was reached, line by line."""
        lines = [f"{self.reached[capacity]:8}  {capacity.value}" for capacity in Capacity]
        return "\n".join([f"{self.rounds:8}  rounds, {sum(self.fired.values())} labels", *lines])


def nothing_told(_: Tally) -> None:
    """Nobody is told how far it is."""


def play_world(seed: int, rounds: Count, threads: Count = 1) -> RoundLockstep:
    """
    The world of a seed after so many rounds, with an engine on so many threads.

    Raises `Disagreement`, which tells the seed, and the first label on which the engines differ if it is one label.
    """
    random, taste = Random(seed), list(TASTES.values())[seed % len(TASTES)]
    chosen = profile(random, taste)
    world = RoundLockstep(begun(chosen).lockstep, threads)
    blocks = Blocks(random, taste)
    try:
        for _ in range(rounds):
            world.round(blocks.next(world.state))
    except Disagreement as found:
        raise Disagreement(f"world {seed}, {found}{_first_label(begun(chosen).lockstep, world.labels)}") from None
    return world


def _first_label(lockstep: Lockstep, labels: Sequence[Label]) -> Text:
    """Takes the labels of all rounds one by one, and tells the first on which the engines differ, as another line."""
    for number, label in enumerate(labels, 1):
        try:
            lockstep.take(label)
        except Disagreement as found:
            what, _, _ = str(found).partition("\n")
            which = f"the first label of {len(labels)} that differs is number {number}: {brief(label)[:LONGEST]}"
            return f"\n{which}\n  {what}"
    return ""


def play(seeds: Sequence[int], rounds: Count = ROUNDS_IN_WORLD, told: Callable[[Tally], None] = nothing_told) -> Tally:
    """So many rounds in the world of each seed. Raises `Disagreement`."""
    tally = Tally()
    for seed in seeds:
        tally = tally.with_world(play_world(seed, rounds))
        told(tally)
    return tally


def main() -> None:
    """Plays rounds and prints how often each capacity was reached."""
    parser = argparse.ArgumentParser(prog="python -m properties.agreement.playing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2_000, metavar="N", help="how many rounds in all (2000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the seed of the first world (0)")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error("--rounds: there is nothing to play")
    worlds = -(-given.rounds // ROUNDS_IN_WORLD)
    seeds = range(given.seed, given.seed + worlds)
    try:
        tally = play(seeds, min(given.rounds, ROUNDS_IN_WORLD), lambda tally: print(f"{tally.rounds} rounds agree"))
    except Disagreement as found:
        parser.exit(1, f"{found}\n")
    print(tally.table())


if __name__ == "__main__":
    main()
