"""Files that are there as a whole or not, also after the machine lost its power; and directories of one owner."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from reference_impl.durability.faults import naming
from spec.values.quantities import ByteCount

OWNER_ALONE: Final = 0o700
FILE_OF_OWNER: Final = 0o600
UNFINISHED: Final = ".new"
"""How the name of a file ends as long as it is written."""
_BUFFER: Final[ByteCount] = 1 << 20


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """
    A file to be written, which has its name once all of it is on the disk, and is not there before.

    Raises `StateDirectoryFault` if that cannot be, and leaves nothing then.
    """
    beside = path.with_name(path.name + UNFINISHED)
    with naming(path):
        try:
            descriptor = os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, FILE_OF_OWNER)
            with os.fdopen(descriptor, "wb", buffering=_BUFFER) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.rename(beside, path)
            sync_directory(path.parent)
        except BaseException:
            with suppress(OSError):
                os.unlink(beside)
            raise


def sync_directory(directory: Path) -> None:
    """The names in a directory are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """A file goes."""
    with naming(path):
        os.unlink(path)


def make_directory(path: Path) -> None:
    """A directory of its owner alone, where there is none yet. Raises `StateDirectoryFault`."""
    with naming(path):
        path.mkdir(mode=OWNER_ALONE, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o777 != OWNER_ALONE:
            path.chmod(OWNER_ALONE)
