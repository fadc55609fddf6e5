"""
Unknown containers: `Map`, `Queue` and sets of any contents and any size; lists are in `lists`.

They have the operations that the rules use, and obey the laws that `spec.values.containers` states for them.
"""

from collections.abc import Callable
from typing import Any

import attrs
import z3

from properties.proof.containers.entries import (
    Changed,
    Describe,
    Dropped,
    Entered,
    Entries,
    Not,
    OfValue,
    OfValueOnly,
    Put,
    equal_containers,
)
from properties.proof.containers.laws import Root, every, look_at_any
from properties.proof.containers.lists import Collected, Section, UnknownList, within_list
from properties.proof.paths.refusal import NotFollowed
from properties.proof.paths.runs import learn, truth
from properties.proof.terms.formulas import Formula, Term
from properties.proof.terms.symbols import application
from properties.proof.values.captured import captured
from properties.proof.values.guarded import Guarded
from properties.proof.values.scalars import UnknownNumber, UnknownScalar, UnknownTruth, lift, negation
from properties.proof.values.signature import function_of
from properties.proof.values.unknown import Arguments, Makers
from spec.values.containers import List, Map, Queue


def one_each(value: Any) -> int:
    """The measure that counts."""
    return 1


class AnyMap(Map[Any, Any]):
    """As `AnyList`."""


@attrs.frozen(eq=False, repr=False)
class UnknownMap(Guarded):
    """A map of any contents."""

    entries: Entries

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return AnyMap

    def _name(self) -> str:
        return self.entries.root.name

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
            raise NotFollowed(f"an entry of {self.entries.root.name} is removed that need not exist")
        return UnknownMap(self.entries.with_layer(Dropped(key)))

    def length(self) -> Any:
        """As `len`."""
        return self.total(one_each)

    def total(self, measure: Callable[[Any], Any]) -> Any:
        """As `Map.total`."""
        of_value = OfValue(captured(measure))
        look_at_any(self.entries, of_value)
        return self.entries.total(of_value)

    def every(self, predicate: Callable[[Any, Any], Any]) -> UnknownTruth:
        """As `Map.every`."""
        return every(self.entries, captured(predicate))

    def none(self, predicate: Callable[[Any, Any], Any]) -> UnknownTruth:
        """As `Map.none`."""
        return every(self.entries, Not(captured(predicate)))

    def change_where(self, selected: Callable[[Any, Any], Any], change: Callable[[Any], Any]) -> "UnknownMap":
        """As `Map.change_where`."""
        selected, change = captured(selected), captured(change)
        look_at_any(self.entries, lambda key, value: change(value) if selected(key, value) else value)
        return UnknownMap(self.entries.with_layer(Changed(selected, change)))

    def collect_where(self, selected: Callable[[Any, Any], Any], make: Callable[[Any], Any]) -> "UnknownList":
        """As `Map.collect_where`."""
        selected, make = captured(selected), captured(make)
        look_at_any(self.entries, lambda key, value: make(value) if selected(key, value) else value)
        return UnknownList((Collected(self.entries, selected, make),))

    def __eq__(self, other: object) -> Any:
        return equal_containers(self, other)

    __hash__ = Guarded.__hash__


class AnyQueue(Queue[Any]):
    """As `AnyList`."""


