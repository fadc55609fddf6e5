"""
Says in words what the statements of a rule state and do.

A function that states conditions, or that makes the step, is followed: its statements appear below the line that calls
it, with the arguments in place of the parameters.
"""

import ast
import copy
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import evolve, field, frozen

from docs.render.functions import Function, called, narrows, states_conditions
from docs.render.outline import Line, code, sentence

DEEPEST: Final[int] = 6
"""How far calls are followed."""

STEP_PARTS: Final[dict[str, str]] = {"burned": "cycles burned", "minted": "cycles minted", "outputs": "shown"}
"""The parts of a step besides the state, in words."""

Arguments = dict[str, ast.expr]


class _Substitution(ast.NodeTransformer):
    def __init__(self, arguments: Arguments) -> None:
        self.arguments = arguments

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self.arguments.get(node.id, node)) if isinstance(node.ctx, ast.Load) else node


@frozen
class Scope:
    """Where statements stand: in which function, with which arguments for its parameters."""

    function: Function
    arguments: Arguments
    tells_rejects: bool
    """How a call fails for a condition is told too."""
    tells_results: bool = False
    """Values that a function gives are told too, because it chooses between several."""
    depth: int = 0
    shown: set[str] = field(factory=set)
    """The calls whose conditions the page shows already."""

    def text(self, node: ast.AST) -> str:
        """An expression in code, with arguments in place of parameters."""
        return code(ast.unparse(self.put(node)))

    def put(self, node: ast.AST) -> ast.AST:
        """The node with arguments in place of parameters."""
        return _Substitution(self.arguments).visit(copy.deepcopy(node)) if self.arguments else node

    def inside(self, target: Function, call: ast.Call) -> "Scope":
        """The scope of a function that is called here."""
        given: Arguments = dict(target.defaults)
        given |= dict(zip(target.parameters, call.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
        put = {name: self.put(value) for name, value in given.items()}
        changed = {
            name: value for name, value in put.items() if isinstance(value, ast.expr) and not _is_name(value, name)
        }
        return evolve(self, function=target, arguments=changed, depth=self.depth + 1, tells_results=False)


def _is_name(value: ast.expr, name: str) -> bool:
    return isinstance(value, ast.Name) and value.id == name


def block(statements: list[ast.stmt], scope: Scope, before: str = "") -> list[Line]:
    """What statements state and do, in order. What follows a case that ends is said to hold otherwise."""
    lines: list[Line] = []
    for index, statement in enumerate(statements):
        rest = statements[index + 1 :]
        if isinstance(statement, ast.If) and not statement.orelse and _ends(statement.body) and rest:
            lines.append(Line(f"{before}if {scope.text(statement.test)}:", block(statement.body, scope)))
            return [*lines, *block(rest, scope, "otherwise, ")]
        if before:
            return [Line("otherwise:", block(statements, scope))]
        lines.extend(lines_of(statement, scope))
    return lines


def _ends(statements: list[ast.stmt]) -> bool:
    return bool(statements) and isinstance(statements[-1], ast.Return)


def lines_of(statement: ast.stmt, scope: Scope) -> Iterator[Line]:
    """What one statement states or does."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="require"))):
            yield condition(statement.value, scope)
        case ast.Expr(value=ast.Call(func=ast.Name(id="unspecified"), args=[because])):
            yield Line(f"the specification is silent: {_words(because)}")
        case ast.Expr(value=ast.Call() as call):
            yield followed(call, scope, "")
        case ast.Assign(targets=[target], value=ast.Call() as call) if narrows(call):
            yield assignment(scope.text(target), call.args[0], scope)
            yield condition(stated(call, of=target), scope)
        case ast.Assign(targets=[target], value=value):
            yield assignment(scope.text(target), value, scope)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield assignment(scope.text(target), value, scope)
        case ast.If(test=test, body=body, orelse=otherwise):
            yield Line(f"if {scope.text(test)}:", block(body, scope))
            if otherwise:
                yield Line("otherwise:", block(otherwise, scope))
        case ast.Match(subject=subject, cases=cases):
            yield Line(f"by {scope.text(subject)}:", [_case(one, scope) for one in cases])
        case ast.Return(value=ast.expr() as value):
            yield from result(value, scope)
        case ast.Assert() | ast.Pass() | ast.Return():
            return
        case _:
            yield Line(scope.text(statement))


def _words(text: ast.expr) -> str:
    return str(text.value) if isinstance(text, ast.Constant) else f"`{ast.unparse(text)}`"


def _case(one: ast.match_case, scope: Scope) -> Line:
    guard = "" if one.guard is None else f" if {scope.text(one.guard)}"
    return Line(f"{code(ast.unparse(one.pattern))}{guard}:", block(one.body, scope))


def condition(call: ast.expr, scope: Scope) -> Line:
    """A condition in words, its formula, and how a call fails for it."""
    assert isinstance(call, ast.Call)
    holds, words, *rest = call.args
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    reason = rest[0] if rest else named.get("otherwise")
    reject_code = rest[1] if len(rest) > 1 else named.get("code")
    text = f"{_words(words)}: {scope.text(holds)}"
    if reason is None or not scope.tells_rejects:
        return Line(text, stated_inside(holds, scope))
    told = scope.text(reason) if reject_code is None else f"{scope.text(reject_code)}, {scope.text(reason)}"
    return Line(f"{text} (else the call is rejected: {told})", stated_inside(holds, scope))


def stated_inside(value: ast.expr, scope: Scope, before: str = "where ") -> Iterator[Line]:
    """The conditions that are stated by the calls inside an expression."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call):
            target = called(node, scope.function)
            if narrows(node):
                yield condition(stated(node, of=node.args[0]), scope)
            elif target is not None and states_conditions(target):
                yield followed(node, scope, before)


def stated(call: ast.Call, of: ast.expr) -> ast.Call:
    """The condition that a narrowing call states of a value, as a call of `require`."""
    assert isinstance(call.func, ast.Name)
    if call.func.id == "require_present":
        holds: ast.expr = ast.Compare(of, [ast.IsNot()], [ast.Constant(None)])
        return ast.Call(ast.Name("require", ast.Load()), [holds, *call.args[1:]], call.keywords)
    holds = ast.Call(ast.Name("isinstance", ast.Load()), [of, call.args[1]], [])
    return ast.Call(ast.Name("require", ast.Load()), [holds, *call.args[2:]], call.keywords)


def assignment(target: str, value: ast.expr, scope: Scope) -> Line:
    """A value gets a name. A function that states conditions is followed."""
    if isinstance(value, ast.Call):
        function = called(value, scope.function)
        if function is not None and states_conditions(function):
            return followed(value, scope, f"let {target} be ")
        if _makes(value, scope, "Step") or _makes(value, scope, "State"):
            return Line(f"let {target} be as follows", _into(value, scope))
    return Line(f"let {target} = {scope.text(value)}", stated_inside(value, scope))


def followed(call: ast.Call, scope: Scope, before: str) -> Line:
    """A call to a function that states conditions, with these below."""
    function = called(call, scope.function)
    text = f"{before}{scope.text(call)}"
    if function is None or function.is_opaque or scope.depth >= DEEPEST:
        return Line(text)
    told = sentence(ast.get_docstring(function.tree))
    text = f"{text}: {told}" if told else text
    if scope.text(call) in scope.shown:
        return Line(text)
    scope.shown.add(scope.text(call))
    return Line(text, conditions_of(function, scope.inside(function, call)))


def conditions_of(function: Function, scope: Scope) -> list[Line]:
    """The conditions that a function states. A single result is told by the docstring, of several each is told."""
    if function.chooses:
        return block(function.statements, evolve(scope, tells_results=True))
    kept = [one for one in function.statements if not isinstance(one, ast.Return) or _states(one, scope)]
    return block(kept, scope)


def _states(statement: ast.Return, scope: Scope) -> bool:
    """Making the result states a condition too."""
    return any(
        narrows(node) or ((target := called(node, scope.function)) is not None and states_conditions(target))
        for node in ast.walk(statement)
        if isinstance(node, ast.Call)
    )


def result(value: ast.expr, scope: Scope) -> Iterator[Line]:
    """What a function gives: a step, a state, or another value."""
    match value:
        case ast.Call(func=ast.Name(id="Step"), args=arguments, keywords=keywords):
            for state in [*arguments, *(keyword.value for keyword in keywords if keyword.arg == "state")]:
                yield from changes(state, scope)
            yield from step_parts(keywords, scope)
        case ast.Call(func=ast.Name(id="evolve"), args=[base], keywords=keywords) if _is_step(scope):
            yield from result(base, scope) if isinstance(base, ast.Call) else [Line(f"as {scope.text(base)}, but:")]
            for keyword in keywords:
                yield from changes(keyword.value, scope) if keyword.arg == "state" else step_parts([keyword], scope)
        case ast.Call() if _makes(value, scope, "Step"):
            yield from _into(value, scope)
        case _:
            yield from changes(value, scope) if _is_state(scope) else _other_result(value, scope)


def _other_result(value: ast.expr, scope: Scope) -> Iterator[Line]:
    if scope.tells_results:
        yield Line(f"gives {scope.text(value)}")
    yield from stated_inside(value, scope, "where " if scope.tells_results else "")


def _is_step(scope: Scope) -> bool:
    return scope.function.returns == "Step"


def _is_state(scope: Scope) -> bool:
    return scope.function.returns == "State"


def _makes(value: ast.expr, scope: Scope, what: str) -> bool:
    if not isinstance(value, ast.Call) or scope.depth >= DEEPEST:
        return False
    function = called(value, scope.function)
    return function is not None and function.returns == what and not function.is_opaque


def _into(call: ast.expr, scope: Scope) -> Iterator[Line]:
    """The statements of a function that makes a step or a state."""
    assert isinstance(call, ast.Call)
    function = called(call, scope.function)
    assert function is not None
    inside = scope.inside(function, call)
    told = sentence(ast.get_docstring(function.tree))
    yield Line(f"{scope.text(call.func)}: {told}", block(function.statements, inside))


def step_parts(keywords: Iterable[ast.keyword], scope: Scope) -> Iterator[Line]:
    """The parts of a step besides the state."""
    for keyword in keywords:
        if keyword.arg in STEP_PARTS:
            items = keyword.value.elts if isinstance(keyword.value, ast.Tuple) else [keyword.value]
            yield Line(f"{STEP_PARTS[keyword.arg]}: {', '.join(scope.text(item) for item in items)}")


def changes(state: ast.expr, scope: Scope) -> Iterator[Line]:
    """How a state differs from the one before, field by field."""
    match state:
        case ast.Name(id="state"):
            yield Line("the state stays as it is")
        case ast.Call(func=ast.Name(id="evolve"), args=[base], keywords=keywords):
            if not _is_name(base, "state") and not isinstance(base, ast.Attribute):
                yield from changes(base, scope)
            for keyword in keywords:
                yield from field_change(str(keyword.arg), keyword.value, scope)
        case ast.Call() if _makes(state, scope, "State"):
            yield from _into(state, scope)
        case _:
            yield Line(f"as {scope.text(state)}")


def field_change(field: str, value: ast.expr, scope: Scope) -> Iterator[Line]:
    """How one field changes: by a chain of operations on a container, or to a new value."""
    operations: list[tuple[str, list[ast.expr]]] = []
    base = value
    while isinstance(base, ast.Call) and isinstance(base.func, ast.Attribute) and base.func.attr in OPERATIONS:
        operations.insert(0, (base.func.attr, base.args))
        base = base.func.value
    if not operations:
        yield valued(f"{code(field)} becomes ", value, scope)
        return
    if not (isinstance(base, ast.Attribute) and base.attr == field):
        yield Line(f"{code(field)} starts as {scope.text(base)}")
    for name, arguments in operations:
        yield from operation(field, name, arguments, scope)


OPERATIONS: Final[frozenset[str]] = frozenset(
    {"append", "extend", "prepend", "remove", "replace", "set", "change_where"}
)
"""The operations on containers that make a change."""


def operation(field: str, name: str, arguments: list[ast.expr], scope: Scope) -> Iterator[Line]:
    """One change of a container."""
    field = code(field)
    match name, arguments:
        case "set", [key, value]:
            yield valued(f"{field} at {scope.text(key)} becomes ", value, scope)
        case "replace", [key, value]:
            yield valued(f"{field}: in place of {scope.text(key)} comes ", value, scope)
        case "remove", [key]:
            yield Line(f"{field}: {scope.text(key)} is removed")
        case "extend", [value]:
            yield valued(f"{field}: at the end come all of ", value, scope)
        case "prepend", [value]:
            yield valued(f"{field}: in front comes ", value, scope)
        case "change_where", [selected, change]:
            yield Line(f"{field}: every one with {scope.text(selected)} is changed by {scope.text(change)}")
        case _:
            for value in arguments:
                yield valued(f"{field}: at the end comes ", value, scope)


def valued(before: str, value: ast.expr, scope: Scope) -> Line:
    """A value after some words; a record is told field by field."""
    match value:
        case ast.Call(func=ast.Name(id="evolve"), args=[base], keywords=keywords):
            below = [valued(f"{code(str(keyword.arg))}: ", keyword.value, scope) for keyword in keywords]
            return Line(f"{before}{scope.text(base)} with", below)
        case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords) if name[0].isupper() and len(keywords) > 1:
            below = [valued(f"{code(str(keyword.arg))}: ", keyword.value, scope) for keyword in keywords]
            return Line(f"{before}a {code(name)} with", below)
        case _:
            return Line(f"{before}{scope.text(value)}")
