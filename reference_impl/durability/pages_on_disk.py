"""
Pages in files of checkpoints, which are read when they are needed.

When a server starts, every byte of a file is checked, and of a page only its place is kept. Whenever it is read it is
checked again, so what is damaged later is named then. A file that newer ones have replaced is there, without a name,
until nothing is read from it any more.
"""

import os
from array import array
from pathlib import Path
from typing import Final

from reference_impl.durability.faults import broken, naming
from reference_impl.durability.frames import HEAD_SIZE, Frame, checksum_of, head_of
from reference_impl.wasm.instances.stored_pages import PageFile, PartElsewhere, StoredPages, pages_elsewhere
from spec.values.identifiers import Blob
from spec.values.quantities import OS_PAGE, ByteCount, Count

PAGE_NUMBER_SIZE: Final = 4
"""Bytes of the number of a page, at the end of its key."""
GONE: Final = 2**64 - 1
"""The place of a page that is there no longer."""


class PagesOfFile:
    """The pages that a file holds, in the order in which they are in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with naming(path):
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._places = array("Q")
        """Where the frame of each begins."""
        self._checksums = array("I")
        """The checksum before each frame."""

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def __len__(self) -> int:
        return len(self._places)

    def add(self, frame: Frame, checksum_before: int) -> Count:
        """One more page, which is at the end of a frame; its number."""
        self._places.append(frame.place)
        self._checksums.append(checksum_before)
        return len(self._places) - 1

    def read(self, place: Count, count: Count) -> Blob:
        """Some pages that follow each other, the first of which has this number. Raises `StateDirectoryFault`."""
        start = self._places[place]
        size = self._places[place + count - 1] - start + self._length(place + count - 1)
        with naming(self._path):
            content = os.pread(self._descriptor, size, start)
        return b"".join(self._page(one, content, self._places[one] - start) for one in range(place, place + count))

    def _length(self, place: Count) -> ByteCount:
        """The length of a frame, from its head, which is checked with it."""
        with naming(self._path):
            head = os.pread(self._descriptor, HEAD_SIZE, self._places[place])
        if len(head) < HEAD_SIZE:
            raise broken(self._path, self._places[place], "the file ends within a piece")
        return HEAD_SIZE + min(head_of(head)[0], LONGEST_FRAME)

    def _page(self, place: Count, content: Blob, start: int) -> Blob:
        """The page in a frame, which is in what was read."""
        length, checksum = head_of(content[start : start + HEAD_SIZE].ljust(HEAD_SIZE, b"\0"))
        framed = content[start + HEAD_SIZE : start + HEAD_SIZE + length]
        if len(framed) != length or checksum_of(framed, self._checksums[place]) != checksum:
            raise broken(self._path, self._places[place], "the checksum is wrong")
        return framed[-OS_PAGE:]


LONGEST_FRAME: Final[ByteCount] = OS_PAGE + 128
"""The longest one that holds a page, with its key."""


class PagesOnDisk:
    """The pages of all memories, which are read from files when they are needed."""

    def __init__(self, file: PageFile) -> None:
        """Through this file they are read."""
        self._file = file
        self._files: list[PagesOfFile] = []
        self._noted: dict[Blob, list[tuple[Count, array[int], array[int]]]] = {}
        """By the beginning of the keys of their pages: for each file, numbers of pages and what they are in it."""
        self._bases: list[Count] = []

    def begin(self, path: Path) -> None:
        """What comes next is in another file, which is newer."""
        self._files.append(PagesOfFile(path))

    def note(self, key: Blob, frame: Frame, checksum_before: int, *, is_there: bool) -> None:
        """A page is there, or is there no longer."""
        index = len(self._files) - 1
        place = self._files[-1].add(frame, checksum_before) if is_there else GONE
        of_memory = self._noted.setdefault(key[:-PAGE_NUMBER_SIZE], [])
        if not of_memory or of_memory[-1][0] != index:
            of_memory.append((index, array("Q"), array("Q")))
        of_memory[-1][1].append(int.from_bytes(key[-PAGE_NUMBER_SIZE:], "big"))
        of_memory[-1][2].append(place)

    def end(self) -> None:
        """There are no more files."""
        self._bases = [self._file.attach(one) for one in self._files]

    def pages(self, prefix: Blob) -> StoredPages | None:
        """The pages of a memory, by the beginning of their keys; None if it has none."""
        places: dict[int, tuple[Count, Count]] = {}
        for index, numbers, in_file in self._noted.pop(prefix, ()):
            for number, place in zip(numbers, in_file, strict=True):
                if place == GONE:
                    places.pop(number, None)
                else:
                    places[number] = index, place
        if not places:
            return None
        in_order = array("Q", sorted(places))
        counts: dict[Count, Count] = {}
        for index, _ in places.values():
            counts[index] = counts.get(index, 0) + 1
        parts = tuple(PartElsewhere(self._files[index], count) for index, count in counts.items())
        where = (places[number] for number in in_order)
        return pages_elsewhere(
            self._file, in_order, array("Q", (self._bases[index] + place for index, place in where)), parts
        )
