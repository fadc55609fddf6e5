"""
Flat code: a body as a list of steps in which branches know where they go and segments are charged by steps of their
own.

A step is a kind with two operands. Validation has fixed how many operands lie on the stack at every place, so a branch
also knows how many values it drops and keeps. Code that control cannot reach is left out.
"""

from itertools import pairwise
from typing import Any, Final

from attrs import define, field, frozen

from spec.wasm.instructions_memory import LOAD, STORE
from spec.wasm.instructions_store import ON_STORE
from spec.wasm.instructions_vector_memory import LOAD_LANE, STORE_LANE, VECTOR_LOAD, VECTOR_STORE
from spec.wasm.metering import CHARGED_BY_SIZE, Segment, charged_segments
from spec.wasm.numerics import BINARY, UNARY
from spec.wasm.numerics_vector import EXTRACT_LANE, REPLACE_LANE, shuffle
from spec.wasm.syntax import NULL, Function, FunctionType, Immediates, Instruction, Module

LOADS: Final = LOAD | VECTOR_LOAD
STORES: Final = STORE | VECTOR_STORE

NAMING_LANES: Final = (Immediates.LANE, Immediates.SIXTEEN_LANES, Immediates.MEMORY_ARGUMENT_AND_LANE)

# The kinds of steps, with the two operands of each. First those that only compute a value, from the stack, constants,
# locals, globals and memory; in each part, those that are taken most often come first.
BINARY_OF_LOCAL_AND_CONSTANT: Final = 0
"""Function of the left and right operand; index of the local that is the left one, and the right operand's bits."""
LOCAL_GET: Final = 1
"""Index."""
BINARY_STEP: Final = 2
"""Function of the left and right operand."""
BINARY_WITH_CONSTANT: Final = 3
"""Function of the left and right operand; the right operand's bits."""
LOAD_AT_LOCAL: Final = 4
"""Function of memory and address; index of the local that is the address, and offset."""
BINARY_WITH_LOCAL: Final = 5
"""Function of the left and right operand; index of the local that is the right operand."""
CONSTANT: Final = 6
"""Bits."""
BINARY_OF_LOCALS: Final = 7
"""Function of the left and right operand; indices of the locals that are these."""
LOAD_STEP: Final = 8
"""Function of memory and address; offset."""
UNARY_STEP: Final = 9
"""Function of the operand."""
GLOBAL_GET: Final = 10
"""Index."""
SELECT: Final = 11

OF_VALUES: Final = 12
"""The kinds of steps that only compute a value are below this one, and the others are not."""

LOCAL_TEE: Final = 12
"""Index."""
LOCAL_SET: Final = 13
"""Index."""
STORE_STEP: Final = 14
"""Function of memory, address and value; offset."""
BRANCH_IF_OR_CHARGE: Final = 15
"""
Number of a piece and shape; the cost of the segment that begins behind the branch, whose charge is not followed by a
check.
"""
CHECKED_CHARGE: Final = 16
"""Segment whose charge is followed by a check: its cost."""
RETURN: Final = 17
"""None; shape."""
CALL: Final = 18
"""Index of a function."""
CHARGE: Final = 19
"""Segment whose charge is not followed by a check: its cost."""
BRANCH_IF: Final = 20
"""Number of a piece; shape."""
GLOBAL_SET: Final = 21
"""Index."""
BRANCH: Final = 22
"""Number of a piece; shape."""
BRANCH_UNLESS: Final = 23
"""Number of a piece."""
CALL_INDIRECT: Final = 24
"""Type; index of a table."""
DROP: Final = 25
BRANCH_TABLE: Final = 26
"""Pairs of the number of a piece and a shape, the default last."""
ON_STORE_STEP: Final = 27
"""Function of store, stack and instruction; the instruction."""
DYNAMIC_CHARGE: Final = 28
"""Charges as much as the operand on top of the stack says."""
RETURN_CALL: Final = 29
"""Index of a function; shape."""
RETURN_CALL_INDIRECT: Final = 30
"""Type and index of a table; shape."""

