"""
Unknown lists: parts in a row, of which each is one item, all of an unknown list, or what a map was collected into.
"""

from collections.abc import Callable
from typing import Any

import attrs
import z3

from properties.proof.containers.entries import Entries, Not, OfSelected, OfValue, equal_containers
from properties.proof.containers.laws import Root, every, every_by_law, look_at_any, touch
from properties.proof.containers.sums import sum_over
from properties.proof.paths.refusal import NotFollowed
from properties.proof.paths.runs import learn, learn_range, truth
from properties.proof.terms.formulas import Formula, Term
from properties.proof.terms.symbols import application
from properties.proof.values.captured import captured
from properties.proof.values.guarded import Guarded
from properties.proof.values.merging import merged_number
from properties.proof.values.scalars import UnknownNumber, UnknownTruth, lift
from spec.values.containers import List


@attrs.frozen(eq=False)
class One:
    """One known item of a list."""

    item: Any

    def length(self) -> Any:
        """How many items these are."""
        return 1

    def total(self, measure: Callable[[Any], Any]) -> Any:
        """The sum of a measure."""
        return merged_number(lambda: measure(self.item))

    def every(self, predicate: Callable[[Any], Any]) -> Any:
        """The predicate holds of each item."""
        return predicate(self.item)

    def map(self, change: Callable[[Any], Any]) -> "Part":
        """The items changed."""
        return One(change(self.item))


@attrs.frozen(eq=False)
class Placed(One):
    """One known item that took the place of another, somewhere in the part before."""

    index: Any

    def map(self, change: Callable[[Any], Any]) -> "Part":
        """The items changed."""
        return Placed(change(self.item), self.index)


@attrs.frozen(eq=False)
class Collected:
    """What is made of the selected entries of a map."""

    entries: Entries
    selected: Callable[[Any, Any], Any]
    make: Callable[[Any], Any]

    @property
    def root(self) -> Root:
        """Where the items come from."""
        return self.entries.root

    def length(self) -> Any:
        """How many items these are."""
        return self.total(_one)

    def total(self, measure: Callable[[Any], Any]) -> Any:
        """The sum of a measure."""
        return self.entries.total(OfSelected(self.selected, self.make, measure))

    def every(self, predicate: Callable[[Any], Any]) -> Any:
        """The predicate holds of each item."""
        return every(self, predicate)

    def holds_at(self, term: Term, predicate: Callable[..., Any]) -> Any:
        """The entry with this key gives no item, or the predicate holds of the item."""
        key = self.root.key(term)
        if not self.entries.has(key):
            return True
        value = self.entries.get(key)
        return not self.selected(key, value) or predicate(self.make(value))

    def map(self, change: Callable[[Any], Any]) -> "Part":
        """The items changed."""
        return attrs.evolve(self, make=Composed(self.make, change))


@attrs.frozen(eq=False)
class Composed:
    """One function after another."""

    first: Callable[[Any], Any]
    second: Callable[[Any], Any]

    def __call__(self, value: Any) -> Any:
        return self.second(self.first(value))


@attrs.frozen(eq=False)
class Section:
    """All items of an unknown list, but those at some places; each changed in the same way."""

    root: Root
    without: tuple[Any, ...] = ()
    make: Callable[[Any], Any] | None = None
    newest: Any = None
    """If not None: only so many items, those at the end, of which none is missing."""

    def length(self) -> Any:
        """How many items these are."""
        return UnknownNumber(length_of(self.root)) - len(self.without) if self.newest is None else self.newest

    def item(self, index: Any) -> Any:
        """The item that was at this place at first."""
        touch(self.root, lift(index))
        value = self.root.value(lift(index))
        return value if self.make is None else self.make(value)

    def total(self, measure: Callable[[Any], Any]) -> Any:
        """The sum of a measure."""
        if self.newest is not None:
            raise NotFollowed("the sum over the newest items of a list")
        whole = measure if self.make is None else Composed(self.make, measure)
        total = sum_over(self.root, OfValue(whole))
        learn(z3.Implies(length_of(self.root) == 0, total.term == 0), always=True)
        for index in self.without:
            total = total - merged_number(lambda index=index: measure(self.item(index)))
        return total

    def every(self, predicate: Callable[[Any], Any]) -> Any:
        """The predicate holds of each item."""
        return every(self, predicate)

    def holds_at(self, term: Term, predicate: Callable[..., Any]) -> Any:
        """There is no item at this place any more, or the predicate holds of it."""
        if not truth(self.root.has(term)):
            return True
        if any(truth(lift(index) == term) for index in self.without):
            return True
        if self.newest is not None and truth(term < length_of(self.root) - lift(self.newest)):
            return True
        return predicate(self.item(UnknownNumber(term)))

    def map(self, change: Callable[[Any], Any]) -> "Part":
        """The items changed."""
        return attrs.evolve(self, make=change if self.make is None else Composed(self.make, change))


