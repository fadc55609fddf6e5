"""Envelopes: who signed a request, and for which canisters that counts. Keys are real ones."""

import hashlib

import pytest
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256K1, SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from spec.certification.canister_signature import (
    CanisterSignature,
    PublicKey,
    encode_public_key,
    encode_signature,
)
from spec.certification.certificate import DER_PREFIX, Certificate, signed_message
from spec.certification.envelope import (
    Authentic,
    Delegation,
    Envelope,
    NotAuthentic,
    SignedDelegation,
    delegation_message,
    request_message,
    sender_info_message,
    verify_envelope,
)
from spec.certification.hash_tree import hash_tree, reconstruct
from spec.certification.plain_signatures import verify_plain_signature
from spec.certification.user_signatures import Verifier
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Principal, self_authenticating_id

NOW = 1_700_000_000 * 10**9
A, B = Principal(bytes(8) + b"\x01\x01"), Principal(bytes(7) + b"\x01\x01\x01")
ROOT_KEY = DER_PREFIX + bytes(96)


class Plain:
    """A key pair of one of the three plain kinds."""

    def __init__(self, curve=None):
        self.private = Ed25519PrivateKey.generate() if curve is None else generate_private_key(curve)
        self.key = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message):
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(message)
        return b"".join(
            part.to_bytes(32, "big") for part in decode_dss_signature(self.private.sign(message, ECDSA(SHA256())))
        )


def bls(key, signature, message):
    """A stand-in for BLS, so that any key can sign: the signature is the hash of key and message."""
    return signature == hashlib.sha256(key + message).digest()


class OfCanister:
    """A key of a canister, which signs by certifying."""

    def __init__(self, canister_id=A, seed=b"seed"):
        self.canister_id, self.seed = canister_id, seed
        self.key = encode_public_key(PublicKey(canister_id, seed))

    def sign(self, message):
        seed, signed = hashlib.sha256(self.seed).digest(), hashlib.sha256(message).digest()
        tree = hash_tree({b"sig": {seed: {signed: b""}}})
        content = {b"canister": {self.canister_id: {b"certified_data": reconstruct(tree)}}, b"time": b"\x01"}
        certified = hash_tree(content)
        proof = hashlib.sha256(bytes(96) + signed_message(certified)).digest()
        return encode_signature(CanisterSignature(Certificate(certified, proof), tree))


ALICE, BOB, CAROL = Plain(), Plain(SECP256R1()), Plain(SECP256K1())
CANISTER = OfCanister()
KINDS = {"Ed25519": ALICE, "P-256": BOB, "secp256k1": CAROL, "canister": CANISTER}
KEYS = Verifier(verify_plain_signature, ROOT_KEY, bls).keys()


def content(owner=ALICE, request_type="call", **more):
    return {
        "request_type": request_type,
        "canister_id": A,
        "method_name": "go",
        "arg": b"argument",
        "sender": self_authenticating_id(owner.key),
        "ingress_expiry": NOW,
        **more,
    }


def signed(owner=ALICE, by=None, chain=None, **more):
    """An envelope of the owner, signed by the last key of a chain."""
    body = content(owner, **more)
    return Envelope(body, owner.key, (by or owner).sign(request_message(body)), chain)


def delegated(*steps, **fields):
    """A chain of delegations: each key to the next one; the fields are those of all delegations."""
    chain = []
    for giver, taker in zip(steps, steps[1:], strict=False):
        delegation = Delegation(taker.key, **{"expiration": NOW, **fields})
        chain.append(SignedDelegation(delegation, giver.sign(delegation_message(delegation))))
    return List(tuple(chain))


def judged(envelope, owner=ALICE):
    return verify_envelope(envelope, self_authenticating_id(owner.key), NOW, KEYS)


def refused(envelope, owner=ALICE):
    answer = judged(envelope, owner)
    assert isinstance(answer, NotAuthentic), answer
    return answer.because


# Signatures


@pytest.mark.checklist("http.verify.signed", "http.sig.ed25519", "http.sig.ecdsa", "http.request-id")
@pytest.mark.parametrize("kind", KINDS)
def test_a_request_signed_by_its_sender_may_be_used_everywhere(kind):
    assert judged(signed(KINDS[kind]), KINDS[kind]) == Authentic()


@pytest.mark.checklist("http.verify.signed", "cert.domain-separators")
@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_is_of_one_request_and_one_purpose(kind):
    owner = KINDS[kind]
    envelope = signed(owner)
    assert refused(evolve(envelope, content=content(owner, method_name="stop")), owner)
    other_purpose = owner.sign(b"\x0cic-request__" + request_message(envelope.content)[11:])
    assert refused(evolve(envelope, sender_sig=other_purpose), owner)
    broken = bytearray(envelope.sender_sig)
    broken[-1] ^= 1
    assert refused(evolve(envelope, sender_sig=bytes(broken)), owner)
    assert refused(evolve(envelope, sender_sig=b""), owner)


