"""
Certificates: a tree, a signature on its root hash, and perhaps a delegation.

What verifies signatures is an argument of the functions here; `bls_signatures` has what the text asks for.
Source: certification, certificate, delegation and encoding.
"""

from collections.abc import Callable
from typing import Any, Final

import cbor2
from attrs import frozen

from spec.certification.cbor import decode_item
from spec.certification.hash_tree import (
    EMPTY,
    Empty,
    Fork,
    Found,
    HashTree,
    Labeled,
    Leaf,
    Lookup,
    Path,
    Pruned,
    domain_separator,
    lookup_path,
    reconstruct,
)
from spec.values.checklist import defines
from spec.values.identifiers import Blob, SubnetId

VerifySignature = Callable[[Blob, Blob, Blob], bool]
"""
Whether a BLS public key (96 bytes) made a signature on a message: `(key, signature, message)`. Checklist: `cert.bls`.
"""

DER_PREFIX: Final = bytes.fromhex("308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100")
"""What stands in front of the 96 bytes of a BLS key in DER, by RFC 5480 with the object identifiers of the chapter."""

HASH_LENGTH: Final = 32
"""Of SHA-256."""

SELF_DESCRIBED: Final = 55799
"""The CBOR tag that certificates bear."""

SELF_DESCRIBING_TAG: Final = bytes.fromhex("d9d9f7")
"""The encoding of this tag, with which self-described CBOR begins. Source: RFC 8949."""


@frozen
@defines("cert.delegation.structure")
class Delegation:
    """A certificate of the root subnet that names the key of another subnet."""

    subnet_id: SubnetId
    certificate: "Certificate"


@frozen
@defines("cert.structure")
class Certificate:
    """A certified partial view of the state tree."""

    tree: HashTree
    signature: Blob
    """On the root hash, by the subnet of the delegation, or else by the root subnet."""
    delegation: Delegation | None = None


class CertificateError(ValueError):
    """Bytes that are no certificate; the message says why."""


def lookup(path: Path, certificate: Certificate) -> Lookup:
    """What a certificate says of a path."""
    return lookup_path(path, certificate.tree)


def signed_message(tree: HashTree) -> Blob:
    """What the signature of a certificate signs."""
    return domain_separator("ic-state-root") + reconstruct(tree)


@defines(
    "cert.verify", "cert.root-of-trust", "inv.cert.tamper-evident", "unspec.env.client-expiry", "seed2.verifiable-state"
)
def verify_certificate(certificate: Certificate, root_key: Blob, verify: VerifySignature) -> bool:
    """The certificate is valid under a DER-encoded root key. Source: certification, `verify_cert`."""
    key = delegation_key(certificate.delegation, root_key, verify)
    return key is not None and verify(key, certificate.signature, signed_message(certificate.tree))


@defines("cert.delegation.check", "cert.delegation.key", "inv.cert.delegation-depth", "cert.delegation.root-subnet")
def delegation_key(delegation: Delegation | None, root_key: Blob, verify: VerifySignature) -> Blob | None:
    """The BLS key that must have signed; None if the delegation is not valid. Source: certification, delegation."""
    if delegation is None:
        return extract_der(root_key)
    inner = delegation.certificate
    if inner.delegation is not None or not verify_certificate(inner, root_key, verify):
        return None
    match lookup((b"subnet", delegation.subnet_id, b"public_key"), inner):
        case Found(key):
            return extract_der(key)
        case _:
            return None


@defines("cert.delegation.key")
def extract_der(key: Blob) -> Blob | None:
    """The BLS key in a DER encoding; None if it is no such encoding."""
    return key[len(DER_PREFIX) :] if key.startswith(DER_PREFIX) and len(key) == len(DER_PREFIX) + 96 else None


# Encoding


def encode_tree(tree: HashTree) -> Blob:
    """The CBOR of a tree. Source: certificates.cddl."""
    return cbor2.dumps(value_of_tree(tree))


def value_of_tree(tree: HashTree) -> list[Any]:
    """The tree as a value that CBOR can encode: a list that begins with the number of its kind."""
    match tree:
        case Empty():
            return [0]
        case Fork(left, right):
            return [1, value_of_tree(left), value_of_tree(right)]
        case Labeled(label, subtree):
            return [2, label, value_of_tree(subtree)]
        case Leaf(value):
            return [3, value]
        case Pruned(known):
            return [4, known]


@defines("cert.encoding.cbor")
def encode_certificate(certificate: Certificate) -> Blob:
    """The CBOR of a certificate, with the self-describing tag."""
    value: dict[str, Any] = {"tree": value_of_tree(certificate.tree), "signature": certificate.signature}
    if certificate.delegation is not None:
        value["delegation"] = {
            "subnet_id": certificate.delegation.subnet_id,
            "certificate": encode_certificate(certificate.delegation.certificate),
        }
    return cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, value))


@defines("cert.encoding.cbor")
def decode_certificate(content: Blob) -> Certificate:
    """Reads a certificate. Raises `CertificateError` for anything else."""
    try:
        value = decode_item(content)
    except ValueError as problem:
        raise CertificateError(str(problem)) from None
    value = value.value if isinstance(value, cbor2.CBORTag) and value.tag == SELF_DESCRIBED else value
    try:
        delegation = value.get("delegation")
        return Certificate(
            tree=tree_of_value(value["tree"]),
            signature=_blob(value["signature"]),
            delegation=None
            if delegation is None
            else Delegation(
                SubnetId(_blob(delegation["subnet_id"])), decode_certificate(_blob(delegation["certificate"]))
            ),
        )
    except (AttributeError, KeyError, TypeError, IndexError, RecursionError) as problem:
        raise CertificateError(f"not a certificate: {problem!r}") from None


def _blob(value: Any) -> Blob:
    if not isinstance(value, bytes):
        raise CertificateError(f"not a certificate: {value!r:.60} stands where bytes are needed")
    return value


def tree_of_value(value: Any) -> HashTree:
    """The tree that a decoded value is. Raises `CertificateError` if it is none."""
    match value:
        case [0] | (0,):
            return EMPTY
        case [1, left, right]:
            return Fork(tree_of_value(left), tree_of_value(right))
        case [2, label, subtree]:
            return Labeled(_blob(label), tree_of_value(subtree))
        case [3, leaf]:
            return Leaf(_blob(leaf))
        case [4, known] if len(_blob(known)) == HASH_LENGTH:
            return Pruned(known)
    raise CertificateError(f"not a certificate: {value!r:.60} is no hash tree")
