"""A state in words: every value in it by its place, so that two states can be compared field by field."""

import hashlib
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

from attrs import fields, has
from rpds import HashTrieMap

from spec.profile import Profile
from spec.state.state import State
from spec.values.containers import Queue
from spec.values.identifiers import Text

LONGEST: Final = 64
"""So many bytes of a blob are written out; of a longer one, its length and its SHA-256."""

PLAIN: Final = ("List", "Map")
"""Containers whose own names and fields say nothing."""


def dumped(state: State) -> Mapping[Text, Text]:
    """Every value in a state by its place, the profile apart. Two states are equal if and only if these are."""
    return {
        place: text
        for attribute in fields(State)
        if attribute.name != "profile"
        for place, text in _values(attribute.name, getattr(state, attribute.name))
    }


def _values(place: Text, value: Any) -> Iterator[tuple[Text, Text]]:
    match value:
        case None | bool() | int() | str() | bytes() | Enum() | Profile():
            yield place, _text(value)
        case tuple():
            yield f"{place}.length", str(len(value))
            for index, item in enumerate(value):
                yield from _values(f"{place}[{index}]", item)
        case HashTrieMap():
            yield f"{place}.length", str(len(value))
            for key in value:
                yield from _values(f"{place}[{_text(key)}]", value[key])
        case Queue():
            yield f"{place}.next_id", str(value.next_id)
            yield f"{place}.order", ", ".join(str(each) for each, _ in value.entries)
            for item_id, item in value.entries:
                yield from _values(f"{place}[{item_id}]", item)
        case _ if has(type(value)):
            if type(value).__name__ not in PLAIN:
                yield place, type(value).__name__
            for attribute in fields(type(value)):
                inner = place if type(value).__name__ in PLAIN else f"{place}.{attribute.name}"
                yield from _values(inner, getattr(value, attribute.name))
        case _:
            raise TypeError(f"a {type(value).__name__} is no value of the specification")


def _text(value: Any) -> Text:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case Enum():
            return value.name
        case int():
            return str(int(value))
        case bytes() if len(value) <= LONGEST:
            return f"0x{value.hex()}"
        case bytes():
            return f"{len(value)} bytes with SHA-256 {hashlib.sha256(value).hexdigest()}"
        case str():
            return f"'{value}'"
        case tuple():
            return f"({', '.join(_text(each) for each in value)})"
        case Profile():
            return "a profile"
        case _ if has(type(value)):
            return (
                f"{type(value).__name__}({', '.join(_text(getattr(value, each.name)) for each in fields(type(value)))})"
            )
        case _:
            raise TypeError(f"a {type(value).__name__} is no value of the specification")