@pytest.mark.checklist("http.verify.signed", "http.envelope")
def test_the_key_is_that_of_the_sender_and_the_envelope_has_key_and_signature():
    envelope = signed()
    assert refused(evolve(envelope, sender_pubkey=BOB.key)) == "the key is not that of the sender"
    assert refused(evolve(envelope, sender_pubkey=None)) == "the key or the signature is missing"
    assert refused(evolve(envelope, sender_sig=None)) == "the key or the signature is missing"
    assert refused(envelope, BOB) == "the request is of another sender"


@pytest.mark.checklist("http.sig.ecdsa", "http.sig.ed25519")
def test_other_curves_and_other_encodings_of_keys_and_signatures_are_no_signatures():
    message = b"message"
    other_curve = generate_private_key(SECP384R1())
    key = other_curve.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert not verify_plain_signature(key, bytes(64), message)
    point = BOB.private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    compressed = BOB.key[:1] + bytes([BOB.key[1] - 32]) + BOB.key[2:24] + bytes([BOB.key[24] - 32]) + b"\0" + point
    assert verify_plain_signature(BOB.key, BOB.sign(message), message)
    assert not verify_plain_signature(compressed, BOB.sign(message), message)
    assert not verify_plain_signature(BOB.key, BOB.private.sign(message, ECDSA(SHA256())), message)
    assert not verify_plain_signature(b"junk", bytes(64), message)
    assert not verify_plain_signature(ALICE.key, ALICE.sign(message) + b"\0", message)
    assert not verify_plain_signature(BOB.key, bytes(64), message)


@pytest.mark.checklist("cert.canister-signature.verify-certificate", "cert.canister-signature.signature")
def test_a_canister_signature_goes_back_to_the_root_key():
    verifier = Verifier(verify_plain_signature, DER_PREFIX + b"\1" * 96, bls)
    sender = self_authenticating_id(CANISTER.key)
    assert isinstance(verify_envelope(signed(CANISTER), sender, NOW, verifier.keys()), NotAuthentic)
    by_another = evolve(signed(CANISTER), sender_sig=ALICE.sign(request_message(content(CANISTER))))
    assert refused(by_another, CANISTER)


@pytest.mark.checklist("http.verify.anonymous", "http.envelope")
def test_the_anonymous_user_signs_nothing():
    plain = Envelope(content() | {"sender": ANONYMOUS})
    assert verify_envelope(plain, ANONYMOUS, NOW, KEYS) == Authentic()
    for pretended in (
        {"sender_pubkey": ALICE.key},
        {"sender_sig": b""},
        {"sender_delegation": List()},
        {"content": {**plain.content, "sender_info": {"info": b"", "signer": A, "sig": b""}}},
    ):
        assert isinstance(verify_envelope(evolve(plain, **pretended), ANONYMOUS, NOW, KEYS), NotAuthentic)


# Delegations


@pytest.mark.checklist("http.verify.delegation-chain")
def test_the_last_key_of_a_chain_signs():
    chain = delegated(ALICE, BOB, CAROL, CANISTER)
    assert judged(signed(by=CANISTER, chain=chain)) == Authentic()
    assert judged(signed(chain=List())) == Authentic()
    for other in (ALICE, BOB, CAROL):
        assert refused(signed(by=other, chain=chain)) == "the signature is not that of the last key of the chain"


@pytest.mark.checklist("http.verify.delegation-chain")
def test_every_delegation_is_signed_by_the_key_before_it():
    first, second = delegated(ALICE, BOB, CAROL)
    not_signed = "a delegation is not signed by the key before it"
    assert refused(signed(by=CAROL, chain=List.of(second))) == not_signed
    changed = evolve(first, delegation=evolve(first.delegation, expiration=NOW + 1))
    assert refused(signed(by=CAROL, chain=List.of(changed, second))) == not_signed
    assert refused(signed(by=BOB, chain=delegated(CAROL, BOB))) == not_signed


@pytest.mark.checklist("http.delegation.expiration", "http.verify.delegation-chain")
def test_a_delegation_lasts_until_its_expiration_inclusive():
    assert judged(signed(by=BOB, chain=delegated(ALICE, BOB, expiration=NOW))) == Authentic()
    assert refused(signed(by=BOB, chain=delegated(ALICE, BOB, expiration=NOW - 1))) == "a delegation has expired"


