"""
Shapes: how records of Python and values of Candid correspond, built up from small parts.

A shape knows a Candid type and converts its values both ways. The fields of a record have the names that Candid gives
them unless another name is told.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from attrs import frozen

from spec.values.candid import BLOB, CandidType, CandidValue, Case, Opt, Primitive, Record, Some, Variant, Vec
from spec.values.containers import List

Conversion = Callable[[Any], Any]


@frozen
class Shape:
    """A Candid type, and how its values are read and written."""

    candid_type: CandidType
    read: Conversion
    """From the Candid value to ours."""
    write: Conversion
    """From our value to the Candid value."""


def _same(value: Any) -> Any:
    return value


def plain(candid_type: CandidType) -> Shape:
    """Values that look the same on both sides."""
    return Shape(candid_type, _same, _same)


BLOB_SHAPE: Final = plain(BLOB)
BOOL: Final = plain(Primitive.BOOL)
NAT: Final = plain(Primitive.NAT)
NAT32: Final = plain(Primitive.NAT32)
NAT64: Final = plain(Primitive.NAT64)
PRINCIPAL: Final = plain(Primitive.PRINCIPAL)
TEXT: Final = plain(Primitive.TEXT)


def optional_shape(content: Shape) -> Shape:
    """`opt`: None, or a value."""
    return Shape(
        Opt(content.candid_type),
        lambda value: None if value is None else content.read(value.value),
        lambda value: None if value is None else Some(content.write(value)),
    )


def list_shape(element: Shape) -> Shape:
    """`vec`: a `List`."""
    return Shape(
        Vec(element.candid_type),
        lambda values: List(tuple(element.read(value) for value in values)),
        lambda values: tuple(element.write(value) for value in values),
    )


def single_field(name: str, content: Shape) -> Shape:
    """A record of one field, which stands for the value in it."""
    return Shape(
        Record({name: content.candid_type}),
        lambda value: content.read(value[name]),
        lambda value: {name: content.write(value)},
    )


def record_shape(kind: type, fields: dict[str, Shape], attributes: dict[str, str] | None = None) -> Shape:
    """A record as an object of a class. `attributes` tells the attributes that have other names than the fields."""
    other = attributes or {}

    def read(value: dict[str, CandidValue]) -> Any:
        return kind(**{other.get(name, name): shape.read(value[name]) for name, shape in fields.items()})

    def write(value: Any) -> dict[str, CandidValue]:
        return {name: shape.write(getattr(value, other.get(name, name))) for name, shape in fields.items()}

    return Shape(Record({name: shape.candid_type for name, shape in fields.items()}), read, write)


def enumeration_shape(kind: type[Enum], content: CandidType = Primitive.NULL) -> Shape:
    """A variant whose cases hold nothing, as an enumeration whose values are the labels."""
    return Shape(
        Variant({member.value: content for member in kind}),
        lambda case: kind(case.label),
        lambda member: Case(member.value),
    )


def union_shape(cases: dict[str, tuple[type, Shape]]) -> Shape:
    """A variant as a union: each label with the class of its values, and their shape."""

    def write(value: Any) -> Case:
        label = next(label for label, (kind, _) in cases.items() if isinstance(value, kind))
        return Case(label, cases[label][1].write(value))

    return Shape(
        Variant({label: shape.candid_type for label, (_, shape) in cases.items()}),
        lambda case: cases[case.label][1].read(case.value),
        write,
    )


def empty_case(kind: type) -> Shape:
    """A case that holds nothing, as an object of a class without fields."""
    return Shape(Primitive.NULL, lambda _: kind(), lambda _: None)
