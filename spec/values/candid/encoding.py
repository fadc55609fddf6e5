"""From values to bytes. Source: the Candid specification, "Serialisation"."""

import struct
from collections.abc import Sequence
from functools import lru_cache

from attrs import field, frozen

from spec.values.candid.contents import CandidValue, Case, FunctionReference, ServiceReference, Some
from spec.values.candid.types import (
    BLOB,
    CandidType,
    Definitions,
    Fields,
    Func,
    Future,
    Opt,
    Primitive,
    Record,
    Service,
    Variant,
    Vec,
    field_id,
    resolved,
)
from spec.values.float32 import bits_of_float32
from spec.values.leb128 import encode_signed, encode_unsigned

MAGIC = b"DIDL"
"""Every message begins with it."""

INTEGER_WIDTHS = {
    Primitive.NAT8: (1, False),
    Primitive.NAT16: (2, False),
    Primitive.NAT32: (4, False),
    Primitive.NAT64: (8, False),
    Primitive.INT8: (1, True),
    Primitive.INT16: (2, True),
    Primitive.INT32: (4, True),
    Primitive.INT64: (8, True),
}
"""Bytes, and whether there is a sign, of the integers of fixed width."""


def encode(types: Sequence[CandidType], values: Sequence[CandidValue], definitions: Definitions | None = None) -> bytes:
    """
    The message with these values at these types.

    Raises `ValueError` if a value does not have its type: that is a mistake of the caller.
    """
    if len(types) != len(values):
        raise ValueError(f"{len(values)} values cannot have {len(types)} types")
    known = definitions or {}
    before = _types_written(types, known) if known else _closed_types_written(tuple(types))
    return before + b"".join(_value(v, t, known) for v, t in zip(values, types, strict=True))


def _types_written(types: Sequence[CandidType], definitions: Definitions) -> bytes:
    """What stands before the values: the definitions of types, and the types."""
    table = _Table(definitions)
    type_indices = b"".join(table.index_of(candid_type) for candid_type in types)
    definitions_written = encode_unsigned(len(table.rows)) + b"".join(table.rows)
    return MAGIC + definitions_written + encode_unsigned(len(types)) + type_indices


@lru_cache(maxsize=1 << 10)
def _closed_types_written(types: tuple[CandidType, ...]) -> bytes:
    """The same of types that need no definitions: written once for many messages."""
    return _types_written(types, {})


@frozen
class _Table:
    """The type definitions of a message as it is being written."""

    definitions: Definitions
    rows: list[bytes] = field(factory=list)
    known: dict[CandidType, int] = field(factory=dict)

    def index_of(self, candid_type: CandidType) -> bytes:
        head = resolved(candid_type, self.definitions)
        if isinstance(head, Primitive):
            return encode_signed(head)
        if candid_type not in self.known:
            index = self.known[candid_type] = len(self.rows)
            self.rows.append(b"")
            self.rows[index] = self.row(head)
        return encode_signed(self.known[candid_type])

    def row(self, head: CandidType) -> bytes:
        match head:
            case Opt():
                return encode_signed(-18) + self.index_of(head.content)
            case Vec():
                return encode_signed(-19) + self.index_of(head.element)
            case Record():
                return encode_signed(-20) + self.fields(head.fields)
            case Variant():
                return encode_signed(-21) + self.fields(head.fields)
            case Func():
                annotations = bytes(sorted(head.annotations))
                return (
                    encode_signed(-22)
                    + self.sequence(head.parameters)
                    + self.sequence(head.results)
                    + encode_unsigned(len(annotations))
                    + annotations
                )
            case Service():
                methods = sorted(head.methods, key=lambda method: method[0].encode())
                parts = (_text(name) + self.index_of(method) for name, method in methods)
                return encode_signed(-23) + encode_unsigned(len(methods)) + b"".join(parts)
            case _:
                raise ValueError(f"{head} cannot be written")

    def fields(self, fields: Fields) -> bytes:
        parts = (encode_unsigned(field_id(label)) + self.index_of(content) for label, content in fields)
        return encode_unsigned(len(fields)) + b"".join(parts)

    def sequence(self, types: tuple[CandidType, ...]) -> bytes:
        return encode_unsigned(len(types)) + b"".join(self.index_of(candid_type) for candid_type in types)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return encode_unsigned(len(encoded)) + encoded


def _blob(blob: bytes) -> bytes:
    return encode_unsigned(len(blob)) + blob


def _value(value: CandidValue, candid_type: CandidType, definitions: Definitions) -> bytes:
    head = resolved(candid_type, definitions)
    match head, value:
        case Primitive(), _:
            return _primitive(value, head)
        case Opt(), None:
            return b"\0"
        case Opt(), Some(content):
            return b"\1" + _value(content, head.content, definitions)
        case Vec(), bytes() if head == BLOB:
            return _blob(value)
        case Vec(), tuple() | list() if head != BLOB:
            return encode_unsigned(len(value)) + b"".join(_value(one, head.element, definitions) for one in value)
        case Record(), dict() if value.keys() == {label for label, _ in head.fields}:
            return b"".join(_value(value[label], content, definitions) for label, content in head.fields)
        case Variant(), Case(label, content):
            for index, (known, content_type) in enumerate(head.fields):
                if known == label:
                    return encode_unsigned(index) + _value(content, content_type, definitions)
        case Func(), FunctionReference(principal, method_name):
            return b"\1\1" + _blob(principal) + _text(method_name)
        case Service(), ServiceReference(principal):
            return b"\1" + _blob(principal)
        case Future(), _:
            raise ValueError("values of types of later versions cannot be written")
    raise ValueError(f"{value!r} does not have the type {head}")


def _primitive(value: CandidValue, primitive: Primitive) -> bytes:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    match primitive:
        case Primitive.NULL if value is None:
            return b""
        case Primitive.RESERVED:
            return b""
        case Primitive.BOOL if isinstance(value, bool):
            return bytes([value])
        case Primitive.NAT if is_integer and value >= 0:
            return encode_unsigned(value)
        case Primitive.INT if is_integer:
            return encode_signed(value)
        case Primitive.FLOAT32 if isinstance(value, float):
            return bits_of_float32(value).to_bytes(4, "little")
        case Primitive.FLOAT64 if isinstance(value, float):
            return struct.pack("<d", value)
        case Primitive.TEXT if isinstance(value, str):
            return _text(value)
        case Primitive.PRINCIPAL if isinstance(value, bytes):
            return b"\1" + _blob(value)
        case _ if primitive in INTEGER_WIDTHS and is_integer:
            width, signed = INTEGER_WIDTHS[primitive]
            try:
                return int(value).to_bytes(width, "little", signed=signed)
            except OverflowError as problem:
                raise ValueError(f"{value} does not fit {primitive.name.lower()}") from problem
    raise ValueError(f"{value!r} does not have the type {primitive.name.lower()}")
