"""What a canister sees of its cycles is right after everything that moves them."""

from collections import Counter
from collections.abc import Callable

import wasmtime
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from properties.agreement.modules import load_pair, running_canister
from spec.canister.outcome import Returned
from spec.profile import load_profile

PROFILE = load_profile()
ENVIRONMENT = running_canister(PROFILE)

IMPORTS = {
    "canister_cycle_balance": "(result i64)",
    "canister_cycle_balance128": "(param i32)",
    "canister_liquid_cycle_balance128": "(param i32)",
    "msg_cycles_available": "(result i64)",
    "msg_cycles_available128": "(param i32)",
    "msg_cycles_accept": "(param i64) (result i64)",
    "msg_cycles_accept128": "(param i64 i64 i32)",
    "cycles_burn128": "(param i64 i64 i32)",
    "call_new": f"(param {'i32 ' * 8})",
    "call_cycles_add": "(param i64)",
    "call_cycles_add128": "(param i64 i64)",
    "call_perform": "(result i32)",
    "msg_reply": "",
    "msg_reject": "(param i32 i32)",
}
AMOUNTS = st.sampled_from([0, 1, 999, 10**9, 10**12, 2**63])


def call(name: str, *parameters: int) -> str:
    """Calls a function with constants."""
    kinds = IMPORTS[name].partition("(param ")[2].partition(")")[0].split()
    given = " ".join(f"({kind}.const {value})" for kind, value in zip(kinds, parameters, strict=True))
    return f"(call ${name} {given})"


def moving() -> st.SearchStrategy[list[str]]:
    """Something that moves cycles."""
    start = call("call_new", *[0, 1, 0, 1, 0, 0, 0, 0])
    perform = f"(drop {call('call_perform')})"
    return st.one_of(
        AMOUNTS.map(lambda amount: [f"(drop {call('msg_cycles_accept', amount)})"]),
        AMOUNTS.map(lambda amount: [call("msg_cycles_accept128", 0, amount, 0)]),
        st.just([call("msg_cycles_accept128", 1, 0, 0)]),
        AMOUNTS.map(lambda amount: [call("cycles_burn128", 0, amount, 0)]),
        st.just([start]),
        AMOUNTS.map(lambda amount: [start, call("call_cycles_add", amount), perform]),
        AMOUNTS.map(lambda amount: [start, call("call_cycles_add128", 0, amount), start]),
        st.just([start, perform]),
    )


def looks_at_128_bits(place: int) -> str:
    """Writes what is to be seen of amounts of any size into the heap."""
    amounts = ("canister_cycle_balance128", "canister_liquid_cycle_balance128", "msg_cycles_available128")
    return "".join(call(name, place + 16 * index) for index, name in enumerate(amounts))


def looks(place: int) -> str:
    """Writes all that is to be seen into the heap."""
    return f"""{looks_at_128_bits(place)}
        (i64.store (i32.const {place + 48}) {call("canister_cycle_balance")})
        (i64.store (i32.const {place + 56}) {call("msg_cycles_available")})"""


def module(steps: list[str], looks: Callable[[int], str] = looks) -> bytes:
    """Looks after every step."""
    imports = " ".join(f'(import "ic0" "{name}" (func ${name} {types}))' for name, types in IMPORTS.items())
    body = "".join(step + looks(64 + 64 * index) for index, step in enumerate(["", *steps]))
    return bytes(wasmtime.wat2wasm(f'(module {imports} (memory 1) (func (export "canister_update go") {body}))'))


ANSWERS = st.sampled_from(["", call("msg_reply"), call("msg_reject", 0, 0)])
STEPS = st.builds(lambda steps, answer: [*sum(steps, []), answer], st.lists(moving(), max_size=4), ANSWERS)
BALANCES = st.sampled_from([10**13, 10**14, 2**63 + 10**14])
AVAILABLE = st.sampled_from([0, 10**12, 10**18])


def test_what_is_seen_is_right_after_every_step() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(steps=STEPS, balance=BALANCES, available=AVAILABLE)
    def check(steps: list[str], balance: int, available: int) -> None:
        pair = load_pair(module(steps), PROFILE)
        assert pair is not None
        outcome = pair.update("go", pair.initial_state(), evolve(ENVIRONMENT, balance=balance), b"", available)
        seen[type(outcome).__name__] += 1
        if isinstance(outcome, Returned):
            seen["accepted"] += outcome.cycles_accepted > 0
            seen["called"] += len(outcome.new_calls) > 0

    check()
    assert min(seen["Returned"], seen["accepted"], seen["called"]) > 10, seen


def test_amounts_are_right_where_their_lower_halves_borrow_and_carry() -> None:
    start = call("call_new", *[0, 1, 0, 1, 0, 0, 0, 0])
    returned = 0
    for balance in (2**64 + 10**13, 2**65 - 1, 2**66 + 2**63, 2**127):
        for high, low in ((0, 2**63), (0, 2**64 - 1), (1, 0), (1, 2**63)):
            steps = [
                call("msg_cycles_accept128", high, low, 0),
                call("cycles_burn128", high, low, 0),
                start + call("call_cycles_add128", 0, low // 2) * 2 + f"(drop {call('call_perform')})",
                start + call("call_cycles_add128", high, low) * 2 + f"(drop {call('call_perform')})",
            ]
            for some in (steps[:2], steps[2:3], steps[3:], steps):
                pair = load_pair(module(some, looks_at_128_bits), PROFILE)
                assert pair is not None
                outcome = pair.update("go", pair.initial_state(), evolve(ENVIRONMENT, balance=balance), b"", 2**66 - 1)
                returned += isinstance(outcome, Returned)
    assert returned > 40


def test_amounts_that_64_bits_do_not_hold_trap_in_the_old_functions_only() -> None:
    for balance, available in ((2**64 - 1, 2**64 - 1), (2**64, 0), (0, 2**64), (2**128 - 1, 2**127)):
        for name in ("canister_cycle_balance", "msg_cycles_available"):
            text = f"""(module (import "ic0" "{name}" (func $f (result i64))) (memory 1)
                (func (export "canister_update go") (i64.store (i32.const 0) (call $f))))"""
            pair = load_pair(bytes(wasmtime.wat2wasm(text)), PROFILE)
            assert pair is not None
            environment = evolve(ENVIRONMENT, balance=balance)
            outcome = pair.update("go", pair.initial_state(), environment, b"", available)
            asked = balance if name == "canister_cycle_balance" else available
            assert isinstance(outcome, Returned) == (asked < 2**64)
