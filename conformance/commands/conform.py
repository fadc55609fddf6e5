"""`icspec conform`: judges an implementation with the suite."""

import argparse
import re
import shlex
import sys
import time
from contextlib import closing
from pathlib import Path

from conformance.judging.environment import Environment, environment_named
from conformance.judging.verdicts import Pass
from conformance.protocol.interface import (
    DEFAULT_TIME_LIMITS,
    INTERFACE_SPECIFICATION,
    CannotStart,
    Description,
    Died,
    ImplementationError,
    TimeLimits,
)
from conformance.protocol.quoting import shown
from conformance.reporting.report import (
    Report,
    case_details,
    case_line,
    summary,
    table,
    write_html,
    write_json,
    write_junit,
)
from conformance.running.case import Case, Manner
from conformance.running.processes import Target, cases_without_handshake, describe, nothing_known
from conformance.running.workers import default_workers, ending_on_signals, run_all
from conformance.suite.loading import all_scenarios, selected
from spec.profile import ProfileError, load_profile
from spec.tooling.command_arguments import VerbParser

EXAMPLE = """examples:
  icspec conform                                        judge the bundled reference implementation
  icspec conform --implementation "icspec stdio --spec" judge the specification itself
  icspec conform --only management --json report.json   some scenarios, and a report for machines
"""

FAILED, USAGE_ERROR = 1, 2
"""Exit codes: the implementation did not pass; the command line makes no sense."""


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def _environment(text: str) -> Environment:
    try:
        return environment_named(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def regular_expression(text: str) -> str:
    """A regular expression that makes sense."""
    try:
        re.compile(text)
    except re.error as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is not a regular expression: {problem}") from None
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
        raise argparse.ArgumentTypeError(f"{text!r} is not a command: {problem}") from None
    if not words:
        raise argparse.ArgumentTypeError("the command is empty")
    return words


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec conform",
        description="Judges an implementation of the Internet Computer with the conformance suite.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--implementation",
        type=command_words,
        metavar="CMD",
        help="the command that speaks the protocol on its standard input and output; "
        "by default the bundled reference implementation (icspec stdio)",
    )
    parser.add_argument("--only", type=regular_expression, metavar="REGEX", help="scenarios whose id or title matches")
    parser.add_argument("--workers", type=_positive, metavar="N", help="how many at a time; by default one a core")
    parser.add_argument(
        "--environment", type=_environment, default="calm", metavar="NAME", help="calm, loaded(K) or hostile"
    )
    add_profile(parser)
    parser.add_argument("--black-box", action="store_true", help="ignore what the implementation can explain")
    parser.add_argument("--time-limit", type=_positive, metavar="SECONDS", help="for every verb of the protocol")
    parser.add_argument("--list", action="store_true", help="list the scenarios and do nothing else")
    for kind in ("json", "junit", "html"):
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help=f"write a report as {kind.upper()}")
    return parser


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


def main(arguments: list[str]) -> int:
    """Judges an implementation with the conformance suite."""
    parser = _parser()
    given = parser.parse_args(arguments)
    scenarios = selected(all_scenarios(), given.only)
    if not scenarios:
        print(f"icspec conform: no scenario matches {given.only!r}", file=sys.stderr)
        return USAGE_ERROR
    if given.list:
        for chosen in scenarios:
            print(f"{chosen.id}: {chosen.title}")
        return 0
    for path in (given.json, given.junit, given.html):
        if path is not None and not path.parent.is_dir():
            print(f"icspec conform: {path}: there is no directory {path.parent}", file=sys.stderr)
            return USAGE_ERROR
    limits = DEFAULT_TIME_LIMITS if given.time_limit is None else TimeLimits.uniform(given.time_limit)
    manner = Manner(environment=given.environment, black_box=given.black_box, profile=given.profile)
    target = Target(given.implementation or bundled_implementation(given.profile), manner, limits)
    started = time.monotonic()
    cases: list[Case] = []
    with ending_on_signals():
        try:
            description = describe(target)
            found = run_all(target, scenarios, min(given.workers or default_workers(), len(scenarios)))
        except (CannotStart, Died) as problem:
            print(f"icspec conform: {target.name}: {problem}", file=sys.stderr)
            return USAGE_ERROR
        except ImplementationError as problem:
            description = nothing_known(target)
            found = cases_without_handshake(scenarios, problem)
        _introduce(description, len(scenarios), manner)
        with closing(found):
            for case in found:
                cases.append(case)
                _show(case)
    report = Report(description, manner, tuple(cases), time.monotonic() - started)
    _finish(report, given)
    return 0 if report.is_success else FAILED


def _introduce(description: Description, scenarios: int, manner: Manner) -> None:
    name = shown(f"{description.name} {description.version}".strip())
    print(f"{name}, {scenarios} scenarios, {manner.environment.name}")
    if description.interface_specification not in ("", INTERFACE_SPECIFICATION):
        theirs = shown(description.interface_specification)
        print(
            f"icspec conform: warning: it follows version {theirs} of the interface specification, "
            f"and is judged by version {INTERFACE_SPECIFICATION}",
            file=sys.stderr,
        )


def _show(case: Case) -> None:
    print(case_line(case), flush=True)
    if not isinstance(case.verdict, Pass):
        for line in case_details(case):
            print(line, flush=True)


def _finish(report: Report, given: argparse.Namespace) -> None:
    print("\n" + "\n".join(table(report)) + "\n")
    for path, write in ((given.json, write_json), (given.junit, write_junit), (given.html, write_html)):
        if path is not None:
            write(report, path)
    print(summary(report))
