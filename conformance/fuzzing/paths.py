"""Which paths through the rules of the specification a run takes: the branches of a rule, and of what it calls."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any, Final

import spec.rules
from conformance.fuzzing.marking import Marks
from spec.transition import RULES, Step
from spec.values.identifiers import Text
from spec.values.quantities import Count

RULES_FOLDER: Final = Path(spec.rules.__path__[0])
DIGITS: Final = 8
"""So many hexadecimal digits tell the paths of a rule apart."""


class Paths:
    """The paths of the rules that are taken while it watches. Rules that cannot be taken are not counted."""

    def __init__(self) -> None:
        self.taken: set[Text] = set()
        """Each path as the name of its rule, and a digest of the branches on it."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, paths are noted. The rules of this process are marked for that, once and for all."""
        watch = _watch()
        watch.noted, before = self.taken, watch.noted
        try:
            yield
        finally:
            watch.noted = before


class _Watch:
    """The marked rules of this process, and who notes their paths."""

    def __init__(self) -> None:
        self.marks = Marks()
        self.noted: set[Text] | None = None
        self._digests: dict[tuple[Text, frozenset[Count]], Text] = {}
        """By the rule and its branches. The same few are taken again and again."""
        self._bodies = {name: rule.body for name, rule in RULES.items()}
        self.marks.mark(RULES_FOLDER)
        for name, body in self._bodies.items():
            object.__setattr__(RULES[name], "body", self._watched(name, body))

    def remove(self) -> None:
        """The rules are as they were."""
        self.marks.remove()
        for name, body in self._bodies.items():
            object.__setattr__(RULES[name], "body", body)

    def _watched(self, name: Text, body: Callable[..., Step]) -> Callable[..., Step]:
        taken = self.marks.taken

        @wraps(body)
        def watched(*arguments: Any, **named: Any) -> Step:
            outer = set(taken)
            taken.clear()
            try:
                step = body(*arguments, **named)
                if self.noted is not None and isinstance(step, Step):
                    self.noted.add(self._path(name))
                return step
            finally:
                taken.clear()
                taken.update(outer)

        return watched

    def _path(self, name: Text) -> Text:
        key = (name, frozenset(self.marks.taken))
        if key not in self._digests:
            places = sorted(self.marks.places[number] for number in key[1])
            self._digests[key] = hashlib.sha256("\n".join(places).encode()).hexdigest()[:DIGITS]
        return f"{name} {self._digests[key]}"


@cache
def _watch() -> _Watch:
    return _Watch()


def without_marks() -> None:
    """The rules of this process are as they were before anybody watched."""
    _watch().remove()
    _watch.cache_clear()
