"""
Flat code: a body as a list of pieces in which branches know where they go.

A piece is straight code and how control goes on behind it. Segments are charged by steps of their own. Validation has
fixed how many operands lie on the stack at every place, so a branch also knows how many values it drops and keeps. Code
that control cannot reach is left out.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from attrs import define, field

from spec.wasm.instructions_memory import LOAD, STORE
from spec.wasm.instructions_store import ON_STORE
from spec.wasm.instructions_vector_memory import LOAD_LANE, STORE_LANE, VECTOR_LOAD, VECTOR_STORE
from spec.wasm.metering import CHARGED_BY_SIZE, Segment, charged_segments
from spec.wasm.numerics import BINARY, UNARY
from spec.wasm.numerics_vector import EXTRACT_LANE, REPLACE_LANE, shuffle
from spec.wasm.straight_code import (
    BINARY_STEP,
    CHARGE,
    CHECKED_CHARGE,
    CONSTANT,
    DROP,
    DYNAMIC_CHARGE,
    GLOBAL_GET,
    GLOBAL_SET,
    KEEP,
    LOAD_STEP,
    LOCAL_GET,
    LOCAL_SET,
    LOCAL_TEE,
    ON_STORE_STEP,
    SELECT,
    STORE_STEP,
    UNARY_STEP,
    Step,
    StraightCode,
    compose,
)
from spec.wasm.syntax import NULL, Function, FunctionType, Immediates, Instruction, Module

LOADS: Final = LOAD | VECTOR_LOAD
STORES: Final = STORE | VECTOR_STORE

NAMING_LANES: Final = (Immediates.LANE, Immediates.SIXTEEN_LANES, Immediates.MEMORY_ARGUMENT_AND_LANE)

# How control goes on behind a piece, with two operands. All kinds are above those of steps in `straight_code`; those
# that are taken most often come first. Where a condition or an index is asked for, the straight code gives it.
BRANCH_UNLESS: Final = 20
"""Number of a piece. Asks for a condition."""
BRANCH: Final = 21
"""Number of a piece."""
BRANCH_IF: Final = 22
"""Number of a piece; shape. Asks for a condition."""
CALL: Final = 23
"""Index of a function."""
RETURN: Final = 24
GO_ON: Final = 25
"""To the next piece."""
BRANCH_TABLE: Final = 26
"""Pairs of the number of a piece and a shape, the default last. Asks for an index."""
CALL_INDIRECT: Final = 27
"""Type; index of a table."""
RETURN_CALL: Final = 28
"""Index of a function. A piece that returns follows, for the case that the host has answered."""
RETURN_CALL_INDIRECT: Final = 29
"""Type and index of a table; shape. The same follows."""

ASKING: Final = frozenset({BRANCH_UNLESS, BRANCH_IF, BRANCH_TABLE})
"""Those that take an operand of which the straight code tells them."""
TAIL_CALLS: Final = frozenset({RETURN_CALL, RETURN_CALL_INDIRECT})
CALLS: Final = TAIL_CALLS | {CALL, CALL_INDIRECT}

Shape = tuple[int, int] | None
"""
What a branch does to the stack: how many values it looks at, and how many of these, from the top, it keeps. None if it
drops nothing.
"""

LONGEST_PIECE: Final = 200
"""In steps: what is longer is cut, so that what is put together stays small."""


@define
class FlatCode:
    """A function ready to be executed."""

    pieces: list[tuple[StraightCode | None, int, Any, Any]]
    """The straight code of each piece, None as long as it was never taken, and how control goes on behind it."""
    steps: list[Sequence[Step]]
    """What the straight code of each piece does."""
    parameters: int
    """The number of parameters."""
    other_locals: tuple[int, ...]
    """The values with which the other locals start: zero or null."""

    def take_locals(self, stack: list[int]) -> list[int]:
        """The locals of a call, whose arguments are taken from the stack."""
        number = len(stack) - self.parameters
        taken = [*stack[number:], *self.other_locals]
        del stack[number:]
        return taken

    def composed(self, place: int) -> StraightCode:
        """The straight code of a piece, which is taken now for the first time."""
        _, kind, first, second = self.pieces[place]
        straight = compose(self.steps[place], kind in ASKING)
        self.pieces[place] = straight, kind, first, second
        return straight


@define
class Block:
    """An open block, while its code is made."""

    opcode: str
    type: FunctionType
    height: int
    """Operands on the stack below the block's own."""
    is_reachable: bool
    """Control can reach the block at all."""
    label: int
    """The number of the label that branches to the block go to."""
    otherwise: int = -1
    """For `if`: the number of the label of the other part."""

    @property
    def arity(self) -> int:
        """How many values a branch to the block takes."""
        return len(self.type.parameters if self.opcode == "loop" else self.type.results)


