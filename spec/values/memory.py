"""Linear memory as a value: immutable, sparse, and equal when its bytes are equal."""

from collections.abc import Iterable, Iterator
from typing import Final

from attrs import evolve, field, frozen
from rpds import HashTrieMap

from spec.values.checklist import defines
from spec.values.quantities import OS_PAGE, WASM_PAGE, ByteCount, Count

ZERO_PAGE: Final[bytes] = bytes(OS_PAGE)


@frozen
@defines("seed1.canister-is-code-and-memory")
class LinearMemory:
    """
    The contents of a WebAssembly memory or of stable memory.

    Only 4 KiB pages that hold a byte other than zero are kept, so equal memories have equal representations and an
    untouched gibibyte costs nothing.
    """

    wasm_pages: Count = 0
    """The size, in WebAssembly pages of 64 KiB."""
    contents: "HashTrieMap[int, bytes]" = field(factory=HashTrieMap)
    """The bytes of each 4 KiB page that is not all zero, by page number."""

    @property
    def size(self) -> ByteCount:
        """The size in bytes."""
        return self.wasm_pages * WASM_PAGE

    def page(self, number: int) -> bytes:
        """The 4096 bytes of the 4 KiB page with this number."""
        return self.contents.get(number, ZERO_PAGE)

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on. Both must lie inside the memory."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise IndexError(f"{offset}+{length} is outside a memory of {self.size} bytes")
        first, last = offset // OS_PAGE, (offset + length + OS_PAGE - 1) // OS_PAGE
        joined = b"".join(self.page(number) for number in range(first, last))
        return joined[offset - first * OS_PAGE :][:length]

    def with_pages(self, wasm_pages: Count, changed: Iterable[tuple[int, bytes]]) -> "LinearMemory":
        """The memory of the given size in which some 4 KiB pages hold other bytes."""
        contents = self.contents
        for number, page in changed:
            assert len(page) == OS_PAGE
            if page != ZERO_PAGE:
                contents = contents.insert(number, bytes(page))
            elif number in contents:
                contents = contents.remove(number)
        return evolve(self, wasm_pages=wasm_pages, contents=contents)

    def with_bytes(self, offset: int, content: bytes) -> "LinearMemory":
        """The memory with other bytes from an offset on. They must lie inside the memory."""
        first, last = offset // OS_PAGE, (offset + len(content) + OS_PAGE - 1) // OS_PAGE
        start = offset - first * OS_PAGE
        around = bytearray(self.read(first * OS_PAGE, (last - first) * OS_PAGE))
        around[start : start + len(content)] = content
        pages = ((number, bytes(around[(number - first) * OS_PAGE :][:OS_PAGE])) for number in range(first, last))
        return self.with_pages(self.wasm_pages, pages)

    def differing_pages(self, earlier: "LinearMemory") -> Iterator[int]:
        """The numbers of the 4 KiB pages whose bytes differ from an earlier memory's."""
        for number in sorted({*self.contents.keys(), *earlier.contents.keys()}):
            if self.page(number) != earlier.page(number):
                yield number

    def to_bytes(self) -> bytes:
        """All bytes."""
        flat = bytearray(self.size)
        for number, page in self.contents.items():
            flat[number * OS_PAGE : (number + 1) * OS_PAGE] = page
        return bytes(flat)

    @staticmethod
    def from_bytes(content: bytes) -> "LinearMemory":
        """The memory with these bytes, whose number must be a multiple of 64 KiB."""
        assert len(content) % WASM_PAGE == 0
        pages = ((start // OS_PAGE, content[start : start + OS_PAGE]) for start in range(0, len(content), OS_PAGE))
        return LinearMemory().with_pages(len(content) // WASM_PAGE, pages)
