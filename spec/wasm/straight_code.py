"""
Straight code: steps behind each of which control goes on, put together as one Python function.

The function is made of the text of the steps. Operands that are only moved never reach the stack, and an instruction on
numbers whose definition is one expression stands there as that expression, taken from the definition's own text; all
other definitions are called by name. What can trap, and what reads or changes more than operands and locals, stays in
its place.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from operator import and_, or_, xor
from typing import Any, Final

from attrs import define, field, frozen

from spec.wasm.numerics import SCALAR_BINARY, SCALAR_UNARY
from spec.wasm.traps import OutOfInstructions

StraightCode = Callable[[Any, list[int], list[int]], Any]
"""
What straight code does to the instance, the stack of operands and the locals. It gives the operand on top where the
piece ends with what takes it.
"""

CONSTANT, LOCAL_GET, LOCAL_SET, LOCAL_TEE, GLOBAL_GET, GLOBAL_SET = range(6)
"""Steps with one operand: bits, or an index."""
UNARY_STEP, BINARY_STEP = 6, 7
"""Function of the operands."""
LOAD_STEP, STORE_STEP = 8, 9
"""Function of memory, address and, of a store, value; offset."""
DROP, SELECT = 10, 11
ON_STORE_STEP: Final = 12
"""Function of store, stack and instruction; the instruction."""
CHARGE, CHECKED_CHARGE = 13, 14
"""Segment whose charge is not followed by a check, or is: its cost."""
DYNAMIC_CHARGE: Final = 15
"""Charges as much as the operand on top of the stack says."""
KEEP: Final = 16
"""Shape: how many operands are looked at, and how many of these stay, from the top."""

Step = tuple[int, Any, Any]
"""A kind with two operands."""

_MOST_TEXTS: Final = 10_000
"""How many texts are kept with what they mean: pieces of modules are often alike."""
_LONGEST: Final = 150
"""A longer expression gets a name, so that expressions do not nest too deep for Python."""


@frozen
class Definition:
    """The definition of an instruction on numbers that is one expression."""

    parameters: tuple[str, ...]
    text: str
    """With braces around the names of parameters."""

    def uses(self, parameter: str) -> int:
        """How often a parameter is named."""
        return self.text.count("{" + parameter + "}")


_SCALAR: Final = frozenset((*SCALAR_UNARY.values(), *SCALAR_BINARY.values()))
"""The definitions into which somebody looks; those on vectors are called by name."""

_OPERATORS: Final = {and_: "{left} & {right}", or_: "{left} | {right}", xor: "{left} ^ {right}"}


@define
class _Names(ast.NodeTransformer):
    """Puts numbers in the place of names that stand for numbers; notes all names that are left."""

    known: dict[str, Any]
    parameters: tuple[str, ...]
    others: set[str] = field(factory=set)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A parameter, a number, or another name."""
        if node.id in self.parameters:
            return ast.Set([node])
        value = self.known.get(node.id)
        if isinstance(value, int):
            return ast.Constant(value)
        self.others.add(node.id)
        return node


@cache
def definition(function: Callable[..., int]) -> Definition | None:
    """The definition of an instruction, if it is one expression of operands and numbers."""
    if function in _OPERATORS:
        return Definition(("left", "right"), _OPERATORS[function])
    try:
        [defined] = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, TypeError, SyntaxError):
        return None
    returned = _only_result(defined)
    if returned is None:
        return None
    names = _Names(dict(inspect.getclosurevars(function).nonlocals), tuple(inspect.signature(function).parameters))
    text = ast.unparse(names.visit(returned))
    return None if names.others else Definition(names.parameters, text)


def _only_result(defined: ast.stmt) -> ast.expr | None:
    """The result of a function that does nothing but give it; it may have a docstring."""
    if not isinstance(defined, ast.FunctionDef):
        return None
    body = defined.body[1:] if ast.get_docstring(defined) is not None else defined.body
    return body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None


