"""Keys and signatures of authenticators. Source: index, web authentication; RFC 8152."""

import io
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any, Final

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from reference_impl.authentication.der import public_key_of
from spec.values.identifiers import Blob

WRAPPED_COSE: Final = b"\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x83\xb8\x43\x01\x01"
"""The algorithm 1.3.6.1.4.1.56387.1.1 in DER."""
TAG: Final = b"\xd9\xd9\xf7"

Check = Callable[[Blob, Blob], None]
"""Checks a signature on a message, and raises `InvalidSignature` if it is wrong."""


def _loaded(encoded: Blob) -> dict[Any, Any]:
    try:
        value = cbor2.load(io.BytesIO(encoded))
    except (cbor2.CBORDecodeError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def authenticator_key(key: Blob) -> Check | None:
    """What checks signatures by this key, or None if it is no key of an authenticator."""
    cose = _loaded(public_key_of(WRAPPED_COSE, key) or b"\xa0")
    parts = {number: cose[number] for number in (-1, -2, -3) if number in cose}
    try:
        match cose.get(1), cose.get(3), parts:
            case 2, -7, {-1: 1, -2: bytes(x), -3: bytes(y)} if (len(x), len(y)) == (32, 32):
                curve = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + x + y)
                return lambda signature, message: curve.verify(signature, message, ec.ECDSA(hashes.SHA256()))
            case 1, -8, {-1: 6, -2: bytes(point), **others} if not others:
                return ed25519.Ed25519PublicKey.from_public_bytes(point).verify
            case 3, -257, {-1: bytes(n), -2: bytes(e), **others} if not others:
                modulus, exponent = int.from_bytes(n, "big"), int.from_bytes(e, "big")
                public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
                return lambda signature, message: public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except ValueError:
        return None
    return None


def answered_challenge(check: Check, signature: Blob, message: Blob) -> bool:
    """The signature is what an authenticator with this key gives when it is asked to sign the message."""
    fields = _loaded(signature[len(TAG) :]) if signature[: len(TAG)] == TAG else {}
    seen, text, made = (fields.get(name) for name in ("authenticator_data", "client_data_json", "signature"))
    if not isinstance(seen, bytes) or not isinstance(text, str) or not isinstance(made, bytes):
        return False
    try:
        client_data = json.loads(text)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(text.encode())
        check(made, seen + digest.finalize())
    except (InvalidSignature, ValueError, RecursionError):
        return False
    wanted = urlsafe_b64encode(message).decode().rstrip("=")
    return isinstance(client_data, dict) and client_data.get("challenge") == wanted
