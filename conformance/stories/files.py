"""Stories in files, for longer ones: TOML with a table for each step."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from conformance.stories.options import method_and_values
from conformance.stories.story import (
    CONTROLLER,
    Act,
    Install,
    Invoke,
    LoadSnapshot,
    Step,
    Story,
    StoryError,
    TakeSnapshot,
    TopUp,
    number,
    waited,
)
from spec.values.identifiers import Text

OF_STORY: Final = frozenset({"module", "did", "init", "cycles", "step"})
OF_STEP: Final = frozenset({"as", "expect"})
KINDS: Final[Mapping[Text, frozenset[Text]]] = {
    "call": frozenset({"attach"}),
    "query": frozenset(),
    "upgrade": frozenset({"init", "did"}),
    "reinstall": frozenset({"init", "did"}),
    "wait": frozenset(),
    "top_up": frozenset(),
    "snapshot": frozenset(),
}
"""What a step does, and what else its table may hold."""


def story_of_file(path: Path) -> Story:
    """The story that a file tells; files that it names are beside it. Raises `StoryError`."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise StoryError(f"{path}: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise StoryError(f"{path}: {problem}") from None
    _require_known(told, OF_STORY, f"{path}")
    begun = Install(
        _beside(path, told, "module", f"{path}"), _text(told, "init", f"{path}"), "install", _did(path, told)
    )
    steps = [Step(f"{path}", begun)]
    tables = told.get("step", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise StoryError(f"{path}: steps are tables, each under [[step]]")
    for index, table in enumerate(tables, 1):
        steps.append(_step(path, table, f"{path}: step {index}"))
    cycles = number(told["cycles"], f"{path}: cycles") if "cycles" in told else 10**14
    return Story(str(path), tuple(steps), cycles)


def _step(path: Path, table: dict[str, Any], place: Text) -> Step:
    kinds = [name for name in table if name in KINDS]
    if len(kinds) != 1:
        raise StoryError(f"{place}: it has one of {', '.join(KINDS)}")
    _require_known(table, OF_STEP | KINDS[kinds[0]] | {kinds[0]}, place)
    sender = _text(table, "as", place)
    if sender == "":
        raise StoryError(f"{place}: as: a name is missing")
    return Step(place, _act(path, table, kinds[0], place), sender or CONTROLLER, _text(table, "expect", place))


def _act(path: Path, table: dict[str, Any], kind: Text, place: Text) -> Act:
    match kind:
        case "call" | "query":
            method, argument = method_and_values(_text(table, kind, place) or "", place)
            cycles = number(table["attach"], f"{place}: attach") if "attach" in table else 0
            return Invoke(method, argument, kind == "query", cycles)
        case "upgrade" | "reinstall":
            return Install(_beside(path, table, kind, place), _text(table, "init", place), kind, _did(path, table))
        case "wait":
            return waited(table[kind], f"{place}: wait")
        case "top_up":
            return TopUp(number(table[kind], f"{place}: top_up"))
    acts: dict[object, Act] = {"take": TakeSnapshot(), "load": LoadSnapshot()}
    if table[kind] not in acts:
        raise StoryError(f"{place}: snapshot is one of {', '.join(map(str, acts))}")
    return acts[table[kind]]


def _require_known(table: dict[str, Any], known: frozenset[Text], place: Text) -> None:
    unknown = sorted(table.keys() - known)
    if unknown:
        raise StoryError(f"{place}: {', '.join(unknown)} is not known here (known: {', '.join(sorted(known))})")


def _text(table: dict[str, Any], name: Text, place: Text) -> Text | None:
    value = table.get(name)
    if value is not None and not isinstance(value, str):
        raise StoryError(f"{place}: {name} is a text")
    return value


def _beside(path: Path, table: dict[str, Any], name: Text, place: Text) -> Path:
    value = _text(table, name, place)
    if value is None:
        raise StoryError(f"{place}: {name} is missing")
    return path.parent / value


def _did(path: Path, table: dict[str, Any]) -> Path | None:
    return _beside(path, table, "did", f"{path}") if "did" in table else None
