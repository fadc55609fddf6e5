"""
Pages of memories that are kept in a file, so that states may be larger than this machine's memory.

A memory is a value that never changes. So its pages are written once, together, into a part of a file, and memories
that come of it share them: what executions write lies over them until that is stored too. A part of the file is used
again when no memory has pages in it.
"""

import os
import tempfile
import weakref
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol

from attrs import define, evolve, field, frozen
from rpds import HashTrieMap

from spec.values.memory import ZERO_PAGE, LinearMemory
from spec.values.quantities import OS_PAGE, ByteCount, Count

PAGES_AT_ONCE: Final[Count] = 1024
"""So many pages are read or written with one call of the operating system at most."""
LONG_RUN: Final[Count] = 16
"""Runs of fewer pages are rather copied than mapped."""
MOST_RUNS: Final[Count] = 256
"""Of one memory no more are mapped: the kernel has a table of all mappings of a process."""
WORTH_COPYING: Final = 2
"""Where more than one in so many pages of the file's parts that a memory holds is of use to it, nothing is copied."""

ELSEWHERE: Final = 1 << 48
"""Places from here on are in files of others."""

AS_STORED: Final = object()
"""Stands for a page that is as it is in the file."""


class PagesElsewhere(Protocol):
    """Pages in a file of somebody else, which never change. The file is there as long as this is."""

    def __len__(self) -> int:
        """How many pages there are."""

    def read(self, place: Count, count: Count) -> bytes:
        """Pages that follow each other, the first of which has this number in the file."""


class PageFile:
    """A file that only this process knows, and that goes with it; and files of others, from which it reads as well."""

    def __init__(self, directory: Path | None = None) -> None:
        """In this directory, or where temporary files are. Raises `OSError`."""
        self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115
        self._lock = Lock()
        self._free: list[tuple[Count, Count]] = []
        """Parts that are free, by first page and number of pages, in order."""
        self._released: deque[tuple[Count, Count]] = deque()
        """Those that came free since a part was taken last."""
        self._end: Count = 0
        self._elsewhere: list[tuple[Count, weakref.ref[PagesElsewhere]]] = []
        """Files of others, by their first place."""
        self._end_elsewhere: Count = ELSEWHERE

    def attach(self, pages: PagesElsewhere) -> Count:
        """The place of the first page of a file of somebody else, which must be there as long as it is read."""
        first = self._end_elsewhere
        self._elsewhere.append((first, weakref.ref(pages)))
        # Reason: no page follows the last one of another file.
        self._end_elsewhere += len(pages) + 1
        return first

    @property
    def pages(self) -> Count:
        """How many pages are in use."""
        return self._end - sum(count for _, count in (*self._free, *self._released))

    @property
    def descriptor(self) -> int:
        """That of the file of this process, whose pages can be mapped."""
        return self._file.fileno()

    def write(self, pages: list[bytes]) -> "Part":
        """Pages are written, one after the other. Raises `OSError`."""
        part = Part(self, self._taken(len(pages)), len(pages))
        for first in range(0, len(pages), PAGES_AT_ONCE):
            content = b"".join(pages[first : first + PAGES_AT_ONCE])
            place = (part.first + first) * OS_PAGE
            while content:
                written = os.pwrite(self._file.fileno(), content, place)
                content, place = content[written:], place + written
        return part

    def read(self, place: Count, count: Count = 1) -> bytes:
        """A page, or some that follow each other. Those of others may be damaged: then they raise what is theirs."""
        if place >= ELSEWHERE:
            first, known = self._elsewhere[bisect_right(self._elsewhere, place, key=lambda one: one[0]) - 1]
            pages = known()
            assert pages is not None, "whoever reads a file holds it"
            return pages.read(place - first, count)
        content = os.pread(self._file.fileno(), count * OS_PAGE, place * OS_PAGE)
        assert len(content) == count * OS_PAGE, "what was written is there"
        return content

    def _taken(self, count: Count) -> Count:
        with self._lock:
            while self._released:
                self._put_back(*self._released.popleft())
            for index, (first, size) in enumerate(self._free):
                if size >= count:
                    self._free[index : index + 1] = [(first + count, size - count)] if size > count else []
                    return first
            self._end += count
            return self._end - count

    def release(self, first: Count, count: Count) -> None:
        """
        A part is free again.

        Garbage may be collected anywhere, also in a thread that holds the lock, so the lock is not taken here.
        """
        self._released.append((first, count))

    def _put_back(self, first: Count, count: Count) -> None:
        index = bisect_left(self._free, (first, count))
        if index < len(self._free) and self._free[index][0] == first + count:
            count += self._free.pop(index)[1]
        if index and sum(self._free[index - 1]) == first:
            index -= 1
            before = self._free.pop(index)
            first, count = before[0], before[1] + count
        self._free.insert(index, (first, count))


