"""
Canister signatures: a canister signs by certifying the hash of what it signs.

Source: index, canister signatures. The signature of the certificate itself is verified by a function that whoever
checks brings along.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import cbor2
from attrs import frozen

from spec.certification.cbor import decode_item
from spec.certification.certificate import (
    SELF_DESCRIBED,
    SELF_DESCRIBING_TAG,
    Certificate,
    CertificateError,
    VerifySignature,
    decode_certificate,
    encode_certificate,
    lookup,
    tree_of_value,
    value_of_tree,
    verify_certificate,
)
from spec.certification.der import subject_public_key, subject_public_key_info
from spec.certification.hash_tree import Found, HashTree, is_well_formed, lookup_path, reconstruct
from spec.certification.scope import is_in_scope
from spec.values.checklist import defines
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH, Blob, CanisterId

OBJECT_IDENTIFIER: Final = bytes.fromhex("300c060a2b0601040183b8430102")
"""1.3.6.1.4.1.56387.1.2 as an algorithm identifier in DER."""

NOT_SIGNING: Final = b"cloud_engine"
"""The type of subnets whose canisters cannot sign."""


@frozen
class PublicKey:
    """The key of a canister, one for each seed."""

    canister_id: CanisterId
    seed: Blob


@frozen
class CanisterSignature:
    """A certificate of the root hash of a tree in which the canister notes what it signs."""

    certificate: Certificate
    tree: HashTree


@defines("cert.canister-signature.public-key")
def encode_public_key(key: PublicKey) -> Blob:
    """The key in DER."""
    return subject_public_key_info(OBJECT_IDENTIFIER, bytes([len(key.canister_id)]) + key.canister_id + key.seed)


@defines("cert.canister-signature.public-key")
def decode_public_key(encoded: Blob) -> PublicKey | None:
    """Reads a key in DER; None if it is no key of a canister."""
    content = subject_public_key(OBJECT_IDENTIFIER, encoded)
    if not content:
        return None
    length, rest = content[0], content[1:]
    if length > min(len(rest), MAXIMUM_PRINCIPAL_LENGTH):
        return None
    return PublicKey(CanisterId(rest[:length]), rest[length:])


@defines("cert.canister-signature.signature")
def encode_signature(signature: CanisterSignature) -> Blob:
    """The CBOR of a signature, with the self-describing tag."""
    value = {"certificate": encode_certificate(signature.certificate), "tree": value_of_tree(signature.tree)}
    return cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, value))


@defines("cert.canister-signature.signature")
def decode_signature(encoded: Blob) -> CanisterSignature:
    """Reads a signature. Raises `CertificateError` for anything else."""
    if not encoded.startswith(SELF_DESCRIBING_TAG):
        raise CertificateError("not a canister signature: it is not self-described CBOR")
    try:
        fields: Any = decode_item(encoded)
    except ValueError as problem:
        raise CertificateError(str(problem)) from None
    if not isinstance(fields, Mapping) or not isinstance(fields.get("certificate"), bytes) or "tree" not in fields:
        raise CertificateError("not a canister signature: certificate and tree are needed")
    return CanisterSignature(decode_certificate(fields["certificate"]), tree_of_value(fields["tree"]))


def verify_canister_signature(
    key: PublicKey, signature: CanisterSignature, payload: Blob, root_key: Blob, verify: VerifySignature
) -> bool:
    """The canister signed the payload, which includes its domain separator."""
    return (
        certifies(signature, key.canister_id, root_key, verify)
        and may_sign(signature.certificate, key.canister_id)
        and notes(signature.tree, key.seed, payload)
    )


@defines("cert.canister-signature.verify-certificate")
def certifies(signature: CanisterSignature, canister_id: CanisterId, root_key: Blob, verify: VerifySignature) -> bool:
    """The certificate is valid, and the certified data of the canister are the root hash of the tree."""
    found = lookup((b"canister", canister_id, b"certified_data"), signature.certificate)
    return found == Found(reconstruct(signature.tree)) and verify_certificate(signature.certificate, root_key, verify)


@defines("cert.canister-signature.verify-delegation")
def may_sign(certificate: Certificate, canister_id: CanisterId) -> bool:
    """A delegation is to the subnet of the canister, and tells that this subnet's canisters can sign."""
    delegation = certificate.delegation
    if delegation is None:
        return True
    match lookup((b"subnet", delegation.subnet_id, b"type"), delegation.certificate):
        case Found(kind):
            return kind != NOT_SIGNING and is_in_scope(certificate, canister_id)
        case _:
            return False


@defines("cert.canister-signature.verify-tree")
def notes(tree: HashTree, seed: Blob, payload: Blob) -> bool:
    """The tree is well formed and tells that the payload is signed under the seed."""
    path = (b"sig", hashlib.sha256(seed).digest(), hashlib.sha256(payload).digest())
    return is_well_formed(tree) and lookup_path(path, tree) == Found(b"")
