"""The random tape of the reference, made of shares of nodes, is what the specification asks for."""

import hashlib

import pytest

from reference_impl.certification.random_tape import signed_number as signed_by_reference
from reference_impl.certification.random_tape import tape_signature, tape_value
from reference_impl.certification.signing import ROOT_SECRET, signer_of
from reference_impl.certification.threshold import Committee, combined
from spec.certification.bls_signatures import verify_bls_signature
from spec.production.random_tape import randomness_of, signed_number

NODES = 13
COMMITTEE = Committee.of(ROOT_SECRET, NODES)
KEY = signer_of(ROOT_SECRET).public_key


@pytest.mark.checklist("seed1.random-tape", "seed1.random-tape-bls")
def test_whichever_nodes_take_part_the_value_of_a_round_is_the_same_and_the_specification_accepts_it() -> None:
    signatures = {tape_signature(COMMITTEE, 7, first) for first in range(NODES)}
    (signature,) = signatures
    assert randomness_of(signature, 7, KEY, verify_bls_signature) == tape_value(signature)
    assert randomness_of(signature, 8, KEY, verify_bls_signature) is None


def test_values_of_rounds_differ() -> None:
    assert len({tape_value(tape_signature(COMMITTEE, number)) for number in range(4)}) == 4


@pytest.mark.checklist("seed1.random-tape-bls")
def test_one_share_too_few_makes_no_signature() -> None:
    assert COMMITTEE.threshold == 9
    shares = {node: COMMITTEE.share(node, signed_number(7)) for node in range(COMMITTEE.threshold)}
    assert combined(shares) == tape_signature(COMMITTEE, 7)
    few = combined({node: share for node, share in shares.items() if node})
    assert randomness_of(few, 7, KEY, verify_bls_signature) is None


def test_a_wrong_share_spoils_the_signature() -> None:
    shares = {node: COMMITTEE.share(node, signed_number(7)) for node in range(COMMITTEE.threshold)}
    shares[3] = COMMITTEE.share(3, signed_number(8))
    assert randomness_of(combined(shares), 7, KEY, verify_bls_signature) is None


def test_both_sign_the_same() -> None:
    assert signed_by_reference(3) == signed_number(3)
    assert tape_value(b"signature") == hashlib.sha256(b"signature").digest()
