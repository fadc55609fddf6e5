"""`icspec prove`: proves of every rule that it keeps the invariants."""

import argparse
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

from attrs import frozen

import spec.rules  # noqa: F401  (registers the rules)
from properties.proof.claims.counterexample import Counterexample
from properties.proof.claims.proof import Demand, Export, RuleReport, Verdict, prove_rule
from properties.proof.claims.second_solver import confirms, is_installed
from properties.proof.meaning.symbolic_meaning import new_session
from properties.proof.terms.session import Session
from spec.invariants import INVARIANTS, STEP_INVARIANTS
from spec.tooling.cluster import Cluster, ClusterError
from spec.tooling.command_arguments import VerbParser, complain, quoted, require_writable
from spec.transition import RULES

EXAMPLE = """examples:
  icspec prove                                   every rule
  icspec prove --rule deposit_cycles             one rule
  icspec prove --invariant snapshots_are_few     one invariant, of every rule
  icspec prove --cluster tcp://10.0.0.1:8786     on the machines of a cluster, a rule at a time
  icspec prove --json proofs.json --smtlib DIR   a report for machines, and the obligations for any SMT solver
"""

FAILED = 1
"""The exit code if not everything is proved."""

COUNTEREXAMPLES_SHOWN = 3
"""For each rule; the others are in the JSON report."""


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec prove",
        description="Runs each rule's own text on unknown values and proves, of every path, that cycles are conserved, "
        "that every invariant is kept, and that no natural number becomes negative.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rule", action="append", metavar="NAME", help="only this rule; can be given several times")
    parser.add_argument(
        "--invariant", action="append", metavar="NAME", help="only this invariant; can be given several times"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=_positive, metavar="N", help="how many at a time; by default one a core")
    where.add_argument(
        "--cluster", metavar="ADDRESS", help="the scheduler of a cluster of dask.distributed (icspec[cluster])"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a report as JSON")
    parser.add_argument(
        "--smtlib",
        type=Path,
        metavar="DIR",
        help="write each obligation as SMT-LIB; `unsat` is proved; workers "
        "of a cluster write into a directory of that name of theirs",
    )
    parser.add_argument("--recheck", action="store_true", help="ask a second solver, cvc5, about each; takes long")
    parser.add_argument(
        "--list", action="store_true", help="list rules and what is proved of them, and do nothing else"
    )
    return parser


def main(arguments: list[str]) -> int:
    """Proves of every rule that it conserves cycles and keeps the invariants."""
    given = _parser().parse_args(arguments)
    names = given.rule or list(RULES)
    for name in names:
        if name not in RULES:
            return complain("icspec prove", f"there is no rule {quoted(name)}")
    for name in given.invariant or ():
        if name not in INVARIANTS and name not in STEP_INVARIANTS:
            return complain("icspec prove", f"there is no invariant {quoted(name)}")
    if given.list:
        _list(names)
        return 0
    if given.json is not None:
        if given.smtlib is not None and given.json.resolve() == given.smtlib.resolve():
            return complain("icspec prove", f"--json and --smtlib both name {given.json}")
        try:
            require_writable(given.json)
        except OSError as problem:
            return complain("icspec prove", f"{given.json}: {problem.strerror}")
    if given.recheck and not is_installed():
        return complain("icspec prove", "--recheck needs the package cvc5 (pip install 'icspec[recheck]')")
    if given.smtlib is not None:
        try:
            given.smtlib.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            return complain("icspec prove", f"{given.smtlib}: {problem.strerror}")
    started = time.monotonic()
    reports = []
    task = Task(given.smtlib, given.recheck, frozenset(given.invariant or ()))
    try:
        for report in prove_all(names, given.cluster or given.workers or os.cpu_count() or 1, task):
            _show(report)
            reports.append(report)
    except ClusterError as problem:
        return complain("icspec prove", problem)
    summary = summary_of(reports, time.monotonic() - started)
    if given.json is not None:
        try:
            given.json.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        except OSError as problem:
            return complain("icspec prove", f"{given.json}: {problem.strerror}")
    print(
        "\n{rules} rules, {paths} paths, {obligations} obligations: "
        "{proved} proved, {failed} failed, {unknown} unknown in {seconds} seconds".format(**summary)
    )
    return 0 if summary["proved"] == summary["obligations"] else FAILED


def _list(names: list[str]) -> None:
    print("of every rule:\n  cycles are conserved\n  naturals are not negative\n  some path fires")
    titles = {each.name: each.title for each in INVARIANTS.values()}
    titles |= {each.name: each.title for each in STEP_INVARIANTS.values()}
    for name, title in titles.items():
        print(f"  {name}: {title}")
    print("rules:")
    for name in names:
        print(f"  {name}: {RULES[name].title}")


@frozen
class Task:
    """What is done with each rule."""

    directory: Path | None = None
    """Where obligations are written."""
    recheck: bool = False
    """A second solver is asked."""
    invariants: frozenset[str] = frozenset()
    """If there are some, only these are proved."""

    def demand(self) -> Demand:
        """The same for the prover."""
        return Demand(
            wanted=lambda name: not self.invariants or name in self.invariants,
            export=None if self.directory is None else _writer(self.directory),
            confirms=confirms if self.recheck else None,
        )


def prove_all(names: list[str], workers: int | str, task: Task) -> Iterator[RuleReport]:
    """
    Proves rules, several at a time; reports come in the order of the names.

    `workers`: so many processes of this machine, or the address of a cluster. Raises `ClusterError`.
    """
    if isinstance(workers, str):
        with Cluster(workers, partial(_prove_one, task=task)) as cluster:
            yield from cluster.in_order(names)
        return
    if workers == 1 or len(names) == 1:
        yield from (_prove_one(name, task) for name in names)
        return
    with ProcessPoolExecutor(min(workers, len(names))) as pool:
        yield from pool.map(partial(_prove_one, task=task), names)


@cache
def _session() -> Session:
    """One for all rules of a process: what laws say of the state before is the same for each."""
    return new_session()


def _prove_one(name: str, task: Task) -> RuleReport:
    return prove_rule(RULES[name], demand=task.demand(), session=_session())


def _writer(directory: Path) -> Export:
    def write(rule: str, path: int, obligation: str, text: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / f"{rule}-{path}-{obligation.replace(' ', '_')}.smt2"
        file.write_text(text, encoding="utf-8")

    return write


def _show(report: RuleReport) -> None:
    verdict = "proved" if report.is_proved else "FAILED"
    print(
        f"{verdict}  {report.rule}: {report.paths} paths, {report.firing_paths} fire, "
        + (f"{report.contradictory_paths} contradict themselves, " if report.contradictory_paths else "")
        + f"{len(report.obligations)} obligations, {report.seconds:.1f} s",
        flush=True,
    )
    told: set[str] = set()
    for obligation in report.obligations:
        if obligation.verdict is Verdict.PROVED or obligation.name in told or len(told) == COUNTEREXAMPLES_SHOWN:
            continue
        told.add(obligation.name)
        print(f"    {obligation.verdict.value}: {obligation.name}")
        for line in _lines(obligation.counterexample):
            print(f"        {line}")


def _lines(counterexample: Counterexample | None) -> Iterator[str]:
    if counterexample is not None:
        yield from (f"where {condition}" for condition in counterexample.conditions)
        yield from counterexample.values


def summary_of(reports: list[RuleReport], seconds: float) -> dict[str, Any]:
    """The report for machines."""
    return {
        "rules": len(reports),
        "paths": sum(report.paths for report in reports),
        "obligations": sum(len(report.obligations) for report in reports),
        **{verdict.value: sum(report.count(verdict) for report in reports) for verdict in Verdict},
        "seconds": round(seconds, 1),
        "rows": [_row(report) for report in reports],
    }


def _row(report: RuleReport) -> dict[str, Any]:
    return {
        "rule": report.rule,
        "paths": report.paths,
        "firing_paths": report.firing_paths,
        "contradictory_paths": report.contradictory_paths,
        "obligations": len(report.obligations),
        **{verdict.value: report.count(verdict) for verdict in Verdict},
        "seconds": round(report.seconds, 2),
        "failures": [
            {
                "obligation": obligation.name,
                "path": obligation.path,
                "verdict": obligation.verdict.value,
                "counterexample": list(_lines(obligation.counterexample)),
            }
            for obligation in report.obligations
            if obligation.verdict is not Verdict.PROVED
        ],
    }
