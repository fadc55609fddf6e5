"""
What messages and headers of streams are in bytes, as the state tree has them.

Structures are maps from the numbers of their fields, without those that have their usual value. Two fields are ours or
left out: a reject bears the reason that our states keep, and a request bears nothing of the tree of calls that it is
in. Source: rs/canonical_state/src/encoding/types.rs.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import cbor2
from attrs import frozen

from spec.certification.cbor import decode_item
from spec.production.streams.stream import Header, Refusal, RejectSignal
from spec.values.identifiers import Blob, CanisterId, MethodName, Principal
from spec.values.quantities import Count, Cycles, Seconds
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, Response

LOW: Final = 2**64
"""Cycles are a low part below this, and a high part if there is one."""


@frozen
class StreamRequest:
    """A call to a canister of another subnet."""

    receiver: CanisterId
    sender: CanisterId
    callback: Count
    """The number by which the sender's subnet knows what to do with the response. Nobody else looks at it."""
    cycles: Cycles
    method_name: MethodName
    argument: Blob
    deadline: Seconds = 0
    """Zero for a call with unbounded wait."""


@frozen
class StreamResponse:
    """The response to a call of a canister of another subnet."""

    originator: CanisterId
    """Who made the call."""
    respondent: CanisterId
    callback: Count
    """That of the request."""
    refund: Cycles
    response: Response
    deadline: Seconds = 0


@frozen
class AnonymousRefund:
    """Cycles of a call with bounded wait that come back without a response."""

    recipient: CanisterId
    amount: Cycles


StreamMessage = StreamRequest | StreamResponse | AnonymousRefund


# Messages


def encode_message(message: StreamMessage) -> Blob:
    """The bytes of a message."""
    match message:
        case StreamRequest():
            value: dict[int, Any] = {
                0: {
                    0: message.receiver,
                    1: message.sender,
                    2: message.callback,
                    3: {0: value_of_cycles(message.cycles)},
                    4: message.method_name,
                    5: message.argument,
                    **({8: message.deadline} if message.deadline else {}),
                }
            }
        case StreamResponse():
            value = {
                1: {
                    0: message.originator,
                    1: message.respondent,
                    2: message.callback,
                    3: {0: value_of_cycles(message.refund)},
                    4: value_of_response(message.response),
                    **({6: message.deadline} if message.deadline else {}),
                }
            }
        case AnonymousRefund():
            value = {2: {0: message.recipient, 1: value_of_cycles(message.amount)}}
    encoded: Blob = cbor2.dumps(value)
    return encoded


def decode_message(encoded: Blob) -> StreamMessage:
    """Reads a message. Raises `ValueError` for anything else."""
    match decode_item(encoded):
        case {0: value}:
            return request_of(value)
        case {1: value}:
            return sent_response_of(value)
        case {2: {0: bytes(recipient), 1: amount}}:
            return AnonymousRefund(_id(recipient), cycles_of(amount))
    raise ValueError("not a message of a stream")


def request_of(value: Any) -> StreamRequest:
    """The request that a value stands for. Raises `ValueError` if it stands for none."""
    match value:
        case {0: bytes(receiver), 1: bytes(sender), 2: int(callback), 3: {0: cycles}, 4: str(name), 5: bytes(sent)}:
            return StreamRequest(
                _id(receiver), _id(sender), callback, cycles_of(cycles), name, sent, int(value.get(8, 0))
            )
    raise ValueError("not a request")


def sent_response_of(value: Any) -> StreamResponse:
    """The response that a value stands for. Raises `ValueError` if it stands for none."""
    match value:
        case {0: bytes(maker), 1: bytes(respondent), 2: int(callback), 3: {0: cycles}, 4: payload}:
            return StreamResponse(
                _id(maker), _id(respondent), callback, cycles_of(cycles), response_of(payload), int(value.get(6, 0))
            )
    raise ValueError("not a response")


def value_of_cycles(cycles: Cycles) -> Mapping[int, int]:
    """An amount of cycles as a value of CBOR."""
    high, low = divmod(cycles, LOW)
    return {0: low, 1: high} if high else {0: low}


def cycles_of(value: Any) -> Cycles:
    """The amount of cycles that a value stands for. Raises `ValueError` if it stands for none."""
    match value:
        case {0: int(low), 1: int(high)}:
            return high * LOW + low
        case {0: int(low)}:
            return low
    raise ValueError("not an amount of cycles")


def value_of_response(response: Response) -> Mapping[int, Any]:
    """What was responded, as a value of CBOR."""
    if isinstance(response, Reply):
        return {0: response.data}
    return {1: {0: int(response.code), 1: response.message, 2: response.reason.name}}


def response_of(value: Any) -> Response:
    """What a value says was responded. Raises `ValueError` if it says nothing."""
    match value:
        case {0: bytes(data)}:
            return Reply(data)
        case {1: {0: int(code), 1: str(message), 2: str(reason)}} if reason in RejectReason.__members__:
            return Reject(RejectCode(code), message, RejectReason[reason])
    raise ValueError("not a response")


def _id(given: Blob) -> CanisterId:
    return CanisterId(Principal(given))


# Headers


def encode_header(header: Header) -> Blob:
    """The bytes of a header."""
    value: dict[int, Any] = {0: header.begin, 1: header.end, 2: header.signals_end}
    deltas = {
        reason.value: deltas_of(
            [one.index for one in header.reject_signals if one.reason is reason], header.signals_end
        )
        for reason in Refusal
    }
    if header.reject_signals:
        value[5] = {number: told for number, told in deltas.items() if told}
    encoded: Blob = cbor2.dumps(value)
    return encoded


def decode_header(encoded: Blob) -> Header:
    """Reads a header. Raises `ValueError` for anything else."""
    value = decode_item(encoded)
    match value:
        case {0: int(begin), 1: int(end), 2: int(signals_end)}:
            told: dict[int, list[Count]] = value.get(5, {})
            signals = [
                RejectSignal(index, Refusal(number))
                for number, deltas in told.items()
                for index in indices_of(deltas, signals_end)
            ]
            return Header(begin, end, signals_end, tuple(sorted(signals, key=_index)))
    raise ValueError("not a header of a stream")


def _index(signal: RejectSignal) -> Count:
    return signal.index


def deltas_of(indices: list[Count], signals_end: Count) -> list[Count]:
    """How far each index is before the next one, and the last one before the end of the signals."""
    return [later - earlier for earlier, later in pairwise([*indices, signals_end])]


def indices_of(deltas: list[Count], signals_end: Count) -> list[Count]:
    """The indices that are so far before each other. Raises `ValueError` if two are equal or one is below zero."""
    indices: list[Count] = []
    index = signals_end
    for delta in reversed(deltas):
        if not 0 < delta <= index:
            raise ValueError("reject signals that are not in order")
        index -= delta
        indices.insert(0, index)
    return indices
