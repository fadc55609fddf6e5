"""Messages and headers in bytes, and slices that a certificate proves."""

import hashlib

import pytest
from attrs import evolve

from spec.certification.certificate import DER_PREFIX, Certificate, Delegation, encode_certificate, signed_message
from spec.certification.hash_tree import hash_tree, pruned
from spec.production.streams.certified import believed, label_of, tree_of_stream
from spec.production.streams.stream import Header, Refusal, RejectSignal, Slice, Stream
from spec.production.streams.wire import (
    AnonymousRefund,
    StreamRequest,
    StreamResponse,
    decode_header,
    decode_message,
    encode_header,
    encode_message,
)
from spec.rules.tests.worlds import A, B
from spec.values.rejects import RejectCode, RejectReason, Reply, system_reject

CALL = StreamRequest(B, A, 7, 2**70 + 3, "go", b"argument")
REPLY = StreamResponse(A, B, 7, 5, Reply(b"data"))
REJECT = StreamResponse(A, B, 8, 0, system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPED))
REFUND = AnonymousRefund(A, 2**64)
MESSAGES = (CALL, REPLY, REJECT, REFUND, evolve(CALL, deadline=12), evolve(REPLY, deadline=12))


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_read_as_it_was_written(message):
    assert decode_message(encode_message(message)) == message


def test_structures_are_maps_by_the_numbers_of_their_fields():
    assert encode_message(AnonymousRefund(A, 1)).hex() == "a102a200" + "4a" + A.hex() + "01a10001"
    assert encode_header(Header(1, 2, 3)).hex() == "a3000101020203"


@pytest.mark.parametrize(
    "header", [Header(0, 0, 0), Header(3, 9, 12), Header(0, 0, 9, (RejectSignal(8, Refusal.UNKNOWN),))]
)
def test_a_header_is_read_as_it_was_written(header):
    assert decode_header(encode_header(header)) == header


def test_reject_signals_are_told_by_their_distances_reason_by_reason():
    signals = (
        RejectSignal(4, Refusal.CANISTER_NOT_FOUND),
        RejectSignal(5, Refusal.CANISTER_STOPPED),
        RejectSignal(7, Refusal.CANISTER_NOT_FOUND),
    )
    encoded = encode_header(Header(0, 0, 10, signals))
    assert encoded.hex() == "a400000100020a05a2" + "01820303" + "028105"
    assert decode_header(encoded).reject_signals == signals


@pytest.mark.parametrize("deltas", ["0100", "01810b", "01820a01"])
def test_distances_that_lead_nowhere_are_no_header(deltas):
    encoded = bytes.fromhex("a400000100020a05a1" + deltas)
    with pytest.raises((ValueError, TypeError)):
        decode_header(encoded)


@pytest.mark.parametrize("content", [b"", b"\xa0", b"\xa1\x00\xa0", b"\xa1\x01\xa0", b"\xa1\x02\xa0", b"\xa1\x03\xa0"])
def test_other_bytes_are_no_message(content):
    with pytest.raises(ValueError):
        decode_message(content)


# Certificates. A signature is the hash of key and message here; what verifies is an argument.

SENDER, RECEIVER, OTHER, ROOT = b"sender", b"receiver", b"other", b"root"


def key_of(subnet):
    return DER_PREFIX + hashlib.sha256(subnet).digest() * 3


def signature_of(key, message):
    return hashlib.sha256(key + message).digest()


def verify(key, signature, message):
    return signature == signature_of(key, message)


def certified(content, signer, paths=((),), delegated=None):
    """A certificate of some content, by a subnet, with a delegation if there is one for it."""
    tree = hash_tree(content)
    raw_key = key_of(signer)[len(DER_PREFIX) :]
    return Certificate(pruned(tree, paths), signature_of(raw_key, signed_message(tree)), delegated)


def delegation(subnet):
    return Delegation(subnet, certified({b"subnet": {subnet: {b"public_key": key_of(subnet)}}}, ROOT))


