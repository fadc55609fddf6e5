"""
The corpus of a campaign: a file of SQLite, which holds all that is known after each scenario.

Each outcome is one transaction, so a campaign that is killed loses nothing but what was under way; and that is written
down when it is handed out, so it is run again. An outcome that comes twice counts once.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from conformance.fuzzing.drawing import Drawn
from conformance.fuzzing.expressions import as_json, from_json
from conformance.fuzzing.tasks import Outcome
from conformance.judging.verdicts import Pass
from spec.values.identifiers import Text
from spec.values.quantities import Count

FORMAT: Final = "icspec fuzz 2"
"""What is kept, and how paths are named. A corpus of another format is not gone on with."""

TABLES: Final = """
CREATE TABLE IF NOT EXISTS campaign (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS scenarios (
    number INTEGER PRIMARY KEY, drawn TEXT NOT NULL, verdict TEXT, why TEXT, seconds REAL, ended REAL, is_kept INTEGER
);
CREATE TABLE IF NOT EXISTS rules (name TEXT PRIMARY KEY, first INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS paths (name TEXT PRIMARY KEY, first INTEGER NOT NULL, times INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS kept_paths (number INTEGER NOT NULL, name TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS kept_paths_by_name ON kept_paths (name);
CREATE TABLE IF NOT EXISTS failures (
    cause TEXT PRIMARY KEY, number INTEGER NOT NULL, times INTEGER NOT NULL, drawn TEXT NOT NULL, why TEXT NOT NULL,
    allowed TEXT NOT NULL, is_shrunk INTEGER NOT NULL
);
"""


class CorpusError(Exception):
    """The file cannot be used. The message names it and says why."""


@frozen
class Failure:
    """Something that the specification does not admit, with the smallest scenario known that shows it."""

    cause: Text
    number: Count
    """Of the first scenario that showed it."""
    times: Count
    drawn: Drawn
    why: Text
    allowed: tuple[Text, ...]
    is_shrunk: bool


@frozen
class Counts:
    """How far a campaign is."""

    verdicts: Mapping[Text, Count]
    """How many scenarios got each verdict."""
    rules: Count
    paths: Count
    failures: Count

    @property
    def scenarios(self) -> Count:
        """How many were run."""
        return sum(self.verdicts.values())


class Corpus:
    """The corpus in a file, which is made if it is not there. Raises `CorpusError`."""

    def __init__(self, path: Path, settings: Mapping[Text, Text]) -> None:
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._require_whole(path)
            self._connection.executescript(TABLES)
            self._require_same(path, {"format": FORMAT, **settings})
            self._require_readable(path)
        except sqlite3.Error as problem:
            raise CorpusError(f"{path}: {problem}") from None

    def _require_whole(self, path: Path) -> None:
        """Raises `CorpusError` if the file is damaged."""
        ((found,), *_) = self._connection.execute("PRAGMA quick_check(1)")
        if found != "ok":
            raise CorpusError(f"{path}: the file is damaged: {' '.join(str(found).split())}")

    def _require_same(self, path: Path, settings: Mapping[Text, Text]) -> None:
        known = dict(self._connection.execute("SELECT name, value FROM campaign"))
        if not known:
            self._connection.executemany("INSERT INTO campaign VALUES (?, ?)", settings.items())
        for name, value in settings.items():
            if known.get(name, value) != value:
                raise CorpusError(f"{path}: it is of a campaign with {name} {known[name]!r}, not {value!r}")

    def _require_readable(self, path: Path) -> None:
        """Raises `CorpusError` if a scenario that is needed again is none."""
        needed = "verdict IS NULL OR is_kept = 1"
        rows = self._connection.execute(f"SELECT number, drawn FROM scenarios WHERE {needed}")
        for number, drawn in chain(rows, self._connection.execute("SELECT number, drawn FROM failures")):
            try:
                drawn_from_json(json.loads(drawn))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise CorpusError(f"{path}: what is kept of scenario {number} is no scenario") from None

    def close(self) -> None:
        """Nothing more is written."""
        self._connection.close()

    def seed(self) -> Text:
        """What everything that is drawn depends on; chosen now if nobody gave one."""
        self._connection.execute("INSERT OR IGNORE INTO campaign VALUES ('seed', ?)", [secrets.token_hex(4)])
        ((value,),) = self._connection.execute("SELECT value FROM campaign WHERE name = 'seed'")
        return str(value)

    # What is handed out, and what comes back

    def next_number(self) -> Count:
        """The number of the next scenario."""
        ((last,),) = self._connection.execute("SELECT max(number) FROM scenarios")
        return 0 if last is None else int(last) + 1

    def hand_out(self, number: Count, drawn: Drawn) -> None:
        """A scenario is about to be run."""
        self._connection.execute(
            "INSERT INTO scenarios (number, drawn) VALUES (?, ?)", [number, json.dumps(drawn_as_json(drawn))]
        )

    def under_way(self) -> list[tuple[Count, Drawn]]:
        """The scenarios that were handed out, and of which nothing came back."""
        rows = self._connection.execute("SELECT number, drawn FROM scenarios WHERE verdict IS NULL ORDER BY number")
        return [(number, drawn_from_json(json.loads(drawn))) for number, drawn in rows]

    def take_in(self, outcome: Outcome, ended: float) -> bool:
        """What came of a scenario; false, and nothing is done, if that was known. It says if paths are new in it."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE scenarios SET verdict = ?, why = ?, seconds = ?, ended = ?, is_kept = 0 "
                "WHERE number = ? AND verdict IS NULL",
                [outcome.verdict, outcome.why, outcome.seconds, ended, outcome.number],
            )
            if cursor.rowcount == 0:
                return False
            number = outcome.number
            for rule in outcome.rules:
                cursor.execute("INSERT OR IGNORE INTO rules VALUES (?, ?)", [rule, number])
            is_new = False
            for path in outcome.paths:
                cursor.execute("UPDATE paths SET times = times + 1 WHERE name = ?", [path])
                if cursor.rowcount == 0:
                    is_new = True
                    cursor.execute("INSERT INTO paths VALUES (?, ?, 1)", [path, number])
            # Reason: one that fails is told by itself, and what is like one that the judge gives up is given up, too.
            if outcome.verdict == Pass.name and any(self._is_kept_nowhere(cursor, path) for path in outcome.paths):
                cursor.execute("UPDATE scenarios SET is_kept = 1 WHERE number = ?", [number])
                cursor.executemany("INSERT INTO kept_paths VALUES (?, ?)", [(number, path) for path in outcome.paths])
            if outcome.cause:
                self._fail(cursor, outcome)
            return is_new

    def _is_kept_nowhere(self, cursor: sqlite3.Cursor, path: Text) -> bool:
        return cursor.execute("SELECT 1 FROM kept_paths WHERE name = ? LIMIT 1", [path]).fetchone() is None

    def _fail(self, cursor: sqlite3.Cursor, outcome: Outcome) -> None:
        cursor.execute("UPDATE failures SET times = times + 1 WHERE cause = ?", [outcome.cause])
        if cursor.rowcount == 0:
            drawn, allowed = json.dumps(drawn_as_json(outcome.drawn)), json.dumps(outcome.allowed)
            cursor.execute(
                "INSERT INTO failures VALUES (?, ?, 1, ?, ?, ?, 0)",
                [outcome.cause, outcome.number, drawn, outcome.why, allowed],
            )

    def shrink(self, cause: Text, outcome: Outcome) -> None:
        """The smallest scenario found that fails for a cause."""
        self._connection.execute(
            "UPDATE failures SET drawn = ?, why = ?, allowed = ?, is_shrunk = 1 WHERE cause = ?",
            [json.dumps(drawn_as_json(outcome.drawn)), outcome.why, json.dumps(outcome.allowed), cause],
        )

    # What is known

    def failures(self) -> list[Failure]:
        """All causes of failures, in the order in which they were found."""
        rows = self._connection.execute(
            "SELECT cause, number, times, drawn, why, allowed, is_shrunk FROM failures ORDER BY number"
        )
        return [
            Failure(
                cause, number, times, drawn_from_json(json.loads(drawn)), why, tuple(json.loads(allowed)), bool(shrunk)
            )
            for cause, number, times, drawn, why, allowed, shrunk in rows
        ]

    def kept(self) -> Iterator[tuple[Count, float]]:
        """
        The numbers of the scenarios that took a path first, each with how much it is worth to go on with it.

        That is how rare its paths are together, by how long it is: one of half the length takes half the time.
        """
        yield from self._connection.execute(
            "SELECT number, rarity / length(drawn) FROM scenarios JOIN (SELECT number, sum(1.0 / times) AS rarity "
            "FROM kept_paths JOIN paths USING (name) GROUP BY number) USING (number) ORDER BY number"
        )

    def drawn(self, number: Count) -> Drawn:
        """The scenario of a number."""
        ((drawn,),) = self._connection.execute("SELECT drawn FROM scenarios WHERE number = ?", [number])
        return drawn_from_json(json.loads(drawn))

    def times_of_rules(self) -> dict[Text, Count]:
        """In how many scenarios each rule was taken, by one path or another."""
        rows = self._connection.execute(
            "SELECT substr(name, 1, instr(name, ' ') - 1), sum(times) FROM paths GROUP BY 1"
        )
        return {rule: int(times) for rule, times in rows}

    def reasons(self) -> Iterator[tuple[Text, Text, Count]]:
        """Why scenarios came to no judgement: the verdict, why, and how many; the most frequent first."""
        yield from self._connection.execute(
            "SELECT verdict, why, count(*) FROM scenarios WHERE verdict IN ('inconclusive', 'not_applicable') "
            "GROUP BY verdict, why ORDER BY count(*) DESC"
        )

    def over_time(self) -> Iterator[tuple[float, Count, Count, Count, Count]]:
        """
        How far the campaign was when: the time, and the scenarios, rules, paths and causes of failures by then.

        The time is in seconds since the epoch; there is an entry for each scenario that found something first.
        """
        found: dict[Count, list[Count]] = {}
        for place, table in enumerate(("rules", "paths", "failures")):
            column = "number" if table == "failures" else "first"
            for number, count in self._connection.execute(f"SELECT {column}, count(*) FROM {table} GROUP BY 1"):
                found.setdefault(number, [0, 0, 0])[place] = count
        sums = [0, 0, 0]
        rows = self._connection.execute("SELECT number, ended FROM scenarios WHERE ended IS NOT NULL ORDER BY ended")
        for scenarios, (number, ended) in enumerate(rows, 1):
            if number in found:
                sums = [before + more for before, more in zip(sums, found[number], strict=True)]
                yield ended, scenarios, sums[0], sums[1], sums[2]

    def counts(self) -> Counts:
        """How far the campaign is."""
        verdicts = dict(
            self._connection.execute(
                "SELECT verdict, count(*) FROM scenarios WHERE verdict IS NOT NULL GROUP BY verdict"
            )
        )
        of = {name: self._connection.execute(f"SELECT count(*) FROM {name}") for name in ("rules", "paths", "failures")}
        return Counts(verdicts, **{name: int(next(rows)[0]) for name, rows in of.items()})

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._connection)


class _Transaction:
    """All or nothing of what is done inside is written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Cursor:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection.cursor()

    def __exit__(self, kind: object, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def drawn_as_json(drawn: Drawn) -> dict[str, Any]:
    """A scenario as what JSON can hold."""
    return {"course": as_json(drawn.course), "profile": drawn.profile, "black_box": drawn.black_box}


def drawn_from_json(value: Mapping[str, Any]) -> Drawn:
    """What `drawn_as_json` wrote."""
    return Drawn(from_json(value["course"]), value["profile"], value["black_box"])