JOINED: Final = {
    (CONSTANT, BINARY_STEP): BINARY_WITH_CONSTANT,
    (LOCAL_GET, BINARY_STEP): BINARY_WITH_LOCAL,
    (LOCAL_GET, BINARY_WITH_CONSTANT): BINARY_OF_LOCAL_AND_CONSTANT,
    (LOCAL_GET, BINARY_WITH_LOCAL): BINARY_OF_LOCALS,
    (LOCAL_GET, LOAD_STEP): LOAD_AT_LOCAL,
    (BRANCH_IF, CHARGE): BRANCH_IF_OR_CHARGE,
}
"""What becomes of two steps, one after the other: together they are one step, as they stand together so often."""

TAIL_CALLS: Final = frozenset({RETURN_CALL, RETURN_CALL_INDIRECT})
CALLS: Final = TAIL_CALLS | {CALL, CALL_INDIRECT}

Shape = tuple[int, int] | None
"""
What a branch does to the stack: how many values it looks at, and how many of these, from the top, it keeps. None if it
drops nothing.
"""

Step = tuple[int, Any, Any]


@frozen
class FlatCode:
    """A function ready to be executed."""

    pieces: tuple[tuple[Step, ...], ...]
    """The steps, cut where branches lead to. Behind a piece the next one comes, unless its last step goes elsewhere."""
    parameters: int
    """The number of parameters."""
    other_locals: tuple[int, ...]
    """The values with which the other locals start: zero or null."""


def joined_steps(one: Step, other: Step) -> Step | None:
    """The step that does what two do one after the other; None if there is none."""
    kind = JOINED.get((one[0], other[0]))
    if kind is None:
        return None
    if kind == BRANCH_IF_OR_CHARGE:
        return kind, one[1:], other[1]
    return kind, other[1], one[1] if other[0] == BINARY_STEP else (one[1], other[2])


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
        return FlatCode(self.resolved(), len(signature.parameters), tuple(initial))

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

    def join(self) -> None:
        """Joins steps that stand together often, unless control may come between the two."""
        labelled, before = set(self.addresses), self.steps
        places: list[int] = []
        is_labelled: list[bool] = []
        self.steps = []
        for place, step in enumerate(before):
            self.steps.append(step)
            is_labelled.append(place in labelled)
            while len(self.steps) > 1 and not is_labelled[-1] and (joined := joined_steps(*self.steps[-2:])):
                self.steps[-2:] = [joined]
                is_labelled.pop()
            places.append(len(self.steps) - 1)
        places.append(len(self.steps))
        self.addresses = [places[address] if address != -1 else -1 for address in self.addresses]

    def resolved(self) -> tuple[tuple[Step, ...], ...]:
        """The steps in pieces, with numbers of pieces instead of labels."""
        self.join()
        starts = sorted({0, *self.addresses} - {-1})
        numbers = {start: number for number, start in enumerate(starts)}
        pieces = [numbers.get(address, -1) for address in self.addresses]

        def resolve(step: Step) -> Step:
            kind, first, second = step
            if kind in (BRANCH, BRANCH_IF, BRANCH_UNLESS):
                return kind, pieces[first], second
            if kind == BRANCH_IF_OR_CHARGE:
                label, shape = first
                return kind, (pieces[label], shape), second
            if kind == BRANCH_TABLE:
                return kind, tuple((pieces[label], shape) for label, shape in first), second
            return step

        steps = list(map(resolve, self.steps))
        return tuple(tuple(steps[start:end]) for start, end in pairwise([*starts, len(steps)]))

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
                self.leave(BRANCH, *self.target(instruction.index))
            case "br_if":
                self.height -= 1
                self.step(BRANCH_IF, *self.target(instruction.index))
            case "br_table":
                self.height -= 1
                self.leave(BRANCH_TABLE, tuple(self.target(label) for label in instruction.labels), None)
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
            case "return_call_indirect":
                self.height -= 1
                callee = self.module.types[instruction.index]
                operand = (callee, instruction.second_index)
                self.leave(RETURN_CALL_INDIRECT, operand, self.shape(len(callee.parameters), 0))
            case name:
                raise AssertionError(f"no step for {name}")

    def leave(self, kind: int, first: object, shape: Shape) -> None:
        """A step behind which control does not go on."""
        self.step(kind, first, shape)
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
