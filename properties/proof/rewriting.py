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
        if original.__name__ in trees and original.__name__ not in OPAQUE:
            tree = rewritten_tree(trees[original.__name__])
            found[id(original)] = function_of_tree(tree, module.__dict__, file)
    return found


def _functions_of(module: ModuleType) -> list[Callable[..., Any]]:
    found: list[Callable[..., Any]] = []
    for value in module.__dict__.values():
        function = getattr(value, "body", value)
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            found.append(function)
    return found
