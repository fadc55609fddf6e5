"""Signatures of canisters: which bytes are one, and what a certificate must show."""

from hashlib import sha256

import cbor2
import pytest
from attrs import evolve
from py_arkworks_bls12381 import G2Point, Scalar

from reference_impl.authentication.canister_signatures import canister_key
from reference_impl.authentication.certificates import BLS_KEY, certificate_of, tree_of, value_at
from reference_impl.subnet.ingress_history import request_id_of
from reference_impl.subnet.observations import Accepted, NotTaken
from reference_impl.tests.canister_signing import (
    ABOUT_SUBNET,
    CHILD,
    ELSEWHERE,
    MESSAGE,
    NOTES,
    OTHER,
    ROOT,
    SIGNER,
    STRANGER,
    SUBNET,
    Given,
    about,
    bls_key,
    der,
    described,
    grown,
    holds,
    of_canister,
    ranges,
    scoped,
    sealed,
)
from spec.state.request import Request, SenderInfo, SignedRequest
from spec.values.containers import List
from spec.values.delegations import Delegation, SignedDelegation
from spec.values.identifiers import self_authenticating_id
from spec.values.request_id import hash_of_map

# Keys


def test_the_key_of_a_canister_tells_the_canister_and_the_seed():
    for seed in (b"", b"seed", b"x" * 100, b"x" * 130):
        known = canister_key(of_canister(SIGNER, seed))
        assert (known.canister_id, known.seed) == (SIGNER, seed)
    assert canister_key(of_canister(b"", b"seed")).canister_id == b""


KEY, LONG_KEY = of_canister(), of_canister(seed=b"x" * 130)
NOT_KEYS = {
    "nothing": b"",
    "one byte": KEY[:1],
    "cut short": KEY[:-1],
    "longer": KEY + b"\0",
    "another algorithm": KEY.replace(bytes.fromhex("b8430102"), bytes.fromhex("b8430101")),
    "a length in two bytes that fits in one": KEY[:1] + b"\x81" + KEY[1:],
    "a length that begins with zero": b"\x30\x82\x00" + LONG_KEY[2:],
    "a length without end": KEY[:1] + b"\x80" + KEY[2:],
    "a length that ends inside itself": b"\x30\x84\x01",
    "bits that do not count": KEY.replace(b"\x03\x10\x00", b"\x03\x10\x01"),
    "no length of the canister's id": der(bytes.fromhex("300c060a2b0601040183b8430102"), b""),
    "an id longer than the key": der(bytes.fromhex("300c060a2b0601040183b8430102"), b"\x05abcd"),
    "an id longer than ids are": of_canister(b"i" * 30),
}


@pytest.mark.parametrize("encoded", NOT_KEYS.values(), ids=NOT_KEYS)
def test_other_bytes_are_no_key_of_a_canister(encoded):
    assert encoded != KEY
    assert canister_key(encoded) is None


# Trees


WHOLE = "8301830183024161830183018302417882034568656c6c6f810083024179820345776f726c6483024162820344676f6f64830183024163"
WHOLE += "8100830241648203476d6f726e696e67"
PRUNED = (
    "83018301830241618301820458201b4feff9bef8131788b0c9dc6dbad6e81e524249c879e9f10f71ce3749f5a63883024179820345776f"
)
PRUNED += (
    "726c6483024162820458207b32ac0c6ba8ce35ac82c255fc7906f7fc130dab2a090f80fe12f9c2cae83ba6830182045820ec8324b8a1f1"
)
PRUNED += "ac16bd2e806edba78006479c9877fed4eb464a25485465af601d830241648203476d6f726e696e67"


def test_the_trees_of_the_worked_example_have_its_hash():
    whole, pruned = (tree_of(cbor2.loads(bytes.fromhex(example))) for example in (WHOLE, PRUNED))
    assert whole.hash.hex() == pruned.hash.hex() == "eb5c5b2195e62d996b84c9bcc8259d19a83786a2f59e0878cec84c811f669aa0"
    assert (value_at(whole, b"a", b"x"), value_at(pruned, b"a", b"x")) == (b"hello", None)
    assert value_at(pruned, b"a", b"y") == b"world"
    assert value_at(whole, b"a") is value_at(whole, b"c") is value_at(whole, b"e") is None


