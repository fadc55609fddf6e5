"""Stable memory while an execution changes it."""

from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, ByteCount, Count


class StableMemory:
    """Stable memory as it was, and the 4 KiB pages that this execution has written."""

    def __init__(self, before: LinearMemory) -> None:
        self._before = before
        self._written: dict[int, bytearray] = {}
        self._accessed: set[int] = set()
        self.wasm_pages: Count = before.wasm_pages

    @property
    def size(self) -> ByteCount:
        """The size in bytes."""
        return self.wasm_pages * 2**16

    def grow(self, more: Count) -> None:
        """Appends pages of zeroes."""
        self.wasm_pages += more

    def access(self, offset: int, size: int, most: Count) -> bool:
        """Notes an access to a range. False if more than so many different 4 KiB pages have been accessed by now."""
        if size > most * OS_PAGE:
            return False
        if size:
            first, last = offset // OS_PAGE, (offset + size - 1) // OS_PAGE
            if first == last:
                self._accessed.add(first)
            else:
                self._accessed.update(range(first, last + 1))
        return len(self._accessed) <= most

    def read(self, offset: int, size: int) -> bytes:
        """Bytes, which must lie inside."""
        first, end = offset // OS_PAGE, (offset + size + OS_PAGE - 1) // OS_PAGE
        pages = b"".join(self._written.get(number) or self._before.page(number) for number in range(first, end))
        return pages[offset - first * OS_PAGE :][:size]

    def pages_new_to_write(self, offset: int, size: int) -> Count:
        """How many 4 KiB pages in this range this execution has not written yet."""
        if not size:
            return 0
        touched = range(offset // OS_PAGE, (offset + size - 1) // OS_PAGE + 1)
        return sum(number not in self._written for number in touched)

    def write(self, offset: int, content: bytes) -> None:
        """Puts bytes in, inside of which they must lie."""
        position = 0
        while position < len(content):
            number, start = divmod(offset + position, OS_PAGE)
            page = self._written.get(number)
            if page is None:
                page = self._written[number] = bytearray(self._before.page(number))
            part = content[position : position + OS_PAGE - start]
            page[start : start + len(part)] = part
            position += len(part)

    def now(self) -> LinearMemory:
        """Stable memory with the changes."""
        if not self._written and self.wasm_pages == self._before.wasm_pages:
            return self._before
        return self._before.with_pages(
            self.wasm_pages, ((number, bytes(page)) for number, page in self._written.items())
        )
