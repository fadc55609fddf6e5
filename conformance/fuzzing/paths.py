"""Which paths through the rules of the specification a run takes: the lines of a rule, and of what it calls."""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from attrs import define, field

import spec.rules
from spec.transition import RULES, Step
from spec.values.identifiers import Text

RULES_FOLDER: Final = str(Path(spec.rules.__path__[0]))
DIGITS: Final = 8
"""So many hexadecimal digits tell the paths of a rule apart."""


@define
class _Taken:
    """A rule that is being tried."""

    rule: Text
    lines: set[tuple[CodeType, int]] = field(factory=set)


class Paths:
    """Sees each rule that is taken while it watches. Rules that cannot be taken are not counted."""

    def __init__(self) -> None:
        self.taken: set[Text] = set()
        """Each path as the name of its rule, and a digest of the lines on it."""
        self._bodies: Mapping[CodeType, Text] = {rule.body.__code__: name for name, rule in RULES.items()}
        self._is_watched: dict[CodeType, bool] = {}
        self._open: list[_Taken] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, paths are noted."""
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(before)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        watched = self._is_watched.get(code)
        if watched is None:
            watched = self._is_watched[code] = code.co_filename.startswith(RULES_FOLDER)
        if not watched:
            return None
        if code in self._bodies:
            self._open.append(_Taken(self._bodies[code]))
            return self._in_body
        return self._in_helper if self._open else None

    def _in_helper(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and self._open:
            self._open[-1].lines.add((frame.f_code, frame.f_lineno))
        return self._in_helper

    def _in_body(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._open[-1].lines.add((frame.f_code, frame.f_lineno))
        elif event == "return":
            taken = self._open.pop()
            if isinstance(argument, Step):
                self.taken.add(f"{taken.rule} {_digest(taken)}")
        return self._in_body


def _digest(taken: _Taken) -> Text:
    places = sorted(f"{Path(code.co_filename).name}:{code.co_name}:{line}" for code, line in taken.lines)
    return hashlib.sha256("\n".join(places).encode()).hexdigest()[:DIGITS]