@define
class FlatCodeMaker:
    """Makes the flat code of one function."""

    module: Module
    function: Function
    steps: list[Step] = field(factory=list)
    addresses: list[int] = field(factory=list)
    """The place in the code of each label, by its number; -1 while it is not known."""
    blocks: list[Block] = field(factory=list)
    height: int = 0
    """Operands on the stack."""
    is_reachable: bool = True

    def make(self) -> FlatCode:
        """The flat code."""
        signature = self.module.types[self.function.type_index]
        charged = charged_segments(self.function.body, self.module.has_64_bit_memory)
        self.open("function", FunctionType((), signature.results))
        for position, instruction in enumerate(self.function.body):
            if self.is_reachable:
                self.charges(instruction, charged.get(position))
            self.instruction(instruction)
        initial = [
            NULL if entry.is_reference else 0 for count, entry in self.function.local_groups for _ in range(count)
        ]
        return self.flat(len(signature.parameters), tuple(initial))

    def charges(self, instruction: Instruction, segment: Segment | None) -> None:
        """The charges due before an instruction: its own dynamic one first (D5), then that of the segment it starts."""
        if instruction.opcode in CHARGED_BY_SIZE:
            self.step(DYNAMIC_CHARGE)
        if segment is not None:
            self.step(CHECKED_CHARGE if segment.is_re_entrant else CHARGE, segment.cost)

    def step(self, kind: int, first: object = None, second: object = None) -> None:
        """Adds a step."""
        self.steps.append((kind, first, second))

    # Labels and blocks

    def new_label(self) -> int:
        """A label whose place is not known yet."""
        self.addresses.append(-1)
        return len(self.addresses) - 1

    def place(self, label: int) -> None:
        """The label stands before the next step."""
        self.addresses[label] = len(self.steps)

    def open(self, opcode: str, block_type: FunctionType) -> Block:
        """Opens a block whose parameters are on the stack."""
        below = self.height - len(block_type.parameters)
        block = Block(opcode, block_type, below, self.is_reachable, self.new_label())
        self.blocks.append(block)
        return block

    def flat(self, parameters: int, other_locals: tuple[int, ...]) -> FlatCode:
        """The steps in pieces, with numbers of pieces instead of labels."""
        starts, numbers = self.cut()
        pieces: list[tuple[StraightCode | None, int, Any, Any]] = []
        straight: list[Sequence[Step]] = []
        for start, end in pairwise([*starts, len(self.steps)]):
            *before, (kind, first, second) = self.steps[start:end]
            if kind < BRANCH_UNLESS:
                before.append((kind, first, second))
                kind, first, second = GO_ON, None, None
            elif kind in (BRANCH, BRANCH_IF, BRANCH_UNLESS):
                first = numbers[self.addresses[first]]
            elif kind == BRANCH_TABLE:
                first = tuple((numbers[self.addresses[label]], shape) for label, shape in first)
            pieces.append((None, kind, first, second))
            straight.append(before)
        return FlatCode(pieces, straight, parameters, other_locals)

    def cut(self) -> tuple[list[int], dict[int, int]]:
        """
        Where pieces begin: where branches lead to, and behind steps that do not simply go on. The number of each by its
        start.
        """
        starts = {0, *(self.addresses[label] for label in self.labels())}
        length = 0
        for place, (kind, _, _) in enumerate(self.steps):
            length = 0 if place in starts else length + 1
            if kind >= BRANCH_UNLESS or length == LONGEST_PIECE:
                starts.add(place + 1)
        starts.discard(len(self.steps))
        ordered = sorted(starts)
        return ordered, {start: number for number, start in enumerate(ordered)}

    def labels(self) -> Iterator[int]:
        """The numbers of the labels to which something branches."""
        for kind, first, _ in self.steps:
            if kind in (BRANCH, BRANCH_IF, BRANCH_UNLESS):
                yield first
            elif kind == BRANCH_TABLE:
                yield from (label for label, _ in first)

    def shape(self, kept: int, height: int) -> Shape:
        """What happens to the stack when values are kept and the rest above a height is dropped."""
        return None if self.height == height + kept else (self.height - height, kept)

    def target(self, index: int) -> tuple[int, Shape]:
        """The label of a block, and what a branch to it does to the stack."""
        block = self.blocks[-1 - index]
        return block.label, self.shape(block.arity, block.height)

    # Instructions

    def instruction(self, instruction: Instruction) -> None:
        """Adds the steps of one instruction."""
        name = instruction.name
        if name in ("block", "loop", "if"):
            self.block(instruction)
        elif name == "else":
            self.else_()
        elif name == "end":
            self.end()
        elif not self.is_reachable:
            return
        elif name in BINARY:
            self.step(BINARY_STEP, BINARY[name])
            self.height -= 1
        elif name in UNARY:
            self.step(UNARY_STEP, UNARY[name])
        elif name in LOADS:
            self.step(LOAD_STEP, LOADS[name], instruction.offset)
        elif name in STORES:
            self.step(STORE_STEP, STORES[name], instruction.offset)
            self.height -= 2
        elif instruction.opcode.immediates in NAMING_LANES and name not in ON_STORE:
            self.lanes(instruction)
        elif name in ON_STORE:
            self.on_store(instruction)
        else:
            self.variable_or_jump(instruction)

    def block(self, instruction: Instruction) -> None:
        """`block`, `loop` and `if`. The label of a loop stands inside it, behind the instruction."""
        if instruction.name == "if" and self.is_reachable:
            self.height -= 1
        block = self.open(instruction.name, self.module.block_type(instruction.block_type))
        if instruction.name == "loop":
            self.place(block.label)
        elif instruction.name == "if":
            block.otherwise = self.new_label()
            if self.is_reachable:
                self.step(BRANCH_UNLESS, block.otherwise)

    def else_(self) -> None:
        """`else`: the first part goes behind the end; the other part begins with the parameters."""
        block = self.blocks[-1]
        if self.is_reachable:
            self.step(BRANCH, block.label)
        self.place(block.otherwise)
        block.otherwise = -1
        self.is_reachable = block.is_reachable
        self.height = block.height + len(block.type.parameters)

    def end(self) -> None:
        """
        `end`: labels of the block stand behind it, except that of a loop. An `if` without `else` also goes on here.
        """
        block = self.blocks.pop()
        if block.otherwise != -1:
            self.place(block.otherwise)
        if block.opcode != "loop":
            self.place(block.label)
        self.height = block.height + len(block.type.results)
        self.is_reachable = block.is_reachable
        if not self.blocks:
            self.step(RETURN)

    def on_store(self, instruction: Instruction) -> None:
        """Instructions on the stack, memory, tables and segments."""
        effect = {
            "memory.size": 1,
            "table.size": 1,
            "table.grow": -1,
            "table.set": -2,
            "v128.bitselect": -2,
            **dict.fromkeys(LOAD_LANE, -1),
            **dict.fromkeys(
                ("memory.fill", "memory.copy", "memory.init", "table.fill", "table.copy", "table.init"), -3
            ),
        }
        self.step(ON_STORE_STEP, ON_STORE[instruction.name], instruction)
        self.height += effect.get(instruction.name, 0)
        self.is_reachable = instruction.name != "unreachable"

    def lanes(self, instruction: Instruction) -> None:
        """Instructions that name lanes; the function on operands is made from the indices."""
        name, index = instruction.name, instruction.index
        if name in EXTRACT_LANE:
            self.step(UNARY_STEP, EXTRACT_LANE[name](index))
        elif name in STORE_LANE:
            self.step(STORE_STEP, STORE_LANE[name](index), instruction.offset)
            self.height -= 2
        else:
            function = REPLACE_LANE[name](index) if name in REPLACE_LANE else shuffle(instruction.lanes)
            self.step(BINARY_STEP, function)
            self.height -= 1

    def variable_or_jump(self, instruction: Instruction) -> None:
        """Constants, locals, globals, parametric instructions, branches and calls."""
        match instruction.name:
            case "i32.const" | "i64.const" | "f32.const" | "f64.const" | "v128.const":
                self.push(CONSTANT, instruction.constant)
            case "ref.null":
                self.push(CONSTANT, NULL)
            case "ref.func":
                self.push(CONSTANT, instruction.index)
            case "local.get":
                self.push(LOCAL_GET, instruction.index)
            case "local.set":
                self.step(LOCAL_SET, instruction.index)
                self.height -= 1
            case "local.tee":
                self.step(LOCAL_TEE, instruction.index)
            case "global.get":
                self.push(GLOBAL_GET, instruction.index)
            case "global.set":
                self.step(GLOBAL_SET, instruction.index)
                self.height -= 1
            case "drop":
                self.step(DROP)
                self.height -= 1
            case "select" | "select (result t)":
                self.step(SELECT)
                self.height -= 2
            case "nop":
                pass
            case _:
                self.jump(instruction)

    def push(self, kind: int, operand: int) -> None:
        """A step that pushes one value."""
        self.step(kind, operand)
        self.height += 1

    def jump(self, instruction: Instruction) -> None:
        """Branches and calls."""
        match instruction.name:
            case "br":
                label, shape = self.target(instruction.index)
                self.leave(BRANCH, label, shape)
            case "br_if":
                self.height -= 1
                self.step(BRANCH_IF, *self.target(instruction.index))
            case "br_table":
                self.height -= 1
                self.step(BRANCH_TABLE, tuple(self.target(label) for label in instruction.labels))
                self.is_reachable = False
            case "return":
                self.leave(RETURN, None, self.shape(len(self.blocks[0].type.results), 0))
            case "call":
                self.call(CALL, self.module.function_type(instruction.index), instruction)
            case "call_indirect":
                self.height -= 1
                self.call(CALL_INDIRECT, self.module.types[instruction.index], instruction)
            case "return_call":
                callee = self.module.function_type(instruction.index)
                self.leave(RETURN_CALL, instruction.index, self.shape(len(callee.parameters), 0))
                self.step(RETURN)
            case "return_call_indirect":
                self.height -= 1
                callee = self.module.types[instruction.index]
                operand = (callee, instruction.second_index)
                self.step(RETURN_CALL_INDIRECT, operand, self.shape(len(callee.parameters), 0))
                self.leave(RETURN, None, None)
            case name:
                raise AssertionError(f"no step for {name}")

    def leave(self, kind: int, first: object, shape: Shape) -> None:
        """Drops what is left behind; control does not go on."""
        if shape is not None:
            self.step(KEEP, shape)
        self.step(kind, first)
        self.is_reachable = False

    def call(self, kind: int, callee: FunctionType, instruction: Instruction) -> None:
        """A call that comes back."""
        if kind == CALL:
            self.step(CALL, instruction.index)
        else:
            self.step(CALL_INDIRECT, callee, instruction.second_index)
        self.height += len(callee.results) - len(callee.parameters)


def flat_code(module: Module, function: Function) -> FlatCode:
    """The flat code of a function of a valid module."""
    return FlatCodeMaker(module, function).make()
