"""Interfaces of canisters: types by name, methods, and what an installation takes."""

from collections.abc import Mapping

from attrs import field, frozen
from lark.lexer import Token

from spec.tooling.candid_text.grammar import CandidTextError, Types, parsed, text_of, transformed
from spec.values.candid import CandidType, Defined, Definitions, Func, Opt, Record, Service, Variant, Vec, resolved


@frozen
class Interface:
    """What a canister says of itself."""

    definitions: Definitions = field(factory=dict)
    """The types that have a name."""
    methods: Mapping[str, Func] = field(factory=dict)
    parameters: tuple[CandidType, ...] = ()
    """The types of the arguments of an installation."""


@frozen
class _Definition:
    name: str
    meaning: CandidType


@frozen
class _Actor:
    parameters: tuple[CandidType, ...]
    service: CandidType


class _Interfaces(Types):
    def definition(self, children: list[object]) -> _Definition:
        return _Definition(str(children[0]), children[1])  # type: ignore[arg-type]

    def imported(self, children: list[Token]) -> None:
        raise CandidTextError(f"import {text_of(children[0])!r}: an interface that imports another is not read")

    def actor(self, children: list[object]) -> _Actor:
        *before, service = [each for each in children if not isinstance(each, Token)]
        meaning = Service(service) if isinstance(service, tuple) else service
        return _Actor(before[0] if before else (), meaning)  # type: ignore[arg-type]

    def interface(self, children: list[_Definition | _Actor]) -> list[_Definition | _Actor]:
        return children


def read_interface(text: str) -> Interface:
    """The interface that a text tells. Raises `CandidTextError`."""
    read = transformed(parsed(text, "interface"), _Interfaces())
    assert isinstance(read, list)
    definitions: dict[str | int, CandidType] = {}
    actor = _Actor((), Service(()))
    for each in read:
        match each:
            case _Definition(name, meaning):
                if name in definitions:
                    raise CandidTextError(f"the type {name} is defined twice")
                definitions[name] = meaning
            case _Actor():
                actor = each
    for candid_type in (*definitions.values(), *actor.parameters, actor.service):
        _require_known(candid_type, definitions)
    for known in definitions:
        try:
            resolved(Defined(known), definitions)
        except ValueError:
            raise CandidTextError(f"the type {known} is defined as itself") from None
    return Interface(definitions, _methods(actor.service, definitions), actor.parameters)


def _methods(service: CandidType, definitions: Definitions) -> dict[str, Func]:
    head = resolved(service, definitions)
    if not isinstance(head, Service):
        raise CandidTextError("what stands after `service :` is no service")
    methods = {}
    for name, method in head.methods:
        function = resolved(method, definitions)
        if not isinstance(function, Func):
            raise CandidTextError(f"the method {name} is no function")
        methods[name] = function
    return methods


def _require_known(candid_type: CandidType, definitions: Definitions) -> None:
    """Every name in a type is that of a type. Raises `CandidTextError`."""
    match candid_type:
        case Defined(name) if name not in definitions:
            raise CandidTextError(f"the type {name} is not defined")
        case Opt(content) | Vec(content):
            _require_known(content, definitions)
        case Record(fields) | Variant(fields):
            for _, content in fields:
                _require_known(content, definitions)
        case Func(parameters, results):
            for content in (*parameters, *results):
                _require_known(content, definitions)
        case Service(methods):
            for _, content in methods:
                _require_known(content, definitions)
