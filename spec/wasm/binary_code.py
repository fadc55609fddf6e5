"""
Decoding of expressions and function bodies.

`decode_instruction` says what an instruction looks like. A body is first cut into instructions by one regular
expression, made from the same table of opcodes; as equal bytes mean equal instructions, each distinct instruction is
then decoded only once in a module. Bodies that the expression cannot cut are read instruction by instruction.
"""

import re
from collections import defaultdict
from typing import Final

from attrs import evolve

from spec.values.leb128 import encode_unsigned
from spec.wasm.decoding_limits import MAXIMUM_BRANCH_TARGETS, MAXIMUM_CONSTANT_INSTRUCTIONS
from spec.wasm.opcodes import BY_ENCODING, FIRST_RELAXED_SIMD, OPCODES, UNSUPPORTED
from spec.wasm.reader import VALUE_TYPES, Malformed, Reader, TooLarge
from spec.wasm.syntax import BlockType, Expression, Immediates, Instruction, Opcode

SINGLE_INDEX: Final = frozenset(
    {
        Immediates.LABEL,
        Immediates.FUNCTION,
        Immediates.LOCAL,
        Immediates.GLOBAL,
        Immediates.TABLE,
        Immediates.ELEMENT,
        Immediates.DATA,
    }
)

BLOCK_OPCODES: Final = frozenset({b"\x02", b"\x03", b"\x04"})
END_OPCODE: Final = b"\x0b"
PREFIXES: Final = frozenset({0xFC, 0xFD})
VECTOR_PREFIX: Final = 0xFD

MULTIPLE_MEMORIES: Final = "more than one memory is not accepted"
MULTIPLE_MEMORIES_FLAG: Final = 0x40
"""This bit of a memory argument's alignment says that the index of a memory follows."""


def decode_opcode(reader: Reader) -> Opcode:
    """The row of the next instruction."""
    start = reader.position
    byte = reader.byte()
    if byte in PREFIXES:
        number = reader.unsigned()
        opcode = BY_ENCODING.get(bytes((byte,)) + encode_unsigned(number))
        if opcode is None and byte == VECTOR_PREFIX and number >= FIRST_RELAXED_SIMD:
            raise reader.fail(UNSUPPORTED[byte], start)
        if opcode is None:
            raise reader.fail(f"illegal opcode {byte:02x} {number:02x}", start)
        return opcode
    opcode = BY_ENCODING.get(bytes((byte,)))
    if opcode is None:
        raise reader.fail(UNSUPPORTED.get(byte, f"illegal opcode {byte:02x}"), start)
    return opcode


def decode_block_type(reader: Reader) -> BlockType:
    """Nothing, a value type, or the index of a function type."""
    byte = reader.raw[reader.position] if not reader.at_end else 0
    if byte == 0x40:
        reader.byte()
        return None
    if byte in VALUE_TYPES or 0x63 <= byte < 0x80:
        return reader.value_type()
    start = reader.position
    index = reader.signed(33)
    if index < 0:
        raise reader.fail("malformed block type", start)
    return index


def memory_index(reader: Reader) -> int:
    """The index of a memory, which is 0."""
    start = reader.position
    if reader.byte() != 0:
        raise reader.fail(f"zero byte expected: {MULTIPLE_MEMORIES}", start)
    return 0


def memory_argument(reader: Reader, opcode: Opcode) -> Instruction:
    """A memory access with its alignment and offset."""
    start = reader.position
    alignment = reader.unsigned()
    if MULTIPLE_MEMORIES_FLAG <= alignment < 2 * MULTIPLE_MEMORIES_FLAG:
        raise reader.fail(MULTIPLE_MEMORIES, start)
    if alignment >= MULTIPLE_MEMORIES_FLAG:
        raise reader.fail("malformed memop flags", start)
    return Instruction(opcode, alignment=alignment, offset=reader.unsigned(64))


def decode_instruction(reader: Reader) -> Instruction:
    """The next instruction. Source: core specification, binary format of instructions."""
    opcode = decode_opcode(reader)
    match opcode.immediates:
        case Immediates.NONE:
            return Instruction(opcode)
        case Immediates.BLOCK_TYPE:
            return Instruction(opcode, block_type=decode_block_type(reader))
        case kind if kind in SINGLE_INDEX:
            return Instruction(opcode, index=reader.unsigned())
        case Immediates.LABELS:
            labels = reader.limited_vector(reader.unsigned, "targets of a branch table", MAXIMUM_BRANCH_TARGETS)
            return Instruction(opcode, labels=(*labels, reader.unsigned()))
        case Immediates.TYPES:
            return Instruction(opcode, types=reader.vector(reader.value_type))
        case Immediates.TYPE_AND_TABLE | Immediates.TWO_TABLES | Immediates.ELEMENT_AND_TABLE:
            return Instruction(opcode, index=reader.unsigned(), second_index=reader.unsigned())
        case Immediates.MEMORY:
            return Instruction(opcode, index=memory_index(reader))
        case Immediates.TWO_MEMORIES:
            return Instruction(opcode, index=memory_index(reader), second_index=memory_index(reader))
        case Immediates.DATA_AND_MEMORY:
            return Instruction(opcode, index=reader.unsigned(), second_index=memory_index(reader))
        case Immediates.MEMORY_ARGUMENT:
            return memory_argument(reader, opcode)
        case Immediates.I32:
            return Instruction(opcode, constant=reader.signed(32) & 0xFFFFFFFF)
        case Immediates.I64:
            return Instruction(opcode, constant=reader.signed(64) & 0xFFFFFFFFFFFFFFFF)
        case Immediates.F32:
            return Instruction(opcode, constant=int.from_bytes(reader.take(4), "little"))
        case Immediates.F64:
            return Instruction(opcode, constant=int.from_bytes(reader.take(8), "little"))
        case Immediates.V128:
            return Instruction(opcode, constant=int.from_bytes(reader.take(16), "little"))
        case Immediates.LANE:
            return Instruction(opcode, index=reader.byte())
        case Immediates.SIXTEEN_LANES:
            return Instruction(opcode, lanes=tuple(reader.take(16)))
        case Immediates.MEMORY_ARGUMENT_AND_LANE:
            return evolve(memory_argument(reader, opcode), index=reader.byte())
        case Immediates.REFERENCE_TYPE:
            return Instruction(opcode, types=(reader.reference_type(),))
        case unknown:
            raise AssertionError(unknown)


