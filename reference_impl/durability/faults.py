"""What is wrong with a state directory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spec.values.identifiers import Text


class StateDirectoryFault(Exception):
    """A state directory cannot be used, or cannot be written any more. The message is one line that names the file."""


def broken(path: Path, place: int, because: Text) -> StateDirectoryFault:
    """A file does not hold what was written, from a byte on."""
    return StateDirectoryFault(f"{path}: byte {place}: {because}")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What the operating system refuses is told with the name of the file or directory that it is about."""
    try:
        yield
    except OSError as problem:
        because = os.strerror(problem.errno) if problem.errno is not None else str(problem)
        raise StateDirectoryFault(f"{path}: {because}") from problem
