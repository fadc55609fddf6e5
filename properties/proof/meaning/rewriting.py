"""
Rules as they are run on unknown values: conditions and conditional expressions are asked as a whole.

`a or b` asks `a` and then, if it is false, `b`: three paths where the rule has two. So every outermost `and`, `or` and
`if`-expression is wrapped, `as_a_whole(lambda: a or b)`, which evaluates what stands there in each case and makes one
value of it. Nothing else of a rule's text is touched, and what it means is the same.
"""

import ast
import inspect
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from spec.transition import OPAQUE

WHOLE = "as_a_whole"


class _Wrapper(ast.NodeTransformer):
    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        return _wrapped(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return _wrapped(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node


def _wrapped(node: ast.expr) -> ast.AST:
    nothing = ast.arguments([], [], None, [], [], None, [])
    whole = ast.Call(ast.Name(WHOLE, ast.Load()), [ast.Lambda(nothing, node)], [])
    return ast.copy_location(whole, node)


@cache
def functions_in(file: str) -> dict[int, list[ast.AST]]:
    """The functions in a file, those without a name among them, by the line where they begin."""
    found: dict[int, list[ast.AST]] = {}
    for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            lines = [node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))]
            found.setdefault(min(lines), []).append(node)
    return found


def trees_of(file: str, line: int) -> list[ast.AST]:
    """The functions that begin in a line of a file; none if the file cannot be read."""
    if file.startswith("<"):
        return []
    return functions_in(file).get(line, [])


def rewritten_tree(tree: ast.FunctionDef) -> ast.FunctionDef:
    """A function whose conditions are asked as a whole. The tree is changed."""
    tree.decorator_list = []
    wrapper = _Wrapper()
    tree.body = [wrapper.visit(statement) for statement in tree.body]
    return tree


def function_of_tree(tree: ast.FunctionDef, module: dict[str, Any], file: str) -> Any:
    """The function that a tree defines, among the names of a module."""
    names: dict[str, Any] = {}
    exec(compile(ast.fix_missing_locations(ast.Module([tree], [])), file, "exec"), module, names)
    function = names[tree.name]
    function.__module__ = module["__name__"]
    return function


@cache
def rewritten_module(name: str) -> dict[int, Any]:
    """The functions that a module defines at its top, by the ids of the original ones."""
    module = sys.modules[name]
    file = inspect.getfile(module)
    trees = {
        statement.name: statement
        for statement in ast.parse(Path(file).read_text(encoding="utf-8")).body
        if isinstance(statement, ast.FunctionDef)
    }
    found: dict[int, Any] = {}
    for original in _functions_of(module):
        tree = trees.get(original.__name__)
        if tree is not None and is_as_written(original, tree):
            found[id(original)] = function_of_tree(rewritten_tree(tree), module.__dict__, file)
    return found


MARKS = frozenset({"transition", "defines"})
"""Decorators that leave a function as it is written."""


def is_as_written(function: Callable[..., Any], tree: ast.FunctionDef) -> bool:
    """The function is what its text says, and not something that another decorator has made of it."""
    names = {
        decorator.func.id
        for decorator in tree.decorator_list
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name)
    }
    first_line = min([tree.lineno, *(decorator.lineno for decorator in tree.decorator_list)])
    return (
        names <= MARKS
        and len(names) == len(tree.decorator_list)
        and function.__code__.co_firstlineno == first_line
        and function.__name__ not in OPAQUE
    )


def _functions_of(module: ModuleType) -> list[Callable[..., Any]]:
    found: list[Callable[..., Any]] = []
    for value in module.__dict__.values():
        function = getattr(value, "body", value)
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            found.append(function)
    return found
