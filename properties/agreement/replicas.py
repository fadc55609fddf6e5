"""
Replicas of three subnets, each in a process of its own: `python -m properties.agreement.replicas DIRECTORY`.

A replica reads ticks from its input, a line each, and tells the hashes of the certified states after each of them, and
digests of all that is in the states; then, what it signs of these states as one of the nodes of each subnet. At first
it tells those after all ticks that its directory has.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from attrs import evolve

from properties.agreement.rounds import block_of
from properties.agreement.subnet_worlds import SubnetBlocks, World, begun
from reference_impl.durability.replica import Replica, Settings, Tick, record_of, tick_of
from reference_impl.many_subnets.subnets import ManySubnets
from reference_impl.trace.abstraction import abstract
from reference_impl.wasm.running import module
from spec.state.digest import state_digest
from spec.values.quantities import Count

NODES: Final[Count] = 4
"""Of each subnet, as far as certification goes: each replica is one of them, and three make a signature."""


def world_of(seed: Count) -> World:
    """The world that all replicas begin with."""
    return begun(Random(seed))


def ticks(seed: Count, count: Count) -> Iterator[Tick]:
    """
    Random ticks for a world, of which nothing is known but how it began.

    Requests to canisters that are gone meanwhile are among them.
    """
    world = world_of(seed)
    random = Random(seed + 1)
    blocks, network = SubnetBlocks(random, world.everybody), world.specified
    for _ in range(count):
        tick = {}
        for subnet_id, subnet in network.subnets.items():
            batch = blocks.block(network, subnet, b"")
            tick[subnet_id] = block_of(batch)
            network = evolve(network, state=evolve(network.state, system_time=batch.time))
        yield tick


def line_of(replica: Replica, subnets: ManySubnets) -> str:
    """What a replica tells after a tick: how many there were, the hashes, digests of the states, random values."""
    digests = [state_digest(abstract(instance)) for instance in subnets.instances.values()]
    told = (*replica.hashes, *digests, *replica.tape.values())
    return " ".join([str(replica.ticks), *(one.hex() for one in told)])


def shares_of(subnets: ManySubnets, node: Count) -> str:
    """What a replica signs after a tick, which is a node of each subnet."""
    return " ".join(subnets.share(one, node, NODES).hex() for one in subnets.instances)


def main() -> None:
    """Runs a replica until its input ends."""
    parser = argparse.ArgumentParser(prog="python -m properties.agreement.replicas", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the world (0)")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="for rounds of subnets and for canisters (1)"
    )
    parser.add_argument(
        "--first-node", type=int, default=0, metavar="N", help="whose share of the tape comes first (0)"
    )
    parser.add_argument("--node", type=int, default=0, metavar="N", help="which node of each subnet it is (0)")
    parser.add_argument("--by-shares", action="store_true", help="certificates are made of shares within the process")
    parser.add_argument(
        "--modules", type=int, default=100, metavar="N", help="how many compiled modules are kept (100)"
    )
    given = parser.parse_args()
    vars(module)["CACHED_MODULES"] = given.modules
    world = world_of(given.seed)
    for instance in world.instances:
        instance.network.signs_by_shares = given.by_shares
    subnets = ManySubnets(world.instances, world.bounds, given.threads)
    settings = Settings(given.threads, given.first_node)
    replica = Replica(given.directory, subnets, b"replica %d" % given.seed, settings)
    tell(replica, subnets, given.node)
    for line in sys.stdin:
        replica.take(tick_of(bytes.fromhex(line)))
        tell(replica, subnets, given.node)


def tell(replica: Replica, subnets: ManySubnets, node: Count) -> None:
    """A line with what all replicas must agree on, and one with what is this node's."""
    print(line_of(replica, subnets), shares_of(subnets, node), sep="\n", flush=True)


__all__ = ["NODES", "line_of", "main", "record_of", "ticks", "world_of"]

if __name__ == "__main__":
    main()
