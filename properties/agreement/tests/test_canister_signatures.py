"""Both engines believe the same signatures of canisters, however these were changed."""

from hashlib import sha256
from random import Random

import cbor2
import pytest
from attrs import evolve
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from conformance.canisters.library import load
from properties.agreement.stage import Stage
from spec.certification.bls_signatures import SUITE
from spec.certification.canister_signature import CanisterSignature, PublicKey, encode_public_key, encode_signature
from spec.certification.certificate import (
    DER_PREFIX,
    Certificate,
    Delegation,
    encode_certificate,
    signed_message,
    value_of_tree,
)
from spec.certification.envelope import RequestKind, request_message, sender_info_message
from spec.certification.hash_tree import EMPTY, Fork, Labeled, Leaf, Pruned, hash_tree, reconstruct
from spec.machine import submission_label
from spec.rules.ingress.request_ids import request_content
from spec.rules.tests.signing import BY_CANISTER, OWNER, SESSION, delegated, signed
from spec.rules.tests.worlds import A, B, a_request
from spec.state.request import SenderInfo, SignedRequest
from spec.values.identifiers import self_authenticating_id

ROOT, CHILD, STRANGER = 123_456_789, 987_654_321, 555_555_555
SUBNET = self_authenticating_id(b"the subnet of canister B")
SEED = b"seed"
SENDER_KEY = encode_public_key(PublicKey(B, SEED))


def public_key(secret):
    """The key of a subnet, in DER."""
    return DER_PREFIX + bytes((G2Point() * Scalar(secret)).to_compressed_bytes())


def made(secret, message):
    """The signature of a subnet."""
    return bytes((G1Point.hash_to_curve(message, SUITE) * Scalar(secret)).to_compressed_bytes())


def certificate(tree, secret, delegation=None):
    """A certificate of the tree."""
    return Certificate(tree, made(secret, signed_message(tree)), delegation)


def shard(*pairs):
    """Ranges of canister ids."""
    return cbor2.dumps(cbor2.CBORTag(55799, [list(pair) for pair in pairs]))


def about_subnet():
    """What the root subnet says of the subnet of canister B."""
    subnets = {SUBNET: {b"public_key": public_key(CHILD), b"type": b"application", b"node": {b"n": b"1"}}}
    ranges = {A: shard((A, A)), B: shard((B, B), (b"\x7f", b"\x80"))}
    return hash_tree({b"canister_ranges": {SUBNET: ranges}, b"subnet": subnets, b"time": b"1"})


def notes_of(message):
    """The tree in which the canister notes the message, among others."""
    noted = {sha256(other).digest(): b"" for other in (message, b"one", b"another")}
    return hash_tree({b"sig": {sha256(SEED).digest(): noted, sha256(b"another seed").digest(): {}}})


def data_of_canister(notes):
    """What a subnet says of the canister."""
    data = {b"certified_data": reconstruct(notes), b"module_hash": b"1"}
    return hash_tree({b"canister": {B: data, A: {b"module_hash": b"2"}}, b"time": b"1"})


def signature(message, *, delegates, change=lambda place, tree: tree):
    """A signature of the canister, in which every tree is changed before what goes on top of it is made."""
    notes = change("notes", notes_of(message))
    data = change("data", data_of_canister(notes))
    if not delegates:
        return encode_signature(CanisterSignature(certificate(data, ROOT), notes))
    delegation = Delegation(SUBNET, certificate(change("about subnet", about_subnet()), ROOT))
    return encode_signature(CanisterSignature(certificate(data, CHILD, delegation), notes))


def enveloped(nonce, *, delegates=False, change=lambda place, tree: tree, sender_info=None):
    """A call by a user of the canister."""
    sender = self_authenticating_id(SENDER_KEY)
    request = a_request(sender=sender, nonce=nonce.to_bytes(8, "big"), sender_info=sender_info)
    message = request_message(request_content(request, RequestKind.CALL))
    return SignedRequest(request, SENDER_KEY, signature(message, delegates=delegates, change=change))


@pytest.fixture(scope="module")
def stage():
    """Both engines, under the root key."""
    stage = Stage(root_key=public_key(ROOT))
    assert stage.installed(load("scripted")) == A
    return stage


