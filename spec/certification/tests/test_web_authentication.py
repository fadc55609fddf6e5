"""Signatures of authenticators: which keys there are, and what an assertion must say."""

import json

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from spec.certification.der import subject_public_key_info
from spec.certification.user_signatures import verify_own_signature
from spec.certification.web_authentication import OBJECT_IDENTIFIER, decode_key, encoded_challenge
from spec.rules.tests.signing import OWNER, SESSION, Authenticator, assertion, cose_key, key

MESSAGE = b"\x0aic-request" + bytes(32)
AUTHENTICATORS = {
    "P-256": Authenticator(key("passkey", SECP256R1()).private),
    "Ed25519": Authenticator(OWNER.private),
    "RSA": Authenticator(generate_private_key(65537, 2048)),
}
ONE = AUTHENTICATORS["P-256"]
EXAMPLE = bytes.fromhex(
    "305e300c060a2b0601040183b8430101034e00a5010203262001"
    "2158207ffd83632072fd1bfeaf3fbaa43146e0ef95c3f55e3994a41bbf2b5174d771da"
    "22582032497eed0a7f6f000928765b8318162cfd80a94e525a6a368c2363063d04e6ed"
)
"""The key that the interface specification shows. Source: index, web authentication."""


def wrapped(fields: object) -> bytes:
    return subject_public_key_info(OBJECT_IDENTIFIER, cbor2.dumps(fields))


def client_data(challenge: object) -> str:
    return json.dumps({"type": "webauthn.get", "challenge": challenge})


GOOD = client_data(encoded_challenge(MESSAGE))


@pytest.mark.checklist("http.sig.webauthn")
def test_the_key_of_the_specification_is_one_of_p_256() -> None:
    known = decode_key(EXAMPLE)
    assert isinstance(known, EllipticCurvePublicKey)
    assert known.public_numbers().x.to_bytes(32, "big").startswith(bytes.fromhex("7ffd8363"))


@pytest.mark.checklist("http.sig.webauthn")
@pytest.mark.parametrize("one", AUTHENTICATORS.values(), ids=AUTHENTICATORS)
def test_an_authenticator_signs_the_payload_as_its_challenge(one: Authenticator) -> None:
    signature = one.sign(MESSAGE)
    assert verify_own_signature(one.public, signature, MESSAGE)
    assert not verify_own_signature(one.public, signature, MESSAGE + b"more")
    for other in (*AUTHENTICATORS.values(), SESSION):
        assert verify_own_signature(other.public, signature, MESSAGE) == (other is one)


@pytest.mark.checklist("http.sig.webauthn")
@pytest.mark.parametrize(
    "signature",
    [
        assertion(ONE.private, client_data(encoded_challenge(b"another"))),
        assertion(ONE.private, client_data(MESSAGE.hex())),
        assertion(ONE.private, client_data(encoded_challenge(MESSAGE) + "==")),
        assertion(ONE.private, client_data(None)),
        assertion(ONE.private, "{}"),
        assertion(ONE.private, "[]"),
        assertion(ONE.private, "no json"),
        assertion(ONE.private, "[" * 100_000),
        assertion(ONE.private, GOOD, authenticator_data=b"another"),
        assertion(ONE.private, GOOD, authenticator_data="text"),
        assertion(ONE.private, GOOD, client_data_json=GOOD.encode()),
        assertion(ONE.private, GOOD, client_data_json=GOOD + " "),
        assertion(ONE.private, GOOD, signature=b""),
        assertion(ONE.private, GOOD).removeprefix(b"\xd9\xd9\xf7"),
        SESSION.sign(MESSAGE),
        b"\xd9\xd9\xf7",
        b"",
    ],
    # Signatures differ each time, and names of tests must not.
    ids=lambda _: "signature",
)
def test_anything_else_is_no_signature(signature: bytes) -> None:
    assert verify_own_signature(ONE.public, assertion(ONE.private, GOOD), MESSAGE)
    assert not verify_own_signature(ONE.public, signature, MESSAGE)


@pytest.mark.checklist("http.sig.webauthn")
@pytest.mark.parametrize("name", AUTHENTICATORS)
@pytest.mark.parametrize("changes", [{3: -6}, {1: 4}, {-1: None}, {-2: b"short"}, {-2: 5}, {-3: b"\1"}])
def test_a_key_of_another_scheme_or_form_is_none(name: str, changes: dict[int, object]) -> None:
    fields = cose_key(AUTHENTICATORS[name].private)
    assert decode_key(wrapped(fields)) is not None
    assert decode_key(wrapped(fields | changes)) is None


@pytest.mark.checklist("http.sig.webauthn")
@pytest.mark.parametrize(
    "encoded", [b"", b"\x30\x00", EXAMPLE[:-1], EXAMPLE + b"\0", wrapped([]), wrapped(5), SESSION.public]
)
def test_other_bytes_are_no_key(encoded: bytes) -> None:
    assert decode_key(encoded) is None
