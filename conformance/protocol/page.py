"""
The tables of PROTOCOL.md, written from the code: `python -m conformance.protocol.page`.

A table stands between two marks, `<!-- generated: NAME -->` and `<!-- end -->`; what is there is replaced.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from attrs import fields

from conformance.protocol.interface import DEFAULT_TIME_LIMITS, MAY_BE_MISSING, TimeLimits
from spec.values.identifiers import Text
from spec.values.rejects import RejectCode, RejectReason

PAGE: Final = Path(__file__).parents[1] / "PROTOCOL.md"

VERBS: Final = ("query", "read")
"""The verbs that may be missing."""

BLOCK: Final = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _table(heads: tuple[Text, ...], rows: Iterable[tuple[Text, ...]]) -> Text:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _time_limits() -> Text:
    limits = {each.name: getattr(DEFAULT_TIME_LIMITS, each.name) for each in fields(TimeLimits)}
    shown = {"others": "any other", "advance": "`advance`, `schedule`, `attempt`"}
    rows = [(shown.get(name, f"`{name}`"), f"{seconds:g}") for name, seconds in limits.items()]
    return _table(("verb", "seconds"), rows)


def _reasons() -> Text:
    return _table(("reason", "what it means"), [(f"`{each.name}`", each.value) for each in RejectReason])


def _codes() -> Text:
    return _table(("code", "name"), [(str(each.value), f"`{each.name}`") for each in RejectCode])


def _may_be_missing() -> Text:
    methods = sorted(MAY_BE_MISSING - set(VERBS))
    return f"{', '.join(f'`{name}`' for name in (*VERBS, *methods))}\n"


TABLES: Final[Mapping[Text, Callable[[], Text]]] = {
    "time limits": _time_limits,
    "reject codes": _codes,
    "reject reasons": _reasons,
    "what may be missing": _may_be_missing,
}
"""What writes each table, by its name."""


def with_tables(page: Text) -> Text:
    """A page, with all tables as the code has them now. Raises `KeyError` for a table that nothing writes."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", page)


def main() -> None:
    """Writes the tables."""
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
