"""
Signatures of subnets, their shares and their keys, by another library: blst, through the package pyblst.

The specification and the reference implementation compute on the curve BLS12-381 by one package, so that they agree
says nothing of it. Here all is computed again, or checked, by one that shares no code with it.
"""

from collections.abc import Iterable
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.certification.hash_trees import tree_of
from reference_impl.certification.random_tape import tape_signature
from reference_impl.certification.signing import ROOT, ROOT_KEY, certificate_of, certified_message, signer_of
from reference_impl.certification.threshold import ORDER, SUITE, Committee, combined
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import decode_certificate, signed_message

pyblst = pytest.importorskip("pyblst", reason="the package pyblst is not installed")

KEY_SIZE = 96
SECRETS = st.integers(1, ORDER - 1)
FIRST_GENERATOR, SECOND_GENERATOR = (
    bytes.fromhex("97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"),
    bytes.fromhex(
        "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
    ),
)
"""The points that scalars are multiplied with, as the description of the curve gives them."""


def signed(secret: int, message: bytes) -> bytes:
    """What blst signs."""
    return bytes(pyblst.BlstP1Element.hash_to_group(message, SUITE).scalar_mul(secret).compress())


def key_of(secret: int) -> bytes:
    """The key that blst makes."""
    return bytes(pyblst.BlstP2Element.uncompress(SECOND_GENERATOR).scalar_mul(secret).compress())


def is_valid(key: bytes, signature: bytes, message: bytes) -> bool:
    """What blst says of a signature."""
    try:
        known, found = pyblst.BlstP2Element.uncompress(key), pyblst.BlstP1Element.uncompress(signature)
    except ValueError:
        return False
    hashed = pyblst.BlstP1Element.hash_to_group(message, SUITE)
    generator = pyblst.BlstP2Element.uncompress(SECOND_GENERATOR)
    return bool(pyblst.final_verify(pyblst.miller_loop(found, generator), pyblst.miller_loop(hashed, known)))


def weight(place: int, places: Iterable[int]) -> int:
    """With which weight the value of a polynomial at a place counts for its value at zero. Source: Lagrange."""
    others = [one for one in places if one != place]
    above = reduce(lambda product, one: product * -one, others, 1)
    below = reduce(lambda product, one: product * (place - one), others, 1)
    return above * pow(below, -1, ORDER) % ORDER


@given(SECRETS, st.binary(max_size=200))
def test_a_whole_key_signs_what_the_other_library_signs_and_is_the_same_key(secret, message):
    signer = signer_of(secret.to_bytes(32, "big"))
    assert signer.public_key[-KEY_SIZE:] == key_of(secret)
    assert signer.signature_of(message) == signed(secret, certified_message(message))


@given(SECRETS, st.binary(max_size=100), st.sampled_from([1, 4, 7, 13]), st.integers(0, 12))
def test_shares_of_nodes_are_those_of_the_other_library_and_make_the_signature_that_it_makes(
    secret, message, nodes, first_node
):
    committee = Committee.of(secret.to_bytes(32, "big"), nodes)
    chosen = [(first_node + one) % nodes for one in range(committee.threshold)]
    shares = committee.shares_of(chosen, message)
    assert shares == {node: signed(committee.shares[node], message) for node in chosen}
    assert all(committee.public_share(node) == key_of(committee.shares[node]) for node in chosen)
    places = [node + 1 for node in chosen]
    weighted = [pyblst.BlstP1Element.uncompress(shares[node]).scalar_mul(weight(node + 1, places)) for node in chosen]
    total = bytes(reduce(lambda one, other: one + other, weighted).compress())
    assert combined(shares) == total == signed(secret, message)


@given(SECRETS, st.binary(max_size=50), st.sampled_from(["right", "message", "key", "a bit", "generator"]))
def test_both_libraries_say_the_same_of_a_signature(secret, message, changed):
    key, signature = key_of(secret), signed(secret, message)
    match changed:
        case "message":
            message += b"!"
        case "key":
            key = key_of(secret % (ORDER - 1) + 1)
        case "a bit":
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        case "generator":
            signature = FIRST_GENERATOR
    assert verify_bls_signature(key, signature, message) is is_valid(key, signature, message) is (changed == "right")


@pytest.mark.checklist("seed1.per-round-certification")
def test_the_other_library_believes_certificates_of_the_root_subnet_and_its_random_tape():
    for signer in (ROOT, signer_of((1).to_bytes(32, "big"), 13)):
        certificate = decode_certificate(certificate_of(tree_of({b"a": b"1"}), [(b"a",)], signer))
        message = signed_message(certificate.tree)
        assert is_valid(ROOT_KEY[-KEY_SIZE:], certificate.signature, message)
        assert not is_valid(ROOT_KEY[-KEY_SIZE:], certificate.signature, message + b"!")
    committee = Committee.of((5).to_bytes(32, "big"), 4)
    one, other = (tape_signature(committee, 3, first_node) for first_node in (0, 2))
    assert one == other
