"""
Finds the 4 KiB pages of a heap that an execution has changed, and takes changes back.

Where the kernel can tell which pages were written, the heap is a private mapping of a file in memory that holds the
heap before the execution. A page that is written becomes a private copy; the kernel lists these, so the cost does not
grow with the heap. Elsewhere all pages are compared.

A heap that was stored in a file of this process and comes back is mapped from there, so it costs what is touched.
"""

import contextlib
import ctypes
import fcntl
import mmap
import os
import weakref
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, Protocol

from reference_impl.wasm.instances.stored_pages import StoredPages
from spec.values.checklist import defines
from spec.values.memory import ZERO_PAGE, LinearMemory
from spec.values.quantities import OS_PAGE, ByteCount, Count

_libc: Final = ctypes.CDLL(None, use_errno=True)
_compare: Final = _libc.memcmp
_compare.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_compare.restype = ctypes.c_int
_map: Final = _libc.mmap
_map.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
_map.restype = ctypes.c_void_p
advise: Final = _libc.madvise
advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

Changed = dict[int, bytes]
"""The bytes of changed pages, by page number."""


@defines("seed1.dirty-pages")
class PageTracking(Protocol):
    """Follows what one memory holds. Addresses are of this process."""

    has_copies: bool
    """Something was set aside that `keep` or `undo` has to let go."""
    is_usable: bool
    """The memory holds what it should, also if this process is the copy of another one."""

    def load(self, base: int, before: LinearMemory, heap: LinearMemory) -> None:
        """Replaces what the memory held by another heap, for which it is large enough."""

    def changed(self, base: int, size: ByteCount, heap: LinearMemory) -> Changed:
        """The pages that differ from the heap that was loaded."""

    def keep(self, base: int, size: ByteCount, changed: Changed) -> None:
        """From now on the changes count as loaded."""

    def undo(self, base: int, changed: Changed, heap: LinearMemory) -> None:
        """Takes the changes back."""


def page_tracking() -> PageTracking:
    """The best way that this system has."""
    if _kernel_lists_copies():
        with contextlib.suppress(OSError):
            return PrivateCopies()
    return Comparison()


# BY COMPARISON


class Comparison:
    """Compares all pages."""

    has_copies = False
    is_usable = True
    """Nothing is shared with other processes."""

    def __init__(self) -> None:
        self._order: list[int] = []
        self._heap = LinearMemory()

    def load(self, base: int, before: LinearMemory, heap: LinearMemory) -> None:
        """Writes the pages in which the two differ."""
        for number, content in to_be_loaded(before, heap):
            ctypes.memmove(base + number * OS_PAGE, content, len(content))

    def changed(self, base: int, size: ByteCount, heap: LinearMemory) -> Changed:
        """Passes over pages of zeroes in large steps."""
        if self._heap.contents is not heap.contents:
            self._heap, self._order = heap, sorted(heap.contents)
        changed: list[int] = []
        following = 0
        for number in self._order:
            changed.extend(_pages_not_zero(base, following, number))
            if _compare(heap.contents[number], base + number * OS_PAGE, OS_PAGE):
                changed.append(number)
            following = number + 1
        changed.extend(_pages_not_zero(base, following, size // OS_PAGE))
        return {number: ctypes.string_at(base + number * OS_PAGE, OS_PAGE) for number in changed}

    def keep(self, base: int, size: ByteCount, changed: Changed) -> None:
        """The memory holds them already."""

    def undo(self, base: int, changed: Changed, heap: LinearMemory) -> None:
        """Writes the pages as they were."""
        for number in changed:
            ctypes.memmove(base + number * OS_PAGE, heap.page(number), OS_PAGE)


def differences(before: LinearMemory, heap: LinearMemory) -> Iterator[tuple[int, bytes]]:
    """The pages of a heap that are not the same object as in the one before."""
    now: Any = heap.contents
    numbers = now.differing_from(before.contents) if isinstance(now, StoredPages) else None
    if numbers is not None:
        yield from ((number, heap.page(number)) for number in numbers)
        return
    for number in before.contents:
        if number not in now:
            yield number, ZERO_PAGE
    for number, page in now.items():
        if before.contents.get(number) is not page:
            yield number, page


def to_be_loaded(before: LinearMemory, heap: LinearMemory) -> Iterator[tuple[int, bytes]]:
    """
    What is to be written where one heap was for another one to be there: numbers of pages, and what begins there.

    Pages that follow each other may come together, and a page may come twice: then it is as it comes last.
    """
    now: Any = heap.contents
    if not isinstance(now, StoredPages) or now.differing_from(before.contents) is not None:
        yield from differences(before, heap)
        return
    for number in before.contents:
        if number not in now:
            yield number, ZERO_PAGE
    yield from now.together()


def _pages_not_zero(base: int, first: int, last: int) -> Iterator[int]:
    """The numbers of the pages from `first` up to `last`, not included, that hold a byte other than zero."""
    if first >= last:
        return
    start, size = base + first * OS_PAGE, (last - first) * OS_PAGE
    # All bytes are equal to the next one and the first is zero.
    if ctypes.string_at(start, 1) == b"\0" and not _compare(start, start + 1, size - 1):
        return
    if last - first == 1:
        yield first
        return
    middle = (first + last) // 2
    yield from _pages_not_zero(base, first, middle)
    yield from _pages_not_zero(base, middle, last)


# BY PRIVATE COPIES

TAKEN_OVER: Final[Count] = 16
"""So many pages leave the file in which a heap is stored when one of them changes."""
MOST_PARTS: Final[Count] = 300
"""If a heap is mapped in more parts, a whole part leaves that file."""
_MAP_FIXED: Final = 0x10
_SCAN: Final = 3 << 30 | 96 << 16 | ord("f") << 8 | 16
"""The request PAGEMAP_SCAN. Source: Linux, include/uapi/linux/fs.h."""
_IN_FILE, _PRESENT, _SWAPPED = 1 << 2, 1 << 3, 1 << 4
_REGIONS: Final = 256
"""How many ranges of pages the kernel tells at once."""


class _ScanArguments(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "size",
            "flags",
            "start",
            "end",
            "walk_end",
            "vec",
            "vec_len",
            "max_pages",
            "category_inverted",
            "category_mask",
            "category_anyof_mask",
            "return_mask",
        )
    ]


_process: Final = [os.getpid()]
"""The number of this process, which a copy of it replaces by its own."""
os.register_at_fork(after_in_child=lambda: _process.__setitem__(0, os.getpid()))


@cache
def _page_map(process: int) -> int:
    """The file that tells of the pages of this process."""
    return os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)


