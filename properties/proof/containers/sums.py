"""
Sums over the elements of a container of unknown size.

A sum is an unknown number; what relates two sums is found by looking at one element, about which nothing is known but
that it is in the container.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import z3

from properties.proof.containers.laws import Root, any_element_of, apply_laws, touch
from properties.proof.paths.runs import Path, path
from properties.proof.terms.formulas import Formula, Term
from properties.proof.values.merging import merged_number
from properties.proof.values.scalars import UnknownNumber, lift
from properties.proof.values.signature import function_of


@attrs.frozen(eq=False)
class Sum:
    """The sum of a measure over the elements of a root."""

    root: Root
    measure: Callable[[Any, Any], Any]
    term: Term


@attrs.define(eq=False)
class Sums:
    """The sums that were met along one path."""

    by_container: dict[str, dict[int, Sum]] = attrs.field(factory=dict)
    """And by the number of the sum's term."""
    tried: set[str] = attrs.field(factory=set)
    """The groups of sums that were related."""


def sums() -> Sums:
    """Those of the current path."""
    met: Sums = path().notes.setdefault("sums", Sums())
    return met


def sum_over(root: Root, measure: Callable[[Any, Any], Any]) -> UnknownNumber:
    """The sum of a measure over all elements of a root."""
    term = function_of("sum", (root, measure))
    sums().by_container.setdefault(root.identity, {}).setdefault(term.get_id(), Sum(root, measure, term))
    return UnknownNumber(term)


def relate_sums() -> Iterator[Formula]:
    """Finds which sums are natural, zero, equal, or the sum of two others, and learns it."""
    met = sums()
    for identity, by_term in list(met.by_container.items()):
        group = list(by_term.values())
        text = f"{identity}: {sorted(by_term)}"
        if text in met.tried:
            continue
        met.tried.add(text)
        yield from _relations(group)


def _relations(group: list[Sum]) -> Iterator[Formula]:
    root = group[0].root
    term = any_element_of(root)
    touch(root, term)
    apply_laws()
    current = path()
    learned = len(current.facts)
    current.solver.push()
    current.solver.add(root.has(term))
    values = [lift(merged_number(lambda each=each: each.measure(root.key(term), root.value(term)))) for each in group]
    apply_laws()
    found = [each.term >= 0 for each, value in zip(group, values, strict=True) if _surely(current, value >= 0)]
    zero = [index for index, value in enumerate(values) if _surely(current, value == 0)]
    found += [group[index].term == 0 for index in zero]
    rest = [index for index in range(len(group)) if index not in zero]
    for left, right in itertools.combinations(rest, 2):
        if _surely(current, values[left] == values[right]):
            found.append(group[left].term == group[right].term)
    for whole in rest:
        for left, right in itertools.combinations([index for index in rest if index != whole], 2):
            if _surely(current, values[whole] == values[left] + values[right]):
                found.append(group[whole].term == group[left].term + group[right].term)
    current.solver.pop()
    # The solver forgot what was learned since; it holds all the same.
    for fact in current.facts[learned:]:
        current.solver.add(fact)
    yield from found


def _surely(current: Path, formula: Formula) -> bool:
    return not current.possible(z3.Not(formula))
