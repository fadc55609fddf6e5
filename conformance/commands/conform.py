"""`icspec conform`: judges an implementation with the suite."""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Final

from conformance.adapters.executable import STATUS, require_answer, server_at, speaking_for
from conformance.commands.arguments import (
    FAILED,
    add_profile,
    bundled_implementation,
    command_words,
    environment,
    interface_version,
    positive,
    regular_expression,
)
from conformance.judging.engines import INTERPRETER, engine_names, judges_itself
from conformance.judging.verdicts import Fail, Pass
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
from conformance.protocol.versions import KNOWN, judged_by
from conformance.protocol.wire_log import WireLogError
from conformance.reporting.expected import ExpectedFailures, ExpectedFailuresError, read_expected_failures
from conformance.reporting.files import Files, OutputFileError, opened
from conformance.reporting.machines import write_json, write_junit
from conformance.reporting.page import write_html
from conformance.reporting.report import Report
from conformance.reporting.terminal import (
    case_details,
    case_line,
    causes_told,
    engine_told,
    expectation,
    observations_told,
    summary,
    table,
    unexpected_passes_told,
)
from conformance.running.case import Case, Manner
from conformance.running.processes import Target, cases_without_handshake, nothing_known
from conformance.running.run import PRODUCTION
from conformance.running.workers import default_workers, ending_on_signals, workers_for
from conformance.suite.loading import all_scenarios, selected
from conformance.suite.looking import Looking
from conformance.suite.scenario import Scenario
from spec.tooling.command_arguments import VerbParser, complain, quoted

EXAMPLE = """examples:
  icspec conform                                        judge the bundled reference implementation
  icspec conform --implementation "icspec stdio --spec" judge the specification itself
  icspec conform --only management --json report.json   some scenarios, and a report for machines
  icspec conform --pocketic ./pocket-ic --only calls    a server of PocketIC, which is started for the run
  icspec conform --http http://127.0.0.1:4943           a server of the HTTPS interface
  icspec conform --implementation ./mine --engine fast  canisters are executed by the reference implementation
  icspec conform --implementation ./mine --expected-failures known.toml --log wire.ndjson
"""

REPORTS: Final[Mapping[str, Callable[[Report, IO[str]], None]]] = {
    "json": write_json,
    "junit": write_junit,
    "html": write_html,
}
"""The kinds of reports, by the names of their options."""


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
    parser.add_argument(
        "--pocketic",
        metavar="URL|BINARY",
        help="judge PocketIC instead: a server that runs, or an executable that is started for the run; what it cannot "
        "control or show is not applicable",
    )
    parser.add_argument(
        "--http",
        metavar="URL",
        help="judge a server of the HTTPS interface instead; what it cannot control or show is not applicable",
    )
    parser.add_argument(
        "--claim-production",
        action="store_true",
        help="with --http or --pocketic: the server follows the profile production to the last cycle, which it cannot "
        "say itself; costs are compared exactly, and it is told what is as production",
    )
    parser.add_argument("--only", type=regular_expression, metavar="REGEX", help="scenarios whose id or title matches")
    parser.add_argument("--workers", type=positive, metavar="N", help="how many at a time; by default one a core")
    parser.add_argument(
        "--environment",
        type=environment,
        default="calm",
        metavar="NAME",
        help="calm (the default), loaded(K) with K of at least 1, or hostile",
    )
    add_profile(parser)
    parser.add_argument(
        "--interface",
        type=interface_version,
        metavar="VERSION",
        help="of the interface specification: what came later does not apply; by default the one that is declared",
    )
    parser.add_argument(
        "--engine",
        choices=engine_names(),
        default=INTERPRETER,
        help="what executes canisters for the judge: the specification's interpreter (spec, the default), or another "
        "engine, which is trusted: fast is that of the reference implementation, and judges others only",
    )
    parser.add_argument("--black-box", action="store_true", help="ignore what the implementation can explain")
    parser.add_argument(
        "--look",
        choices=[each.value for each in Looking],
        default=Looking.AT_THE_END.value,
        help="when the judge observes by itself what can be observed; by default at the end of every scenario",
    )
    parser.add_argument("--time-limit", type=positive, metavar="SECONDS", help="for every verb of the protocol")
    parser.add_argument("--list", action="store_true", help="list the scenarios and do nothing else")
    parser.add_argument("--fail-fast", action="store_true", help="end the run at the first unexpected failure")
    parser.add_argument(
        "--expected-failures",
        type=Path,
        metavar="FILE",
        help="scenarios that are expected to fail: TOML, tables [[expected]] with id or matches, and reason",
    )
    for kind in REPORTS:
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help=f"write a report as {kind.upper()}")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write what goes over the wire as JSON lines")
    return parser