def is_believed(stage, envelope):
    """Both engines take the request in; False if neither does."""
    return stage.lockstep.take(submission_label(envelope, A))


@pytest.mark.checklist("http.verify.signed", "cert.canister-signature.verify-certificate")
@pytest.mark.parametrize("delegates", [False, True], ids=["by the root subnet", "by another subnet"])
def test_both_believe_what_a_canister_signs_and_not_what_it_does_not_sign(stage, delegates):
    envelope = enveloped(1 + delegates, delegates=delegates)
    assert not is_believed(stage, evolve(envelope, request=evolve(envelope.request, nonce=b"another")))
    assert is_believed(stage, envelope)

    elsewhere = Stage(root_key=public_key(STRANGER))
    assert elsewhere.installed(load("scripted")) == A
    assert not is_believed(elsewhere, envelope)


@pytest.mark.checklist("http.sender-info")
def test_both_believe_what_a_canister_says_of_its_user_if_it_signed_it(stage):
    said = signature(sender_info_message(b"info"), delegates=True)
    assert is_believed(stage, enveloped(11, sender_info=SenderInfo(b"info", B, said)))
    assert not is_believed(stage, enveloped(12, sender_info=SenderInfo(b"other", B, said)))
    assert not is_believed(stage, enveloped(13, sender_info=SenderInfo(b"info", A, said)))
    assert not is_believed(stage, enveloped(14, sender_info=SenderInfo(b"info", B, b"")))


@pytest.mark.checklist("http.verify.delegation-chain")
def test_both_believe_chains_in_which_canisters_sign():
    stage = Stage(root_key=public_key(1))
    assert stage.installed(load("scripted")) == A
    for number, keys in enumerate(((BY_CANISTER, SESSION), (OWNER, BY_CANISTER), (OWNER, BY_CANISTER, SESSION))):
        request = a_request(sender=keys[0].user, nonce=bytes((number,)))
        assert not is_believed(stage, signed(request, *keys, delegations=delegated(*keys[1:])))
        assert is_believed(stage, signed(request, *keys))


# Changed bytes


def damaged(content, random):
    """The bytes with one of them changed, left out, put in or repeated."""
    place = random.randrange(len(content))
    before, byte, after = content[:place], content[place : place + 1], content[place + 1 :]
    other = bytes((random.randrange(256),))
    flipped = bytes((byte[0] ^ 1 << random.randrange(8),))
    return random.choice(
        [
            before + flipped + after,
            before + other + after,
            before + after,
            content + other,
            before + other + byte + after,
        ]
    )


def damaged_envelope(number, random):
    """A call whose signature, key or sender_info was damaged."""
    delegates = random.random() < 0.6
    envelope = enveloped(number, delegates=delegates)
    match random.choice(("signature", "signature", "key", "sender_info")):
        case "signature":
            return evolve(envelope, signature=damaged(envelope.signature, random))
        case "key":
            key = damaged(envelope.public_key, random)
            request = evolve(envelope.request, sender=self_authenticating_id(key))
            message = request_message(request_content(request, RequestKind.CALL))
            return SignedRequest(request, key, signature(message, delegates=delegates))
        case _:
            said = damaged(signature(sender_info_message(b"info"), delegates=delegates), random)
            return enveloped(number, sender_info=SenderInfo(b"info", B, said))


@pytest.mark.checklist("cert.canister-signature.signature", "cert.canister-signature.public-key", "cert.encoding.cbor")
@pytest.mark.parametrize("block", range(8))
def test_both_take_damaged_bytes_alike(stage, block):
    random = Random(block)
    verdicts = [is_believed(stage, damaged_envelope(1000 + 100 * block + one, random)) for one in range(25)]
    assert not any(verdicts)


# Changed trees