@pytest.mark.checklist("http.delegation.length")
def test_a_chain_has_at_most_twenty_delegations():
    steps = [ALICE, *(Plain() for _ in range(21))]
    assert judged(signed(by=steps[20], chain=delegated(*steps[:21]))) == Authentic()
    assert refused(signed(by=steps[21], chain=delegated(*steps))) == "there are too many delegations"


@pytest.mark.checklist("http.delegation.no-cycles")
@pytest.mark.parametrize("steps", [(ALICE, ALICE), (ALICE, BOB, ALICE), (ALICE, BOB, CAROL, BOB)])
def test_no_key_occurs_twice_in_a_chain(steps):
    chain = delegated(*steps)
    assert refused(signed(by=steps[-1], chain=chain)) == "a key occurs twice in the chain of delegations"


@pytest.mark.checklist("http.delegation.targets", "http.verify.signed")
def test_an_envelope_may_be_used_at_the_targets_of_all_delegations():
    first = delegated(ALICE, BOB, targets=List.of(B, A, MANAGEMENT_CANISTER)).items
    second = delegated(BOB, CAROL, targets=List.of(A, MANAGEMENT_CANISTER)).items
    both = judged(signed(by=CAROL, chain=List(first + second)))
    assert both == Authentic(List.of(A, MANAGEMENT_CANISTER))
    assert both.admits(A) and both.admits(MANAGEMENT_CANISTER) and not both.admits(B)
    unrestricted = delegated(BOB, CAROL).items
    assert judged(signed(by=CAROL, chain=List(first + unrestricted))) == Authentic(List.of(B, A, MANAGEMENT_CANISTER))
    nowhere = judged(signed(by=BOB, chain=delegated(ALICE, BOB, targets=List())))
    assert nowhere == Authentic(List()) and not nowhere.admits(A)
    assert Authentic().admits(B)


@pytest.mark.checklist("http.delegation.targets")
@pytest.mark.parametrize(("number", "admitted"), [(1000, True), (1001, False)])
def test_a_delegation_has_at_most_a_thousand_targets(number, admitted):
    targets = List(tuple(Principal(one.to_bytes(8, "big")) for one in range(number)))
    answer = judged(signed(by=BOB, chain=delegated(ALICE, BOB, targets=targets)))
    assert isinstance(answer, Authentic) == admitted


@pytest.mark.checklist("http.delegation.permissions")
@pytest.mark.parametrize(
    ("permissions", "kinds"),
    [
        (None, ["call", "query", "read_state"]),
        ("all", ["call", "query", "read_state"]),
        ("queries", ["query", "read_state"]),
        ("updates", []),
        ("", []),
    ],
)
def test_the_permissions_of_a_delegation_say_which_requests_it_is_good_for(permissions, kinds):
    first = delegated(ALICE, BOB, permissions=permissions).items
    # A later delegation cannot widen an earlier one.
    chain = List(first + delegated(BOB, CAROL, permissions="all").items)
    admitted = [
        kind
        for kind in ("call", "query", "read_state")
        if isinstance(judged(signed(by=CAROL, chain=chain, request_type=kind)), Authentic)
    ]
    assert admitted == kinds


# Sender info


def with_info(owner=CANISTER, by=None, chain=None, **changes):
    """An envelope with a sender_info, signed by the owner's key unless said otherwise."""
    info = {"info": b"about the user", "signer": A, "sig": owner.sign(sender_info_message(b"about the user"))}
    return signed(owner, by=by, chain=chain, sender_info=info | changes)


@pytest.mark.checklist("http.sender-info")
def test_a_canister_tells_of_its_users_in_a_sender_info():
    assert judged(with_info(), CANISTER) == Authentic()
    # Its signature is that of the sender's key also if another key signs the request.
    assert judged(with_info(by=BOB, chain=delegated(CANISTER, BOB)), CANISTER) == Authentic()


@pytest.mark.checklist("http.sender-info")
@pytest.mark.parametrize(
    "changes",
    [
        {"signer": B},
        {"info": b"about somebody else"},
        {"sig": b""},
        {"sig": OfCanister(seed=b"other").sign(sender_info_message(b"about the user"))},
        {"sig": CANISTER.sign(b"about the user")},
        {"signer": "a text"},
    ],
)
def test_a_sender_info_names_the_canister_that_signed_it(changes):
    assert refused(with_info(**changes), CANISTER) == (
        "the sender_info is not allowed, or not signed by the sender's key"
    )


@pytest.mark.checklist("http.sender-info")
def test_only_users_of_canisters_have_a_sender_info():
    assert "sender_info" in refused(with_info(ALICE))
    assert "sender_info" in refused(with_info(ALICE, by=CANISTER, chain=delegated(ALICE, CANISTER)))
