"""Function bodies of nearly as many bytes as may be: both engines take them, or neither, and they do the same."""

import pytest

from properties.agreement.modules import load_pair, running_canister
from reference_impl.wasm.layout.encoding import HEADER, name, section, unsigned, vector
from spec.canister.outcome import Returned
from spec.profile import load_profile

PROFILE = load_profile()
LARGEST = 7_654_321
ROOM = 80
"""For code that counts, at each place where it may be written."""

DROPPED = b"\xfd\x0c" + bytes(16) + b"\x1a"
"""A constant that is dropped, in two instructions."""
NESTED = b"\x10\x00\x41\x00\x04\x40\x0b"
"""A call, and a condition: three places."""
FILLED = b"\x41\x00" * 3 + b"\xfc\x0b\x00"
"""Nothing is filled: one place."""


LOCALS = b"\x01\x82\x01\x7f"
"""130 locals."""
READ = b"\x20\x7f\x1a"
"""A local that is read and dropped, the last one whose number is one byte: no place."""


def body(start: bytes, places: int, beyond: int = 0) -> bytes:
    """A body that begins so, and has as many bytes as may be, or more."""
    rest = LARGEST - ROOM * (places + 9) - len(LOCALS) - len(start) - 1 + beyond
    return LOCALS + start + DROPPED * (rest // len(DROPPED)) + b"\x01" * (rest % len(DROPPED)) + b"\x0b"


def module(large: bytes) -> bytes:
    """A module in which the method is large, and may call a function that does nothing."""
    parts = (
        (1, vector([b"\x60\x00\x00"])),
        (3, vector([b"\x00", b"\x00"])),
        (5, vector([b"\x00\x01"])),
        (7, vector([name("canister_update go") + b"\x00\x01"])),
        (10, vector([unsigned(len(one)) + one for one in (b"\x00\x0b", large)])),
    )
    return HEADER + b"".join(section(*part) for part in parts)


@pytest.mark.checklist("unspec.error.module-limits")
@pytest.mark.parametrize(
    ("start", "places"),
    [(NESTED * 2_000, 6_000), (FILLED * 80_000, 80_000), (READ * 20_000, 0)],
    ids=["many places", "as many as may be", "no room for larger numbers of locals"],
)
def test_a_body_with_room_for_counting_runs_alike_and_no_larger_one_is_taken(start: bytes, places: int) -> None:
    pair = load_pair(module(body(start, places)), PROFILE)
    assert pair is not None
    assert isinstance(pair.update("go", pair.initial_state(), running_canister(PROFILE)), Returned)
    assert load_pair(module(body(start, places, beyond=1)), PROFILE) is None