class _Scanner:
    """Asks the kernel which pages are not those of a file."""

    def __init__(self) -> None:
        self._found = (ctypes.c_uint64 * (3 * _REGIONS))()
        self._range = 0, 0
        """Where the latest walk began and ended."""
        self._arguments = _ScanArguments(
            size=ctypes.sizeof(_ScanArguments),
            vec=ctypes.addressof(self._found),
            vec_len=_REGIONS,
            category_inverted=_IN_FILE,
            category_mask=_IN_FILE,
            category_anyof_mask=_PRESENT | _SWAPPED,
        )

    def private_ranges(self, base: int, size: ByteCount) -> list[tuple[int, int]]:
        """The ranges of page numbers, relative to the base. Raises `OSError` where the kernel does not tell."""
        arguments, found = self._arguments, self._found
        start, end = base, base + size
        ranges: list[tuple[int, int]] = []
        while start < end:
            if self._range != (start, end):
                arguments.start, arguments.end = self._range = start, end
            count = fcntl.ioctl(_page_map(_process[0]), _SCAN, arguments)
            if not count and not ranges:
                return ranges
            for index in range(count):
                ranges.append(((found[3 * index] - base) // OS_PAGE, (found[3 * index + 1] - base) // OS_PAGE))
            if arguments.walk_end <= start:
                raise OSError("the kernel does not come forward in the list of pages")
            start = arguments.walk_end
        return ranges


@cache
def _kernel_lists_copies() -> bool:
    """A trial: of three pages of a file of which one is written and one read, exactly the first one is told."""
    if not hasattr(os, "memfd_create") or mmap.PAGESIZE != OS_PAGE:
        return False
    try:
        file = os.memfd_create("trial", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, 3 * OS_PAGE)
            trial = mmap.mmap(file, 3 * OS_PAGE, flags=mmap.MAP_PRIVATE)
            trial[2 * OS_PAGE] = 7
            read = trial[0]
            base = ctypes.addressof(ctypes.c_char.from_buffer(trial))
            return read == 0 and _Scanner().private_ranges(base, 3 * OS_PAGE) == [(2, 3)]
        finally:
            os.close(file)
    except OSError:
        return False


def map_privately(address: int, file: int, place: int, size: ByteCount) -> bool:
    """From now on memory is what is at a place of a file, until it is written to. False if that cannot be."""
    flags = mmap.MAP_PRIVATE | _MAP_FIXED
    return bool(_map(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, file, place) == address)


MOST_COPIES: Final[Count] = 16
"""So many pages may stay private copies although they count as loaded: each is compared after each execution."""


class PrivateCopies:
    """
    The memory is a private mapping of a file that holds the heap that was loaded.

    A few pages in which the file lags behind may stay private copies: those are compared with what counts as loaded, as
    all copies are, so a page that every execution writes is not written to the file each time.
    """

    def __init__(self) -> None:
        self.has_copies = False
        """There are more private copies of pages than may stay."""
        self.is_usable = True
        """No: a copy of the process shares the file with the original, or another memory has taken the place."""
        _of_this_process.add(self)
        self._scanner = _Scanner()
        self._base = 0
        self._mapped: ByteCount = 0
        """How much of the memory is a mapping of the file. Behind it nothing but zeroes were loaded."""
        self._copies: list[tuple[int, int]] = []
        """The ranges of pages that may be private copies."""
        self._behind: Changed = {}
        """What counts as loaded and is not in the file yet; all of it is in private copies."""
        self._file = os.memfd_create("heap", os.MFD_CLOEXEC)
        self._stored: StoredPages | None = None
        """The heap of which parts are mapped from the file in which it is stored."""
        self._of_stored: list[tuple[int, int]] = []
        """These parts: ranges of pages, in order."""

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def load(self, base: int, before: LinearMemory, heap: LinearMemory) -> None:
        """
        Writes the pages in which the two differ into the file.

        Where nothing was before, long parts of a heap that is stored in a file are mapped from there.
        """
        self._catch_up(base)
        self._extend(base, heap.size)
        contents: Any = heap.contents
        if isinstance(contents, StoredPages) and not before.contents and not self._of_stored:
            self._stored = contents
            content_to_write = contents.mapped_by(self._map_stored)
        else:
            content_to_write = to_be_loaded(before, heap)
        for number, content in content_to_write:
            if self._of_stored:
                for place in range(number, number + len(content) // OS_PAGE):
                    self._take_over(place)
            os.pwrite(self._file, content, number * OS_PAGE)

    def _map_stored(self, file: int, place: int, number: int, count: int) -> bool:
        """Maps a part of the heap from where it is stored. False if that cannot be."""
        if not map_privately(self._base + number * OS_PAGE, file, place, count * OS_PAGE):
            return False
        self._of_stored.append((number, number + count))
        return True

    def _take_over(self, number: int) -> None:
        """A page that is about to change, and those about it, are as they are in memory in the own file from now on."""
        index = bisect_right(self._of_stored, number, key=lambda one: one[0]) - 1
        if index < 0 or number >= self._of_stored[index][1]:
            return
        first, last = self._of_stored[index]
        start = max(first, number - number % TAKEN_OVER)
        end = min(last, start - start % TAKEN_OVER + TAKEN_OVER)
        if len(self._of_stored) > MOST_PARTS:
            start, end = first, last
        address, size = self._base + start * OS_PAGE, (end - start) * OS_PAGE
        os.pwrite(self._file, ctypes.string_at(address, size), start * OS_PAGE)
        if not map_privately(address, self._file, start * OS_PAGE, size):
            raise OSError(ctypes.get_errno(), "the heap cannot be mapped")
        self._of_stored[index : index + 1] = [one for one in ((first, start), (end, last)) if one[0] < one[1]]
        if not self._of_stored:
            self._stored = None

    def _extend(self, base: int, size: ByteCount) -> None:
        """Maps the file over more of the memory."""
        if self._mapped and self._base != base:
            raise OSError("the memory has moved")
        self._base = base
        if size <= self._mapped:
            return
        os.ftruncate(self._file, size)
        start, length = base + self._mapped, size - self._mapped
        if not map_privately(start, self._file, self._mapped, length):
            raise OSError(ctypes.get_errno(), "the heap cannot be mapped")
        self._mapped = size

    def changed(self, base: int, size: ByteCount, heap: LinearMemory) -> Changed:
        """Looks at the private copies only; of a memory that has moved, at all pages."""
        has_moved = base != self._base and bool(self._mapped)
        self._copies = [(0, size // OS_PAGE)] if has_moved else self._scanner.private_ranges(base, size)
        changed: Changed = {}
        if not self._copies:
            self.has_copies = False
            return changed
        contents, copies = heap.contents, 0
        for first, last in self._copies:
            copies += last - first
            for number in range(first, last):
                address = base + number * OS_PAGE
                if _compare(contents.get(number, ZERO_PAGE), address, OS_PAGE):
                    changed[number] = ctypes.string_at(address, OS_PAGE)
        self.has_copies = copies > MOST_COPIES
        return changed

    def keep(self, base: int, size: ByteCount, changed: Changed) -> None:
        """Few copies stay; otherwise the changes are written into the file, so that the private copies can go."""
        if self._mapped and base != self._base:
            # Another memory has taken the place of the mapping, so everything is new.
            self.is_usable = False
            return
        self._behind.update(changed)
        if self.has_copies or size > self._mapped:
            self._catch_up(base)
            self._extend(base, size)

    def undo(self, base: int, changed: Changed, heap: LinearMemory) -> None:
        """Lets the private copies go, which brings the pages of the file back."""
        self._catch_up(base)

    def _catch_up(self, base: int) -> None:
        """The file holds all that counts as loaded, and there are no private copies."""
        for first, last in self._copies:
            if advise(base + first * OS_PAGE, (last - first) * OS_PAGE, mmap.MADV_DONTNEED):
                raise OSError(ctypes.get_errno(), "private copies of pages cannot be dropped")
        self._copies, self.has_copies = [], False
        # Reason: taking a page over brings those about it into the file as they are, so copies have to be gone.
        for number, page in self._behind.items():
            if self._of_stored:
                self._take_over(number)
            os.pwrite(self._file, page, number * OS_PAGE)
        self._behind = {}


_of_this_process: Final[weakref.WeakSet[PrivateCopies]] = weakref.WeakSet()


def _leave_files_to_original() -> None:
    """In a copy of a process: none of its files is for the copy to write to."""
    for copies in _of_this_process:
        copies.is_usable = False


os.register_at_fork(after_in_child=_leave_files_to_original)
