"""Numbers of 32 bits keep every bit."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spec.values.candid import Primitive, decode, encode
from spec.values.float32 import bits_of_float32, float32

SIGNALLING = (0x7F80_0001, 0x7FA0_0001, 0xFFBF_FFFF)
QUIET = (0x7FC0_0000, 0xFFC0_0000, 0x7FFF_FFFF)


@given(some.integers(min_value=0, max_value=2**32 - 1))
def test_a_number_has_the_bits_that_it_was_made_of(bits):
    assert bits_of_float32(float32(bits)) == bits


@pytest.mark.parametrize("bits", SIGNALLING + QUIET)
def test_a_nan_stays_signalling_or_quiet_and_keeps_its_payload(bits):
    assert math.isnan(float32(bits))
    assert bits_of_float32(float32(bits)) == bits


@pytest.mark.parametrize("bits", (0, 0x8000_0000, 1, 0x3FC0_0000, 0x7F7F_FFFF, 0x7F80_0000, 0xFF80_0000))
def test_other_numbers_have_their_value(bits):
    assert float32(bits) == struct.unpack("<f", struct.pack("<I", bits))[0]


def test_a_nan_whose_payload_has_no_place_in_32_bits_is_quiet():
    (narrow,) = struct.unpack("<d", struct.pack("<Q", 0xFFF0_0000_0000_0001))
    assert bits_of_float32(narrow) == 0xFFC0_0000


def test_a_number_that_is_too_large_is_refused():
    with pytest.raises(OverflowError):
        bits_of_float32(1e300)


@pytest.mark.parametrize("bits", SIGNALLING)
def test_candid_carries_every_bit(bits):
    (back,) = decode((Primitive.FLOAT32,), encode((Primitive.FLOAT32,), (float32(bits),)))
    assert bits_of_float32(back) == bits
