"""Every file, folder and page that a page names is there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {part for part in path.relative_to(ROOT).parts if part.startswith(".")}
    and "generated" not in path.parts
    and path.name != "checklist.md"
)
NAMED = re.compile(r"`([\w./-]+\.(?:py|md|toml|json|jsonl|wat|wasm|lock)|[\w./-]+/)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
READERS_OWN = {
    "NAME.toml",
    "story.toml",
    "spec/profiles/NAME.toml",
    "mine.py",
    "relay.py",
    "scenario.py",
    "report.html",
    "checklist.json",
}
"""Files that a reader writes, or that are meant by their names alone."""


def test_there_are_pages():
    assert len(PAGES) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_in_a_page_exists(page):
    """A path is seen from the page, from the root, from `spec`, or from a folder that the page has named before."""
    bases = [page.parent, ROOT, ROOT / "spec"]
    missing = []
    for named in NAMED.findall(page.read_text()):
        found = next((base / named for base in bases if (base / named).exists()), None)
        if found is not None:
            bases.append(found if named.endswith("/") else found.parent)
        elif named not in READERS_OWN:
            missing.append(named)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if not link.startswith(("http://", "https://")):
            file, _, anchor = link.partition("#")
            target = (page.parent / file) if file else page
            assert target.exists(), link
            assert not anchor or target.suffix != ".md" or anchor in anchors(target), link


def anchors(page):
    """What a link to a page may name: its headings, and anchors set by hand."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings} | set(
        re.findall(r'<a id="([\w-]+)">', text)
    )


def is_explained_above(folder):
    """The README of the folder above names this one as a room of it."""
    above = ROOT / folder.parent / "README.md"
    return len(folder.parts) > 2 and above.exists() and f"`{folder.name}/`:" in above.read_text()


def test_every_folder_with_code_says_what_it_is_for():
    files = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = {Path(name).parent for name in files.split()}
    unexplained = [
        str(folder)
        for folder in sorted(folders)
        if folder.parts
        and "tests" not in folder.parts
        and folder.parts[0] in ("spec", "reference_impl", "properties")
        and not (ROOT / folder / "README.md").exists()
        and not is_explained_above(folder)
    ]
    assert unexplained == []
