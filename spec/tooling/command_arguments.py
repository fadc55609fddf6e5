"""The parser of the arguments of a verb, and how a verb complains. What is wrong is told in one line."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Final, NoReturn

USAGE_ERROR: Final = 2
"""The exit code for a command line, or a file that it names, that makes no sense."""

LONGEST: Final = 1_000
"""So many characters of a complaint are printed."""


def in_one_line(text: str) -> str:
    """A text with every character escaped that is not printable, and without what is too long to be read."""
    kept = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in kept)


def complain(verb: str, problem: object) -> int:
    """Says in one line of standard error what is wrong, and gives the exit code."""
    print(in_one_line(f"{verb}: {problem}"), file=sys.stderr)
    return USAGE_ERROR


def require_writable(path: Path) -> None:
    """A file can be written, which is found out before the work begins and leaves no new file. Raises `OSError`."""
    is_new = not path.exists()
    with path.open("a"):
        pass
    if is_new:
        path.unlink()


class VerbParser(ArgumentParser):
    """An argument parser that does not print its usage when an argument is wrong."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong, and where help is found."""
        self.exit(complain(self.prog, f"{in_one_line(message)} (see {self.prog} --help)"))
