"""
Forms of Python that mean something else, or nothing certain, on values that a proof does not know.

A proof runs the text of the rules on unknown values. Some forms ask no value before they answer (`is`, `try`), some
ask for more than can be known (texts, classes of scalars), some depend on when they are looked at (a list that changes,
a captured name that gets another value). The prover refuses them; the lint says so first.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from typing import Final

DECORATORS: Final[frozenset[str]] = frozenset(
    {"transition", "defines", "opaque", "invariant", "step_invariant", "property", "staticmethod", "classmethod"}
)
"""What may stand before a function: marks that leave it as it is written."""

KNOWN_BY_VALUE: Final[frozenset[str]] = frozenset(
    {"int", "float", "bool", "str", "bytes", "bytearray", "tuple", "list", "dict", "set", "frozenset"}
    | {"Map", "List", "Queue"}
)
"""Classes of scalars and containers: a value that may have one of several is given a class of its own instead."""

CHANGING: Final[frozenset[str]] = frozenset({"list", "dict", "set", "bytearray", "defaultdict", "Counter", "deque"})
"""Classes whose instances may change."""

Place = tuple[ast.stmt | ast.expr | ast.pattern, str]
"""A node and what is wrong there."""


def forms_in(function: ast.FunctionDef) -> Iterator[Place]:
    """The forms of a function that a proof cannot follow."""
    name = function.name
    for decorator in function.decorator_list:
        if decorator_name(decorator) not in DECORATORS:
            yield decorator, f"{name} has the decorator `{ast.unparse(decorator)}`, which may change what it does"
    for node in ast.walk(function):
        match node:
            case ast.Compare(ops=operators) if any(isinstance(one, ast.Is | ast.IsNot) for one in operators):
                operands = (node.left, *node.comparators)
                if not any(isinstance(one, ast.Constant) and one.value is None for one in operands):
                    yield node, f"{name} compares with `is`; use =="
            case ast.MatchSingleton(value=bool()):
                yield node, f"{name} has a case of True or False, which is compared with `is`"
            case ast.MatchClass(cls=ast.Name(id=kind)) if kind in KNOWN_BY_VALUE:
                yield node, f"{name} has a case of the class {kind}"
            case ast.Call(func=ast.Name(id="isinstance"), args=[_, kinds]):
                asked = sorted({one.id for one in ast.walk(kinds) if isinstance(one, ast.Name)} & KNOWN_BY_VALUE)
                if asked:
                    yield node, f"{name} asks whether something is a {asked[0]}"
            case ast.Call(func=ast.Attribute(attr="format")) | ast.BinOp(left=ast.Constant(value=str()), op=ast.Mod()):
                yield node, f"{name} makes a text of a value"
            case ast.Attribute(attr=attribute) if attribute.startswith("__"):
                yield node, f"{name} uses {attribute}"
            case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
                yield node, f"{name} changes something in place"
            case ast.ClassDef() | ast.Import() | ast.ImportFrom():
                yield node, f"{name} contains a class or an import"
    yield from captured_names(function)


def captured_names(function: ast.FunctionDef) -> Iterator[Place]:
    """Names that a function inside uses while they get more than one value: nobody sees which it gets."""
    bound = Counter(
        node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    bound.update(argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg))
    several = {name for name, count in bound.items() if count > 1}
    for node in ast.walk(function):
        if isinstance(node, ast.Lambda):
            own = {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
            used = {one.id for one in ast.walk(node.body) if isinstance(one, ast.Name)} - own
            for name in sorted(used & several):
                yield node, f"{function.name}: a function inside uses {name}, which gets several values"


def conditions_in(function: ast.FunctionDef) -> Iterator[Place]:
    """Conditions of an opaque function: a proof does not see them."""
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Name(id="require" | "require_present" | "require_kind" | "unspecified" as called)):
                yield node, f"{function.name} is opaque and calls {called}()"


def changing_values(tree: ast.Module, registrars: frozenset[str]) -> Iterator[Place]:
    """Uses of values of a module that may change between two calls of its functions."""
    changing = {name for statement in tree.body for name in _changing_names(statement)}
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name not in registrars]
    for function in (*functions, *methods_in(tree)):
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and node.id in changing:
                yield node, f"{function.name} uses {node.id}, which may change; use Map, List, a tuple or a frozenset"


def _changing_names(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
            if "Mapping" not in ast.unparse(annotation) and _may_change(value):
                yield name
        case ast.Assign(targets=targets, value=value) if _may_change(value):
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _may_change(value: ast.expr) -> bool:
    match value:
        case ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=kind) | ast.Subscript(value=ast.Name(id=kind))):
            return kind in CHANGING
        case _:
            return False


def fields_that_change_values(tree: ast.Module) -> Iterator[Place]:
    """Fields of classes that do not keep what is put into them, and what a class does when an instance is made."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="field"), keywords=keywords):
                for keyword in keywords:
                    if keyword.arg in ("converter", "validator"):
                        yield node, f"a field has a {keyword.arg}, which unknown values do not know"
            case ast.FunctionDef(name="__attrs_post_init__" | "__eq__" | "__hash__" | "__bool__" | "__len__" as name):
                yield node, f"a class defines {name}, which unknown values do not know"


def methods_in(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions of the classes of a module, but those that make an instance."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            members = (member for member in node.body if isinstance(member, ast.FunctionDef))
            yield from (member for member in members if member.name != "__init__")


def decorator_name(decorator: ast.expr) -> str:
    """The name of a decorator, without its arguments."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return target.id if isinstance(target, ast.Name) else ""
