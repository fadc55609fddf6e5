"""Calls that a module puts together and performs are the same however large, many and dear they are."""

from collections import Counter
from typing import Any

import wasmtime
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from properties.agreement.modules import load_pair, running_canister
from reference_impl.wasm.layout.fast_functions import CALLS_ROOM, RECORD
from reference_impl.wasm.system_api import costs
from spec.canister.outcome import Returned, Trapped
from spec.profile import load_profile
from spec.values.quantities import WASM_PAGE

PROFILE = load_profile()
ENVIRONMENT = running_canister(PROFILE)

IMPORTS = {
    "call_new": f"(param {'P ' * 8})",
    "call_on_cleanup": "(param P P)",
    "call_data_append": "(param P P)",
    "call_with_best_effort_response": "(param i32)",
    "call_cycles_add128": "(param i64 i64)",
    "call_perform": "(result i32)",
    "cycles_burn128": "(param i64 i64 P)",
    "msg_cycles_accept128": "(param i64 i64 P)",
    "canister_cycle_balance128": "(param P)",
    "canister_liquid_cycle_balance128": "(param P)",
    "debug_print": "(param P P)",
    "stable64_grow": "(param i64) (result i64)",
    "msg_reply": "",
}
PRICE = 260_000 + 1000 * 2_097_152 + 5_000_000 + 40_000_000_000
"""What an empty call takes on a 32-bit module."""
SIZES = st.sampled_from([0, 1, 7, 8, 1000, CALLS_ROOM - 2 * RECORD, CALLS_ROOM - 2 * RECORD + 1, 2 * WASM_PAGE, 10**6])
AMOUNTS = st.sampled_from([0, 1, 10**9, 10**12, 2**63, 2**64 - 1])
ANYTHING = st.sampled_from([0, 1, 2**31, 2**32 - 1])


def call(name: str, *parameters: int) -> str:
    """Calls a function with constants."""
    kinds = IMPORTS[name].partition("(param ")[2].partition(")")[0].split()
    given = " ".join(f"({kind}.const {value})" for kind, value in zip(kinds, parameters, strict=True))
    return f"(call ${name} {given})"


def seen(place: int) -> str:
    """Writes what is to be seen of cycles, and what performing gives."""
    return f"""(i32.store (P.const {place}) {call("call_perform")})
        {call("canister_cycle_balance128", place + 8)} {call("canister_liquid_cycle_balance128", place + 24)}"""


SETTINGS = st.one_of(
    SIZES.map(lambda size: call("call_data_append", 1, size)),
    SIZES.map(lambda size: call("call_data_append", 1, size)),
    st.builds(lambda function, argument: call("call_on_cleanup", function, argument), ANYTHING, ANYTHING),
    st.sampled_from([0, 1, 300, 2**32 - 1]).map(lambda seconds: call("call_with_best_effort_response", seconds)),
    AMOUNTS.map(lambda amount: call("call_cycles_add128", 0, amount)),
    st.sampled_from([0, 1, 2**62, 2**64 - 1]).map(lambda high: call("call_cycles_add128", high, 0)),
)
BETWEEN = st.one_of(
    st.sampled_from(
        [
            call("debug_print", 0, 3),
            "(drop (memory.grow (P.const 1)))",
            f"(drop {call('stable64_grow', 1)})",
            call("cycles_burn128", 0, 10**9, 0),
            call("msg_cycles_accept128", 0, 10**12, 0),
            call("msg_cycles_accept128", 2**64 - 1, 0, 0),
            call("msg_reply"),
            "(unreachable)",
        ]
    ),
    AMOUNTS.map(lambda amount: call("cycles_burn128", 0, amount, 0)),
)
"""What is done elsewhere while a call is put together."""


def begin(function: int, argument: int, name: int) -> str:
    """Begins a call to a callee whose name is what lies there, with a method's name that may be no text."""
    return call("call_new", name % 3, 10, 3, name, function, argument, argument, function)


BEGINNINGS = st.builds(begin, ANYTHING, ANYTHING, st.sampled_from([0, 1, 9, 20_000]))
CALL = st.builds(
    lambda beginning, settings, performs: [beginning, *settings, *(["perform"] if performs else [])],
    BEGINNINGS,
    st.lists(SETTINGS, max_size=3),
    st.integers(0, 4).map(bool),
)
PLAIN_CALL = st.builds(
    lambda beginning, size: [beginning, call("call_data_append", 1, size), "perform"], BEGINNINGS, SIZES
)
MIXED = st.lists(st.one_of(CALL, CALL, CALL, BETWEEN.map(lambda step: [step])), max_size=5)
ENDS = st.sampled_from([[], [["(unreachable)"]]])
STEPS = st.builds(
    lambda plain, mixed, end: [*plain, *mixed, *end], st.lists(PLAIN_CALL, max_size=4), st.just([]) | MIXED, ENDS
)


