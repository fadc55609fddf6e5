"""Stable memory while an execution changes it."""

import ctypes
import mmap
from typing import Any, Final

from reference_impl.wasm.instances.page_tracking import advise, map_privately, to_be_loaded
from reference_impl.wasm.instances.stored_pages import StoredPages
from reference_impl.wasm.instances.system_memory import SystemMemory
from reference_impl.wasm.instances.written_pages import WRITTEN
from reference_impl.wasm.layout.fast_functions import (
    ACCESSED,
    EPOCH,
    EPOCHS,
    JOURNAL,
    JOURNAL_LENGTH,
    MOST_ACCESSED,
    NEED_CONTENTS,
    STABLE_MOST,
    STABLE_PAGES,
)
from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, WASM_PAGE, ByteCount, Count

LAST_EPOCH: Final = 2**32 - 4
"""When an instance has come so far it is not used again."""

_NO_HUGE_PAGES: Final[int | None] = getattr(mmap, "MADV_NOHUGEPAGE", None)


class StableMemoryOutgrown(Exception):
    """Stable memory would grow beyond the room that the module has for it; the state is as it was."""


class StableMemory:
    """
    The stable memory in an instance.

    It holds what was loaded last, with the changes of the execution that runs. Functions inside the module work on it
    too; what they share with the host is in cells of the system memory. Contents are loaded when they are needed first.
    """

    def __init__(self, system: SystemMemory, base: int, room: Count) -> None:
        self._system = system
        self._cells = system.cells
        self._base = base
        self._room = room
        self._epoch = 0
        self._loaded = LinearMemory()
        self._before = self._loaded
        self._is_loaded = True
        self._mapped: StoredPages | None = None
        """
        What is mapped in parts from the file in which it is stored. It stays until something else is, which is when
        nothing of it is left.
        """
        self._written: list[int] = []
        """Pages that this execution has written, beside those in the journal."""
        if _NO_HUGE_PAGES is not None:
            # A huge page would be filled with zeroes for the first byte that is written to it.
            advise(base, room * WASM_PAGE, _NO_HUGE_PAGES)

    def begin(self, before: LinearMemory, largest: Count, most_accessed: Count) -> None:
        """An execution starts with this stable memory, which may have so many pages at most."""
        self._epoch += 2
        self._before = before
        self._written = []
        cells = self._cells
        cells[STABLE_PAGES] = before.wasm_pages
        cells[STABLE_MOST] = min(largest, self._room)
        cells[EPOCH] = self._epoch
        cells[ACCESSED] = 0
        cells[MOST_ACCESSED] = most_accessed
        cells[JOURNAL_LENGTH] = 0
        contents, loaded = before.contents, self._loaded.contents
        self._is_loaded = contents is loaded or not (contents or loaded)
        if not self._is_loaded:
            self._system.allow(NEED_CONTENTS, False)

    def _load(self) -> None:
        """Replaces what the memory held by what this execution starts with."""
        if self._is_loaded:
            return
        contents: Any = self._before.contents
        if isinstance(contents, StoredPages) and not self._loaded.contents:
            self._mapped = contents
            pages = contents.mapped_by(self._map_stored)
        else:
            pages = to_be_loaded(self._loaded, self._before)
        for number, content in pages:
            ctypes.memmove(self._base + number * OS_PAGE, content, len(content))
        self._loaded = self._before
        self._is_loaded = True
        self._system.allow(NEED_CONTENTS, True)

    def _map_stored(self, file: int, place: int, number: int, count: int) -> bool:
        """Maps a part from where it is stored. False if that cannot be."""
        return map_privately(self._base + number * OS_PAGE, file, place, count * OS_PAGE)

    @property
    def wasm_pages(self) -> Count:
        """The size in WebAssembly pages."""
        return self._cells[STABLE_PAGES]

    @property
    def size(self) -> ByteCount:
        """The size in bytes."""
        return self.wasm_pages * WASM_PAGE

    def grow(self, more: Count) -> None:
        """Appends pages of zeroes. Raises `StableMemoryOutgrown`."""
        pages = self.wasm_pages + more
        if pages > self._room:
            raise StableMemoryOutgrown
        self._cells[STABLE_PAGES] = pages

    def access(self, offset: int, size: int, most: Count) -> bool:
        """Notes an access to a range. False if more than so many different 4 KiB pages have been accessed by now."""
        if size > most * OS_PAGE:
            return False
        seen = self._seen(offset, size)
        before = list(seen)
        new = sum(number < self._epoch for number in before)
        if new:
            seen[:] = [max(number, self._epoch) for number in before]
            self._cells[ACCESSED] += new
        return self._cells[ACCESSED] <= most

    def note_written(self, offset: int, size: int) -> Count:
        """Notes a write to a range; how many 4 KiB pages in it this execution had not written before."""
        seen, first = self._seen(offset, size), offset // OS_PAGE
        new = [first + place for place, number in enumerate(seen) if number <= self._epoch]
        for number in new:
            seen[number - first] = self._epoch + 1
        self._take_journal()
        self._written += new
        return len(new)

    def _seen(self, offset: int, size: int) -> "ctypes.Array[ctypes.c_uint32]":
        """When each page of a range was accessed last."""
        first = offset // OS_PAGE
        pages = (offset + size - 1) // OS_PAGE + 1 - first if size else 0
        return (ctypes.c_uint32 * pages).from_address(self._system.base + EPOCHS + 4 * first)

    def _take_journal(self) -> None:
        length = self._cells[JOURNAL_LENGTH]
        if length:
            self._written += (ctypes.c_uint32 * length).from_address(self._system.base + JOURNAL)
            self._cells[JOURNAL_LENGTH] = 0

    @property
    def pages_written(self) -> Count:
        """How many 4 KiB pages this execution has written."""
        return len(self._written) + self._cells[JOURNAL_LENGTH]

    def read(self, offset: int, destination: int, size: int) -> None:
        """Copies bytes, which must lie inside, to an address."""
        if size:
            self._load()
            ctypes.memmove(destination, self._base + offset, size)

    def write(self, offset: int, source: int, size: int) -> None:
        """Copies bytes from an address to where they must lie inside."""
        if size:
            self._load()
            ctypes.memmove(self._base + offset, source, size)

    def keep(self) -> LinearMemory:
        """Takes the changes over into the stable memory that counts as loaded."""
        self._take_journal()
        before = self._before
        if not self._written and self.wasm_pages == before.wasm_pages:
            return before
        now = before.with_pages(self.wasm_pages, ((number, self._page(number)) for number in self._written))
        WRITTEN.note(before, now, self._written)
        if self._is_loaded:
            self._loaded = now
        return now

    def _page(self, number: int) -> bytes:
        return ctypes.string_at(self._base + number * OS_PAGE, OS_PAGE)

    def undo(self) -> None:
        """Takes the changes back."""
        self._take_journal()
        if self._is_loaded:
            for number in self._written:
                ctypes.memmove(self._base + number * OS_PAGE, self._before.page(number), OS_PAGE)

    def exchange(self, before: LinearMemory, now: LinearMemory) -> None:
        """Where one stable memory was loaded, an equal one counts as loaded."""
        if self._loaded is before:
            self._loaded = now

    @property
    def pages(self) -> Count:
        """How many 4 KiB pages that are not empty were loaded."""
        return len(self._loaded.contents)

    def holds(self, stable_memory: LinearMemory) -> bool:
        """The contents need not be loaded."""
        return self._loaded.contents is stable_memory.contents

    def is_usable(self) -> bool:
        """There are epochs left."""
        return self._epoch < LAST_EPOCH