@attrs.frozen(eq=False, repr=False)
class UnknownQueue(Guarded):
    """A queue of any contents; lists that entered it as a whole are kept apart, behind the rest."""

    entries: Entries
    entered: int = 0
    """How many items entered one by one."""
    younger: UnknownList = UnknownList(())

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return AnyQueue

    def _name(self) -> str:
        return self.entries.root.name

    def __contains__(self, item_id: Any) -> bool:
        if self.entries.has(item_id):
            return True
        if self.younger.parts:
            raise NotFollowed("whether an item has this id, which may be that of one that entered with others")
        return False

    def __getitem__(self, item_id: Any) -> Any:
        return self.entries.get(item_id)

    def _need(self, item_id: Any) -> None:
        if not self.entries.has(item_id):
            raise NotFollowed(f"an item of {self.entries.root.name} is changed that need not exist")

    def _next_id(self) -> Any:
        root = self.entries.root
        return UnknownNumber(application(f"{root.name} next id", root.arguments)) + self.entered

    def _entry(self, item: Any, is_oldest: bool) -> "UnknownQueue":
        entered = Entered(self._next_id(), item, is_oldest)
        return UnknownQueue(self.entries.with_layer(entered), self.entered + 1, self.younger)

    def _with(self, layer: Put | Dropped) -> "UnknownQueue":
        return UnknownQueue(self.entries.with_layer(layer), self.entered, self.younger)

    def remove(self, item_id: Any) -> "UnknownQueue":
        """As `Queue.remove`."""
        self._need(item_id)
        return self._with(Dropped(item_id))

    def replace(self, item_id: Any, item: Any) -> "UnknownQueue":
        """As `Queue.replace`."""
        self._need(item_id)
        return self._with(Put(item_id, item))

    def append(self, *items: Any) -> "UnknownQueue":
        """As `Queue.append`."""
        if self.younger.parts:
            return UnknownQueue(self.entries, self.entered, self.younger.append(*items))
        queue = self
        for item in items:
            queue = queue._entry(item, is_oldest=False)
        return queue

    def extend(self, items: Any) -> "UnknownQueue":
        """As `Queue.extend`."""
        return UnknownQueue(self.entries, self.entered, self.younger.extend(items))

    def prepend(self, item: Any) -> "UnknownQueue":
        """As `Queue.prepend`."""
        if self.younger.parts:
            raise NotFollowed("the id of an item that enters behind others of which it is not known how many there are")
        return self._entry(item, is_oldest=True)

    def none_older(self, item_id: Any, predicate: Callable[[Any], Any]) -> UnknownTruth:
        """As `Queue.none_older`; nothing is known of the order but that it is the same when asked again."""
        predicate = captured(predicate)
        look_at_any(self.entries, OfValueOnly(predicate))
        return UnknownTruth(function_of("none older", (self, item_id, predicate), z3.BoolSort()))

    def total(self, measure: Callable[[Any], Any]) -> Any:
        """As `Queue.total`."""
        measure = captured(measure)
        look_at_any(self.entries, OfValue(measure))
        return self.entries.total(OfValue(measure)) + self.younger.total(measure)

    def every(self, predicate: Callable[[Any], Any]) -> Any:
        """As `Queue.every`."""
        predicate = captured(predicate)
        entries = every(self.entries, OfValueOnly(predicate))
        return entries if not self.younger.parts else bool(entries) and self.younger.every(predicate)

    def none(self, predicate: Callable[[Any], Any]) -> Any:
        """As `Queue.none`."""
        return self.every(Not(captured(predicate)))

    def __eq__(self, other: object) -> Any:
        return equal_containers(self, other)

    __hash__ = Guarded.__hash__


METHOD_NAMES = ("update_methods", "query_methods", "composite_query_methods")
"""The sets of a module of which `CanisterModule` promises that no name is in two of them."""


@attrs.frozen(eq=False, repr=False)
class UnknownSet(Guarded):
    """A finite set of any contents."""

    name: str
    arguments: Arguments

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return frozenset

    def _name(self) -> str:
        return self.name

    def __contains__(self, item: Any) -> bool:
        return truth(application(f"{self.name} has", (*self.arguments, lift(item)), z3.BoolSort()))

    def isdisjoint(self, other: Any) -> Any:
        """Two sets of method names of one module have no name in common; of others it is not known."""
        if type(other) is not UnknownSet:
            raise NotFollowed("whether an unknown set and a known one have something in common")
        if self._is_other_part_of_module(other):
            return True
        return UnknownTruth(function_of("disjoint", (self, other), z3.BoolSort()))

    def _is_other_part_of_module(self, other: "UnknownSet") -> bool:
        (module, _, part), (other_module, _, other_part) = self.name.rpartition("."), other.name.rpartition(".")
        return (
            module == other_module
            and part != other_part
            and {part, other_part} <= set(METHOD_NAMES)
            and all(left.eq(right) for left, right in zip(self.arguments, other.arguments, strict=True))
        )

    def __eq__(self, other: object) -> Any:
        return equal_containers(self, other)

    def __ne__(self, other: object) -> Any:
        return negation(self == other)

    __hash__ = Guarded.__hash__

    def describe_to(self, describe: Describe) -> str:
        """For the signature."""
        return f"{self.name}[{','.join(describe(UnknownScalar(argument)) for argument in self.arguments)}]"


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


def make_containers(makers: Makers) -> None:
    """Fields of these classes are unknown containers from now on."""
    makers.containers |= {
        Map: _unknown_map,
        List: _unknown_list,
        Queue: _unknown_queue,
        frozenset: _unknown_set,
    }
