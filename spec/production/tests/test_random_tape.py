"""Randomness of rounds: where it comes from, and what canisters get of it."""

import hashlib

import pytest

from spec.certification.certificate import DER_PREFIX
from spec.production.random_tape import randomness_of, signed_number
from spec.production.rounds.execution_round import seeds
from spec.production.rounds.tests.playing import Played, asking, doing
from spec.rules.tests.worlds import A, B, performed, returns, world
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import RawRandArguments, encode_arguments
from spec.values.rejects import Reply

RAW_KEY = bytes(96)
KEY = DER_PREFIX + RAW_KEY


def verify(key, signature, message):
    """A signature is the hash of key and message."""
    return signature == hashlib.sha256(key + message).digest()


def signature_for(number):
    return hashlib.sha256(RAW_KEY + signed_number(number)).digest()


@pytest.mark.checklist("seed1.random-tape-bls", "seed1.random-tape")
def test_the_randomness_of_a_round_is_the_hash_of_the_signature_on_its_number():
    signature = signature_for(7)
    assert randomness_of(signature, 7, KEY, verify) == hashlib.sha256(signature).digest()
    assert randomness_of(signature, 8, KEY, verify) is None
    assert randomness_of(bytes(32), 7, KEY, verify) is None
    assert randomness_of(signature, 7, RAW_KEY, verify) is None


@pytest.mark.checklist("seed1.prng-seeding")
def test_draws_of_a_round_depend_on_its_seed_alone_and_differ():
    drawn = seeds(bytes(32), 5)
    assert drawn == seeds(bytes(32), 5) and len(set(drawn)) == 5
    assert set(drawn).isdisjoint(seeds(bytes(31) + b"\x01", 5))


def asked_twice():
    """Two canisters that have asked for random bytes, each once."""
    call = performed(MANAGEMENT_CANISTER, "raw_rand", encode_arguments(RawRandArguments()))
    both = [
        doing(one, go=returns(new_calls=List((call,))), callback=returns(response=Reply(b"done"))) for one in (A, B)
    ]
    played = Played(world(*both)).round(asking(A), asking(B), randomness=b"\x01" * 32)
    return played.round(randomness=b"\x02" * 32)


def given(played):
    """What canisters were given in a round."""
    labels = [label for label in played.done[-1].labels if label.rule == "raw_rand"]
    return [label.arguments()["randomness"] for label in labels]


@pytest.mark.checklist("seed1.canister-randomness", "seed1.random-tape")
def test_canisters_get_bytes_of_a_round_after_that_in_which_they_asked_and_each_call_others():
    played = asked_twice()
    assert given(played) == []
    one, other = (played.round(randomness=bytes([number]) * 32) for number in (3, 4))
    assert given(one) == list(seeds(b"\x03" * 32, 2)) and len(set(given(one))) == 2
    assert set(given(one)).isdisjoint(given(other))
    assert given(one) == given(played.round(randomness=b"\x03" * 32))
