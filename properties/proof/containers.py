"""
Unknown containers: `Map`, `Queue` and sets of any contents and any size; lists are in `lists`.

They have the operations that the rules use, and obey the laws that `spec.values.containers` states for them.
"""

from collections.abc import Callable
from typing import Any

import attrs
import z3

from properties.proof.entries import (
    Changed,
    Describe,
    Dropped,
    Entries,
    Not,
    OfValue,
    OfValueOnly,
    Put,
    equal_containers,
)
from properties.proof.exploration import Formula, Refused, Term, learn, truth
from properties.proof.laws import Root, every
from properties.proof.lists import Collected, Section, UnknownList, within_list
from properties.proof.signature import function_of
from properties.proof.terms import (
    Unknown,
    UnknownNumber,
    UnknownTruth,
    application,
    lift,
)
from properties.proof.unknown import CONTAINERS, Arguments
from spec.values.containers import List, Map, Queue


def one_each(value: Any) -> int:
    """The measure that counts."""
    return 1


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

    def length(self) -> Any:
        """As `len`."""
        return self.total(one_each)

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


def _unknown_map(kinds: tuple[Any, ...], name: str, arguments: Arguments) -> UnknownMap:
    return UnknownMap(Entries(Root(name, arguments, kinds[0], kinds[1])))


def _unknown_list(kinds: tuple[Any, ...], name: str, arguments: Arguments) -> UnknownList:
    return UnknownList((Section(Root(name, arguments, int, kinds[0], within_list)),))


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
