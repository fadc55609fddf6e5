"""`icspec validate`: traces of systems that cannot be driven."""

import argparse
import json
from pathlib import Path
from typing import Any

from conformance.commands.arguments import FAILED, environment, positive
from conformance.protocol.quoting import escaped
from conformance.validating.events import Trace, TraceError, read_trace
from conformance.validating.explaining import Explained, Explanation, NotExplained, Open, Undecided, explain
from spec.profile import ProfileError
from spec.tooling.command_arguments import VerbParser, complain, require_writable

EXAMPLE = """example:
  icspec run conformance/suite/scenarios/calls.py --only chain --record trace.ndjson
  icspec validate trace.ndjson

docs/how-to/validate-a-trace.md says what stands in a trace. The exit code is 0 if every event is explained, as far as
what was recorded can tell.
"""


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec validate",
        description="Explains what a system recorded by a run of the specification, or names the first event that none "
        "explains, with what would have been admitted.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("traces", nargs="+", type=Path, metavar="TRACE", help="files of JSON lines, one event a line")
    parser.add_argument(
        "--environment",
        type=environment,
        default="calm",
        metavar="NAME",
        help="how much the system may reject for reasons of its own: calm (the default), loaded(K), or hostile",
    )
    parser.add_argument(
        "--seconds", type=positive, default=60, metavar="N", help="of processor time for each trace; by default 60"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what came of each")
    return parser


def main(arguments: list[str]) -> int:
    """Explains recorded traces by runs of the specification."""
    given = _parser().parse_args(arguments)
    try:
        if given.json is not None:
            require_writable(given.json)
        traces = {path: read_trace(path) for path in given.traces}
        explanations = {path: explain(trace, given.environment, given.seconds) for path, trace in traces.items()}
        if given.json is not None:
            report = [_as_json(path, traces[path], each) for path, each in explanations.items()]
            given.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except (TraceError, ProfileError) as problem:
        return complain("icspec validate", problem)
    except OSError as problem:
        return complain("icspec validate", f"{problem.filename}: {problem.strerror}")
    for path, explanation in explanations.items():
        for line in told(path, traces[path], explanation):
            print(escaped(line))
    return 0 if all(isinstance(each, Explained | Open) for each in explanations.values()) else FAILED


def told(path: Path, trace: Trace, explanation: Explanation) -> list[str]:
    """What came of a trace, in lines."""
    count = len(trace.events)
    match explanation:
        case Explained(doubts):
            lines = [f"{path}: explained, {count} events"]
            return lines + [f"  chosen so that it fits: {each}" for each in doubts]
        case Open(event, doubts):
            lines = [f"{path}:{event.line}: explained up to here; what follows depends on what was not recorded"]
            return lines + [f"  {each}" for each in doubts]
        case NotExplained(event, why, admitted):
            return [f"{path}:{event.line}: refused: {why}", *(f"  admitted: {each}" for each in admitted)]
        case Undecided(event, why):
            return [f"{path}:{event.line}: undecided: {why}"]


def _as_json(path: Path, trace: Trace, explanation: Explanation) -> dict[str, Any]:
    told_of: dict[str, Any] = {"trace": str(path), "outcome": explanation.name, "events": len(trace.events)}
    match explanation:
        case Explained(doubts):
            return {**told_of, "doubts": list(doubts)}
        case Open(event, doubts):
            return {**told_of, "line": event.line, "doubts": list(doubts)}
        case NotExplained(event, why, admitted):
            return {**told_of, "line": event.line, "why": why, "admitted": list(admitted)}
        case Undecided(event, why):
            return {**told_of, "line": event.line, "why": why}
