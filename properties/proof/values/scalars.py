"""
Unknown numbers, truth values, names and enumeration members.

They stand where the rules expect `int`, `bool`, `bytes`, `str` and members of enumerations, and answer `isinstance` and
`match` as those would. What would silently give a wrong answer on an unknown value (hashing, `range`, indexing, texts,
comparison with something of another kind) is refused.
"""

from enum import Enum
from typing import Any

import z3

from properties.proof.paths.refusal import NotFollowed
from properties.proof.paths.runs import learn, learn_range, truth
from properties.proof.terms.formulas import Formula, Term, disjunction
from properties.proof.terms.symbols import application, keep, literal
from properties.proof.values.guarded import Guarded


class UnknownScalar(Guarded):
    """An unknown scalar."""

    __slots__ = ("term",)

    def __init__(self, term: Any) -> None:
        self.term = term

    def _name(self) -> str:
        return str(self.term)

    def __eq__(self, other: object) -> Any:
        if other is None:
            return False
        formula = self._equals(other)
        if formula is None:
            raise NotFollowed(f"comparison of the unknown value {self.term} with a {type(other).__name__}")
        return UnknownTruth(formula)

    def __ne__(self, other: object) -> Any:
        return negation(self == other)

    __hash__ = Guarded.__hash__

    def _equals(self, other: Any) -> Formula | None:
        """Both are equal; None if they cannot be compared."""
        raise NotImplementedError


def is_unknown(value: object, kind: type[UnknownScalar] = UnknownScalar) -> bool:
    """The value is an unknown one of this kind; its class is not asked, since it answers as a known value would."""
    return issubclass(type(value), kind)


def is_number(value: object) -> bool:
    """The value counts as a number in Python, known or unknown: truth values and some enumerations do."""
    kind = type(value)
    return issubclass(kind, UnknownNumber | UnknownTruth | int) or (
        kind is UnknownMember and issubclass(value.enumeration, int)  # type: ignore[attr-defined]
    )


def number_term(value: Any) -> Term:
    """The term of a number."""
    if not is_number(value):
        raise NotFollowed(f"a {type(value).__name__} is no number")
    if is_unknown(value, UnknownTruth):
        return z3.If(value.term, z3.IntVal(1), z3.IntVal(0))
    return value.term if is_unknown(value) else z3.IntVal(int(value))


def member_number(member: Enum) -> int:
    """The number by which terms know a member of an enumeration: its value if that is one, else its place."""
    return int(member) if isinstance(member, int) else list(type(member)).index(member)


def lift(value: Any) -> Any:
    """The Z3 term of a scalar, known or unknown."""
    if is_unknown(value):
        return value.term
    match value:
        case bool():
            return z3.BoolVal(value)
        case Enum():
            return z3.IntVal(member_number(value))
        case int():
            return z3.IntVal(value)
        case str() | bytes():
            return literal(value)
        case _:
            what = "None" if value is None else f"a {type(value).__name__}"
            raise NotFollowed(f"{what} where a number, a truth value or a name has to be")


def negation(value: Any) -> Any:
    """Not so."""
    return UnknownTruth(z3.Not(value.term)) if type(value) is UnknownTruth else not value


class UnknownTruth(UnknownScalar):
    """An unknown truth value."""

    __slots__ = ()
    __hash__ = UnknownScalar.__hash__

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return bool

    def __bool__(self) -> bool:
        return truth(self.term)

    def __and__(self, other: Any) -> "UnknownTruth":
        return UnknownTruth(z3.And(self.term, _truth_term(other)))

    __rand__ = __and__

    def __or__(self, other: Any) -> "UnknownTruth":
        return UnknownTruth(z3.Or(self.term, _truth_term(other)))

    __ror__ = __or__

    def _equals(self, other: Any) -> Formula | None:
        if type(other) in (UnknownTruth, bool):
            return self.term == lift(other)
        return number_term(self) == number_term(other) if is_number(other) else None


def _truth_term(value: Any) -> Formula:
    if type(value) not in (UnknownTruth, bool):
        raise NotFollowed(f"a {type(value).__name__} is no truth value")
    return lift(value)


