"""Canister modules and opaque functions, of which nothing is known but what their annotations and promises say."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

import attrs

from properties.proof.paths.refusal import NotFollowed
from properties.proof.paths.runs import path
from properties.proof.values.guarded import Guarded
from properties.proof.values.scalars import UnknownScalar
from properties.proof.values.signature import name_and_arguments
from properties.proof.values.unknown import Arguments, unknown
from spec.canister.module import CanisterModule
from spec.canister.wasm_state import WasmState
from spec.values.memory import LinearMemory


@attrs.frozen(eq=False)
class Called:
    """A function of a canister module was called."""

    module: "UnknownModule"
    method: str
    arguments: dict[str, Any]
    result: Any


class UnknownModule(Guarded):
    """A canister module of which nothing is known but what `CanisterModule` promises."""

    def __init__(self, place: str, arguments: Arguments) -> None:
        self._place = place
        self._arguments = arguments

    def _name(self) -> str:
        return self._place

    @property
    def origin(self) -> tuple[str, Arguments]:
        """Its name and arguments: equal ones, the same module."""
        return self._place, self._arguments

    def __eq__(self, other: object) -> Any:
        self._refuse("comparison")

    __hash__ = Guarded.__hash__

    def __getattr__(self, name: str) -> Any:
        member = inspect.getattr_static(CanisterModule, name, None)
        if member is None or name.startswith("_"):
            raise NotFollowed(f"{name} of the unknown module {self._place}, which `CanisterModule` does not have")
        if isinstance(member, property):
            kind = typing.get_type_hints(member.fget, include_extras=True)["return"]
            return unknown(kind, f"{self._place}.{name}", self._arguments)
        return self._method(name, member)

    def _method(self, name: str, member: Callable[..., Any]) -> Callable[..., Any]:
        parameters = inspect.signature(member)
        kind = typing.get_type_hints(member, include_extras=True)["return"]

        def call(*arguments: Any, **named: Any) -> Any:
            bound = parameters.bind(self, *arguments, **named)
            bound.apply_defaults()
            given = {key: value for key, value in bound.arguments.items() if key != "self"}
            result = self._result(name, kind, given)
            calls_of_modules().append(Called(self, name, given, result))
            return result

        return call

    def _result(self, name: str, kind: Any, given: dict[str, Any]) -> Any:
        place, terms = name_and_arguments(f"{self._place}.{name}", tuple(given.values()))
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
        return f"{self._place}[{','.join(describe(UnknownScalar(argument)) for argument in self._arguments)}]"


def calls_of_modules() -> list[Called]:
    """The calls of module functions on this path, in order."""
    calls: list[Called] = path().notes.setdefault("calls", [])
    return calls


@attrs.frozen(eq=False)
class OpaqueCall:
    """An opaque function was called."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    kind: Any
    place: str
    terms: Arguments

    def result(self) -> Any:
        """What it gives: any value of its type, the same for equal arguments."""
        return unknown(self.kind, self.place, self.terms)


def opaque_calls() -> list[OpaqueCall]:
    """The calls of opaque functions on this path, in order."""
    calls: list[OpaqueCall] = path().notes.setdefault("opaque calls", [])
    return calls


def opaque_result(name: str, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """The unknown result of an opaque function."""
    bound = inspect.signature(function).bind(*arguments, **named)
    bound.apply_defaults()
    given = tuple(bound.arguments.values())
    place, terms = name_and_arguments(f"opaque {name}", given)
    kind = typing.get_type_hints(function, include_extras=True)["return"]
    call = OpaqueCall(function, given, kind, place, terms)
    opaque_calls().append(call)
    return call.result()
