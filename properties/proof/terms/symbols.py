"""Symbols: terms that stay themselves, unknown functions of terms, and known names as numbers."""

from typing import Any

import attrs
import z3

from properties.proof.terms.formulas import Formula, Term
from properties.proof.terms.session import session


@attrs.define(eq=False)
class Symbols:
    """The terms of a session."""

    kept: dict[int, Term | Formula] = attrs.field(factory=dict)
    """Z3 gives numbers of dead terms to new ones, so every term whose number is remembered stays alive."""
    applications: dict[tuple[str, tuple[int, ...], str], Any] = attrs.field(factory=dict)
    """By name, numbers of the arguments, and sort."""
    literals: dict[str | bytes, int] = attrs.field(factory=dict)
    """The numbers of known names."""
    ranges: dict[tuple[int, int | None], Formula] = attrs.field(factory=dict)
    """That a term is natural and below a size, by the number of the term and the size."""


def symbols() -> Symbols:
    """The terms of the open session."""
    return session().part(Symbols)


def keep(term: Term | Formula) -> Any:
    """The term, whose number stays its own."""
    return symbols().kept.setdefault(term.get_id(), term)


def application(name: str, arguments: tuple[Term | Formula, ...], sort: Any = None) -> Any:
    """The unknown `name` of some arguments: equal arguments, equal values. An integer unless another sort is given."""
    range_sort = z3.IntSort() if sort is None else sort
    known = symbols().applications
    key = (name, tuple(argument.get_id() for argument in arguments), range_sort.name())
    if key not in known:
        if arguments:
            function = z3.Function(name, *(keep(argument).sort() for argument in arguments), range_sort)
            known[key] = keep(function(*arguments))
        else:
            known[key] = keep(z3.Const(name, range_sort))
    return known[key]


def literal(name: str | bytes) -> Term:
    """A known name as a number of its own."""
    literals = symbols().literals
    return z3.IntVal(literals.setdefault(name, -1 - len(literals)))


def literal_of(number: int) -> str | bytes | None:
    """The known name with this number."""
    return next((name for name, known in symbols().literals.items() if known == number), None)


def natural_range(term: Term, size: int | None) -> Formula:
    """The term is a natural number, and below a size if one is given."""
    ranges = symbols().ranges
    key = (keep(term).get_id(), size)
    if key not in ranges:
        ranges[key] = keep(term >= 0 if size is None else z3.And(term >= 0, term < size))
    return ranges[key]
