"""Wrong copies of functions of the reference implementation: which there are, and which are drawn."""

import ast
import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from attrs import frozen

from properties.mutation.operators import Source, edits_of
from spec.values.identifiers import Text
from spec.values.quantities import Count

ROOT: Final = Path(__file__).resolve().parents[2]
"""The folder that holds the packages."""

AREAS: Final[Mapping[Text, tuple[Text, ...]]] = {
    "messages": ("reference_impl/messages", "reference_impl/subnet"),
    "management": ("reference_impl/management",),
    "reads": ("reference_impl/reads", "reference_impl/certification"),
    "rounds": (
        "reference_impl/rounds/renaming.py",
        "reference_impl/rounds/scheduler.py",
        "reference_impl/rounds/spontaneous.py",
        "reference_impl/rounds/transitions.py",
        "reference_impl/engine.py",
    ),
    "webassembly": (
        "reference_impl/wasm/instances",
        "reference_impl/wasm/layout",
        "reference_impl/wasm/rewriting",
        "reference_impl/wasm/running",
    ),
    "system_api": ("reference_impl/wasm/system_api",),
    "candid": ("spec/values/candid", "spec/values/management"),
}
"""
Where mutants are made, by area. Candid is shared with the specification: there the copy that serves is wrong.

The round of production is left out: it is not served, so no scenario meets it; it is compared with `spec/production`.
"""


@frozen
class Mutant:
    """A function with one edit."""

    area: Text
    path: Text
    """The file, from the root."""
    function: Text
    """The qualified name in its module."""
    operator: Text
    line: Count
    """Where the edit begins."""
    first_line: Count
    last_line: Count
    start: Count
    """The bytes of the file that are replaced."""
    end: Count
    replacement: Text
    identity: Text
    """A hash of the function's text and the edit: it stays as long as the function does."""

    @property
    def right_text(self) -> bytes:
        """The file as it is."""
        return (ROOT / self.path).read_bytes()

    @property
    def wrong_text(self) -> bytes:
        """The file with the edit."""
        text = self.right_text
        return text[: self.start] + self.replacement.encode() + text[self.end :]

    @property
    def module(self) -> Text:
        """The name of the module."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def difference(self) -> list[Text]:
        """The lines that differ, with `-` and `+` before them."""
        right, wrong = (text.decode().splitlines() for text in (self.right_text, self.wrong_text))
        lines = difflib.unified_diff(right, wrong, lineterm="", n=0)
        return [line for line in lines if not line.startswith(("---", "+++", "@@")) and line.strip("+- \\")]


def files_of(area: Text) -> list[Path]:
    """The modules of an area."""
    found: list[Path] = []
    for place in AREAS[area]:
        folder = ROOT / place
        found += [folder] if folder.is_file() else sorted(folder.glob("**/*.py"))
    return [path for path in found if "tests" not in path.parts]


def mutants_of(area: Text, path: Path) -> Iterator[Mutant]:
    """Every mutant of a file."""
    relative = path.relative_to(ROOT).as_posix()
    text = path.read_bytes()
    source = Source.of(text, import_module(relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")))
    tree = ast.parse(text)
    early = functions_of_imports(tree)
    for name, function in _functions(tree, ""):
        # Reason: what these gave stands before the mutant takes their place.
        if name in early:
            continue
        own_start, own_text = source.start(function), source.of_node(function)
        for number, edit in enumerate(edits_of(source, function)):
            what = "\0".join((relative, name, own_text, str(number), str(edit.start - own_start), edit.replacement))
            yield Mutant(
                area=area,
                path=relative,
                function=name,
                operator=edit.operator,
                line=text.count(b"\n", 0, edit.start) + 1,
                first_line=edit.first_line,
                last_line=edit.last_line,
                start=edit.start,
                end=edit.end,
                replacement=edit.replacement,
                identity=hashlib.sha256(what.encode()).hexdigest()[:12],
            )


def _functions(node: ast.AST, prefix: Text) -> Iterator[tuple[Text, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield prefix + child.name, child
            yield from _functions(child, f"{prefix}{child.name}.<locals>.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


def functions_of_imports(tree: ast.Module) -> set[Text]:
    """The functions of a module's own that run while it is imported, for its constants, and never again."""
    early = {each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("_")}
    while True:
        used = [use for node in tree.body for use in _uses(node, early, runs_now=True)]
        late = early & {name for name, is_called_now in used if not is_called_now}
        if not late:
            return early & {name for name, _ in used}
        early -= late


def _uses(node: ast.AST, early: set[Text], *, runs_now: bool) -> Iterator[tuple[Text, bool]]:
    """The names that stand in code, and whether each is called there and then, while the module is imported."""
    inside = ast.iter_child_nodes(node)
    match node:
        case ast.Name():
            yield node.id, False
        case ast.Call(func=ast.Name(id=name)):
            yield name, runs_now
            inside = iter([*node.args, *node.keywords])
        case ast.FunctionDef() | ast.Lambda():
            runs_now = runs_now and isinstance(node, ast.FunctionDef) and node.name in early
    for child in inside:
        yield from _uses(child, early, runs_now=runs_now)


def drawn(count: Count, seed: int, areas: Sequence[Text] = tuple(AREAS)) -> list[Mutant]:
    """
    So many mutants of every area, or all if there are fewer, no two of one line, every operator as often as possible.

    The draw is by a hash of the seed and the mutant, so a change of one function hardly changes the draw of others.
    """
    chosen: list[Mutant] = []
    for area in areas:
        every = [mutant for path in files_of(area) for mutant in mutants_of(area, path)]
        every.sort(key=lambda mutant: hashlib.sha256(f"{seed}:{mutant.identity}".encode()).digest())
        lines: set[tuple[Text, Count]] = set()
        for mutant in _in_turns(every):
            if len(lines) < count and (mutant.path, mutant.line) not in lines and _compiles(mutant):
                lines.add((mutant.path, mutant.line))
                chosen.append(mutant)
    return chosen


def _in_turns(mutants: Sequence[Mutant]) -> list[Mutant]:
    """The first of every operator, then the second, and so on."""
    of_operator: Counter[Text] = Counter()
    ranked: list[tuple[Count, Mutant]] = []
    for mutant in mutants:
        ranked.append((of_operator[mutant.operator], mutant))
        of_operator[mutant.operator] += 1
    return [mutant for _, mutant in sorted(ranked, key=lambda each: each[0])]


def _compiles(mutant: Mutant) -> bool:
    try:
        compile(mutant.wrong_text, mutant.path, "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True
