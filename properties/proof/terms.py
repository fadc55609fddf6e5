"""
Unknown numbers, truth values, names and enumeration members.

They stand where the rules expect `int`, `bool`, `bytes`, `str` and members of enumerations. Whatever would silently
give a wrong answer on an unknown value (hashing, `range`, indexing) is refused.
"""

import itertools
from enum import Enum
from typing import Any, NoReturn

import attrs
import z3

from properties.proof.exploration import (
    Formula,
    Refused,
    Term,
    cases,
    conjunction,
    disjunction,
    keep,
    learn,
    truth,
)

_literals: dict[str | bytes, int] = {}
_markers = itertools.count()


def application(name: str, arguments: tuple[Term | Formula, ...], sort: Any = None) -> Any:
    """The unknown `name` of some arguments: equal arguments, equal values. An integer unless another sort is given."""
    key = (name, tuple(argument.get_id() for argument in arguments))
    if key not in _applications:
        range_sort = z3.IntSort() if sort is None else sort
        if arguments:
            function = z3.Function(name, *(keep(argument).sort() for argument in arguments), range_sort)
            _applications[key] = keep(function(*arguments))
        else:
            _applications[key] = keep(z3.Const(name, range_sort))
    return _applications[key]


_applications: dict[tuple[str, tuple[int, ...]], Any] = {}
_ranges: dict[tuple[int, int | None], Formula] = {}


def learn_range(term: Term, size: int | None = None) -> None:
    """The term is a natural number, and below a size if one is given."""
    key = (term.get_id(), size)
    if key not in _ranges:
        _ranges[key] = keep(term >= 0 if size is None else z3.And(term >= 0, term < size))
    learn(_ranges[key], always=True)


def literal(name: str | bytes) -> Term:
    """A known name as a number of its own."""
    return z3.IntVal(_literals.setdefault(name, -1 - len(_literals)))


def literal_of(number: int) -> str | bytes | None:
    """The known name with this number."""
    return next((name for name, known in _literals.items() if known == number), None)


def lift(value: Any) -> Any:
    """The Z3 term of a scalar, known or unknown."""
    match value:
        case Unknown():
            return value.term
        case bool():
            return z3.BoolVal(value)
        case Enum():
            return z3.IntVal(list(type(value)).index(value))
        case int():
            return z3.IntVal(value)
        case str() | bytes():
            return literal(value)
        case _:
            raise Refused(f"a {type(value).__name__} is no scalar")


class Unknown:
    """An unknown scalar."""

    __slots__ = ("term",)

    def __init__(self, term: Any) -> None:
        self.term = term

    def __repr__(self) -> str:
        return f"<{self.term}>"

    def _refuse(self, what: str) -> NoReturn:
        raise Refused(f"{what} of the unknown value {self.term}")

    def __hash__(self) -> int:
        self._refuse("the hash")

    def __index__(self) -> int:
        self._refuse("the exact number")

    def __int__(self) -> int:
        self._refuse("the exact number")

    def __iter__(self) -> NoReturn:
        self._refuse("the parts")

    def __len__(self) -> int:
        self._refuse("the exact length")

    def __format__(self, specification: str) -> str:
        return f"<{next(_markers)}: {self.term}>"


class UnknownTruth(Unknown):
    """An unknown truth value."""

    __slots__ = ()
    __hash__ = Unknown.__hash__

    def __bool__(self) -> bool:
        return truth(self.term)

    def __and__(self, other: "UnknownTruth | bool") -> "UnknownTruth":
        return UnknownTruth(z3.And(self.term, lift(other)))

    __rand__ = __and__

    def __or__(self, other: "UnknownTruth | bool") -> "UnknownTruth":
        return UnknownTruth(z3.Or(self.term, lift(other)))

    __ror__ = __or__

    def __eq__(self, other: object) -> Any:
        return UnknownTruth(self.term == lift(other)) if isinstance(other, UnknownTruth | bool) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return UnknownTruth(self.term != lift(other)) if isinstance(other, UnknownTruth | bool) else NotImplemented


def is_number(value: object) -> bool:
    """The value is an integer, known or unknown."""
    return isinstance(value, UnknownNumber | int) and not isinstance(value, Enum)


