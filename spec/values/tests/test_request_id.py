"""Request ids: the example of the interface specification, and what they depend on."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spec.values.request_id import hash_of_map, hash_of_value, request_id_of

# Source: https-interface, request id: the fields and the result of the example calculation.
EXAMPLE = {
    "request_type": "call",
    "sender": b"\x04",
    "ingress_expiry": 1685570400000000000,
    "canister_id": bytes.fromhex("00000000000004d2"),
    "method_name": "hello",
    "arg": b"DIDL\x00\xfd*",
}
EXAMPLE_ID = bytes.fromhex("1d1091364d6bb8a6c16b203ee75467d59ead468f523eb058880ae8ec80e2b101")


def test_the_example_of_the_interface_specification_has_its_id():
    assert request_id_of(EXAMPLE) == EXAMPLE_ID


@given(some.permutations(sorted(EXAMPLE.items(), key=lambda pair: pair[0])))
def test_the_order_of_the_fields_does_not_matter(pairs):
    assert request_id_of(dict(pairs)) == EXAMPLE_ID


def test_every_field_matters():
    for name in EXAMPLE:
        assert request_id_of({other: value for other, value in EXAMPLE.items() if other != name}) != EXAMPLE_ID


@pytest.mark.checklist("http.hash-of-map")
def test_a_number_is_the_hash_of_its_shortest_leb128():
    for number, encoded in ((0, "00"), (624485, "e58e26"), (-123456, "c0bb78")):
        assert hash_of_value(number) == hashlib.sha256(bytes.fromhex(encoded)).digest()


@pytest.mark.checklist("http.hash-of-map")
def test_a_list_is_the_hash_of_the_hashes_of_its_elements():
    assert hash_of_value([b"a", b"b"]) == hash_of_value(hash_of_value(b"a") + hash_of_value(b"b"))


@pytest.mark.checklist("http.hash-of-map")
def test_a_map_inside_a_map_is_hashed_as_a_map():
    inner = {"arg": b"DIDL\0\0"}
    assert hash_of_map({"reply": inner}) == hash_of_map({"reply": inner})
    assert hash_of_map({"reply": inner}) == hash_of_value(hash_of_value("reply") + hash_of_map(inner))
