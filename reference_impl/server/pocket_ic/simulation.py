"""
An instance: an engine with several subnets, whose time and rounds clients move on.

There is one clock. `set_time` tells the time of the next round; what canisters see moves when a round runs or when the
time is certified. A round runs at the time that was set, or one nanosecond after the last one. Source:
`rs/state_machine_tests/src/lib.rs` in dfinity/ic.
"""

from collections.abc import Iterable
from typing import Final

from attrs import evolve

from reference_impl.engine import Engine
from reference_impl.server.engine_owner import Forgetting
from reference_impl.server.pocket_ic.charging import Charging
from reference_impl.server.pocket_ic.fields import Json, Refused
from reference_impl.server.pocket_ic.outside import OutcallsWait
from reference_impl.server.pocket_ic.subnets import (
    OF_APPLICATION,
    RANGE_SIZE,
    RANGES_OF_PRODUCTION,
    PocketSubnet,
    SubnetPlan,
    admins_of,
    default_subnet,
    made_subnet,
    topology,
)
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.network import Network, number_of
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.profile import Profile
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, principal_to_text
from spec.values.quantities import Instructions, Nanoseconds

BENCHMARKING_LIMIT: Final[Instructions] = 99_999_999_999_999
"""What executions may use in an instance that is to measure them."""
MOST_ITERATIONS: Final = 30
"""So often in a round all canisters have a turn at most. Production iterates as long as instructions are left."""
NUMBERED_ENDING: Final = b"\x01\x01"


def profile_for(profile: Profile, subnets: Iterable[PocketSubnet]) -> Profile:
    """The limits of an instance. If one of its subnets is to measure executions, all of them have room for it."""
    if not any(one.is_benchmarking for one in subnets):
        return profile
    named = ("message", "query", "query_call_graph", "install_code", "inspect_message")
    limits = evolve(profile.limits, **{f"{name}_instructions": BENCHMARKING_LIMIT for name in named})
    return evolve(profile, limits=limits)


class Simulation:
    """One instance. Everything here runs on the instance's own thread."""

    def __init__(self, profile: Profile, subnets: Iterable[PocketSubnet], begun: Nanoseconds) -> None:
        """An instance without canisters, at this time; the first of its subnets is the root subnet."""
        self.subnets = list(subnets)
        root = self.subnets[0].hosted
        self.deleted_subnets: list[PocketSubnet] = []
        self.outside = OutcallsWait()
        self.engine = Engine(
            profile_for(profile, self.subnets),
            default_subnet(self.subnets).hosted.subnet,
            begun,
            root.public_key,
            subnet_admins=admins_of(self.subnets),
            world=self.outside,
            network=Network([one.hosted for one in self.subnets], root.public_key, root.secret),
            explains=False,
            tells_newer_fields=True,
        )
        self.clock: Nanoseconds = begun
        """The time of the next round, if it is later than that of the last one."""
        self.messages_sent = 0
        """How many requests were made for clients, which makes each different."""
        self._charging = Charging(self.engine)
        self._forgetting = Forgetting(self.engine)

    @property
    def instance(self) -> SubnetInstance:
        """What the engine holds."""
        return self.engine.instance

    def topology(self) -> Json:
        """What clients are told of the subnets."""
        return topology(self.subnets)

    def canister(self, canister_id: Principal) -> CanisterRecord:
        """The canister with an id. Raises `Refused` if there is none."""
        found = self.instance.canisters.get(canister_id)
        if found is None:
            raise Refused(f"CanisterNotFound({principal_to_text(canister_id)})")
        return found

    def subnet(self, subnet_id: Principal) -> PocketSubnet:
        """The subnet with an id. Raises `Refused` if there is none."""
        for one in self.subnets:
            if one.subnet_id == subnet_id:
                return one
        raise Refused(f"SubnetNotFound({principal_to_text(subnet_id)})")

    def owner_of(self, canister_id: Principal) -> PocketSubnet | None:
        """The subnet that has a canister id, if any; a subnet's own id is taken for one."""
        reached = self.instance.network.reached_by(canister_id)
        return None if reached is None else self.subnet(reached.subnet_id)

    def subnet_for_id(self, canister_id: Principal) -> PocketSubnet:
        """The subnet on which a canister with this id is created. An id of production may be that of a new subnet."""
        owner = self.owner_of(canister_id)
        if owner is not None:
            return owner
        number = number_of(canister_id)
        block = number // RANGE_SIZE
        if canister_id[8:] != NUMBERED_ENDING or block >= RANGES_OF_PRODUCTION:
            raise Refused(
                f"The effective canister ID {principal_to_text(canister_id)} does not belong to an existing subnet and"
                " it is not a mainnet canister ID."
            )
        if block == 0:
            raise Refused(
                f"The effective canister ID {principal_to_text(canister_id)} belongs to the NNS subnet on the IC"
                " mainnet for which PocketIC provides a `SubnetConfigSet` field."
            )
        ids = ((block * RANGE_SIZE, (block + 1) * RANGE_SIZE - 1),)
        added = made_subnet(SubnetPlan(OF_APPLICATION, ids=ids), self.subnets)
        self.subnets.append(added)
        self.instance.network.add(added.hosted)
        self.clock += 1
        return added

    def remove(self, subnet: PocketSubnet) -> None:
        """A subnet, which has no canisters and is not the only one, is there no more."""
        self.subnets.remove(subnet)
        self.deleted_subnets.append(subnet)
        self.instance.network.remove(subnet.subnet_id)
        self.instance.create_on(default_subnet(self.subnets).hosted.subnet)

    # Time and rounds

    def set_time(self, time: Nanoseconds) -> None:
        """The next round runs at this time. Raises `Refused` for one in the past."""
        if time < self.clock:
            raise Refused(f"SettingTimeIntoPast(({self.clock}, {time}))")
        self.clock = time

    def set_certified_time(self, time: Nanoseconds) -> None:
        """The time, for canisters too, without a round."""
        self.set_time(time)
        self._move_on(time)

    def _move_on(self, time: Nanoseconds) -> None:
        passed = time - self.instance.system_time
        if passed > 0:
            self.engine.advance(passed)
            self._charging.charge()
            self.engine.explain()

    def round(self) -> None:
        """One round on every subnet."""
        now = max(self.clock, self.instance.system_time + 1)
        self.clock = now
        self._move_on(now)
        self._iterate()
        self.outside.give_up(self.engine)
        self._forgetting.forget()
        self.engine.explain()

    def _iterate(self) -> None:
        """As in production, what follows from messages within a round is done in it, if it is not too much."""
        for _ in range(MOST_ITERATIONS):
            self.engine.round()
            if self.engine.is_quiescent:
                return


def is_management(canister_id: Principal) -> bool:
    """The id is that of the management canister."""
    return canister_id == MANAGEMENT_CANISTER
