"""
The lint of the rules: it keeps them in the part of Python that runs three ways.

A rule runs on values, runs symbolically in proofs, and is read for the document. So it is straight-line code with `if`
and `match`; conditions come before the state after; collections are touched only through `Map`, `List` and `Queue`.
`python -m spec.tooling.lint` prints what is wrong as `FILE:LINE: what`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from attrs import frozen

from spec.tooling import subset
from spec.tooling.sources import OURS, RULES_FOLDER, Source, constants_of, decorator_texts, recorded, rule_files

BESIDE_RULES: Final[tuple[Path, ...]] = tuple(
    RULES_FOLDER.parent / name
    for name in (
        "invariants/of_states.py",
        "invariants/of_steps.py",
        "state/call_context.py",
        "state/canister.py",
        "state/history.py",
        "state/message.py",
        "state/network.py",
        "state/origin.py",
        "state/request.py",
        "state/snapshot.py",
        "state/state.py",
        "values/quantities.py",
    )
)
"""Files beside the rules whose functions proofs run."""

ERRATA: Final[Path] = Path(__file__).parents[2] / "docs" / "errata.md"

LONGEST_FUNCTION: Final[int] = 45
"""In lines, without decorators and docstring. Source: the house style."""

CONDITIONS: Final[str] = "# CONDITIONS"
STATE_AFTER: Final[str] = "# STATE AFTER"

FORBIDDEN: Final[dict[type[ast.AST], str]] = {
    ast.For: "a loop",
    ast.While: "a loop",
    ast.AsyncFor: "a loop",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Try: "try",
    ast.TryStar: "try",
    ast.Raise: "raise",
    ast.With: "with",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.Global: "global",
    ast.Nonlocal: "nonlocal",
    ast.Delete: "del",
    ast.AugAssign: "assignment to something that already has a value",
    ast.NamedExpr: "assignment inside an expression",
    ast.Dict: "a dictionary display; use Map",
    ast.List: "a list display; use List",
    ast.Set: "a set display; use Map or List",
    ast.JoinedStr: "an f-string",
}
"""What a function of the rules may not contain, unless a proof does not look into it."""

FORBIDDEN_CALLS: Final[frozenset[str]] = frozenset(
    {
        "all",
        "any",
        "bool",
        "callable",
        "delattr",
        "dict",
        "dir",
        "divmod",
        "enumerate",
        "eval",
        "exec",
        "filter",
        "float",
        "format",
        "getattr",
        "globals",
        "hasattr",
        "hash",
        "id",
        "int",
        "issubclass",
        "iter",
        "list",
        "locals",
        "map",
        "next",
        "object",
        "open",
        "pow",
        "print",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "setattr",
        "sorted",
        "str",
        "sum",
        "type",
        "vars",
        "zip",
    }
)
"""Functions that hide a loop, or that an unknown value cannot go through."""


STATING: Final[frozenset[str]] = frozenset({"require", "require_present", "require_kind"})
"""Functions that state a condition of a rule."""

FREE: Final[dict[str, str]] = {
    "first_failure": "it asks the other rules, a list that does not depend on the state",
    "some_choices": "it makes the arguments with which they are asked",
    "invariant": "it registers what proofs run",
    "step_invariant": "it registers what proofs run",
    "first_free_canister_id": "rules reach it through an opaque function only",
}
"""Functions beside the rules that may contain what is forbidden, and why."""


@frozen(order=True)
class Finding:
    """One thing that is wrong."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


@frozen
class File:
    """A file with rules."""

    path: str
    text: str

    def finding(self, node: ast.stmt | ast.expr | ast.pattern, what: str) -> Finding:
        """Something wrong at a node."""
        return Finding(self.path, node.lineno, what)


def has_decorator(function: ast.FunctionDef, name: str) -> bool:
    """The function bears this decorator."""
    return any(subset.decorator_name(decorator) == name for decorator in function.decorator_list)


