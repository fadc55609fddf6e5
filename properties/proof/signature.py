"""
The signature of a value: what it is made of, as a text, and the unknown terms in it, in order.

Two values with the same text and equal terms are equal. So an unknown function of values is an unknown function of
their terms, one for each text.
"""

import types
from enum import Enum
from typing import Any

import attrs

from properties.proof.exploration import Refused
from properties.proof.terms import Unknown, application
from properties.proof.unknown import OneOf, Record, name_of

Signature = tuple[str, list[Any]]

_numbers: dict[str, int] = {}
_codes: dict[types.CodeType, int] = {}


def signature(value: Any) -> Signature:
    """The signature of a value."""
    terms: list[Any] = []
    return _text(value, terms), terms


def _text(value: Any, terms: list[Any]) -> str:
    kind = type(value)
    if hasattr(kind, "describe_to"):
        described: str = value.describe_to(lambda part: _text(part, terms))
        return described
    if issubclass(kind, Unknown):
        terms.append(value.term)
        return "?" if value.term.sort().name() == "Int" else "!"
    if kind is OneOf:
        _, name, arguments, _ = object.__getattribute__(value, "_unknown")
        return _origin(name, arguments, terms)
    if issubclass(kind, Record):
        changes = ",".join(f"{name}={_text(value.made_changes[name], terms)}" for name in sorted(value.made_changes))
        return f"{_origin(value.made_from.name, value.made_from.arguments, terms)}{{{changes}}}"
    if value is None or kind in (bool, int, str, bytes, float):
        return repr(value)
    if issubclass(kind, Enum):
        return f"{kind.__name__}.{value.name}"
    if kind in (tuple, list):
        return f"({','.join(_text(part, terms) for part in value)})"
    if isinstance(value, types.FunctionType):
        return _function(value, terms)
    if isinstance(value, type | types.BuiltinFunctionType | types.UnionType):
        return name_of(value)
    if isinstance(value, types.MethodType):
        return f"{_text(value.__self__, terms)}.{value.__name__}"
    if attrs.has(kind):
        fields = (_text(getattr(value, field.name), terms) for field in attrs.fields(kind))
        return f"{kind.__name__}({','.join(fields)})"
    if isinstance(value, dict | frozenset) or kind.__module__.startswith("rpds"):
        return repr(value)
    raise Refused(f"a {kind.__name__} as argument of an unknown function")


def _origin(name: str, arguments: tuple[Any, ...], terms: list[Any]) -> str:
    terms.extend(arguments)
    return f"{name}/{len(arguments)}"


def _function(function: types.FunctionType, terms: list[Any]) -> str:
    number = _codes.setdefault(function.__code__, len(_codes))
    cells = [cell.cell_contents for cell in function.__closure__ or ()] + list(function.__defaults__ or ())
    return f"<{function.__name__} {number}[{','.join(_text(part, terms) for part in cells)}]>"


def numbered(text: str) -> int:
    """A small number for a text, the same for the same text."""
    return _numbers.setdefault(text, len(_numbers))


def function_of(prefix: str, values: Any, sort: Any = None) -> Any:
    """An unknown scalar that depends on some values."""
    text, terms = signature(values)
    return application(f"{prefix} {numbered(text)}", tuple(terms), sort)


def name_and_arguments(prefix: str, values: Any) -> tuple[str, tuple[Any, ...]]:
    """The name and the arguments of an unknown value that depends on some values."""
    text, terms = signature(values)
    return f"{prefix} {numbered(text)}", tuple(terms)
