"""
The signature of a value: what it is made of, as a text, and the unknown terms in it, in order.

Two values with the same text and equal terms are equal. So an unknown function of values is an unknown function of
their terms, one for each text. Whatever makes a difference to a value must therefore be in its text or its terms; a
value of which that is not certain is refused.
"""

import inspect
import types
from enum import Enum
from typing import Any

import attrs
from rpds import HashTrieMap

from properties.proof.paths.refusal import NotFollowed
from properties.proof.terms.session import session
from properties.proof.terms.symbols import application
from properties.proof.values.scalars import UnknownScalar
from properties.proof.values.unknown import OneOf, Record

Signature = tuple[str, list[Any]]


@attrs.define(eq=False)
class Texts:
    """The texts and functions that were met in a session."""

    numbers: dict[str, int] = attrs.field(factory=dict)
    """A small number for each text."""
    functions: dict[tuple[int, int], tuple[int, Any]] = attrs.field(factory=dict)
    """By the identity of its code and of the names around it: a number for each function. Both are kept alive."""


def texts() -> Texts:
    """Those of the open session."""
    return session().part(Texts)


def signature(value: Any) -> Signature:
    """The signature of a value."""
    terms: list[Any] = []
    return _text(value, terms), terms


def _text(value: Any, terms: list[Any]) -> str:
    kind = type(value)
    if hasattr(kind, "describe_to"):
        described: str = value.describe_to(lambda part: _text(part, terms))
        return f"{kind.__name__}:{described}"
    if issubclass(kind, UnknownScalar):
        terms.append(value.term)
        return f"?{value.term.sort().name()}"
    if kind is OneOf:
        _, name, arguments, _ = object.__getattribute__(value, "_unknown")
        return _origin(name, arguments, terms)
    if issubclass(kind, Record):
        changes = ",".join(f"{name}={_text(value.made_changes[name], terms)}" for name in sorted(value.made_changes))
        return f"{_origin(value.made_from.name, value.made_from.arguments, terms)}{{{changes}}}"
    if value is None or kind in (bool, int, str, bytes, float):
        return repr(value)
    if issubclass(kind, Enum):
        return f"{full_name(kind)}.{value.name}"
    if isinstance(value, types.FunctionType):
        return _function(value, terms)
    if isinstance(value, types.MethodType):
        return f"{_text(value.__self__, terms)}.{_function(value.__func__, terms)}"  # type: ignore[arg-type]
    if isinstance(value, types.BuiltinFunctionType) and inspect.ismodule(value.__self__):
        return f"{value.__self__.__name__}.{value.__name__}"
    if isinstance(value, type):
        return full_name(value)
    return _of_parts(value, terms)


def _of_parts(value: Any, terms: list[Any]) -> str:
    kind = type(value)
    if kind in (tuple, list):
        return f"{kind.__name__}({','.join(_text(part, terms) for part in value)})"
    if kind is types.UnionType:
        return f"union({','.join(_text(part, terms) for part in value.__args__)})"
    if kind in (dict, HashTrieMap):
        return f"{kind.__name__}({_entries(value.items(), terms)})"
    if kind is frozenset:
        return f"frozenset({','.join(sorted(_known(part) for part in value))})"
    if attrs.has(kind):
        fields = (_text(getattr(value, field.name), terms) for field in attrs.fields(kind))
        return f"{full_name(kind)}({','.join(fields)})"
    raise NotFollowed(f"a {kind.__name__} as argument of an unknown function")


def _entries(entries: Any, terms: list[Any]) -> str:
    """Entries in the order of their keys, which are known, since they were hashed."""
    by_key = sorted(((_known(key), value) for key, value in entries), key=lambda entry: entry[0])
    return ",".join(f"{key}:{_text(value, terms)}" for key, value in by_key)


def _known(value: Any) -> str:
    text, terms = signature(value)
    if terms:
        raise NotFollowed("an unknown value as key")
    return text


def _origin(name: str, arguments: tuple[Any, ...], terms: list[Any]) -> str:
    terms.extend(arguments)
    return f"{name}/{len(arguments)}"


def full_name(kind: type) -> str:
    """The name of a class, which no other class has."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _function(function: types.FunctionType, terms: list[Any]) -> str:
    functions = texts().functions
    code, names = function.__code__, function.__globals__
    number, _ = functions.setdefault((id(code), id(names)), (len(functions), (code, names)))
    captured = [cell.cell_contents for cell in function.__closure__ or ()]
    captured += function.__defaults__ or ()
    captured += [value for _, value in sorted((function.__kwdefaults__ or {}).items())]
    return f"<{function.__name__} {number}[{','.join(_text(part, terms) for part in captured)}]>"


def numbered(text: str) -> int:
    """A small number for a text, the same for the same text."""
    numbers = texts().numbers
    return numbers.setdefault(text, len(numbers))


def function_of(prefix: str, values: Any, sort: Any = None) -> Any:
    """An unknown scalar that depends on some values."""
    text, terms = signature(values)
    return application(f"{prefix} {numbered(text)}", tuple(terms), sort)


def name_and_arguments(prefix: str, values: Any) -> tuple[str, tuple[Any, ...]]:
    """The name and the arguments of an unknown value that depends on some values."""
    text, terms = signature(values)
    return f"{prefix} {numbered(text)}", tuple(terms)