def findings_in(file: File, sources: dict[str, Source], errata: frozenset[str]) -> Iterator[Finding]:
    """Everything that is wrong in one file."""
    tree = ast.parse(file.text)
    constants = constants_of(tree)
    yield from module_findings(file, tree)
    for method in subset.methods_in(tree):
        yield from function_findings(file, method)
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        if has_decorator(node, "opaque"):
            yield from opaque_findings(file, node)
            continue
        yield from function_findings(file, node)
        if has_decorator(node, "transition"):
            yield from signature_findings(file, node)
            yield from part_findings(file, node)
            texts = decorator_texts(next(filter(is_transition, node.decorator_list)), constants)
            yield from source_findings(file, node, texts, sources, errata)


def opaque_findings(file: File, function: ast.FunctionDef) -> Iterator[Finding]:
    """A proof does not look into an opaque function, so it may be written freely, but it is described."""
    yield from docstring_findings(file, function)
    yield from (file.finding(node, what) for node, what in subset.conditions_in(function))


def module_findings(file: File, tree: ast.Module) -> Iterator[Finding]:
    """What holds for values and classes of a module that proofs look into."""
    for node, what in (*subset.changing_values(tree, frozenset(FREE)), *subset.fields_that_change_values(tree)):
        yield file.finding(node, what)


def findings_beside_rules(file: File) -> Iterator[Finding]:
    """What holds for functions that proofs run and that are no part of the rules."""
    tree = ast.parse(file.text)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    yield from module_findings(file, tree)
    for function in (*functions, *subset.methods_in(tree)):
        if function.name not in FREE:
            yield from (file.finding(node, what) for node, what in subset.forms_in(function))