def module(steps: list[list[str]], is_64_bit: bool) -> bytes:
    """Does the steps, and ends."""
    imports = " ".join(f'(import "ic0" "{name}" (func ${name} {types}))' for name, types in IMPORTS.items())
    flat = sum(steps, [])
    body = "".join(seen(200 + 64 * place) if step == "perform" else step for place, step in enumerate(flat))
    memory = f'(memory {"i64" if is_64_bit else ""} 20) (data (P.const 0) "callee\\ff\\c3\\a4bc method and data")'
    text = f'(module {imports} {memory} (func (export "canister_update go") {body}))'
    pointer = "i64" if is_64_bit else "i32"
    return bytes(
        wasmtime.wat2wasm(
            text.replace("P.const", f"{pointer}.const").replace("P ", f"{pointer} ").replace("P)", f"{pointer})")
        )
    )


@st.composite
def balances(draw: Any) -> int:
    """More than enough, or about what some calls take."""
    if draw(st.booleans()):
        return int(draw(st.sampled_from([10**15, 2**64 + 10**13, 2**128 - 1])))
    limit = costs.freezing_limit(20 * WASM_PAGE + 32, 0, ENVIRONMENT)
    return limit + PRICE * int(draw(st.integers(0, 3))) + int(draw(st.sampled_from([0, 10**6, 10**9, 10**10])))


def test_calls_are_the_same_and_cost_the_same() -> None:
    came: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(steps=STEPS, is_64_bit=st.booleans(), balance=balances(), available=st.sampled_from([0, 10**13, 2**127]))
    def check(steps: list[list[str]], is_64_bit: bool, balance: int, available: int) -> None:
        pair = load_pair(module(steps, is_64_bit), PROFILE)
        assert pair is not None
        environment = evolve(ENVIRONMENT, balance=balance)
        outcome = pair.update("go", pair.initial_state(), environment, b"", available)
        came[type(outcome).__name__] += 1
        if isinstance(outcome, Returned):
            came["performed"] += bool(outcome.new_calls.items)
            came["not performed"] += outcome.calls_tried > len(outcome.new_calls.items)
            came["long"] += any(len(one.argument) > CALLS_ROOM for one in outcome.new_calls)
            came["several"] += len(outcome.new_calls.items) > 2
        elif isinstance(outcome, Trapped):
            came["performed before the trap"] += bool(outcome.made_calls)

    check()
    expected = ("Returned", "Trapped", "performed", "not performed", "long", "several", "performed before the trap")
    assert min(came[name] for name in expected) > 4, came


def test_calls_by_the_hundred_are_all_there() -> None:
    text = """(module
        (import "ic0" "call_new" (func $new (param i32 i32 i32 i32 i32 i32 i32 i32)))
        (import "ic0" "call_data_append" (func $append (param i32 i32)))
        (import "ic0" "call_perform" (func $perform (result i32)))
        (memory 2)
        (func (export "canister_update go") (local $i i32)
          (loop $next
            (i32.store (i32.const 100) (local.get $i))
            (call $new (i32.const 100) (i32.const 4) (i32.const 0) (i32.const 5)
              (local.get $i) (i32.const 1) (i32.const 2) (i32.const 3))
            (call $append (i32.const 100) (i32.mul (local.get $i) (i32.const 9)))
            (i32.store8 (i32.add (i32.const 10000) (local.get $i)) (call $perform))
            (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 400))))))"""
    pair = load_pair(bytes(wasmtime.wat2wasm(text)), PROFILE)
    assert pair is not None
    outcome = pair.update("go", pair.initial_state(), evolve(ENVIRONMENT, balance=10**15))
    assert isinstance(outcome, Returned)
    assert [call.callee for call in outcome.new_calls] == [number.to_bytes(4, "little") for number in range(400)]
    few = pair.update("go", pair.initial_state(), evolve(ENVIRONMENT, balance=10**13))
    assert isinstance(few, Returned) and 200 < len(few.new_calls.items) < 300
    refused = pair.update("go", pair.initial_state(), evolve(ENVIRONMENT, balance=10**15, refused_calls=(0, 7, 399)))
    assert isinstance(refused, Returned) and len(refused.new_calls.items) == 397
