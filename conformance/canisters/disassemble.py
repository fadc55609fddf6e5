"""Programs of the scripted canister as readable text, for reports."""

from typing import Final

from attrs import define, frozen

from conformance.canisters.operations import OPERATIONS, Immediate, Kind, Operation
from conformance.canisters.scripted import Hook

_PROGRAM_OPERANDS: Final[dict[str, tuple[int, ...]]] = {"call_new": (2, 3, 4), "hook_set": (0,), "run": (0,)}
"""Which operands are programs, so that constants there are shown as such."""

_LONGEST_CONSTANT: Final[int] = 64
"""In bytes; of a longer constant, the beginning and the length are shown."""

_LONGEST_LINE: Final[int] = 400
"""In characters."""


class MalformedProgram(ValueError):
    """Bytes that are no program; says why."""


def disassemble(program: bytes) -> str:
    """
    The actions of a program, one a line, with expressions nested in them and blocks and programs indented.

    Raises `MalformedProgram` for an unknown operation or a program that ends within one.
    """
    return "\n".join(_lines(program))


def on_one_line(program: bytes) -> str:
    """A program on one line, cut where it is long; raises as `disassemble` does."""
    line = "; ".join(each.strip() for each in _lines(program)).replace(":; ", ": ")
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}... ({len(program)} bytes)"


@frozen
class _Value:
    """What an entry of the stack is, as text; a constant byte string also as such, since it may turn out a program."""

    text: str
    constant: bytes | None = None


@define
class _Reader:
    program: bytes
    position: int = 0

    def take(self, count: int) -> bytes:
        if self.position + count > len(self.program):
            raise MalformedProgram(f"the program ends within the operation before byte {self.position}")
        taken = self.program[self.position : self.position + count]
        self.position += count
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")


def _lines(program: bytes) -> list[str]:
    reader = _Reader(program)
    stack: list[_Value] = []
    lines: list[str] = []
    while reader.position < len(program):
        code = reader.number(1)
        if code >= len(OPERATIONS):
            raise MalformedProgram(f"byte {reader.position - 1} is {code}, which is no operation")
        operation = OPERATIONS[code]
        immediates = _immediates(reader, operation)
        operands = [stack.pop() if stack else _Value("?") for _ in operation.operands][::-1]
        if operation.result is not None:
            stack.append(_expression(operation, immediates, operands))
        else:
            lines.extend(_statement(operation, immediates, operands))
    return lines + [f"leaves {value.text}" for value in stack]


def _immediates(reader: _Reader, operation: Operation) -> list[int | bytes]:
    if Immediate.BLOCK in operation.immediates:
        lengths = [reader.number(4) for _ in operation.immediates]
        return [reader.take(length) for length in lengths]
    values: list[int | bytes] = []
    for immediate in operation.immediates:
        match immediate:
            case Immediate.U8:
                values.append(reader.number(1))
            case Immediate.U32:
                values.append(reader.number(4))
            case Immediate.U64:
                values.append(reader.number(8))
            case _:
                values.append(reader.take(reader.number(4)))
    return values


def _expression(operation: Operation, immediates: list[int | bytes], operands: list[_Value]) -> _Value:
    if operation.name == "push_bytes":
        constant = immediates[0]
        assert isinstance(constant, bytes)
        return _Value(_constant_text(constant), constant)
    if operation.name in ("push_u32", "push_u64"):
        return _Value(str(immediates[0]))
    texts = [str(value) for value in immediates] + _operand_texts(operation, operands)
    return _Value(f"{operation.name}({', '.join(texts)})")


def _operand_texts(operation: Operation, operands: list[_Value]) -> list[str]:
    texts: list[str] = []
    for kind, operand in zip(operation.operands, operands, strict=True):
        if kind is Kind.AMOUNT and operand.constant is not None and len(operand.constant) == 16:
            texts.append(f"{int.from_bytes(operand.constant, 'little')} cycles")
        else:
            texts.append(operand.text)
    return texts


def _statement(operation: Operation, immediates: list[int | bytes], operands: list[_Value]) -> list[str]:
    texts = _operand_texts(operation, operands)
    blocks: list[tuple[str, list[str]]] = []
    if operation.name == "if_else":
        blocks = [
            (name, _lines(block))
            for name, block in zip(("then", "else"), immediates, strict=True)
            if isinstance(block, bytes) and block
        ]
    elif operation.name == "repeat":
        blocks = [("do", _lines(block)) for block in immediates if isinstance(block, bytes)]
    elif operation.name == "hook_set":
        texts.insert(0, _hook_name(immediates[0]))
    else:
        texts = [str(value) for value in immediates] + texts
    names = {2: "on_reply", 3: "on_reject", 4: "on_cleanup", 0: "program"}
    for index in _PROGRAM_OPERANDS.get(operation.name, ()):
        nested = _nested(operands[index])
        if nested is not None:
            texts[index + (operation.name == "hook_set")] = names[index]
            blocks.append((names[index], nested))
    lines = [f"{operation.name}({', '.join(texts)})"]
    for name, block in blocks:
        lines.append(f"    {name}:")
        lines.extend(f"        {line}" for line in block or ["(nothing)"])
    return lines


def _nested(operand: _Value) -> list[str] | None:
    if operand.constant is None:
        return None
    try:
        return _lines(operand.constant)
    except MalformedProgram:
        return None


def _hook_name(index: int | bytes) -> str:
    names = {hook.value: hook.name.lower() for hook in Hook}
    return names.get(index, str(index)) if isinstance(index, int) else "?"


def _constant_text(constant: bytes) -> str:
    shown = constant[:_LONGEST_CONSTANT]
    text = repr(shown.decode()) if shown.isascii() and shown.decode().isprintable() else "0x" + shown.hex()
    return text if len(constant) <= _LONGEST_CONSTANT else f"{text}... ({len(constant)} bytes)"
