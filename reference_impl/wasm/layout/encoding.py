"""The binary format as far as rewriting needs it: LEB128 numbers, names and sections."""

from attrs import define, frozen


class Malformed(Exception):
    """The bytes are not a module that a canister may have. The message says why, in one line."""


def unsigned(value: int) -> bytes:
    """The LEB128 encoding of a natural number."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def signed(value: int) -> bytes:
    """The signed LEB128 encoding of an integer."""
    encoded = bytearray()
    while not -0x40 <= value < 0x40:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value & 0x7F)
    return bytes(encoded)


def name(text: str) -> bytes:
    """A name: its length in bytes and its UTF-8 bytes."""
    content = text.encode()
    return unsigned(len(content)) + content


def vector(items: list[bytes]) -> bytes:
    """A vector: the number of items, then the items."""
    return unsigned(len(items)) + b"".join(items)


def section(section_id: int, content: bytes) -> bytes:
    """A section with its id and size."""
    return bytes([section_id]) + unsigned(len(content)) + content


@define
class Reader:
    """Reads bytes from a position on. Reading past the end raises `Malformed`."""

    content: bytes
    position: int = 0

    def at_end(self) -> bool:
        """All bytes have been read."""
        return self.position >= len(self.content)

    def byte(self) -> int:
        """The next byte."""
        if self.position >= len(self.content):
            raise Malformed("the module ends too early")
        self.position += 1
        return self.content[self.position - 1]

    def take(self, length: int) -> bytes:
        """The next bytes."""
        if self.position + length > len(self.content):
            raise Malformed("the module ends too early")
        self.position += length
        return self.content[self.position - length : self.position]

    def unsigned(self) -> int:
        """The next LEB128 natural number."""
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def signed(self) -> int:
        """The next signed LEB128 integer."""
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value - (1 << shift) if byte & 0x40 else value

    def name(self) -> str:
        """The next name."""
        try:
            return self.take(self.unsigned()).decode()
        except UnicodeDecodeError:
            raise Malformed("a name is not valid UTF-8") from None


@frozen
class Section:
    """A section of a module."""

    section_id: int
    content: bytes


HEADER = b"\0asm\x01\0\0\0"


def sections(module: bytes) -> list[Section]:
    """The sections of a module in their order. Raises `Malformed` if the bytes are not a binary module."""
    if module[:8] != HEADER:
        raise Malformed("the bytes do not start with the header of a WebAssembly module")
    reader, found = Reader(module, len(HEADER)), []
    while not reader.at_end():
        section_id = reader.byte()
        found.append(Section(section_id, reader.take(reader.unsigned())))
    return found
