"""An instance that is asked for comes to be."""

from collections.abc import Callable

from reference_impl.server.pocket_ic.configuration import Configuration
from reference_impl.server.pocket_ic.fields import Refused
from reference_impl.server.pocket_ic.simulation import Simulation
from reference_impl.server.pocket_ic.subnets import PocketSubnet, made_subnet
from spec.profile import Profile

AtEnd = Callable[[Simulation], None]


def created(profile: Profile, configuration: Configuration) -> tuple[Simulation, AtEnd]:
    """The instance, and what is done at its end. Raises `Refused`."""
    if configuration.state_directory is not None or any(one.from_path for one in configuration.subnets):
        raise Refused("state directories are not served")
    subnets: list[PocketSubnet] = []
    for planned in configuration.subnets:
        subnets.append(made_subnet(planned.plan, subnets))
    return Simulation(profile, subnets, configuration.initial_time), lambda _: None
