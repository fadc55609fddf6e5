"""
Signatures that users make with Web Authentication, with keys in COSE wrapped in DER.

An authenticator does not sign what is to be signed, but its own data with the hash of client data, which name the
payload as their challenge. Source: index, web authentication.
"""

import base64
import hashlib
import json
from typing import Any, Final

import cbor2
from attrs import frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from spec.certification.certificate import SELF_DESCRIBING_TAG
from spec.certification.der import subject_public_key
from spec.values.checklist import defines
from spec.values.identifiers import Blob, Text

OBJECT_IDENTIFIER: Final = bytes.fromhex("300c060a2b0601040183b8430101")
"""1.3.6.1.4.1.56387.1.1 as an algorithm identifier in DER."""

KEY_TYPE, ALGORITHM, CURVE_OR_MODULUS, X_OR_EXPONENT, Y = 1, 3, -1, -2, -3
"""The labels in a COSE key. Source: RFC 8152, RFC 8230."""

COORDINATE: Final = 32
"""The size of a coordinate on P-256, in bytes."""

OwnKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


@frozen
class Assertion:
    """What an authenticator gives for a challenge."""

    authenticator_data: Blob
    client_data_json: Text
    signature: Blob

    @property
    def signed(self) -> Blob:
        """What the signature is on."""
        return self.authenticator_data + hashlib.sha256(self.client_data_json.encode()).digest()


@defines("http.sig.webauthn")
def verify_web_authentication(key: Blob, signature: Blob, message: Blob) -> bool:
    """An authenticator with this key answered the challenge to sign the message. Any other kind of key did not."""
    known, assertion = decode_key(key), decode_assertion(signature)
    if known is None or assertion is None or challenge_in(assertion.client_data_json) != encoded_challenge(message):
        return False
    try:
        match known:
            case Ed25519PublicKey():
                known.verify(assertion.signature, assertion.signed)
            case EllipticCurvePublicKey():
                known.verify(assertion.signature, assertion.signed, ECDSA(SHA256()))
            case RSAPublicKey():
                known.verify(assertion.signature, assertion.signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def encoded_challenge(message: Blob) -> Text:
    """The message in base64url, without padding."""
    return base64.urlsafe_b64encode(message).rstrip(b"=").decode()


def challenge_in(client_data_json: Text) -> Any:
    """The challenge that client data name; None if they name none."""
    try:
        client_data = json.loads(client_data_json)
    except (ValueError, RecursionError):
        return None
    return client_data.get("challenge") if isinstance(client_data, dict) else None


def decode_assertion(encoded: Blob) -> Assertion | None:
    """Reads a signature; None if it is no assertion, which is self-described CBOR."""
    fields = _decoded(encoded.removeprefix(SELF_DESCRIBING_TAG)) if encoded.startswith(SELF_DESCRIBING_TAG) else None
    match fields:
        case {
            "authenticator_data": bytes(authenticator_data),
            "client_data_json": str(client_data_json),
            "signature": bytes(signature),
        }:
            return Assertion(authenticator_data, client_data_json, signature)
        case _:
            return None


@defines("http.sig.webauthn")
def decode_key(encoded: Blob) -> OwnKey | None:
    """Reads a key in DER; None if it is no COSE key of one of the three schemes."""
    content = subject_public_key(OBJECT_IDENTIFIER, encoded)
    fields = None if content is None else _decoded(content)
    if not isinstance(fields, dict):
        return None
    rest = (fields.get(CURVE_OR_MODULUS), fields.get(X_OR_EXPONENT), fields.get(Y))
    try:
        match (fields.get(KEY_TYPE), fields.get(ALGORITHM), *rest):
            case (1, -8, 6, bytes(point), None):
                return Ed25519PublicKey.from_public_bytes(point)
            case (2, -7, 1, bytes(x), bytes(y)) if len(x) == len(y) == COORDINATE:
                numbers = EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), SECP256R1())
                return numbers.public_key()
            case (3, -257, bytes(modulus), bytes(exponent), None):
                return RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")).public_key()
    except ValueError:
        return None
    return None


def _decoded(encoded: Blob) -> Any:
    """The value that CBOR encodes; None if the bytes are no CBOR."""
    try:
        return cbor2.loads(encoded)
    except (cbor2.CBORDecodeError, ValueError, RecursionError):
        return None
