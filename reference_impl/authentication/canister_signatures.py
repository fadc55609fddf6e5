"""Keys and signatures of canisters: they certify what they sign. Source: index, canister signatures."""

from hashlib import sha256
from typing import Final

from attrs import frozen

from reference_impl.authentication.cbor import SELF_DESCRIBED, Tagged, read
from reference_impl.authentication.certificates import (
    Certificate,
    Tree,
    certificate_of,
    certifies_for,
    is_valid,
    tree_of,
    value_at,
)
from reference_impl.authentication.der import public_key_of
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH, Blob

CANISTER_SIGNATURE: Final = bytes.fromhex("300c060a2b0601040183b8430102")
"""The algorithm 1.3.6.1.4.1.56387.1.2 in DER."""
CLOUD_ENGINE: Final = b"cloud_engine"
"""Canisters of subnets of this type cannot sign."""


@frozen
class CanisterKey:
    """A key of a canister, which has one for each seed."""

    canister_id: Blob
    seed: Blob


def canister_key(key: Blob) -> CanisterKey | None:
    """The canister's key that the bytes are, in DER; None if they are another key or none."""
    content = public_key_of(CANISTER_SIGNATURE, key)
    if not content:
        return None
    length, rest = content[0], content[1:]
    if length > MAXIMUM_PRINCIPAL_LENGTH or length > len(rest):
        return None
    return CanisterKey(rest[:length], rest[length:])


def certified(key: CanisterKey, signature: Blob, message: Blob, root_key: Blob) -> bool:
    """The canister signed the message with this key, as the key of the root subnet shows, which is in DER."""
    try:
        certificate, notes = _parts(signature)
    except ValueError:
        return False
    path = (b"sig", sha256(key.seed).digest(), sha256(message).digest())
    return (
        notes.is_well_formed
        and value_at(notes, *path) == b""
        and value_at(certificate.tree, b"canister", key.canister_id, b"certified_data") == notes.hash
        and _may_certify(certificate, key.canister_id)
        and is_valid(certificate, root_key)
    )


def _parts(signature: Blob) -> tuple[Certificate, Tree]:
    """The certificate, and the tree of what the canister signs. Raises `ValueError` if there are none."""
    match read(signature):
        case Tagged(tag, {"certificate": bytes(certificate), "tree": notes}) if tag == SELF_DESCRIBED:
            return certificate_of(certificate), tree_of(notes)
    raise ValueError("not a signature of a canister")


def _may_certify(certificate: Certificate, canister_id: Blob) -> bool:
    """The certificate is the root subnet's, or that of a subnet whose canisters sign, and this is one of them."""
    delegation = certificate.delegation
    if delegation is None:
        return True
    kind = value_at(delegation.certificate.tree, b"subnet", delegation.subnet_id, b"type")
    return kind not in (None, CLOUD_ENGINE) and certifies_for(delegation, canister_id)
