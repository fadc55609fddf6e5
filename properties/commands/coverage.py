"""`icspec coverage`: which row of the checklist is said and shown where, and what answers production's tests."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from properties.coverage.checklist import CHECKLIST, ChecklistError, read_checklist
from properties.coverage.join import (
    Coverage,
    ExceptionsError,
    Joined,
    covering_names,
    evidence_names,
    join,
    read_exceptions,
)
from properties.coverage.marks import MarkError
from properties.coverage.production import (
    Answer,
    BehavioursError,
    Prediction,
    predict,
    read_answers,
    read_behaviours,
)
from spec.tooling.command_arguments import VerbParser, complain, quoted

EXAMPLE: Final = """example:
  icspec coverage
  icspec coverage --list invariants --rows
  icspec coverage --production --rows
  icspec coverage --json
"""

UNRESOLVED: Final = 1


def main(arguments: list[str]) -> int:
    """Joins the checklist with definitions, tests, scenarios and proofs. Fails if an id is named that is in no list."""
    options = _parser().parse_args(arguments)
    try:
        rows = read_checklist(options.checklist)
        evidence = evidence_names()
        coverage = join(rows, covering_names(), evidence, read_exceptions())
        prediction = predict(read_behaviours(), evidence, read_answers())
    except (ChecklistError, ExceptionsError, MarkError, BehavioursError) as problem:
        return complain("icspec coverage", problem)
    lists = list(dict.fromkeys(row.list for row in rows))
    for name in options.list or ():
        if name not in lists:
            return complain("icspec coverage", f"no list is named {quoted(name)}; there are {', '.join(lists)}")
    chosen = [name for name in lists if not options.list or name in options.list]
    if options.json:
        print(json.dumps(_report(coverage, chosen) | {"production": _report_of_production(prediction)}, indent=2))
    elif options.production:
        _print_production(prediction, every_row=options.rows)
    else:
        _print(coverage, chosen, every_row=options.rows)
        if not options.list:
            print()
            _print_production(prediction, every_row=False)
    unresolved, needless = coverage.unresolved + prediction.unresolved, coverage.needless + prediction.needless
    for name in unresolved:
        print(f"icspec coverage: in no list: {name}", file=sys.stderr)
    for name in needless:
        print(f"icspec coverage: needs no exception, since it is shown or out of scope: {name}", file=sys.stderr)
    return UNRESOLVED if unresolved or needless else 0


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec coverage",
        description="Shows which row of the checklist is covered by which rule or definition, and evidenced by which "
        "test, scenario or proof. The join is read from the marks at definitions and tests.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--checklist",
        type=Path,
        metavar="FILE",
        default=CHECKLIST,
        help="another checklist than that of this repository, a JSON file",
    )
    parser.add_argument("--list", action="append", metavar="NAME", help="only this list; may be given several times")
    parser.add_argument("--production", action="store_true", help="only the behaviours of production's own tests")
    parser.add_argument("--rows", action="store_true", help="also print every row with what says it and what shows it")
    parser.add_argument("--json", action="store_true", help="print a report for machines")
    return parser


def _counts(rows: Iterable[Joined]) -> dict[str, int]:
    listed = list(rows)
    return {
        "rows": len(listed),
        "covered": sum(bool(one.covered_by) for one in listed),
        "evidenced": sum(bool(one.evidenced_by) for one in listed),
        "excepted": sum(one.exception is not None for one in listed),
    }


def _of(coverage: Coverage, name: str) -> list[Joined]:
    return [one for one in coverage.rows if one.row.list == name]


def _report(coverage: Coverage, lists: list[str]) -> dict[str, Any]:
    chosen = [one for name in lists for one in _of(coverage, name)]
    return {
        "lists": {name: _counts(_of(coverage, name)) for name in lists},
        "missing": [one.row.id for one in chosen if one.is_missing],
        "rows": [
            {
                "id": one.row.id,
                "list": one.row.list,
                "covered_by": one.covered_by,
                "evidenced_by": one.evidenced_by,
                "exception": one.exception,
            }
            for one in chosen
        ],
        "unresolved": coverage.unresolved,
        "needless_exceptions": coverage.needless,
    }


def _print(coverage: Coverage, lists: list[str], *, every_row: bool) -> None:
    print(f"{'list':14}{'rows':>7}{'covered':>16}{'evidenced':>16}{'excepted':>10}")
    for name in lists:
        counts = _counts(_of(coverage, name))
        shares = [f"{counts[part]} ({_share(counts[part], counts['rows'])})" for part in ("covered", "evidenced")]
        print(f"{name:14}{counts['rows']:>7}{shares[0]:>16}{shares[1]:>16}{counts['excepted']:>10}")
    for name in lists:
        rows = _of(coverage, name)
        if every_row:
            _print_rows(name, rows)
        _print_missing(name, [one for one in rows if one.is_missing])


def _share(part: int, whole: int) -> str:
    return f"{100 * part // whole} %" if whole else "-"


def _print_rows(name: str, rows: list[Joined]) -> None:
    print(f"\n{name}")
    for one in rows:
        print(f"  {one.row.id}: {one.row.title}")
        print(f"    said by {', '.join(one.covered_by) or 'nothing'}")
        print(f"    shown by {', '.join(one.evidenced_by) or 'nothing'}")


def _print_missing(name: str, rows: list[Joined]) -> None:
    if rows:
        print(f"\n{name}: missing")
    for one in rows:
        lacks = " and ".join(
            lack for lack, names in (("definition", one.covered_by), ("evidence", one.evidenced_by)) if not names
        )
        reason = "" if one.exception is None else f": {one.exception}"
        print(f"  {one.row.id} has no {lacks}{reason}")


# Production


def _report_of_production(prediction: Prediction) -> dict[str, Any]:
    return {
        "areas": {
            area: {answer.value: prediction.counts(area).get(answer, 0) for answer in Answer}
            for area in prediction.areas
        },
        "rows": [
            {
                "id": one.behaviour.id,
                "area": one.behaviour.area,
                "answer": one.answer.value,
                "shown_by": one.shown_by,
                "reason": one.reason,
            }
            for one in prediction.rows
        ],
    }


def _print_production(prediction: Prediction, *, every_row: bool) -> None:
    print("behaviours that production's own tests assert")
    print(f"{'area':14}{'rows':>7}" + "".join(f"{answer:>11}" for answer in Answer))
    for area in (*prediction.areas, None):
        counts = prediction.counts(area)
        shares = "".join(f"{counts.get(answer, 0):>11}" for answer in Answer)
        print(f"{area or 'all':14}{sum(counts.values()):>7}{shares}")
    for one in prediction.rows if every_row else ():
        print(f"\n{one.behaviour.id} ({one.behaviour.area}, {one.answer})\n  {one.behaviour.behaviour}")
        if one.shown_by or one.reason:
            print(f"  {one.reason or 'shown by ' + ', '.join(one.shown_by)}")
