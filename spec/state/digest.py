"""A digest of a value of the state: equal values, equal digests, on every machine and in every run."""

import hashlib
from collections.abc import Callable, Iterable
from enum import Enum
from operator import attrgetter
from typing import Any, Final

from attrs import fields, has
from rpds import HashTrieMap

from spec.state.state import State
from spec.values.identifiers import Blob

INLINE: Final = 96
"""Encodings of records that are longer stand as their SHA-256 in those of which they are a part."""

KEPT: Final = 50_000
"""So many encodings of records are kept at most."""

_kept: Final[dict[int, tuple[object, Blob]]] = {}
"""Encodings by the identity of the record, with the record itself: while it is here, no other has its identity."""

_encoders: Final[dict[type, Callable[[Any], Blob]]] = {}
"""What encodes the values of each type that was met."""


def _encoded(value: Any) -> Blob:
    """
    An injective encoding: a tag, a length where there may be several parts, and the parts.

    The entries of a map come in the order of their encoded keys.
    """
    return (_encoders.get(type(value)) or _encoder(type(value)))(value)


def _all_encoded(values: Iterable[Any]) -> list[Blob]:
    """The encodings of several values."""
    known = _encoders.get
    return [(known(type(value)) or _encoder(type(value)))(value) for value in values]


def _encoder(kind: type) -> Callable[[Any], Blob]:
    """What encodes the values of a type."""
    if kind not in _encoders:
        bases = (encoder for base, encoder in ENCODERS.items() if issubclass(kind, base))
        _encoders[kind] = next(bases, None) or _encoder_of_records(kind)
    return _encoders[kind]


def _encoder_of_records(kind: type) -> Callable[[Any], Blob]:
    """What encodes the records of a type. No step changes a record, so each is encoded once."""
    if not has(kind):
        raise TypeError(f"a {kind.__name__} is no value of the specification")
    tag = f"r{kind.__name__};".encode()
    # Of two names and more a tuple is got, also of a record without fields.
    parts_of = attrgetter("__class__", "__class__", *(attribute.name for attribute in fields(kind)))

    def encoded(value: Any) -> Blob:
        kept = _kept.get(id(value))
        if kept is not None:
            return kept[1]
        whole = tag + b"".join(_all_encoded(parts_of(value)[2:]))
        found = whole if len(whole) <= INLINE else b"d" + hashlib.sha256(whole).digest()
        if len(_kept) >= KEPT:
            _kept.clear()
        _kept[id(value)] = (value, found)
        return found

    return encoded


def _encoded_map(value: "HashTrieMap[Any, Any]") -> Blob:
    keys, values = zip(*value.items(), strict=True) if value else ((), ())
    entries = sorted(zip(_all_encoded(keys), _all_encoded(values), strict=True))
    return f"m{len(value)};".encode() + b"".join([part for entry in entries for part in entry])


def _encoded_text(value: str) -> Blob:
    text = value.encode()
    return f"s{len(text)};".encode() + text


ENCODERS: Final[dict[type, Callable[[Any], Blob]]] = {
    type(None): lambda value: b"n",
    bool: lambda value: b"t" if value else b"f",
    int: lambda value: f"i{int(value)};".encode(),
    Enum: lambda value: f"e{type(value).__name__}.{value.name};".encode(),
    bytes: lambda value: f"b{len(value)};".encode() + value,
    str: _encoded_text,
    tuple: lambda value: f"l{len(value)};".encode() + b"".join(_all_encoded(value)),
    HashTrieMap: _encoded_map,
}
"""What encodes values that are no records, by the first type here to which they belong."""


def value_digest(value: Any) -> Blob:
    """SHA-256 of the encoding of any value of the specification, 32 bytes."""
    return hashlib.sha256(_encoded(value)).digest()


def state_digest(state: State) -> Blob:
    """SHA-256 of the encoding of a state, 32 bytes. Two states are equal if and only if their digests are."""
    return value_digest(state)