class UnknownNumber(Unknown):
    """An unknown integer."""

    __slots__ = ()
    __hash__ = Unknown.__hash__

    def __bool__(self) -> bool:
        return truth(z3.Not(self.term == 0))

    def __add__(self, other: "UnknownNumber | int") -> "UnknownNumber":
        return UnknownNumber(self.term + lift(other)) if is_number(other) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: "UnknownNumber | int") -> "UnknownNumber":
        return UnknownNumber(self.term - lift(other)) if is_number(other) else NotImplemented

    def __rsub__(self, other: "UnknownNumber | int") -> "UnknownNumber":
        return UnknownNumber(lift(other) - self.term) if is_number(other) else NotImplemented

    def __neg__(self) -> "UnknownNumber":
        return UnknownNumber(-self.term)

    def __mul__(self, other: "UnknownNumber | int") -> "UnknownNumber":
        if isinstance(other, UnknownNumber):
            first, second = sorted((self.term, other.term), key=lambda term: int(term.get_id()))
            product = application("product", (keep(first), keep(second)))
            learn(z3.Implies(z3.And(first >= 0, second >= 0), product >= 0), always=True)
            return UnknownNumber(product)
        return UnknownNumber(self.term * lift(other)) if is_number(other) else NotImplemented

    __rmul__ = __mul__

    def __floordiv__(self, other: "UnknownNumber | int") -> "UnknownNumber":
        if isinstance(other, UnknownNumber):
            quotient = application("quotient", (self.term, other.term))
            learn(z3.Implies(z3.And(self.term >= 0, other.term > 0), quotient >= 0), always=True)
            return UnknownNumber(quotient)
        if not is_number(other) or other <= 0:
            self._refuse("this quotient")
        return UnknownNumber(self.term / lift(other))

    def __mod__(self, other: int) -> "UnknownNumber":
        if isinstance(other, UnknownNumber) or not is_number(other) or other <= 0:
            self._refuse("this remainder")
        return UnknownNumber(self.term % lift(other))

    def __eq__(self, other: object) -> Any:
        return UnknownTruth(self.term == lift(other)) if is_number(other) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return UnknownTruth(z3.Not(self.term == lift(other))) if is_number(other) else NotImplemented

    def __lt__(self, other: "UnknownNumber | int") -> UnknownTruth:
        return UnknownTruth(self.term < lift(other))

    def __le__(self, other: "UnknownNumber | int") -> UnknownTruth:
        return UnknownTruth(self.term <= lift(other))

    def __gt__(self, other: "UnknownNumber | int") -> UnknownTruth:
        return UnknownTruth(self.term > lift(other))

    def __ge__(self, other: "UnknownNumber | int") -> UnknownTruth:
        return UnknownTruth(self.term >= lift(other))


class UnknownName(Unknown):
    """An unknown principal, blob or text: it can be compared, and has a length."""

    __slots__ = ()
    __hash__ = Unknown.__hash__

    def __bool__(self) -> bool:
        return truth(z3.Not(z3.Or(self.term == literal(b""), self.term == literal(""))))

    def __eq__(self, other: object) -> Any:
        return (
            UnknownTruth(self.term == lift(other)) if isinstance(other, UnknownName | str | bytes) else NotImplemented
        )

    def __ne__(self, other: object) -> Any:
        same = self.__eq__(other)
        return same if same is NotImplemented else UnknownTruth(z3.Not(same.term))

    def length(self) -> UnknownNumber:
        """The number of bytes or characters."""
        length = application("length", (self.term,))
        learn_range(length)
        return UnknownNumber(length)


class UnknownMember(Unknown):
    """An unknown member of an enumeration, given by the place of the member."""

    __slots__ = ("enumeration",)
    __hash__ = Unknown.__hash__

    def __init__(self, term: Term, enumeration: type[Enum]) -> None:
        super().__init__(term)
        self.enumeration = enumeration
        learn_range(term, len(enumeration))

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return self.enumeration

    def __eq__(self, other: object) -> Any:
        if type(other) is UnknownMember or isinstance(other, self.enumeration):
            return UnknownTruth(keep(self.term == lift(other)))
        return NotImplemented

    def __ne__(self, other: object) -> Any:
        same = self.__eq__(other)
        return same if same is NotImplemented else UnknownTruth(z3.Not(same.term))

    @property
    def value(self) -> UnknownName:
        """The value of a member."""
        return UnknownName(application(f"value of {self.enumeration.__name__}", (self.term,)))


def merged_formula(function: Any, **how: Any) -> Formula:
    """A truth-valued function as one formula."""
    parts = []
    for trail, result in cases(function, **how):
        if result is False or z3.is_false(lift(result)):
            continue
        parts.append(conjunction([*trail, *([] if result is True else [lift(result)])]))
    return disjunction(parts)


def merged_number(function: Any) -> Any:
    """An integer-valued function as one integer."""
    return merged_of_cases(cases(function))


def merged_of_cases(found: list[tuple[list[Formula], Any]]) -> Any:
    """One value out of the values of several cases, which are scalars of one kind or records of such scalars."""
    (trail, result), *others = found
    if not others and not trail:
        return result
    if isinstance(result, bool) or type(result) is UnknownTruth:
        return UnknownTruth(disjunction([conjunction([*trail, lift(result)]) for trail, result in found]))
    if attrs.has(type(result)):
        return _merged_record(found)
    term = lift(found[-1][1])
    for trail, result in reversed(found[:-1]):
        term = z3.If(conjunction(trail), lift(result), term)
    keep(term)
    if type(result) is UnknownMember:
        return UnknownMember(term, result.enumeration)
    if isinstance(result, Enum):
        return UnknownMember(term, type(result))
    return UnknownName(term) if isinstance(result, UnknownName | str | bytes) else UnknownNumber(term)


def _merged_record(found: list[tuple[list[Formula], Any]]) -> Any:
    kind = found[0][1].__class__
    kind = getattr(kind, "kind", kind)
    parts = {}
    for field in attrs.fields(kind):
        parts[field.name] = merged_of_cases([(trail, getattr(result, field.name)) for trail, result in found])
    return kind(**parts)
