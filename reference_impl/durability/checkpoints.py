"""
Checkpoints: entries, by key, as they were at some time, in files of which each holds what changed.

A file says what is new since the one before it. A new file takes in those before it that are not much larger than it
is. So an entry is written again at most about as often as the whole can be doubled, and a checkpoint costs what has
changed since the last one, however much there is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final, Protocol

import cbor2
from attrs import frozen

from reference_impl.durability.faults import StateDirectoryFault, broken
from reference_impl.durability.files import new_file, remove
from reference_impl.durability.frames import FIRST, MAGIC, Frame, Torn, checksum_of, framed, frames_of
from spec.values.identifiers import Blob, Text
from spec.values.quantities import ByteCount, Count


class Later(Protocol):
    """The content of an entry that is read when it is written."""

    def __len__(self) -> ByteCount:
        """So long it is."""

    def read(self) -> Blob:
        """All of it."""


Changes = Mapping[Blob, Blob | Later | None]
"""What is new, by key: None for what is there no longer."""

NAME: Final = re.compile(r"checkpoint-([0-9]{10})-([0-9]{10})")
"""The first and the last of the checkpoints that a file stands for."""
SMALLER_BY: Final = 2
"""A file stays as it is while it is so many times larger than those after it together."""
_HEAD: Final = Struct("<BI")
"""Before each entry: whether it is there, and the length of its key."""


@frozen
class CheckpointFile:
    """A file."""

    path: Path
    first: Count
    last: Count
    size: ByteCount


class Aside(Protocol):
    """Keeps, of some entries, where they are."""

    def takes(self, key: Blob) -> bool:
        """It keeps where this entry is."""

    def begin(self, path: Path) -> None:
        """What comes next is in another file, which is newer."""

    def note(self, key: Blob, frame: Frame, checksum_before: int, *, is_there: bool) -> None:
        """An entry that it takes is at the end of a frame, or is there no longer."""

    def end(self) -> None:
        """There are no more files."""


class Checkpoints:
    """All checkpoints of a directory. Whoever makes one holds the lock of the directory."""

    def __init__(self, directory: Path, identity: Blob) -> None:
        """There must be none yet, or `found` gives them."""
        self._directory = directory
        self._identity = identity
        self._files: list[CheckpointFile] = []
        self.bytes_written: ByteCount = 0
        """By all checkpoints that were made since the process began."""

    @property
    def last(self) -> Count:
        """The number of the last checkpoint; they count from one."""
        return self._files[-1].last if self._files else 0

    def find(self) -> None:
        """Finds those that are there. One that others hold too goes. Raises `StateDirectoryFault` for a gap."""
        found = sorted(
            (int(named[1]), -int(named[2]), path)
            for path in self._directory.iterdir()
            if (named := NAME.fullmatch(path.name))
        )
        for first, minus_last, path in found:
            if -minus_last <= self.last:
                remove(path)
            elif first != self.last + 1:
                raise StateDirectoryFault(f"{self._directory}: checkpoint {self.last + 1} is missing")
            else:
                self._files.append(CheckpointFile(path, first, -minus_last, path.stat().st_size))

    def read(self, aside: Aside | None = None) -> dict[Blob, Blob]:
        """
        The entries as the last checkpoint has them, but for those of which somebody keeps where they are.

        Raises `StateDirectoryFault` if a file is damaged.
        """
        entries: dict[Blob, Blob] = {}
        for one in self._files:
            if aside is not None:
                aside.begin(one.path)
            for key, value in self._entries_of(one, aside):
                if value is None:
                    entries.pop(key, None)
                else:
                    entries[key] = value
        if aside is not None:
            aside.end()
        return entries

    def write(self, changes: Changes) -> None:
        """One more checkpoint. Raises `StateDirectoryFault` if it cannot be written; all is as before then."""
        taken_in = self._files_taken_in(sum(len(key) + len(value or b"") for key, value in changes.items()))
        first = taken_in[0].first if taken_in else self.last + 1
        path = self._directory / f"checkpoint-{first:010}-{self.last + 1:010}"
        made = CheckpointFile(path, first, self.last + 1, self._write(path, changes, taken_in, is_all=first == 1))
        self._files = [*self._files[: len(self._files) - len(taken_in)], made]
        for one in taken_in:
            remove(one.path)

    def _files_taken_in(self, size: ByteCount) -> list[CheckpointFile]:
        kept = len(self._files)
        while kept and self._files[kept - 1].size <= SMALLER_BY * size:
            kept -= 1
            size += self._files[kept].size
        return self._files[kept:]

    def _write(self, path: Path, changes: Changes, older: list[CheckpointFile], *, is_all: bool) -> ByteCount:
        with new_file(path) as file:
            writing = _Writing(file, {"kind": "checkpoint", "identity": self._identity, "name": path.name})
            seen = set(changes)
            _write_entries(writing, changes.items(), is_all=is_all)
            for one in reversed(older):
                _write_entries(writing, self._unseen(one, seen), is_all=is_all)
            writing.end()
        self.bytes_written += writing.size
        return writing.size

    def _unseen(self, one: CheckpointFile, seen: set[Blob]) -> Iterator[tuple[Blob, Blob | None]]:
        """The entries of a file of which nothing newer is known; they are seen then."""
        for key, value in self._entries_of(one):
            if key not in seen:
                seen.add(key)
                yield key, value

    def _entries_of(self, one: CheckpointFile, aside: Aside | None = None) -> Iterator[tuple[Blob, Blob | None]]:
        """The entries of a file, each of which is checked; those that somebody sets aside are told to him alone."""
        frames = frames_of(one.path)
        place, count = len(MAGIC), 0
        try:
            first = next(frames, None)
            head = None if first is None else _head_of(first.content)
            if first is None or head is None or head.get("name") != one.path.name:
                raise broken(one.path, place, "this is not the file of this name")
            if head.get("identity") != self._identity:
                raise broken(one.path, place, "this is a file of another state directory")
            checksum = first.checksum
            for frame in frames:
                if _is_end(frame.content, count):
                    if frame.end != one.size:
                        raise broken(one.path, frame.end, "the file goes on after its end")
                    return
                place, count = frame.end, count + 1
                before, checksum = checksum, frame.checksum
                is_there, length = _HEAD.unpack_from(frame.content)
                start = _HEAD.size + length
                key = frame.content[_HEAD.size : start]
                if aside is not None and aside.takes(key):
                    aside.note(key, frame, before, is_there=bool(is_there))
                else:
                    yield key, frame.content[start:] if is_there else None
        except Torn as torn:
            raise broken(one.path, torn.place, str(torn)) from None
        raise broken(one.path, place, "the end of the file is missing")


def _write_entries(writing: "_Writing", entries: Iterable[tuple[Blob, Blob | Later | None]], *, is_all: bool) -> None:
    """Of what is there no longer nothing need be said where all is said."""
    for key, value in entries:
        if value is not None or not is_all:
            content = b"" if value is None else value if isinstance(value, bytes) else value.read()
            writing.add(_HEAD.pack(value is not None, len(key)) + key + content)
            writing.entries += 1


class _Writing:
    """A file that is written."""

    def __init__(self, file: BinaryIO, head: Mapping[Text, object]) -> None:
        self._file = file
        self._checksum = FIRST
        self.size: ByteCount = file.write(MAGIC)
        self.entries: Count = 0
        self.add(cbor2.dumps(dict(head)))

    def add(self, content: Blob) -> None:
        """One more frame."""
        self.size += self._file.write(framed(content, self._checksum))
        self._checksum = checksum_of(content, self._checksum)

    def end(self) -> None:
        """There are no more."""
        self.add(_end(self.entries))


def _end(entries: Count) -> Blob:
    """The last frame of a file, which is shorter than what stands before an entry."""
    return entries.to_bytes(4, "little")


def _is_end(content: Blob, entries: Count) -> bool:
    return len(content) < _HEAD.size and content == _end(entries)


def _head_of(content: Blob) -> Mapping[Text, object] | None:
    head = cbor2.loads(content)
    return head if isinstance(head, Mapping) and head.get("kind") == "checkpoint" else None
