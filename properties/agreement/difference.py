"""The first place where two values differ, in words."""

from collections.abc import Mapping
from typing import Any

from attrs import fields, has

from spec.values.containers import List, Map, Queue
from spec.values.memory import LinearMemory

SHOWN = 200
"""How many characters of a value are shown."""


def difference(left: Any, right: Any, place: str = "state") -> str | None:
    """`place: left, right` of the first difference; None if the values are equal."""
    if left == right:
        return None
    if type(left) is not type(right):
        return f"{place}: {_shown(left)}, but {_shown(right)}"
    match left:
        case LinearMemory():
            return _memories(left, right, place)
        case Map():
            return _mappings(dict(left.items()), dict(right.items()), place)
        case List():
            return _sequences(left.items, right.items, place)
        case Queue():
            if left.next_id != right.next_id:
                return f"{place}.next_id: {left.next_id}, but {right.next_id}"
            return _sequences(left.entries, right.entries, place)
        case tuple():
            return _sequences(left, right, place)
    if has(type(left)):
        for attribute in fields(type(left)):
            found = difference(
                getattr(left, attribute.name), getattr(right, attribute.name), f"{place}.{attribute.name}"
            )
            if found is not None:
                return found
    return f"{place}: {_shown(left)}, but {_shown(right)}"


def _sequences(left: tuple[Any, ...], right: tuple[Any, ...], place: str) -> str | None:
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        found = difference(one, other, f"{place}[{index}]")
        if found is not None:
            return found
    return f"{place}: {len(left)} items, but {len(right)}" if len(left) != len(right) else None


def _mappings(left: Mapping[Any, Any], right: Mapping[Any, Any], place: str) -> str | None:
    for key in sorted({*left, *right}):
        if key not in left or key not in right:
            return f"{place}[{_shown(key)}]: only on the {'right' if key in right else 'left'}"
        found = difference(left[key], right[key], f"{place}[{_shown(key)}]")
        if found is not None:
            return found
    return None


def _memories(left: LinearMemory, right: LinearMemory, place: str) -> str:
    if left.wasm_pages != right.wasm_pages:
        return f"{place}: {left.wasm_pages} pages, but {right.wasm_pages}"
    number = next(left.differing_pages(right))
    one, other = left.page(number), right.page(number)
    offset = next(index for index in range(len(one)) if one[index] != other[index])
    address = number * len(one) + offset
    return f"{place} at address {address}: {one[offset:][:16].hex()}, but {other[offset:][:16].hex()}"


def _shown(value: Any) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
