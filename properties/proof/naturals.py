"""No natural number that a step sets is negative."""

import typing
from typing import Any

import attrs

from properties.proof.containers import UnknownMap, UnknownQueue
from properties.proof.lists import UnknownList
from properties.proof.terms import Unknown
from properties.proof.unknown import OneOf, Record, annotations_of
from spec.state.state import State
from spec.transition import Step
from spec.values.containers import List
from spec.values.quantities import Natural


def is_natural_step(step: Step) -> bool:
    """What was minted and burned is not negative."""
    return all(each.cycles >= 0 for each in step.minted) and all(each.cycles >= 0 for each in step.burned)


def is_natural_state(before: State, after: State) -> bool:
    """Every number annotated as natural in a part of the state that was changed is natural."""
    changes = getattr(after, "made_changes", {})
    return all(is_natural(State, name, value) for name, value in changes.items())


def is_natural(kind: type, name: str, value: Any) -> bool:
    """A field of a class keeps within its type, and so do the parts of its value."""
    annotation = annotations_of(kind)[name]
    marked = any(
        isinstance(mark, Natural)
        for part in (annotation, *typing.get_args(annotation))
        if typing.get_origin(part) is typing.Annotated
        for mark in typing.get_args(part)[1:]
    )
    if marked and value is not None:
        return bool(value >= 0)
    return has_natural_parts(value)


def has_natural_parts(value: Any) -> bool:
    """The natural numbers in a value are not negative. What no rule has set is so by its type."""
    kind = type(value)
    if issubclass(kind, Unknown | OneOf):
        return True
    if issubclass(kind, Record):
        return all(is_natural(value.kind, name, part) for name, part in value.made_changes.items())
    if kind is UnknownMap:
        return bool(value.every(_entry_has_natural_parts))
    if kind is UnknownQueue or kind is UnknownList or kind is List:
        return bool(value.every(has_natural_parts))
    if attrs.has(kind) and not kind.__module__.startswith("spec.values.containers"):
        return all(is_natural(kind, field.name, getattr(value, field.name)) for field in attrs.fields(kind))
    return True


def _entry_has_natural_parts(key: Any, value: Any) -> bool:
    return has_natural_parts(value)
