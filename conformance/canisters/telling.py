"""
Replies of the scripted canister that tell several things: one Candid record with a name for each.

What is told so is shown to people by its name, and so is what is otherwise in another reply.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from conformance.canisters import ic0
from conformance.canisters.expressions import Action, Amount, Bytes, BytesLike, IntegerLike
from conformance.canisters.scripted import bytes_of_u32, bytes_of_u64, length, part, sequence
from spec.values.candid import CandidType, CandidValue, Primitive, Record, Vec, encode, field_id
from spec.values.identifiers import Blob, Text
from spec.values.leb128 import encode_unsigned
from spec.values.quantities import Count

HALVES: Final = Record(((0, Primitive.NAT64), (1, Primitive.NAT64)))
"""An amount of cycles: the low half, then the high one."""

BYTES: Final = Vec(Primitive.NAT8)

MOST_IN_ONE_BYTE: Final = 127
"""The length of so many bytes has one byte in a message."""


@frozen
class Told:
    """A value of a type, whose bytes in a message are these, one after the other."""

    candid_type: CandidType
    parts: tuple[BytesLike, ...]
    nothing: CandidValue
    """Some value of the type."""
    size: Count
    """How many bytes that one has in a message."""


def number(value: IntegerLike) -> Told:
    """A number of 64 bits."""
    return Told(Primitive.NAT64, (bytes_of_u64(value),), 0, 8)


def numbers(content: BytesLike, count: Count) -> Told:
    """So many numbers of 64 bits, which stand there one after the other."""
    fields = tuple((place, Primitive.NAT64) for place in range(count))
    return Told(Record(fields), (content,), dict.fromkeys(range(count), 0), 8 * count)


def short_number(value: IntegerLike) -> Told:
    """A number of 32 bits."""
    return Told(Primitive.NAT32, (bytes_of_u32(value),), 0, 4)


def amount(value: Amount) -> Told:
    """An amount of cycles."""
    return Told(HALVES, (value,), {0: 0, 1: 0}, 16)


def short_bytes(value: Bytes) -> Told:
    """At most 127 bytes, however many they are."""
    return Told(BYTES, (part(bytes_of_u32(length(value)), 0, 1), value), b"", 1)


def so_many_bytes(value: Bytes, count: Count) -> Told:
    """Bytes that should be so many. With any other number of them the reply is no message."""
    return short_bytes(value) if count <= MOST_IN_ONE_BYTE else Told(BYTES, (encode_unsigned(count), value), b"", 1)


def telling(told: Mapping[Text, Told]) -> Action:
    """Appends to the reply a record with all of it; fields stand in the order of their ids."""
    fields = sorted(told, key=field_id)
    contents = [each for name in fields for each in told[name].parts]
    return sequence(*(ic0.msg_reply_data_append(each) for each in (beginning(told), *contents)))


def beginning(told: Mapping[Text, Told]) -> Blob:
    """What stands in a message before the values."""
    record = Record(tuple((name, each.candid_type) for name, each in told.items()))
    whole = encode([record], [{name: each.nothing for name, each in told.items()}])
    return whole[: -sum(each.size for each in told.values())]