class UnknownNumber(UnknownScalar):
    """An unknown integer."""

    __slots__ = ()
    __hash__ = UnknownScalar.__hash__

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return int

    def __bool__(self) -> bool:
        return truth(z3.Not(self.term == 0))

    def __add__(self, other: Any) -> "UnknownNumber":
        return UnknownNumber(self.term + number_term(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> "UnknownNumber":
        return UnknownNumber(self.term - number_term(other))

    def __rsub__(self, other: Any) -> "UnknownNumber":
        return UnknownNumber(number_term(other) - self.term)

    def __neg__(self) -> "UnknownNumber":
        return UnknownNumber(-self.term)

    def __mul__(self, other: Any) -> "UnknownNumber":
        if not is_unknown(other):
            return UnknownNumber(self.term * number_term(other))
        first, second = sorted((keep(self.term), keep(number_term(other))), key=lambda term: int(term.get_id()))
        product = application("product", (first, second))
        learn(z3.Implies(z3.And(first >= 0, second >= 0), product >= 0), always=True)
        return UnknownNumber(product)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> "UnknownNumber":
        divisor = _divisor(other)
        if not is_unknown(other):
            return UnknownNumber(self.term / divisor)
        quotient = application("quotient", (keep(self.term), keep(divisor)))
        learn(z3.Implies(z3.And(self.term >= 0, divisor > 0), quotient >= 0), always=True)
        return UnknownNumber(quotient)

    def __mod__(self, other: Any) -> "UnknownNumber":
        if is_unknown(other):
            self._refuse("a remainder by an unknown number")
        return UnknownNumber(self.term % _divisor(other))

    def _equals(self, other: Any) -> Formula | None:
        return self.term == number_term(other) if is_number(other) else None

    def __lt__(self, other: Any) -> UnknownTruth:
        return UnknownTruth(self.term < number_term(other))

    def __le__(self, other: Any) -> UnknownTruth:
        return UnknownTruth(self.term <= number_term(other))

    def __gt__(self, other: Any) -> UnknownTruth:
        return UnknownTruth(self.term > number_term(other))

    def __ge__(self, other: Any) -> UnknownTruth:
        return UnknownTruth(self.term >= number_term(other))


def _divisor(value: Any) -> Term:
    """The term of a divisor, which is positive on this path: Python and Z3 round alike then."""
    term = number_term(value)
    if not truth(z3.simplify(term > 0)):
        raise NotFollowed(f"the divisor {term} may be zero or negative")
    return term


class UnknownName(UnknownScalar):
    """An unknown principal, blob or text: it can be compared, and has a length."""

    __slots__ = ("kind",)
    __hash__ = UnknownScalar.__hash__

    def __init__(self, term: Any, kind: type | None = None) -> None:
        super().__init__(term)
        self.kind = kind
        """`str` or `bytes`, if it is known which."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        if self.kind is None:
            self._refuse("the class")
        return self.kind

    def __bool__(self) -> bool:
        if self.kind is None:
            self._refuse("the truth")
        return truth(z3.Not(self.term == literal(self.kind())))

    def _equals(self, other: Any) -> Formula | None:
        if is_unknown(other, UnknownName):
            return self.term == other.term
        return self.term == literal(other) if type(other) in (str, bytes) else None

    def length(self) -> UnknownNumber:
        """The number of bytes or characters."""
        length = application("length", (keep(self.term),))
        learn_range(length)
        return UnknownNumber(length)


class UnknownMember(UnknownScalar):
    """An unknown member of an enumeration."""

    __slots__ = ("enumeration",)
    __hash__ = UnknownScalar.__hash__

    def __init__(self, term: Term, enumeration: type[Enum]) -> None:
        super().__init__(term)
        self.enumeration = enumeration
        if issubclass(enumeration, int):
            learn(keep(disjunction([term == member_number(member) for member in enumeration])), always=True)
        else:
            learn_range(term, len(enumeration))

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return self.enumeration

    def __bool__(self) -> bool:
        if issubclass(self.enumeration, int | str):
            self._refuse("the truth")
        return True

    def _equals(self, other: Any) -> Formula | None:
        if type(other) is self.enumeration or (type(other) is UnknownMember and other.enumeration is self.enumeration):
            return keep(self.term == lift(other))
        if issubclass(self.enumeration, int) and is_number(other):
            return keep(self.term == number_term(other))
        if issubclass(self.enumeration, int | str) or not (type(other) is UnknownMember or isinstance(other, Enum)):
            return None
        return z3.BoolVal(False)

    @property
    def value(self) -> Any:
        """The value of a member."""
        return self._chosen([member.value for member in self.enumeration])

    @property
    def name(self) -> Any:
        """The name of a member."""
        return self._chosen([member.name for member in self.enumeration])

    def _chosen(self, parts: list[Any]) -> Any:
        *others, last = zip(self.enumeration, parts, strict=True)
        term = lift(last[1])
        for member, part in reversed(others):
            term = z3.If(self.term == member_number(member), lift(part), term)
        kinds = {type(part) for part in parts}
        if kinds == {int}:
            return UnknownNumber(keep(term))
        if kinds in ({str}, {bytes}):
            return UnknownName(keep(term), kinds.pop())
        raise NotFollowed(f"a part of the unknown member {self.term}, which is a number of some and a text of others")
