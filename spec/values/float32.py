"""
Numbers of 32 bits, kept as Python's of 64 bits.

Processors quiet a signalling NaN where they convert it. Here every bit stays.
"""

import math
import struct
from typing import Final

FRACTION_BITS: Final = 23
MORE_FRACTION_BITS: Final = 29
"""By which the fraction of 64-bit numbers is longer."""


def float32(bits: int) -> float:
    """The number with this bit pattern of 32 bits."""
    number: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    if not math.isnan(number):
        return number
    sign, fraction = bits >> 31, bits % 2**FRACTION_BITS
    wide = sign << 63 | 0x7FF << 52 | fraction << MORE_FRACTION_BITS
    nan: float = struct.unpack("<d", struct.pack("<Q", wide))[0]
    return nan


def bits_of_float32(number: float) -> int:
    """The bit pattern of 32 bits, which `float32` reads. Raises `OverflowError` for a number that is too large."""
    if not math.isnan(number):
        return int.from_bytes(struct.pack("<f", number), "little")
    wide = int.from_bytes(struct.pack("<d", number), "little")
    fraction = wide % 2**52 >> MORE_FRACTION_BITS
    quiet = 2 ** (FRACTION_BITS - 1)
    return wide >> 63 << 31 | 0xFF << FRACTION_BITS | (fraction or quiet)
