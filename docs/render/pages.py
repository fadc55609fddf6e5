"""All generated pages, by their path below `docs/generated`."""

from pathlib import Path
from typing import Final

from docs.render.functions import function_of_rule
from docs.render.left_open import left_open_page
from docs.render.outline import sentence
from docs.render.rule_page import rule_page
from docs.render.types_page import types_page
from spec.rules import GROUPS
from spec.transition import RULES, Rule

GENERATED: Final[Path] = Path(__file__).parent.parent / "generated"
"""Where the pages are kept."""


def rules_by_group() -> dict[str, list[Rule]]:
    """The rules by heading, in the order in which to read them."""
    return {
        heading: [rule for module in modules for rule in RULES.values() if rule.body.__module__ == module.__name__]
        for heading, modules in GROUPS.items()
    }


def index_page() -> str:
    """The list of all rules."""
    sections = [
        "# The rules",
        "Made from the source by `make docs`; do not edit. [The state and what it is made of](state.md). "
        "[What the text leaves open](left-open.md).",
    ]
    for heading, rules in rules_by_group().items():
        lines = [
            f"- [{rule.title}](rules/{rule.name}.md): {sentence(function_of_rule(rule).body.__doc__)}" for rule in rules
        ]
        sections.append(f"## {heading}\n\n" + "\n".join(lines))
    return "\n\n".join(sections) + "\n"


def pages() -> dict[str, str]:
    """The text of each page."""
    rules = {f"rules/{rule.name}.md": rule_page(rule) for rule in RULES.values()}
    others = {"index.md": index_page(), "left-open.md": left_open_page(), "state.md": types_page()}
    return {**others, **dict(sorted(rules.items()))}


def kept_pages(folder: Path = GENERATED) -> dict[str, str]:
    """The pages as they are checked in."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.md"))
    }


def write(folder: Path = GENERATED) -> int:
    """Writes all pages, removes others, and gives their number."""
    new = pages()
    for name in kept_pages(folder).keys() - new.keys():
        (folder / name).unlink()
    for name, text in new.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return len(new)
