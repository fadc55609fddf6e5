"""
The ways in which a function is made wrong: small edits of its text, found in its syntax tree.

An edit keeps the number of lines, so that every line of the wrong text is a line of the right one.
"""

import ast
import re
from collections.abc import Callable, Iterator
from enum import Enum
from types import ModuleType
from typing import Final

from attrs import frozen

from spec.values.identifiers import Text
from spec.values.quantities import Count


@frozen
class Edit:
    """One change of a text."""

    operator: Text
    """The name of the way in which it is wrong."""
    start: Count
    """The first byte of the text that is replaced."""
    end: Count
    replacement: Text
    first_line: Count
    """The lines that show whether it is reached: those of the statement, or of what a branch asks."""
    last_line: Count


BOUNDARIES: Final = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
NEGATIONS: Final = {
    ast.Lt: ">=",
    ast.LtE: ">",
    ast.Gt: "<=",
    ast.GtE: "<",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
OTHER_ARITHMETIC: Final = {ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.FloorDiv: "*", ast.Mod: "//"}
OTHER_FUNCTIONS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}

TOKEN: Final = re.compile(rb"not\s+in|is\s+not|\bin\b|\bis\b|\band\b|\bor\b|//|\*\*|<=|>=|==|!=|[-+*%<>]")
"""An operator between two operands."""

OF_OBVIOUS_TYPE: Final = frozenset({"min", "max", "isinstance", "instance", "execution", "refused", "Refused", "cast"})
"""A call of these, or with them as arguments, whose first two arguments change places is the same, or fails at once."""

SILENT: Final = ("__repr__", "__str__", "__hash__", "__del__", "describe")
"""Functions whose results nobody judges."""


@frozen
class Source:
    """The text of a module, with the places of its syntax tree in bytes."""

    text: bytes
    module: ModuleType
    starts: tuple[Count, ...]
    """Where each line starts."""

    @staticmethod
    def of(text: bytes, module: ModuleType) -> "Source":
        """The text with its lines counted."""
        starts = [0]
        for line in text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return Source(text, module, tuple(starts))

    def start(self, node: ast.expr | ast.stmt | ast.keyword) -> Count:
        """The first byte of a node."""
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt | ast.keyword) -> Count:
        """The byte after a node."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.starts[node.end_lineno - 1] + node.end_col_offset

    def of_node(self, node: ast.expr | ast.stmt) -> Text:
        """The text of a node."""
        return self.text[self.start(node) : self.end(node)].decode()


Change = tuple[Text, Count, Count, Text]
"""The operator, the first byte, the byte after the last, and the replacement."""


def _whole(source: Source, operator: Text, node: ast.expr | ast.stmt, replacement: Text) -> Change:
    return operator, source.start(node), source.end(node), replacement


def _between(source: Source, operator: Text, left: ast.expr, right: ast.expr, token: Text) -> Iterator[Change]:
    """The operator between two operands is another one."""
    start, end = source.end(left), source.start(right)
    found = TOKEN.search(source.text, start, end)
    if found is not None:
        yield operator, found.start(), found.end(), token


def comparisons(source: Source, node: ast.expr) -> Iterator[Change]:
    """A boundary belongs to the other side; a comparison says the opposite."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        kind, right = type(node.ops[0]), node.comparators[0]
        if kind in BOUNDARIES:
            yield from _between(source, "boundary", node.left, right, BOUNDARIES[kind])
        if kind in NEGATIONS:
            yield from _between(source, "negated comparison", node.left, right, NEGATIONS[kind])


def arithmetic(source: Source, node: ast.expr) -> Iterator[Change]:
    """Another operation is done."""
    if isinstance(node, ast.BinOp) and type(node.op) in OTHER_ARITHMETIC:
        for each in (node.left, node.right):
            if isinstance(each, ast.JoinedStr | ast.Tuple | ast.List | ast.Constant) and not isinstance(
                getattr(each, "value", None), int
            ):
                return
        yield from _between(source, "other arithmetic", node.left, node.right, OTHER_ARITHMETIC[type(node.op)])


def connectives(source: Source, node: ast.expr) -> Iterator[Change]:
    """`and` is `or`, and the reverse; a `not` is missing."""
    if isinstance(node, ast.BoolOp):
        token = "or" if isinstance(node.op, ast.And) else "and"
        yield from _between(source, "other connective", node.values[0], node.values[1], token)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _whole(source, "missing not", node, f"({source.of_node(node.operand)})")


