"""The parser of the arguments of a verb, and how a verb complains. What is wrong is told in one line."""

import sys
from argparse import Action, ArgumentError, ArgumentParser, Namespace
from pathlib import Path
from typing import Any, Final, NoReturn

USAGE_ERROR: Final = 2
"""The exit code for a command line, or a file that it names, that makes no sense."""

LONGEST: Final = 1_000
"""So many characters of a complaint are printed."""


def in_one_line(text: str) -> str:
    """A text with every character escaped that is not printable, and without what is too long to be read."""
    kept = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in kept)


LONGEST_QUOTED: Final = 80
"""So many characters of what somebody gave are repeated in a complaint: what is wrong with it is read behind it."""


def quoted(given: str) -> str:
    """What somebody gave, in quotation marks, escaped and cut."""
    cut = repr(given[:LONGEST_QUOTED])
    return cut if len(given) <= LONGEST_QUOTED else f"{cut}… ({len(given):,} characters)"


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


class GivenOnce(Action):
    """Keeps the value of an option. Of two values one would be silently lost, so a second one is refused."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        if option_string is not None and isinstance(parser, VerbParser):
            if self.dest in parser.options_given:
                raise ArgumentError(self, "it is given twice")
            parser.options_given.add(self.dest)
        setattr(namespace, self.dest, values)


class VerbParser(ArgumentParser):
    """An argument parser that does not print its usage when an argument is wrong, and takes each option once."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.options_given: set[str] = set()
        """The options that bear a value, and were given on the command line that is read."""
        for name in (None, "store"):
            self.register("action", name, GivenOnce)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As that of `argparse`; each command line is read for itself."""
        self.options_given.clear()
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Says what is wrong, and where help is found."""
        self.exit(complain(self.prog, f"{in_one_line(message)} (see {self.prog} --help)"))