def main(arguments: list[str]) -> int:
    """Judges an implementation with the conformance suite."""
    given = _parser().parse_args(arguments)
    judged = [each for each in ("http", "pocketic", "implementation") if getattr(given, each) is not None]
    if len(judged) > 1:
        return _complain(f"--{judged[0]} and --{judged[1]} are two implementations")
    if given.claim_production and judged not in (["http"], ["pocketic"]):
        return _complain(
            "--claim-production is for --http and --pocketic; others say in describe which profiles they follow"
        )
    scenarios = selected(all_scenarios(), given.only)
    if not scenarios:
        return _complain(f"no scenario matches {quoted(given.only)}")
    if given.list:
        for chosen in scenarios:
            print(f"{chosen.id}: {chosen.title}")
        return 0
    written = {f"--{kind}": getattr(given, kind) for kind in REPORTS} | {"--log": given.log}
    claimed = (PRODUCTION,) if given.claim_production else ()
    read = {"--expected-failures": given.expected_failures, "--profile": Path(given.profile)}
    try:
        expected = ExpectedFailures()
        if given.expected_failures is not None:
            expected = read_expected_failures(given.expected_failures, all_scenarios())
        with opened(written, read) as files:
            if given.http is not None:
                require_answer(given.http, STATUS)
                command = speaking_for(given.http, "http", claimed)
                return _judge(given, target_of(given, command), scenarios, expected, files)
            if given.pocketic is None:
                target = target_of(given, given.implementation or bundled_implementation(given.profile))
                return _judge(given, target, scenarios, expected, files)
            with server_at(given.pocketic) as url:
                command = speaking_for(url, "pocketic", claimed)
                return _judge(given, target_of(given, command), scenarios, expected, files)
    except CannotStart as problem:
        return _complain(str(problem))
    except (ExpectedFailuresError, OutputFileError) as problem:
        return _complain(str(problem))
    except WireLogError as problem:
        return _complain(f"--log: {problem}")


def _complain(problem: str) -> int:
    return complain("icspec conform", problem)


def target_of(given: argparse.Namespace, command: tuple[str, ...]) -> Target:
    """The command as it is to be judged."""
    limits = DEFAULT_TIME_LIMITS if given.time_limit is None else TimeLimits.uniform(given.time_limit)
    manner = Manner(
        environment=given.environment,
        black_box=given.black_box,
        profile=given.profile,
        engine=given.engine,
        interface=given.interface,
        is_shared=given.http is not None,
        looking=Looking(given.look),
        tells_all=any(getattr(given, kind) is not None for kind in REPORTS),
    )
    return Target(command, manner, limits, given.log, forgets=given.pocketic is not None or given.http is not None)


def _judge(
    given: argparse.Namespace,
    target: Target,
    scenarios: list[Scenario],
    expected: ExpectedFailures,
    files: Files,
) -> int:
    """Runs the scenarios and reports."""
    manner = target.manner
    command = repeating_command(given)
    started = time.monotonic()
    cases: list[Case] = []
    count = min(given.workers or default_workers(), len(scenarios))
    with ending_on_signals(), workers_for(target, count) as workers:
        try:
            description = workers.describe()
            found = workers.run(scenarios)
        except (CannotStart, Died) as problem:
            return _complain(f"{target.name}: {problem}")
        except ImplementationError as problem:
            description = nothing_known(target)
            found = cases_without_handshake(scenarios, problem)
        if judges_itself(manner.engine, description):
            return _complain(
                f"--engine {manner.engine}: this engine is a part of what it would judge, {shown(description.name)}"
            )
        if "--log" in files:
            files["--log"].empty()
        _introduce(description, len(scenarios), manner)
        with closing(found):
            for case in found:
                cases.append(case)
                reason = expected.reason(case.id)
                _show(case, reason, command)
                if given.fail_fast and isinstance(case.verdict, Fail) and reason is None:
                    break
    seconds = time.monotonic() - started
    not_run = len(scenarios) - len(cases)
    report = Report(description, manner, tuple(cases), seconds, command, expected, not_run)
    _finish(report, files)
    return 0 if report.is_success else FAILED


def repeating_command(given: argparse.Namespace) -> tuple[str, ...]:
    """The command that judges all scenarios in the manner of this run."""
    words = ["icspec", "conform"]
    if given.pocketic is not None:
        words += ["--pocketic", given.pocketic]
    if given.http is not None:
        words += ["--http", given.http]
    if given.claim_production:
        words.append("--claim-production")
    if given.implementation is not None:
        words += ["--implementation", shlex.join(given.implementation)]
    if given.profile != "production":
        words += ["--profile", given.profile]
    if not given.environment.is_calm:
        words += ["--environment", given.environment.name]
    if given.interface is not None:
        words += ["--interface", given.interface]
    if given.engine != INTERPRETER:
        words += ["--engine", given.engine]
    if given.black_box:
        words.append("--black-box")
    if given.look != Looking.AT_THE_END.value:
        words += ["--look", given.look]
    if given.time_limit is not None:
        words += ["--time-limit", str(given.time_limit)]
    return tuple(words)


def _introduce(description: Description, scenarios: int, manner: Manner) -> None:
    name = shown(f"{description.name} {description.version}".strip())
    print(f"{name}, {scenarios} scenarios, {manner.environment.name}")
    theirs = description.interface_specification if manner.interface is None else manner.interface
    judging = judged_by(theirs)
    if theirs not in ("", *KNOWN):
        print(
            f"icspec conform: warning: it follows version {shown(theirs)} of the interface specification, "
            f"and is judged by version {judging}",
            file=sys.stderr,
        )
    if manner.engine != INTERPRETER:
        print(engine_told(manner))
    if judging != INTERFACE_SPECIFICATION:
        print(f"judged by version {judging} of the interface specification: what came later does not apply")


def _show(case: Case, reason: str | None, command: tuple[str, ...]) -> None:
    print(case_line(case), flush=True)
    if reason is not None and isinstance(case.verdict, Pass | Fail):
        print(expectation(case, reason), flush=True)
    elif not isinstance(case.verdict, Pass) or case.departures:
        for line in case_details(case, command):
            print(line, flush=True)


def _finish(report: Report, files: Files) -> None:
    print("\n" + "\n".join(table(report)) + "\n")
    for lines in map(list, (observations_told(report), causes_told(report), unexpected_passes_told(report))):
        if lines:
            print("\n".join(lines) + "\n")
    for kind, write in REPORTS.items():
        if f"--{kind}" in files:
            with files[f"--{kind}"].writing() as file:
                write(report, file)
    print(summary(report))
