"""Canister signatures are valid under exactly the conditions of the interface specification."""

import hashlib

import cbor2
import pytest
from attrs import evolve

from spec.certification.canister_signature import (
    CanisterSignature,
    PublicKey,
    decode_public_key,
    decode_signature,
    encode_public_key,
    encode_signature,
    verify_canister_signature,
)
from spec.certification.certificate import DER_PREFIX, Certificate, CertificateError, Delegation, signed_message
from spec.certification.hash_tree import EMPTY, Fork, Labeled, Leaf, hash_tree, reconstruct
from spec.values.identifiers import CanisterId, SubnetId

CANISTER, OTHER = CanisterId(b"\0\0\0\0\0\0\0\x05\1\1"), CanisterId(b"\0\0\0\0\0\0\0\x09\1\1")
SUBNET = SubnetId(b"subnet")
KEY = PublicKey(CANISTER, b"seed")
PAYLOAD = b"\x0aic-request" + bytes(32)
ROOT_KEY, SUBNET_KEY = b"r" * 96, b"s" * 96
ROOT = DER_PREFIX + ROOT_KEY


def verify(key, signature, message):
    """A stand-in for BLS: the signature is the key and the message."""
    return signature == key + message


def certified(content, key=ROOT_KEY, delegation=None):
    tree = hash_tree(content)
    return Certificate(tree, key + signed_message(tree), delegation)


def noted(seed=b"seed", payload=PAYLOAD, value=b""):
    return hash_tree({b"sig": {hashlib.sha256(seed).digest(): {hashlib.sha256(payload).digest(): value}}})


def signature(tree=None, canister_id=CANISTER, **rest):
    tree = noted() if tree is None else tree
    return CanisterSignature(
        certified({b"canister": {canister_id: {b"certified_data": reconstruct(tree)}}}, **rest), tree
    )


def delegated(kind=b"application", first=CANISTER, last=CANISTER):
    subnet = {b"public_key": DER_PREFIX + SUBNET_KEY}
    if kind is not None:
        subnet[b"type"] = kind
    ranges = cbor2.dumps(cbor2.CBORTag(55799, [[first, last]]))
    proof = certified({b"subnet": {SUBNET: subnet}, b"canister_ranges": {SUBNET: {first: ranges}}})
    return signature(key=SUBNET_KEY, delegation=Delegation(SUBNET, proof))


def is_valid(one, key=KEY, payload=PAYLOAD):
    return verify_canister_signature(key, one, payload, ROOT, verify)


@pytest.mark.checklist("cert.canister-signature.verify-certificate", "cert.canister-signature.verify-tree")
def test_a_signature_is_for_one_canister_seed_and_payload():
    assert is_valid(signature())
    assert not is_valid(signature(), evolve(KEY, canister_id=OTHER))
    assert not is_valid(signature(), evolve(KEY, seed=b"another"))
    assert not is_valid(signature(), payload=b"another")


@pytest.mark.checklist("cert.canister-signature.verify-certificate")
def test_the_canister_certified_the_tree_and_the_certificate_is_valid():
    good = signature()
    assert not is_valid(signature(canister_id=OTHER))
    assert not is_valid(evolve(good, certificate=certified({b"canister": {CANISTER: {b"certified_data": bytes(32)}}})))
    assert not is_valid(evolve(good, certificate=evolve(good.certificate, signature=b"")))
    assert not is_valid(evolve(good, certificate=certified({})))


@pytest.mark.checklist("cert.canister-signature.verify-tree")
def test_the_tree_is_well_formed_and_notes_the_payload_with_an_empty_value():
    assert not is_valid(signature(noted(value=b"x")))
    assert not is_valid(signature(EMPTY))
    assert is_valid(signature(Fork(Labeled(b"a", EMPTY), noted())))
    assert not is_valid(signature(Fork(noted(), Labeled(b"a", EMPTY))))
    assert not is_valid(signature(Fork(noted(), Leaf(b""))))


@pytest.mark.checklist("cert.canister-signature.verify-delegation")
def test_a_delegation_is_to_the_subnet_of_the_canister_whose_canisters_can_sign():
    assert is_valid(delegated())
    assert not is_valid(delegated(kind=None))
    assert not is_valid(delegated(kind=b"cloud_engine"))
    assert not is_valid(delegated(first=OTHER, last=OTHER))


@pytest.mark.checklist("cert.canister-signature.public-key")
def test_a_public_key_names_canister_and_seed():
    encoded = encode_public_key(KEY)
    identifier = bytes.fromhex("300c060a2b0601040183b8430102")
    assert encoded == b"\x30\x20" + identifier + b"\x03\x10\0\x0a" + CANISTER + b"seed"
    for seed in (b"", b"seed", bytes(200), bytes(70_000)):
        assert decode_public_key(encode_public_key(PublicKey(CANISTER, seed))) == PublicKey(CANISTER, seed)
    assert encode_public_key(evolve(KEY, seed=b"other")) != encoded


@pytest.mark.checklist("cert.canister-signature.public-key")
@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x30\x00",
        encode_public_key(KEY)[:-1],
        encode_public_key(KEY) + b"\0",
        encode_public_key(KEY).replace(b"\x83\xb8\x43", b"\x83\xb8\x44"),
        encode_public_key(KEY).replace(b"\x03\x10\0\x0a", b"\x03\x10\0\x0f"),
        encode_public_key(KEY).replace(b"\x03\x10\0", b"\x03\x10\1"),
        b"\x30\x81" + encode_public_key(KEY)[1:],
        DER_PREFIX + ROOT_KEY,
    ],
)
def test_other_bytes_are_no_key_of_a_canister(encoded):
    assert decode_public_key(encoded) is None


@pytest.mark.checklist("cert.canister-signature.signature")
def test_a_signature_is_encoded_and_decoded():
    for one in (signature(), delegated()):
        assert decode_signature(encode_signature(one)) == one
    encoded = encode_signature(signature())
    assert encoded.startswith(b"\xd9\xd9\xf7")
    assert cbor2.loads(encoded[3:]).keys() == {"certificate", "tree"}


@pytest.mark.checklist("cert.canister-signature.signature")
@pytest.mark.parametrize(
    "value", [7, cbor2.CBORTag(55799, 7), {"certificate": b"", "tree": [0]}, cbor2.CBORTag(55799, {"tree": [0]})]
)
def test_what_is_no_signature_is_refused(value):
    with pytest.raises(CertificateError):
        decode_signature(cbor2.dumps(value))
    with pytest.raises(CertificateError):
        decode_signature(b"\xff")
