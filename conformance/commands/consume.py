"""`icspec consume`: runs fixtures on an implementation."""

import argparse
import json
import re
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Final

from attrs import define

from conformance.commands.arguments import (
    FAILED,
    bundled_implementation,
    command_words,
    positive,
    regular_expression,
)
from conformance.fixtures.consuming import Consumed, consumed
from conformance.fixtures.reading import Entry, FixtureError, Fixtures, read_fixtures
from conformance.fixtures.writing import FORMATS
from conformance.judging.verdicts import VERDICT_NAMES, Fail, Pass
from conformance.protocol.interface import (
    DEFAULT_TIME_LIMITS,
    CannotStart,
    Description,
    Died,
    ImplementationError,
    TimeLimits,
)
from conformance.protocol.quoting import escaped
from conformance.protocol.stdio import StdioImplementation
from conformance.reporting.files import OutputFileError, opened
from spec.tooling.command_arguments import VerbParser, complain
from spec.values.identifiers import Text

SLOW: Final = 2.0

EXAMPLE = """examples:
  icspec consume fixtures                                             on the reference implementation
  icspec consume fixtures --implementation "icspec stdio --spec"      on the specification
  icspec consume fixtures --implementation ./mine --format scenario/1 --json report.json
"""


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec consume",
        description="Runs the fixtures of a directory on an implementation. Where an answer is outside what a fixture "
        "admits, the specification itself judges.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="what icspec fill wrote, or a release")
    parser.add_argument(
        "--implementation",
        type=command_words,
        metavar="CMD",
        help="the command that speaks the protocol on its standard input and output; "
        "by default the bundled reference implementation (icspec stdio)",
    )
    parser.add_argument("--only", type=regular_expression, metavar="REGEX", help="fixtures whose id matches")
    parser.add_argument("--format", choices=list(FORMATS), help="fixtures of one format; by default all")
    parser.add_argument("--time-limit", type=positive, metavar="SECONDS", help="for every verb of the protocol")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a report")
    return parser


@define
class _Process:
    """Keeps one process of the implementation, and replaces it when it is of no more use."""

    command: tuple[str, ...]
    limits: TimeLimits
    _implementation: StdioImplementation | None = None
    _description: Description | None = None

    def ready(self) -> tuple[StdioImplementation, Description]:
        """Raises `ImplementationError`."""
        if self._implementation is None or self._implementation.is_over or self._description is None:
            self._implementation = StdioImplementation(self.command, self.limits)
            self._description = self._implementation.describe()
        return self._implementation, self._description

    def close(self) -> None:
        """Ends the process."""
        if self._implementation is not None:
            self._implementation.close()
            self._implementation = None


def main(arguments: list[str]) -> int:
    """Runs fixtures on an implementation."""
    given = _parser().parse_args(arguments)
    try:
        fixtures = read_fixtures(given.directory)
        entries = _chosen(fixtures, given)
        if not entries:
            return _complain(f"{given.directory}: no fixture is called so: {given.only or given.format}")
        with opened({"--json": given.json}, {}) as files:
            cases = _run(fixtures, entries, given)
            if isinstance(cases, str):
                return _complain(cases)
            if "--json" in files:
                with files["--json"].writing() as file:
                    json.dump(_report(fixtures, cases), file)
    except (FixtureError, OutputFileError) as problem:
        return _complain(str(problem))
    print(_summary(cases))
    failed = any(not isinstance(each.verdict, Pass) and each.verdict.name != "not_applicable" for each in cases)
    passed = any(isinstance(each.verdict, Pass) for each in cases)
    return 0 if passed and not failed else FAILED


def _complain(problem: str) -> int:
    return complain("icspec consume", problem)


def _chosen(fixtures: Fixtures, given: argparse.Namespace) -> list[Entry]:
    wanted = re.compile(given.only or "")
    return [each for each in fixtures.entries if wanted.search(each.id) and given.format in (None, each.format)]


def _run(fixtures: Fixtures, entries: list[Entry], given: argparse.Namespace) -> list[Consumed] | Text:
    """The cases; a text if the implementation cannot be started."""
    limits = DEFAULT_TIME_LIMITS if given.time_limit is None else TimeLimits.uniform(given.time_limit)
    process = _Process(given.implementation or bundled_implementation(), limits)
    cases: list[Consumed] = []
    began = told = time.monotonic()
    with closing(process):
        for done, entry in enumerate(entries, 1):
            document = fixtures.document(entry)
            try:
                implementation, description = process.ready()
            except (CannotStart, Died) as problem:
                return str(problem)
            except ImplementationError as problem:
                cases.append(Consumed(entry.id, entry.format, Fail(str(problem)), is_broken=True))
                process.close()
                continue
            if done == 1:
                name = escaped(f"{description.name} {description.version}".strip())
                print(f"{name}, {len(entries)} fixtures of release {fixtures.release}")
            case = consumed(document, implementation, description, fixtures.blob)
            cases.append(case)
            _show(case)
            if case.is_broken:
                process.close()
            if time.monotonic() - told > SLOW and sys.stderr.isatty():
                told = time.monotonic()
                print(f"icspec consume: {done} of {len(entries)}, {told - began:.0f} s", file=sys.stderr, flush=True)
    return cases


def _show(case: Consumed) -> None:
    if isinstance(case.verdict, Pass) and not case.note:
        return
    print(f"{case.verdict.name:<15} {case.format} {case.id}")
    for line in (case.verdict.why, case.note):
        if line:
            print(escaped(f"    {line}"))
    if isinstance(case.verdict, Fail):
        for allowed in case.verdict.allowed:
            print(escaped(f"    allowed: {allowed[:500]}"))


def _summary(cases: list[Consumed]) -> Text:
    lines = []
    for name in FORMATS:
        counts = Counter(each.verdict.name for each in cases if each.format == name)
        if counts:
            told = ", ".join(f"{counts[verdict]} {verdict.replace('_', ' ')}" for verdict in VERDICT_NAMES)
            lines.append(f"{name}: {told}")
    production = Counter(each.as_production for each in cases)
    lines.append(f"as production: {production[True]} yes, {production[False]} no, {production[None]} not claimed")
    return "\n".join(lines)


def _report(fixtures: Fixtures, cases: list[Consumed]) -> dict[str, object]:
    counts = Counter(each.verdict.name for each in cases)
    return {
        "release": fixtures.release,
        "index_sha256": fixtures.digest,
        "counts": {name: counts[name] for name in VERDICT_NAMES},
        "cases": [
            {
                "id": each.id,
                "format": each.format,
                "verdict": each.verdict.name,
                "why": each.verdict.why,
                "note": each.note,
                "as_production": each.as_production,
            }
            for each in cases
        ],
    }