def constants(source: Source, node: ast.expr) -> Iterator[Change]:
    """A number is one more, a truth value the other one, a member of an enumeration the next one."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield _whole(source, "other truth value", node, str(not node.value))
        elif isinstance(node.value, int):
            yield _whole(source, "one more", node, f"({source.of_node(node)} + 1)")
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        kind = getattr(source.module, node.value.id, None)
        if isinstance(kind, type) and issubclass(kind, Enum) and node.attr in kind.__members__:
            names = list(kind.__members__)
            other = names[(names.index(node.attr) + 1) % len(names)]
            if other != node.attr:
                yield _whole(source, "other member", node, f"{node.value.id}.{other}")


def calls(source: Source, node: ast.expr) -> Iterator[Change]:
    """The first two arguments change places; `min` is `max`; a field is not given to `evolve`."""
    if not isinstance(node, ast.Call):
        return
    if isinstance(node.func, ast.Name) and node.func.id in OTHER_FUNCTIONS:
        yield _whole(source, "other function", node.func, OTHER_FUNCTIONS[node.func.id])
    if isinstance(node.func, ast.Name) and node.func.id == "evolve" and len(node.keywords) > 1:
        for keyword in node.keywords:
            end = source.end(keyword)
            comma = re.compile(rb"\s*,").match(source.text, end)
            yield "missing field", source.start(keyword), comma.end() if comma else end, ""
    elif len(node.args) > 1 and not any(isinstance(each, ast.Starred) for each in node.args[:2]):
        one, other = (source.of_node(each) for each in node.args[:2])
        gap = source.text[source.end(node.args[0]) : source.start(node.args[1])].decode()
        is_told = {source.of_node(node.func), one, other} & OF_OBVIOUS_TYPE
        is_alike = not any(isinstance(each, ast.Constant | ast.Lambda) for each in node.args[:2])
        if one != other and is_alike and not is_told and gap.startswith(","):
            yield "swapped arguments", source.start(node.args[0]), source.end(node.args[1]), f"{other}{gap}{one}"


def choices(source: Source, node: ast.expr) -> Iterator[Change]:
    """The two results of a conditional expression change places."""
    if isinstance(node, ast.IfExp):
        text = f"({source.of_node(node.orelse)}) if {source.of_node(node.test)} else ({source.of_node(node.body)})"
        yield _whole(source, "swapped branches", node, text)


IN_EXPRESSIONS: Final[tuple[Callable[[Source, ast.expr], Iterator[Change]], ...]] = (
    comparisons,
    arithmetic,
    connectives,
    constants,
    calls,
    choices,
)

DEFAULTS: Final = {
    "bool": "False",
    "int": "0",
    "bytes": 'b""',
    "Blob": 'b""',
    "Text": '""',
    "Cycles": "0",
    "Count": "0",
    "ByteCount": "0",
    "Instructions": "0",
    "Nanoseconds": "0",
}
"""What a function may give by default, by the name of its type."""


def _default(returned: ast.expr | None) -> Text | None:
    match returned:
        case ast.Name(id=name):
            return DEFAULTS.get(name)
        case ast.Subscript(value=ast.Name(id="list")):
            return "[]"
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[_, ast.Constant(value=ellipsis)])):
            return "()" if ellipsis is ... else None
        case ast.BinOp(op=ast.BitOr(), right=ast.Constant(value=None)):
            return "None"
        case _:
            return None


def of_statement(source: Source, node: ast.stmt, function: ast.FunctionDef) -> Iterator[Change]:
    """A statement is missing; a guard never holds; a branch is taken when it should not be; a result is the default."""
    match node:
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield _whole(source, "missing statement", node, "pass")
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield _whole(source, "missing statement", node, "pass")
        case ast.If(test=test, body=body, orelse=orelse):
            yield _whole(source, "negated condition", test, f"not ({source.of_node(test)})")
            if not orelse and isinstance(body[-1], ast.Return | ast.Raise | ast.Continue):
                yield _whole(source, "missing guard", test, "False")
        case ast.Return(value=ast.expr() as value):
            default = _default(function.returns)
            if default is not None and source.of_node(value) != default:
                yield _whole(source, "default result", value, default)
        case ast.For(iter=items):
            yield _whole(source, "first left out", items, f"list({source.of_node(items)})[1:]")
        case ast.Break():
            yield _whole(source, "other jump", node, "continue")
        case ast.Continue():
            yield _whole(source, "other jump", node, "break")


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions of a statement that are not in another statement, without texts and what types say."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.JoinedStr | ast.stmt) or not isinstance(each, ast.AST):
                continue
            if isinstance(each, ast.expr):
                yield each
            yield from _expressions(each)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for each in body:
        yield each
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(each, name, [])
            if isinstance(inner, list) and not isinstance(each, ast.FunctionDef | ast.ClassDef):
                yield from _statements(inner)
        for case in getattr(each, "cases", []):
            yield from _statements(case.body)


def _last_line_asked(node: ast.stmt) -> Count:
    """The last line that is run if the statement is reached."""
    match node:
        case ast.If(test=asked) | ast.While(test=asked) | ast.For(iter=asked) | ast.Match(subject=asked):
            return asked.end_lineno or node.lineno
        case ast.With(items=items):
            return items[-1].context_expr.end_lineno or node.lineno
        case ast.Try():
            return node.lineno
        case _:
            return node.end_lineno or node.lineno


def edits_of(source: Source, function: ast.FunctionDef) -> Iterator[Edit]:
    """Every edit of a function, in the order of its text."""
    if function.name in SILENT:
        return
    for statement in _statements(function.body):
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if is_text or isinstance(statement, ast.Assert | ast.FunctionDef | ast.ClassDef):
            continue
        changes = list(of_statement(source, statement, function))
        if not isinstance(statement, ast.Raise):
            for expression in _expressions(statement):
                for operator in IN_EXPRESSIONS:
                    changes += operator(source, expression)
        for operator_name, start, end, replacement in changes:
            lines = source.text.count(b"\n", start, end) - replacement.count("\n")
            padded = replacement + " \\\n" * lines if lines > 0 else replacement
            yield Edit(operator_name, start, end, padded, statement.lineno, _last_line_asked(statement))
