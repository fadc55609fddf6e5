"""The states of a world are looked at by the workers of a cluster."""

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from properties.exploration.explorer import Identity, Looked, Looking, World, look_here
from spec.state.state import State
from spec.tooling.cluster import Cluster
from spec.values.quantities import Count

STATES_AT_ONCE: Final[Count] = 32
"""A worker is handed so many: the modules in them are sent once."""


@frozen
class Share:
    """What one worker looks at."""

    world: World
    identity: Identity
    states: Sequence[State]


def look_at_share(share: Share) -> tuple[Looked, ...]:
    """What can follow each state of a share."""
    return tuple(look_here(share.world, share.identity, share.states))


def look_there(cluster: Cluster[Share, tuple[Looked, ...]]) -> Looking:
    """Has the workers of a cluster look, who call `look_at_share`. It raises `ClusterError`."""

    def looking(world: World, identity: Identity, states: Sequence[State]) -> Iterator[Looked]:
        shares = (
            Share(world, identity, states[start : start + STATES_AT_ONCE])
            for start in range(0, len(states), STATES_AT_ONCE)
        )
        for looked in cluster.in_order(shares):
            yield from looked

    return looking
