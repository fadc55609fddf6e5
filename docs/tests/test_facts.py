"""The facts in the repository are those that the source text names."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FACTS = ROOT / "docs" / "facts"
README = (FACTS / "README.md").read_text()
SOURCES = [
    path
    for folder in ("spec", "reference_impl", "properties", "conformance")
    for path in (ROOT / folder).rglob("*.py")
    if "tests" not in path.parts
]


def test_every_file_of_facts_is_told_in_the_readme():
    files = {path.name for path in FACTS.iterdir()} - {"README.md"}
    assert files == set(re.findall(r"\]\((\w+\.\w+)\)", README))


def test_facts_that_are_named_as_a_source_are_named_in_the_readme():
    topics = re.findall(r"facts on ([^,|]+?)(?:, on ([^|]+?))? \|", README)
    known = {topic for pair in topics for topic in pair if topic}
    named = [
        (path, after)
        for path in SOURCES
        for after in re.findall(r"[Ff]acts on ([\w ]+)", " ".join(path.read_text().split()))
    ]
    assert len(named) > 50
    assert [(str(path), after) for path, after in named if not after.startswith(tuple(known))] == []


@pytest.mark.parametrize("name", sorted(path.name for path in FACTS.glob("*.json*")))
def test_each_file_is_json(name):
    text = (FACTS / name).read_text()
    assert [json.loads(line) for line in (text.splitlines() if name.endswith("l") else [text])]


def test_the_figures_in_the_readme_are_those_of_the_files():
    checklist = json.loads((FACTS / "checklist.json").read_text())
    rows = [row for name, listed in checklist.items() if name != "meta" for row in listed]
    behaviours = [json.loads(line) for line in (FACTS / "production_tests.jsonl").read_text().splitlines()]
    assert f"{len(rows)} rows in nine lists" in README and len(checklist) == 10
    in_scope = sum(each["in_scope"] for each in behaviours)
    assert f"{len(behaviours):,}, of which {in_scope:,} are in scope" in README
    assert all("why_not" in each for each in behaviours if not each["in_scope"])
