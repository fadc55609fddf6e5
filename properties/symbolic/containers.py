"""
Unknown containers: `Map`, `List` and `Queue` of any contents and any size.

They have the operations that the rules use, and obey the laws that `spec.values.containers` states for them. A changed
container is its root and the changes made to it, newest last.
"""

from collections.abc import Callable
from typing import Any

import attrs
import z3

from properties.symbolic.exploration import Formula, Refused, Term, identify, learn, representative, truth
from properties.symbolic.laws import Root, every, sum_over, touch
from properties.symbolic.signature import function_of
from properties.symbolic.terms import (
    Unknown,
    UnknownNumber,
    UnknownTruth,
    application,
    learn_range,
    lift,
    merged_number,
)
from properties.symbolic.unknown import CONTAINERS, Arguments, is_unknown, unknown
from spec.values.containers import List, Map, Queue

Describe = Callable[[Any], str]


@attrs.frozen(eq=False)
class Put:
    """A key got a value."""

    key: Any
    value: Any


@attrs.frozen(eq=False)
class Dropped:
    """A key was removed."""

    key: Any


@attrs.frozen(eq=False)
class Changed:
    """Each selected value was changed."""

    selected: Callable[[Any, Any], Any]
    change: Callable[[Any], Any]


Layer = Put | Dropped | Changed


@attrs.frozen(eq=False)
class AfterChange:
    """A measure of what a changed value is now."""

    layer: Changed
    measure: Callable[[Any, Any], Any]

    def __call__(self, key: Any, value: Any) -> Any:
        return self.measure(key, self.layer.change(value) if self.layer.selected(key, value) else value)


@attrs.frozen(eq=False)
class OfSelected:
    """A measure of what is made of selected values; others do not count."""

    selected: Callable[[Any, Any], Any]
    make: Callable[[Any], Any]
    measure: Callable[[Any], Any]

    def __call__(self, key: Any, value: Any) -> Any:
        return self.measure(self.make(value)) if self.selected(key, value) else 0


@attrs.frozen(eq=False)
class OfValue:
    """A measure that does not look at the key."""

    measure: Callable[[Any], Any]

    def __call__(self, key: Any, value: Any) -> Any:
        return self.measure(value)


@attrs.frozen(eq=False)
class OfValueOnly:
    """A predicate that does not look at the key."""

    predicate: Callable[[Any], Any]

    def __call__(self, key: Any, value: Any) -> Any:
        return self.predicate(value)


@attrs.frozen(eq=False)
class Not:
    """The predicate does not hold."""

    predicate: Callable[..., Any]

    def __call__(self, *arguments: Any) -> bool:
        return not self.predicate(*arguments)


@attrs.frozen(eq=False)
class Entries:
    """The entries of a map or a queue: those of a root, and the changes made since."""

    root: Root
    layers: tuple[Layer, ...] = ()

    def with_layer(self, layer: Layer) -> "Entries":
        """One more change."""
        return attrs.evolve(self, layers=(*self.layers, layer))

    def has(self, key: Any) -> bool:
        """There is an entry with this key."""
        term = representative(lift(key))
        for layer in reversed(self.layers):
            match layer:
                case Put(known) if is_same_key(term, known):
                    return True
                case Dropped(known) if is_same_key(term, known):
                    return False
        term = representative(term)
        touch(self.root, term)
        return truth(self.root.has(term))

    def get(self, key: Any) -> Any:
        """What is under a key, which must be there."""
        term = representative(lift(key))
        changes: list[Changed] = []
        value: Any = None
        for layer in reversed(self.layers):
            match layer:
                case Put(known, put) if is_same_key(term, known):
                    value = put
                    break
                case Dropped(known) if is_same_key(term, known):
                    raise Refused(f"an entry that was removed from {self.root.name} is read")
                case Changed():
                    changes.append(layer)
        else:
            term = representative(term)
            touch(self.root, term)
            if not truth(self.root.has(term)):
                raise Refused(f"an entry of {self.root.name} is read that need not exist")
            value = self.root.value(term)
        for change in reversed(changes):
            value = change.change(value) if change.selected(key, value) else value
        return value

    def holds_at(self, term: Term, predicate: Callable[..., Any]) -> Any:
        """There is no entry with this key, or the predicate holds of it."""
        key = self.root.key(term)
        return not self.has(key) or predicate(key, self.get(key))

    def total(self, measure: Callable[[Any, Any], Any]) -> Any:
        """The sum of a measure of key and value."""
        if not self.layers:
            return sum_over(self.root, measure)
        below = Entries(self.root, self.layers[:-1])
        match self.layers[-1]:
            case Put(key, value):
                return below.total(measure) - below.measured(key, measure) + merged_number(lambda: measure(key, value))
            case Dropped(key):
                return below.total(measure) - below.measured(key, measure)
            case Changed() as layer:
                return below.total(AfterChange(layer, measure))

    def measured(self, key: Any, measure: Callable[[Any, Any], Any]) -> Any:
        """The measure of the entry with a key, 0 if there is none."""
        return merged_number(lambda: measure(key, self.get(key)) if self.has(key) else 0)

    def describe_to(self, describe: Describe) -> str:
        """For the signature."""
        return f"Entries({describe(self.root)},{describe(self.layers)})"


