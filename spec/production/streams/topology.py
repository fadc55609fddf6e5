"""
Which subnets there are, which canister ids each of them has, and how much a stream between two of them holds.

Source: rs/messaging/src/routing/stream_builder.rs; facts on limits, `stream_messages` and `stream_bytes`.
"""

from typing import Final

from attrs import field, frozen

from spec.state.network import CanisterRange
from spec.values.containers import Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, SubnetId
from spec.values.quantities import ByteCount, Count

MEBIBYTE: Final[ByteCount] = 2**20


@frozen
class StreamLimits:
    """How much a stream to another subnet takes. The values that are given here are production's."""

    messages: Count = 10_000
    """A stream with so many messages takes no more."""
    messages_to_system_subnet: Count = 200
    """Likewise, of a stream to a system subnet. Refunds do not count."""
    bytes: ByteCount = 10 * MEBIBYTE
    """A stream whose messages have so many bytes takes no more; the last one may be as large as it likes."""
    refund_record: ByteCount = 64
    """What a refund takes. Source: facts on limits, `refund_record`."""
    slice_messages: Count = 10_000
    """A slice that one block takes in holds so many messages at most. Ours: a block is bounded by its bytes alone."""

    @property
    def refunds(self) -> Count:
        """A stream with so many refunds takes no more of them; they come before messages."""
        return self.messages // 2


@frozen
class SubnetInTopology:
    """What the registry says of a subnet."""

    ranges: tuple[CanisterRange, ...]
    """The ids of its canisters, and of those that it may create."""
    is_system: bool = False


@frozen
class Topology:
    """The subnets of the registry, and how much streams hold."""

    subnets: Map[SubnetId, SubnetInTopology]
    limits: StreamLimits = field(factory=StreamLimits)

    def route(self, canister_id: Principal) -> SubnetId | None:
        """The subnet that a canister id belongs to, or that has this id itself; None if there is none."""
        if canister_id in self.subnets:
            return SubnetId(canister_id)
        for subnet_id, subnet in self.subnets.items():
            if any(one.first <= canister_id <= one.last for one in subnet.ranges):
                return subnet_id
        return None

    def is_elsewhere(self, canister_id: Principal, own: SubnetId) -> bool:
        """What goes to this canister leaves the subnet, or has no way to go. Every subnet has a management canister."""
        return canister_id != MANAGEMENT_CANISTER and self.route(canister_id) != own
