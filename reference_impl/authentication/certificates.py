"""
Certificates of what is in the state of a subnet, and the trees in them. Source: certification.

Every function that reads bytes raises `ValueError` if they are not what it reads.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from attrs import frozen
from py_arkworks_bls12381 import GT, G1Point, G2Point

from reference_impl.authentication.cbor import SELF_DESCRIBED, Item, Tagged, read
from reference_impl.authentication.der import public_key_of
from spec.values.identifiers import Blob

SUITE: Final = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
BLS_KEY: Final = bytes.fromhex("301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201")
"""The algorithm 1.3.6.1.4.1.44668.5.3.1.2.1 with the curve 1.3.6.1.4.1.44668.5.3.2.1, in DER."""
STATE_ROOT: Final = b"\x0dic-state-root"
HASH_LENGTH: Final = 32


# Trees


@frozen
class Tree:
    """A hash tree, without the forks in it."""

    hash: Blob
    value: Blob | None = None
    """Of a leaf."""
    branches: "tuple[tuple[Blob, Tree], ...]" = ()
    """What is under each label, from left to right."""
    is_well_formed: bool = True
    """Labels increase, and no leaf is beside anything."""


def _hashed(kind: Blob, *parts: Blob) -> Blob:
    separator = b"ic-hashtree-" + kind
    return hashlib.sha256(bytes((len(separator),)) + separator + b"".join(parts)).digest()


def _fork(left: Tree, right: Tree) -> Tree:
    branches = left.branches + right.branches
    are_ordered = not (left.branches and right.branches) or left.branches[-1][0] < right.branches[0][0]
    has_leaf = left.value is not None or right.value is not None
    is_well_formed = left.is_well_formed and right.is_well_formed and are_ordered and not has_leaf
    return Tree(_hashed(b"fork", left.hash, right.hash), None, branches, is_well_formed)


def tree_of(item: Item) -> Tree:
    """The tree that an item stands for."""
    match item:
        case [0]:
            return Tree(_hashed(b"empty"))
        case [1, left, right]:
            return _fork(tree_of(left), tree_of(right))
        case [2, bytes(label), under]:
            below = tree_of(under)
            branches = ((label, below),)
            return Tree(_hashed(b"labeled", label, below.hash), None, branches, below.is_well_formed)
        case [3, bytes(value)]:
            return Tree(_hashed(b"leaf", value), value)
        case [4, bytes(known)] if len(known) == HASH_LENGTH:
            return Tree(known)
    raise ValueError("not a hash tree")


def below(tree: Tree, *path: Blob) -> Tree | None:
    """What the tree has at a path, if it tells."""
    for label in path:
        found = next((under for name, under in tree.branches if name == label), None)
        if found is None:
            return None
        tree = found
    return tree


def value_at(tree: Tree, *path: Blob) -> Blob | None:
    """The value at a path, if the tree tells it."""
    found = below(tree, *path)
    return None if found is None else found.value


def values_of(tree: Tree) -> Iterator[Blob]:
    """All values that the tree tells."""
    if tree.value is not None:
        yield tree.value
    for _, under in tree.branches:
        yield from values_of(under)


# Certificates


@frozen
class Certificate:
    """What a subnet says of its state. Without a delegation it is the root subnet's."""

    tree: Tree
    signature: Blob
    delegation: "Delegation | None"


@frozen
class Delegation:
    """What the root subnet says of another one, whose key it is that signs."""

    subnet_id: Blob
    certificate: Certificate


def described(encoded: Blob) -> Item:
    """The item that the bytes are, with or without the tag which says that they are CBOR."""
    item = read(encoded)
    return item.item if isinstance(item, Tagged) and item.tag == SELF_DESCRIBED else item


def certificate_of(encoded: Blob) -> Certificate:
    """Reads a certificate."""
    whole = described(encoded)
    match whole:
        case {"delegation": {"subnet_id": bytes(subnet_id), "certificate": bytes(given)}}:
            inner = described(given)
            if isinstance(inner, dict) and inner.get("delegation") is not None:
                raise ValueError("a delegation rests on a delegation")
            return _certificate(whole, Delegation(subnet_id, _certificate(inner, None)))
        case {"delegation": item} if item is not None:
            raise ValueError("not a delegation")
    return _certificate(whole, None)


def _certificate(item: Item, delegation: Delegation | None) -> Certificate:
    match item:
        case {"tree": tree, "signature": bytes(signature)}:
            return Certificate(tree_of(tree), signature, delegation)
    raise ValueError("not a certificate")


# Signatures of subnets


def is_valid(certificate: Certificate, root_key: Blob) -> bool:
    """The certificate goes back to the key of the root subnet, in DER."""
    delegation, key = certificate.delegation, root_key
    if delegation is not None:
        named = value_at(delegation.certificate.tree, b"subnet", delegation.subnet_id, b"public_key")
        if named is None or not is_valid(delegation.certificate, root_key):
            return False
        key = named
    point = public_key_of(BLS_KEY, key)
    return point is not None and _made(point, certificate.signature, STATE_ROOT + certificate.tree.hash)


def _made(key: Blob, signature: Blob, message: Blob) -> bool:
    """The BLS key made the signature. Points have one encoding, and the neutral point is nobody's key."""
    try:
        public, signed = G2Point.from_compressed_bytes(key), G1Point.from_compressed_bytes(signature)
    except ValueError:
        return False
    if (bytes(public.to_compressed_bytes()), bytes(signed.to_compressed_bytes())) != (key, signature):
        return False
    if public == G2Point.identity():
        return False
    hashed = G1Point.hash_to_curve(message, SUITE)
    return bool(GT.pairing_check([-signed, hashed], [G2Point(), public]))


# Scope


def certifies_for(delegation: Delegation, canister_id: Blob) -> bool:
    """The canister is among those of the subnet to which the root subnet delegates."""
    shards = below(delegation.certificate.tree, b"canister_ranges", delegation.subnet_id)
    if shards is None:
        return False
    return any(first <= canister_id <= last for shard in values_of(shards) for first, last in _ranges(shard))


def _ranges(shard: Blob) -> list[tuple[Blob, Blob]]:
    """The first and the last canister of each range in a shard; none if it is no list of ranges."""
    try:
        item = described(shard)
    except ValueError:
        return []
    ranges = []
    for pair in item if isinstance(item, list) else []:
        match pair:
            case [bytes(first), bytes(last)]:
                ranges.append((first, last))
            case _:
                return []
    return ranges
