"""A nested list of lines, and its Markdown."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import field, frozen

WIDTH: Final[int] = 118
"""Lines of prose are wrapped here."""


def _as_tuple(items: "Iterable[Line]") -> "tuple[Line, ...]":
    return tuple(items)


@frozen
class Line:
    """A line of a list, with the lines below it."""

    text: str
    below: tuple["Line", ...] = field(default=(), converter=_as_tuple)


def markdown(lines: Iterable[Line], depth: int = 0) -> Iterator[str]:
    """The list in Markdown, line by line."""
    for line in lines:
        yield f"{'  ' * depth}- {line.text}"
        yield from markdown(line.below, depth + 1)


def paragraphs(text: str) -> str:
    """Prose with its paragraphs wrapped."""
    return "\n\n".join(
        textwrap.fill(" ".join(part.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
        for part in text.strip().split("\n\n")
    )


def sentence(text: str | None) -> str:
    """The first paragraph of a docstring as one line."""
    return " ".join((text or "").strip().partition("\n\n")[0].split())


def code(text: str) -> str:
    """Text as inline code."""
    return f"`{' '.join(text.split())}`"
