"""Signatures of canisters, made from their parts, each of which may be another than it should be."""

from hashlib import sha256

import cbor2
from attrs import field, frozen
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from reference_impl.authentication.canister_signatures import canister_key, certified
from reference_impl.authentication.certificates import BLS_KEY, SUITE, tree_of
from spec.values.identifiers import Principal, self_authenticating_id

SIGNER, OTHER = Principal(b"\0\0\0\0\0\0\0\7\1\1"), Principal(b"\0\0\0\0\0\0\0\x77\1\1")
SUBNET, ELSEWHERE = self_authenticating_id(b"the subnet"), self_authenticating_id(b"another subnet")
MESSAGE = b"a message"
ROOT, CHILD, STRANGER = Scalar(1234567), Scalar(7654321), Scalar(1111111)


# Building


def der(algorithm, key):
    """A key in DER, by the lengths of its parts; all are shorter than 256 bytes."""
    bits = element(0x03, b"\0" + key)
    return element(0x30, algorithm + bits)


def element(tag, content):
    return bytes((tag, len(content)) if len(content) < 128 else (tag, 0x81, len(content))) + content


def bls_key(secret):
    """The public key of a secret."""
    return der(BLS_KEY, bytes((G2Point() * secret).to_compressed_bytes()))


def of_canister(canister_id=SIGNER, seed=b"seed"):
    """The key of a canister in DER."""
    return der(bytes.fromhex("300c060a2b0601040183b8430102"), bytes((len(canister_id),)) + canister_id + seed)


def described(item):
    """The encoding with the tag in front."""
    return b"\xd9\xd9\xf7" + cbor2.dumps(item)


def grown(content):
    """The tree, as an item, in which labels lead to what the dictionary says."""
    if isinstance(content, bytes):
        return [3, content]
    items = [[2, label, grown(under)] for label, under in sorted(content.items())]
    tree = items.pop() if items else [0]
    while items:
        tree = [1, items.pop(), tree]
    return tree


def sealed(tree, secret, separator=b"\x0dic-state-root", **others):
    """A certificate of a tree that is an item."""
    point = G1Point.hash_to_curve(separator + tree_of(tree).hash, SUITE) * secret
    return described({"tree": tree, "signature": bytes(point.to_compressed_bytes()), **others})


def ranges(*pairs):
    """The shard that says which canisters are on the subnet."""
    return described([list(pair) for pair in pairs])


ABOUT_SUBNET = {
    b"canister_ranges": {SUBNET: {SIGNER: ranges((SIGNER, SIGNER))}},
    b"subnet": {SUBNET: {b"public_key": bls_key(CHILD), b"type": b"application"}},
}
NOTES = {b"sig": {sha256(b"seed").digest(): {sha256(MESSAGE).digest(): b""}}}


@frozen
class Given:
    """What a signature is made of; with `delegates` a subnet makes it, and otherwise the root subnet."""

    delegates: bool = False
    notes: object = field(factory=lambda: grown(NOTES))
    certified: object = None
    """In place of the hash of the notes."""
    at: object = (b"canister", SIGNER, b"certified_data")
    about: object = field(factory=lambda: grown(ABOUT_SUBNET))
    root: object = ROOT
    signs: object = None
    names: object = SUBNET
    separator: object = b"\x0dic-state-root"
    more: object = field(factory=dict)
    """More fields of the certificate of the root subnet for the other one."""

    def told(self):
        """What the certificate tells."""
        tree = [3, self.certified or tree_of(self.notes).hash]
        for label in reversed(self.at):
            tree = [2, label, tree]
        return tree

    def certificate(self):
        """The certificate of the canister's data."""
        tree = self.told()
        signs = self.signs or (CHILD if self.delegates else self.root)
        if not self.delegates:
            return sealed(tree, signs, self.separator)
        delegation = {"subnet_id": self.names, "certificate": sealed(self.about, self.root, **self.more)}
        return sealed(tree, signs, self.separator, delegation=delegation)

    def signature(self):
        """The signature."""
        return described({"certificate": self.certificate(), "tree": self.notes})


def holds(signature, *, key=None, message=MESSAGE, root_key=None):
    """The signature is accepted."""
    known = canister_key(of_canister() if key is None else key)
    assert known is not None
    return certified(known, signature, message, bls_key(ROOT) if root_key is None else root_key)


def about(**changes):
    """What the root subnet says of the other one, with some things changed; None takes one away."""
    told = {**ABOUT_SUBNET[b"subnet"][SUBNET], **{name.encode(): value for name, value in changes.items()}}
    told = {name: value for name, value in told.items() if value is not None}
    return grown({**ABOUT_SUBNET, b"subnet": {SUBNET: told}})


def scoped(*shards):
    """What the root subnet says if the shards are these."""
    numbered = {bytes((number,)): shard for number, shard in enumerate(shards)}
    return grown({**ABOUT_SUBNET, b"canister_ranges": {SUBNET: numbered}})
