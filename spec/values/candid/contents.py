"""
How Candid values look in Python.

| type | value |
| --- | --- |
| null, reserved | `None` |
| bool, text, float32, float64 | `bool`, `str`, `float` |
| nat, int and those of fixed width | `int` |
| principal | `Principal` |
| opt | `None` or `Some` |
| vec nat8 (blob) | `bytes` |
| other vec | tuple |
| record | dictionary from labels to values |
| variant | `Case` |
| func, service | `FunctionReference`, `ServiceReference` |
"""

from typing import Any

from attrs import frozen

from spec.values.candid.types import FieldLabel
from spec.values.identifiers import MethodName, Principal

CandidValue = Any
"""A value of one of the shapes above."""


@frozen
class Some:
    """An option that holds a value."""

    value: CandidValue


@frozen
class Case:
    """A value of a variant."""

    label: FieldLabel
    value: CandidValue = None


@frozen
class ServiceReference:
    """A canister seen as a service."""

    principal: Principal


@frozen
class FunctionReference:
    """A method of a canister."""

    principal: Principal
    method_name: MethodName
