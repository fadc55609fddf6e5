"""
Engines that may execute canisters for the judge, in place of the interpreter of the specification.

What the rules make of an execution stays the specification's; what the execution gives is then as the engine has it.
Which bytes are a module, and what it declares, the specification says in any case.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.metadata import entry_points
from typing import Final, Protocol

from conformance.protocol.interface import Description
from spec.canister.module import CanisterModule, MalformedModule
from spec.profile import Profile
from spec.system_api.engines import Engine, run_by
from spec.system_api.module import KNOWN_MODULES, parse_module
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, Text

GROUP: Final = "icspec.engines"
"""Entry points that are engines."""

INTERPRETER: Final = "spec"
"""The interpreter of the specification."""

DECLARED: Final = tuple(name for name, each in vars(CanisterModule).items() if isinstance(each, property))
"""What a module declares."""


class JudgingEngine(Protocol):
    """What an entry point is."""

    @property
    def part_of(self) -> Text:
        """The implementation of which it is a part, as that names itself."""
        ...

    def load(self, raw_module: Blob, profile: Profile) -> CanisterModule | MalformedModule:
        """The module that some bytes are. Its outcomes tell also what is no part of the meaning of a module."""
        ...


def engine_names() -> tuple[Text, ...]:
    """The engines that can be asked for."""
    return (INTERPRETER, *sorted({each.name for each in entry_points(group=GROUP)}))


@cache
def engine_named(name: Text) -> JudgingEngine:
    """An installed engine."""
    engine: JudgingEngine = next(each for each in entry_points(group=GROUP) if each.name == name).load()
    return engine


def judges_itself(name: Text, description: Description) -> bool:
    """The engine is a part of the implementation that describes itself so."""
    return name != INTERPRETER and engine_named(name).part_of in f"{description.name} {description.version}"


@contextmanager
def executed_by(name: Text) -> Iterator[None]:
    """Inside, canisters are executed by the engine of this name."""
    if name == INTERPRETER:
        yield
        return
    with run_by(_checked(name)):
        yield


@cache
def _checked(name: Text) -> Engine:
    """The engine, where it and the specification agree on what a module is; the interpreter where they do not."""
    engine = engine_named(name)

    @lru_cache(maxsize=KNOWN_MODULES)
    def module(raw_module: Blob, profile: Profile) -> CanisterModule | MalformedModule:
        specified = parse_module(raw_module, profile)
        if isinstance(specified, MalformedModule):
            return specified
        other = engine.load(raw_module, profile)
        return specified if isinstance(other, MalformedModule) or not _declare_the_same(specified, other) else other

    return module


def _declare_the_same(one: CanisterModule, other: CanisterModule) -> bool:
    """Two modules declare the same, and begin with the same memories and globals."""
    return all(getattr(one, name) == getattr(other, name) for name in DECLARED) and one.initial_state(
        MANAGEMENT_CANISTER
    ) == other.initial_state(MANAGEMENT_CANISTER)
