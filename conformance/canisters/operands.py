"""The operands on which implementations of instructions differ: bit patterns by type."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Final

from spec.wasm.syntax import ValueType


def _integers(bits: int, *others: int) -> tuple[int, ...]:
    top = 1 << bits - 1
    values = (0, 1, 2, bits - 1, bits, bits + 1, 0x80, top - 1, top, *others, -1, -2, -7)
    return tuple(dict.fromkeys(value % (1 << bits) for value in values))


def _floats(code: str, bits: str, values: Iterable[float], patterns: Iterable[int]) -> tuple[int, ...]:
    encoded = (struct.unpack(bits, struct.pack(code, value))[0] for value in values)
    return tuple(dict.fromkeys([*encoded, *patterns]))


_VALUES: Final = (0.0, -0.0, 0.5, -0.5, 1.5, -2.5, 1.0, -1.0, 3.0, 1e10, 2.0**31, -(2.0**31), 2.0**63, 2.0**24 + 2)

FLOATS_32: Final = _floats(
    "<f",
    "<I",
    _VALUES,
    (
        0x0000_0001,  # the least subnormal
        0x807F_FFFF,  # the greatest negative subnormal
        0x0080_0000,  # the least normal
        0x3F80_0001,  # just above 1
        0x4AFF_FFFF,  # 8388607.5
        0x4EFF_FFFF,  # just below 2^31
        0x7F7F_FFFF,  # the greatest
        0x7F80_0000,
        0xFF80_0000,
        0x7FC0_0000,
        0xFFC0_0000,
        0x7F80_0001,  # a signalling NaN
        0xFFE1_2345,
    ),
)

FLOATS_64: Final = _floats(
    "<d",
    "<Q",
    (*_VALUES, 4294967295.9, -2147483648.9, 9007199254740993.0, 1.0000000596046448, 3.4028235677973366e38, 1e-46),
    (
        0x0000_0000_0000_0001,
        0x800F_FFFF_FFFF_FFFF,
        0x0010_0000_0000_0000,
        0x3FF0_0000_0000_0001,
        0x432F_FFFF_FFFF_FFFF,  # 4503599627370495.5
        0x43DF_FFFF_FFFF_FFFF,  # just below 2^63
        0x7FEF_FFFF_FFFF_FFFF,
        0x7FF0_0000_0000_0000,
        0xFFF0_0000_0000_0000,
        0x7FF8_0000_0000_0000,
        0xFFF8_0000_0000_0000,
        0x7FF0_0000_0000_0001,
        0xFFFC_1234_5678_9ABC,
    ),
)

_VECTORS: Final = (
    0,
    (1 << 128) - 1,
    0x7F80_FF01_7FFF_8000_0001_FFFF_FEDC_BA98_7654_3210_8000_0000_7FFF,
    0x8000_0000_0000_0000_7FFF_FFFF_FFFF_FFFF,
    0x0302_0100_1110_0F0E_FF80_7F10_0400_0B0C,
    0x8000_7FFF_8000_8000_0080_FF80_00FF_7F81,
    # Numbers of 32 bits: a signalling NaN, -0, the greatest, 1.5; then infinities, 2^31, 2.5.
    0x7F80_0001_8000_0000_7F7F_FFFF_3FC0_0000,
    0xFF80_0000_7F80_0000_4F00_0000_4020_0000,
    # Numbers of 64 bits: a NaN and -0.5; infinity and 2^31 + 0.5.
    0xFFF8_0000_0000_0001_BFE0_0000_0000_0000,
    0x7FF0_0000_0000_0000_41E0_0000_0010_0000,
)

CORNERS: Final[dict[ValueType, tuple[int, ...]]] = {
    ValueType.I32: _integers(32, 0x1234_5678, 0x8000_8000),
    ValueType.I64: _integers(64, 32, 0x8000_0000, 0xFFFF_FFFF, 0x0123_4567_89AB_CDEF),
    ValueType.F32: FLOATS_32,
    ValueType.F64: FLOATS_64,
    ValueType.V128: tuple(value % (1 << 128) for value in _VECTORS),
}
"""Zero, one, the greatest and the least, those next to them, numbers of bits; every kind of floating-point number."""

_FEW: Final = 4
"""How many vectors are taken with each number of bits to shift by."""


def combinations(types: Sequence[ValueType]) -> Iterator[tuple[int, ...]]:
    """Operands of these types: each corner with each other; of vectors and floating-point numbers fewer pairs."""
    kinds = set(types)
    if len(types) < 2 or kinds <= {ValueType.I32, ValueType.I64}:
        yield from product(*(CORNERS[kind] for kind in types))
    elif len(kinds) == 1:
        (corners,) = (CORNERS[kind] for kind in kinds)
        for place, first in enumerate(corners):
            for distance in _FEW_DISTANCES if kinds == {ValueType.V128} else _DISTANCES:
                second = corners[(place + distance) % len(corners)]
                yield (first, second, *(corners[(place + 2 * distance + 1) % len(corners)] for _ in types[2:]))
    else:
        yield from product(*(CORNERS[kind][:_FEW] if kind is ValueType.V128 else CORNERS[kind] for kind in types))


_FEW_DISTANCES: Final = (0, 1, 3, 7)
_DISTANCES: Final = (0, 1, 2, 3, 5, 8, 11, 15, 19, 23)
"""So far apart in the list are the corners that make a pair, where there are many."""
