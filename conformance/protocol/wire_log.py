"""What goes over the wire, written down as it goes: newline-delimited JSON."""

import json
import os
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Protocol

from spec.values.identifiers import Text


class Direction(Enum):
    """Who wrote a line."""

    REQUEST = "request"
    """The judge."""
    RESPONSE = "response"
    """The implementation."""


class Listener(Protocol):
    """Somebody who is told every line, as it was written."""

    def __call__(self, direction: Direction, line: bytes) -> None: ...


def nobody(direction: Direction, line: bytes) -> None:
    """Listens to nothing."""


class WireLogError(Exception):
    """What goes over the wire could not be written down; the message says why."""


class WireLog:
    """
    A listener that writes lines to a file.

    Several processes may write to one file: each entry is appended at once. What was said before the first scenario, to
    which it leads, is written when that begins. After a line that cannot be written there are no others, and `check`
    says so: whoever is judged has no part in it.
    """

    def __init__(self, path: Path) -> None:
        """Raises `OSError` if the file cannot be written."""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._case: Text | None = None
        self._held: list[dict[Text, object]] = []
        self._path = path
        self._problem: OSError | None = None

    def check(self) -> None:
        """Raises `WireLogError` if something could not be written."""
        if self._problem is not None:
            raise WireLogError(f"{self._path}: {self._problem.strerror}")

    @property
    def case(self) -> Text | None:
        """The id of the scenario that is under way; None before the first."""
        return self._case

    @case.setter
    def case(self, case: Text) -> None:
        self._case = case
        for entry in self._held:
            self._write({**entry, "case": case})
        self._held = []

    def __call__(self, direction: Direction, line: bytes) -> None:
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="microseconds"),
            "process": os.getpid(),
            "case": self._case,
            "direction": direction.value,
            "line": line.rstrip(b"\n").decode(errors="backslashreplace"),
        }
        if self._case is None:
            self._held.append(entry)
        else:
            self._write(entry)

    def _write(self, entry: dict[Text, object]) -> None:
        if self._problem is None:
            try:
                os.write(self._descriptor, json.dumps(entry).encode() + b"\n")
            except OSError as problem:
                self._problem = problem

    def close(self) -> None:
        """Ends the log."""
        os.close(self._descriptor)
