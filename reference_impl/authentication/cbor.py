"""
CBOR, of which certificates and canister signatures are made. Source: RFC 8949.

Only what they consist of is kept: numbers, strings, arrays, and maps by text. There is no item that refers to another
one, so that an item is never larger than what encodes it. Everything here raises `ValueError` for other bytes.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from attrs import frozen

from spec.values.identifiers import Blob, Text

DEEPEST: Final = 128
"""So many items may be in each other, as in production, where the reader of CBOR has this limit."""
SELF_DESCRIBED: Final = 55799
"""The tag of what says of itself that it is CBOR."""
OPEN: Final = 31
"""In place of a length: what is inside goes on up to a break."""
NULL: Final = 22
BREAK: Final = 0xFF
Part = TypeVar("Part")


@frozen
class Tagged:
    """An item with a tag, which gives it another meaning."""

    tag: int
    item: "Item"


@frozen
class Unused:
    """A number with a fraction, or a simple value other than null. No certificate has any."""


Item = int | Blob | Text | list["Item"] | dict[Text, "Item"] | Tagged | Unused | None


def read(encoded: Blob) -> Item:
    """The item that the bytes are."""
    reader = _Reader(encoded)
    item = reader.item(DEEPEST)
    if reader.position < len(encoded):
        raise ValueError("more follows the item")
    return item


class _Reader:
    """Reads item by item."""

    def __init__(self, encoded: Blob) -> None:
        self.encoded = encoded
        self.position = 0

    def take(self, length: int) -> Blob:
        """The next bytes, so many."""
        taken = self.encoded[self.position : self.position + length]
        if len(taken) < length:
            raise ValueError("the bytes end inside an item")
        self.position += length
        return taken

    def argument(self, size: int) -> int:
        """The number that follows the first byte of an item."""
        if size < 24:
            return size
        if size > 27:
            raise ValueError("no item begins so")
        return int.from_bytes(self.take(1 << (size - 24)), "big")

    def item(self, room: int) -> Item:
        """The next item, inside of which there may be others down to a depth."""
        if room == 0:
            raise ValueError("items are nested too deeply")
        kind, size = divmod(self.take(1)[0], 32)
        match kind:
            case 0:
                return self.argument(size)
            case 1:
                return -1 - self.argument(size)
            case 2:
                return self.string(kind, size)
            case 3:
                return self.string(kind, size).decode("utf-8")
            case 4:
                return list(self.several(size, lambda: self.item(room - 1)))
            case 5:
                return self.by_text(self.several(size, lambda: (self.item(room - 1), self.item(room - 1))))
            case 6:
                return Tagged(self.argument(size), self.item(room - 1))
            case _:
                self.argument(size)
                return None if size == NULL else Unused()

    def string(self, kind: int, size: int) -> Blob:
        """A string, in one piece or in several."""
        if size != OPEN:
            return self.take(self.argument(size))
        return b"".join(self.several(size, lambda: self.piece(kind)))

    def piece(self, kind: int) -> Blob:
        """One piece of a string."""
        found, size = divmod(self.take(1)[0], 32)
        if found != kind:
            raise ValueError("a piece of a string is of another kind")
        return self.take(self.argument(size))

    def several(self, size: int, part: Callable[[], Part]) -> Iterator[Part]:
        """As many parts as a number says, or those up to a break."""
        if size != OPEN:
            for _ in range(self.argument(size)):
                yield part()
            return
        while self.encoded[self.position : self.position + 1] != bytes((BREAK,)):
            yield part()
        self.position += 1

    @staticmethod
    def by_text(pairs: Iterator[tuple[Item, Item]]) -> dict[Text, Item]:
        """A map: no key is there twice. Keys that are not text are left out."""
        fields: dict[Text, Item] = {}
        for key, item in pairs:
            if isinstance(key, str):
                if key in fields:
                    raise ValueError("a map has a key twice")
                fields[key] = item
        return fields
