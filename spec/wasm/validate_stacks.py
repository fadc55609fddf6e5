"""
The two stacks of the validation of a function body. Source: core specification, appendix, validation algorithm.

One has the types of the operands, the other the frames of the open blocks. After an instruction that does not return,
the rest of the block is unreachable and operands below it are of unknown type.
"""

from collections.abc import Sequence

from attrs import define

from spec.wasm.syntax import FunctionType, ValueType

OperandType = ValueType | None
"""The type of an operand; None if it is unknown, in unreachable code."""


class Invalid(Exception):
    """The module is not valid."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@define
class Frame:
    """An open block."""

    opcode: str
    """The name of the instruction that opened it."""
    type: FunctionType
    height: int
    """The number of operands below the block's own."""
    is_unreachable: bool = False

    @property
    def label_types(self) -> tuple[ValueType, ...]:
        """What a branch to the block takes: a branch to a loop goes to its start."""
        return self.type.parameters if self.opcode == "loop" else self.type.results


class Stacks:
    """The stacks at some instruction of a function body."""

    def __init__(self) -> None:
        self.operands: list[OperandType] = []
        self.frames: list[Frame] = []

    def pop(self, expected: OperandType = None) -> OperandType:
        """Takes the top operand, which must have the expected type if there is one."""
        frame = self.frames[-1]
        if len(self.operands) == frame.height:
            if frame.is_unreachable:
                return None
            raise Invalid(f"type mismatch: expected {expected.value if expected else 'a value'}, found nothing")
        actual = self.operands.pop()
        if expected is not None and actual is not None and actual is not expected:
            raise Invalid(f"type mismatch: expected {expected.value}, found {actual.value}")
        return actual

    def pop_all(self, expected: Sequence[OperandType]) -> list[OperandType]:
        """Takes operands of these types, the last one from the top."""
        return [self.pop(entry) for entry in reversed(expected)][::-1]

    def are_on_top(self, expected: Sequence[ValueType]) -> bool:
        """The operands of the block end with these types, or are the last of them and the rest is unknown."""
        frame = self.frames[-1]
        own = tuple(self.operands[frame.height :])
        if len(own) >= len(expected):
            return own[len(own) - len(expected) :] == expected
        return frame.is_unreachable and own == expected[len(expected) - len(own) :]

    def push(self, value_type: OperandType) -> None:
        """Adds an operand."""
        self.operands.append(value_type)

    def open_frame(self, opcode: str, block: FunctionType) -> None:
        """Opens a block; its parameters are its first operands."""
        self.frames.append(Frame(opcode, block, len(self.operands)))
        self.operands.extend(block.parameters)

    def close_frame(self) -> Frame:
        """Closes the innermost block, whose operands must be exactly its results."""
        frame = self.frames[-1]
        self.pop_all(frame.type.results)
        if len(self.operands) != frame.height:
            raise Invalid("type mismatch: values remaining on stack at end of block")
        return self.frames.pop()

    def rest_is_unreachable(self) -> None:
        """What follows in this block is never executed."""
        frame = self.frames[-1]
        del self.operands[frame.height :]
        frame.is_unreachable = True

    def label_types(self, index: int) -> tuple[ValueType, ...]:
        """What a branch to a label takes."""
        if index >= len(self.frames):
            raise Invalid(f"unknown label {index}")
        return self.frames[-1 - index].label_types