def changed(tree, random):
    """The tree with something about one of its parts changed, which its hash may or may not show."""
    match tree:
        case Fork(left, right) if random.random() < 0.8:
            if random.random() < 0.5:
                return Fork(changed(left, random), right)
            return Fork(left, changed(right, random))
        case Labeled(label, below) if random.random() < 0.8:
            return Labeled(label, changed(below, random))
        case Fork(left, right):
            return random.choice([Fork(right, left), left, right, Fork(left, Fork(EMPTY, right)), Fork(tree, tree)])
        case Labeled(label, below):
            return random.choice([Labeled(label + b"1", below), Labeled(label, EMPTY), Fork(tree, Leaf(b"1")), below])
        case Leaf(value):
            others = [Leaf(b""), Leaf(value + b"1"), Leaf(shard((b"", b"\xff"))), Leaf(b"cloud_engine"), EMPTY]
            return random.choice([*others, Labeled(b"", tree), Leaf(public_key(STRANGER)), tree])
        case _:
            return random.choice([Leaf(b""), Labeled(b"1", EMPTY), Pruned(b"h" * 32)])


def pruned(tree, random):
    """The tree with one of its parts replaced by the hash of it."""
    match tree:
        case Fork(left, right) if random.random() < 0.8:
            if random.random() < 0.5:
                return Fork(pruned(left, random), right)
            return Fork(left, pruned(right, random))
        case Labeled(label, below) if random.random() < 0.6:
            return Labeled(label, pruned(below, random))
        case _:
            return Pruned(reconstruct(tree))


@pytest.mark.checklist(
    "cert.canister-signature.verify-certificate",
    "cert.canister-signature.verify-tree",
    "cert.canister-signature.verify-delegation",
    "cert.delegation.scope",
    "cert.reconstruct.pruned",
)
@pytest.mark.parametrize("block", range(8))
def test_both_take_trees_that_tell_something_else_alike(stage, block):
    random = Random(100 + block)
    verdicts = []
    for one in range(25):
        place = random.choice(("notes", "data", "about subnet"))
        how = random.choice((changed, changed, pruned))

        def change(here, tree, place=place, how=how):
            return how(tree, random) if here == place else tree

        verdicts.append(is_believed(stage, enveloped(3000 + 100 * block + one, delegates=True, change=change)))
    assert {True, False} == set(verdicts)


def of_type(kind):
    """The subnet of canister B is of this type."""

    def change(here, tree):
        if here != "about subnet":
            return tree
        told = {b"public_key": public_key(CHILD), **({} if kind is None else {b"type": kind})}
        return hash_tree({b"canister_ranges": {SUBNET: {B: shard((B, B))}}, b"subnet": {SUBNET: told}})

    return change


def noted_beside(other):
    """The canister notes something else behind the message."""

    def change(here, tree):
        return Fork(tree, other) if here == "notes" else tree

    return change


CHANGES = {
    "an application subnet": (of_type(b"application"), True),
    "a subnet of an unknown type": (of_type(b"something new"), True),
    "a subnet whose canisters do not sign": (of_type(b"cloud_engine"), False),
    "a subnet without a type": (of_type(None), False),
    "a larger label behind": (noted_beside(Labeled(b"sigh", EMPTY)), True),
    "a hash behind": (noted_beside(Pruned(b"h" * 32)), True),
    "the same label behind": (noted_beside(Labeled(b"sig", EMPTY)), False),
    "a smaller label behind": (noted_beside(Labeled(b"si", EMPTY)), False),
    "a value behind": (noted_beside(Leaf(b"")), False),
}


@pytest.mark.checklist("cert.canister-signature.verify-tree", "cert.canister-signature.verify-delegation")
@pytest.mark.parametrize("name", CHANGES)
def test_both_know_which_trees_show_a_signature(stage, name):
    change, is_signed = CHANGES[name]
    nonce = 40_000 + list(CHANGES).index(name)
    assert is_believed(stage, enveloped(nonce, delegates=True, change=change)) == is_signed


def test_both_know_a_key_only_if_all_its_bits_count(stage):
    key = SENDER_KEY.replace(b"\x03\x10\x00", b"\x03\x10\x01")
    request = a_request(sender=self_authenticating_id(key))
    message = request_message(request_content(request, RequestKind.CALL))
    assert key != SENDER_KEY
    assert not is_believed(stage, SignedRequest(request, key, signature(message, delegates=False)))


def under_forks(tree, number):
    """The tree, under as many forks."""
    for _ in range(number):
        tree = Fork(EMPTY, tree)
    return tree