def lines_of(node: ast.stmt) -> int:
    """How many lines a statement takes."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def docstring_findings(file: File, function: ast.FunctionDef) -> Iterator[Finding]:
    """The first paragraph of the docstring is a sentence. A private function may go without."""
    text = ast.get_docstring(function)
    if text is None and function.name.startswith("_"):
        return
    if not (text or "").partition("\n\n")[0].endswith("."):
        yield file.finding(function, f"{function.name}: the docstring does not begin with a sentence")


def function_findings(file: File, function: ast.FunctionDef) -> Iterator[Finding]:
    """What holds for every function that proofs run."""
    yield from docstring_findings(file, function)
    length = lines_of(function) - (lines_of(function.body[0]) if ast.get_docstring(function) else 0)
    if length > LONGEST_FUNCTION:
        yield file.finding(function, f"{function.name} has {length} lines, more than {LONGEST_FUNCTION}")
    yield from repeated_findings(file, function)
    if function.name in FREE:
        return
    yield from (file.finding(node, what) for node, what in subset.forms_in(function))
    for node in ast.walk(function):
        if type(node) in FORBIDDEN and isinstance(node, ast.stmt | ast.expr):
            yield file.finding(node, f"{function.name} contains {FORBIDDEN[type(node)]}")
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
                yield file.finding(node, f"{function.name} calls {name}()")
            case ast.FunctionDef() if node is not function:
                yield file.finding(node, f"{function.name} contains a function of its own")


def repeated_findings(file: File, function: ast.FunctionDef) -> Iterator[Finding]:
    """A condition that narrows a value is stated once, and not asserted again for the type checker."""
    for node in ast.walk(function):
        statements = getattr(node, "body", None)
        for pair in pairwise(statements if isinstance(statements, list) else ()):
            match pair:
                case (
                    ast.Expr(value=ast.Call(func=ast.Name(id="require"), args=[holds, *_])),
                    ast.Assert(test=ast.Call() | ast.Compare() as test) as asserted,
                ) if ast.unparse(holds) == ast.unparse(test):
                    what = "asserts what `require_present` or `require_kind` states and gives"
                    yield file.finding(asserted, f"{function.name} {what}")


def signature_findings(file: File, rule: ast.FunctionDef) -> Iterator[Finding]:
    """A rule takes the state, and its free variables by keyword, each with its type."""
    arguments = rule.args
    positional = [f"{one.arg}: {ast.unparse(one.annotation or ast.Constant(None))}" for one in arguments.args]
    if positional != ["state: State"] or arguments.posonlyargs or arguments.vararg or arguments.kwarg:
        yield file.finding(rule, f"{rule.name} does not begin with `state: State` and a star")
    for choice in arguments.kwonlyargs:
        if choice.annotation is None:
            yield file.finding(rule, f"{rule.name}: the choice {choice.arg} has no type")
    for choice, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None and not is_constant(default):
            yield file.finding(rule, f"{rule.name}: the default of the choice {choice.arg} is no constant")
    if rule.returns is None or ast.unparse(rule.returns) != "Step":
        yield file.finding(rule, f"{rule.name} does not return a Step")


def is_constant(default: ast.expr) -> bool:
    """A literal, a name or an empty tuple."""
    if isinstance(default, ast.Tuple):
        return not default.elts
    return isinstance(default, ast.Constant | ast.Name | ast.Attribute)


def part_findings(file: File, rule: ast.FunctionDef) -> Iterator[Finding]:
    """Conditions come first, then the state after; each part has its comment."""
    lines = file.text.splitlines()[rule.lineno - 1 : rule.end_lineno]
    parts = [(rule.lineno + number, line.strip()) for number, line in enumerate(lines)]
    marked = [(number, line) for number, line in parts if line in (CONDITIONS, STATE_AFTER)]
    if [line for _, line in marked] != [CONDITIONS, STATE_AFTER]:
        yield file.finding(rule, f"{rule.name} does not have `{CONDITIONS}` and then `{STATE_AFTER}`, once each")
        return
    conditions, state_after = (number for number, _ in marked)
    first = rule.body[1] if len(rule.body) > 1 else rule.body[0]
    if first.lineno < conditions:
        yield file.finding(first, f"{rule.name} does something before `{CONDITIONS}`")
    for node in ast.walk(rule):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in STATING and node.lineno > state_after:
                yield file.finding(node, f"{rule.name} states a condition after `{STATE_AFTER}`")
            case ast.Return() if node.lineno < state_after:
                yield file.finding(node, f"{rule.name} returns before `{STATE_AFTER}`")


def is_transition(decorator: ast.expr) -> bool:
    """The decorator registers a rule."""
    return subset.decorator_name(decorator) == "transition"


def source_findings(
    file: File, rule: ast.FunctionDef, texts: dict[str, str], sources: dict[str, Source], errata: frozenset[str]
) -> Iterator[Finding]:
    """The rule has a title, and a source that is in the checked-in list or explained in the errata."""
    if not texts.get("title"):
        yield file.finding(rule, f"{rule.name} has no title")
    source = texts.get("source", "")
    if source.startswith(OURS):
        if source.removeprefix(OURS) not in errata:
            yield file.finding(rule, f"{rule.name}: docs/errata.md has no entry `{source.removeprefix(OURS)}`")
    elif rule.name not in sources or sources[rule.name].section != source:
        yield file.finding(rule, f"{rule.name}: spec/sources.toml does not have its source {source!r}")


def errata_entries(path: Path = ERRATA) -> frozenset[str]:
    """The anchors of the errata."""
    return frozenset(re.findall(r'<a id="([\w-]+)"></a>', path.read_text()))


def findings(folder: Path = RULES_FOLDER) -> list[Finding]:
    """Everything that is wrong with the rules, in order."""
    sources, errata = recorded(), errata_entries()
    root = RULES_FOLDER.parent.parent
    found: list[Finding] = []
    for path in rule_files(folder):
        found.extend(findings_in(File(str(path.relative_to(root)), path.read_text()), sources, errata))
    for path in BESIDE_RULES:
        found.extend(findings_beside_rules(File(str(path.relative_to(root)), path.read_text())))
    return sorted(found)


def main() -> int:
    """Prints what is wrong with the rules."""
    found = findings()
    for one in found:
        print(one)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
