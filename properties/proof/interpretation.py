"""
What rules call on unknown values: canister modules, opaque functions, and the few builtins that cannot be overloaded.
"""

import builtins
import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import cache, wraps
from types import FunctionType
from typing import Any

import attrs
import z3

import spec.transition
from properties.proof.containers import UnknownMap
from properties.proof.exploration import cases, conjunction, disjunction, path, truth
from properties.proof.lists import UnknownList
from properties.proof.rewriting import WHOLE, rewritten_module
from properties.proof.signature import name_and_arguments
from properties.proof.terms import (
    Unknown,
    UnknownMember,
    UnknownName,
    UnknownNumber,
    UnknownTruth,
    lift,
    merged_of_cases,
)
from properties.proof.unknown import PROTOCOLS, Arguments, OneOf, annotations_of, members_of, unknown
from spec.canister.module import CanisterModule
from spec.canister.wasm_state import WasmState
from spec.values.memory import LinearMemory


@attrs.frozen(eq=False)
class Called:
    """A function of a canister module was called."""

    method: str
    arguments: dict[str, Any]
    result: Any


class UnknownModule:
    """A canister module of which nothing is known but what `CanisterModule` promises."""

    def __init__(self, name: str, arguments: Arguments) -> None:
        self._name = name
        self._arguments = arguments

    def __getattr__(self, name: str) -> Any:
        member = inspect.getattr_static(CanisterModule, name)
        if isinstance(member, property):
            kind = typing.get_type_hints(member.fget, include_extras=True)["return"]
            return unknown(kind, f"{self._name}.{name}", self._arguments)
        return self._method(name, member)

    def _method(self, name: str, member: Callable[..., Any]) -> Callable[..., Any]:
        parameters = inspect.signature(member)
        kind = typing.get_type_hints(member, include_extras=True)["return"]

        def call(*arguments: Any, **named: Any) -> Any:
            bound = parameters.bind(self, *arguments, **named)
            bound.apply_defaults()
            given = {key: value for key, value in bound.arguments.items() if key != "self"}
            result = self._result(name, kind, given)
            calls_of_modules().append(Called(name, given, result))
            return result

        return call

    def _result(self, name: str, kind: Any, given: dict[str, Any]) -> Any:
        place, terms = name_and_arguments(f"{self._name}.{name}", tuple(given.values()))
        result = unknown(kind, place, (*self._arguments, *terms))
        if name == "initial_state":
            return WasmState(given["self_id"], result.wasm_memory, LinearMemory(), result.globals)
        if name == "upgraded_state":
            before = given["before"]
            grown = LinearMemory(result.wasm_memory.wasm_pages, before.wasm_memory.contents)
            heap = grown if given["keep_wasm_memory"] else result.wasm_memory
            return WasmState(before.self_id, heap, before.stable_memory, result.globals)
        return result

    def describe_to(self, describe: Callable[[Any], str]) -> str:
        """For the signature."""
        return f"{self._name}[{','.join(describe(Unknown(argument)) for argument in self._arguments)}]"


PROTOCOLS[CanisterModule] = UnknownModule


def calls_of_modules() -> list[Called]:
    """The calls of module functions on this path, in order."""
    calls: list[Called] = path().notes.setdefault("calls", [])
    return calls


def opaque_result(name: str, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """The unknown result of an opaque function: any value of its type, the same for equal arguments."""
    bound = inspect.signature(function).bind(*arguments, **named)
    bound.apply_defaults()
    place, terms = name_and_arguments(name, tuple(bound.arguments.values()))
    kind = typing.get_type_hints(function, include_extras=True)["return"]
    return unknown(kind, place, terms)


# Builtins.


def length(value: Any) -> Any:
    """`len`."""
    if issubclass(type(value), UnknownName):
        return value.length()
    if type(value) in (UnknownList, UnknownMap):
        return value.length()
    return builtins.len(value)


def _extreme(name: str, first_wins: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def extreme(*values: Any, **named: Any) -> Any:
        if named or len(values) == 1 or not any(issubclass(type(value), Unknown) for value in values):
            return getattr(builtins, name)(*values, **named)
        best, *others = values
        for other in others:
            best = UnknownNumber(z3.If(first_wins(lift(best), lift(other)), lift(best), lift(other)))
        return best

    return extreme


PLACES = ("spec.rules", "spec.invariants", "spec.state", "spec.transition", "spec.values.quantities")
"""The modules whose text works on unknown values."""


def is_instance(value: Any, kinds: Any) -> Any:
    """`isinstance`. Of an unknown value of several classes it decides no more than is asked."""
    return value.is_instance(kinds) if type(value) is OneOf else builtins.isinstance(value, kinds)


# Functions whose result is a scalar.


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


BUILTINS = {
    "isinstance": is_instance,
    "len": length,
    "max": _extreme("max", lambda left, right: left >= right),
    "min": _extreme("min", lambda left, right: left <= right),
}


_require = spec.transition.require


def recording_require(holds: Any, condition: str, *arguments: Any, **named: Any) -> None:
    """`require`, whose conditions are remembered for people."""
    answer = bool(holds)
    path().notes.setdefault("conditions", {})[condition] = answer
    _require(answer, condition, *arguments, **named)


def is_place_of_rules(module_name: str) -> bool:
    """The module has rules or functions of rules, and not tests of them."""
    return module_name.startswith("spec.rules") and ".tests" not in module_name


def body_on_unknown_values(rule: spec.transition.Rule) -> Callable[..., Any]:
    """The function of a rule as it is run on unknown values."""
    body: Callable[..., Any] = rewritten_module(rule.body.__module__).get(id(rule.body), rule.body)
    return body


@contextmanager
def symbolic_meaning(replaced: dict[Any, Any] | None = None) -> Iterator[None]:
    """
    While this lasts, the modules of the specification work on unknown values.

    Opaque functions are unknown, the builtins above are the ones here, and `replaced` maps functions and rules to
    others that take their places, which is how planted mistakes are tried.
    """
    undo: list[tuple[Any, str, Any]] = []
    missing = object()
    replacements = {id(_require): recording_require}
    replacements |= {id(original): other for original, other in (replaced or {}).items()}

    def set_in(module: Any, name: str, value: Any) -> None:
        undo.append((module, name, module.__dict__.get(name, missing)))
        module.__dict__[name] = value

    places = [(name, module) for name, module in list(sys.modules.items()) if name.startswith(PLACES)]
    rewritten: dict[int, Any] = {}
    for module_name, _ in places:
        if is_place_of_rules(module_name):
            rewritten |= rewritten_module(module_name)
    replacements = rewritten | replacements
    for module_name, module in places:
        for name, value in list(module.__dict__.items()):
            if id(value) in replacements:
                value = replacements[id(value)]
                set_in(module, name, value)
            if module_name.startswith("spec.rules") and isinstance(value, FunctionType) and is_mergeable(value):
                set_in(module, name, merging(value))
        for name, value in {**BUILTINS, WHOLE: as_a_whole}.items():
            set_in(module, name, value)
    before, spec.transition.interpretation = spec.transition.interpretation, opaque_result
    try:
        yield
    finally:
        spec.transition.interpretation = before
        for module, name, value in reversed(undo):
            if value is missing:
                del module.__dict__[name]
            else:
                module.__dict__[name] = value