@define
class Composer:
    """Writes the text of one piece of straight code."""

    lines: list[str] = field(factory=list)
    operands: list[str] = field(factory=list)
    """
    What is on the stack above what the real one holds: expressions that change nothing and cannot trap.
    """
    objects: dict[str, Any] = field(factory=lambda: {"OutOfInstructions": OutOfInstructions, "keep": keep})
    """What is called by name."""
    names: int = 0

    # Operands

    def pop(self) -> str:
        """The operand on top."""
        return self.operands.pop() if self.operands else self.named("stack.pop()")

    def push(self, text: str) -> None:
        """A new operand."""
        self.operands.append(text if len(text) < _LONGEST else self.named(text))

    def named(self, text: str) -> str:
        """A name for the value that an expression has now."""
        self.names += 1
        self.lines.append(f"t{self.names} = {text}")
        return f"t{self.names}"

    def simple(self, text: str) -> str:
        """The same, for an expression that is to be used twice."""
        is_read = text.startswith("local[") and text.endswith("]")
        return text if text.isalnum() or is_read else self.named(text)

    def settle(self) -> None:
        """Puts all operands on the real stack."""
        self.lines += (f"stack.append({text})" for text in self.operands)
        self.operands.clear()

    def object(self, value: object) -> str:
        """A name for something that is called or handed over."""
        name = f"o{len(self.objects)}"
        self.objects[name] = value
        return name

    # Steps

    def step(self, kind: int, first: Any, second: Any) -> None:
        """Adds one step."""
        if kind == CONSTANT:
            self.push(f"({first})")
        elif kind == LOCAL_GET:
            self.push(f"local[{first}]")
        elif kind in (LOCAL_SET, LOCAL_TEE):
            self.set_local(first, is_kept=kind == LOCAL_TEE)
        elif kind == UNARY_STEP:
            self.apply(first, self.pop())
        elif kind == BINARY_STEP:
            right = self.pop()
            self.apply(first, self.pop(), right)
        elif kind == LOAD_STEP:
            self.push(self.named(f"{self.object(first)}(instance.memory, {self.pop()} + {second})"))
        elif kind == STORE_STEP:
            value = self.pop()
            self.lines.append(f"{self.object(first)}(instance.memory, {self.pop()} + {second}, {value})")
        elif kind == CHARGE:
            # `metering.after_segment`; from a counter that was checked it never comes near wrapping.
            self.lines.append(f"instance.counter -= {first}")
        elif kind == CHECKED_CHARGE:
            self.lines.append(f"instance.counter -= {first}")
            self.lines.append("if instance.counter < 0: raise OutOfInstructions")
        else:
            self.rare_step(kind, first, second)

    def rare_step(self, kind: int, first: Any, second: Any) -> None:
        """The other steps."""
        if kind == GLOBAL_GET:
            self.push(self.named(f"instance.globals[{first}]"))
        elif kind == GLOBAL_SET:
            self.lines.append(f"instance.globals[{first}] = {self.pop()}")
        elif kind == DROP:
            self.pop()
        elif kind == SELECT:
            condition, otherwise = self.pop(), self.pop()
            self.push(f"({self.pop()} if {condition} else {otherwise})")
        elif kind == DYNAMIC_CHARGE:
            amount = self.simple(self.pop())
            self.lines.append(f"instance.charge_dynamically({amount})")
            self.push(amount)
        elif kind == KEEP:
            self.settle()
            self.lines.append(f"keep(stack, {first})")
        else:
            assert kind == ON_STORE_STEP
            self.settle()
            self.lines.append(f"{self.object(first)}(instance, stack, {self.object(second)})")

    def set_local(self, index: int, is_kept: bool) -> None:
        """Operands that read the local get names first, as they mean its value before."""
        value, read = self.pop(), f"local[{index}]"
        self.operands = [self.named(text) if read in text else text for text in self.operands]
        self.lines.append(f"{read} = {value}")
        if is_kept:
            self.push(read)

    def apply(self, function: Callable[..., int], *operands: str) -> None:
        """The result of an instruction on numbers."""
        known = definition(function) if function in _SCALAR else None
        if known is None:
            self.push(self.named(f"{self.object(function)}({', '.join(operands)})"))
            return
        text = known.text
        for parameter, operand in zip(known.parameters, operands, strict=True):
            written = operand if known.uses(parameter) == 1 else self.simple(operand)
            text = text.replace("{" + parameter + "}", written)
        self.push(f"({text})")

    def composed(self, gives_operand: bool) -> StraightCode:
        """The function."""
        given = [f"return {self.pop()}"] if gives_operand else []
        self.settle()
        body = "\n ".join([*self.lines, *given] or ["pass"])
        exec(_compiled(f"def straight(instance, stack, local):\n {body}\n"), self.objects)
        composed: StraightCode = self.objects["straight"]
        return composed


@lru_cache(_MOST_TEXTS)
def _compiled(text: str) -> Any:
    return compile(text, "<straight code>", "exec")


def compose(steps: Sequence[Step], gives_operand: bool) -> StraightCode:
    """One function that does what the steps do."""
    composer = Composer()
    for kind, first, second in steps:
        composer.step(kind, first, second)
    return composer.composed(gives_operand)


def keep(stack: list[int], shape: tuple[int, int]) -> None:
    """Drops what a branch or return leaves behind: of so many operands, all but so many from the top."""
    looked_at, kept = shape
    del stack[len(stack) - looked_at : len(stack) - kept]
