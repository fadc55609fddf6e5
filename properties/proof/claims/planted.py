"""
Planted mistakes: rules with one small change, which the proofs must find.

Mistakes are made in the syntax tree of a rule or of a function that it calls, so every rule has them, also one that is
written tomorrow. A proof that finds none of a rule's mistakes would find no real one either.
"""

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator
from itertools import islice
from types import FunctionType
from typing import Any

import attrs

from properties.proof.claims.proof import RuleReport, prove_rule
from properties.proof.meaning.rewriting import function_of_tree, rewritten_tree
from properties.proof.paths.refusal import MISTAKE
from spec.transition import OPAQUE, Rule

NO_CYCLES = frozenset({"reserved_cycles", "refunded_cycles", "transferred_cycles", "balance", "available_cycles"})
"""Keywords whose value a mistake sets to nothing."""


@attrs.frozen
class Mistake:
    """One change to one function."""

    function: str
    line: int
    """In the function."""
    what: str
    tree: ast.FunctionDef = attrs.field(repr=False, eq=False)

    def __str__(self) -> str:
        return f"{self.function}, line {self.line}: {self.what}"


Change = Callable[[ast.AST], str | None]
"""Makes a mistake by setting a field of a node and says which, or does nothing."""


def drop_condition(node: ast.AST) -> str | None:
    """A condition is not required."""
    if not (isinstance(node, ast.Expr) and _called(node.value) == "require"):
        return None
    assert isinstance(node.value, ast.Call)
    what = ast.unparse(node.value.args[1])
    node.value = ast.Constant(None)
    return f"{what} is not required"


def drop_kind(node: ast.AST) -> str | None:
    """It is not required that a value is there, or of some class; it is used all the same."""
    for name, value in ast.iter_fields(node):
        if _called(value) in ("require_present", "require_kind"):
            condition = value.args[2 if _called(value) == "require_kind" else 1]
            setattr(node, name, value.args[0])
            return f"{ast.unparse(condition)} is not required"
    return None


def keep_entry(node: ast.AST) -> str | None:
    """An entry is not removed."""
    return _receiver_only(node, "remove", "is not removed")


def _receiver_only(node: ast.AST, method: str, what: str) -> str | None:
    for name, value in ast.iter_fields(node):
        found = value if isinstance(value, ast.Call) else None
        if found is not None and isinstance(found.func, ast.Attribute) and found.func.attr == method and found.args:
            setattr(node, name, found.func.value)
            return f"{ast.unparse(found.args[0])} {what}"
    return None


def forget_change(node: ast.AST, position: int) -> str | None:
    """`evolve` leaves a field as it was, or a step does not tell what it minted or burned."""
    if not isinstance(node, ast.Call) or _called(node) not in ("evolve", "Step") or position >= len(node.keywords):
        return None
    forgotten = node.keywords[position]
    node.keywords = [keyword for keyword in node.keywords if keyword is not forgotten]
    return f"`{forgotten.arg}` is forgotten"


def lose_cycles(node: ast.AST, position: int) -> str | None:
    """Cycles are set to nothing."""
    if not isinstance(node, ast.Call) or position >= len(node.keywords):
        return None
    keyword = node.keywords[position]
    if keyword.arg not in NO_CYCLES or isinstance(keyword.value, ast.Constant):
        return None
    lost = ast.keyword(keyword.arg, ast.Constant(0))
    node.keywords = [lost if each is keyword else each for each in node.keywords]
    return f"`{keyword.arg}` is nothing"


def confuse_signs(node: ast.AST) -> str | None:
    """Something is subtracted instead of added, or the other way round."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        return f"`{ast.unparse(node)}` has the wrong sign"
    return None


def say_twice(node: ast.AST) -> str | None:
    """A message is appended twice."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
        node.args = [*node.args, *copy.deepcopy(node.args)]
        return "it is appended twice"
    return None


def deny(node: ast.AST) -> str | None:
    """A flag has the other value."""
    if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool):
        node.value = ast.Constant(not node.value.value)
        return f"`{node.arg}` is {node.value.value!s}"
    return None


def swap_branches(node: ast.AST) -> str | None:
    """What is meant for one case is done in the other."""
    if not isinstance(node, ast.IfExp):
        return None
    node.body, node.orelse = node.orelse, node.body
    return f"the cases of `{ast.unparse(node.test)}` are swapped"


LARGEST_CALL = 8
"""Keywords of a call beyond this many are left alone."""

CHANGES: tuple[Change, ...] = (
    *(lambda node, position=position: lose_cycles(node, position) for position in range(LARGEST_CALL)),
    *(lambda node, position=position: forget_change(node, position) for position in range(LARGEST_CALL)),
    keep_entry,
    drop_condition,
    drop_kind,
    confuse_signs,
    say_twice,
    deny,
    swap_branches,
)
"""The kinds of mistakes, those that matter most for cycles first."""


def _called(node: Any) -> str | None:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None


def parts_of(rule: Rule) -> dict[str, Callable[..., Any]]:
    """The rule's function and the functions of the rules that it calls, those called first before others."""
    found: dict[str, Callable[..., Any]] = {}
    waiting: list[Callable[..., Any]] = [rule.body]
    while waiting:
        function = waiting.pop(0)
        if function.__name__ in found or function.__name__ in OPAQUE:
            continue
        found[function.__name__] = function
        code = inspect.unwrap(function).__code__
        called = (function.__globals__.get(name) for name in code.co_names)
        waiting += [each for each in called if isinstance(each, FunctionType) and each.__module__.startswith(PLACE)]
    return found


PLACE = "spec.rules"


def mistakes_in(rule: Rule) -> Iterator[Mistake]:
    """All mistakes of the kinds above that can be made in a rule."""
    for change in CHANGES:
        for name, function in parts_of(rule).items():
            tree = _tree(function)
            for index, node in enumerate(ast.walk(tree)):
                what = change(copy.copy(node))
                if what is not None:
                    changed = copy.deepcopy(tree)
                    change(next(islice(ast.walk(changed), index, None)))
                    yield Mistake(name, getattr(node, "lineno", 0), what, changed)


def _tree(function: Callable[..., Any]) -> ast.FunctionDef:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    tree.decorator_list = []
    return tree


def prove_with(rule: Rule, mistake: Mistake) -> RuleReport:
    """Tries to prove a rule with a mistake in it."""
    function = parts_of(rule)[mistake.function]
    tree = rewritten_tree(copy.deepcopy(mistake.tree))
    changed = function_of_tree(tree, function.__globals__, f"{MISTAKE}: {mistake!s}>")
    if function is rule.body:
        return prove_rule(attrs.evolve(rule, body=changed), stop_at_failure=True)
    return prove_rule(rule, replaced={function: changed}, stop_at_failure=True)
