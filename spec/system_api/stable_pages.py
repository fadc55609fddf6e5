"""Stable memory while it is being executed on."""

from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, WASM_PAGE, ByteCount, Count


class StablePages:
    """
    A stable memory that can be written to: an immutable memory and the 4 KiB pages written since.

    Callers check bounds; a range outside the memory is an error of ours.
    """

    def __init__(self, before: LinearMemory) -> None:
        self._before = before
        self._written: dict[int, bytearray] = {}
        self._accessed: set[int] = set()
        self.wasm_pages: Count = before.wasm_pages

    @property
    def size(self) -> ByteCount:
        """The size in bytes."""
        return self.wasm_pages * WASM_PAGE

    def grow(self, wasm_pages: Count) -> None:
        """Appends pages that hold zeroes."""
        self.wasm_pages += wasm_pages

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on."""
        first, end = _page_range(offset, length)
        joined = b"".join(self._written.get(number) or self._before.page(number) for number in range(first, end))
        return joined[offset - first * OS_PAGE :][:length]

    def access(self, offset: int, length: int) -> Count:
        """Notes which pages are accessed; how many different 4 KiB pages have been accessed in all."""
        self._accessed.update(range(*_page_range(offset, length)))
        return len(self._accessed)

    def pages_newly_written(self, offset: int, length: int) -> Count:
        """How many 4 KiB pages a write there would be the first one to write."""
        return sum(number not in self._written for number in range(*_page_range(offset, length)))

    def write(self, offset: int, content: bytes) -> None:
        """Replaces the bytes from `offset` on."""
        taken = 0
        for number in range(*_page_range(offset, len(content))):
            page = self._written.setdefault(number, bytearray(self._before.page(number)))
            start = offset + taken - number * OS_PAGE
            part = content[taken : taken + OS_PAGE - start]
            page[start : start + len(part)] = part
            taken += len(part)

    def linear_memory(self) -> LinearMemory:
        """The contents as a value."""
        written = ((number, bytes(page)) for number, page in self._written.items())
        return self._before.with_pages(self.wasm_pages, written)


def _page_range(offset: int, length: int) -> tuple[int, int]:
    """The first page touched and the one after the last."""
    return offset // OS_PAGE, (offset + length + OS_PAGE - 1) // OS_PAGE if length else offset // OS_PAGE
