"""
Admission: what of Python's text the prover follows.

Most of what an unknown value cannot answer, it refuses when it is asked (`values.guarded`). Some things Python does
without asking the value: it compares identities, catches what was refused, reads a list that another call has changed.
So, before a rule is run, the text of every function that it may reach is read, and refused with file and line if it
does such a thing. Opaque functions are not read: a proof holds for whatever they give.
"""

import ast
import builtins
import inspect
import types
import typing
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import cache
from typing import Any

import attrs

from properties.proof.meaning.rewriting import trees_of
from properties.proof.paths.refusal import MISTAKE, is_text, shown
from properties.proof.values.unknown import annotations_of, members_of
from spec.invariants import INVARIANTS, STEP_INVARIANTS
from spec.state.state import State, total_cycles
from spec.transition import OPAQUE, Rule, Step
from spec.values import containers

SPECIFICATION = "spec."
"""Functions of these modules are read; of other modules only `KNOWN` ones may be called."""

KNOWN = (attrs.evolve, typing.assert_never, typing.cast, attrs.frozen, attrs.field)

NOT_FOLLOWED = frozenset(
    {"__import__", "breakpoint", "callable", "compile", "delattr", "dir", "eval", "exec", "getattr", "globals"}
    | {"hasattr", "id", "input", "issubclass", "iter", "locals", "memoryview", "object", "open", "print", "setattr"}
    | {"type", "vars"}
)
"""Builtins that look at a value from outside, or at the world."""

REFUSED = {
    ast.Try: "try, which could catch what the prover says",
    ast.TryStar: "try, which could catch what the prover says",
    ast.Global: "global",
    ast.Nonlocal: "nonlocal",
    ast.Delete: "del",
    ast.Import: "an import",
    ast.ImportFrom: "an import",
    ast.Await: "await",
    ast.With: "with",
    ast.ClassDef: "a class",
}

IMMUTABLE = (
    bool, int, float, str, bytes, frozenset, range, Enum, types.NoneType, types.FunctionType, types.BuiltinFunctionType,
    types.GenericAlias, types.UnionType, typing.NewType, typing.TypeVar, type,
)  # fmt: skip


@attrs.frozen
class Text:
    """The text of a function, and the names around it."""

    tree: ast.AST
    names: dict[str, Any] = attrs.field(repr=False)
    file: str

    def at(self, node: Any, what: str) -> str:
        """Something that is refused, with file and line."""
        return f"{shown(self.file)}:{node.lineno}: {what}"


def not_admitted(rule: Rule, replaced: dict[Any, Any]) -> Iterator[str]:
    """What the text that a rule reaches contains and the prover does not follow."""
    roots: list[Any] = [rule.body, total_cycles, State, Step, *replaced.values()]
    roots += [each.holds for each in INVARIANTS.values()]
    roots += [each.holds for each in STEP_INVARIANTS.values()]
    roots += inspect.get_annotations(rule.body, eval_str=True).values()
    seen: set[int] = set()
    while roots:
        one = roots.pop()
        if id(one) not in seen:
            seen.add(id(one))
            problems, reached = examined(one)
            yield from problems
            roots += reached


