"""A digest of a value of the state: equal values, equal digests, on every machine and in every run."""

import hashlib
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import Any

from attrs import fields, has
from rpds import HashTrieMap

from spec.profile import Profile
from spec.state.state import State
from spec.values.identifiers import Blob


def _chunks(value: Any) -> Iterator[bytes]:
    """
    An injective encoding in pieces: a tag, a length where there may be several parts, and the parts.

    The entries of a map come in the order of their encoded keys.
    """
    match value:
        case None:
            yield b"n"
        case bool():
            yield b"t" if value else b"f"
        case int():
            yield f"i{int(value)};".encode()
        case Enum():
            yield f"e{type(value).__name__}.{value.name};".encode()
        case bytes():
            yield f"b{len(value)};".encode()
            yield value
        case str():
            text = value.encode()
            yield f"s{len(text)};".encode()
            yield text
        case tuple():
            yield f"l{len(value)};".encode()
            for item in value:
                yield from _chunks(item)
        case HashTrieMap():
            yield f"m{len(value)};".encode()
            for key, entry in sorted((b"".join(_chunks(key)), key) for key in value):
                yield key
                yield from _chunks(value[entry])
        case Profile():
            yield encoded_profile(value)
        case _ if has(type(value)):
            yield from _record(value)
        case _:
            raise TypeError(f"a {type(value).__name__} is no value of the specification")


def _record(value: Any) -> Iterator[bytes]:
    yield f"r{type(value).__name__};".encode()
    for attribute in fields(type(value)):
        yield from _chunks(getattr(value, attribute.name))


@lru_cache(maxsize=8)
def encoded_profile(profile: Profile) -> Blob:
    """The encoding of a profile, which every state has and no step changes."""
    return b"".join(_record(profile))


def value_digest(value: Any) -> Blob:
    """SHA-256 of the encoding of any value of the specification, 32 bytes."""
    digest = hashlib.sha256()
    for chunk in _chunks(value):
        digest.update(chunk)
    return digest.digest()


def state_digest(state: State) -> Blob:
    """SHA-256 of the encoding of a state, 32 bytes. Two states are equal if and only if their digests are."""
    return value_digest(state)
