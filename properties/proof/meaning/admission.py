"""
Admission: what of Python's text the prover follows.

Most of what an unknown value cannot answer, it refuses when it is asked (`values.guarded`). Some things Python does
without asking the value: it compares identities, catches what was refused, reads a list that another call has changed,
goes round a loop that nothing ends. So, before a rule is run, the text of every function that it may reach is read, and
refused with file and line if it does such a thing. Opaque functions are not read: a proof holds for whatever they give.
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

from properties.proof.meaning.names import METHODS, values_named
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
    ast.While: "while, which may go round for ever",
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
        return tuple(problems_of_class(one)), tuple(parts_of_class(one))
    if isinstance(one, types.FunctionType):
        return examined_function(one)
    return (), tuple(part for member in members_of(one) for part in typing.get_args(member) if _is_hashable(part))


def parts_of_class(kind: type) -> Iterator[Any]:
    """The functions of a class of the specification, and the types of its fields."""
    if not is_read(kind):
        return
    for member in vars(kind).values():
        for function in (member, getattr(member, "fget", None), getattr(member, "__func__", None)):
            if isinstance(function, types.FunctionType) and not function.__code__.co_filename.startswith("<"):
                yield function
    if attrs.has(kind):
        yield from (part for part in annotations_of(kind).values() if _is_hashable(part))
        for default in (each.default for each in attrs.fields(kind)):
            made_by = default.factory if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]
            yield from (part for part in parts_of(made_by) if _is_hashable(part))


def problems_of_class(kind: type) -> Iterator[str]:
    """What a class of the specification keeps for all its instances and may change."""
    if not is_read(kind):
        return
    for name, member in vars(kind).items():
        is_of_python = (name.startswith("_") and name.endswith("_")) or name == "_abc_impl"
        if not is_of_python and not isinstance(member, METHODS) and not does_not_change(member):
            file, line = inspect.getsourcefile(kind) or kind.__module__, inspect.getsourcelines(kind)[1]
            yield f"{shown(file)}:{line}: {kind.__name__}.{name} is a {type(member).__name__}, which may change"


def is_read(kind: type) -> bool:
    """The class is a part of the specification, and none that has a counterpart of unknown content."""
    return kind.__module__.startswith(SPECIFICATION) and kind.__module__ != containers.__name__


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
    kept = [value for value in map(content, function.__closure__ or ()) if value is not None]
    problems += [
        f"{shown(code.co_filename)}:{code.co_firstlineno}: what {function.__name__} has captured is {problem}"
        for problem in map(not_followed, kept)
        if problem is not None
    ]
    reached = [part for value in kept for part in parts_of(value)]
    for tree in trees:
        text = Text(tree, function.__globals__, code.co_filename)
        problems += forms_refused(text)
        for node, value in values_named(text.tree, text.names):
            problem = not_followed(value)
            if problem is not None:
                problems.append(text.at(node, f"{ast.unparse(node)} is {problem}"))
            else:
                reached += parts_of(value)
    return tuple(problems), tuple(reached)


def content(cell: types.CellType) -> Any:
    """What a function has captured; None if that does not exist yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def parts_of(value: Any) -> Iterator[Any]:
    """The functions and classes that somebody who has this value can call."""
    if isinstance(value, types.FunctionType | type):
        yield value
    elif isinstance(value, tuple | frozenset):
        yield type(value)
        yield from (part for each in value for part in parts_of(each))
    elif attrs.has(type(value)):
        yield type(value)
        yield from (part for each in attrs.fields(type(value)) for part in parts_of(getattr(value, each.name)))
    else:
        yield type(value)


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
            case ast.Attribute(attr=name) if name.startswith("__") and name.endswith("__"):
                yield text.at(node, f"`{ast.unparse(node)}` is asked past what unknown values answer")
            case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store()) if name != "self":
                yield text.at(node, f"`{ast.unparse(node)}` is changed in place")
            case ast.FunctionDef(decorator_list=[_, *_]) if node is not text.tree:
                yield text.at(node, "a function inside another has a decorator")


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
    if not attrs.has(kind) or kind.__setattr__ is object.__setattr__:
        return False
    return all(does_not_change(getattr(value, each.name)) for each in attrs.fields(kind))
