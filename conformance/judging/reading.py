"""What a state shows to somebody who asks a query or reads the certified state."""

import hashlib
from collections.abc import Sequence
from typing import Final

import cbor2

from conformance.judging.moves import Silence
from conformance.protocol.interface import Path, Query, QueryAnswer, Refused, Rejected, Replied, Values
from conformance.protocol.wire import answer_of, seen, write_optional_blob
from spec.reads.query import QueryRefused, QueryResponse
from spec.reads.query import query as query_of_specification
from spec.rules.modules import module_of
from spec.state.canister import Canister, Code
from spec.state.request import Request
from spec.state.state import State
from spec.transition import Unspecified
from spec.values.identifiers import Blob, CanisterId, Principal, RequestId, Text
from spec.values.quantities import Nanoseconds
from spec.values.rejects import Reply

SELF_DESCRIBED_CBOR: Final = 55799
"""The tag in front of the list of controllers. Source: https-interface, state tree."""


def query_in(state: State, query: Query, effective_id: Principal) -> QueryAnswer:
    """What a query gives in a state. Raises `Silence` if the specification does not say."""
    request = Request(
        query.nonce, query.ingress_expiry, query.sender, query.canister_id, query.method_name, query.argument
    )
    match query_of_specification(state, request, effective_id):
        case QueryResponse(Reply(data)):
            return Replied(data)
        case QueryResponse(response=reject):
            assert not isinstance(reject, Reply)
            return Rejected(seen(reject))
        case QueryRefused(because):
            return Refused(None, because)
        case Unspecified(because):
            raise Silence(because)


def values_in(state: State, sender: Principal, effective_id: CanisterId, paths: Sequence[Path]) -> Values | Refused:
    """What the certified state has at some paths, if the sender may read them."""
    values: list[Blob | None] = []
    for path in paths:
        match path:
            case (b"time",):
                values.append(natural(state.system_time))
            case (b"canister", canister_id, *rest) if canister_id == effective_id:
                if not _may_read(state, sender, CanisterId(canister_id), rest):
                    return Refused()
                values.append(_canister_value(state, CanisterId(canister_id), rest))
            case (b"request_status", given_id, *rest):
                request_id = RequestId(given_id)
                if not _may_read_status(state, sender, effective_id, request_id):
                    return Refused()
                values.append(_status_value(state, request_id, rest))
            case _:
                return Refused()
    return Values(tuple(values))


def natural(number: Nanoseconds) -> Blob:
    """An unsigned LEB128 number."""
    encoded = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        encoded.append(low | (0x80 if number else 0))
        if not number:
            return bytes(encoded)


def _may_read(state: State, sender: Principal, canister_id: CanisterId, rest: Sequence[Blob]) -> bool:
    """Everybody may read the hash, the controllers and public sections; private sections are for controllers."""
    match rest:
        case [b"module_hash"] | [b"controllers"]:
            return True
        case [b"metadata", name]:
            section = _metadata(state, canister_id, name)
            if section is None or section[1]:
                return True
            return state.canisters[canister_id].settings.controllers.contains(sender)
        case _:
            return False


def _may_read_status(state: State, sender: Principal, effective_id: CanisterId, request_id: RequestId) -> bool:
    """The request is the sender's and was submitted there, or it is not known."""
    if request_id not in state.requests:
        return True
    known = state.requests[request_id]
    return known.request.sender == sender and known.effective_id == effective_id


def _metadata(state: State, canister_id: CanisterId, name: Blob) -> tuple[Blob, bool] | None:
    """The content of a custom section, and whether it is public."""
    if canister_id not in state.canisters:
        return None
    canister = state.canisters[canister_id]
    if not isinstance(canister.code, Code):
        return None
    module = module_of(state.profile, canister.code)
    text = name.decode(errors="replace")
    if text in module.public_custom_sections:
        return module.public_custom_sections[text], True
    if text in module.private_custom_sections:
        return module.private_custom_sections[text], False
    return None


def _canister_value(state: State, canister_id: CanisterId, rest: Sequence[Blob]) -> Blob | None:
    if canister_id not in state.canisters:
        return None
    canister = state.canisters[canister_id]
    match rest:
        case [b"module_hash"]:
            return _module_hash(canister)
        case [b"controllers"]:
            controllers = [bytes(each) for each in canister.settings.controllers]
            return cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED_CBOR, controllers))
        case [b"metadata", name]:
            section = _metadata(state, canister_id, name)
            return None if section is None else section[0]
        case _:
            return None


def _module_hash(canister: Canister) -> Blob | None:
    return hashlib.sha256(canister.code.raw_module).digest() if isinstance(canister.code, Code) else None


def _status_value(state: State, request_id: RequestId, rest: Sequence[Blob]) -> Blob | None:
    answer = answer_of(state.requests[request_id].status if request_id in state.requests else None)
    match rest, answer:
        case [b"status"], _:
            status = type(answer).__name__.lower()
            return None if status == "unknown" else status.encode()
        case [b"reply"], Replied(data):
            return data
        case [b"reject_code"], Rejected(reject):
            return natural(reject.code)
        case _:
            return None


def shown_values(seen_values: Values | Refused) -> Text:
    """What was read, in words."""
    match seen_values:
        case Values(values):
            return ", ".join(write_optional_blob(value) or "nothing" for value in values)
        case Refused():
            return "a refusal"
