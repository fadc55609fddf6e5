"""BLS signatures are those of the interface specification's scheme."""

import pytest
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from spec.certification.bls_signatures import SUITE, verify_bls_signature

# A signature that programs for users test with.
KEY = bytes.fromhex(
    "a7623a93cdb56c4d23d99c14216afaab3dfd6d4f9eb3db23d038280b6d5cb2caaee2a19dd92c9df7001dede23bf036bc"
    "0f33982dfb41e8fa9b8e96b5dc3e83d55ca4dd146c7eb2e8b6859cb5a5db815db86810b8d12cee1588b5dbf34a4dc9a5"
)
SIGNATURE = bytes.fromhex(
    "b89e13a212c830586eaa9ad53946cd968718ebecc27eda849d9232673dcd4f440e8b5df39bf14a88048c15e16cbcaabe"
)


@pytest.mark.checklist("cert.bls")
def test_a_known_signature_verifies_for_its_key_and_message_alone() -> None:
    assert verify_bls_signature(KEY, SIGNATURE, b"hello")
    assert not verify_bls_signature(KEY, SIGNATURE, b"hallo")
    other = G2Point() * Scalar(7)
    assert not verify_bls_signature(bytes(other.to_compressed_bytes()), SIGNATURE, b"hello")
    negated = -G1Point.from_compressed_bytes(SIGNATURE)
    assert not verify_bls_signature(KEY, bytes(negated.to_compressed_bytes()), b"hello")


def test_what_a_secret_signs_its_key_verifies() -> None:
    secret = Scalar(123456789)
    key = bytes((G2Point() * secret).to_compressed_bytes())
    signature = bytes((G1Point.hash_to_curve(b"message", SUITE) * secret).to_compressed_bytes())
    assert verify_bls_signature(key, signature, b"message")
    assert not verify_bls_signature(key, signature, b"message ")


def test_the_neutral_element_is_no_key_and_odd_bytes_verify_nothing() -> None:
    nothing = bytes(G2Point.identity().to_compressed_bytes())
    assert not verify_bls_signature(nothing, bytes(G1Point.identity().to_compressed_bytes()), b"hello")
    for key, signature in (
        (b"", SIGNATURE),
        (KEY, b""),
        (KEY + b"\0", SIGNATURE),
        (KEY, SIGNATURE + b"\0"),
        (bytes(96), SIGNATURE),
        (KEY, bytes(48)),
        (b"\xff" * 96, SIGNATURE),
        (KEY, b"\xff" * 48),
        (SIGNATURE, KEY),
    ):
        assert not verify_bls_signature(key, signature, b"hello")


def test_a_point_outside_of_the_group_is_no_signature() -> None:
    """There are points on the curve that are in no subgroup of prime order."""
    outside = next(
        encoded
        for number in range(1, 200)
        if (encoded := bytes([0x80]) + number.to_bytes(47, "big")) and is_only_on_the_curve(encoded)
    )
    assert not verify_bls_signature(KEY, outside, b"hello")


def is_only_on_the_curve(encoded: bytes) -> bool:
    try:
        point = G1Point.from_compressed_bytes_unchecked(encoded)
    except ValueError:
        return False
    return not point.is_in_subgroup()
