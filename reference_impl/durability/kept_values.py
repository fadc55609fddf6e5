"""
Values of a state as CBOR, and back: what is written into state directories.

A value of a class is written with the name of its class and its fields. Only classes of states are read, with their own
checks; nothing in a file makes anything else happen.
"""

import enum
import importlib
from collections.abc import Mapping
from typing import Any, Final

import attrs
import cbor2
from rpds import HashTrieMap

from spec.values.identifiers import Blob, Text

MODULES: Final = (
    "reference_impl.trace.restoration",
    "spec.canister.environment",
    "spec.canister.outcome",
    "spec.canister.wasm_state",
    "spec.state.call_context",
    "spec.state.canister",
    "spec.state.history",
    "spec.state.message",
    "spec.state.origin",
    "spec.state.request",
    "spec.state.snapshot",
    "spec.values.canister_terms",
    "spec.values.changes",
    "spec.values.containers",
    "spec.values.delegations",
    "spec.values.memory",
    "spec.values.rejects",
)
"""Where the classes of states stand."""


class Tag:
    """Tags of our own for values that CBOR does not have."""

    OBJECT: Final = 40_500
    ENUMERATED: Final = 40_501
    PERSISTENT: Final = 40_502
    TUPLE: Final = 40_503


class NoValue(Exception):
    """A file holds no value of a state."""


def _classes() -> Mapping[Text, type]:
    found: dict[Text, type] = {}
    for name in MODULES:
        for each in vars(importlib.import_module(name)).values():
            if isinstance(each, type) and each.__module__ == name and (attrs.has(each) or issubclass(each, enum.Enum)):
                assert found.setdefault(each.__name__, each) is each, f"{each.__name__} names one class"
    return found


CLASSES: Final = _classes()
"""The classes of states by their names."""


def _taken_apart(value: Any) -> Any:
    match value:
        case enum.Enum():
            return cbor2.CBORTag(Tag.ENUMERATED, [type(value).__name__, value.name])
        case None | bool() | int() | str() | bytes():
            return value
        case tuple():
            return cbor2.CBORTag(Tag.TUPLE, [_taken_apart(one) for one in value])
        case list():
            return [_taken_apart(one) for one in value]
        case dict():
            return {key: _taken_apart(one) for key, one in value.items()}
        case HashTrieMap():
            entries = [[_taken_apart(key), _taken_apart(one)] for key, one in value.items()]
            return cbor2.CBORTag(Tag.PERSISTENT, entries)
        case _ if type(value).__name__ in CLASSES:
            fields = {one.name: _taken_apart(getattr(value, one.name)) for one in attrs.fields(type(value)) if one.init}
            return cbor2.CBORTag(Tag.OBJECT, [type(value).__name__, fields])
    raise TypeError(f"a {type(value).__name__} is no value of a state")


def encoded(value: Any) -> Blob:
    """A value as bytes."""
    return cbor2.dumps(_taken_apart(value))


def decoded(content: Blob) -> Any:
    """The value in bytes. Raises `NoValue`."""
    try:
        return _put_together(cbor2.loads(content))
    except NoValue:
        raise
    except Exception as problem:
        raise NoValue(f"{type(problem).__name__}: {problem}") from None


def _put_together(item: Any) -> Any:
    match item:
        case cbor2.CBORTag(tag=Tag.TUPLE, value=items):
            return tuple(map(_put_together, items))
        case cbor2.CBORTag(tag=Tag.PERSISTENT, value=entries):
            return HashTrieMap({_put_together(key): _put_together(one) for key, one in entries})
        case cbor2.CBORTag(tag=Tag.ENUMERATED, value=[name, member]):
            return CLASSES[name][member]  # type: ignore[index]
        case cbor2.CBORTag(tag=Tag.OBJECT, value=[name, fields]):
            kind = CLASSES[name]
            aliases = {one.name: one.alias for one in attrs.fields(kind)}
            return kind(**{aliases[field]: _put_together(one) for field, one in fields.items()})
        case cbor2.CBORTag():
            raise NoValue(f"the tag {item.tag} stands for no value of a state")
        case list() | tuple():
            return [_put_together(one) for one in item]
        case Mapping():
            return {key: _put_together(one) for key, one in item.items()}
        case None | bool() | int() | str() | bytes():
            return item
    raise NoValue(f"a {type(item).__name__} is no value of a state")
