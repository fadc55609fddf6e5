"""
What a subnet holds of its correspondence with others: the streams to them, and which calls went there.

A letter is a message as it crosses: without anything of the sender's subnet but a number by which the response finds
its way. Everything changes in place, and never while something is only tried.
"""

from collections import Counter, deque
from enum import IntEnum
from typing import Final

import cbor2
from attrs import define, field, frozen

from spec.state.origin import FromCanister
from spec.values.identifiers import Blob, CanisterId, MethodName, Principal, SubnetId
from spec.values.quantities import ByteCount, Count, Cycles, Seconds
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, Response

REFUND_RECORD: Final[ByteCount] = 64
"""What a refund takes in a stream."""
HALF: Final = 64
"""Cycles are written in two parts of so many bits."""


class NotTakenIn(IntEnum):
    """Why a call was not taken in; the numbers are those of the fields of a header."""

    CANISTER_NOT_FOUND = 1
    CANISTER_STOPPED = 2
    CANISTER_STOPPING = 3
    OUT_OF_MEMORY = 5


class Limit(IntEnum):
    """What a stream may reach, and what else keeps a message from it."""

    MESSAGES = 0
    BYTES = 1
    MESSAGES_TO_SYSTEM_SUBNET = 2
    NO_ROUTE = 3
    TOO_LARGE = 4
    REFUNDS = 5
    CANISTER_NOT_FOUND = 6
    CANISTER_STOPPED = 7
    CANISTER_STOPPING = 8
    OUT_OF_MEMORY = 9
    SLICE = 10
    MANAGEMENT_CALL = 11
    """A canister asks one management canister elsewhere at a time."""


@frozen
class StreamBounds:
    """How much a stream takes. The values here are production's, but for those of a slice, which it bounds by bytes."""

    messages: Count = 10_000
    messages_to_system_subnet: Count = 200
    bytes: ByteCount = 10 << 20
    slice_messages: Count = 10_000
    refund_record: ByteCount = REFUND_RECORD

    @property
    def refunds(self) -> Count:
        """So many refunds at most wait in a stream."""
        return self.messages // 2


@frozen
class CallLetter:
    """A call."""

    sender: CanisterId
    receiver: CanisterId
    number: Count
    method_name: MethodName
    argument: Blob
    cycles: Cycles
    size: ByteCount
    """What it takes in the stream."""
    deadline: Seconds = 0
    """Until when the sender waits; zero if without bound."""


@frozen
class AnswerLetter:
    """The response to a call."""

    maker: CanisterId
    answerer: CanisterId
    number: Count
    """That of the call."""
    response: Response
    refund: Cycles
    size: ByteCount
    deadline: Seconds = 0
    """That of the call."""


@frozen
class RefundLetter:
    """Cycles of calls and responses that were dropped."""

    receiver: CanisterId
    cycles: Cycles
    size: ByteCount


Letter = CallLetter | AnswerLetter | RefundLetter


@define
class Outgoing:
    """The stream to another subnet, and what was made of the letters from there."""

    begin: Count = 0
    letters: deque[Letter] = field(factory=deque)
    signals_end: Count = 0
    not_taken_in: dict[Count, NotTakenIn] = field(factory=dict)
    size: ByteCount = 0
    refunds: Count = 0
    """How many of the letters are refunds."""

    @property
    def end(self) -> Count:
        """The index of the next letter."""
        return self.begin + len(self.letters)

    def post(self, letter: Letter) -> Count:
        """A letter comes to the end; the result is its index."""
        self.letters.append(letter)
        self.size += letter.size
        self.refunds += isinstance(letter, RefundLetter)
        return self.end - 1

    def forget(self) -> Letter:
        """The first letter goes."""
        letter = self.letters.popleft()
        self.begin += 1
        self.size -= letter.size
        self.refunds -= isinstance(letter, RefundLetter)
        return letter

    def sign(self, why: NotTakenIn | None = None) -> None:
        """The next letter from there was taken in, or not."""
        if why is not None:
            self.not_taken_in[self.signals_end] = why
        self.signals_end += 1


@frozen
class Head:
    """The header of a stream."""

    begin: Count
    end: Count
    signals_end: Count
    not_taken_in: dict[Count, NotTakenIn]


@frozen
class Delivery:
    """What came from another subnet: a header, and the letters from an index on."""

    head: Head
    first: Count
    letters: tuple[Letter, ...]


class Correspondence:
    """All streams of a subnet, and the calls that went to other subnets and are not answered."""

    def __init__(self, bounds: StreamBounds) -> None:
        self.bounds = bounds
        self.outgoing: dict[SubnetId, Outgoing] = {}
        self.calls: dict[Count, FromCanister] = {}
        """Where the calls come from that went to other subnets, by their numbers."""
        self.next_number: Count = 0
        self.arrivals: Count = 0
        """How many letters became messages here."""
        self.asking: set[CanisterId] = set()
        """The canisters that wait for the answer of a management canister elsewhere."""
        self.refunds: Counter[CanisterId] = Counter()
        """Cycles of what was dropped that wait for a stream, by the canisters elsewhere that get them."""

    def to(self, subnet_id: SubnetId) -> Outgoing:
        """The stream to a subnet; it begins when it is first asked for."""
        return self.outgoing.setdefault(subnet_id, Outgoing())


# In bytes, as production's state tree has them: maps by the numbers of fields


