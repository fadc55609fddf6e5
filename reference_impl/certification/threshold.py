"""
Signatures of a subnet by shares of its nodes: any few of them make the one signature that the subnet's key verifies.

The secret of a subnet is the value at zero of a polynomial; each node has its value at another place. A signature is
the sum of enough shares, weighted so that the values at zero add up. Which nodes gave them does not show. Source: the
signatures of Boneh, Lynn and Shacham with Shamir's shares; rs/crypto/internal/crypto_lib/threshold_sig/bls12_381.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from attrs import field, frozen
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from spec.values.identifiers import Blob
from spec.values.quantities import Count

SUITE: Final = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""Of the group. Scalars are numbers below it."""
SCALAR_SIZE: Final = 32


@frozen
class Committee:
    """The nodes of a subnet with their shares. An instance for development has no secrets, so all of it is known."""

    threshold: Count
    """So many shares make a signature."""
    shares: tuple[int, ...] = field(repr=False)
    """By the numbers of the nodes."""

    @staticmethod
    @lru_cache(maxsize=256)
    def of(secret: Blob, nodes: Count) -> "Committee":
        """The nodes of a subnet with this secret. Of three in a row that are faulty, the others are enough."""
        threshold = (nodes - 1) // 3 * 2 + 1
        first = int.from_bytes(secret, "big") % ORDER
        others = [_derived(secret, number) for number in range(1, threshold)]
        return Committee(threshold, tuple(_value([first, *others], place + 1) for place in range(nodes)))

    def share(self, node: Count, message: Blob) -> Blob:
        """What a node signs."""
        return self.shares_of([node], message)[node]

    def shares_of(self, nodes: Iterable[Count], message: Blob) -> dict[Count, Blob]:
        """What some nodes sign, by their numbers."""
        hashed = G1Point.hash_to_curve(message, SUITE)
        return {node: bytes((hashed * _scalar(self.shares[node])).to_compressed_bytes()) for node in nodes}

    def public_share(self, node: Count) -> Blob:
        """What verifies the share of a node, as a key verifies a signature: a point of the second group."""
        return bytes((G2Point() * _scalar(self.shares[node])).to_compressed_bytes())

    def signature(self, message: Blob, first_node: Count = 0) -> Blob:
        """The subnet's signature, made of the shares of enough nodes that follow each other from this one on."""
        nodes = [(first_node + place) % len(self.shares) for place in range(self.threshold)]
        return combined(self.shares_of(nodes, message))


def _derived(secret: Blob, number: Count) -> int:
    return int.from_bytes(hashlib.sha256(secret + b"coefficient %d" % number).digest(), "big") % ORDER


def _value(coefficients: list[int], place: int) -> int:
    """Of the polynomial at a place."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * place + coefficient) % ORDER
    return value


def _scalar(number: int) -> Scalar:
    return Scalar.from_be_bytes_mod_order(number.to_bytes(SCALAR_SIZE, "big"))


def combined(shares: Mapping[Count, Blob]) -> Blob:
    """The signature that shares make, by the numbers of the nodes that gave them; there must be enough."""
    places = {node: node + 1 for node in shares}
    total = G1Point.identity()
    for node, share in shares.items():
        weight = 1
        for other, place in places.items():
            if other != node:
                weight = weight * place * pow(place - places[node], -1, ORDER) % ORDER
        total = total + G1Point.from_compressed_bytes(share) * _scalar(weight)
    return bytes(total.to_compressed_bytes())
