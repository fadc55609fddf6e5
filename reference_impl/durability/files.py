"""Files that are there as a whole or not, also after the machine lost its power; and directories of one owner."""

import errno
import os
import stat
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
            # Reason: what a process that was killed has left there, or a link to somewhere else, is not written to.
            with suppress(FileNotFoundError):
                os.unlink(beside)
            descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_OF_OWNER)
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


def read_file(path: Path, most: ByteCount) -> bytes:
    """
    What is in a file.

    Raises `OSError` for a link to another place, for what is no file, and for more bytes than `most`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        if found.st_size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return file.read()


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


def make_directory(path: Path, *, is_within: bool = False) -> None:
    """
    A directory of its owner alone, where there is none yet. Raises `StateDirectoryFault`.

    Within a directory that somebody has named, a link to another place is none.
    """
    with naming(path):
        if is_within and path.is_symlink():
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        path.mkdir(mode=OWNER_ALONE, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o777 != OWNER_ALONE:
            path.chmod(OWNER_ALONE)
