"""Merging: the values of all cases of a small function as one value."""

from collections.abc import Callable
from enum import Enum
from typing import Any

import attrs
import z3

from properties.proof.paths.runs import Cases, cases
from properties.proof.terms.formulas import Formula, conjunction, disjunction
from properties.proof.terms.symbols import keep
from properties.proof.values.scalars import (
    UnknownMember,
    UnknownName,
    UnknownNumber,
    UnknownScalar,
    UnknownTruth,
    is_unknown,
    lift,
)


def merged_formula(function: Callable[..., Any]) -> Formula:
    """A truth-valued function as one formula."""
    return formula_of(cases(function))


def formula_of(found: Cases[Any]) -> Formula:
    """The truth values of several cases as one formula."""
    parts = []
    for trail, result in found:
        if result is False or z3.is_false(lift(result)):
            continue
        parts.append(conjunction([*trail, *([] if result is True else [lift(result)])]))
    return disjunction(parts)


def merged_number(function: Callable[..., Any]) -> Any:
    """An integer-valued function as one integer."""
    return merged_of_cases(cases(function))


def merged_of_cases(found: Cases[Any]) -> Any:
    """One value out of the values of several cases, which are scalars of one kind or records of such scalars."""
    (trail, result), *others = found
    if not others and not trail:
        return result
    if type(result) in (bool, UnknownTruth):
        return UnknownTruth(disjunction([conjunction([*trail, lift(result)]) for trail, result in found]))
    if attrs.has(type(result)):
        return _merged_record(found)
    term = lift(found[-1][1])
    for trail, result in reversed(found[:-1]):
        term = z3.If(conjunction(trail), lift(result), term)
    keep(term)
    if type(result) is UnknownMember:
        return UnknownMember(term, result.enumeration)
    if issubclass(type(result), Enum):
        return UnknownMember(term, type(result))
    if is_unknown(result, UnknownName) or type(result) in (str, bytes):
        kinds = {_kind_of_name(value) for _, value in found}
        return UnknownName(term, kinds.pop() if len(kinds) == 1 else None)
    return UnknownNumber(term)


def _kind_of_name(value: UnknownScalar | str | bytes) -> Any:
    return value.kind if type(value) is UnknownName else type(value)


def _merged_record(found: Cases[Any]) -> Any:
    kind = found[0][1].__class__
    kind = getattr(kind, "kind", kind)
    parts = {}
    for field in attrs.fields(kind):
        parts[field.name] = merged_of_cases([(trail, getattr(result, field.name)) for trail, result in found])
    return kind(**parts)
