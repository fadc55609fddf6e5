"""
A session: everything that is remembered while rules are proved.

Unknown values are met deep inside the text of a rule, which cannot hand a session on; so one session is open at a time
and `session()` gives it. That is the only variable of this package that changes. Each part of the package keeps what it
has to remember in a class of its own, of which a session has one instance: `session().part(Symbols)`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Part = TypeVar("Part")


class Session:
    """What is remembered, by the class that says what it is."""

    def __init__(self) -> None:
        self._parts: dict[type, Any] = {}

    def part(self, kind: type[Part]) -> Part:
        """The one instance of a class in this session; it comes into being when it is first asked for."""
        if kind not in self._parts:
            self._parts[kind] = kind()
        found: Part = self._parts[kind]
        return found


_open: list[Session] = []


def session() -> Session:
    """The open session."""
    assert _open, "no session is open: unknown values exist inside `with opened(Session())` only"
    return _open[-1]


@contextmanager
def opened(one: Session | None = None) -> Iterator[Session]:
    """A session is open while this lasts, and then the one before again."""
    _open.append(Session() if one is None else one)
    try:
        yield _open[-1]
    finally:
        _open.pop()
