"""
Which section of the interface specification each rule comes from, with a hash of that section's text.

`python -m spec.tooling.sources FOLDER` writes `spec/sources.toml` from the Markdown files of the interface
specification; with `--check` it writes nothing and names the rules whose section is now different. Only hashes are
kept, not text.
"""

import ast
import hashlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from spec.tooling.command_arguments import VerbParser

HERE: Final[Path] = Path(__file__).parents[1]
RULES_FOLDER: Final[Path] = HERE / "rules"
SOURCES_FILE: Final[Path] = HERE / "sources.toml"
SPECIFICATION_VERSION: Final[str] = "0.66.0"
"""The version of the interface specification that the rules follow."""

OURS: Final[str] = "ours#"
"""Begins the source of a rule that fills a gap of the interface specification; an entry of the errata explains it."""

HEADING: Final = re.compile(r"(#{1,6}) +(.*?)(?: *\{#([\w-]+)\})? *")


@frozen
class Source:
    """Where a rule comes from."""

    section: str
    """`FILE#ANCHOR`, the file without its ending."""
    sha256: str
    """The hash of the section's text."""


def anchor_of(title: str) -> str:
    """The anchor of a heading that does not name one, as the published pages have it."""
    kept = re.sub(r"[^\w\- ]", "", title.lower())
    return kept.replace(" ", "-")


def headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Line number, level and anchor of each heading that is not inside a block of code."""
    inside_code = False
    for number, line in enumerate(text.splitlines()):
        inside_code ^= line.lstrip().startswith("```")
        found = HEADING.fullmatch(line)
        if found and not inside_code:
            yield number, len(found[1]), found[3] or anchor_of(found[2])


def sections(text: str) -> dict[str, str]:
    """
    The text under each heading, by anchor, up to the next heading of the same or a higher level.

    Where two headings have the same anchor, both texts belong to it.
    """
    lines = text.splitlines()
    known = [*headings(text), (len(lines), 0, "")]
    found: dict[str, str] = {}
    for index, (start, level, anchor) in enumerate(known[:-1]):
        end = next(number for number, other, _ in known[index + 1 :] if other <= level)
        found[anchor] = found.get(anchor, "") + "\n".join(lines[start:end]) + "\n"
    return found


def rule_files(folder: Path = RULES_FOLDER) -> list[Path]:
    """The files with rules and their helpers in the folder, without those of tests."""
    return [path for path in sorted(folder.rglob("*.py")) if "tests" not in path.relative_to(folder).parts]


def rule_sources(folder: Path = RULES_FOLDER) -> dict[str, str]:
    """What each rule in the folder names as its source, by the name of the rule."""
    sources = {}
    for path in rule_files(folder):
        tree = ast.parse(path.read_text())
        constants = constants_of(tree)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if source := decorator_texts(decorator, constants).get("source"):
                        sources[node.name] = source
    return dict(sorted(sources.items()))


def constants_of(tree: ast.Module) -> dict[str, str]:
    """The texts that a module gives names to."""
    constants = {}
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text)))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text)))
            ):
                constants[name] = text
    return constants


def decorator_texts(decorator: ast.expr, constants: dict[str, str]) -> dict[str, str]:
    """The texts given by keyword to `transition`, written there or as a constant of the module."""
    texts: dict[str, str] = {}
    match decorator:
        case ast.Call(func=ast.Name(id="transition"), keywords=keywords):
            for keyword in keywords:
                match keyword:
                    case ast.keyword(arg=str(name), value=ast.Constant(value=str(text))):
                        texts[name] = text
                    case ast.keyword(arg=str(name), value=ast.Name(id=constant)) if constant in constants:
                        texts[name] = constants[constant]
    return texts


def recorded(path: Path = SOURCES_FILE) -> dict[str, Source]:
    """The checked-in list, by the name of the rule."""
    with path.open("rb") as opened:
        rules = tomllib.load(opened)["rules"]
    return {name: Source(row["section"], row["sha256"]) for name, row in rules.items()}


def found_in(specification: Path, wanted: dict[str, str]) -> dict[str, Source]:
    """The section of each rule in the text. Raises `ValueError` naming a rule whose section does not exist."""
    texts: dict[str, dict[str, str]] = {}
    found = {}
    for rule, section in wanted.items():
        if section.startswith(OURS):
            continue
        file_name, _, anchor = section.partition("#")
        path = specification / f"{file_name}.md"
        if file_name not in texts:
            texts[file_name] = sections(path.read_text())
        if anchor not in texts[file_name]:
            raise ValueError(f"{path} has no section {anchor!r}, which rule {rule} names")
        digest = hashlib.sha256(texts[file_name][anchor].encode()).hexdigest()
        found[rule] = Source(section, digest)
    return found


def written(sources: dict[str, Source]) -> str:
    """The text of the checked-in list."""
    head = (
        "# Where each rule comes from. Made by `python -m spec.tooling.sources FOLDER`; do not edit.\n"
        "# `sha256` is that of the section's text, so that a new version shows which rules to read again.\n\n"
        f'version = "{SPECIFICATION_VERSION}"\n'
    )
    rows = (
        f'\n[rules.{name}]\nsection = "{source.section}"\nsha256 = "{source.sha256}"\n'
        for name, source in sources.items()
    )
    return head + "".join(rows)


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks the list of sources."""
    parser = VerbParser(prog="python -m spec.tooling.sources", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="the folder with the Markdown files of the interface specification")
    parser.add_argument("--check", action="store_true", help="write nothing; name the rules whose section differs")
    options = parser.parse_args(arguments)
    try:
        found = found_in(options.folder, rule_sources())
    except (OSError, ValueError) as problem:
        print(f"sources: {problem}", file=sys.stderr)
        return 1
    if not options.check:
        SOURCES_FILE.write_text(written(found))
        return 0
    known = recorded()
    changed = [name for name, source in found.items() if known.get(name) != source]
    for name in changed:
        print(f"{name}: {found[name].section} is not the text that the rule was written from")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