@pytest.mark.parametrize(
    "item",
    [
        [1, [2, b"b", [0]], [2, b"a", [0]]],
        [1, [2, b"a", [0]], [2, b"a", [0]]],
        [1, [2, b"b", [0]], [1, [4, b"h" * 32], [2, b"a", [0]]]],
        [1, [3, b"value"], [2, b"a", [0]]],
        [1, [0], [3, b"value"]],
        [2, b"a", [1, [2, b"b", [0]], [2, b"a", [0]]]],
    ],
    ids=["falling", "equal", "falling over a hash", "beside a leaf", "a leaf in a fork", "falling deeper"],
)
def test_labels_that_do_not_increase_and_leaves_beside_something_are_told(item):
    assert not tree_of(item).is_well_formed
    assert tree_of([1, [2, b"a", [0]], [1, [4, b"h" * 32], [2, b"b", [3, b"value"]]]]).is_well_formed


# Signatures


@pytest.mark.checklist(
    "cert.bls",
    "cert.canister-signature.public-key",
    "cert.canister-signature.signature",
    "cert.canister-signature.verify-certificate",
    "cert.canister-signature.verify-tree",
)
def test_a_canister_signs_by_certifying_what_it_signs():
    assert holds(Given().signature())
    kept, more = (sha256(b"another").digest(), sha256(b"again").digest())
    wider = grown({b"sig": {sha256(b"seed").digest(): {sha256(MESSAGE).digest(): b"", kept: b"", more: b""}}})
    assert holds(Given(notes=wider).signature())


@pytest.mark.checklist("cert.delegation.check", "cert.delegation.key", "cert.canister-signature.verify-delegation")
def test_a_canister_of_another_subnet_signs_by_what_the_root_subnet_says_of_it():
    assert holds(Given(delegates=True).signature())
    several = scoped(ranges((b"", b"\0")), ranges((b"\0" * 9, SIGNER), (b"\7", b"\x08")))
    assert holds(Given(delegates=True, about=several).signature())


WRONG = {
    "an empty tree": Given(notes=[0]),
    "no such message": Given(notes=grown({b"sig": {sha256(b"seed").digest(): {}}})),
    "another seed": Given(notes=grown({b"sig": {sha256(b"s").digest(): {sha256(MESSAGE).digest(): b""}}})),
    "another label": Given(notes=grown({b"sign": NOTES[b"sig"]})),
    "a value where there is none": Given(
        notes=grown({b"sig": {sha256(b"seed").digest(): {sha256(MESSAGE).digest(): b"1"}}})
    ),
    "a tree that is not well formed": Given(notes=[1, grown(NOTES), [2, b"a", [0]]]),
    "other certified data": Given(certified=b"\1" * 32),
    "the data of another canister": Given(at=(b"canister", OTHER, b"certified_data")),
    "not the certified data": Given(at=(b"canister", SIGNER, b"module_hash")),
    "not under the canisters": Given(at=(b"canisters", SIGNER, b"certified_data")),
    "another domain": Given(separator=b"\x0eic-state-root"),
    "another root": Given(root=STRANGER),
    "a stranger in place of the root": Given(signs=STRANGER),
    "another root for the subnet": Given(delegates=True, root=STRANGER),
    "a stranger in place of the subnet": Given(delegates=True, signs=STRANGER),
    "the root in place of the subnet": Given(delegates=True, signs=ROOT),
    "another subnet": Given(delegates=True, names=ELSEWHERE),
    "no key of the subnet": Given(delegates=True, about=about(public_key=None)),
    "a key that is not in DER": Given(delegates=True, about=about(public_key=bls_key(CHILD)[37:])),
    "a key that is no point": Given(delegates=True, about=about(public_key=der(BLS_KEY, b"\1" * 96))),
    "a subnet without a type": Given(delegates=True, about=about(type=None)),
    "a subnet whose canisters do not sign": Given(delegates=True, about=about(type=b"cloud_engine")),
    "no canisters": Given(delegates=True, about=scoped(ranges())),
    "other canisters": Given(delegates=True, about=scoped(ranges((b"", b"\0"), (OTHER, OTHER)))),
    "canisters that are no ranges": Given(delegates=True, about=scoped(described([[SIGNER, SIGNER], [SIGNER]]))),
    "canisters that are not CBOR": Given(delegates=True, about=scoped(b"\xff", b"")),
    "no list of canisters": Given(
        delegates=True, about=grown({b"subnet": ABOUT_SUBNET[b"subnet"], b"canister_ranges": {ELSEWHERE: {}}})
    ),
    "a list of canisters at the old place only": Given(
        delegates=True,
        about=grown(
            {
                b"subnet": {
                    SUBNET: {**ABOUT_SUBNET[b"subnet"][SUBNET], b"canister_ranges": ranges((SIGNER, SIGNER))},
                }
            }
        ),
    ),
    "a delegation that rests on a delegation": Given(
        delegates=True, more={"delegation": {"subnet_id": SUBNET, "certificate": sealed(grown(ABOUT_SUBNET), ROOT)}}
    ),
}


