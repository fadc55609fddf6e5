"""The checklist of testable statements, as it is read from its file."""

import json
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from spec.values.identifiers import Text

CHECKLIST: Final = Path(__file__).parents[2] / "docs" / "facts" / "checklist.json"
"""The one whose rows definitions and tests of this repository name."""

META: Final = "meta"
"""The key beside the lists."""


class ChecklistError(Exception):
    """The file is no checklist. The message names the file and the place."""


@frozen
class Row:
    """One row: what must be said somewhere, and shown."""

    id: Text
    list: Text
    """The list in which it stands: `rules`, `invariants` and so on."""
    title: Text
    section: Text
    """`file#anchor` in the source."""
    kind: Text = ""
    """Of `rules` only: `definition`, `spontaneous`, `management` and so on."""
    transition: Text = ""
    """Of `rules` only: rows with the same value describe one transition together."""
    method: Text = ""
    """Of `management` only: the method."""
    import_name: Text = ""
    """Of `system_api` only: the function of `ic0`."""

    @property
    def anchor(self) -> Text:
        """The section as rules name it: `file#anchor` without the ending of the file."""
        return self.section.replace(".md#", "#")


OPTIONAL: Final = ("kind", "transition", "method", "import_name")


def read_checklist(path: Path) -> tuple[Row, ...]:
    """The rows of all lists in their order. Raises `ChecklistError`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ChecklistError(f"{path}: {problem.strerror or problem}") from None
    except ValueError as problem:
        raise ChecklistError(f"{path}: not JSON: {problem}") from None
    except RecursionError:
        raise ChecklistError(f"{path}: brackets are nested too deep") from None
    if not isinstance(content, dict):
        raise ChecklistError(f"{path}: an object of lists is needed")
    rows = tuple(
        _row(path, name, number, given)
        for name, listed in content.items()
        if name != META
        for number, given in enumerate(_list(path, name, listed))
    )
    seen: set[Text] = set()
    for row in rows:
        if row.id in seen:
            raise ChecklistError(f"{path}: {row.list}: two rows have the id {row.id!r}")
        seen.add(row.id)
    return rows


def _list(path: Path, name: Text, listed: Any) -> list[Any]:
    if not isinstance(listed, list):
        raise ChecklistError(f"{path}: {name}: a list of rows is needed")
    return listed


def _row(path: Path, name: Text, number: int, given: Any) -> Row:
    if not isinstance(given, dict):
        raise ChecklistError(f"{path}: {name}[{number}]: an object is needed")
    for key in ("id", "title", "section"):
        if not isinstance(given.get(key), str):
            raise ChecklistError(f"{path}: {name}[{number}].{key}: a text is needed")
    optional = {key: given[key] for key in OPTIONAL if isinstance(given.get(key), str)}
    return Row(id=given["id"], list=name, title=given["title"], section=given["section"], **optional)
