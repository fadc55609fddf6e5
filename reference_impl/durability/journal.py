"""
The journal: what came in since a checkpoint, record by record.

A record is acknowledged when it is on the disk, and the beginning of the file says up to where that is so. What
stands behind is what was written last before the process was killed: nobody was told of it, so a piece of a record is
cut off there. Before that place everything must be right.
"""

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

import cbor2
from attrs import frozen

from reference_impl.durability.faults import broken, naming
from reference_impl.durability.files import new_file
from reference_impl.durability.frames import FIRST, MAGIC, Frame, Torn, checksum_of, framed, frames_of
from spec.values.identifiers import Blob, Text
from spec.values.quantities import ByteCount, Count

_PLACE_SIZE: Final[ByteCount] = 8
"""A place in the file, as the file says up to where all is acknowledged."""


def journal_path(directory: Path, number: Count) -> Path:
    """Where the journal stands that begins at a checkpoint."""
    return directory / f"journal-{number:010}"


@frozen
class ReadJournal:
    """A journal as it was found."""

    path: Path
    program: Text
    """The version of the program that wrote it."""
    mark: Frame
    """What says up to where all is acknowledged."""
    records: tuple[Frame, ...]
    head_checksum: int

    @property
    def end(self) -> int:
        """Where the next record goes. A piece of one may stand there."""
        return self.records[-1].end if self.records else self.mark.end

    @property
    def checksum(self) -> int:
        """The last one."""
        return self.records[-1].checksum if self.records else self.head_checksum


def create_journal(directory: Path, number: Count, identity: Blob, program: Text) -> None:
    """A journal without records. Raises `StateDirectoryFault`."""
    path = journal_path(directory, number)
    head = cbor2.dumps({"kind": "journal", "identity": identity, "name": path.name, "program": program})
    start = MAGIC + framed(head, FIRST)
    end = len(start) + len(_mark(0, FIRST))
    with new_file(path) as file:
        file.write(start + _mark(end, checksum_of(head, FIRST)))


def _mark(acknowledged: int, head_checksum: int) -> Blob:
    return framed(acknowledged.to_bytes(_PLACE_SIZE, "little"), head_checksum)


def read_journal(path: Path, identity: Blob) -> ReadJournal:
    """A journal, of which nothing that was acknowledged may be missing. Raises `StateDirectoryFault`."""
    try:
        frames = frames_of(path)
        head, mark = next(frames, None), next(frames, None)
        frames.close()
        told = None if head is None else cbor2.loads(head.content)
        if head is None or mark is None or len(mark.content) != _PLACE_SIZE:
            raise broken(path, len(MAGIC), "the beginning of the file is missing")
        if not isinstance(told, dict) or told.get("kind") != "journal" or told.get("name") != path.name:
            raise broken(path, head.place, "this is not the file of this name")
        if told.get("identity") != identity:
            raise broken(path, head.place, "this is a file of another state directory")
    except Torn as torn:
        raise broken(path, torn.place, str(torn)) from None
    records = _records(path, head, mark)
    return ReadJournal(path, str(told.get("program")), mark, records, head.checksum)


def _records(path: Path, head: Frame, mark: Frame) -> tuple[Frame, ...]:
    acknowledged = int.from_bytes(mark.content, "little")
    records: list[Frame] = []
    try:
        for frame in frames_of(path, mark, head.checksum):
            records.append(frame)
    except Torn as torn:
        if torn.place < acknowledged:
            raise broken(path, torn.place, str(torn)) from None
    end = records[-1].end if records else mark.end
    if end < acknowledged:
        raise broken(path, end, "records that were acknowledged are missing")
    return tuple(records)


class Journal:
    """A journal that grows. One thread appends; another one may make what was appended durable."""

    def __init__(self, found: ReadJournal) -> None:
        """Goes on where all that was found ends; a piece of a record that stands there goes."""
        self.path = found.path
        self._mark_place, self._head_checksum = found.mark.place, found.head_checksum
        self._checksum = found.checksum
        self._end = found.end
        self._acknowledged = int.from_bytes(found.mark.content, "little")
        self._lock = threading.Lock()
        with naming(self.path):
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            os.ftruncate(self._descriptor, self._end)

    @property
    def size(self) -> ByteCount:
        """What the file takes."""
        return self._end

    def append(self, content: Blob) -> None:
        """One more record, not acknowledged yet. Raises `StateDirectoryFault`; none was added then."""
        written = framed(content, self._checksum)
        with naming(self.path):
            try:
                _write_all(self._descriptor, written, self._end)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._end)
                raise
        self._checksum = checksum_of(content, self._checksum)
        self._end += len(written)

    def acknowledge(self) -> None:
        """All records so far are on the disk from now on. Raises `StateDirectoryFault`."""
        with self._lock, naming(self.path):
            end = self._end
            if end == self._acknowledged:
                return
            os.fdatasync(self._descriptor)
            _write_all(self._descriptor, _mark(end, self._head_checksum), self._mark_place)
            self._acknowledged = end

    def close(self) -> None:
        """Nothing more is written."""
        with self._lock:
            os.close(self._descriptor)


def _write_all(descriptor: int, content: Blob, place: int) -> None:
    """Raises `OSError` if there is no room for all of it."""
    rest = memoryview(content)
    while rest:
        written = os.pwrite(descriptor, rest, place)
        rest, place = rest[written:], place + written
