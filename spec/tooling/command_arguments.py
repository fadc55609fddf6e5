"""The parser of the arguments of a verb. What is wrong with them is told in one line."""

from argparse import ArgumentParser
from typing import NoReturn

USAGE_ERROR = 2
"""The exit code for a command line that makes no sense."""


class VerbParser(ArgumentParser):
    """An argument parser that does not print its usage when an argument is wrong."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong, and where help is found."""
        self.exit(USAGE_ERROR, f"{self.prog}: {message} (see {self.prog} --help)\n")
