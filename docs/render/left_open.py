"""The page on what the text of the interface specification leaves open."""

import json
import tomllib
from pathlib import Path
from typing import Final

from attrs import frozen

DOCS: Final = Path(__file__).parent.parent

STANDS: Final = {
    "choice": "The judge tries what may be otherwise; who explains itself names it in a label",
    "pattern": "What is seen agrees with all that may be otherwise",
    "told": "The implementation or the judge says it",
    "constant": "A figure of the profile; it is compared with who claims the profile, and a profile may be one's own",
    "environment": "A rejection for which the system needs no reason: as many as the environment admits",
    "fixed": "The protocol or another place of the text says what it is",
    "unseen": "Nothing that a judge sees depends on it",
    "not_admitted": "Who does otherwise would fail",
}
"""Where a row may stand, in words."""


@frozen
class Entry:
    """Where a row of the list stands."""

    stands: str
    says: str
    where: tuple[str, ...] = ()
    different: tuple[str, ...] = ()


def left_open() -> dict[str, Entry]:
    """The entries by the ids of their rows."""
    entries = tomllib.loads((DOCS / "left-open.toml").read_text(encoding="utf-8"))
    return {
        row: Entry(each["stands"], each["says"], tuple(each.get("where", ())), tuple(each.get("different", ())))
        for row, each in entries.items()
    }


def titles() -> dict[str, str]:
    """The rows of the list, with their titles."""
    rows = json.loads((DOCS / "facts" / "checklist.json").read_text(encoding="utf-8"))["unspecified"]
    return {row["id"]: row["title"] for row in rows}


def left_open_page() -> str:
    """A table for each place where rows stand."""
    named, entries = titles(), left_open()
    sections = [
        "# What the text leaves open",
        "Made from `docs/left-open.toml` by `make docs`; do not edit. What a judge makes of an implementation that "
        "does otherwise than the specification by itself, for each row of the list `unspecified` of the checklist. "
        "Implementations that do otherwise are those of `conformance/tests/planted`, which pass.",
    ]
    for stands, words in STANDS.items():
        rows = [row for row in named if row in entries and entries[row].stands == stands]
        lines = ["| row | about | what is so | where | who does otherwise |", "| --- | --- | --- | --- | --- |"]
        for row in rows:
            entry = entries[row]
            where, different = (", ".join(f"`{each}`" for each in names) for names in (entry.where, entry.different))
            lines.append(f"| `{row}` | {named[row]} | {entry.says} | {where} | {different} |")
        sections.append(f"## {words} ({len(rows)})\n\n" + "\n".join(lines))
    return "\n\n".join(sections) + "\n"
