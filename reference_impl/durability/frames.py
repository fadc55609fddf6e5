"""
Frames: pieces of a file of which each bears its length and a checksum.

A checksum (CRC-32) is over the length and the content of its frame and the checksum before it. So no byte of a file can
change, and no frame can be missing, moved or doubled, without a checksum that is wrong.
"""

import os
import re
import zlib
from collections.abc import Generator
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final

from attrs import frozen

from reference_impl.durability.faults import broken, naming
from spec.values.identifiers import Blob, Text
from spec.values.quantities import ByteCount

FORMAT: Final = 1
"""The number of the format of the files."""
MAGIC: Final[Blob] = b"icspec state %d\n" % FORMAT
"""What every file begins with."""
_ANY_FORMAT: Final = re.compile(rb"icspec state ([0-9]+)")
_HEAD: Final = Struct("<II")
"""Length and checksum, before the content of a frame."""
HEAD_SIZE: Final[ByteCount] = _HEAD.size
_BUFFER: Final[ByteCount] = 1 << 20
FIRST: Final = zlib.crc32(MAGIC)
"""The checksum before the first frame."""


@frozen
class Frame:
    """A piece of a file."""

    place: int
    """Where it begins in the file."""
    content: Blob
    checksum: int

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.place + HEAD_SIZE + len(self.content)


def checksum_of(content: Blob, before: int) -> int:
    """The checksum of a frame."""
    return zlib.crc32(content, zlib.crc32(len(content).to_bytes(4, "little"), before))


def framed(content: Blob, before: int) -> Blob:
    """A frame as bytes, with the checksum before it."""
    return _HEAD.pack(len(content), checksum_of(content, before)) + content


def head_of(head: Blob) -> tuple[ByteCount, int]:
    """Length and checksum of a frame, from what stands before its content."""
    length, checksum = _HEAD.unpack(head)
    return length, checksum


class Torn(Exception):
    """From a place on, a file does not go on with a frame that is whole and right."""

    def __init__(self, place: int, because: str) -> None:
        super().__init__(because)
        self.place = place


def frames_of(path: Path, after: Frame | None = None, checksum: int = FIRST) -> Generator[Frame, None, None]:
    """
    The frames of a file: all, or those after one, with the checksum that stands before them.

    Raises `StateDirectoryFault` for what is no such file, and `Torn`.
    """
    with naming(path), path.open("rb", buffering=_BUFFER) as file:
        size = os.fstat(file.fileno()).st_size
        begun = file.read(len(MAGIC))
        if begun != MAGIC:
            raise broken(path, 0, _why_not_ours(begun))
        place = file.seek(len(MAGIC) if after is None else after.end)
        while place < size:
            frame = _next_frame(file, place, size, checksum)
            yield frame
            place, checksum = frame.end, frame.checksum


def _why_not_ours(begun: Blob) -> Text:
    """What is wrong with the beginning of a file."""
    found = _ANY_FORMAT.match(begun)
    number = FORMAT if found is None else int(found[1])
    if number == FORMAT:
        return "this is no file of a state directory, or its beginning is damaged"
    whose = "an earlier" if number < FORMAT else "a later"
    return f"this is a file of format {number}, of {whose} version; this version reads format {FORMAT}"


def _next_frame(file: BinaryIO, place: int, size: ByteCount, before: int) -> Frame:
    head = file.read(HEAD_SIZE)
    if len(head) < HEAD_SIZE:
        raise Torn(place, "the file ends within a piece")
    length, checksum = head_of(head)
    if length > size - place - HEAD_SIZE:
        raise Torn(place, "a piece is longer than the rest of the file")
    content = file.read(length)
    if checksum_of(content, before) != checksum:
        raise Torn(place, "the checksum is wrong")
    return Frame(place, content, checksum)
