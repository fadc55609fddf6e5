"""The errata: entries are complete, and the rows that they name exist."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKLIST = ROOT / "docs" / "facts" / "checklist.json"
ENTRIES = re.split(r'<a id="([\w-]+)"></a>\n', (ROOT / "docs" / "errata.md").read_text())[1:]
BY_ANCHOR = dict(zip(ENTRIES[::2], ENTRIES[1::2], strict=True))


@pytest.mark.parametrize("anchor", sorted(BY_ANCHOR))
def test_an_entry_says_what_the_text_says_how_we_read_it_and_why(anchor):
    entry = BY_ANCHOR[anchor]
    for part in ("### ", "- The text: ", "- Our reading: ", "- Why: ", "- Checklist: `"):
        assert entry.count(part) == 1, part


def test_no_anchor_is_used_twice():
    assert len(BY_ANCHOR) == len(ENTRIES) // 2


def test_every_row_that_an_entry_names_exists():
    content = json.loads(CHECKLIST.read_text())
    known = {row["id"] for name, rows in content.items() if name != "meta" for row in rows}
    named = {
        row for entry in BY_ANCHOR.values() for row in re.findall(r"`([\w.-]+)`", entry.partition("- Checklist:")[2])
    }
    assert named and named <= known, named - known
