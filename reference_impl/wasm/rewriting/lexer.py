"""Cuts the code of a function into instructions."""

import re
from typing import Final

from reference_impl.wasm.layout.encoding import Malformed, Reader, unsigned

_NUMBER: Final = rb"[\x80-\xff]*+[\x00-\x7f]"
_SHORT_BRANCH_TABLES: Final = b"|".join(
    re.escape(bytes([count])) + b"(?:" + _NUMBER + b"){" + str(count + 1).encode() + b"}" for count in range(128)
)

_INSTRUCTION: Final = re.compile(
    rb"[\x20-\x26\x02-\x04\x0c\x0d\x10\x12\x3f-\x42\xd0\xd2]N"
    rb"|[\x00\x01\x05\x0b\x0f\x1a\x1b\x45-\xc4\xd1]"
    rb"|[\x11\x13\x28-\x3e]NN"
    rb"|\x43.{4}|\x44.{8}"
    rb"|\xfc(?:[\x00-\x07]|[\x08\x0a\x0c\x0e]NN|[\x09\x0b\x0d\x0f-\x11]N)"
    rb"|\xfd(?:[\x00-\x0b\x5c\x5d]NN|[\x0c\x0d].{16}|[\x0e-\x14\x23-\x53\x5e-\x7f]|[\x15-\x22].|[\x54-\x5b]NN."
    rb"|[\x80-\xff]\x01)"
    rb"|\x1c\x01.|\x0e(?:T)|.".replace(b"N", _NUMBER).replace(b"T", _SHORT_BRANCH_TABLES),
    re.DOTALL,
)
"""
One instruction with its immediates. What it cannot cut (a branch table with more than 127 labels, a number in a longer
form than needed after a prefix or before a list) gives a single byte; then the careful way is taken.
"""

_CUT_SHORT: Final = frozenset((b"\x0e", b"\x1c", b"\xfc", b"\xfd"))


def instructions(code: bytes) -> list[bytes]:
    """
    The instructions of a valid function body (its locals left out), each with its immediates. Those with a prefix have
    their second number in its shortest form.
    """
    found: list[bytes] = _INSTRUCTION.findall(code)
    return found if _CUT_SHORT.isdisjoint(found) else _carefully(code)


def _carefully(code: bytes) -> list[bytes]:
    reader, found = Reader(code), []
    while not reader.at_end():
        start = reader.position
        opcode = reader.byte()
        if opcode in (0xFC, 0xFD):
            found.append(_prefixed(reader, opcode))
            continue
        if opcode == 0x0E:
            for _ in range(reader.unsigned() + 1):
                reader.unsigned()
        elif opcode == 0x1C:
            reader.take(reader.unsigned())
        else:
            match = _INSTRUCTION.match(code, start)
            assert match
            reader.position = match.end()
        found.append(code[start : reader.position])
    return found


def _prefixed(reader: Reader, prefix: int) -> bytes:
    number = reader.unsigned()
    if number > 255:
        raise Malformed(f"the instruction {prefix:#x} {number} is not known")
    shortest = bytes([prefix]) + unsigned(number)
    # No immediate is longer than two numbers and a lane, or 16 bytes.
    match = _INSTRUCTION.match(shortest + reader.content[reader.position : reader.position + 24])
    assert match
    immediates = match.group()[len(shortest) :]
    reader.position += len(immediates)
    return shortest + immediates


def number_after_prefix(instruction: bytes) -> int:
    """The second number of an instruction with a prefix."""
    second = instruction[1]
    return second if second < 0x80 else second & 0x7F | instruction[2] << 7
