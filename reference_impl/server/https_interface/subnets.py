"""
The subnets of a served instance, if it has several: the root subnet, and others to which it delegates.

Each has a range of 2^20 canister ids, in their order, so that an effective canister id says which of them is asked.
"""

import hashlib
from typing import Final

from reference_impl.certification.signing import ROOT, ROOT_KEY, ROOT_SECRET, signer_of
from reference_impl.subnet.network import HostedSubnet, Network, numbered_range
from spec.state.canister import Subnet
from spec.values.identifiers import Blob, Principal, Text, principal_to_text
from spec.values.quantities import Count

RANGE_SIZE: Final[Count] = 1 << 20
"""How many canister ids a subnet has."""


def network_with(subnets: Count, nodes: Count) -> Network:
    """So many subnets of so many nodes each. The first is the root subnet."""
    return Network([_subnet(number, nodes) for number in range(subnets)], ROOT_KEY, ROOT_SECRET)


def secret_of(number: Count) -> Blob:
    """What the key of a subnet is made from; everybody can make it."""
    return ROOT_SECRET if number == 0 else hashlib.sha256(f"the secret of subnet {number}".encode()).digest()


def _subnet(number: Count, nodes: Count) -> HostedSubnet:
    signer = ROOT if number == 0 else signer_of(secret_of(number))
    return HostedSubnet(
        subnet=Subnet(signer.subnet_id, nodes),
        public_key=signer.public_key,
        secret=secret_of(number),
        ranges=(numbered_range(number * RANGE_SIZE, (number + 1) * RANGE_SIZE - 1),),
        first_node=number * nodes,
    )


def told(network: Network) -> list[Text]:
    """A line for each subnet: its id, and its first and last canister ids."""
    shown = principal_to_text
    return [
        f"subnet {shown(Principal(one.subnet_id))}: {shown(one.ranges[0].first)} to {shown(one.ranges[0].last)}"
        for one in network
    ]
