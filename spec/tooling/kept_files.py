"""
Files in the user's cache, in which is kept from one process to the next what takes long to find.

Each kind has a folder of its own in the user's cache (`XDG_CACHE_HOME`, or `~/.cache`); with `ICSPEC_CACHE=off` nothing
is kept. A file is used only if it belongs to the user, nobody else can write to it or to the folder, and it is whole:
what is in it may be code that runs as it is. Whatever goes wrong here only costs time.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

SWITCH: Final = "ICSPEC_CACHE"
OFF: Final = "off"

_DIGEST_SIZE: Final = hashlib.sha256().digest_size
_PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = 0o077
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_WHOLE: Final = -1


def folder(name: str) -> Path | None:
    """The folder of this name, made if need be; None if nothing is to be kept, or others could write there."""
    if os.environ.get(SWITCH) == OFF or not hasattr(os, "getuid"):
        return None
    try:
        chosen = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / name
        if not chosen.is_absolute():
            return None
        chosen.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        found = chosen.lstat()
    except (OSError, RuntimeError):
        return None
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & _OTHERS
    return chosen if is_ours else None


def read(path: Path, longest: int = _WHOLE) -> bytes | None:
    """What was written into a file; None if it is not there, not ours, not whole, or longer than so many bytes."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & _OTHERS_MAY_WRITE:
                return None
            digest, content = file.read(_DIGEST_SIZE), file.read(longest)
    except OSError:
        return None
    return content if hashlib.sha256(content).digest() == digest else None


def write(path: Path, content: bytes, most_files: int) -> None:
    """
    Writes a file as a whole: who reads at the same time finds the old one, or the new one.

    The oldest files of the folder make room, so that there are so many at most.
    """
    with contextlib.suppress(OSError):
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            os.replace(temporary, path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        files = sorted(path.parent.iterdir(), key=lambda one: one.lstat().st_mtime)
        for old in files[: max(len(files) - most_files, 0)]:
            old.unlink(missing_ok=True)
