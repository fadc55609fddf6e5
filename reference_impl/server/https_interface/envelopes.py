"""
Envelopes of requests as clients send them, in CBOR. Source: https-interface, authentication and CBOR encoding.

Everything that reads raises `Malformed` for what is no envelope of the kind that is asked for. The tag which says that
something is CBOR may be there or not, and fields that may be absent may also be null. The content has no other fields
than those that belong to it: its hash is what is signed, and names the request.
"""

from collections.abc import Iterable
from typing import Final, TypeVar

from attrs import frozen

from reference_impl.authentication.cbor import SELF_DESCRIBED, Item, Tagged, read
from reference_impl.authentication.requests import Kind, Proof
from spec.state.request import Request, SenderInfo, SignedRequest, Submission
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.delegations import Delegation, SignedDelegation
from spec.values.identifiers import ANONYMOUS, MAXIMUM_PRINCIPAL_LENGTH, Blob, Principal, Text
from spec.values.quantities import Nanoseconds

POSITIVE_BIGNUM: Final = 2
"""The tag of a natural number that is given as a byte string."""
TIME_BITS: Final = 64
MOST_PATHS: Final = 1000
MOST_LABELS: Final = 127
"""Source: https-interface, read state."""

Fields = dict[Text, Item]
Value = TypeVar("Value")


class Malformed(Exception):
    """The bytes are no envelope of such a request. The message is one line."""


@frozen
class StateRead:
    """A request to read parts of the state."""

    sender: Principal
    ingress_expiry: Nanoseconds
    paths: tuple[tuple[Blob, ...], ...]
    nonce: Blob
    proof: Proof | None
    """Of everybody but the anonymous user."""


@defines("http.cddl.requests")
def submission_of(body: Blob, kind: Kind, *, needs_proof: bool = True) -> Submission:
    """
    The call or query in a body; one that bears no signature is the anonymous user's.

    Where nobody needs to prove who it is, it is that of whom it names.
    """
    content, proof = _parts(body, kind, {"canister_id", "method_name", "arg"}, {"nonce", "sender_info"})
    request = Request(
        nonce=_nonce(content),
        ingress_expiry=_time(content, "ingress_expiry"),
        sender=_principal(content, "sender"),
        canister_id=_principal(content, "canister_id"),
        method_name=_text(content, "method_name"),
        argument=_blob(content, "arg"),
        sender_info=_sender_info(content),
    )
    if not needs_proof:
        return request
    _require_proof(request.sender, proof)
    if proof is None:
        return request
    return SignedRequest(request, proof.public_key, proof.signature, proof.delegations)


@defines("http.cddl.requests", "http.content.read-state")
def state_read_of(body: Blob, *, needs_proof: bool = True) -> StateRead:
    """The request to read the state in a body; where nobody needs to prove who it is, by whom it names."""
    content, proof = _parts(body, Kind.READ_STATE, {"paths"}, {"nonce"})
    paths = tuple(_path(one) for one in _list(content, "paths", MOST_PATHS))
    for first in (b"request_status", b"canister_ranges"):
        if len({path[1] for path in paths if len(path) > 1 and path[0] == first}) > 1:
            raise Malformed(f"paths under {first.decode()} name more than one id")
    sender, expiry = _principal(content, "sender"), _time(content, "ingress_expiry")
    if needs_proof:
        _require_proof(sender, proof)
    return StateRead(sender, expiry, paths, _nonce(content), proof if needs_proof else None)


def _require_proof(sender: Principal, proof: Proof | None) -> None:
    if proof is None and sender != ANONYMOUS:
        raise Malformed("sender_pubkey and sender_sig are missing, and the sender is not anonymous")
    if proof is not None and sender == ANONYMOUS:
        raise Malformed("the anonymous sender signs nothing")


