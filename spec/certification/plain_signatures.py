"""
Plain signatures of users: Ed25519 and ECDSA, with keys in DER.

The package `cryptography` does the arithmetic; the rest of the specification knows only a function that verifies.
Source: index, Ed25519 and ECDSA signatures.
"""

from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256K1, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from spec.values.checklist import defines
from spec.values.identifiers import Blob

SCALAR: Final = 32
"""The size of each of the two numbers of a signature, in bytes."""


@defines("http.sig.ed25519", "http.sig.ecdsa")
def verify_plain_signature(key: Blob, signature: Blob, message: Blob) -> bool:
    """The DER-encoded key made the signature. Any other kind of key, and any other encoding of it, made none."""
    try:
        known = load_der_public_key(key)
    except (ValueError, UnsupportedAlgorithm):
        return False
    # Only one encoding of a key counts: without parameters for hashes, and with the point uncompressed.
    if known.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != key or len(signature) != 2 * SCALAR:
        return False
    try:
        match known:
            case Ed25519PublicKey():
                known.verify(signature, message)
            case EllipticCurvePublicKey(curve=SECP256R1() | SECP256K1()):
                first, second = (int.from_bytes(half, "big") for half in (signature[:SCALAR], signature[SCALAR:]))
                known.verify(encode_dss_signature(first, second), message, ECDSA(SHA256()))
            case _:
                return False
    except InvalidSignature:
        return False
    return True
