"""Reading the primitive elements of the binary format: bytes, integers, names, vectors."""

from collections.abc import Callable
from typing import Final, TypeVar

from spec.wasm.syntax import ValueType

Element = TypeVar("Element")

VALUE_TYPES: Final[dict[int, ValueType]] = {
    0x7F: ValueType.I32,
    0x7E: ValueType.I64,
    0x7D: ValueType.F32,
    0x7C: ValueType.F64,
    0x7B: ValueType.V128,
    0x70: ValueType.FUNCREF,
    0x6F: ValueType.EXTERNREF,
}
"""The byte of each value type."""

UNSUPPORTED_TYPES: Final[dict[int, str]] = {
    0x69: "exceptions are not accepted",
    0x74: "exceptions are not accepted",
    **dict.fromkeys((0x63, 0x64), "typed function references are not accepted"),
    **dict.fromkeys((*range(0x6A, 0x6F), *range(0x71, 0x74), 0x77, 0x78), "garbage collection is not accepted"),
}
"""Why a type that begins with this byte is refused, where the byte belongs to a known extension."""


class Malformed(Exception):
    """The bytes are not a module in the binary format, or use a feature that is not accepted."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset


class TooLarge(Malformed):
    """A part of the module is larger than its limit."""

    def __init__(self, number: int, what: str, limit: int, offset: int) -> None:
        super().__init__(f"{number} {what}; {limit} are allowed", offset)


class Reader:
    """A position in the bytes of a module, and the end that must not be passed."""

    __slots__ = ("end", "position", "raw")

    def __init__(self, raw: bytes, position: int, end: int) -> None:
        self.raw = raw
        self.position = position
        self.end = end

    def fail(self, reason: str, offset: int | None = None) -> Malformed:
        """The error for this place."""
        return Malformed(reason, self.position if offset is None else offset)

    @property
    def at_end(self) -> bool:
        """Nothing is left."""
        return self.position >= self.end

    def byte(self) -> int:
        """The next byte."""
        if self.position >= self.end:
            raise self.fail("unexpected end")
        self.position += 1
        return self.raw[self.position - 1]

    def take(self, length: int) -> bytes:
        """The next bytes."""
        if length > self.end - self.position:
            raise self.fail("unexpected end")
        start, self.position = self.position, self.position + length
        return self.raw[start : self.position]

    def part(self, length: int) -> "Reader":
        """A reader of the next bytes alone; this one goes on behind them."""
        start = self.position
        if length > self.end - start:
            raise self.fail("length out of bounds")
        self.position += length
        return Reader(self.raw, start, self.position)

    def unsigned(self, width: int = 32) -> int:
        """An unsigned integer in LEB128, of at most `width` bits."""
        start = self.position
        value, _ = self._groups(width)
        if value >= 1 << width:
            raise self.fail("integer too large", start)
        return value

    def signed(self, width: int) -> int:
        """A signed integer in LEB128, of at most `width` bits."""
        start = self.position
        value, bits = self._groups(width)
        if value >> bits - 1:
            value -= 1 << bits
        if not -(1 << width - 1) <= value < 1 << width - 1:
            raise self.fail("integer too large", start)
        return value

    def _groups(self, width: int) -> tuple[int, int]:
        """What the groups of seven bits say together, and how many bits they are."""
        start, value, bits = self.position, 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << bits
            bits += 7
            if byte < 0x80:
                return value, bits
            if bits >= width:
                raise self.fail("integer representation too long", start)

    def name(self) -> str:
        """A name: its length and its bytes in UTF-8."""
        length, start = self.unsigned(), self.position
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise self.fail("malformed UTF-8 encoding", start) from None

    def count(self, what: str, limit: int) -> int:
        """The number of elements that follow, at most the limit."""
        start, number = self.position, self.unsigned()
        if number > limit:
            raise TooLarge(number, what, limit, start)
        return number

    def limited_vector(self, element: Callable[[], Element], what: str, limit: int) -> tuple[Element, ...]:
        """A number of elements, at most the limit, then the elements."""
        start = self.position
        self.count(what, limit)
        self.position = start
        return self.vector(element)

    def vector(self, element: Callable[[], Element]) -> tuple[Element, ...]:
        """A number of elements, then the elements."""
        number = self.unsigned()
        if number > self.end - self.position:
            raise self.fail("unexpected end: the vector has more elements than bytes are left")
        return tuple(element() for _ in range(number))

    def value_type(self) -> ValueType:
        """A value type."""
        start = self.position
        byte = self.byte()
        if byte in VALUE_TYPES:
            return VALUE_TYPES[byte]
        raise self.fail(UNSUPPORTED_TYPES.get(byte, "malformed value type"), start)

    def reference_type(self) -> ValueType:
        """A reference type."""
        start = self.position
        read = self.value_type()
        if not read.is_reference:
            raise self.fail("malformed reference type", start)
        return read
