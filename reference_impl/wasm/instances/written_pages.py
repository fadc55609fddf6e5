"""
Which 4 KiB pages of a memory may have been written since it was one that somebody follows.

A memory is a value, so what is told of one says nothing of others. An execution whose effects are dropped leaves at
most pages that are told and were not written.
"""

import weakref
from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from spec.values.memory import LinearMemory


@frozen(eq=False)
class _Since:
    """What has happened to a memory since then."""

    followed: weakref.ref[LinearMemory]
    numbers: set[int] = field(factory=set)


class WrittenPages:
    """Follows memories as long as they are there."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[LinearMemory], _Since]] = {}
        """By the identity of a memory. Reason: to hash one costs what it holds."""

    def follow(self, memory: LinearMemory) -> None:
        """From now on it is told what is written to this memory. Of an empty one everything else tells as much."""
        if memory.contents:
            self._know(memory, _Since(weakref.ref(memory)))

    def note(self, before: LinearMemory, after: LinearMemory, numbers: Iterable[int]) -> None:
        """An execution has made one memory of another by writing pages with these numbers."""
        known = self._known.get(id(before))
        if known is not None and before is not after:
            known[1].numbers.update(numbers)
            self._know(after, known[1])

    def since(self, followed: LinearMemory, memory: LinearMemory) -> set[int] | None:
        """The pages that may differ; None if any may, since it is not known how one memory became the other."""
        known = self._known.get(id(memory))
        if known is None or known[1].followed() is not followed:
            return None
        # Reason: queries on other threads go on adding to it, also those of pages that they have not kept.
        return known[1].numbers.copy()

    def _know(self, memory: LinearMemory, since: _Since) -> None:
        place = id(memory)
        known = self._known

        def forget(_: object) -> None:
            known.pop(place, None)

        known[place] = weakref.ref(memory, forget), since


WRITTEN: Final = WrittenPages()
"""What is known of the memories of this process."""
