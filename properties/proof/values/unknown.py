"""
Unknown values of any type of the specification, read off its annotations.

An unknown value is a name and arguments: `unknown(kind, "state.call_contexts", (k,))` is the value of the map at `k`,
the same whenever it is asked for. Its parts come into being when they are looked at: a record knows only the fields
that were read, and a union is one of its members only once something depends on which.
"""

import inspect
import types
import typing
from collections.abc import Mapping
from enum import Enum, Flag
from functools import cache
from types import SimpleNamespace
from typing import Any, ClassVar

import attrs
import z3

from properties.proof.paths.refusal import GENERATED, NotFollowed, shown
from properties.proof.paths.runs import choose, learn_range, narrow, truth
from properties.proof.terms.formulas import Formula, Term, conjunction, disjunction
from properties.proof.terms.session import session
from properties.proof.terms.symbols import application, keep
from properties.proof.values.guarded import Guarded
from properties.proof.values.scalars import (
    UnknownMember,
    UnknownName,
    UnknownNumber,
    UnknownTruth,
    lift,
    negation,
)
from spec.values.quantities import Natural

Arguments = tuple[Any, ...]


@cache
def annotations_of(kind: type) -> dict[str, Any]:
    """The annotated types of the fields of a class."""
    # The class of persistent maps cannot be subscripted at run time.
    return typing.get_type_hints(kind, localns={"HashTrieMap": Mapping}, include_extras=True)


def members_of(kind: Any) -> tuple[Any, ...]:
    """The members of a union; a type is a union of one."""
    if isinstance(kind, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
        return members_of(kind.__value__)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(member for part in typing.get_args(kind) for member in members_of(part))
    return (kind,)


@attrs.define(eq=False)
class Makers:
    """How unknown values of classes are made that are not known by their fields; filled when a session begins."""

    containers: dict[type, Any] = attrs.field(factory=dict)
    """By the class of a container; given the types of its parts, a name, and arguments."""
    protocols: dict[type, Any] = attrs.field(factory=dict)
    """By a class that is known by its methods only; given a name and arguments."""


def makers() -> Makers:
    """Those of the open session."""
    return session().part(Makers)


def unknown(kind: Any, name: str, arguments: Arguments = ()) -> Any:
    """The unknown value of a type with this name."""
    members = members_of(kind)
    if len(members) > 1:
        return one_of(members, name, arguments)
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        if typing.get_args(kind)[0] is not int:
            return unknown(typing.get_args(kind)[0], name, arguments)
        number = UnknownNumber(application(name, arguments))
        if any(isinstance(mark, Natural) for mark in typing.get_args(kind)[1:]):
            learn_range(number.term)
        return number
    if isinstance(kind, typing.NewType):
        return unknown(kind.__supertype__, name, arguments)
    if origin is typing.Literal:
        return unknown_literal(typing.get_args(kind), name, arguments)
    if (origin or kind) in makers().containers:
        return makers().containers[origin or kind](typing.get_args(kind), name, arguments)
    if origin is tuple and Ellipsis not in typing.get_args(kind):
        return tuple(unknown(part, f"{name}.{index}", arguments) for index, part in enumerate(typing.get_args(kind)))
    if not isinstance(kind, type) or origin is not None:
        return UnknownName(application(name, arguments))
    return unknown_of_class(kind, name, arguments)


def unknown_of_class(kind: type, name: str, arguments: Arguments) -> Any:
    """The unknown instance of a class."""
    if kind in makers().protocols:
        return makers().protocols[kind](name, arguments)
    if kind is bool:
        return UnknownTruth(application(name, arguments, z3.BoolSort()))
    if kind is int:
        return UnknownNumber(application(name, arguments))
    if issubclass(kind, Enum):
        check_enumeration(kind)
        return UnknownMember(application(name, arguments), kind)
    if attrs.has(kind):
        return record_class(kind).unknown(name, arguments)
    return UnknownName(application(name, arguments), kind if kind in (str, bytes) else None)


def unknown_literal(values: tuple[Any, ...], name: str, arguments: Arguments) -> Any:
    """One of a few known values."""
    tag = application(name, arguments)
    return values[choose([keep(tag == index) for index in range(len(values))], tag)]


def one_of(members: tuple[Any, ...], name: str, arguments: Arguments) -> Any:
    """A value of one of several types. Whether it is None must be decided at once, the rest later."""
    if type(None) in members:
        absent = application(f"{name} is none", arguments, z3.BoolSort())
        if choose([absent, z3.Not(absent)], absent) == 0:
            return None
        members = tuple(member for member in members if member is not type(None))
    return unknown(members[0], name, arguments) if len(members) == 1 else OneOf(members, name, arguments)


class OneOf(Guarded):
    """An unknown value of one of several classes. Asking for its class decides which."""

    def __init__(self, members: tuple[Any, ...], name: str, arguments: Arguments) -> None:
        tag = application(f"{name} is", arguments)
        learn_range(tag, len(members))
        object.__setattr__(self, "_unknown", (members, name, arguments, tag))

    def members(self) -> tuple[type, ...]:
        """The classes of which it may be."""
        members: tuple[type, ...] = object.__getattribute__(self, "_unknown")[0]
        return members

    def is_instance(self, kinds: Any) -> bool:
        """As `isinstance`, deciding no more than that."""
        members, _, _, tag = object.__getattribute__(self, "_unknown")
        inside = [index for index, member in enumerate(members) if issubclass(member, kinds)]
        if not 0 < len(inside) < len(members):
            return bool(inside)
        options = [keep(tag == index) for index in inside]
        answer = truth(keep(disjunction(options)))
        narrow(tag, [index for index in range(len(members)) if (index in inside) is answer])
        return answer

    @property
    def _known(self) -> Any:
        members, name, arguments, tag = object.__getattribute__(self, "_unknown")
        pick = choose([keep(tag == index) for index in range(len(members))], tag)
        return unknown(members[pick], f"{name}.{name_of(members[pick])}", arguments)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        known: type = self._known.__class__
        return known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._known, name)

    def __eq__(self, other: object) -> Any:
        if type(other) is OneOf and _same_identity(self._unknown, other._unknown):
            return True
        return same(self._known, other)

    def __ne__(self, other: object) -> Any:
        return negation(self == other)

    __hash__ = Guarded.__hash__

    def __bool__(self) -> bool:
        return bool(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, item: Any) -> bool:
        return item in self._known

    def _name(self) -> str:
        name: str = object.__getattribute__(self, "_unknown")[1]
        return name


