"""The representation-independent hash of maps, from which request ids come. Source: https-interface, request id."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from spec.values.checklist import defines
from spec.values.identifiers import RequestId
from spec.values.leb128 import encode_signed, encode_unsigned

HashedValue = str | bytes | int | Sequence["HashedValue"] | Mapping[str, "HashedValue"]
"""A text, a blob, a natural number, a negative integer, a list or a map of such values."""


@defines("http.hash-of-map")
def hash_of_value(value: HashedValue) -> bytes:
    """The hash of one value, 32 bytes. Texts and blobs with the same bytes have the same hash."""
    match value:
        case str():
            return _hash_of_text(value) if len(value) <= SHORT else hashlib.sha256(value.encode()).digest()
        case bytes():
            return hashlib.sha256(value).digest()
        case int() if value < 0:
            return hashlib.sha256(encode_signed(value)).digest()
        case int():
            return hashlib.sha256(encode_unsigned(value)).digest()
        case Mapping():
            return hash_of_map(value)
        case _:
            return hashlib.sha256(b"".join(hash_of_value(element) for element in value)).digest()


SHORT: Final = 32
"""Texts of at most so many characters, which names of fields and methods are, are hashed once."""


@lru_cache(maxsize=1 << 10)
def _hash_of_text(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@defines("http.hash-of-map")
def hash_of_map(fields: Mapping[str, HashedValue]) -> bytes:
    """The hash of a map, 32 bytes: that of its pairs of hashed name and hashed value, sorted."""
    pairs = sorted(hash_of_value(name) + hash_of_value(value) for name, value in fields.items())
    return hashlib.sha256(b"".join(pairs)).digest()


def request_id_of(fields: Mapping[str, HashedValue]) -> RequestId:
    """The request id of a request with this content. Absent optional fields must be left out."""
    return RequestId(hash_of_map(fields))
