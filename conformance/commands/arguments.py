"""Arguments that several commands understand."""

import argparse
import re
import shlex
import sys

from conformance.judging.environment import Environment, environment_named
from conformance.protocol.versions import KNOWN
from spec.profile import ProfileError, load_profile
from spec.tooling.command_arguments import VerbParser, quoted

FAILED, USAGE_ERROR = 1, 2
"""Exit codes: the implementation did not pass; the command line makes no sense."""


def positive(text: str) -> int:
    """A number of at least one."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 to 999999999")
    return number


def environment(text: str) -> Environment:
    """An environment by its name."""
    try:
        return environment_named(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def interface_version(text: str) -> str:
    """A version of the interface specification by which can be judged."""
    if text not in KNOWN:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is no version that is known; these are {', '.join(KNOWN)}")
    return text


def regular_expression(text: str) -> str:
    """A regular expression that makes sense."""
    try:
        re.compile(text)
    except (re.error, RecursionError) as problem:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a regular expression: {problem}") from None
    return text


def readable_profile(text: str) -> str:
    """The name or file of a profile that can be read."""
    try:
        load_profile(text)
    except ProfileError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None
    return text


def command_words(text: str) -> tuple[str, ...]:
    """The words of a command, split as a shell does."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a command: {problem}") from None
    if not words:
        raise argparse.ArgumentTypeError("the command is empty")
    return words


def add_profile(parser: VerbParser) -> None:
    """Adds the argument that says under which profile scenarios run."""
    parser.add_argument(
        "--profile",
        type=readable_profile,
        default="production",
        metavar="NAME|FILE",
        help="for scenarios that do not need one of their own: that of a bundled profile, or a file NAME.toml, which "
        "the implementation must know, too",
    )


def bundled_implementation(profile: str = "production") -> tuple[str, ...]:
    """The command of the reference implementation, whatever the search path is; it knows the profile."""
    return (sys.executable, "-m", "spec.tooling.command_line", "stdio", "--profile", profile)