def _same_identity(left: Any, right: Any) -> bool:
    return left[1] == right[1] and all(a.eq(b) for a, b in zip(left[2], right[2], strict=True))


def name_of(kind: Any) -> str:
    """A short name of a type."""
    return getattr(kind, "__name__", str(kind))


def same(left: Any, right: Any) -> Any:
    """Whether two values are equal."""
    return True if left is right else left == right


@attrs.frozen(eq=False)
class Origin:
    """Where the fields of a record come from."""

    kind: type
    name: str
    arguments: Arguments

    def field(self, name: str) -> Any:
        """The unknown value of a field."""
        return unknown(annotations_of(self.kind)[name], f"{self.name}.{name}", self.arguments)

    def is_same(self, other: "Origin") -> bool:
        """Both are the same unknown value."""
        return (
            self.kind is other.kind
            and self.name == other.name
            and all(left.eq(right) for left, right in zip(self.arguments, other.arguments, strict=True))
        )


class Record(Guarded):
    """What the unknown instances of attrs classes have in common: an origin, and fields changed since."""

    __slots__ = ()
    kind: ClassVar[type]
    made_from: Origin
    made_changes: Mapping[str, Any]

    def _name(self) -> str:
        return f"{self.made_from.name} but {sorted(self.made_changes)}"

    @classmethod
    def unknown(cls, name: str, arguments: Arguments) -> Any:
        """The unknown value with this name."""
        return cls.made(Origin(cls.kind, name, arguments), {})

    @classmethod
    def made(cls, origin: Origin, changes: Mapping[str, Any]) -> Any:
        """A record of an origin with changed fields."""
        record = object.__new__(cls)
        object.__setattr__(record, "made_from", origin)
        object.__setattr__(record, "made_changes", changes)
        return record