@pytest.mark.checklist(
    "cert.canister-signature.verify-certificate",
    "cert.canister-signature.verify-tree",
    "cert.canister-signature.verify-delegation",
    "cert.delegation.check",
    "cert.delegation.scope",
    "inv.cert.delegation-depth",
)
@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_a_certificate_that_shows_one_thing_less_is_no_signature(given):
    assert not holds(given.signature())


def test_a_signature_counts_for_one_key_one_message_and_one_root():
    for delegates in (False, True):
        signature = Given(delegates=delegates).signature()
        assert holds(signature)
        assert not holds(signature, key=of_canister(seed=b"another"))
        assert not holds(signature, key=of_canister(canister_id=OTHER))
        assert not holds(signature, message=b"another message")
        assert not holds(signature, root_key=bls_key(STRANGER))
        for root_key in (b"", b"root key", bls_key(ROOT)[:-1], bls_key(ROOT) + b"\0"):
            assert not holds(signature, root_key=root_key)


def test_the_neutral_point_is_nobodys_key():
    nobody = der(BLS_KEY, bytes(G2Point.identity().to_compressed_bytes()))
    nothing = Given(root=Scalar(0), signs=Scalar(0)).signature()
    assert not holds(nothing, root_key=nobody)


def test_every_changed_byte_is_noticed():
    for delegates in (False, True):
        signature = Given(delegates=delegates).signature()
        changed = [
            signature[:place] + bytes((signature[place] ^ 1 << place % 8,)) + signature[place + 1 :]
            for place in range(len(signature))
        ]
        assert not [one.hex() for one in changed if holds(one)]
        assert not [end for end in range(len(signature)) if holds(signature[:end])]


# Encodings


def _parts(**changes):
    return {"certificate": Given().certificate(), "tree": grown(NOTES), **changes}


def _opened():
    """The certificate as a string in two pieces, and the tree as a list up to a break."""
    certificate = Given().certificate()
    pieces = b"\x5f" + cbor2.dumps(certificate[:9]) + cbor2.dumps(certificate[9:]) + b"\xff"
    tree = b"\x9f" + cbor2.dumps(grown(NOTES))[1:] + b"\xff"
    return b"\xd9\xd9\xf7\xbf\x6bcertificate" + pieces + b"\x64tree" + tree + b"\xff"


def test_cbor_may_be_written_in_several_ways():
    assert holds(_opened())
    assert holds(described(dict(reversed(_parts().items()))))
    assert holds(described(_parts(more=[1.5, True, None, -7, "text", {1: 2}, cbor2.CBORTag(9, b"")])))
    assert holds(described(_parts(certificate=Given().certificate()[3:])))
    assert holds(described(_parts(certificate=sealed(Given().told(), ROOT, delegation=None))))
    assert holds(Given(delegates=True, more={"delegation": None}).signature())


def test_as_many_items_are_in_each_other_as_in_production():
    assert holds(Given(notes=_under_forks(121)).signature())
    assert not holds(Given(notes=_under_forks(122)).signature())


def _certificate(item):
    return described(_parts(certificate=cbor2.dumps(item)))