_INTEGER_32: Final = rb"[\x80-\xff]{0,4}[\x00-\x7f]"
_INTEGER_64: Final = rb"[\x80-\xff]{0,9}[\x00-\x7f]"

_SHAPES: Final[dict[Immediates, bytes]] = {
    **dict.fromkeys(Immediates, _INTEGER_32),
    Immediates.NONE: b"",
    Immediates.TYPES: rb"\x01.",
    Immediates.TYPE_AND_TABLE: 2 * _INTEGER_32,
    Immediates.TWO_TABLES: 2 * _INTEGER_32,
    Immediates.ELEMENT_AND_TABLE: 2 * _INTEGER_32,
    Immediates.TWO_MEMORIES: 2 * _INTEGER_32,
    Immediates.DATA_AND_MEMORY: 2 * _INTEGER_32,
    Immediates.MEMORY_ARGUMENT: _INTEGER_32 + _INTEGER_64,
    Immediates.I64: _INTEGER_64,
    Immediates.F32: b".{4}",
    Immediates.F64: b".{8}",
    Immediates.V128: b".{16}",
    Immediates.LANE: b".",
    Immediates.SIXTEEN_LANES: b".{16}",
    Immediates.MEMORY_ARGUMENT_AND_LANE: _INTEGER_32 + _INTEGER_64 + b".",
    # A vector of up to 64 labels and the default.
    Immediates.LABELS: b"(?:"
    + b"|".join(re.escape(bytes((number,))) + b"(?:%b){%d}" % (_INTEGER_32, number + 1) for number in range(65))
    + b")",
}
"""What the immediates look like, as regular expressions."""


def _cutter() -> re.Pattern[bytes]:
    """An expression that matches one instruction. Instructions with immediates of one shape form one alternative."""
    encodings: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for opcode in OPCODES:
        encodings[_SHAPES[opcode.immediates]].append(opcode.encoding)
    # Alternatives are tried in turn, so those that start with one byte of a set come first.
    sets: list[bytes] = []
    sequences: list[bytes] = []
    for shape, codes in encodings.items():
        single = [re.escape(code) for code in codes if len(code) == 1]
        if single:
            sets.append(b"[" + b"".join(single) + b"]" + shape)
        sequences.extend(re.escape(code) + shape for code in codes if len(code) > 1)
    return re.compile(b"|".join(sets + sequences), re.DOTALL)


_CUTTER: Final = _cutter()


class InstructionsOfModule(dict[bytes, Instruction]):
    """The instructions of a module by their bytes; a missing one is decoded when it is first asked for."""

    def __missing__(self, encoded: bytes) -> Instruction:
        reader = Reader(encoded, 0, len(encoded))
        instruction = decode_instruction(reader)
        if not reader.at_end:
            raise reader.fail("malformed instruction")
        self[encoded] = instruction
        return instruction


def decode_body(reader: Reader, known: InstructionsOfModule, most_instructions: int) -> Expression:
    """All instructions that are left in the reader; the last one is the `end` that closes the body."""
    start = reader.position
    pieces = _CUTTER.findall(reader.raw, reader.position, reader.end)
    try:
        if sum(map(len, pieces)) == reader.end - reader.position:
            if len(pieces) > most_instructions:
                raise TooLarge(len(pieces), "instructions in a function", most_instructions, start)
            body = tuple(map(known.__getitem__, pieces))
            reader.position = reader.end
            return _closed(reader, body)
    except TooLarge:
        raise
    except Malformed:
        pass  # Read again below, for the offset of the error.
    instructions: list[Instruction] = []
    while not reader.at_end:
        instructions.append(decode_instruction(reader))
        if len(instructions) > most_instructions:
            raise TooLarge(len(instructions), "instructions in a function", most_instructions, start)
    return _closed(reader, tuple(instructions))


def _closed(reader: Reader, body: Expression) -> Expression:
    """The body, if it has as many ends as it must have. That they are in the right places is a matter of validation."""
    encodings = [instruction.opcode.encoding for instruction in body]
    opened = sum(map(encodings.count, BLOCK_OPCODES))
    if not body or encodings[-1] != END_OPCODE or encodings.count(END_OPCODE) != opened + 1:
        raise reader.fail("END opcode expected")
    return body


def decode_expression(reader: Reader) -> Expression:
    """A constant expression: instructions up to the first `end`."""
    start = reader.position
    instructions: list[Instruction] = []
    while True:
        instruction = decode_instruction(reader)
        instructions.append(instruction)
        if instruction.opcode.encoding == END_OPCODE:
            return tuple(instructions)
        if len(instructions) >= MAXIMUM_CONSTANT_INSTRUCTIONS:
            what = "instructions or more in a constant expression"
            raise TooLarge(len(instructions), what, MAXIMUM_CONSTANT_INSTRUCTIONS, start)
