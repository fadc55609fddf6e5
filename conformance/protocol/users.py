"""
The users of scenarios: each has a key that is made from its name, so that everybody can sign for it.

The protocol simply names who calls. Where requests are signed, as over the HTTPS interface, an adapter signs with these
keys.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from attrs import field, frozen
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from spec.values.identifiers import Blob, Principal, Text, self_authenticating_id

CURVES: Final = {"bob": ec.SECP256K1(), "eve": ec.SECP256R1()}
"""Whose keys are of ECDSA; all others are Ed25519."""
WHO_SIGN: Final = ("alice", "bob", "eve", "admin")
"""The users who call in scenarios."""
SCALAR: Final = 32
"""Bytes of each of the two numbers of a signature."""


@frozen
class KeyPair:
    """A key, and what it signs."""

    public_key: Blob
    """In DER."""
    sign: Callable[[Blob], Blob] = field(eq=False, repr=False)

    @property
    def principal(self) -> Principal:
        """Whose key this is."""
        return self_authenticating_id(self.public_key)


@lru_cache
def key_pair(name: Text) -> KeyPair:
    """The key of a user."""
    secret = hashlib.sha256(f"user {name}".encode()).digest()
    if name in CURVES:
        key = ec.derive_private_key(int.from_bytes(secret[:-1], "big"), CURVES[name])
        return KeyPair(_der(key.public_key()), lambda message: _two_numbers(key.sign(message, ec.ECDSA(SHA256()))))
    plain = Ed25519PrivateKey.from_private_bytes(secret)
    return KeyPair(_der(plain.public_key()), plain.sign)


def key_pair_of(principal: Principal) -> KeyPair | None:
    """The key of one of the users who call in scenarios; None for anybody else."""
    return next((pair for pair in map(key_pair, WHO_SIGN) if pair.principal == principal), None)


def _der(key: ec.EllipticCurvePublicKey | Ed25519PublicKey) -> Blob:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _two_numbers(signature: Blob) -> Blob:
    first, second = decode_dss_signature(signature)
    return first.to_bytes(SCALAR, "big") + second.to_bytes(SCALAR, "big")