def _read(name: str) -> property:
    def read(self: Any) -> Any:
        return self.made_changes[name] if name in self.made_changes else self.made_from.field(name)

    return property(read)


def _equal_records(self: Any, other: object) -> Any:
    if self is other:
        return True
    if not isinstance(other, self.kind):
        return False
    related = issubclass(type(other), Record) and self.made_from.is_same(other.made_from)
    formulas: list[Formula] = []
    for field in attrs.fields(self.kind):
        if not field.eq:
            continue
        if related and field.name not in self.made_changes and field.name not in other.made_changes:
            continue
        answer = same(getattr(self, field.name), getattr(other, field.name))
        if answer is False:
            return False
        if answer is not True:
            formulas.append(lift(answer))
    return UnknownTruth(conjunction(formulas)) if formulas else True


UNFORESEEN = ("__bool__", "__len__", "__iter__", "__contains__", "__getitem__", "__getattr__", "__attrs_post_init__")
"""What a class may not define if its unknown instances are to behave as its known ones do."""


def check_class(kind: type) -> None:
    """Fields of the class are what was put into them, and its instances are equal if all fields are."""
    _, line = inspect.getsourcelines(kind)
    place = f"{shown(inspect.getfile(kind))}:{line}: the class {kind.__name__}"
    for name in UNFORESEEN:
        if hasattr(kind, name):
            raise NotFollowed("unknown instances do not know its method " + name, place)
    for field in attrs.fields(kind):
        if field.converter is not None or field.validator is not None:
            raise NotFollowed(f"its field {field.name} is converted or validated", place)
        if field.eq_key is not None:
            raise NotFollowed(f"its field {field.name} is compared in a way of its own", place)
    code = getattr(kind.__eq__, "__code__", None)
    if code is None or not code.co_filename.startswith(GENERATED):
        raise NotFollowed("its instances are compared in a way of their own", place)


@cache
def check_enumeration(kind: type[Enum]) -> None:
    """A value of the enumeration is one of its members, and equal to itself alone."""
    own = [each for each in kind.__mro__ if each.__module__.startswith("spec.")]
    if issubclass(kind, Flag) or any(name in vars(each) for each in own for name in ("__eq__", "__bool__")):
        _, line = inspect.getsourcelines(kind)
        place = f"{shown(inspect.getfile(kind))}:{line}: the enumeration {kind.__name__}"
        raise NotFollowed("its values are not just its members, or are compared in a way of their own", place)


@cache
def record_class(kind: type) -> Any:
    """The class of unknown instances of an attrs class; `evolve` and `match` work on them as on known ones."""
    check_class(kind)
    fields = {field.name: _read(field.name) for field in attrs.fields(kind)}

    def new(cls: Any, *, itself: Any, **changes: Any) -> Any:
        return cls.made(itself.made_from, {**itself.made_changes, **changes})

    body = {
        **fields,
        "__slots__": ("made_from", "made_changes"),
        "kind": kind,
        "itself": property(lambda self: self),
        "__new__": new,
        "__init__": lambda self, **changes: None,
        "__eq__": _equal_records,
        "__ne__": lambda self, other: negation(self == other),
        "__hash__": Guarded.__hash__,
        "__repr__": Guarded.__repr__,
        "__str__": Guarded.__str__,
        "__bool__": lambda self: True,
    }
    made = type(f"Unknown{kind.__name__}", (Record, kind), body)
    # `evolve` hands over each of these; the record itself is the only one, so that nothing is read for it.
    made.__attrs_attrs__ = (SimpleNamespace(init=True, name="itself", alias="itself"),)  # type: ignore[attr-defined]
    return made


def key_of(kind: Any, term: Term) -> Any:
    """An unknown key of a container, as a value of its type."""
    while isinstance(kind, typing.NewType):
        kind = kind.__supertype__
    if typing.get_origin(kind) is typing.Annotated or kind is int:
        return UnknownNumber(term)
    if isinstance(kind, type) and issubclass(kind, Enum):
        check_enumeration(kind)
        return UnknownMember(term, kind)
    return UnknownName(term, kind if kind in (str, bytes) else None)
