"""`icspec run`: scenario files, and modules of one's own, on the specification and on an implementation."""

import argparse
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from conformance.adapters.executable import STATUS, require_answer, server_at, speaking_for
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
from conformance.protocol.stdio import StdioImplementation
from conformance.reporting.by_round import trace_by_round
from conformance.reporting.terminal import case_details, reasons
from conformance.running.case import Case, Manner
from conformance.running.processes import Runner, Target
from conformance.running.run import run_scenario
from conformance.running.workers import ending_on_signals
from conformance.served.rounds import RoundsImplementation
from conformance.served.specification import SpecificationImplementation
from conformance.stories.files import story_of_file
from conformance.stories.options import add_options, story_of_options
from conformance.stories.playing import scenario_of
from conformance.stories.preparing import prepared
from conformance.stories.story import StoryError
from conformance.suite.loading import ScenarioFileError, scenarios_of_file, selected
from conformance.suite.looking import Looking
from conformance.suite.scenario import Scenario
from conformance.suite.transcript import STEP
from conformance.validating.recording import Recording
from spec.profile import known_profiles, load_profile
from spec.tooling.command_arguments import VerbParser, complain, quoted

INSTRUCTIONS = re.compile(r"used (\d+) instructions")

LONGEST = 300
"""So much of a line is shown of what people do with modules of their own."""

EXAMPLE = """example:
  icspec run ledger.wasm --init '(record { owner = "me" })' --call 'transfer(5, "you")' --expect '(variant { ok })'
  icspec run story.toml
  icspec run conformance/suite/scenarios/calls.py --only chain
  icspec run conformance/suite/scenarios/calls.py --only chain --rounds
"""


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec run",
        description="Plays scenario files, or a module of one's own, on the specification and on the reference "
        "implementation, and prints what happens.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="Python files with scenarios, or a module (.wasm, .wasm.gz), or a story (.toml)",
    )
    parser.add_argument("--only", type=regular_expression, metavar="REGEX", help="scenarios whose id or title matches")
    add_profile(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--implementation", type=command_words, metavar="CMD", help="instead of the reference implementation"
    )
    where.add_argument(
        "--pocketic", metavar="URL|BINARY", help="instead on PocketIC: a server that runs, or an executable"
    )
    where.add_argument("--http", metavar="URL", help="instead on a server of the HTTPS interface")
    where.add_argument("--spec-only", action="store_true", help="on the specification alone")
    where.add_argument(
        "--rounds", action="store_true", help="on the specification alone, by the rounds of production, and show them"
    )
    parser.add_argument(
        "--look",
        choices=[each.value for each in Looking],
        default=Looking.NEVER.value,
        help="when the judge observes by itself what can be observed; by default never: the trace is the scenario's",
    )
    parser.add_argument("--black-box", action="store_true", help="ignore what the implementation can explain")
    parser.add_argument(
        "--record", type=Path, metavar="TRACE", help="write what the implementation does as a trace for icspec validate"
    )
    add_options(parser)
    parser.add_argument("--trace", action="store_true", help="of a module of one's own, show every transition, too")
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


def _print_story(case: Case) -> None:
    for event in case.transcript:
        if event.actor != STEP:
            print(f"  {cut(escaped(f'{event.actor} {event.text}'))}")
        elif found := INSTRUCTIONS.search(event.text):
            print(f"    {int(found[1]):,} instructions")


