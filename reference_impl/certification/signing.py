"""
Certificates that an instance for development makes. Source: certification, certificate and encoding.

An instance for development has no secrets: those of its subnets are known to everybody, so anyone can sign for them.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import cbor2
from attrs import evolve, field, frozen
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from reference_impl.certification.hash_trees import Path, Tree, shown
from reference_impl.certification.threshold import SUITE, Committee
from reference_impl.subnet.network import HostedSubnet, Network
from spec.state.canister import Subnet
from spec.values.identifiers import Blob, SubnetId, self_authenticating_id
from spec.values.quantities import Count

STATE_ROOT: Final = b"\x0dic-state-root"
SELF_DESCRIBED: Final = 55799

DER_OF_BLS_KEY: Final = bytes.fromhex("308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100")
"""What stands before the 96 bytes of a key: the algorithm 1.3.6.1.4.1.44668.5.3.1.2.1 and its curve."""


@frozen
class Signer:
    """Who signs for a subnet."""

    secret: Scalar = field(eq=False)
    public_key: Blob
    """In DER."""
    committee: Committee | None = None
    """The nodes whose shares make a signature; None if the whole secret does, which gives the same one."""

    @classmethod
    def of(cls, secret: Scalar) -> "Signer":
        """The one with this secret."""
        return cls(secret, DER_OF_BLS_KEY + bytes((G2Point() * secret).to_compressed_bytes()))

    @property
    def subnet_id(self) -> SubnetId:
        """The subnet whose key this is."""
        return self_authenticating_id(self.public_key)

    def signature_of(self, root_hash: Blob) -> Blob:
        """The signature on a state with this hash. The state often stays as it was, and is signed once."""
        return _signature(self, root_hash)


def certified_message(root_hash: Blob) -> Blob:
    """What is signed where a state with this hash is certified."""
    return STATE_ROOT + root_hash


@lru_cache(maxsize=16)
def _signature(signer: Signer, root_hash: Blob) -> Blob:
    if signer.committee is not None:
        # Reason: the nodes take turns.
        first_node = root_hash[0] % len(signer.committee.shares)
        return signer.committee.signature(certified_message(root_hash), first_node)
    signed = G1Point.hash_to_curve(certified_message(root_hash), SUITE) * signer.secret
    return bytes(signed.to_compressed_bytes())


@lru_cache(maxsize=256)
def signer_of(secret: Blob, nodes: Count | None = None) -> Signer:
    """Who signs with a secret, which is a number in 32 bytes; if a number of nodes is given, by their shares of it."""
    signer = Signer.of(Scalar.from_be_bytes_mod_order(secret))
    return signer if nodes is None else evolve(signer, committee=Committee.of(secret, nodes))


ROOT_SECRET: Final[Blob] = (1).to_bytes(32, "big")
OTHER_SECRET: Final[Blob] = hashlib.sha256(b"the secret of another subnet").digest()

ROOT: Final = signer_of(ROOT_SECRET)
"""The root subnet of an instance for development."""

OTHER: Final = signer_of(OTHER_SECRET)
"""A subnet to which that one delegates."""

ROOT_KEY: Final[Blob] = ROOT.public_key
"""The public key of the root subnet, in DER."""


def network_of(subnet: Subnet, root_key: Blob) -> Network:
    """The network of one subnet: the root subnet, or that to which the root subnet of development delegates."""
    root_secret = ROOT_SECRET if root_key == ROOT_KEY else None
    if subnet.subnet_id == OTHER.subnet_id:
        return Network([HostedSubnet(subnet, OTHER.public_key, OTHER_SECRET)], root_key, root_secret)
    return Network([HostedSubnet(subnet, root_key, root_secret)], root_key, root_secret)


@frozen
class Delegation:
    """What a certificate of another than the root subnet bears: a certificate of the root subnet."""

    subnet_id: SubnetId
    certificate: Blob


def certificate_of(
    tree: Tree, paths: Iterable[Path], signer: Signer = ROOT, delegation: Delegation | None = None
) -> Blob:
    """A certificate that shows some paths of the tree."""
    fields: dict[str, object] = {"tree": shown(tree, paths), "signature": signer.signature_of(tree.hash)}
    if delegation is not None:
        fields["delegation"] = {"subnet_id": delegation.subnet_id, "certificate": delegation.certificate}
    encoded: Blob = cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, fields))
    return encoded
