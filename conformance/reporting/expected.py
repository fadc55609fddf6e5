"""
Failures that an implementer expects, from a file of theirs.

    [[expected]]
    id = "snapshots/snapshot_of_a_stopped_canister"
    reason = "snapshots are not built yet"

    [[expected]]
    matches = "^composite/"
    reason = "composite queries are refused, see our issue 12"

Each entry says of which scenarios it speaks, by id or by a regular expression that ids match, and why they fail.
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from conformance.suite.scenario import Scenario
from spec.values.identifiers import Text

KINDS: Final = ("id", "matches")
"""How an entry says of which scenarios it speaks."""


class ExpectedFailuresError(Exception):
    """The file makes no sense. The message names the file and the place."""


@frozen
class ExpectedFailures:
    """Why which scenarios are expected to fail."""

    reasons: tuple[tuple[Text, Text], ...] = ()
    """Ids of scenarios, with the reason."""

    def reason(self, scenario_id: Text) -> Text | None:
        """Why a scenario is expected to fail; None if it is not."""
        return dict(self.reasons).get(scenario_id)


def read_expected_failures(path: Path, scenarios: Sequence[Scenario]) -> ExpectedFailures:
    """Reads a file of expected failures. Raises `ExpectedFailuresError` if it makes no sense for these scenarios."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ExpectedFailuresError(f"{path}: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ExpectedFailuresError(f"{path}: {problem}") from None
    except RecursionError:
        raise ExpectedFailuresError(f"{path}: brackets are nested too deep") from None
    unknown = sorted(content.keys() - {"expected"})
    entries = content.get("expected", [])
    if unknown or not isinstance(entries, list):
        raise ExpectedFailuresError(f"{path}: it has [[expected]] tables and nothing else, not {', '.join(unknown)}")
    reasons: dict[Text, Text] = {}
    for number, entry in enumerate(entries, 1):
        reason, ids = _read_entry(f"{path}: entry {number}", entry, scenarios)
        for scenario_id in ids:
            reasons.setdefault(scenario_id, reason)
    return ExpectedFailures(tuple(reasons.items()))


def _read_entry(place: Text, entry: Any, scenarios: Sequence[Scenario]) -> tuple[Text, Sequence[Text]]:
    """The reason of an entry, and the ids of the scenarios that it speaks of."""
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise ExpectedFailuresError(f"{place}: it is a table of texts")
    given = [kind for kind in KINDS if kind in entry]
    if len(given) != 1 or not entry.get("reason", "").strip() or len(entry) != 2:
        raise ExpectedFailuresError(f"{place}: it has a reason, and either id or matches, and nothing else")
    [kind] = given
    wanted = entry[kind]
    try:
        pattern = re.compile(re.escape(wanted) if kind == "id" else wanted)
    except (re.error, RecursionError) as problem:
        raise ExpectedFailuresError(f"{place}: {wanted!r} is not a regular expression: {problem}") from None
    match = pattern.fullmatch if kind == "id" else pattern.search
    ids = [chosen.id for chosen in scenarios if match(chosen.id)]
    if not ids:
        raise ExpectedFailuresError(f"{place}: no scenario {'has the id' if kind == 'id' else 'matches'} {wanted!r}")
    return entry["reason"], ids