def cut(line: str) -> str:
    """A line, without its middle if it is long."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


def _play(
    chosen: Scenario, manner: Manner, on_implementation: Callable[[Scenario], Case] | None, *, is_story: bool = False
) -> bool:
    print(f"{chosen.id}: {chosen.title}")
    case = _on_specification(chosen, manner)
    show = _print_story if is_story else _print_trace
    show(case)
    cases = {"the specification": case}
    if on_implementation is not None:
        cases["the implementation"] = on_implementation(chosen)
    for name, each in cases.items():
        print(f"  {name}: {each.verdict.name} ({each.seconds:.2f} s)")
        if not isinstance(each.verdict, Pass):
            told = [f"    {escaped(line)}" for line in reasons(each)] if is_story else case_details(each)
            print("\n".join(told))
    print()
    return all(isinstance(each.verdict, Pass) for each in cases.values())


def _exit_code(passed: Iterable[bool]) -> int:
    return 0 if all(list(passed)) else FAILED


def _is_story(given: argparse.Namespace) -> bool:
    return given.files[0].suffix in (".wasm", ".gz", ".toml")


def _scenarios(given: argparse.Namespace) -> list[Scenario]:
    """What is to be played. Raises `ScenarioFileError` and `StoryError`."""
    first = given.files[0]
    if not _is_story(given):
        if given.told:
            raise StoryError(f"{first}: {given.told[0][0]} is for a module (.wasm, .wasm.gz)")
        return [each for path in given.files for each in selected(scenarios_of_file(path), given.only)]
    if len(given.files) > 1:
        raise StoryError(f"{given.files[1]}: one module or story at a time")
    if given.only is not None:
        raise StoryError(f"{first}: --only chooses scenarios of a Python file")
    if first.suffix == ".toml" and given.told:
        raise StoryError(f"{first}: the file tells the story, so {given.told[0][0]} has no meaning")
    story = story_of_file(first) if first.suffix == ".toml" else story_of_options(first, given.told or [])
    return [scenario_of(story, prepared(story, load_profile(given.profile)))]


def main(arguments: list[str]) -> int:
    """Plays scenario files, or a module of one's own, on both engines, and prints what happens."""
    given = _parser().parse_args(arguments)
    try:
        scenarios = _scenarios(given)
    except (ScenarioFileError, StoryError) as problem:
        return complain("icspec run", problem)
    if not scenarios:
        return complain("icspec run", f"no scenario matches {quoted(given.only)}")
    manner = Manner(
        profile=given.profile,
        looking=Looking(given.look),
        black_box=given.black_box,
        is_shared=given.http is not None,
    )
    if given.rounds:
        return _exit_code(_play_by_rounds(chosen, manner) for chosen in scenarios)
    is_story = _is_story(given) and not given.trace
    if given.spec_only:
        return _exit_code(_play(chosen, manner, None, is_story=is_story) for chosen in scenarios)
    if given.record is not None and len(scenarios) != 1:
        return complain("icspec run", f"--record writes the trace of one scenario, and these are {len(scenarios)}")
    try:
        with _command(given) as command:
            return _play_all(scenarios, given, manner, command, is_story=is_story)
    except CannotStart as problem:
        return complain("icspec run", problem)


@contextmanager
def _command(given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """The command of the implementation. Raises `CannotStart` if that is a server, and there is none."""
    if given.http is not None:
        require_answer(given.http, STATUS)
        yield speaking_for(given.http, "http")
    elif given.pocketic is not None:
        with server_at(given.pocketic) as url:
            yield speaking_for(url, "pocketic")
    else:
        yield given.implementation or bundled_implementation(given.profile)


def _play_all(
    scenarios: list[Scenario], given: argparse.Namespace, manner: Manner, command: tuple[str, ...], *, is_story: bool
) -> int:
    """Plays scenarios on the specification and on the implementation behind a command."""
    forgets = given.http is not None or given.pocketic is not None
    target = Target(command, manner, DEFAULT_TIME_LIMITS, forgets=forgets)
    with ending_on_signals(), closing(Runner(target)) as runner:
        try:
            runner.describe()
        except (CannotStart, Died) as problem:
            return complain("icspec run", f"{target.name}: {problem}")
        except ImplementationError:
            # Reason: a handshake that breaks the protocol fails each scenario, and is told there.
            pass
        if given.record is not None:
            return _play_recorded(scenarios[0], target, given.record, is_story=is_story)
        return _exit_code(_play(chosen, manner, runner.run, is_story=is_story) for chosen in scenarios)


def _play_recorded(chosen: Scenario, target: Target, path: Path, *, is_story: bool) -> int:
    """Plays a scenario, and writes what the implementation does as a trace."""
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as problem:
        return complain("icspec run", f"--record: {path}: {problem.strerror}")
    with file, closing(StdioImplementation(target.command, target.time_limits)) as process:
        recording = Recording(process, file)
        description = recording.describe()
        passed = _play(
            chosen,
            target.manner,
            lambda each: run_scenario(each, recording, description, target.manner),
            is_story=is_story,
        )
    return 0 if passed else FAILED