@pytest.mark.checklist("cert.encoding.cbor")
def test_both_take_trees_of_the_same_depth(stage):
    deepest = 110
    for place in ("notes", "data", "about subnet"):
        verdicts = []
        for number in range(deepest, 130):

            def change(here, tree, place=place, number=number):
                return under_forks(tree, number) if here == place else tree

            nonce = 7000 + 1000 * len(place) + number
            verdicts.append(is_believed(stage, enveloped(nonce, delegates=True, change=change)))
        assert {True, False} == set(verdicts) and verdicts == sorted(verdicts, reverse=True)


# Other ways to write the same


def in_other_words(way, signed_bytes):
    """The signature, written in another way."""
    fields = dict(cbor2.loads(signed_bytes[3:]))
    match way:
        case "backwards":
            fields = dict(reversed(fields.items()))
        case "with more in it":
            fields["more"] = [1.5, True, None, -7, "text", {1: 2}]
        case "a certificate without its tag":
            fields["certificate"] = fields["certificate"][3:]
        case "null in place of a delegation":
            fields["certificate"] = cbor2.dumps({**cbor2.loads(fields["certificate"][3:]), "delegation": None})
        case "up to a break":
            parts = b"".join(cbor2.dumps(part) for pair in fields.items() for part in pair)
            return b"\xd9\xd9\xf7\xbf" + parts + b"\xff"
        case "long lengths":
            return b"\xd9\xd9\xf7\xb8\x02" + signed_bytes[4:]
    return b"\xd9\xd9\xf7" + cbor2.dumps(fields)


WAYS = (
    "backwards",
    "with more in it",
    "a certificate without its tag",
    "null in place of a delegation",
    "up to a break",
    "long lengths",
)


@pytest.mark.checklist("cert.canister-signature.signature", "cert.encoding.cbor")
@pytest.mark.parametrize("way", WAYS)
def test_both_believe_a_signature_that_is_written_in_another_way(stage, way):
    envelope = enveloped(30_000 + WAYS.index(way))
    written = in_other_words(way, envelope.signature)
    assert written != envelope.signature
    assert is_believed(stage, evolve(envelope, signature=written))


# Bytes that somebody made with care

ROOTED = enveloped(5000)
"""The same request as in the tests below, which is nowhere handed in with its own signature."""
HEAD = b"\xd9\xd9\xf7\xa2\x6bcertificate" + cbor2.dumps(encode_certificate(certificate(EMPTY, ROOT))) + b"\x64tree"
SEEN_TWICE = b"\x83\x01\xd8\x1c" * 60 + b"\x81\x00" + b"".join(b"\xd8\x1d" + cbor2.dumps(59 - n) for n in range(60))


def _delegating(levels):
    given = certificate(EMPTY, ROOT)
    encoded = encode_certificate(given)
    for _ in range(levels):
        value = {
            "tree": value_of_tree(given.tree),
            "signature": given.signature,
            "delegation": {"subnet_id": SUBNET, "certificate": encoded},
        }
        encoded = cbor2.dumps(value)
    return b"\xd9\xd9\xf7" + cbor2.dumps({"certificate": encoded, "tree": [0]})


CRAFTED = {
    "more behind": ROOTED.signature + b"\0",
    "a tree inside itself": HEAD + b"\xd8\x1c\x83\x01\xd8\x1d\x00\xd8\x1d\x00",
    "trees that are there twice": HEAD + SEEN_TWICE,
    "trees in each other": HEAD + b"\x83\x01\x81\x00" * 350 + b"\x81\x00",
    "trees too deep in each other": HEAD + b"\x83\x01\x81\x00" * 10_000 + b"\x81\x00",
    "delegations in each other": _delegating(2000),
    "a list longer than the bytes": HEAD + b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff\x00",
    "a string longer than the bytes": HEAD + b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff\x00",
    "a key that is there twice": b"\xd9\xd9\xf7\xa3" + b"\x64tree\x81\x00" + ROOTED.signature[4:],
}


@pytest.mark.checklist("cert.canister-signature.signature", "cert.encoding.cbor")
@pytest.mark.parametrize("made_with_care", CRAFTED.values(), ids=CRAFTED)
def test_both_refuse_bytes_that_are_made_to_be_hard_to_read(stage, made_with_care):
    assert not is_believed(stage, evolve(ROOTED, signature=made_with_care))
