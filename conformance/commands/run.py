"""`icspec run`: plays scenario files on the specification and on an implementation, and prints what happens."""

import argparse
from collections.abc import Callable
from pathlib import Path

from conformance.commands.arguments import (
    FAILED,
    add_profile,
    bundled_implementation,
    command_words,
    regular_expression,
)
from conformance.judging.verdicts import Pass
from conformance.protocol.interface import DEFAULT_TIME_LIMITS, CannotStart, Died, ImplementationError
from conformance.protocol.quoting import escaped
from conformance.reporting.by_round import trace_by_round
from conformance.reporting.terminal import case_details
from conformance.running.case import Case, Manner
from conformance.running.processes import Runner, Target, describe
from conformance.running.run import run_scenario
from conformance.running.workers import ending_on_signals
from conformance.served.rounds import RoundsImplementation
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import ScenarioFileError, scenarios_of_file, selected
from conformance.suite.looking import Looking
from conformance.suite.scenario import Scenario
from conformance.suite.transcript import STEP
from spec.profile import known_profiles
from spec.tooling.command_arguments import VerbParser, complain

EXAMPLE = """example:
  icspec run conformance/suite/scenarios/calls.py --only chain
  icspec run conformance/suite/scenarios/calls.py --only chain --rounds
"""


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec run",
        description="Plays scenario files on the specification and on the reference implementation, with a trace.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a Python file with scenarios")
    parser.add_argument("--only", type=regular_expression, metavar="REGEX", help="scenarios whose id or title matches")
    add_profile(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--implementation", type=command_words, metavar="CMD", help="instead of the reference implementation"
    )
    where.add_argument("--spec-only", action="store_true", help="on the specification alone")
    where.add_argument(
        "--rounds", action="store_true", help="on the specification alone, by the rounds of production, and show them"
    )
    return parser


def _print_trace(case: Case) -> None:
    for event in case.transcript:
        print(escaped(f"    {event.text}" if event.actor == STEP else f"  {event.actor} {event.text}"))


def _on_specification(chosen: Scenario, manner: Manner) -> Case:
    implementation = SpecificationImplementation(known_profiles([manner.profile]))
    return run_scenario(chosen, implementation, implementation.describe(), manner)


def _play_by_rounds(chosen: Scenario, manner: Manner) -> bool:
    implementation = RoundsImplementation(known_profiles([manner.profile]))
    print(f"{chosen.id}: {chosen.title}")
    case = run_scenario(chosen, implementation, implementation.describe(), manner)
    for line in trace_by_round(case.transcript, implementation.history):
        print(escaped(f"  {line}"))
    print(f"  {implementation.name}: {case.verdict.name} ({case.seconds:.2f} s)")
    if not isinstance(case.verdict, Pass):
        print("\n".join(case_details(case)))
    print()
    return isinstance(case.verdict, Pass)


def _play(chosen: Scenario, manner: Manner, on_implementation: Callable[[Scenario], Case] | None) -> bool:
    print(f"{chosen.id}: {chosen.title}")
    case = _on_specification(chosen, manner)
    _print_trace(case)
    cases = {"the specification": case}
    if on_implementation is not None:
        cases["the implementation"] = on_implementation(chosen)
    for name, each in cases.items():
        print(f"  {name}: {each.verdict.name} ({each.seconds:.2f} s)")
        if not isinstance(each.verdict, Pass):
            print("\n".join(case_details(each)))
    print()
    return all(isinstance(each.verdict, Pass) for each in cases.values())


def _play_all(scenarios: list[Scenario], manner: Manner, on_implementation: Callable[[Scenario], Case] | None) -> int:
    passed = [_play(chosen, manner, on_implementation) for chosen in scenarios]
    return 0 if all(passed) else FAILED


def main(arguments: list[str]) -> int:
    """Plays scenario files on the specification and on the reference implementation, and prints the trace."""
    given = _parser().parse_args(arguments)
    try:
        scenarios = [each for path in given.files for each in selected(scenarios_of_file(path), given.only)]
    except ScenarioFileError as problem:
        return complain("icspec run", problem)
    if not scenarios:
        return complain("icspec run", f"no scenario matches {given.only!r}")
    # The trace is that of the scenario; the look of the judge is no part of it.
    manner = Manner(profile=given.profile, looking=Looking.NEVER)
    if given.rounds:
        passed = [_play_by_rounds(chosen, manner) for chosen in scenarios]
        return 0 if all(passed) else FAILED
    if given.spec_only:
        return _play_all(scenarios, manner, None)
    command = given.implementation or bundled_implementation(given.profile)
    target = Target(command, manner, DEFAULT_TIME_LIMITS)
    with ending_on_signals():
        try:
            describe(target)
        except (CannotStart, Died) as problem:
            return complain("icspec run", f"{target.name}: {problem}")
        except ImplementationError:
            # Reason: a handshake that breaks the protocol fails each scenario, and is told there.
            pass
        runner = Runner(target)
        try:
            return _play_all(scenarios, manner, runner.run)
        finally:
            runner.close()
