"""Finds the functions that a rule calls, and their source."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

from attrs import frozen

from spec.transition import OPAQUE, Rule

NARROWING: Final[frozenset[str]] = frozenset({"require_present", "require_kind"})
"""The functions that state something of a value and give it."""

STATING: Final[frozenset[str]] = NARROWING | {"require", "unspecified"}
"""The functions with which conditions are stated."""


@frozen(eq=False)
class Function:
    """A function of the specification, with its syntax tree."""

    name: str
    body: Callable[..., Any]
    tree: ast.FunctionDef
    """Without decorators, which say how it is registered and not what it does."""

    @property
    def statements(self) -> list[ast.stmt]:
        """The statements without the docstring."""
        return self.tree.body[1:] if ast.get_docstring(self.tree) else self.tree.body

    @property
    def parameters(self) -> list[str]:
        """The names of all parameters, in order."""
        return [one.arg for one in (*self.tree.args.args, *self.tree.args.kwonlyargs)]

    @property
    def defaults(self) -> dict[str, ast.expr]:
        """The values of parameters that may be left out."""
        arguments = self.tree.args
        positional = arguments.args[len(arguments.args) - len(arguments.defaults) :]
        by_keyword = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        pairs = [*zip(positional, arguments.defaults, strict=True), *by_keyword]
        return {one.arg: value for one, value in pairs if value is not None}

    @property
    def chooses(self) -> bool:
        """The function has several results to choose from."""
        return sum(isinstance(node, ast.Return) for node in ast.walk(self.tree)) > 1

    @property
    def returns(self) -> str:
        """The type of the result as written."""
        return "" if self.tree.returns is None else ast.unparse(self.tree.returns)

    @property
    def is_opaque(self) -> bool:
        """A proof does not look into it, and neither does the document."""
        return self.name in OPAQUE


@cache
def function_of(body: Callable[..., Any]) -> Function:
    """A function with its syntax tree."""
    original = inspect.unwrap(body)
    tree = ast.parse(textwrap.dedent(inspect.getsource(original))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    tree.decorator_list = []
    return Function(original.__name__, original, tree)


def function_of_rule(rule: Rule) -> Function:
    """The function of a rule."""
    return function_of(rule.body)


def called(call: ast.Call, caller: Function) -> Function | None:
    """The function of the specification that a call names, if it is one."""
    if not isinstance(call.func, ast.Name):
        return None
    target = inspect.unwrap(caller.body).__globals__.get(call.func.id)
    if not inspect.isfunction(target) or not target.__module__.startswith("spec."):
        return None
    return function_of(target)


def calls_in(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls inside a tree, in the order of the text."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    yield from sorted(found, key=lambda call: (call.lineno, call.col_offset))


def narrows(call: ast.AST) -> bool:
    """The call states something of a value and gives it."""
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in NARROWING


@cache
def states_conditions(function: Function) -> bool:
    """The function states a condition, itself or by a function that it calls."""
    if function.is_opaque or function.name in STATING:
        return False
    return any(
        (isinstance(call.func, ast.Name) and call.func.id in STATING)
        or ((target := called(call, function)) is not None and target is not function and states_conditions(target))
        for call in calls_in(function.tree)
    )


def is_followed(function: Function) -> bool:
    """The document shows the statements of the function where it is called."""
    return not function.is_opaque and (function.returns in ("Step", "State") or states_conditions(function))


def functions_named_by(function: Function) -> list[Function]:
    """The functions that a function, or one that is followed from it, calls and that are not followed themselves."""
    found: dict[str, Function] = {}
    followed: dict[str, Function] = {function.name: function}
    waiting = [function]
    while waiting:
        current = waiting.pop(0)
        for call in calls_in(current.tree):
            target = called(call, current)
            if target is None or target.body.__module__.startswith("spec.transition") or target.name in followed:
                continue
            if is_followed(target):
                followed[target.name] = target
                waiting.append(target)
            else:
                found.setdefault(target.name, target)
    return list(found.values())