@frozen(eq=False)
class PartElsewhere:
    """Pages of a memory that are in a file of somebody else."""

    pages: PagesElsewhere
    count: Count


class Part:
    """Pages that were written together. They are there as long as this is."""

    __slots__ = ("_file", "count", "first")

    def __init__(self, file: PageFile, first: Count, count: Count) -> None:
        self._file = file
        self.first = first
        self.count = count

    def __del__(self) -> None:
        self._file.release(self.first, self.count)


@frozen(eq=False)
class _Stored:
    """Pages in a file."""

    file: PageFile
    numbers: "array[int]"
    """The numbers of pages, increasing."""
    places: "array[int]"
    """Where each is in the file."""
    parts: tuple[Part | PartElsewhere, ...]
    """The parts of the file in which they are."""

    def place(self, number: int) -> int | None:
        """Where a page is; None if it is not here."""
        index = bisect_left(self.numbers, number)
        if index < len(self.numbers) and self.numbers[index] == number:
            return self.places[index]
        return None

    def runs(self) -> Iterator[tuple[int, int, Count]]:
        """Pages that follow each other in memory and in the file: number and place of the first, and how many."""
        start = 0
        numbers, places = self.numbers, self.places
        for index in range(1, len(numbers) + 1):
            if (
                index == len(numbers)
                or index - start == PAGES_AT_ONCE
                or numbers[index] != numbers[index - 1] + 1
                or places[index] != places[index - 1] + 1
            ):
                yield numbers[start], places[start], index - start
                start = index


