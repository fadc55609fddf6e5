"""The page of the types that a state is made of, from their docstrings."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Final

from docs.render.outline import code, paragraphs, sentence

MODULES: Final[tuple[str, ...]] = (
    "spec.state.state",
    "spec.state.request",
    "spec.state.canister",
    "spec.state.snapshot",
    "spec.state.history",
    "spec.values.changes",
    "spec.state.call_context",
    "spec.state.message",
    "spec.state.origin",
    "spec.state.label",
    "spec.canister.environment",
    "spec.canister.outcome",
    "spec.canister.wasm_state",
    "spec.values.canister_terms",
    "spec.values.rejects",
    "spec.values.identifiers",
    "spec.values.quantities",
    "spec.transition",
)
"""The modules with the types, in the order in which to read them."""


def described(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Each assignment with the docstring that follows it."""
    for index, statement in enumerate(body):
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            following = body[index + 1] if index + 1 < len(body) else None
            match following:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement, sentence(text)
                case _:
                    yield statement, ""


def field_lines(tree: ast.ClassDef) -> Iterator[str]:
    """The fields of a class, or the members of an enumeration."""
    for statement, told in described(tree.body):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind):
                text = f"- {code(f'{name}: {ast.unparse(kind)}')}"
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.startswith("_"):
                text = f"- {code(f'{name} = {ast.unparse(value)}')}"
            case _:
                continue
        yield f"{text}: {told}" if told else text


def class_section(tree: ast.ClassDef) -> str:
    """A class with its fields."""
    parts = [f"### {tree.name}", paragraphs(ast.get_docstring(tree) or "")]
    lines = list(field_lines(tree))
    if lines:
        parts.append("\n".join(lines))
    return "\n\n".join(part for part in parts if part)


def name_lines(body: list[ast.stmt]) -> Iterator[str]:
    """The types and constants that a module names."""
    for statement, told in described(body):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        if name[0].isupper() and told:
            yield f"- {code(f'{name} = {ast.unparse(value)}')}: {told}"
        elif name[0].isupper() and not name.isupper():
            yield f"- {code(f'{name} = {ast.unparse(value)}')}"


def module_section(module: ModuleType) -> str:
    """A module: its classes and the names that it gives to types."""
    tree = ast.parse(inspect.getsource(module))
    sections = [f"## {code(module.__name__)}", paragraphs(ast.get_docstring(tree) or "")]
    names = list(name_lines(tree.body))
    if names:
        sections.append("\n".join(names))
    classes = [one for one in tree.body if isinstance(one, ast.ClassDef) and not one.name.startswith("_")]
    return "\n\n".join([*sections, *(class_section(one) for one in classes)])


def types_page() -> str:
    """The page of the types in Markdown."""
    sections = [module_section(importlib.import_module(name)) for name in MODULES]
    return "\n\n".join(["# The state and what it is made of", *sections]) + "\n"
