"""
The command `icspec`: finds its verbs by entry points and hands the arguments on.

A verb is an entry point of the group `icspec.commands`: a function from its arguments to an exit code, whose
docstring's first line says what it does. So no folder imports another one for the sake of the command line.
"""

import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Final

from spec.system_api import accepted_modules
from spec.tooling.command_arguments import USAGE_ERROR, complain, quoted
from spec.tooling.kept_modules import OnDisk
from spec.tooling.sources import SPECIFICATION_VERSION

Command = Callable[[list[str]], int]
"""Does the work of a verb; returns 0 only on success."""

GROUP: Final[str] = "icspec.commands"

INTERRUPTED: Final[int] = 130
"""The exit code after Ctrl-C, as shells have it."""

NOBODY_READS: Final[int] = 141
"""The exit code when the reader of the output has gone, as in `icspec VERB | head`, as shells have it."""


def verbs() -> dict[str, EntryPoint]:
    """The registered verbs by name, in the order of their names."""
    return {found.name: found for found in sorted(entry_points(group=GROUP), key=lambda found: found.name)}


def summary(command: Command) -> str:
    """The first line of a command's docstring."""
    return (command.__doc__ or "").strip().partition("\n")[0]


def help_text() -> str:
    """What `icspec --help` prints."""
    known = verbs()
    width = max(map(len, known), default=0)
    lines = [f"  {name:<{width}}  {summary(found.load())}" for name, found in known.items()]
    return "\n".join(
        [
            "usage: icspec VERB [ARGUMENTS]",
            "       icspec --version",
            "",
            "The executable specification of the Internet Computer's execution layer.",
            "",
            "verbs:",
            *lines,
            "",
            "`icspec VERB --help` says more about one of them.",
        ]
    )


def version_text() -> str:
    """What `icspec --version` prints: the version of this package, and what it is an executable form of."""
    return f"icspec {version('icspec')}, interface specification {SPECIFICATION_VERSION}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the verb that the first argument names."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(help_text())
        return 0 if given else USAGE_ERROR
    if given == ["--version"]:
        print(version_text())
        return 0
    verb, *rest = given
    known = verbs()
    if verb not in known:
        return complain("icspec", f"there is no verb {quoted(verb)}; the verbs are {', '.join(known)}")
    command: Command = known[verb].load()
    accepted_modules.use(OnDisk())
    try:
        code = command(rest)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError as problem:
        return complain(f"icspec {verb}", str(problem) or "this machine has too little memory")
    except BrokenPipeError:
        # Reason: Python flushes the output once more when it ends, and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    return code


if __name__ == "__main__":
    sys.exit(main())
