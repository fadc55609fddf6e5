"""
Candid: the encoding of arguments and results of canister methods.

`encode` writes values of given types, `decode` reads a message at expected types, with the subtyping that lets
interfaces evolve. Source: the Candid specification.
"""

from collections.abc import Sequence

from attrs import frozen

from spec.values.candid.coercion import Coercion, DoesNotFit
from spec.values.candid.contents import CandidValue, Case, FunctionReference, ServiceReference, Some
from spec.values.candid.decoding import WireReader
from spec.values.candid.encoding import MAGIC, encode
from spec.values.candid.types import (
    BLOB,
    CandidType,
    Defined,
    Definitions,
    Func,
    FunctionAnnotation,
    MalformedCandid,
    Opt,
    Primitive,
    Record,
    Service,
    Variant,
    Vec,
    as_fields,
    field_id,
    is_subtype,
    resolved,
)

__all__ = [
    "BLOB",
    "MAGIC",
    "CandidError",
    "CandidType",
    "CandidValue",
    "Case",
    "Defined",
    "Definitions",
    "Func",
    "FunctionAnnotation",
    "FunctionReference",
    "Message",
    "Opt",
    "Primitive",
    "Record",
    "Service",
    "ServiceReference",
    "Some",
    "Variant",
    "Vec",
    "decode",
    "encode",
    "field_id",
    "is_subtype",
    "read_as_sent",
    "resolved",
]


@frozen
class CandidError:
    """A message that cannot be read at the expected types."""

    because: str


@frozen
class Message:
    """A message as its sender typed it. Fields have their ids as labels: names are not sent."""

    types: tuple[CandidType, ...]
    values: tuple[CandidValue, ...]
    definitions: Definitions
    """What the `Defined` types among the types stand for."""


def read_as_sent(blob: bytes) -> Message | CandidError:
    """The values of a message, read at the types that it bears itself."""
    reader = WireReader(blob)
    try:
        types, values = reader.message()
    except MalformedCandid as malformed:
        return CandidError(str(malformed))
    return Message(tuple(types), tuple(values), dict(enumerate(reader.table)))


def decode(
    types: Sequence[CandidType], blob: bytes, definitions: Definitions | None = None
) -> tuple[CandidValue, ...] | CandidError:
    """
    The values of a message, read at the expected types.

    Values beyond the expected ones are ignored, missing ones are null where that fits. `definitions` says what the
    `Defined` types among the expected ones stand for.
    """
    message = read_as_sent(blob)
    if isinstance(message, CandidError):
        return message
    coercion = Coercion({**(definitions or {}), **message.definitions})
    try:
        read = coercion.record(dict(enumerate(message.values)), as_fields(message.types), as_fields(tuple(types)), 0)
    except MalformedCandid as malformed:
        return CandidError(str(malformed))
    except DoesNotFit as mismatch:
        return CandidError(str(mismatch))
    return tuple(read[index] for index in range(len(types)))
