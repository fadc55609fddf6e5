"""
Marks in the functions of the rules, which tell which branches were taken.

The code of each function is compiled once more from its source, with a mark at the beginning of each branch: of the
function itself, of statements, of the arms of `if`, `and` and `or` in expressions, and of what a comprehension makes.
Nothing else changes, and code outside of the folder runs as before. Tracing by `sys.settrace` tells the same, but each
call anywhere in the process then costs as much as the call itself does: two thirds of the judge's time.
"""

import ast
import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final

from attrs import define, field

from spec.values.identifiers import Text
from spec.values.quantities import Count

PROBE: Final = "__taken__"
"""The name by which marked functions call the probe; no function of the rules has such a name."""

BODIES: Final = ("body", "orelse", "finalbody")
"""The fields of a statement that are branches."""


@define
class Marks:
    """The branches of the functions of a folder, by number; which were taken is in `taken`."""

    places: list[Text] = field(factory=list)
    """Of each branch: the file, the function, the line and the column."""
    taken: set[Count] = field(factory=set)
    """The numbers of the branches that were taken since somebody cleared it."""
    _before: list[tuple[FunctionType, CodeType]] = field(factory=list)

    def mark(self, folder: Path) -> None:
        """Puts marks into the functions of the folder that are imported by now."""
        functions = _functions_in(folder)
        marked: dict[tuple[Text, Text, int], CodeType] = {}
        for path in sorted({function.__code__.co_filename for function in functions}):
            tree = ast.parse(Path(path).read_text(encoding="utf-8"), path)
            if _remembers(tree):
                continue
            _Marker(self.places, Path(path).name).visit(tree)
            for code in _codes(compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)):
                marked[(path, code.co_qualname, code.co_firstlineno)] = code
        for function in functions:
            before = function.__code__
            after = marked.get((before.co_filename, before.co_qualname, before.co_firstlineno))
            # Reason: attrs makes functions under the names of the files of its classes, which are not in the source.
            if after is not None and after.co_freevars == before.co_freevars:
                self._before.append((function, before))
                function.__globals__[PROBE] = self.taken.add
                function.__code__ = after

    def remove(self) -> None:
        """The functions are as they were."""
        while self._before:
            function, code = self._before.pop()
            function.__code__ = code


def _functions_in(folder: Path) -> Sequence[FunctionType]:
    """All functions there are whose source is in the folder."""
    start = f"{folder}/"
    functions = (each for each in gc.get_objects() if isinstance(each, FunctionType))
    return [each for each in functions if each.__code__.co_filename.startswith(start)]


def _remembers(tree: ast.Module) -> bool:
    """
    A function of the file keeps its answers, so which of its branches are taken hangs on what was asked before.

    That may have been in another scenario, so none of the file is marked.
    """
    return any("cache" in ast.unparse(each) for each in _decorators(tree))


def _decorators(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield from node.decorator_list


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


class _Marker(ast.NodeTransformer):
    """Puts marks into a module, and adds their places."""

    def __init__(self, places: list[Text], file: Text) -> None:
        self._places = places
        self._file = file
        self._functions: list[Text] = []

    def _mark(self, node: ast.stmt | ast.expr) -> ast.expr:
        self._places.append(f"{self._file}:{'.'.join(self._functions)}:{node.lineno}:{node.col_offset}")
        probe = ast.Name(PROBE, ast.Load())
        return ast.Call(probe, [ast.Constant(len(self._places) - 1)], [])

    def _first(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The statements with a mark before them, behind a docstring."""
        begin = int(isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant))
        marked = ast.Expr(self._mark(body[0]))
        return [*body[:begin], marked, *body[begin:]]

    def _arm(self, expression: ast.expr) -> ast.expr:
        """The expression, before whose value a mark is made: the probe returns None."""
        return ast.BoolOp(ast.Or(), [self._mark(expression), expression])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._functions.append(node.name)
        self.generic_visit(node)
        node.body = self._first(node.body)
        self._functions.pop()
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if not self._functions:
            return node
        match node:
            case ast.If() | ast.For() | ast.While() | ast.With() | ast.Try():
                for name in BODIES:
                    if branch := getattr(node, name, None):
                        setattr(node, name, self._first(branch))
            case ast.ExceptHandler() | ast.match_case():
                node.body = self._first(node.body)
            case ast.IfExp():
                node.body, node.orelse = self._arm(node.body), self._arm(node.orelse)
            case ast.BoolOp(values=[first, *others]):
                node.values = [first, *(self._arm(each) for each in others)]
            case ast.GeneratorExp() | ast.ListComp() | ast.SetComp():
                node.elt = self._arm(node.elt)
            case ast.DictComp():
                node.value = self._arm(node.value)
        return node
