"""
The three containers that a rule may touch: `Map`, `List` and `Queue`.

They are immutable. Besides looking up and changing single entries they have a few bulk operations, each with a stated
law; the symbolic runner has its own versions of the three that know those laws, so a proof covers any number of
entries. Functions handed to a bulk operation must be pure.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from attrs import field, frozen
from rpds import HashTrieMap

from spec.values.remembering import RememberingLast

Key = TypeVar("Key")
Value = TypeVar("Value")
Item = TypeVar("Item")
Other = TypeVar("Other")


@frozen
class List(Generic[Item]):
    """A finite sequence."""

    items: tuple[Item, ...] = ()

    @staticmethod
    def of(*items: Item) -> "List[Item]":
        """The list of these items."""
        return List(items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def is_empty(self) -> bool:
        """There is no item."""
        return not self.items

    def append(self, *more: Item) -> "List[Item]":
        """The list with more items at its end."""
        return List(self.items + more)

    def extend(self, more: "List[Item]") -> "List[Item]":
        """The list followed by another one."""
        return List(self.items + more.items)

    def contains(self, item: Item) -> bool:
        """The item is in the list."""
        return item in self.items

    def take(self, index: int) -> "tuple[Item, List[Item]]":
        """The item at an index, and the list without it. The index must be inside."""
        return self.items[index], List(self.items[:index] + self.items[index + 1 :])

    def replace(self, index: int, item: Item) -> "List[Item]":
        """The list with another item at an index."""
        return List(self.items[:index] + (item,) + self.items[index + 1 :])

    def newest(self, count: int) -> "List[Item]":
        """The last items of a list with at least `count` items. Law: there are `count`, all of them in the list."""
        return List(self.items[len(self.items) - count :])

    def map(self, change: Callable[[Item], Other]) -> "List[Other]":
        """Each item changed. Law: `l.map(f).total(m) == l.total(lambda item: m(f(item)))`."""
        return List(tuple(change(item) for item in self.items))

    def total(self, measure: Callable[[Item], int]) -> int:
        """The sum of a measure over the items."""
        return sum(measure(item) for item in self.items)

    def every(self, predicate: Callable[[Item], bool]) -> bool:
        """The predicate holds of each item."""
        return all(predicate(item) for item in self.items)

    def none(self, predicate: Callable[[Item], bool]) -> bool:
        """The predicate holds of no item."""
        return not any(predicate(item) for item in self.items)


@frozen
class Map(Generic[Key, Value]):
    """A finite partial map. `m[k]` needs `k in m`."""

    entries: "HashTrieMap[Key, Value]" = field(factory=HashTrieMap)

    @staticmethod
    def of(entries: Iterable[tuple[Key, Value]] = ()) -> "Map[Key, Value]":
        """The map of these pairs of key and value."""
        return Map(HashTrieMap(list(entries)))

    def __contains__(self, key: Key) -> bool:
        return key in self.entries

    def __getitem__(self, key: Key) -> Value:
        return self.entries[key]

    def __len__(self) -> int:
        return len(self.entries)

    def keys(self) -> list[Key]:
        """The keys in increasing order."""
        return sorted(self.entries.keys())  # type: ignore[type-var]

    def items(self) -> list[tuple[Key, Value]]:
        """Pairs of key and value, in increasing order of the keys."""
        return [(key, self.entries[key]) for key in self.keys()]

    def set(self, key: Key, value: Value) -> "Map[Key, Value]":
        """The map in which the key has this value."""
        return Map(self.entries.insert(key, value))

    def remove(self, key: Key) -> "Map[Key, Value]":
        """The map without a key that it has."""
        return Map(self.entries.remove(key))

    def total(self, measure: Callable[[Value], int]) -> int:
        """The sum of a measure over the values."""
        return sum(measure(value) for value in self.entries.values())

    def every(self, predicate: Callable[[Key, Value], bool]) -> bool:
        """The predicate holds of each entry."""
        return all(predicate(key, value) for key, value in self.entries.items())

    def none(self, predicate: Callable[[Key, Value], bool]) -> bool:
        """The predicate holds of no entry."""
        return not any(predicate(key, value) for key, value in self.entries.items())

    def change_where(
        self, selected: Callable[[Key, Value], bool], change: Callable[[Value], Value]
    ) -> "Map[Key, Value]":
        """Each selected value changed, the others kept."""
        entries = self.entries
        for key, value in self.entries.items():
            if selected(key, value):
                entries = entries.insert(key, change(value))
        return Map(entries)

    def collect_where(self, selected: Callable[[Key, Value], bool], make: Callable[[Value], Other]) -> "List[Other]":
        """
        What `make` gives for each selected value, in increasing order of the keys.

        Law: the total of a measure `m` over the result is the total of `lambda value: m(make(value))` over the
        selected values.
        """
        return List(tuple(make(value) for key, value in self.items() if selected(key, value)))


@RememberingLast
def _by_id(entries: tuple[tuple[int, Any], ...]) -> dict[int, Any]:
    """The items of a queue by their ids."""
    return dict(entries)


@frozen
class Queue(Generic[Item]):
    """
    Pending items in order, oldest first, each with an id of its own.

    An id is given when an item enters, counts up, stays when the item is replaced at its place, and is never used
    again.
    """

    entries: tuple[tuple[int, Item], ...] = ()
    """Pairs of id and item."""
    next_id: int = 0
    """The id that the next item to enter gets."""

    def __contains__(self, item_id: int) -> bool:
        return item_id in _by_id(self.entries)

    def __getitem__(self, item_id: int) -> Item:
        item: Item = _by_id(self.entries)[item_id]
        return item

    def __len__(self) -> int:
        return len(self.entries)

    def ids(self) -> list[int]:
        """The ids in the order of the queue."""
        return [item_id for item_id, _ in self.entries]

    def __iter__(self) -> Iterator[Item]:
        return (item for _, item in self.entries)

    def remove(self, item_id: int) -> "Queue[Item]":
        """The queue without an item that it has."""
        return Queue(tuple([entry for entry in self.entries if entry[0] != item_id]), self.next_id)

    def replace(self, item_id: int, item: Item) -> "Queue[Item]":
        """The queue with another item at the same place, under the same id."""
        return Queue(
            tuple([(known, item) if known == item_id else (known, old) for known, old in self.entries]), self.next_id
        )

    def append(self, *items: Item) -> "Queue[Item]":
        """The queue with items entering at its young end, in the order given."""
        new = tuple((self.next_id + index, item) for index, item in enumerate(items))
        return Queue(self.entries + new, self.next_id + len(items))

    def extend(self, items: List[Item]) -> "Queue[Item]":
        """The queue with the items of a list entering at its young end, in their order."""
        return self.append(*items.items)

    def prepend(self, item: Item) -> "Queue[Item]":
        """The queue with an item entering at its old end."""
        return Queue(((self.next_id, item), *self.entries), self.next_id + 1)

    def none_older(self, item_id: int, predicate: Callable[[Item], bool]) -> bool:
        """The predicate holds of no item in front of the one with this id."""
        for known, item in self.entries:
            if known == item_id:
                return True
            if predicate(item):
                return False
        return True

    def total(self, measure: Callable[[Item], int]) -> int:
        """The sum of a measure over the items."""
        return sum(measure(item) for _, item in self.entries)

    def every(self, predicate: Callable[[Item], bool]) -> bool:
        """The predicate holds of each item."""
        return all(predicate(item) for _, item in self.entries)

    def none(self, predicate: Callable[[Item], bool]) -> bool:
        """The predicate holds of no item."""
        return not any(predicate(item) for _, item in self.entries)