@cache
def examined(one: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """What is refused in a function or class, and what it reaches."""
    if isinstance(one, type):
        return (), tuple(parts_of_class(one))
    if isinstance(one, types.FunctionType):
        return examined_function(one)
    return (), tuple(part for member in members_of(one) for part in typing.get_args(member) if _is_hashable(part))


def parts_of_class(kind: type) -> Iterator[Any]:
    """The functions of a class of the specification, and the types of its fields."""
    if not kind.__module__.startswith(SPECIFICATION) or kind.__module__ == containers.__name__:
        return
    for member in vars(kind).values():
        for function in (member, getattr(member, "fget", None), getattr(member, "__func__", None)):
            if isinstance(function, types.FunctionType) and not function.__code__.co_filename.startswith("<"):
                yield function
    if attrs.has(kind):
        yield from (part for part in annotations_of(kind).values() if _is_hashable(part))


def _is_hashable(part: Any) -> bool:
    return getattr(type(part), "__hash__", None) is not None


def examined_function(function: types.FunctionType) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The same of a function; one that is opaque or of a library is not looked into."""
    file = function.__code__.co_filename
    # A planted mistake is a change to text that was read without it.
    if not is_text(file) or file.startswith(MISTAKE):
        return (), ()
    if getattr(function, "__wrapped__", None) in OPAQUE.values() or function in OPAQUE.values():
        return (), ()
    code = function.__code__
    trees = trees_of(code.co_filename, code.co_firstlineno)
    if not trees:
        return (f"{shown(code.co_filename)}:{code.co_firstlineno}: a function of which there is no text",), ()
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    problems = [
        f"{shown(code.co_filename)}:{code.co_firstlineno}: a default of {function.__name__} is {problem}"
        for problem in map(not_followed, defaults)
        if problem is not None
    ]
    reached: list[Any] = [
        cell.cell_contents for cell in function.__closure__ or () if isinstance(cell.cell_contents, types.FunctionType)
    ]
    for tree in trees:
        text = Text(tree, function.__globals__, code.co_filename)
        problems += forms_refused(text)
        for node, value in values_named(text):
            problem = not_followed(value)
            if problem is not None:
                problems.append(text.at(node, f"{ast.unparse(node)} is {problem}"))
            elif isinstance(value, types.FunctionType | type):
                reached.append(value)
    return tuple(problems), tuple(reached)


def forms_refused(text: Text) -> Iterator[str]:
    """Forms of Python that do something without asking the values."""
    for node in ast.walk(text.tree):
        if type(node) in REFUSED:
            yield text.at(node, f"the text contains {REFUSED[type(node)]}")
        match node:
            case ast.Compare(ops=operators) if any(isinstance(each, ast.Is | ast.IsNot) for each in operators):
                operands: Sequence[ast.expr] = (node.left, *node.comparators)
                if not any(isinstance(each, ast.Constant) and each.value is None for each in operands):
                    yield text.at(node, f"`{ast.unparse(node)}` compares with `is`, which unknown values cannot answer")
            case ast.MatchSingleton(value=bool()):
                yield text.at(node, "a case of True or False compares with `is`, which unknown values cannot answer")
            case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store()) if name != "self":
                yield text.at(node, f"`{ast.unparse(node)}` is changed in place")
            case ast.FunctionDef(decorator_list=[_, *_]) if node is not text.tree:
                yield text.at(node, "a function inside another has a decorator")


def values_named(text: Text) -> Iterator[tuple[ast.expr, Any]]:
    """The values of the names of its module, and of the builtins, that a text uses."""
    own = names_bound(text.tree)
    decorators = getattr(text.tree, "decorator_list", [])
    ignored = {id(node) for each in (*decorators, *annotations_in(text.tree)) for node in ast.walk(each)}
    inner = {id(node.value) for node in ast.walk(text.tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(text.tree):
        if id(node) in ignored or id(node) in inner or not isinstance(node, ast.Name | ast.Attribute):
            continue
        found = resolved(node, text.names, own)
        if found is not NOWHERE:
            yield node, found
    for node in ast.walk(text.tree):
        # What is read of a name is read of its value; the value has to be one that does not change.
        if isinstance(node, ast.Name) and id(node) in inner and id(node) not in ignored:
            found = resolved(node, text.names, own)
            if found is not NOWHERE and not isinstance(found, types.ModuleType):
                yield node, found


NOWHERE = object()
"""The value of a name that is a parameter or variable of the function."""


def resolved(node: ast.expr, names: dict[str, Any], own: frozenset[str]) -> Any:
    """What a name, or a name of a module that is named, stands for."""
    match node:
        case ast.Name(id=name):
            if name in own or isinstance(node.ctx, ast.Store):
                return NOWHERE
            return names.get(name, getattr(builtins, name, NOWHERE))
        case ast.Attribute(value=value, attr=name):
            module = resolved(value, names, own)
            return getattr(module, name, NOWHERE) if isinstance(module, types.ModuleType) else NOWHERE
        case _:
            return NOWHERE


def names_bound(tree: ast.AST) -> frozenset[str]:
    """The parameters and variables of a function and of the functions in it."""
    bound = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name}
    return frozenset(bound)


def annotations_in(tree: ast.AST) -> Iterator[ast.expr]:
    """The annotations in a text, which are not evaluated when it runs."""
    for node in ast.walk(tree):
        annotation = getattr(node, "returns", None) or getattr(node, "annotation", None)
        if isinstance(annotation, ast.expr):
            yield annotation


def not_followed(value: Any) -> str | None:
    """Why the prover cannot follow a text that uses this value."""
    name = getattr(value, "__name__", None)
    if isinstance(name, str) and getattr(builtins, name, None) is value:
        return "a builtin that unknown values cannot answer" if name in NOT_FOLLOWED else None
    if isinstance(value, types.ModuleType):
        return "a module that is used as a value"
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        module = value.__module__ or ""
        is_known = module.startswith(SPECIFICATION) or value in KNOWN or module in ("enum", "typing", "builtins")
        return None if is_known else f"of the module {module}, which the prover does not know"
    return None if does_not_change(value) else f"a {type(value).__name__}, which may change"


def does_not_change(value: Any) -> bool:
    """The value is the same whenever it is looked at."""
    kind = type(value)
    if issubclass(kind, tuple):
        return all(does_not_change(part) for part in value)
    if issubclass(kind, IMMUTABLE) or kind.__module__ in ("typing", "rpds", "types"):
        return True
    return attrs.has(kind) and kind.__setattr__ is not object.__setattr__