def _under_forks(number):
    """The notes, under as many forks."""
    tree = grown(NOTES)
    for _ in range(number):
        tree = [1, [0], tree]
    return tree


def _in_each_other(levels):
    return b"\x83\x01\x81\x00" * levels + b"\x81\x00"


def _delegating(levels):
    encoded = Given().certificate()
    for _ in range(levels):
        encoded = sealed([0], ROOT, delegation={"subnet_id": SUBNET, "certificate": encoded})
    return encoded


TREE = b"\x64tree" + cbor2.dumps(grown(NOTES))
PIECE_OF_TEXT = b"\x78" + cbor2.dumps(Given().certificate())[1:]
CUT_SHORT = [4, b"h" * 31]
NOTES_BESIDE_IT = sha256(b"\x10ic-hashtree-fork" + tree_of(grown(NOTES)).hash + b"h" * 31).digest()
HEAD = b"\xd9\xd9\xf7\xa2\x6bcertificate" + cbor2.dumps(Given().certificate()) + b"\x64tree"
SEEN_TWICE = b"\x83\x01\xd8\x1c" * 60 + b"\x81\x00" + b"".join(b"\xd8\x1d" + cbor2.dumps(59 - n) for n in range(60))
MALFORMED = {
    "nothing": b"",
    "no tag": Given().signature()[3:],
    "another tag": b"\xd9\xd9\xf8" + Given().signature()[3:],
    "more behind": Given().signature() + b"\0",
    "no map": described([1]),
    "no certificate": described({"tree": grown(NOTES)}),
    "no tree": described({"certificate": Given().certificate()}),
    "text in place of a certificate": described(_parts(certificate="text")),
    "an empty certificate": described(_parts(certificate=b"")),
    "a certificate that is a list": _certificate([1, 2]),
    "a certificate without a signature": _certificate({"tree": [0]}),
    "a certificate without a tree": _certificate({"signature": b""}),
    "a signature that is text": _certificate({"tree": [0], "signature": "text"}),
    "a delegation that is a number": described(_parts(certificate=sealed(Given().told(), ROOT, delegation=1))),
    "a delegation that is false": described(_parts(certificate=sealed(Given().told(), ROOT, delegation=False))),
    "a delegation without a subnet": _certificate({"tree": [0], "signature": b"", "delegation": {"certificate": b""}}),
    "a delegation of nothing": _certificate(
        {"tree": [0], "signature": b"", "delegation": {"subnet_id": SUBNET, "certificate": b"\x01"}}
    ),
    "delegations in each other": described(_parts(certificate=_delegating(3))),
    "a tree of an unknown kind": described(_parts(tree=[5])),
    "a tree that is a number": described(_parts(tree=0)),
    "an empty list": described(_parts(tree=[])),
    "a fork with one side": described(_parts(tree=[1, [0]])),
    "a label that is text": described(_parts(tree=[2, "sig", [0]])),
    "a value that is a number": described(_parts(tree=[3, 1])),
    "a hash of 31 bytes": Given(notes=[1, grown(NOTES), CUT_SHORT], certified=NOTES_BESIDE_IT).signature(),
    "trees too deep in each other": HEAD + _in_each_other(10_000),
    "a tree inside itself": HEAD + b"\xd8\x1c\x83\x01\xd8\x1d\x00\xd8\x1d\x00",
    "trees that are there twice": HEAD + SEEN_TWICE,
    "a list without end": HEAD + b"\x9f\x01",
    "a list longer than the bytes": HEAD + b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff\x00",
    "a string longer than the bytes": HEAD + b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff\x00",
    "a string of pieces of another kind": HEAD[:16] + b"\x5f" + PIECE_OF_TEXT + b"\xff" + TREE,
    "a length that does not exist": b"\xd9\xd9\xf7\xa3\x64more\x1c" + b"\x00" * 16 + HEAD[4:-5] + TREE,
    "a break outside": HEAD + b"\xff",
    "text that is not UTF-8": b"\xd9\xd9\xf7\xa1\x61\xff\x00",
    "a key that is there twice": b"\xd9\xd9\xf7\xa3\x64tree\x81\x00" + HEAD[4:-5] + TREE,
}


