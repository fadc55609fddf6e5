"""
LEB128, signed and unsigned: numbers of any size, as Candid and the state tree write them.

The reader of WebAssembly modules has its own way: there a number has a width, and a module has millions of numbers.
Source: the Candid specification, "Notation".
"""

from typing import Final

SINGLE_BYTES: Final = tuple(bytes((number,)) for number in range(0x80))
"""The encodings of the numbers that take one byte: most numbers do."""


def encode_unsigned(number: int) -> bytes:
    """The shortest encoding of a natural number."""
    if 0 <= number < 0x80:
        return SINGLE_BYTES[number]
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def encode_signed(number: int) -> bytes:
    """The shortest encoding of an integer."""
    encoded = bytearray()
    while not -0x40 <= number < 0x40:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number & 0x7F)
    return bytes(encoded)


def from_groups(groups: bytes) -> int:
    """The natural number that the bytes of one encoding stand for. Encodings need not be the shortest."""
    if len(groups) == 1:
        return groups[0] & 0x7F
    # Reading binary digits takes linear time; shifting a growing number would take quadratic time.
    return int("".join(f"{group & 0x7F:07b}" for group in reversed(groups)), 2)


def from_signed_groups(groups: bytes) -> int:
    """The integer that the bytes of one encoding stand for."""
    number = from_groups(groups)
    return number - (1 << 7 * len(groups)) if groups[-1] & 0x40 else number
