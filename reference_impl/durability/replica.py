"""
A replica of many subnets, kept in a directory as a journal of all blocks that it got.

A tick is a block for each subnet. It is on the disk before it is executed, so a replica whose process ends anywhere has
executed none that is not there, and goes on by executing them all again. Randomness is made anew each time, of the
shares of those nodes that the replica knows first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from reference_impl.durability.journal import Journal, create_journal, journal_path, read_journal
from reference_impl.durability.kept_values import NoValue, decoded, encoded
from reference_impl.many_subnets.subnets import ManySubnets
from reference_impl.rounds.production.blocks import Block, BlockRequest
from spec.values.checklist import defines
from spec.values.identifiers import Blob, Principal, SubnetId
from spec.values.quantities import Count

PROGRAM: Final = "replica"

Tick = Mapping[SubnetId, Block]
"""A block for each subnet, without randomness, answers of the outside world and admins."""


def record_of(tick: Tick) -> Blob:
    """A tick as bytes."""
    return encoded(
        [
            [
                subnet_id,
                block.time,
                [[one.request, one.effective_id, one.size] for one in block.requests],
            ]
            for subnet_id, block in tick.items()
        ]
    )


def tick_of(record: Blob) -> Tick:
    """The tick in bytes. Raises `NoValue`."""
    tick: dict[SubnetId, Block] = {}
    for item in decoded(record):
        match item:
            case [bytes(subnet_id), int(time), list(requests)]:
                told = (BlockRequest(request, Principal(about), size) for request, about, size in requests)
                tick[SubnetId(Principal(subnet_id))] = Block(time, tuple(told))
            case _:
                raise NoValue("this is no block of a subnet")
    return tick


@frozen
class Settings:
    """What makes no difference to the states that a replica is in."""

    threads: Count = 1
    """On how many threads rounds of different subnets run."""
    first_node: Count = 0
    """From which node on the shares come that make the random tape."""


@defines("seed1.replicated-on-every-node", "seed1.update-all-nodes")
class Replica:
    """Subnets that a directory keeps. Only one process may use the directory."""

    def __init__(self, directory: Path, subnets: ManySubnets, identity: Blob, settings: Settings | None = None) -> None:
        """
        The subnets must be as at the beginning; all ticks in the directory are executed.

        Raises `StateDirectoryFault` if something in it is damaged.
        """
        self._subnets, self._settings = subnets, settings or Settings()
        self.ticks: Count = 0
        """How many were executed."""
        self.tape: Mapping[SubnetId, Blob] = {}
        """The values of the random tapes in the latest tick."""
        if not journal_path(directory, 0).exists():
            create_journal(directory, 0, identity, PROGRAM)
        found = read_journal(journal_path(directory, 0), identity)
        self._journal = Journal(found)
        for frame in found.records:
            self._execute(tick_of(frame.content))

    def take(self, tick: Tick) -> None:
        """Executes a tick that is kept."""
        self._journal.append(record_of(tick))
        self._journal.acknowledge()
        self._execute(tick)

    def _execute(self, tick: Tick) -> None:
        node = self._settings.first_node
        self.tape = {one: self._subnets.randomness(one, self.ticks, node) for one in tick}
        blocks = {one: evolve(block, randomness=self.tape[one]) for one, block in tick.items()}
        self._subnets.rounds_at_once(blocks, self._settings.threads)
        self.ticks += 1

    @property
    def hashes(self) -> tuple[Blob, ...]:
        """Of the certified states, in the order of the subnets."""
        return tuple(self._subnets.certified[one].tree.hash for one in self._subnets.instances)