@define(eq=False, slots=True)
class StoredPages:
    """
    The pages of a memory, by number, of which most are in a file.

    It takes the place of a `HashTrieMap` with the same pages, and is equal to it.
    """

    _stored: _Stored
    _above: "HashTrieMap[int, bytes | None]" = field(factory=HashTrieMap)
    """Pages that are others than those in the file; None where there is no page any more."""
    _count: Count = 0

    @property
    def above(self) -> Count:
        """How many pages are in this process's memory."""
        return len(self._above)

    def is_in_file(self, number: int) -> bool:
        """The page is there, and not in this process's memory."""
        return number not in self._above and self._stored.place(number) is not None

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: int) -> bool:
        if number in self._above:
            return self._above[number] is not None
        return self._stored.place(number) is not None

    def __getitem__(self, number: int) -> bytes:
        page: bytes | None = self.get(number)
        if page is None:
            raise KeyError(number)
        return page

    def get(self, number: int, default: Any = None) -> Any:
        """A page, if it is there."""
        if number in self._above:
            page = self._above[number]
            return default if page is None else page
        place = self._stored.place(number)
        return default if place is None else self._stored.file.read(place)

    def __iter__(self) -> Iterator[int]:
        above = self._above
        yield from (number for number in self._stored.numbers if number not in above)
        yield from (number for number, page in above.items() if page is not None)

    def keys(self) -> list[int]:
        """The numbers of the pages."""
        return list(self)

    def values(self) -> Iterator[bytes]:
        """The pages."""
        return (page for _, page in self.items())

    def items(self) -> Iterator[tuple[int, bytes]]:
        """Pages with their numbers."""
        return ((number, self[number]) for number in self)

    def insert(self, number: int, page: bytes) -> "StoredPages":
        """The pages with another one."""
        return evolve(self, above=self._above.insert(number, page), count=self._count + (number not in self))

    def remove(self, number: int) -> "StoredPages":
        """The pages without one, which is there."""
        if number not in self:
            raise KeyError(number)
        is_below = self._stored.place(number) is not None
        above = self._above.insert(number, None) if is_below else self._above.remove(number)
        return evolve(self, above=above, count=self._count - 1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StoredPages | HashTrieMap):
            return NotImplemented
        return len(self) == len(other) and all(other.get(number) == page for number, page in self.items())

    def __hash__(self) -> int:
        return hash(HashTrieMap(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return HashTrieMap, (dict(self.items()),)

    def stored(self) -> "StoredPages":
        """The same with all pages in the file. Raises `OSError`."""
        if not self._above:
            return self
        held = sum(part.count for part in self._stored.parts)
        if held > WORTH_COPYING * self._count:
            return _all_written(self._stored.file, self.items())
        new = sorted((number, page) for number, page in self._above.items() if page is not None)
        part = self._stored.file.write([page for _, page in new])
        there = zip(self._stored.numbers, self._stored.places, strict=True)
        places = {number: place for number, place in there if number not in self._above}
        places |= {number: part.first + index for index, (number, _) in enumerate(new)}
        numbers = array("Q", sorted(places))
        in_order = array("Q", (places[number] for number in numbers))
        parts = (*self._stored.parts, part)
        return StoredPages(_Stored(self._stored.file, numbers, in_order, parts), count=self._count)

    def together(self) -> Iterator[tuple[int, bytes]]:
        """All pages; those together that follow each other in memory and in the file. What is over them comes last."""
        for number, place, count in self._stored.runs():
            yield number, self._stored.file.read(place, count)
        for number, page in self._above.items():
            yield number, ZERO_PAGE if page is None else page

    def mapped_by(self, map_run: Callable[[int, int, int, Count], bool]) -> Iterator[tuple[int, bytes]]:
        """
        All pages, but for those that somebody could map: he gets file, place in bytes, number of the first and count.

        Only long runs are offered, and not too many. What is mapped stays as long as this does.
        """
        offered = 0
        for number, place, count in self._stored.runs():
            file = self._stored.file
            if count >= LONG_RUN and place < ELSEWHERE and offered < MOST_RUNS:
                offered += 1
                if map_run(file.descriptor, place * OS_PAGE, number, count):
                    continue
            yield number, file.read(place, count)
        for number, page in self._above.items():
            yield number, ZERO_PAGE if page is None else page

    def differing_from(self, before: object) -> Iterable[int] | None:
        """The numbers of pages that may differ from earlier ones; None if all may."""
        if not isinstance(before, StoredPages) or before._stored is not self._stored:
            return None
        mine, theirs = self._above, before._above
        return [
            number for number in {*mine, *theirs} if mine.get(number, AS_STORED) is not theirs.get(number, AS_STORED)
        ]


def _all_written(file: PageFile, items: Iterable[tuple[int, bytes]]) -> StoredPages:
    in_order = sorted(items)
    part = file.write([page for _, page in in_order])
    numbers = array("Q", (number for number, _ in in_order))
    places = array("Q", range(part.first, part.first + part.count))
    return StoredPages(_Stored(file, numbers, places, (part,)), count=len(in_order))


def pages_elsewhere(
    file: PageFile, numbers: "array[int]", places: "array[int]", parts: tuple[PartElsewhere, ...]
) -> StoredPages:
    """The pages of a memory that are in files of others: their numbers, increasing, and their places."""
    return StoredPages(_Stored(file, numbers, places, parts), count=len(numbers))


def in_memory(memory: LinearMemory) -> ByteCount:
    """What the pages of a memory take of this process's memory."""
    contents: Any = memory.contents
    return OS_PAGE * (contents.above if isinstance(contents, StoredPages) else len(contents))


def stored(memory: LinearMemory, file: PageFile) -> LinearMemory:
    """The same memory with all pages in a file. Raises `OSError`."""
    contents: Any = memory.contents
    now: Any
    if isinstance(contents, StoredPages):
        now = contents.stored()
    elif contents:
        now = _all_written(file, contents.items())
    else:
        return memory
    return memory if now is contents else evolve(memory, contents=now)
