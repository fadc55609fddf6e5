"""
Functions handed to a container, with the values that they have captured so far.

A container of the specification calls such a function at once; an unknown one keeps it and calls it later. A name that
the function has from the rule around it may have another value by then, so the function is kept with those of now.
"""

import types
from collections.abc import Callable
from typing import Any

import attrs

from properties.proof.paths.refusal import NotFollowed, shown

MUTABLE = (list, dict, set, bytearray)
"""What may change between two calls of a function that has captured it."""


def captured(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, of which nothing changes any more."""
    if isinstance(function, types.MethodType):
        return types.MethodType(captured(function.__func__), _kept(function, function.__self__))
    if not isinstance(function, types.FunctionType):
        function = _kept(function, function)
        return function
    if not function.__closure__ and not function.__defaults__ and not function.__kwdefaults__:
        return function
    cells = tuple(types.CellType(_kept(function, _content(function, cell))) for cell in function.__closure__ or ())
    defaults = None if function.__defaults__ is None else tuple(_kept(function, one) for one in function.__defaults__)
    same = types.FunctionType(function.__code__, function.__globals__, function.__name__, defaults, cells or None)
    if function.__kwdefaults__ is not None:
        same.__kwdefaults__ = {name: _kept(function, one) for name, one in function.__kwdefaults__.items()}
    return same


def _kept(function: Any, value: Any) -> Any:
    """A captured value, which does not change."""
    kind = type(value)
    if issubclass(kind, types.FunctionType | types.MethodType):
        return captured(value)
    if issubclass(kind, MUTABLE):
        raise NotFollowed(f"{_named(function)} has captured a {kind.__name__}, which may change")
    if issubclass(kind, tuple):
        return tuple(_kept(function, part) for part in value) if kind is tuple else value
    if attrs.has(kind) and kind.__setattr__ is object.__setattr__ and not issubclass(kind, types.FunctionType):
        raise NotFollowed(f"{_named(function)} has captured a {kind.__name__}, which may change")
    return value


def _content(function: types.FunctionType, cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        raise NotFollowed(f"{_named(function)} is handed on before all that it uses exists") from None


def _named(function: Any) -> str:
    code = getattr(function, "__code__", None)
    if code is None:
        return type(function).__name__
    return f"{function.__name__} in {shown(code.co_filename)}:{code.co_firstlineno}"
