"""`icspec stdio`: serves an implementation on standard input and output."""

import sys
from contextlib import closing
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from conformance.protocol.interface import DEFAULT_TIME_LIMITS, ImplementationError
from conformance.protocol.serving import serve
from conformance.protocol.stdio import StdioImplementation
from conformance.validating.recording import Recording
from spec.tooling.command_arguments import complain

GROUP: Final = "icspec.implementations"
"""Entry points that serve the conformance protocol: functions from arguments to an exit code."""

USAGE = """usage: icspec stdio [--spec] [--profile FILE]... [--trace FILE]

Serves the reference implementation, or with --spec the specification itself, on standard input and output. The
protocol is described in conformance/PROTOCOL.md. Instances may have any of the bundled profiles, or one of those in
files NAME.toml. With --trace, what comes in, is executed and goes out is written to a file that icspec validate
explains; each reset begins the file anew.

examples:
  echo '{"id": 1, "verb": "describe", "arguments": {"protocol": 1}}' | icspec stdio --spec
  icspec conform --implementation "icspec stdio --trace trace.ndjson" --only calls/chain --look never
"""


def main(arguments: list[str]) -> int:
    """Serves the reference implementation, or with --spec the specification, on stdin and stdout."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if "--trace" in arguments:
        place = arguments.index("--trace")
        rest = [*arguments[:place], *arguments[place + 2 :]]
        if place + 1 == len(arguments):
            return complain("icspec stdio", "--trace needs a file")
        if "--trace" in rest:
            return complain("icspec stdio", "--trace is given twice")
        return _serve_recorded(rest, Path(arguments[place + 1]))
    wanted = "specification" if "--spec" in arguments else "reference"
    found = {each.name: each for each in entry_points(group=GROUP)}
    if wanted not in found:
        return complain("icspec stdio", f"the {wanted} implementation is not installed")
    code: int = found[wanted].load()([argument for argument in arguments if argument != "--spec"])
    return code


def _serve_recorded(arguments: list[str], path: Path) -> int:
    """Serves what these arguments name, a process of its own, and writes what it does as a trace."""
    command = (sys.executable, "-m", "spec.tooling.command_line", "stdio", *arguments)
    with closing(StdioImplementation(command, DEFAULT_TIME_LIMITS)) as process:
        try:
            process.describe()
            file = path.open("w", encoding="utf-8")
        except ImplementationError as problem:
            return complain("icspec stdio", problem)
        except OSError as problem:
            return complain("icspec stdio", f"--trace: {path}: {problem.strerror}")
        with file:
            serve(Recording(process, file), sys.stdin.buffer, sys.stdout.buffer)
    return 0
