"""Names: what each name in a text stands for, in the scope in which it is read."""

import ast
import builtins
import inspect
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

NOWHERE = object()
"""The value of a name that is a parameter or variable of the function."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

METHODS = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType,
    types.ClassMethodDescriptorType, types.MemberDescriptorType, types.GetSetDescriptorType,
    staticmethod, classmethod, property,
)  # fmt: skip
"""What of a class is read with it, or is a place for what each instance has."""

Names = frozenset[str]
Read = tuple[ast.expr, Names]
"""A name, or an attribute, that is read, and the names that are bound by the functions around it."""


def values_named(tree: ast.AST, names: Mapping[str, Any]) -> Iterator[tuple[ast.expr, Any]]:
    """
    The values of the names of its module, of its classes and of the builtins that a text uses.

    A module of which only something is read is none of them.
    """
    read = list(names_read(tree))
    of_others = {id(node.value) for node, _ in read if isinstance(node, ast.Attribute)}
    for node, own in read:
        found = resolved(node, names, own)
        if found is not NOWHERE and not (isinstance(found, types.ModuleType) and id(node) in of_others):
            yield node, found


def resolved(node: ast.expr, names: Mapping[str, Any], own: Names) -> Any:
    """What a name, or a name of a module or class that is named, stands for."""
    match node:
        case ast.Name(id=name):
            return NOWHERE if name in own else names.get(name, getattr(builtins, name, NOWHERE))
        case ast.Attribute(value=value, attr=name):
            owner = resolved(value, names, own)
            if isinstance(owner, types.ModuleType):
                return getattr(owner, name, NOWHERE)
            member = inspect.getattr_static(owner, name, NOWHERE) if isinstance(owner, type) else NOWHERE
            return NOWHERE if isinstance(member, METHODS) else member
        case _:
            return NOWHERE


def names_read(tree: ast.AST) -> Iterator[Read]:
    """What the body of a function reads; not what its own decorators and defaults do."""
    assert isinstance(tree, FUNCTIONS)
    return _read_in_all(_body(tree), _bound_by(tree))


def _read_in_all(nodes: Iterable[ast.AST], own: Names) -> Iterator[Read]:
    for node in nodes:
        yield from _read_in(node, own)


def _read_in(node: ast.AST, own: Names) -> Iterator[Read]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            # What is given by default, and what decorates, is found outside.
            outside = [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
            yield from _read_in_all([*outside, *getattr(node, "decorator_list", [])], own)
            yield from _read_in_all(_body(node), own | _bound_by(node))
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            first, *_ = node.generators
            yield from _read_in(first.iter, own)
            inner = own | _stored_in(each.target for each in node.generators)
            parts = [part for part in ast.iter_child_nodes(node) if part is not first]
            yield from _read_in_all([*parts, first.target, *first.ifs], inner)
        case ast.AnnAssign():
            # The annotation of a variable is not evaluated.
            yield from _read_in_all([node.target, *([] if node.value is None else [node.value])], own)
        case _:
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                yield node, own
            yield from _read_in_all(ast.iter_child_nodes(node), own)


def _body(node: ast.AST) -> list[ast.AST]:
    return [node.body] if isinstance(node, ast.Lambda) else list(getattr(node, "body", []))


def _bound_by(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Names:
    """The parameters and variables of a function."""
    parameters = {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
    return frozenset(parameters) | _stored_in(_body(node))


def _stored_in(nodes: Iterable[ast.AST]) -> Names:
    """The names that are bound there, but for those in functions and comprehensions within."""
    bound: set[str] = set()
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.Lambda():
                pass
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                bound |= {each.target.id for each in ast.walk(node) if isinstance(each, ast.NamedExpr)}
            case _:
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    bound.add(node.id)
                if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
                    bound.add(node.name)
                if isinstance(node, ast.MatchMapping) and node.rest:
                    bound.add(node.rest)
                bound |= _stored_in(ast.iter_child_nodes(node))
    return frozenset(bound)