STREAM = Stream(begin=3, messages=(CALL, REPLY, REFUND), signals_end=2)
CONTENT = {b"streams": {RECEIVER: tree_of_stream(STREAM)}, b"time": b"\x07"}
AT = (b"streams", RECEIVER)


def paths(first, last):
    return ((*AT, b"header"), *((*AT, b"messages", label_of(index)) for index in range(first, last)))


def is_believed(certificate, **changes):
    claim = {"sender": SENDER, "receiver": RECEIVER, "first": 3, "root_subnet": ROOT, "root_key": key_of(ROOT)}
    return believed(encode_certificate(certificate), verify=verify, **{**claim, **changes})


@pytest.mark.checklist("seed1.xnet-certified", "seed1.xnet-verification")
def test_a_slice_is_believed_that_the_sender_has_certified():
    certificate = certified(CONTENT, SENDER, paths(3, 6), delegation(SENDER))
    assert is_believed(certificate) == Slice(STREAM.header, 3, STREAM.messages)
    assert is_believed(certificate, first=4) == Slice(STREAM.header, 4, STREAM.messages[1:])


def test_a_slice_may_show_less_than_there_is():
    certificate = certified(CONTENT, SENDER, paths(3, 4), delegation(SENDER))
    assert is_believed(certificate) == Slice(STREAM.header, 3, (CALL,))


def test_the_root_subnet_needs_no_delegation_and_speaks_for_no_other():
    certificate = certified(CONTENT, ROOT, paths(3, 6))
    assert is_believed(certificate, sender=ROOT) == Slice(STREAM.header, 3, STREAM.messages)
    assert is_believed(certificate) is None


@pytest.mark.checklist("seed1.xnet-verification", "cert.delegation.check")
@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(certified(CONTENT, OTHER, paths(3, 6), delegation(SENDER)), id="another subnet signed"),
        pytest.param(certified(CONTENT, OTHER, paths(3, 6), delegation(OTHER)), id="another subnet's stream"),
        pytest.param(
            certified({b"streams": {OTHER: tree_of_stream(STREAM)}}, SENDER, ((),), delegation(SENDER)),
            id="a stream to another subnet",
        ),
        pytest.param(
            certified(CONTENT, SENDER, paths(3, 6), Delegation(SENDER, delegation(OTHER).certificate)),
            id="a delegation for another subnet",
        ),
        pytest.param(
            certified(CONTENT, SENDER, ((*AT, b"messages"),), delegation(SENDER)), id="messages without the header"
        ),
    ],
)
def test_nothing_is_believed_that_the_sender_has_not_certified_for_the_receiver(certificate):
    assert is_believed(certificate) is None


def altered(**messages):
    """The genuine signature on a tree with other messages."""
    genuine = certified(CONTENT, SENDER, paths(3, 6), delegation(SENDER))
    other = Stream(begin=3, messages=messages["messages"], signals_end=2)
    return evolve(genuine, tree=hash_tree({**CONTENT, b"streams": {RECEIVER: tree_of_stream(other)}}))


@pytest.mark.checklist("seed1.xnet-verification")
@pytest.mark.parametrize(
    "messages",
    [
        pytest.param((REPLY, CALL, REFUND), id="another order"),
        pytest.param((evolve(CALL, cycles=4), REPLY, REFUND), id="more cycles"),
        pytest.param((REPLY, REFUND), id="one left out"),
        pytest.param((CALL, REPLY, REFUND, REFUND), id="one more"),
    ],
)
def test_a_stream_that_was_altered_is_not_believed(messages):
    assert is_believed(altered(messages=messages)) is None
    assert is_believed(altered(messages=STREAM.messages)) is not None


def test_bytes_that_are_no_certificate_are_not_believed():
    claim = {"sender": SENDER, "receiver": RECEIVER, "first": 3, "root_subnet": ROOT, "root_key": key_of(ROOT)}
    assert believed(b"no certificate", verify=verify, **claim) is None