@defines("http.cbor.form")
def _parts(body: Blob, kind: Kind, required: set[Text], optional: set[Text]) -> tuple[Fields, Proof | None]:
    """Content and proof of an envelope. The content has the fields that all have, those required, and no others."""
    try:
        item = read(body)
    except ValueError as problem:
        raise Malformed(f"the body is not CBOR: {problem}") from None
    envelope = _map(item.item if isinstance(item, Tagged) and item.tag == SELF_DESCRIBED else item, "the body")
    content = _map(envelope.get("content"), "content")
    required = {"request_type", "sender", "ingress_expiry", *required}
    missing, unknown = required - content.keys(), content.keys() - required - optional
    if missing or unknown:
        what = f"has no field {min(missing)}" if missing else f"has an unknown field {min(unknown)!r}"
        raise Malformed(f"content {what}")
    if content["request_type"] != kind.value:
        raise Malformed(f"request_type is not {kind.value}")
    return content, _proof(envelope)


def _proof(envelope: Fields) -> Proof | None:
    delegations = envelope.get("sender_delegation")
    match envelope.get("sender_pubkey"), envelope.get("sender_sig"):
        case None, None if not delegations:
            return None
        case bytes(public_key), bytes(signature):
            chain = () if delegations is None else _delegations(envelope)
            return Proof(public_key, signature, List(tuple(chain)))
    raise Malformed("sender_pubkey and sender_sig belong together and are blobs")


def _delegations(envelope: Fields) -> Iterable[SignedDelegation]:
    for one in _list(envelope, "sender_delegation"):
        signed = _map(one, "sender_delegation")
        fields = _map(signed.get("delegation"), "delegation")
        targets = None
        if fields.get("targets") is not None:
            targets = List(tuple(_as_principal(target, "targets") for target in _list(fields, "targets")))
        permissions = None if fields.get("permissions") is None else _text(fields, "permissions")
        delegation = Delegation(_blob(fields, "pubkey"), _time(fields, "expiration"), targets, permissions)
        yield SignedDelegation(delegation, _blob(signed, "signature"))


def _sender_info(content: Fields) -> SenderInfo | None:
    if content.get("sender_info") is None:
        return None
    told = _map(content["sender_info"], "sender_info")
    return SenderInfo(_blob(told, "info"), _principal(told, "signer"), _blob(told, "sig"))


def _nonce(content: Fields) -> Blob:
    if content.get("nonce") is None:
        return b""
    nonce = _blob(content, "nonce")
    if not nonce:
        # The state of the specification cannot tell an empty nonce from none, and the hash of a request can.
        raise Malformed("nonce is empty: leave it out")
    return nonce


def _path(item: Item) -> tuple[Blob, ...]:
    match item:
        case [*labels] if len(labels) <= MOST_LABELS:
            path = tuple(label for label in labels if isinstance(label, bytes))
            if len(path) == len(labels):
                return path
    raise Malformed(f"a path is a list of at most {MOST_LABELS} blobs")


def _map(item: Item, what: Text) -> Fields:
    if isinstance(item, dict):
        return item
    raise Malformed(f"{what} is not a map")


def _list(fields: Fields, name: Text, most: int | None = None) -> list[Item]:
    item = fields.get(name)
    if isinstance(item, list) and (most is None or len(item) <= most):
        return item
    raise Malformed(f"{name} is not a list" if most is None else f"{name} is not a list of at most {most} items")


def _blob(fields: Fields, name: Text) -> Blob:
    item = fields.get(name)
    if isinstance(item, bytes):
        return item
    raise Malformed(f"{name} is not a blob")


def _text(fields: Fields, name: Text) -> Text:
    item = fields.get(name)
    if isinstance(item, str):
        return item
    raise Malformed(f"{name} is not a text")


def _principal(fields: Fields, name: Text) -> Principal:
    return _as_principal(fields.get(name), name)


def _as_principal(item: Item, name: Text) -> Principal:
    if isinstance(item, bytes) and len(item) <= MAXIMUM_PRINCIPAL_LENGTH:
        return Principal(item)
    raise Malformed(f"{name} is not a principal")


def _time(fields: Fields, name: Text) -> Nanoseconds:
    item = fields.get(name)
    if isinstance(item, Tagged) and item.tag == POSITIVE_BIGNUM and isinstance(item.item, bytes):
        item = int.from_bytes(item.item, "big")
    if isinstance(item, int) and item >= 0 and item.bit_length() <= TIME_BITS:
        return item
    raise Malformed(f"{name} is not a natural number of at most {TIME_BITS} bits")