@pytest.mark.checklist("cert.canister-signature.signature", "cert.encoding.cbor")
@pytest.mark.parametrize("signature", MALFORMED.values(), ids=MALFORMED)
def test_other_bytes_are_no_signature_and_no_error(signature):
    assert not holds(signature)
    assert holds(HEAD[:-5] + TREE)


def test_a_certificate_tells_its_delegation():
    certificate = certificate_of(Given(delegates=True).certificate())
    assert certificate.delegation.subnet_id == SUBNET
    assert certificate_of(Given().certificate()).delegation is None


# Requests


def signed_by_canister(message, *, delegates=False, seed=b"seed"):
    """The signature of a message that a user of the canister gets."""
    notes = grown({b"sig": {sha256(seed).digest(): {sha256(message).digest(): b""}}})
    return Given(delegates=delegates, notes=notes).signature()


def enveloped(request, **others):
    """The request, signed by the canister."""
    return SignedRequest(request, KEY, signed_by_canister(b"\x0aic-request" + request_id_of(request), **others))


def stated(info=b"of the user", signer=SIGNER, separator=b"\x0eic-sender-info"):
    """What the canister says of its user."""
    return SenderInfo(info, signer, signed_by_canister(separator + info))


@pytest.fixture
def prepared(new_stage, counter):
    """A stage under the root key, and a request by a user of the signing canister, to a canister that counts."""
    stage = new_stage(root_key=bls_key(ROOT))
    callee = stage.create(counter)
    expiry = stage.engine.instance.system_time + 10**9
    request = Request(b"", expiry, self_authenticating_id(KEY), callee, "increment", b"")
    return stage, request


@pytest.mark.checklist("http.verify.signed")
@pytest.mark.parametrize("delegates", [False, True], ids=["by the root subnet", "by another subnet"])
def test_the_engine_takes_in_what_a_canister_signs(prepared, delegates):
    stage, request = prepared
    envelope = enveloped(request, delegates=delegates)
    forged = evolve(envelope, request=evolve(request, nonce=b"another"))
    assert isinstance(stage.engine.submit(forged, request.canister_id), NotTaken)
    assert isinstance(stage.engine.submit(envelope, request.canister_id), Accepted)
    stage.engine.drain()
    assert stage.number(request.canister_id) == 1


@pytest.mark.checklist("http.sender-info")
@pytest.mark.parametrize(
    ("told", "is_taken_in"),
    [
        (stated(), True),
        (stated(signer=OTHER), False),
        (stated(separator=b"\x0eic-sender-inf0"), False),
        (evolve(stated(), info=b"something else"), False),
        (evolve(stated(), signature=b""), False),
    ],
    ids=["signed", "by another canister", "in another domain", "of something else", "not signed"],
)
def test_a_sender_info_is_signed_by_the_canister_of_the_senders_key(prepared, told, is_taken_in):
    stage, request = prepared
    outcome = stage.engine.submit(enveloped(evolve(request, sender_info=told)), request.canister_id)
    assert isinstance(outcome, Accepted if is_taken_in else NotTaken)


@pytest.mark.checklist("http.verify.delegation-chain")
def test_a_canister_delegates_and_is_delegated_to(prepared):
    stage, request = prepared
    taker = of_canister(seed=b"next")
    expiry = stage.engine.instance.system_time
    delegation = Delegation(taker, expiry)
    said = b"\x1aic-request-auth-delegation" + hash_of_map({"pubkey": taker, "expiration": expiry})
    chain = List.of(SignedDelegation(delegation, signed_by_canister(said)))
    message = b"\x0aic-request" + request_id_of(request)
    envelope = SignedRequest(request, KEY, signed_by_canister(message, seed=b"next"), chain)
    assert isinstance(stage.engine.submit(evolve(envelope, delegations=List()), request.canister_id), NotTaken)
    unsigned = List.of(SignedDelegation(delegation, signed_by_canister(said + b"\0")))
    assert isinstance(stage.engine.submit(evolve(envelope, delegations=unsigned), request.canister_id), NotTaken)
    assert isinstance(stage.engine.submit(envelope, request.canister_id), Accepted)
