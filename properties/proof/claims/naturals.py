"""No natural number that a step sets is negative."""

import types
import typing
from typing import Any

import attrs

from properties.proof.containers.containers import UnknownMap, UnknownQueue
from properties.proof.containers.lists import UnknownList
from properties.proof.values.scalars import is_number, is_unknown
from properties.proof.values.unknown import OneOf, Record, annotations_of, members_of
from spec.transition import Step
from spec.values.containers import List, Map, Queue
from spec.values.quantities import Natural


def is_natural_step(step: Step) -> bool:
    """Every number that is annotated as natural is natural, in the state after, and in what is shown of the step."""
    return all(keeps_type(kind, getattr(step, name)) for name, kind in annotations_of(Step).items())


def keeps_type(kind: Any, value: Any) -> bool:
    """
    The natural numbers in a value of this type are not negative.

    What no rule has set is so by its type.
    """
    if type(value) is OneOf or (is_unknown(value) and not is_natural(kind)):
        return True
    members = [member for member in members_of(kind) if may_be(value, member)]
    return all(parts_keep_type(member, value) for member in members)


def is_natural(kind: Any) -> bool:
    """The type is that of natural numbers, or one of them."""
    return any(
        isinstance(mark, Natural)
        for member in members_of(kind)
        if typing.get_origin(member) is typing.Annotated
        for mark in typing.get_args(member)[1:]
    )


def may_be(value: Any, member: Any) -> bool:
    """A value of a union may be of this member."""
    if is_natural(member):
        return is_number(value)
    origin = typing.get_origin(member) or member
    return not isinstance(origin, type) or type(value) in UNKNOWN_CONTAINERS or isinstance(value, origin)


UNKNOWN_CONTAINERS = (UnknownMap, UnknownQueue, UnknownList)


def parts_keep_type(kind: Any, value: Any) -> bool:
    """The same for a value that is of this member of a union."""
    if is_natural(kind):
        return bool(value >= 0)
    parts = typing.get_args(kind)
    if type(value) in (UnknownMap, UnknownQueue, UnknownList, Map, Queue, List):
        return bool(value.every(_Keeps(parts[-1])))
    if type(value) is tuple and parts:
        kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else parts
        return all(keeps_type(part, item) for part, item in zip(kinds, value, strict=True))
    if issubclass(type(value), Record):
        annotations = annotations_of(value.kind)
        return all(keeps_type(annotations[name], part) for name, part in value.made_changes.items())
    if attrs.has(type(value)) and not isinstance(value, types.FunctionType):
        kind = type(value)
        annotations = annotations_of(kind)
        return all(keeps_type(annotations[field.name], getattr(value, field.name)) for field in attrs.fields(kind))
    return True


@attrs.frozen(eq=False)
class _Keeps:
    """The last of what is given, a value or an item, keeps its type."""

    kind: Any

    def __call__(self, *key_and_value: Any) -> bool:
        return keeps_type(self.kind, key_and_value[-1])

    def describe_to(self, describe: Any) -> str:
        """For the signature."""
        return repr(self.kind)
