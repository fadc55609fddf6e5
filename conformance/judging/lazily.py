"""What may be needed, and is computed no sooner."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from attrs import field, frozen

Each = TypeVar("Each")


@frozen
class Lazily(Generic[Each]):
    """A sequence that is computed as far as somebody looks, and then kept."""

    source: Iterator[Each]
    known: list[Each] = field(factory=list)

    def __iter__(self) -> Iterator[Each]:
        index = 0
        while True:
            while index >= len(self.known):
                try:
                    self.known.append(next(self.source))
                except StopIteration:
                    return
            yield self.known[index]
            index += 1

    def is_empty(self) -> bool:
        """There is nothing in it."""
        return not self.known and next(iter(self), None) is None
