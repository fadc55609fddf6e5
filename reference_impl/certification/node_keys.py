"""
The nodes of a subnet, which sign the answers to queries. Source: https-interface, query; index, subnet information.

Like the subnet's secret, those of its nodes are known to everybody: they are made from the number of the node.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from attrs import frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spec.values.identifiers import Blob, Principal, self_authenticating_id
from spec.values.quantities import Count
from spec.values.request_id import HashedValue, hash_of_map

DER_OF_ED25519_KEY: Final = bytes.fromhex("302a300506032b6570032100")
RESPONSE: Final = b"\x0bic-response"


@frozen
class Node:
    """A node with its keys."""

    secret: Ed25519PrivateKey
    public_key: Blob
    """In DER."""

    @property
    def node_id(self) -> Principal:
        """The principal of the node."""
        return self_authenticating_id(self.public_key)

    def signature_of(self, response: Mapping[str, HashedValue]) -> Blob:
        """The signature on the answer to a query."""
        return self.secret.sign(RESPONSE + hash_of_map(response))


@lru_cache(maxsize=1024)
def node(number: Count) -> Node:
    """The node with this number."""
    secret = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"the secret of node %d" % number).digest())
    return Node(secret, DER_OF_ED25519_KEY + secret.public_key().public_bytes_raw())
