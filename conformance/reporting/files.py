"""The files that a run writes. They are opened before it begins, so that nothing is lost at its end."""

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from spec.values.identifiers import Text


class OutputFileError(Exception):
    """A file cannot be written. The message names the option and the file."""


Files = Mapping[Text, IO[str]]
"""Open files, by the options that name them."""


@contextlib.contextmanager
def opened(written: Mapping[Text, Path | None], read: Mapping[Text, Path | None]) -> Iterator[Files]:
    """
    Opens the files that options name, and empties them once all of them could be opened.

    Raises `OutputFileError` if one cannot be written, if two options name one file, or if one of those named in `read`
    would be overwritten. New files into which nothing was written are removed again.
    """
    with contextlib.ExitStack() as stack:
        files: dict[Text, IO[str]] = {}
        for option, path in written.items():
            if path is not None:
                if not path.exists():
                    stack.callback(_remove_if_empty, path)
                files[option] = _append(option, path)
                stack.callback(_close, files[option])
        _check_differ(files, read)
        for file in files.values():
            if _is_regular(file.fileno()):
                file.truncate(0)
        yield files


@contextlib.contextmanager
def writing(option: Text, file: IO[str]) -> Iterator[None]:
    """What is written inside reaches the file, or raises `OutputFileError`."""
    try:
        yield
        file.flush()
    except OSError as problem:
        raise OutputFileError(f"{option}: {file.name}: {problem.strerror}") from None


def _append(option: Text, path: Path) -> IO[str]:
    try:
        return path.open("a", encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise OutputFileError(f"{option}: {path}: {getattr(problem, 'strerror', None) or problem}") from None


def _close(file: IO[str]) -> None:
    # Reason: what could not be written was told when it was.
    with contextlib.suppress(OSError):
        file.close()


def _remove_if_empty(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_size == 0:
            path.unlink()


def _is_regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _check_differ(files: Files, read: Mapping[Text, Path | None]) -> None:
    """No two options name one file. Devices such as /dev/null may be named twice."""
    seen: dict[tuple[int, int], Text] = {}
    for option, path in read.items():
        with contextlib.suppress(OSError):
            if path is not None:
                seen[_identity(os.stat(path))] = option
    for option, file in files.items():
        identity = _identity(os.fstat(file.fileno()))
        if _is_regular(file.fileno()) and identity in seen:
            raise OutputFileError(f"{option}: {file.name}: it is the file of {seen[identity]}, too")
        seen[identity] = option


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
