"""The few builtins that cannot be overloaded by the values they are given."""

import builtins
import types
from collections.abc import Callable
from typing import Any

import attrs
import z3

from properties.proof.containers.containers import UnknownMap
from properties.proof.containers.lists import UnknownList
from properties.proof.meaning.modules import UnknownModule
from properties.proof.paths.refusal import NotFollowed
from properties.proof.values.scalars import UnknownName, UnknownNumber, is_number, is_unknown, number_term
from properties.proof.values.unknown import OneOf

MOST_NUMBERS = 10_000
"""So many a text may go through in one loop."""


def length(value: Any) -> Any:
    """`len`."""
    if is_unknown(value, UnknownName) or type(value) in (UnknownList, UnknownMap):
        return value.length()
    return builtins.len(value)


def _extreme(name: str, first_wins: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def extreme(*values: Any, **named: Any) -> Any:
        if named or len(values) == 1 or not any(is_unknown(value) for value in values):
            return getattr(builtins, name)(*values, **named)
        if not all(is_number(value) for value in values):
            raise NotFollowed(f"{name}() of something that is no number")
        best, *others = values
        for other in others:
            first, second = number_term(best), number_term(other)
            best = UnknownNumber(z3.If(first_wins(first, second), first, second))
        return best

    return extreme


def some_numbers(*bounds: Any) -> range:
    """`range`, of no more numbers than can be gone through soon."""
    numbers = builtins.range(*bounds)
    if numbers[MOST_NUMBERS:]:
        raise NotFollowed(f"a range of more than {MOST_NUMBERS} numbers")
    return numbers


def is_instance(value: Any, kinds: Any) -> Any:
    """`isinstance`. Of an unknown value of several classes it decides no more than is asked."""
    if type(value) is OneOf:
        if not _are_attrs_classes(kinds) and not all(_is_decided(member, kinds) for member in value.members()):
            raise NotFollowed("which further functions an unknown module has")
        return value.is_instance(kinds)
    if type(value) is UnknownModule and not _are_attrs_classes(kinds):
        raise NotFollowed("which further functions an unknown module has")
    return builtins.isinstance(value, kinds)


def _is_decided(member: type, kinds: Any) -> bool:
    """Every value of the class has one of the kinds, or none has: the class has no others below it."""
    return attrs.has(member) or issubclass(member, kinds)


def _are_attrs_classes(kinds: Any) -> bool:
    if isinstance(kinds, types.UnionType):
        kinds = kinds.__args__
    return all(attrs.has(kind) for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))


BUILTINS = {
    "isinstance": is_instance,
    "len": length,
    "max": _extreme("max", lambda left, right: left >= right),
    "min": _extreme("min", lambda left, right: left <= right),
    "range": some_numbers,
}
