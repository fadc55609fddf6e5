"""Conditions and functions whose cases are merged into one value, instead of a path for each."""

import typing
from collections.abc import Callable
from enum import Enum
from functools import cache, wraps
from typing import Any

import attrs

import spec.transition
from properties.proof.paths.runs import cases, truth
from properties.proof.terms.formulas import conjunction, disjunction
from properties.proof.values.merging import merged_of_cases
from properties.proof.values.scalars import UnknownMember, UnknownName, UnknownNumber, UnknownTruth
from properties.proof.values.unknown import annotations_of, members_of


def merging(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with one result that depends on the cases that it distinguishes, instead of a path for each."""

    @wraps(function)
    def merged(*arguments: Any, **named: Any) -> Any:
        return as_a_whole(lambda: function(*arguments, **named))

    return merged


def as_a_whole(expression: Callable[[], Any]) -> Any:
    """The value of an expression as one value, if it is a scalar in all cases; otherwise there is a path for each."""
    try:
        found = cases(expression)
    except (spec.transition._ConditionFailed, spec.transition._Silence):
        return expression()
    present = [case for case in found if case[1] is not None]
    if len({family_of(value) for _, value in present}) != 1 or family_of(present[0][1]) is None:
        return expression() if len(found) > 1 or found[0][0] else found[0][1]
    absent = [conjunction(trail) for trail, value in found if value is None]
    if absent and truth(disjunction(absent)):
        return None
    return merged_of_cases(present)


def family_of(value: Any) -> Any:
    """Which values can be merged with this one; None for those that cannot."""
    kind = type(value)
    if kind is UnknownMember:
        return value.enumeration
    if issubclass(kind, Enum):
        return kind
    for family in ((bool, UnknownTruth), (int, UnknownNumber), (str, bytes, UnknownName)):
        if issubclass(kind, family):
            return family
    if attrs.has(kind) and is_record_of_scalars(getattr(kind, "kind", kind)):
        return getattr(kind, "kind", kind)
    return None


@cache
def is_record_of_scalars(kind: Any) -> bool:
    """All fields of an attrs class are scalars, and there are some."""
    return (
        isinstance(kind, type)
        and typing.get_origin(kind) is None
        and attrs.has(kind)
        and len(annotations_of(kind)) > 0
        and all(is_scalar(part) for part in annotations_of(kind).values())
    )


@cache
def is_mergeable(function: Callable[..., Any]) -> bool:
    """By its annotations, the function gives a scalar, a record of scalars, or None."""
    if function.__name__ in spec.transition.OPAQUE:
        return False
    kind = typing.get_type_hints(function, include_extras=True).get("return")
    given = [member for member in members_of(kind) if member is not type(None)]
    return len(given) == 1 and (is_scalar(given[0]) or is_record_of_scalars(given[0]))


def is_scalar(kind: Any) -> bool:
    """The type is that of truth values, numbers, names or members of an enumeration."""
    while isinstance(kind, typing.NewType):
        kind = kind.__supertype__
    return typing.get_origin(kind) is typing.Annotated or (
        isinstance(kind, type) and issubclass(kind, int | str | bytes | Enum)
    )
