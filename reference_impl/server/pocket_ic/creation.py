"""An instance that is asked for comes to be, from nothing or from what others left."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from attrs import evolve

from reference_impl.server.pocket_ic.configuration import GENESIS, Configuration, PlannedSubnet
from reference_impl.server.pocket_ic.fields import Refused
from reference_impl.server.pocket_ic.simulation import Simulation
from reference_impl.server.pocket_ic.state_directory import (
    KeptInstance,
    KeptSubnet,
    bring_back,
    hold,
    is_there,
    read_instance,
    read_subnet,
    write,
)
from reference_impl.server.pocket_ic.subnets import PocketSubnet, made_subnet, with_seed
from spec.profile import Profile
from spec.values.quantities import Nanoseconds

AtEnd = Callable[[Simulation], None]


def created(profile: Profile, configuration: Configuration) -> tuple[Simulation, AtEnd]:
    """The instance, and what is done at its end. Raises `Refused`."""
    directory = configuration.state_directory
    if directory is None:
        return _begun(profile, configuration), lambda _: None
    was_there = is_there(directory)
    if not configuration.subnets and not was_there:
        raise _is_empty(directory)
    lock = hold(directory)
    try:
        simulation = _in_directory(profile, configuration, directory)
        write(simulation, directory)
    except BaseException:
        if not was_there:
            with suppress(OSError):
                directory.rmdir()
        os.close(lock)
        raise

    def end(ended: Simulation) -> None:
        try:
            write(ended, directory)
        finally:
            os.close(lock)

    return simulation, end


def _in_directory(profile: Profile, configuration: Configuration, directory: Path) -> Simulation:
    """What was left in the directory, or a new instance."""
    kept = read_instance(directory, may_be_incomplete=configuration.may_be_incomplete)
    if kept is not None:
        return _resumed(profile, kept)
    if not configuration.subnets:
        raise _is_empty(directory)
    return _begun(profile, configuration)


def _is_empty(directory: Path) -> Refused:
    return Refused(f"Provided an empty state directory at path {directory}")


def _resumed(profile: Profile, kept: KeptInstance) -> Simulation:
    """An instance that goes on where it ended."""
    simulation = Simulation(profile, [one.subnet for one in kept.subnets], kept.time + 2)
    simulation.messages_sent = kept.messages_sent
    bring_back(simulation, kept.subnets, kept.under_way)
    simulation.engine.advance(0)
    return simulation


def _begun(profile: Profile, configuration: Configuration) -> Simulation:
    """A new instance. Its subnets may begin with the canisters that others left."""
    subnets: list[PocketSubnet] = []
    brought: list[KeptSubnet] = []
    for planned in configuration.subnets:
        subnet, kept = _subnet(planned, subnets)
        if any(one.seed == subnet.seed for one in subnets):
            raise Refused(f"Two subnets have the seed {subnet.seed.hex()}.")
        subnets.append(subnet)
        brought += [] if kept is None else [kept]
    simulation = Simulation(profile, subnets, _beginning(configuration, subnets, brought))
    bring_back(simulation, tuple(brought))
    simulation.engine.advance(0)
    return simulation


def _beginning(configuration: Configuration, subnets: list[PocketSubnet], brought: list[KeptSubnet]) -> Nanoseconds:
    earliest = configuration.initial_time or GENESIS
    return max((earliest, *(one.time for one in brought))) + len(subnets)


def _subnet(planned: PlannedSubnet, others: list[PocketSubnet]) -> tuple[PocketSubnet, KeptSubnet | None]:
    if planned.from_path is None:
        return made_subnet(planned.plan, others), None
    kept = read_subnet(planned.from_path)
    first_node = max((one.hosted.nodes.stop for one in others), default=0)
    subnet = with_seed(planned.plan, kept.subnet.hosted.ranges, kept.subnet.seed, first_node)
    return subnet, evolve(kept, subnet=subnet)
