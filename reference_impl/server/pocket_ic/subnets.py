"""
The kinds of subnets, their canister ids, and the network that a configuration makes.

Named subnets have the ids of the canisters that they have in production, and every subnet has a range of 2^20 ids for
the canisters that it creates, taken from the highest downwards. Source: `rs/pocket_ic_server/src/pocket_ic.rs` in
dfinity/ic.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from attrs import frozen

from reference_impl.certification.signing import signer_of
from reference_impl.server.pocket_ic.fields import Json, base64_of
from reference_impl.subnet.network import APPLICATION, ROOT_NODES, SYSTEM, HostedSubnet, numbered_range
from spec.state.canister import Subnet
from spec.state.network import CanisterRange
from spec.values.containers import List
from spec.values.identifiers import Blob, Principal, SubnetId, Text, principal_to_text
from spec.values.quantities import Count

RANGE_SIZE: Final[Count] = 1 << 20
"""How many canister ids a range has."""
HIGHEST_RANGE: Final[Count] = (1 << 44) - 2
"""The ids that subnets give out begin with this one of all ranges, and go downwards."""
RANGES_OF_PRODUCTION: Final[Count] = 128
"""
So many ranges are taken for those of production. It is more than production has today; which of its subnets has which
is not known here.
"""


@frozen
class Kind:
    """A kind of subnet."""

    name: Text
    """As configurations and topologies name it."""
    nodes: Count
    type: Text
    """As the state tree names it."""
    ids: tuple[tuple[Count, Count], ...] = ()
    """The numbers of its canister ids in production, first and last of each range."""


VERIFIED_APPLICATION: Final = "verified_application"
CLOUD_ENGINE: Final = "cloud_engine"

NNS: Final = Kind("NNS", ROOT_NODES, SYSTEM, ((0x0, 0x6), (0x8, 0xFFFFF)))
SNS: Final = Kind("SNS", 34, APPLICATION, ((0x2000000, 0x20FFFFF),))
II: Final = Kind("II", 34, SYSTEM, ((0x7, 0x7), (0x2100000, 0x21FFFFF)))
FIDUCIARY: Final = Kind("Fiduciary", 34, APPLICATION, ((0x2300000, 0x23FFFFF),))
BITCOIN: Final = Kind("Bitcoin", 13, SYSTEM, ((0x1A00000, 0x1AFFFFF),))
TEST_THRESHOLD_KEYS: Final = Kind("TestThresholdKeys", 13, APPLICATION, ((0x1D00000, 0x1DFFFFF),))
OF_SYSTEM: Final = Kind("System", 13, SYSTEM)
OF_APPLICATION: Final = Kind("Application", 13, APPLICATION)
OF_VERIFIED_APPLICATION: Final = Kind("VerifiedApplication", 13, VERIFIED_APPLICATION)
OF_CLOUD_ENGINE: Final = Kind("CloudEngine", 13, CLOUD_ENGINE)

NAMED: Final[Mapping[Text, Kind]] = {
    "nns": NNS,
    "sns": SNS,
    "ii": II,
    "fiduciary": FIDUCIARY,
    "bitcoin": BITCOIN,
    "test_threshold_keys": TEST_THRESHOLD_KEYS,
}
"""The kinds of which there is at most one subnet, by their fields in a configuration, in the order of creation."""
NUMBERED: Final[Mapping[Text, Kind]] = {
    "system": OF_SYSTEM,
    "application": OF_APPLICATION,
    "verified_application": OF_VERIFIED_APPLICATION,
    "cloud_engine": OF_CLOUD_ENGINE,
}
"""The kinds of which there may be many, likewise."""
KINDS: Final[Mapping[Text, Kind]] = {kind.name: kind for kind in (*NAMED.values(), *NUMBERED.values())}

PREFERRED: Final = (OF_APPLICATION, OF_VERIFIED_APPLICATION, OF_SYSTEM)
"""On the first subnet of the first of these kinds that there is canisters are created for which nothing is said."""


@frozen
class SubnetPlan:
    """A subnet that is to be made."""

    kind: Kind
    is_benchmarking: bool = False
    is_free: bool = False
    admins: tuple[Principal, ...] = ()
    ids: tuple[tuple[Count, Count], ...] = ()
    """Further ids of production, as in a kind."""


@frozen
class PocketSubnet:
    """A subnet of an instance."""

    hosted: HostedSubnet
    kind: Kind
    seed: Blob
    """32 bytes, by which state directories name it."""
    is_benchmarking: bool = False
    is_free: bool = False
    """Its cost schedule. Subnets of type system cost nothing either, whatever their schedule."""
    admins: tuple[Principal, ...] = ()

    @property
    def subnet_id(self) -> SubnetId:
        """What names it."""
        return self.hosted.subnet_id

    @property
    def assigned(self) -> CanisterRange:
        """The ids that new canisters get."""
        return self.hosted.ranges[-1]


def free_ranges(subnets: Iterable[PocketSubnet]) -> Iterator[CanisterRange]:
    """The ranges for new canisters that no subnet has, from the highest downwards."""
    taken = {one.assigned for one in subnets}
    for number in range(HIGHEST_RANGE, RANGES_OF_PRODUCTION, -1):
        candidate = numbered_range(number * RANGE_SIZE, (number + 1) * RANGE_SIZE - 1)
        if candidate not in taken:
            yield candidate


def made_subnet(plan: SubnetPlan, others: Iterable[PocketSubnet]) -> PocketSubnet:
    """A subnet beside others, with the highest free range, and a key that depends on its ranges alone."""
    beside = tuple(others)
    ranges = (
        *(numbered_range(first, last) for first, last in (*plan.kind.ids, *plan.ids)),
        next(free_ranges(beside)),
    )
    seed = seed_of(ranges)
    first_node = max((one.hosted.nodes.stop for one in beside), default=0)
    return with_seed(plan, ranges, seed, first_node)


def seed_of(ranges: Iterable[CanisterRange]) -> Blob:
    """What names the subnet with these ranges."""
    shown = ",".join(f"{one.first.hex()}-{one.last.hex()}" for one in sorted(ranges, key=lambda one: one.first))
    return hashlib.sha256(f"the subnet with the canister ids {shown}".encode()).digest()


def with_seed(plan: SubnetPlan, ranges: tuple[CanisterRange, ...], seed: Blob, first_node: Count) -> PocketSubnet:
    """The subnet with this seed, from which its key is made."""
    signer = signer_of(seed)
    hosted = HostedSubnet(
        subnet=Subnet(signer.subnet_id, plan.kind.nodes),
        public_key=signer.public_key,
        secret=seed,
        kind=plan.kind.type,
        ranges=ranges,
        is_free=plan.is_free or plan.kind.type == SYSTEM,
        first_node=first_node,
    )
    return PocketSubnet(hosted, plan.kind, seed, plan.is_benchmarking, plan.is_free, plan.admins)


def default_subnet(subnets: Iterable[PocketSubnet]) -> PocketSubnet:
    """Where canisters are created for which nothing is said."""
    present = tuple(subnets)
    preferred = (one for kind in PREFERRED for one in present if one.kind == kind)
    return next(preferred, present[0])


def admins_of(subnets: Iterable[PocketSubnet]) -> dict[SubnetId, List[Principal]]:
    """The admins of each subnet that has any."""
    return {one.subnet_id: List(one.admins) for one in subnets if one.admins}


def topology(subnets: Iterable[PocketSubnet]) -> Json:
    """What clients are told of the subnets."""
    present = tuple(subnets)
    return {
        "subnet_configs": {principal_to_text(one.subnet_id): _told(one) for one in present},
        "default_effective_canister_id": {"canister_id": base64_of(default_subnet(present).assigned.first)},
    }


def _told(subnet: PocketSubnet) -> Json:
    return {
        "subnet_kind": subnet.kind.name,
        "subnet_seed": list(subnet.seed),
        "size": subnet.kind.nodes,
        "instruction_config": "Benchmarking" if subnet.is_benchmarking else "Production",
        "canister_ranges": [
            {"start": {"canister_id": base64_of(one.first)}, "end": {"canister_id": base64_of(one.last)}}
            for one in subnet.hosted.ranges
        ],
        "subnet_admins": [{"principal_id": base64_of(admin)} for admin in subnet.admins] or None,
        "cost_schedule": "Free" if subnet.is_free else "Normal",
    }
