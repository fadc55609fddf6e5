"""
The entries of unknown maps and queues: those of a root, and the changes made since, newest last.

Looking something up goes through the changes first; a sum is that of the root, corrected for each change.
"""

from collections.abc import Callable
from typing import Any

import attrs
import z3

from properties.proof.containers.laws import Root, touch
from properties.proof.containers.sums import sum_over
from properties.proof.paths.refusal import NotFollowed
from properties.proof.paths.runs import identify, representative, truth
from properties.proof.terms.formulas import Term
from properties.proof.values.merging import merged_number
from properties.proof.values.scalars import UnknownTruth, lift
from properties.proof.values.signature import function_of

Describe = Callable[[Any], str]


@attrs.frozen(eq=False)
class Put:
    """A key got a value."""

    key: Any
    value: Any


@attrs.frozen(eq=False)
class Entered(Put):
    """An item entered a queue, at its old end or at its young one."""

    is_oldest: bool


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
                    raise NotFollowed(f"an entry that was removed from {self.root.name} is read")
                case Changed():
                    changes.append(layer)
        else:
            term = representative(term)
            touch(self.root, term)
            if not truth(self.root.has(term)):
                raise NotFollowed(f"an entry of {self.root.name} is read that need not exist")
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


def equal_containers(left: Any, right: Any) -> Any:
    """Whether two containers are equal: surely if they are made in the same way, else unknown."""
    first, second = function_of("container", left), function_of("container", right)
    return True if first.eq(second) else UnknownTruth(first == second)