def is_same_key(term: Term, known: Any) -> bool:
    """A key is a known one, which then stands for it."""
    other = representative(lift(known))
    if not truth(z3.simplify(other == term)):
        return False
    identify(term, other)
    return True


@attrs.frozen(eq=False)
class UnknownMap:
    """A map of any contents."""

    entries: Entries

    def __contains__(self, key: Any) -> bool:
        return self.entries.has(key)

    def __getitem__(self, key: Any) -> Any:
        return self.entries.get(key)

    def set(self, key: Any, value: Any) -> "UnknownMap":
        """As `Map.set`."""
        return UnknownMap(self.entries.with_layer(Put(key, value)))

    def remove(self, key: Any) -> "UnknownMap":
        """As `Map.remove`."""
        if not self.entries.has(key):
            raise Refused(f"an entry of {self.entries.root.name} is removed that need not exist")
        return UnknownMap(self.entries.with_layer(Dropped(key)))

    def total(self, measure: Callable[[Any], Any]) -> Any:
        """As `Map.total`."""
        return self.entries.total(OfValue(measure))

    def every(self, predicate: Callable[[Any, Any], Any]) -> UnknownTruth:
        """As `Map.every`."""
        return every(self.entries, predicate)

    def none(self, predicate: Callable[[Any, Any], Any]) -> UnknownTruth:
        """As `Map.none`."""
        return every(self.entries, Not(predicate))

    def change_where(self, selected: Callable[[Any, Any], Any], change: Callable[[Any], Any]) -> "UnknownMap":
        """As `Map.change_where`."""
        return UnknownMap(self.entries.with_layer(Changed(selected, change)))

    def collect_where(self, selected: Callable[[Any, Any], Any], make: Callable[[Any], Any]) -> "UnknownList":
        """As `Map.collect_where`."""
        return UnknownList((Collected(self.entries, selected, make),))

    def __eq__(self, other: object) -> Any:
        return equal_containers(self, other)

    def __hash__(self) -> int:
        raise Refused(f"the hash of {self.entries.root.name}")


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
            raise Refused("the sum over the newest items of a list")
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


def _within(root: Root, term: Term) -> Formula:
    return z3.And(term >= 0, term < length_of(root))


@attrs.frozen(eq=False)
class UnknownList:
    """A list of any contents, in parts."""

    parts: tuple[Part, ...]

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
                    found = UnknownTruth(z3.Not(every(part, Differs(item), always_law=True).term))
                case _:
                    raise Refused("whether a changed list contains an item")
            if found:
                return True
        return False

    def take(self, index: Any) -> "tuple[Any, UnknownList]":
        """As `List.take`."""
        match self.parts:
            case (Section(root, without=(), newest=None) as section,):
                if not truth(root.has(lift(index))):
                    raise Refused(f"an item of {root.name} is taken that need not exist")
                return section.item(index), UnknownList((attrs.evolve(section, without=(index,)),))
            case _:
                raise Refused("an item of a changed list is taken")

    def replace(self, index: Any, item: Any) -> "UnknownList":
        """As `List.replace`, but for the place of the item, of which nothing that is asked later depends."""
        _, others = self.take(index)
        return others.append(item)

    def newest(self, count: Any) -> "UnknownList":
        """As `List.newest`."""
        match self.parts:
            case (Section(root, without=(), newest=None) as section,):
                if not truth(z3.And(lift(count) >= 0, lift(count) <= length_of(root))):
                    raise Refused(f"more items of {root.name} are taken than there need be")
                return UnknownList((attrs.evolve(section, newest=count),))
            case _:
                raise Refused("the newest items of a changed list")

    def map(self, change: Callable[[Any], Any]) -> "UnknownList":
        """As `List.map`."""
        return UnknownList(tuple(part.map(change) for part in self.parts))

    def total(self, measure: Callable[[Any], Any]) -> Any:
        """As `List.total`."""
        total: Any = 0
        for part in self.parts:
            total = total + part.total(measure)
        return total

    def every(self, predicate: Callable[[Any], Any]) -> Any:
        """As `List.every`."""
        return all(part.every(predicate) for part in self.parts)

    def none(self, predicate: Callable[[Any], Any]) -> Any:
        """As `List.none`."""
        return self.every(Not(predicate))

    def __eq__(self, other: object) -> Any:
        return equal_containers(self, other)

    def __hash__(self) -> int:
        raise Refused("the hash of a list")


def parts_of(items: Any) -> tuple[Part, ...]:
    """The parts of a list, known or unknown."""
    return items.parts if isinstance(items, UnknownList) else tuple(One(item) for item in items)