def index_label(index: Count) -> Blob:
    """The label of the letter with an index in the state tree."""
    return index.to_bytes(8, "big")


def encoded_letter(letter: Letter) -> Blob:
    """A letter in bytes."""
    if isinstance(letter, CallLetter):
        fields: dict[int, object] = {
            0: letter.receiver,
            1: letter.sender,
            2: letter.number,
            3: {0: _two_parts(letter.cycles)},
            4: letter.method_name,
            5: letter.argument,
        }
        if letter.deadline:
            fields[8] = letter.deadline
        return _encoded({0: fields})
    if isinstance(letter, RefundLetter):
        return _encoded({2: {0: letter.receiver, 1: _two_parts(letter.cycles)}})
    fields = {
        0: letter.maker,
        1: letter.answerer,
        2: letter.number,
        3: {0: _two_parts(letter.refund)},
        4: _payload(letter.response),
    }
    if letter.deadline:
        fields[6] = letter.deadline
    return _encoded({1: fields})


def _encoded(item: dict[int, object]) -> Blob:
    encoded: Blob = cbor2.dumps(item)
    return encoded


def _two_parts(cycles: Cycles) -> dict[int, int]:
    high, low = cycles >> HALF, cycles & ((1 << HALF) - 1)
    return {0: low, 1: high} if high else {0: low}


def _payload(response: Response) -> dict[int, object]:
    """A reject has, beside production's fields, the reason that states keep."""
    if isinstance(response, Reply):
        return {0: response.data}
    return {1: {0: int(response.code), 1: response.message, 2: response.reason.name}}


def letter_of(
    encoded: Blob, size_of_call: ByteCount, size_of_answer: ByteCount, size_of_refund: ByteCount = REFUND_RECORD
) -> Letter:
    """Reads a letter; sizes are what one takes beside its content. Raises `ValueError` for other bytes."""
    try:
        item = cbor2.loads(encoded)
        if 0 in item:
            return _call_letter(item[0], size_of_call)
        if 2 in item:
            return RefundLetter(_id(item[2][0]), _amount({0: item[2][1]}), size_of_refund)
        return _answer_letter(item[1], size_of_answer)
    except (cbor2.CBORDecodeError, LookupError, TypeError, AttributeError) as problem:
        raise ValueError(f"not a letter: {problem!r}") from None


def _call_letter(item: dict[int, object], record: ByteCount) -> CallLetter:
    match item:
        case {0: bytes(receiver), 1: bytes(sender), 2: int(number), 3: payment, 4: str(method), 5: bytes(argument)}:
            size = record + len(method.encode()) + len(argument)
            to, cycles, deadline = _id(receiver), _amount(payment), _deadline(item.get(8, 0))
            return CallLetter(_id(sender), to, number, method, argument, cycles, size, deadline)
    raise TypeError("no call")


def _answer_letter(item: dict[int, object], record: ByteCount) -> AnswerLetter:
    match item:
        case {0: bytes(maker), 1: bytes(answerer), 2: int(number), 3: refund, 4: payload}:
            response = _response(payload)
            content = len(response.data) if isinstance(response, Reply) else len(response.message.encode()) + 1
            size, deadline = record + content, _deadline(item.get(6, 0))
            return AnswerLetter(_id(maker), _id(answerer), number, response, _amount(refund), size, deadline)
    raise TypeError("no answer")


def _response(payload: object) -> Response:
    match payload:
        case {0: bytes(data)}:
            return Reply(data)
        case {1: {0: int(code), 1: str(message), 2: str(reason)}}:
            return Reject(RejectCode(code), message, RejectReason[reason])
    raise TypeError("no response")


def _amount(funds: object) -> Cycles:
    match funds:
        case {0: {0: int(low), 1: int(high)}}:
            return high << HALF | low
        case {0: {0: int(low)}}:
            return low
    raise TypeError("no cycles")


def _deadline(given: object) -> Seconds:
    if not isinstance(given, int):
        raise TypeError("no deadline")
    return given


def _id(given: bytes) -> CanisterId:
    return CanisterId(Principal(given))


def encoded_head(outgoing: Outgoing) -> Blob:
    """The header of a stream in bytes. What was not taken in is told by distances, reason by reason."""
    fields: dict[int, object] = {0: outgoing.begin, 1: outgoing.end, 2: outgoing.signals_end}
    by_reason: dict[int, list[int]] = {}
    for why in NotTakenIn:
        indices = sorted(one for one, known in outgoing.not_taken_in.items() if known is why)
        if indices:
            ends = [*indices[1:], outgoing.signals_end]
            by_reason[int(why)] = [end - one for one, end in zip(indices, ends, strict=True)]
    if by_reason:
        fields[5] = by_reason
    return _encoded(fields)


def head_of(encoded: Blob) -> Head:
    """Reads a header. Raises `ValueError` for other bytes."""
    try:
        item = cbor2.loads(encoded)
        not_taken_in: dict[Count, NotTakenIn] = {}
        for number, distances in item.get(5, {}).items():
            index = item[2]
            for distance in reversed(distances):
                index -= distance
                not_taken_in[index] = NotTakenIn(number)
        return Head(item[0], item[1], item[2], not_taken_in)
    except (cbor2.CBORDecodeError, LookupError, TypeError, AttributeError) as problem:
        raise ValueError(f"not a header: {problem!r}") from None
