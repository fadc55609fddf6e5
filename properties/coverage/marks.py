"""
What is written at definitions and tests, read from the source text.

A definition says its rows with `@defines(...)`, a constant or field in the docstring below it, a test with
`@pytest.mark.checklist(...)`. Only a test that pytest collects counts; a mark anywhere else is an error.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Final

from attrs import frozen

from spec.values.identifiers import Text

ROOT: Final = Path(__file__).parents[2]
"""The folder with the five folders."""

DEFINING: Final = ("spec", "reference_impl")
"""The folders whose definitions count."""

TESTING: Final = ("spec", "reference_impl", "conformance", "properties", "docs")

TESTS: Final = "tests"
"""The name of the folders with tests."""

NOT_RUN: Final = ("skip", "xfail")
"""A test marked so shows nothing."""

IN_DOCSTRING: Final = re.compile(r"\bChecklist:((?:\s*`[\w.-]+`,?)+)")


class MarkError(Exception):
    """A mark is not understood. The message names the file and the line."""


@frozen(order=True)
class Mark:
    """A place in the source text that names a row."""

    row: Text
    name: Text
    """The definition or test: `folder/file.py::name`."""
    line: int


def definitions(root: Path = ROOT) -> tuple[Mark, ...]:
    """Every row that a definition names."""
    return tuple(mark for path in _files(root, DEFINING, of_tests=False) for mark in _defined_in(path, root))


def tests(root: Path = ROOT) -> tuple[Mark, ...]:
    """Every row that a test names which pytest collects and runs."""
    return tuple(mark for path in _files(root, TESTING, of_tests=True) for mark in _tested_in(path, root))


def _files(root: Path, folders: tuple[Text, ...], *, of_tests: bool) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            if (TESTS in path.relative_to(root).parts) == of_tests:
                yield path


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


# Definitions


def _defined_in(path: Path, root: Path) -> Iterator[Mark]:
    yield from _defined_by(_parsed(path).body, "", path, root)


def _defined_by(statements: list[ast.stmt], scope: Text, path: Path, root: Path) -> Iterator[Mark]:
    """The marks of a sequence of statements, and of the classes in it."""
    file = path.relative_to(root).as_posix()
    for statement, following in zip_longest(statements, statements[1:]):
        match statement:
            case (
                ast.FunctionDef(name=name, decorator_list=decorators)
                | ast.ClassDef(name=name, decorator_list=decorators)
            ):
                for call in (each for each in decorators if _is_defines(each)):
                    for row in _texts(call, {}, path):
                        yield Mark(row, f"{file}::{scope}{name}", statement.lineno)
                if isinstance(statement, ast.ClassDef):
                    yield from _defined_by(statement.body, f"{scope}{name}.", path, root)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                for row in _rows_in_docstring(following):
                    yield Mark(row, f"{file}::{scope}{name}", statement.lineno)


def _is_defines(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "defines"


def _rows_in_docstring(statement: ast.stmt | None) -> Iterator[Text]:
    """The rows that a docstring names, if the statement is one."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            for found in IN_DOCSTRING.finditer(text):
                yield from re.findall(r"`([^`]+)`", found.group(1))


def _texts(call: ast.expr, lists: Mapping[Text, ast.expr], path: Path) -> Iterator[Text]:
    """The arguments of a mark: texts, or lists of texts by name. Raises `MarkError` for anything else."""
    assert isinstance(call, ast.Call)
    if not call.args or call.keywords:
        raise MarkError(f"{path}:{call.lineno}: a mark takes the ids of rows, and nothing else")
    for argument in call.args:
        match argument:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Starred(value=ast.Name(id=name)) if name in lists:
                yield from _texts_of(lists[name], path)
            case _:
                raise MarkError(f"{path}:{argument.lineno}: the id of a row is not written as a text")


def _texts_of(written: ast.expr, path: Path) -> Iterator[Text]:
    """The texts of a list or tuple. Raises `MarkError` if it is none, or holds anything else."""
    try:
        texts = ast.literal_eval(written)
    except ValueError:
        texts = None
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise MarkError(f"{path}:{written.lineno}: a list of ids of rows is needed")
    yield from texts


def _constants(tree: ast.Module) -> Mapping[Text, ast.expr]:
    """What a file gives names to."""
    found = {}
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                found[name] = value
    return found


# Tests


def _tested_in(path: Path, root: Path) -> Iterator[Mark]:
    """The marks in a file with tests; each stands among the decorators of a test."""
    tree = _parsed(path)
    file = path.relative_to(root).as_posix()
    lists = _constants(tree)
    counted = 0
    for scope, function in _collected(tree, path):
        is_run = not any(_is_mark(each, *NOT_RUN) for each in function.decorator_list)
        for decorator in function.decorator_list:
            for call in (each for each in ast.walk(decorator) if _is_call_of_mark(each)):
                assert isinstance(call, ast.Call)
                counted += 1
                for row in _texts(call, lists, path):
                    if is_run:
                        yield Mark(row, f"{file}::{scope}{function.name}", function.lineno)
    if counted != sum(_is_call_of_mark(each) for each in ast.walk(tree)):
        raise MarkError(f"{path}: a checklist mark stands on nothing that pytest collects")


def _collected(tree: ast.Module, path: Path) -> Iterator[tuple[Text, ast.FunctionDef]]:
    """The test functions that pytest finds in a file, with the class around them."""
    if not path.name.startswith("test_"):
        return
    for statement in tree.body:
        match statement:
            case ast.FunctionDef(name=name) if name.startswith("test"):
                yield "", statement
            case ast.ClassDef(name=name, body=body) if name.startswith("Test"):
                for inner in body:
                    if isinstance(inner, ast.FunctionDef) and inner.name.startswith("test"):
                        yield f"{name}::", inner


def _is_call_of_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _is_mark(node, "checklist")


def _is_mark(node: ast.expr, *names: Text) -> bool:
    """The expression is `pytest.mark.NAME`, called or not."""
    match node:
        case ast.Call(func=function):
            return _is_mark(function, *names)
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="pytest"), attr="mark"), attr=name):
            return name in names
        case _:
            return False
