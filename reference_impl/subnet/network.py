"""
The subnets of an instance: which canister ids each has, what it charges, and with which secret it signs.

The specification's state names one subnet, on which canisters are created. An instance with several is more: a canister
that is created lives where the request to create it went, or where its creator lives.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from attrs import field, frozen

from spec.state.canister import Subnet
from spec.state.network import CanisterRange
from spec.values.identifiers import Blob, CanisterId, Principal, SubnetId, Text
from spec.values.quantities import Count

OPAQUE_ID_ENDING: Final = bytes([1, 1])
"""Ids that subnets assign are 8 bytes of a number and these two. Source: index, principals, opaque ids."""
NUMBER_SIZE: Final = 8
LAST_NUMBER: Final = (1 << 8 * NUMBER_SIZE) - 1

APPLICATION: Final[Text] = "application"
SYSTEM: Final[Text] = "system"


def numbered_id(number: Count) -> CanisterId:
    """The canister id that a subnet makes from a number."""
    return CanisterId(Principal(number.to_bytes(NUMBER_SIZE, "big") + OPAQUE_ID_ENDING))


def number_of(canister_id: Principal) -> Count:
    """The number in an id of this form."""
    return int.from_bytes(canister_id[:NUMBER_SIZE], "big")


def numbered_range(first: Count, last: Count) -> CanisterRange:
    """The ids made from these numbers and those between them."""
    return CanisterRange(numbered_id(first), numbered_id(last))


ALL_NUMBERS: Final = numbered_range(0, LAST_NUMBER)
"""Every id that subnets assign."""

ROOT_NODES: Final[Count] = 40
"""So many nodes a root subnet has that is none of those that the instance runs, as production's in PocketIC."""


@frozen
class HostedSubnet:
    """A subnet that the instance runs."""

    subnet: Subnet
    public_key: Blob
    """In DER."""
    secret: Blob | None = field(default=None, repr=False)
    """What its key is made from; None if nobody here can sign for it."""
    kind: Text = APPLICATION
    """As the state tree names it."""
    ranges: tuple[CanisterRange, ...] = (ALL_NUMBERS,)
    """Its canister ids. New canisters get ids of the last range."""
    is_free: bool = False
    """Its canisters pay nothing."""
    first_node: Count = 0
    """Its nodes have this number and those that follow."""

    @property
    def subnet_id(self) -> SubnetId:
        """What names it."""
        return self.subnet.subnet_id

    def has(self, canister_id: Principal) -> bool:
        """The id is one of its canister ids."""
        return any(one.first <= canister_id <= one.last for one in self.ranges)

    def may_create(self, canister_id: Principal) -> bool:
        """The id is one of its canister ids; a subnet that has all numbers has ids of other forms too."""
        return ALL_NUMBERS in self.ranges or self.has(canister_id)

    @property
    def nodes(self) -> range:
        """The numbers of its nodes."""
        return range(self.first_node, self.first_node + self.subnet.subnet_size)


class Network:
    """The subnets of an instance, in the order in which they were created. There may be others later."""

    def __init__(self, subnets: Iterable[HostedSubnet], root_key: Blob, root_secret: Blob | None = None) -> None:
        self._subnets = {one.subnet_id: one for one in subnets}
        self.root_key = root_key
        """Of the root subnet, in DER. The root subnet need not be one of these."""
        self.root_secret = root_secret
        """What the root key is made from; None if nobody here can sign with it."""
        self.signs_by_shares = False
        """
        Shares of nodes make the signatures of subnets, which are the same as those made by their whole secrets.

        Those of the root subnet on its delegations are among them.
        """

    def __iter__(self) -> Iterator[HostedSubnet]:
        return iter(self._subnets.values())

    def __len__(self) -> int:
        return len(self._subnets)

    def __contains__(self, subnet_id: Principal) -> bool:
        return subnet_id in self._subnets

    def __getitem__(self, subnet_id: Principal) -> HostedSubnet:
        return self._subnets[SubnetId(subnet_id)]

    @property
    def root_nodes(self) -> Count:
        """How many nodes the root subnet has."""
        return next((one.subnet.subnet_size for one in self if one.public_key == self.root_key), ROOT_NODES)

    def add(self, hosted: HostedSubnet) -> None:
        """One more subnet."""
        assert hosted.subnet_id not in self._subnets, "a subnet is added once"
        self._subnets[hosted.subnet_id] = hosted

    def remove(self, subnet_id: SubnetId) -> None:
        """A subnet is there no more."""
        del self._subnets[subnet_id]

    def owner_of(self, canister_id: Principal) -> HostedSubnet | None:
        """The subnet that has this canister id, if any."""
        return next((one for one in self if one.has(canister_id)), None)

    def reached_by(self, effective_id: Principal) -> HostedSubnet | None:
        """The subnet that a request with this effective id goes to: the id is its own, or one of its canister ids."""
        return self._subnets.get(SubnetId(effective_id)) or self.owner_of(effective_id)
