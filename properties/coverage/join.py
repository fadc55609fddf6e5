"""
The join: rows on one side, what names them on the other.

Definitions are found by the mark at them, rules also by the section that they name as their source, invariants by their
sources, functions of `ic0` and methods of the management canister by their names in the tables that dispatch them.
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

import spec.rules  # noqa: F401  (registers the rules)
from conformance.suite.loading import all_scenarios
from properties.coverage.checklist import Row
from properties.coverage.marks import ROOT, Mark, definitions, tests
from spec.invariants import INVARIANTS, STEP_INVARIANTS, Invariant, StepInvariant
from spec.rules.management.rejection import METHODS
from spec.system_api.table import IMPORTS
from spec.transition import RULES
from spec.values.identifiers import Text

EXCEPTIONS: Final = ROOT / "docs" / "coverage-exceptions.toml"

OF_PRODUCTION: Final = "prod."
"""What the ids of production's behaviours begin with; `production` joins them."""

OURS: Final = "ours"
"""The source of an invariant that no row states."""

BY_SECTION: Final = ("api-request", "spontaneous", "execution", "management")
"""The kinds of rows that a rule may state as a whole. Definitions and reads are marked one by one."""


@frozen
class Joined:
    """A row with what says it and what shows it."""

    row: Row
    covered_by: tuple[Text, ...]
    evidenced_by: tuple[Text, ...]
    exception: Text | None = None
    """Why it cannot be shown in this repository."""

    @property
    def is_missing(self) -> bool:
        """Nothing says it, or nothing shows it."""
        return not self.covered_by or not self.evidenced_by


@frozen
class Coverage:
    """The whole join."""

    rows: tuple[Joined, ...]
    unresolved: tuple[Text, ...]
    """`id (where it is named)` for ids that are in no list."""
    needless: tuple[Text, ...]
    """Ids with an exception although they are shown."""


class ExceptionsError(Exception):
    """The file of exceptions is not as it should be. The message names the file and the place."""


Names = Mapping[Text, tuple[Text, ...]]
"""What names a row, by its id."""


def covering_names() -> Names:
    """The definitions and invariants that name a row."""
    found = _by_row(definitions())
    for row, name in _rows_of_invariants():
        found[row].append(f"invariant {name}")
    return {row: tuple(names) for row, names in found.items()}


def evidence_names() -> Names:
    """The tests, scenarios and proofs that name a row."""
    found = _by_row(tests())
    for chosen in all_scenarios():
        for row in chosen.checklist_rows:
            found[row].append(f"scenario {chosen.id}")
    for row, name in _rows_of_invariants():
        found[row].append(f"proof {name}")
    return {row: tuple(names) for row, names in found.items()}


def _rows_of_invariants() -> Iterator[tuple[Text, Text]]:
    """Each row that an invariant states, with the invariant. `icspec prove` fails unless all of them are proved."""
    invariants: tuple[Invariant | StepInvariant, ...] = (*INVARIANTS.values(), *STEP_INVARIANTS.values())
    for one in invariants:
        for row in one.sources:
            if row != OURS:
                yield row, one.name


def _by_row(marks: Iterable[Mark]) -> dict[Text, list[Text]]:
    found: dict[Text, list[Text]] = defaultdict(list)
    for mark in marks:
        if mark.name not in found[mark.row]:
            found[mark.row].append(mark.name)
    return found


def rules_by_section(rows: Iterable[Row]) -> Names:
    """
    The rules that state a row, because they name its section as their source.

    Where a section describes several transitions, this does not tell which of them a rule is; there it is marked.
    """
    rules: dict[Text, list[Text]] = defaultdict(list)
    for rule in RULES.values():
        rules[rule.source].append(f"rule {rule.name}")
    transitions: dict[Text, set[Text]] = defaultdict(set)
    stated = [row for row in rows if row.kind in BY_SECTION]
    for row in stated:
        transitions[row.anchor].add(row.transition)
    return {row.id: tuple(rules[row.anchor]) for row in stated if len(transitions[row.anchor]) == 1}


def tables(row: Row) -> tuple[Text, ...]:
    """What the tables of functions and methods hold under the name in the row."""
    found = []
    if row.import_name in IMPORTS:
        found.append(f"ic0.{row.import_name}")
    if row.method in METHODS:
        found.extend(f"rule {rule.name}" for rule in METHODS[row.method])
    return tuple(found)


def read_exceptions(path: Path = EXCEPTIONS) -> Mapping[Text, Text]:
    """The reason of each exception, by row. Raises `ExceptionsError`."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ExceptionsError(f"{path}: {problem.strerror or problem}") from None
    except tomllib.TOMLDecodeError as problem:
        raise ExceptionsError(f"{path}: {problem}") from None
    for row, reason in given.items():
        if not isinstance(reason, str) or not reason.endswith("."):
            raise ExceptionsError(f"{path}: {row}: a reason that is a sentence is needed")
    return given


def join(rows: tuple[Row, ...], covering: Names, evidence: Names, exceptions: Mapping[Text, Text]) -> Coverage:
    """Puts everything together."""
    by_section = rules_by_section(rows)
    joined = tuple(
        Joined(
            row,
            covered_by=_without_repetition(covering.get(row.id, ()), by_section.get(row.id, ()), tables(row)),
            evidenced_by=evidence.get(row.id, ()),
            exception=exceptions.get(row.id),
        )
        for row in rows
    )
    known = {row.id for row in rows}
    named = [(id, where) for names in (covering, evidence) for id, places in names.items() for where in places]
    named = [(id, where) for id, where in named if not id.startswith(OF_PRODUCTION)]
    named += [(id, str(EXCEPTIONS.relative_to(ROOT))) for id in exceptions]
    return Coverage(
        rows=joined,
        unresolved=tuple(sorted({f"{id} ({where})" for id, where in named if id not in known})),
        needless=tuple(one.row.id for one in joined if one.exception is not None and not one.is_missing),
    )


def _without_repetition(*groups: tuple[Text, ...]) -> tuple[Text, ...]:
    return tuple(dict.fromkeys(name for group in groups for name in group))
