"""What came of mutants, kept in a file; and the answers to those that no scenario catches."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final

from attrs import asdict, evolve, field, frozen

from properties.mutation.judging import Outcome
from properties.mutation.measuring import Measurement
from properties.mutation.mutants import Mutant
from spec.values.identifiers import Text
from spec.values.quantities import Count

RESULTS: Final = Path(__file__).with_name("results.json")
"""Where results are kept."""

ANSWERS: Final = Path(__file__).with_name("answers.toml")
"""Where answers are."""


class FileError(Exception):
    """A file of results or answers cannot be used. The message names it and says why."""


class Kind(Enum):
    """Why no scenario needs to catch a mutant."""

    EQUIVALENT = "equivalent"
    """It does what the right function does."""
    UNOBSERVABLE = "unobservable"
    """What it does cannot be seen from outside."""
    OPEN = "open"
    """The text of the interface specification admits what it does."""


@frozen
class Answer:
    """Why no scenario needs to catch a mutant."""

    kind: Kind
    reason: Text
    black_box_only: bool = False
    """Explained it is caught, or should be."""


@frozen
class Result:
    """What came of one mutant, and what that depends on."""

    identity: Text
    area: Text
    place: Text
    """File and line."""
    function: Text
    operator: Text
    difference: tuple[Text, ...]
    explained: Text | None
    """The scenario that catches it."""
    explained_why: Text
    black_box: Text | None
    black_box_why: Text
    reached_by: Count
    """So many scenarios run it."""
    differing: Count
    """So many of them gave other answers, as far as was looked."""
    judged: Count
    """So many verdicts were needed."""
    depends_on: Text = field(kw_only=True)
    """A hash of the judge and of what the scenarios concerned ask and are answered."""


def dependence(
    explained: Text | None, black_box: Text | None, mutant: Mutant, measured: Measurement, judge: Text
) -> Text:
    """
    A hash of all that a result rests on.

    That of a mutant that is caught rests on the scenarios that catch it; of another one on all that run it.
    """
    catching = {explained, black_box}
    recordings = measured.recordings if None not in catching else measured.reaching(mutant)
    told = sorted(each.digest for each in recordings if None in catching or each.scenario in catching)
    return hashlib.sha256(" ".join([judge, *told]).encode()).hexdigest()[:16]


def result_of(mutant: Mutant, outcome: Outcome, measured: Measurement, judge: Text) -> Result:
    """What is kept of an outcome."""
    explained, black_box = outcome.explained, outcome.black_box
    return Result(
        identity=mutant.identity,
        area=mutant.area,
        place=f"{mutant.path}:{mutant.line}",
        function=mutant.function,
        operator=mutant.operator,
        difference=tuple(mutant.difference()),
        explained=explained.caught_by,
        explained_why=explained.why[:200],
        black_box=black_box.caught_by,
        black_box_why=black_box.why[:200],
        reached_by=len(outcome.reached_by),
        differing=len(set(outcome.differing)),
        judged=outcome.judged,
        depends_on=dependence(explained.caught_by, black_box.caught_by, mutant, measured, judge),
    )


def holds(result: Result, mutant: Mutant, measured: Measurement, judge: Text) -> bool:
    """Nothing that a result rests on has changed."""
    return result.depends_on == dependence(result.explained, result.black_box, mutant, measured, judge)


def joined(one: Result, other: Result) -> Result:
    """What is known of a mutant by the scenarios of two results."""
    explained = one if one.explained is not None else other
    black_box = one if one.black_box is not None else other
    return evolve(
        other,
        explained=explained.explained,
        explained_why=explained.explained_why,
        black_box=black_box.black_box,
        black_box_why=black_box.black_box_why,
        reached_by=max(one.reached_by, other.reached_by),
        differing=max(one.differing, other.differing),
        judged=one.judged + other.judged,
        # Reason: it rests on more scenarios than were asked last, so the next whole run finds it again.
        depends_on="",
    )


def read_results(path: Path = RESULTS) -> dict[Text, Result]:
    """The results of a file, by mutant; none if there is no file."""
    if not path.exists():
        return {}
    try:
        rows = json.loads(path.read_text())["results"]
        results = [Result(**{**row, "difference": tuple(row["difference"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise FileError(f"{path}: no results of mutants: {problem}") from None
    return {each.identity: each for each in results}


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Writes results, one a line, in an order that does not depend on when they were found."""
    ordered = sorted(results, key=lambda each: (each.area, each.place, each.identity))
    lines = ",\n".join(json.dumps(asdict(each)) for each in ordered)
    try:
        unfinished = path.with_name(f"{path.name}.unfinished")
        unfinished.write_text(f'{{"results": [\n{lines}\n]}}\n')
        unfinished.replace(path)
    except OSError as problem:
        raise FileError(f"{path}: cannot be written: {problem.strerror}") from None