Part = One | Collected | Section


@attrs.frozen(eq=False)
class Differs:
    """Is not this item."""

    item: Any

    def __call__(self, other: Any) -> Any:
        return other != self.item


def _one(item: Any) -> int:
    return 1


def length_of(root: Root) -> Term:
    """The length of an unknown list."""
    length = application(f"{root.name} length", root.arguments)
    learn_range(length)
    return length


def within_list(root: Root, term: Term) -> Formula:
    """There is an item at this place of an unknown list."""
    return z3.And(term >= 0, term < length_of(root))


class AnyList(List[Any]):
    """The class that an unknown list says it has: not the class itself, so that a known one leaves comparison to it."""


@attrs.frozen(eq=False, repr=False)
class UnknownList(Guarded):
    """A list of any contents, in parts."""

    parts: tuple[Part, ...]

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return AnyList

    def length(self) -> Any:
        """The number of items."""
        total: Any = 0
        for part in self.parts:
            total = total + part.length()
        return total

    def is_empty(self) -> Any:
        """As `List.is_empty`."""
        return self.length() == 0

    def append(self, *more: Any) -> "UnknownList":
        """As `List.append`."""
        return UnknownList(self.parts + tuple(One(item) for item in more))

    def extend(self, more: Any) -> "UnknownList":
        """As `List.extend`."""
        return UnknownList(self.parts + parts_of(more))

    def contains(self, item: Any) -> Any:
        """As `List.contains`."""
        for part in self.parts:
            match part:
                case One():
                    found = part.item == item
                case Section(make=None):
                    found = UnknownTruth(z3.Not(every_by_law(part, Differs(item)).term))
                case _:
                    raise NotFollowed("whether a changed list contains an item")
            if found:
                return True
        return False

    def take(self, index: Any) -> "tuple[Any, UnknownList]":
        """As `List.take`."""
        match self.parts:
            case (Section(root, without=(), newest=None) as section,):
                if not truth(root.has(lift(index))):
                    raise NotFollowed(f"an item of {root.name} is taken that need not exist")
                return section.item(index), UnknownList((attrs.evolve(section, without=(index,)),))
            case _:
                raise NotFollowed("an item of a changed list is taken")

    def replace(self, index: Any, item: Any) -> "UnknownList":
        """As `List.replace`. The item stands behind the others here; it says which place it has."""
        _, others = self.take(index)
        return UnknownList((*others.parts, Placed(item, index)))

    def newest(self, count: Any) -> "UnknownList":
        """As `List.newest`."""
        match self.parts:
            case (Section(root, without=(), newest=None) as section,):
                if not truth(z3.And(lift(count) >= 0, lift(count) <= length_of(root))):
                    raise NotFollowed(f"more items of {root.name} are taken than there need be")
                return UnknownList((attrs.evolve(section, newest=count),))
            case _:
                raise NotFollowed("the newest items of a changed list")

    def map(self, change: Callable[[Any], Any]) -> "UnknownList":
        """As `List.map`."""
        change = captured(change)
        self._apply_to_any(change)
        return UnknownList(tuple(part.map(change) for part in self.parts))

    def _apply_to_any(self, function: Callable[[Any], Any]) -> None:
        """A function that is applied to every item later is defined for each of them."""
        for part in self.parts:
            if isinstance(part, Section | Collected):
                look_at_any(part, function)

    def total(self, measure: Callable[[Any], Any]) -> Any:
        """As `List.total`."""
        measure = captured(measure)
        self._apply_to_any(measure)
        total: Any = 0
        for part in self.parts:
            total = total + part.total(measure)
        return total

    def every(self, predicate: Callable[[Any], Any]) -> Any:
        """As `List.every`."""
        predicate = captured(predicate)
        return all(part.every(predicate) for part in self.parts)

    def none(self, predicate: Callable[[Any], Any]) -> Any:
        """As `List.none`."""
        return self.every(Not(captured(predicate)))

    def __eq__(self, other: object) -> Any:
        return equal_containers(self, other)

    __hash__ = Guarded.__hash__


def parts_of(items: Any) -> tuple[Part, ...]:
    """The parts of a list, known or unknown."""
    return items.parts if type(items) is UnknownList else tuple(One(item) for item in items)
