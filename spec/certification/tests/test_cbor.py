"""Which bytes are an item of CBOR."""

import cbor2
import pytest

from spec.certification.canister_signature import decode_signature
from spec.certification.cbor import MAXIMUM_DEPTH, decode_item
from spec.certification.certificate import CertificateError, decode_certificate, tree_of_value

NESTED_TWICE = b"\x83\x01\xd8\x1c" * 60 + b"\x81\x00" + b"".join(b"\xd8\x1d" + cbor2.dumps(59 - n) for n in range(60))
REFUSED = {
    "nothing": b"",
    "more behind": b"\x01\x02",
    "a key that is there twice": b"\xa2\x61a\x00\x61a\x00",
    "an item inside itself": b"\xd8\x1c\x81\xd8\x1d\x00",
    "items that are there twice": NESTED_TWICE,
    "too many in each other": b"\x81" * (MAXIMUM_DEPTH + 1) + b"\x00",
    "far too many in each other": b"\x81" * 100_000 + b"\x00",
    "a list longer than the bytes": b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff\x00",
}


@pytest.mark.checklist("cert.encoding.cbor")
@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_other_bytes_are_refused(content):
    with pytest.raises(ValueError, match="^not CBOR: "):
        decode_item(content)
    with pytest.raises(CertificateError):
        decode_certificate(content)
    with pytest.raises(CertificateError):
        decode_signature(b"\xd9\xd9\xf7" + content)


def test_an_item_may_be_written_in_several_ways():
    assert decode_item(b"\x82\x01\x61a") == decode_item(b"\x9f\x18\x01\x7f\x61a\xff\xff") == [1, "a"]
    assert decode_item(b"\x81" * MAXIMUM_DEPTH + b"\x00")


@pytest.mark.checklist("inv.cert.delegation-depth")
def test_delegations_in_each_other_are_refused_however_many_there_are():
    encoded = b""
    for _ in range(2000):
        encoded = cbor2.dumps(
            {"tree": [0], "signature": b"", "delegation": {"subnet_id": b"s", "certificate": encoded}}
        )
    with pytest.raises(CertificateError):
        decode_certificate(encoded)


def test_a_hash_has_the_length_of_a_hash():
    assert tree_of_value([4, b"h" * 32])
    for length in (0, 31, 33):
        with pytest.raises(CertificateError):
            tree_of_value([4, b"h" * length])
