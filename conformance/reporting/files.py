"""
The files that a run writes.

They are opened before it begins, so that nothing is lost at its end; what was in them stays until something else takes
its place.
"""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from attrs import frozen

from spec.values.identifiers import Text


class OutputFileError(Exception):
    """A file cannot be written. The message names the option and the file."""


@frozen
class OutputFile:
    """A file that an option names, which can be written."""

    option: Text
    path: Path
    file: IO[str]
    """Open at its end; nothing was written yet."""

    @property
    def is_regular(self) -> bool:
        """It has contents, other than a device or a pipe."""
        return stat.S_ISREG(os.fstat(self.file.fileno()).st_mode)

    def empty(self) -> None:
        """Removes the contents that it had."""
        if self.is_regular:
            self.file.truncate(0)

    @contextlib.contextmanager
    def writing(self) -> Iterator[IO[str]]:
        """
        Something to write on: all that is written inside takes the place of the old contents, or nothing does.

        Raises `OutputFileError` if it cannot be written.
        """
        try:
            with self._new_contents() as new:
                yield new
                new.flush()
        except OSError as problem:
            raise OutputFileError(f"{self.option}: {self.path}: {problem.strerror}") from None

    @contextlib.contextmanager
    def _new_contents(self) -> Iterator[IO[str]]:
        beside = self._beside() if self.is_regular else None
        if beside is None:
            self.empty()
            yield self.file
            return
        descriptor, name = beside
        try:
            with open(descriptor, "w", encoding="utf-8") as new:
                os.fchmod(descriptor, stat.S_IMODE(os.fstat(self.file.fileno()).st_mode))
                yield new
            os.replace(name, self.path.resolve())
        except BaseException:
            os.unlink(name)
            raise

    def _beside(self) -> tuple[int, str] | None:
        """A new file in the same folder, its descriptor and name; None if the folder takes none."""
        place = self.path.resolve()
        try:
            return tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        except OSError:
            return None


Files = Mapping[Text, OutputFile]
"""By the options that name them."""


@contextlib.contextmanager
def opened(written: Mapping[Text, Path | None], read: Mapping[Text, Path | None]) -> Iterator[Files]:
    """
    Opens the files that options name, and leaves what is in them.

    Raises `OutputFileError` if one cannot be written, if two options name one file, or if one of those named in `read`
    would be overwritten. New files into which nothing was written are removed again.
    """
    with contextlib.ExitStack() as stack:
        files: dict[Text, OutputFile] = {}
        for option, path in written.items():
            if path is not None:
                if not path.exists():
                    stack.callback(_remove_if_empty, path)
                files[option] = _append(option, path)
                stack.callback(_close, files[option].file)
        _check_differ(files, read)
        yield files


def _append(option: Text, path: Path) -> OutputFile:
    try:
        return OutputFile(option, path, path.open("a", encoding="utf-8"))
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


def _check_differ(files: Files, read: Mapping[Text, Path | None]) -> None:
    """No two options name one file. Devices such as /dev/null may be named twice."""
    seen: dict[tuple[int, int], Text] = {}
    for option, path in read.items():
        with contextlib.suppress(OSError):
            if path is not None:
                seen[_identity(os.stat(path))] = option
    for option, one in files.items():
        identity = _identity(os.fstat(one.file.fileno()))
        if one.is_regular and identity in seen:
            raise OutputFileError(f"{option}: {one.path}: it is the file of {seen[identity]}, too")
        seen[identity] = option


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
