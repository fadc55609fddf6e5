"""Subnets and nodes, as far as users can learn of them."""

from attrs import field, frozen

from spec.values.containers import List, Map
from spec.values.identifiers import Blob, CanisterId, Principal, Text


@frozen
class CanisterRange:
    """A closed interval of canister ids, in the order of their bytes."""

    first: CanisterId
    last: CanisterId


@frozen
class ApiBoundaryNode:
    """A node that users reach the Internet Computer through. Source: index, state tree."""

    domain: Text
    ipv6_address: Text
    ipv4_address: Text | None = None


@frozen
class SubnetRecord:
    """What the state tree tells about a subnet. The interface specification leaves the set of subnets open."""

    public_key: Blob
    """DER-encoded BLS key."""
    kind: Text
    """`application`, `system`, `verified_application` or `cloud_engine`."""
    canister_ranges: List[CanisterRange]
    nodes: Map[Principal, Blob] = field(factory=Map)
    """DER-encoded Ed25519 keys by the ids of the nodes."""
    metrics: Blob = b""
    """CBOR; its content is implementation-specific."""
