"""`icspec mutate`: how many wrong copies of the reference implementation the conformance suite catches."""

import argparse
import gc
import hashlib
import json
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from attrs import asdict

from conformance.suite.loading import all_scenarios, selected
from properties.mutation.judging import Judging
from properties.mutation.measuring import Measurement, judge_digest, measured_and_kept, replay_seconds
from properties.mutation.mutants import AREAS, Mutant, drawn
from properties.mutation.patching import live_functions, prepare_to_compile
from properties.mutation.results import (
    RESULTS,
    Answer,
    FileError,
    Result,
    holds,
    joined,
    read_answers,
    read_results,
    result_of,
    shares,
    table,
    unanswered,
    write_results,
)
from spec.tooling.command_arguments import VerbParser, complain, quoted, require_writable
from spec.values.identifiers import Text

COUNT: Final = 420
"""How many are drawn by default."""

SEED: Final = 66
"""The default seed: that of the figure that is kept."""

EXAMPLE: Final = """examples:
  icspec mutate                                   draw 420 mutants, judge those whose result is not known
  icspec mutate --area system_api --count 60      those of one area
  icspec mutate --mutant 3f2a90c1b7de             one of them: what is wrong, who catches it, what is told
"""


def main(arguments: list[str]) -> int:
    """Judges wrong copies of the reference implementation, and tells how many the conformance suite catches."""
    given = _parser().parse_args(arguments)
    if given.json is not None:
        try:
            require_writable(given.json)
        except OSError as problem:
            return complain("icspec mutate", f"{given.json}: {problem.strerror}")
    areas = [given.area] if given.area else list(AREAS)
    mutants = drawn(-(-given.count // len(areas)), given.seed, areas)
    if given.mutant is not None:
        mutants = [each for each in mutants if each.identity == given.mutant]
        if not mutants:
            return complain("icspec mutate", f"no mutant drawn is {quoted(given.mutant)}")
    try:
        known, answers = read_results(given.resume), read_answers()
        require_writable(given.resume)
        results = _results(mutants, known, given)
        _write(given.resume, {**known, **{each.identity: each for each in results}}, mutants, given)
        if given.json is not None:
            _report(given.json, results, answers)
    except (FileError, OSError) as problem:
        return complain("icspec mutate", problem)
    return _tell(results, answers, everything=given.mutant is not None)


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec mutate",
        description="Makes wrong copies of the reference implementation, each with one small edit, and judges each "
        "with the conformance suite, explained and as a black box. The exit code is 0 only if every one that is not "
        "caught has an answer in properties/mutation/answers.toml.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=_positive, default=COUNT, metavar="N", help="how many, balanced by area")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="which are drawn")
    parser.add_argument("--area", choices=list(AREAS), help="one area; by default all of them")
    parser.add_argument("--mutant", metavar="ID", help="one of those drawn")
    parser.add_argument("--workers", type=_positive, metavar="N", help="how many at a time; by default one a core")
    parser.add_argument(
        "--resume", type=Path, default=RESULTS, metavar="FILE", help="where results are kept, and not found again"
    )
    parser.add_argument(
        "--only",
        type=_pattern,
        metavar="REGEX",
        help="scenarios whose id or title matches: those that were not caught before are judged with these alone",
    )
    parser.add_argument("--again", action="store_true", help="judge again also those that were not caught before")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a report for machines")
    return parser


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError) as problem:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a regular expression: {problem}") from None
    return text


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 to 999999999")
    return number


# The work


def _results(mutants: Sequence[Mutant], known: dict[Text, Result], given: argparse.Namespace) -> list[Result]:
    """The results of mutants: those that hold as they are known, the others found now."""
    workers = given.workers or len(os.sched_getaffinity(0))
    prepare_to_compile()
    judge, scenarios = judge_digest(), selected(all_scenarios(), given.only)
    if not scenarios:
        raise FileError(f"no scenario matches {quoted(given.only)}")
    measured = measured_and_kept(scenarios, workers, lambda text: print(text, file=sys.stderr, flush=True))
    found: dict[Text, Result] = {}
    missing: list[Mutant] = []
    for mutant in mutants:
        result = known.get(mutant.identity)
        is_caught = result is not None and None not in (result.explained, result.black_box)
        if given.only is not None and result is not None:
            is_known = is_caught
        else:
            is_known = result is not None and (is_caught or not given.again) and holds(result, mutant, measured, judge)
        if is_known and result is not None:
            found[mutant.identity] = result
        else:
            missing.append(mutant)
    missing.sort(key=_turn(given.seed))
    began = time.monotonic()
    for number, (mutant, result) in enumerate(_judged(missing, known, measured, judge, workers), 1):
        before = known.get(mutant.identity)
        found[mutant.identity] = result if given.only is None or before is None else joined(before, result)
        print(f"{number}/{len(missing)} {_line(result)}", flush=True)
        _write(given.resume, {**known, **found}, mutants, given)
    if missing:
        print(f"judged {len(missing)} mutants in {time.monotonic() - began:.0f} s\n")
    return [found[each.identity] for each in mutants]


def _turn(seed: int) -> Callable[[Mutant], bytes]:
    """A random order, always the same for a seed: those that a run that is cut short has judged are a fair sample."""
    return lambda mutant: hashlib.sha256(f"turn {seed}:{mutant.identity}".encode()).digest()


_judging: Judging | None = None
"""What the workers were forked with."""


def _judged(
    mutants: Sequence[Mutant], known: dict[Text, Result], measured: Measurement, judge: Text, workers: int
) -> Iterator[tuple[Mutant, Result]]:
    global _judging
    if not mutants:
        return
    for recording in measured.recordings:
        # Reason: so the modules of canisters are compiled once, and not in every process that is forked.
        replay_seconds(recording.exchanges)
    _judging = Judging(measured, all_scenarios(), live_functions())
    work = [(each, _caught_before(known.get(each.identity)), judge) for each in mutants]
    gc.collect()
    gc.freeze()
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        yield from pool.imap_unordered(_judge, work)


def _caught_before(result: Result | None) -> tuple[Text, ...]:
    return () if result is None else tuple({each for each in (result.explained, result.black_box) if each is not None})


def _judge(work: tuple[Mutant, tuple[Text, ...], Text]) -> tuple[Mutant, Result]:
    mutant, first, judge = work
    assert _judging is not None
    return mutant, result_of(mutant, _judging.outcome(mutant, first), _judging.measurement, judge)


# Telling


def _line(result: Result) -> str:
    caught = f"explained {result.explained or 'no'}, black box {result.black_box or 'no'}"
    return f"{result.identity} {result.place} {result.operator}: {caught}"


def _write(path: Path, results: dict[Text, Result], mutants: Sequence[Mutant], given: argparse.Namespace) -> None:
    """A whole draw leaves only its own results; a part of it leaves those of the rest as they are."""
    if given.mutant is None and given.area is None:
        wanted = {each.identity for each in mutants}
        results = {identity: each for identity, each in results.items() if identity in wanted}
    write_results(path, results.values())


def _report(path: Path, results: Sequence[Result], answers: dict[Text, Answer]) -> None:
    open_ones = {each.identity for each in unanswered(results, answers)}
    path.write_text(
        json.dumps(
            {
                "areas": [asdict(each) for each in shares(results, answers)],
                "mutants": [
                    {
                        **asdict(each),
                        "answer": _told(answers.get(each.identity)),
                        "unanswered": each.identity in open_ones,
                    }
                    for each in results
                ],
            },
            indent=1,
        )
    )


def _told(answer: Answer | None) -> dict[str, object] | None:
    return None if answer is None else {**asdict(answer), "kind": answer.kind.value}


def _tell(results: Sequence[Result], answers: dict[Text, Answer], *, everything: bool) -> int:
    """Shows survivors without an answer, or everything, and the figure."""
    open_ones = unanswered(results, answers)
    for result in results if everything else open_ones:
        print(f"\n{result.identity} {result.place} in {result.function}: {result.operator}")
        print("\n".join(f"  {line}" for line in result.difference))
        print(f"  run by {result.reached_by} scenarios, {result.differing} of them differ, {result.judged} verdicts")
        for manner, scenario, why in (
            ("explained", result.explained, result.explained_why),
            ("as a black box", result.black_box, result.black_box_why),
        ):
            print(f"  {manner}: {'not caught' if scenario is None else f'caught by {scenario}: {why}'}")
        answer = answers.get(result.identity)
        print(f"  {'no answer' if answer is None else f'{answer.kind.value}: {answer.reason}'}")
    print("\n" + "\n".join(table(shares(results, answers))))
    return 1 if open_ones else 0
