"""`icspec stdio`: serves an implementation on standard input and output."""

from importlib.metadata import entry_points
from typing import Final

from spec.tooling.command_arguments import complain

GROUP: Final = "icspec.implementations"
"""Entry points that serve the conformance protocol: functions from arguments to an exit code."""

USAGE = """usage: icspec stdio [--spec] [--profile FILE]...

Serves the reference implementation, or with --spec the specification itself, on standard input and output. The
protocol is described in conformance/PROTOCOL.md. Instances may have any of the bundled profiles, or one of those in
files NAME.toml.

example:
  echo '{"id": 1, "verb": "describe", "arguments": {"protocol": 1}}' | icspec stdio --spec
"""


def main(arguments: list[str]) -> int:
    """Serves the reference implementation, or with --spec the specification, on stdin and stdout."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    wanted = "specification" if "--spec" in arguments else "reference"
    found = {each.name: each for each in entry_points(group=GROUP)}
    if wanted not in found:
        return complain("icspec stdio", f"the {wanted} implementation is not installed")
    code: int = found[wanted].load()([argument for argument in arguments if argument != "--spec"])
    return code