@attrs.frozen(eq=False)
class UnknownQueue:
    """A queue of any contents; lists that entered it as a whole are kept apart, behind the rest."""

    entries: Entries
    entered: int = 0
    """How many items entered one by one."""
    younger: UnknownList = UnknownList(())

    def __contains__(self, item_id: Any) -> bool:
        if self.entries.has(item_id):
            return True
        if self.younger.parts:
            raise Refused("whether an item has this id, which may be that of one that entered with others")
        return False

    def __getitem__(self, item_id: Any) -> Any:
        return self.entries.get(item_id)

    def _need(self, item_id: Any) -> None:
        if not self.entries.has(item_id):
            raise Refused(f"an item of {self.entries.root.name} is changed that need not exist")

    def _next_id(self) -> Any:
        root = self.entries.root
        return UnknownNumber(application(f"{root.name} next id", root.arguments)) + self.entered

    def _entry(self, item: Any) -> "UnknownQueue":
        new_id = self._next_id()
        return UnknownQueue(self.entries.with_layer(Put(new_id, item)), self.entered + 1, self.younger)

    def remove(self, item_id: Any) -> "UnknownQueue":
        """As `Queue.remove`."""
        self._need(item_id)
        return attrs.evolve(self, entries=self.entries.with_layer(Dropped(item_id)))

    def replace(self, item_id: Any, item: Any) -> "UnknownQueue":
        """As `Queue.replace`."""
        self._need(item_id)
        return attrs.evolve(self, entries=self.entries.with_layer(Put(item_id, item)))

    def append(self, *items: Any) -> "UnknownQueue":
        """As `Queue.append`."""
        if self.younger.parts:
            return attrs.evolve(self, younger=self.younger.append(*items))
        queue = self
        for item in items:
            queue = queue._entry(item)
        return queue

    def extend(self, items: Any) -> "UnknownQueue":
        """As `Queue.extend`."""
        return attrs.evolve(self, younger=self.younger.extend(items))

    def prepend(self, item: Any) -> "UnknownQueue":
        """As `Queue.prepend`."""
        return self._entry(item)

    def none_older(self, item_id: Any, predicate: Callable[[Any], Any]) -> UnknownTruth:
        """As `Queue.none_older`; nothing is known of the order but that it is the same when asked again."""
        return UnknownTruth(function_of("none older", (self.entries, item_id, predicate), z3.BoolSort()))

    def total(self, measure: Callable[[Any], Any]) -> Any:
        """As `Queue.total`."""
        return self.entries.total(OfValue(measure)) + self.younger.total(measure)

    def every(self, predicate: Callable[[Any], Any]) -> Any:
        """As `Queue.every`."""
        entries = every(self.entries, OfValueOnly(predicate))
        return entries if not self.younger.parts else bool(entries) and self.younger.every(predicate)

    def none(self, predicate: Callable[[Any], Any]) -> Any:
        """As `Queue.none`."""
        return self.every(Not(predicate))

    def __eq__(self, other: object) -> Any:
        return equal_containers(self, other)

    def __hash__(self) -> int:
        raise Refused("the hash of a queue")


@attrs.frozen(eq=False)
class UnknownSet:
    """A finite set of any contents."""

    name: str
    arguments: Arguments

    def __contains__(self, item: Any) -> bool:
        return truth(application(f"{self.name} has", (*self.arguments, lift(item)), z3.BoolSort()))

    def isdisjoint(self, other: "UnknownSet") -> bool:
        """What `CanisterModule` promises of its sets of method names, the only sets that rules see."""
        return True

    def describe_to(self, describe: Describe) -> str:
        """For the signature."""
        return f"{self.name}[{','.join(describe(Unknown(argument)) for argument in self.arguments)}]"


def equal_containers(left: Any, right: Any) -> Any:
    """Whether two containers are equal: surely if they are made in the same way, else unknown."""
    first, second = function_of("container", left), function_of("container", right)
    return True if first.eq(second) else UnknownTruth(first == second)


def _unknown_map(kinds: tuple[Any, ...], name: str, arguments: Arguments) -> UnknownMap:
    return UnknownMap(Entries(Root(name, arguments, kinds[0], kinds[1])))


def _unknown_list(kinds: tuple[Any, ...], name: str, arguments: Arguments) -> UnknownList:
    return UnknownList((Section(Root(name, arguments, int, kinds[0], _within)),))


def _has_id(root: Root, term: Term) -> Formula:
    has = application(f"{root.name} has", (*root.arguments, term), z3.BoolSort())
    learn(z3.Implies(has, z3.And(term >= 0, term < application(f"{root.name} next id", root.arguments))), always=True)
    return has


def _unknown_queue(kinds: tuple[Any, ...], name: str, arguments: Arguments) -> UnknownQueue:
    return UnknownQueue(Entries(Root(name, arguments, int, kinds[0], _has_id)))


def _unknown_set(kinds: tuple[Any, ...], name: str, arguments: Arguments) -> UnknownSet:
    return UnknownSet(name, arguments)


CONTAINERS[Map] = _unknown_map
CONTAINERS[List] = _unknown_list
CONTAINERS[Queue] = _unknown_queue
CONTAINERS[frozenset] = _unknown_set

__all__ = ["UnknownList", "UnknownMap", "UnknownQueue", "UnknownSet", "is_unknown", "unknown"]