def read_answers(path: Path = ANSWERS) -> dict[Text, Answer]:
    """The answers, by mutant."""
    try:
        given = tomllib.loads(path.read_text())["answer"]
        return {identity: _answer(row) for row in given for identity in row["mutants"]}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise FileError(f"{path}: no answers: {problem}") from None


def _answer(row: Mapping[Text, Any]) -> Answer:
    unknown = row.keys() - {"mutants", "kind", "reason", "black_box_only"}
    if unknown or not row["reason"]:
        raise ValueError(f"an answer has mutants, kind, a reason and perhaps black_box_only, not {sorted(unknown)}")
    return Answer(Kind(row["kind"]), row["reason"], row.get("black_box_only", False))


# The figure


@frozen
class Share:
    """How many of the mutants of an area that can be caught are."""

    area: Text
    drawn: Count
    excused: Count
    """Survivors of the black box with an answer."""
    caught_explained: Count
    can_be_explained: Count
    caught_as_black_box: Count
    can_be_as_black_box: Count
    unanswered: Count
    """Survivors, in either manner, without an answer."""


def share_of(area: Text, results: Sequence[Result], answers: Mapping[Text, Answer]) -> Share:
    """Counts. A mutant that is caught counts as one that can be, whatever its answer says."""

    def is_excused(result: Result, *, black_box: bool) -> bool:
        answer = answers.get(result.identity)
        caught = result.black_box if black_box else result.explained
        return caught is None and answer is not None and (black_box or not answer.black_box_only)

    of_explained = [each for each in results if not is_excused(each, black_box=False)]
    of_black_box = [each for each in results if not is_excused(each, black_box=True)]
    unanswered = {each.identity for each in of_explained if each.explained is None}
    unanswered |= {each.identity for each in of_black_box if each.black_box is None}
    return Share(
        area=area,
        drawn=len(results),
        excused=len(results) - len(of_black_box),
        caught_explained=sum(each.explained is not None for each in results),
        can_be_explained=len(of_explained),
        caught_as_black_box=sum(each.black_box is not None for each in results),
        can_be_as_black_box=len(of_black_box),
        unanswered=len(unanswered),
    )


def shares(results: Sequence[Result], answers: Mapping[Text, Answer]) -> list[Share]:
    """By area, and then of all."""
    areas = list(dict.fromkeys(each.area for each in results))
    return [share_of(area, [each for each in results if each.area == area], answers) for area in areas] + [
        share_of("all", results, answers)
    ]


def unanswered(results: Iterable[Result], answers: Mapping[Text, Answer]) -> list[Result]:
    """Survivors, in either manner, without an answer."""
    return [each for each in results if share_of("", [each], answers).unanswered]


def table(rows: Sequence[Share]) -> list[Text]:
    """The figure, for people."""
    lines = ["area          drawn   excused   caught explained   caught as a black box   unanswered"]
    for row in rows:
        explained = (
            f"{row.caught_explained}/{row.can_be_explained} {_percent(row.caught_explained, row.can_be_explained)}"
        )
        black = (
            f"{row.caught_as_black_box}/{row.can_be_as_black_box} "
            f"{_percent(row.caught_as_black_box, row.can_be_as_black_box)}"
        )
        lines.append(f"{row.area:12} {row.drawn:6} {row.excused:9} {explained:>18} {black:>23} {row.unanswered:12}")
    return lines


def _percent(part: Count, whole: Count) -> Text:
    return f"{100 * part / whole:.1f} %" if whole else "-"
