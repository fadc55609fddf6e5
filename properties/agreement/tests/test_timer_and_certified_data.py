"""What an execution sets as timer and certified data, by itself or through the host, is what it set last."""

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import load_pair, running_canister
from spec.canister.outcome import Returned, Trapped
from spec.profile import Profile, load_profile

PROFILE = load_profile()
LARGER = evolve(PROFILE, limits=evolve(PROFILE.limits, certified_data=64))
"""More may be certified than the module does by itself."""

HEAD = """(import "ic0" "global_timer_set" (func $timer (param i64) (result i64)))
    (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
    (import "ic0" "is_controller" (func $by_host (param i32 i32) (result i32)))
    (memory 1) (data (i32.const 0) "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-abcdefghijklmn")"""


def outcome(body: str, profile: Profile = PROFILE, limit: int = 10**9) -> Returned | Trapped:
    """What comes of an update on both engines, the timer having been set to 77 before."""
    text = f'(module {HEAD} (func (export "canister_update go") {body}))'
    pair = load_pair(bytes(wasmtime.wat2wasm(text)), profile)
    assert pair is not None
    environment = evolve(running_canister(profile), global_timer=77, instruction_limit=limit)
    found = pair.update("go", pair.initial_state(), environment)
    assert isinstance(found, Returned | Trapped)
    return found


def certify(source: int, size: int) -> str:
    return f"(call $certify (i32.const {source}) (i32.const {size}))"


BY_HOST = "(drop (call $by_host (i32.const 0) (i32.const 5)))"


@pytest.mark.parametrize("between", ["", BY_HOST], ids=["without the host", "with the host"])
def test_the_timer_gives_what_it_was_before(between: str) -> None:
    keep = "(i64.store (i32.const {}) (call $timer (i64.const {})))"
    found = outcome(keep.format(8, 5) + between + keep.format(16, 0))
    assert isinstance(found, Returned)
    assert found.new_global_timer == 0
    assert found.new_state.wasm_memory.read(8, 16) == (77).to_bytes(8, "little") + (5).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", None),
        (BY_HOST, None),
        (certify(0, 0), b""),
        (certify(0, 3), b"abc"),
        (certify(0, 32) + certify(1, 2), b"bc"),
        (certify(0, 3) + BY_HOST, b"abc"),
        (BY_HOST + certify(0, 3), b"abc"),
    ],
    ids=range(7),
)
def test_what_was_certified_last_counts(body: str, expected: bytes | None) -> None:
    found = outcome(body)
    assert isinstance(found, Returned)
    assert found.new_certified_data == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (certify(0, 33), b"abcdefghijklmnopqrstuvwxyz-abcdef"),
        (certify(0, 40) + certify(3, 2), b"de"),
        (certify(3, 2) + certify(0, 34), b"abcdefghijklmnopqrstuvwxyz-abcdefg"),
    ],
    ids=range(3),
)
def test_longer_data_is_certified_by_the_host(body: str, expected: bytes) -> None:
    found = outcome(body, LARGER)
    assert isinstance(found, Returned)
    assert found.new_certified_data == expected


@pytest.mark.parametrize("body", [certify(0, 33), certify(65_530, 7), certify(0, 3) + "unreachable"])
def test_what_traps_sets_nothing(body: str) -> None:
    assert isinstance(outcome(body), Trapped)


def test_both_are_charged_alike_until_nothing_is_left() -> None:
    body = "(drop (call $timer (i64.const 5)))" + certify(0, 32)
    ends = [type(outcome(body, limit=limit)) for limit in (*range(400, 1300, 60), 10**6)]
    assert {*ends} == {Trapped, Returned}
