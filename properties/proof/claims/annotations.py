"""
Whether opaque functions give what their annotations say.

A proof takes it for granted that a function annotated with a natural number gives one, and that equal arguments give
equal results. So each opaque function that a rule calls is run on some values of the types of its parameters. That is
a test, no proof: it tells of functions that plainly do something else.
"""

import inspect
import random
import types
import typing
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any

import attrs

from properties.proof.claims.naturals import is_natural
from properties.proof.paths.refusal import shown
from properties.proof.values.unknown import annotations_of, members_of
from spec.canister.module import CanisterModule
from spec.profile import Profile, load_profile
from spec.system_api.module import parse_module
from spec.values.containers import List, Map, Queue
from spec.values.memory import LinearMemory

SAMPLES = 12
"""How often a function is tried."""
DEEPEST = 6
"""Containers inside values that are deeper than this are empty."""


class Unsampled(Exception):
    """There is no value of this type at hand."""


@cache
def broken_annotation(function: Callable[..., Any]) -> str | None:
    """What a function gives that its annotation excludes, with file and line; None if nothing was found."""
    hints = typing.get_type_hints(function, include_extras=True)
    kinds = [hints[name] for name in inspect.signature(function).parameters]
    for number in range(SAMPLES):
        try:
            arguments = [sample(kind, random.Random(number)) for kind in kinds]
            results = [function(*arguments) for _ in range(2)]
        except Exception:
            # Rules call it with arguments that belong together.
            continue
        if not all(fits(hints["return"], result) for result in results):
            return f"{_place(function)}: {results[0]!r}"
        if results[0] != results[1]:
            return f"{_place(function)}: {results[0]!r}, and then {results[1]!r} for the same arguments"
    return None


def _place(function: Callable[..., Any]) -> str:
    code = inspect.unwrap(function).__code__
    return f"{shown(code.co_filename)}:{code.co_firstlineno}"


def fits(kind: Any, value: Any) -> bool:
    """A known value is of a type: of one of its classes, and a natural number if that is what it says."""
    return any(_fits_member(member, value) for member in members_of(kind))


def _fits_member(kind: Any, value: Any) -> bool:
    while isinstance(kind, typing.NewType):
        kind = kind.__supertype__
    if is_natural(kind):
        return type(value) is int and value >= 0
    if typing.get_origin(kind) is typing.Annotated:
        return _fits_member(typing.get_args(kind)[0], value)
    if typing.get_origin(kind) is typing.Literal:
        return value in typing.get_args(kind)
    if typing.get_origin(kind) is tuple and Ellipsis not in typing.get_args(kind):
        parts = typing.get_args(kind)
        return type(value) is tuple and len(value) == len(parts) and all(map(fits, parts, value))
    if kind is CanisterModule:
        return hasattr(value, "update_methods")
    origin = typing.get_origin(kind) or kind
    return not isinstance(origin, type) or isinstance(value, origin)


@cache
def _profile() -> Profile:
    return load_profile()


def sample(kind: Any, chance: random.Random, depth: int = 0) -> Any:
    """Some value of a type."""
    member = chance.choice(members_of(kind))
    while isinstance(member, typing.NewType):
        member = member.__supertype__
    if is_natural(member) or member is int:
        return chance.choice((0, 1, chance.randrange(1000), chance.randrange(2**64)))
    origin, parts = typing.get_origin(member), typing.get_args(member)
    if origin is typing.Annotated:
        return sample(parts[0], chance, depth)
    if origin is typing.Literal:
        return chance.choice(parts)
    if origin is not None:
        return _sample_of_parts(origin, parts, chance, depth)
    return _sample_of_class(member, chance, depth)


def _sample_of_parts(origin: Any, parts: tuple[Any, ...], chance: random.Random, depth: int) -> Any:
    count = 0 if depth > DEEPEST else chance.randrange(3)
    if origin is tuple and Ellipsis not in parts:
        return tuple(sample(part, chance, depth + 1) for part in parts)
    if origin is Map:
        return Map.of((sample(parts[0], chance, depth + 1), sample(parts[1], chance, depth + 1)) for _ in range(count))
    items = tuple(sample(parts[0], chance, depth + 1) for _ in range(count))
    made: dict[Any, Callable[[tuple[Any, ...]], Any]] = {
        List: List,
        Queue: lambda given: Queue().append(*given),
        frozenset: frozenset,
        tuple: tuple,
    }
    if origin not in made:
        raise Unsampled(origin)
    return made[origin](items)


def _sample_of_class(kind: Any, chance: random.Random, depth: int) -> Any:
    if kind is types.NoneType:
        return None
    if kind is Profile:
        return _profile()
    if kind is CanisterModule:
        return parse_module(b"\0asm\1\0\0\0", _profile())
    if kind is LinearMemory:
        return LinearMemory(chance.randrange(3))
    if kind is bool:
        return chance.choice((False, True))
    if kind is bytes:
        return chance.randbytes(chance.choice((0, 1, 4, 10, 29)))
    if kind is str:
        return chance.choice(("", "a", "text"))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return chance.choice(list(kind))
    if attrs.has(kind):
        return kind(**{name: sample(part, chance, depth + 1) for name, part in annotations_of(kind).items()})
    raise Unsampled(kind)
