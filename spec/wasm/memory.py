"""A memory while a function runs: flat bytes, and the pages that were written to."""

from typing import Final

from spec.values.checklist import defines
from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, WASM_PAGE, Count
from spec.wasm.syntax import MemoryType
from spec.wasm.traps import Trap
from spec.wasm.validate import MAXIMUM_PAGES

OUT_OF_BOUNDS: Final = "out of bounds memory access"

OS_PAGE_BITS: Final = OS_PAGE.bit_length() - 1


@defines("seed2.wasm-memory-automatic")
class Memory:
    """The memory of one instance. Offsets and lengths are in bytes; what lies outside traps."""

    __slots__ = ("content", "has_a_limit", "maximum_pages", "size", "start", "written")

    def __init__(self, start: LinearMemory, memory_type: MemoryType, maximum_pages: Count | None) -> None:
        limits = memory_type.limits
        bounds = (limits.maximum, maximum_pages, MAXIMUM_PAGES[limits.is_64_bit])
        self.maximum_pages = min(bound for bound in bounds if bound is not None)
        self.has_a_limit = maximum_pages is not None
        self.start = start
        self.size = start.size
        self.content = bytearray(start.size)
        for number, page in start.contents.items():
            self.content[number * OS_PAGE : (number + 1) * OS_PAGE] = page
        self.written: set[int] = set()
        """The numbers of the 4 KiB pages that may differ from `start`."""

    def check(self, offset: int, length: int) -> None:
        """Traps unless the bytes lie inside the memory."""
        if offset + length > self.size:
            raise Trap(OUT_OF_BOUNDS)

    def mark(self, offset: int, length: int) -> None:
        """Notes that bytes are written."""
        if length:
            self.written.update(range(offset >> OS_PAGE_BITS, (offset + length - 1 >> OS_PAGE_BITS) + 1))

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on."""
        self.check(offset, length)
        return bytes(self.content[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        """Puts bytes in."""
        self.check(offset, len(data))
        self.mark(offset, len(data))
        self.content[offset : offset + len(data)] = data

    def fill(self, offset: int, value: int, length: int) -> None:
        """Puts the same byte everywhere."""
        self.check(offset, length)
        self.mark(offset, length)
        self.content[offset : offset + length] = bytes((value & 0xFF,)) * length

    def copy(self, target: int, source: int, length: int) -> None:
        """Copies bytes that may overlap; nothing is copied if any lies outside."""
        self.check(source, length)
        self.check(target, length)
        self.mark(target, length)
        self.content[target : target + length] = self.content[source : source + length]

    def grow(self, pages: Count) -> int:
        """
        Adds pages of 64 KiB, all zero. The number of pages before, or -1 if there is no room.

        Raises `MemoryError` if the machine that runs this has none within the limit of the embedder: what a canister is
        told does not depend on it.
        """
        before = self.size // WASM_PAGE
        if before + pages > self.maximum_pages:
            return -1
        try:
            grown = bytearray((before + pages) * WASM_PAGE)
        except (MemoryError, OverflowError):
            if self.has_a_limit:
                raise MemoryError(f"this machine has no room for a memory of {before + pages} pages") from None
            return -1
        grown[: self.size] = self.content
        self.content, self.size = grown, len(grown)
        return before

    @defines("seed1.dirty-pages")
    def changed(self) -> list[tuple[int, bytes]]:
        """The 4 KiB pages whose bytes differ from those at the start: number and bytes."""
        pages = ((number, bytes(self.content[number * OS_PAGE : (number + 1) * OS_PAGE])) for number in self.written)
        return sorted((number, page) for number, page in pages if page != self.start.page(number))

    def as_value(self) -> LinearMemory:
        """The contents now; pages that did not change are shared with the start."""
        return self.start.with_pages(self.size // WASM_PAGE, self.changed())
