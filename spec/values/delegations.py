"""Delegations: a key says of another that it may sign in its stead. Source: https-interface, authentication."""

from attrs import frozen

from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Text
from spec.values.quantities import Nanoseconds


@frozen
class Delegation:
    """What a key says of another: that it may sign in its stead."""

    public_key: Blob
    """DER-encoded."""
    expiration: Nanoseconds
    targets: List[CanisterId] | None = None
    """For which canisters; None means all of them."""
    permissions: Text | None = None
    """For which kinds of requests, `all` or `queries`; None means `all`. Any other text makes it invalid."""


@frozen
class SignedDelegation:
    """A delegation and the signature of the key before it in the chain."""

    delegation: Delegation
    signature: Blob
