"""How random worlds begin: which canisters there are, on which subnets, and how much of everything there is."""

from collections.abc import Mapping
from typing import Final

from attrs import evolve

from conformance.canisters.library import load
from properties.agreement.lockstep import START
from spec.profile import Profile
from spec.rules.management.settings import default_settings
from spec.state.canister import Canister, Empty, Running, Subnet
from spec.state.history import CanisterHistory, Change, ChangeFromUser, CodeUninstall
from spec.values.containers import List
from spec.values.identifiers import CanisterId, Principal, SubnetId, self_authenticating_id
from spec.values.quantities import Cycles

USERS = (self_authenticating_id(b"one"), self_authenticating_id(b"two"))
"""The first one controls all canisters at the beginning."""
CANISTERS = tuple(Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(3))
"""The ids that the first canisters of a world get."""
NEIGHBOURS = tuple(Principal((2**20 + number).to_bytes(8, "big") + b"\x01\x01") for number in range(2))
"""Canisters on another subnet."""
EVERYBODY = (*CANISTERS, *NEIGHBOURS)
OTHER_SUBNET = Subnet(SubnetId(b"\x00" * 9 + b"\x02"), 34)
"""A larger one, on which everything is dearer."""
MODULES = (load("scripted"), load("scripted_tasks"), load("scripted_keep"))
AMOUNTS: Final[tuple[Cycles, ...]] = (10**14, 10**14, 10**14, 10**14, 5 * 10**11, 10**9)
"""What canisters start with: plenty, enough for some executions, and too little."""


def crowded(profile: Profile) -> Profile:
    """The profile of subnets with so little memory that canisters reserve cycles for all that they take."""
    limits = evolve(profile.limits, subnet_memory=2**30, subnet_memory_threshold=0)
    return evolve(profile, name=f"{profile.name}, crowded", limits=limits)


def neighbours(profile: Profile, amount: Cycles) -> Mapping[CanisterId, Canister]:
    """Canisters without code on another subnet, with so many cycles each and a history that may be trimmed."""
    controllers = List(tuple(sorted((USERS[0], *EVERYBODY))))
    settings = evolve(default_settings(profile, USERS[0]), controllers=controllers)
    one = Canister(
        code=Empty(),
        settings=settings,
        status=Running(),
        version=0,
        subnet=OTHER_SUBNET,
        time=START,
        global_timer=0,
        balance=amount,
        reserved_balance=0,
        certified_data=b"",
        created_at=START,
        installed_at=None,
        history=CanisterHistory(30, List((Change(START, 0, ChangeFromUser(USERS[0]), CodeUninstall()),) * 21)),
    )
    return dict.fromkeys(NEIGHBOURS, one)
