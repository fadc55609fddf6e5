"""Balances, burning, attaching and prices, to the last cycle."""

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import pytest

from spec.canister.outcome import Returned, SystemRecord, Trapped

Run = Callable[..., Any]

TRILLION = 10**12
REPLY_16 = "(call $reply (i32.const 0) (i32.const 16))"
BALANCE = "(call $canister_cycle_balance128 (i32.const {}))"
BURN = "(call $cycles_burn128 (i64.const 0) (i64.const {}) (i32.const {}))"
NEW = "(call $call_new" + " (i32.const 0)" * 8 + ")"
ADD = "(call $call_cycles_add128 (i64.const 0) (i64.const {}))"
PERFORM = "(drop (call $call_perform))"


def amount(data: bytes) -> int:
    return int.from_bytes(data, "little")


def amounts(data: bytes) -> list[int]:
    return [amount(data[at : at + 16]) for at in range(0, len(data), 16)]


# Balances.


@pytest.mark.checklist("prod.system_api.test_canister_balance")
def test_the_balance_is_without_the_cycles_of_the_call(replied: Run) -> None:
    told = replied("(call $reply_i64 (call $canister_cycle_balance))", balance=100, cycles=50, freezing_threshold=0)
    assert amount(told) == 100


@pytest.mark.checklist("prod.wasmtime_embedder.wasm64_canister_cycle_balance128")
def test_an_address_of_64_bits_gets_16_bytes_of_the_balance(go: Run) -> None:
    body = """(i64.store (i64.const 16) (i64.const -1)) (i64.store (i64.const 32) (i64.const -1))
        (call $canister_cycle_balance128 (i64.const 16)) (call $reply (i64.const 16) (i64.const 24))"""
    outcome = go(body, wasm64=True, balance=2**64 + 5)
    assert outcome.response.data == (2**64 + 5).to_bytes(16, "little") + b"\xff" * 8


@pytest.mark.checklist(
    "prod.execution_test.canister_with_reserved_balance_is_not_frozen_too_early",
    "prod.cam.withdraw_cycles_for_transfer_checks_reserved_balance",
)
def test_what_reserved_cycles_cover_of_the_freezing_threshold_is_free_in_the_balance(go: Run) -> None:
    """The canister needs 12.8 million cycles to stay unfrozen; 20 million are reserved."""
    given = {"balance": 10**6, "freezing_threshold": 650_000}
    assert isinstance(go(NEW + ADD.format(10**6), reserved_balance=20 * 10**6, **given), Returned)
    assert isinstance(go(NEW + ADD.format(10**6 + 1), reserved_balance=20 * 10**6, **given), Trapped)
    assert isinstance(go(NEW + ADD.format(1), **given), Trapped)


# Attaching.


@pytest.mark.checklist("prod.cam.withdraw_cycles_with_not_enough_balance_returns_error")
def test_what_is_attached_leaves_the_freezing_threshold_in_the_balance(go: Run) -> None:
    """Four GiB are used, and the threshold is thirty seconds."""
    used = {"memory_usage_canister_history": 0, "memory_usage_chunk_store": 0, "memory_usage_snapshots": 0}
    given = {"memory_usage_raw_module": 2**32 - 65_536, "freezing_threshold": 30, **used}
    threshold = 30 * 4 * 317_500
    assert isinstance(go(NEW + ADD.format(1_000), balance=threshold + 1_000, **given), Returned)
    outcome = go(NEW + ADD.format(1_001), balance=threshold + 1_000, **given)
    assert isinstance(outcome, Trapped)


@pytest.mark.checklist("prod.system_api.test_discard_cycles_charge_by_new_call")
def test_another_call_gives_back_what_was_attached_to_the_one_before(replied: Run) -> None:
    told = replied(
        NEW
        + ADD.format(49)
        + BALANCE.format(0)
        + NEW
        + BALANCE.format(16)
        + "(call $reply (i32.const 0) (i32.const 32))",
        balance=10**6,
        freezing_threshold=0,
    )
    assert amounts(told) == [10**6 - 49, 10**6]


@pytest.mark.checklist("prod.system_api.test_fail_add_cycles_when_not_enough_balance")
def test_a_cycle_more_than_there_are_is_not_attached(go: Run) -> None:
    given = {"balance": 10**9, "freezing_threshold": 0}
    assert isinstance(go(NEW + ADD.format(10**9), **given), Returned)
    outcome = go(NEW + ADD.format(10**9 + 1), **given)
    assert isinstance(outcome, Trapped)
    assert outcome.logs == (SystemRecord(),)


@pytest.mark.checklist("prod.system_api.test_fail_adding_more_cycles_when_not_enough_balance")
def test_the_second_of_two_amounts_that_are_too_much_together_is_not_attached(go: Run, replied: Run) -> None:
    half = ADD.format(10**9 // 2 + 1)
    given = {"balance": 10**9, "freezing_threshold": 0}
    assert amount(replied(NEW + half + BALANCE.format(0) + REPLY_16, **given)) == 10**9 // 2 - 1
    assert isinstance(go(NEW + half + half, **given), Trapped)


@pytest.mark.checklist("prod.execution_test.test_canister_liquid_cycle_balance")
def test_nearly_all_of_the_liquid_balance_is_sent(go: Run, replied: Run) -> None:
    balance, rest = 100 * TRILLION, 100 * 10**9
    liquid = amount(replied("(call $canister_liquid_cycle_balance128 (i32.const 0))" + REPLY_16, balance=balance))
    assert balance - rest < liquid < balance
    outcome = go(NEW + ADD.format(liquid - rest) + PERFORM, balance=balance)
    assert [call.transferred_cycles for call in outcome.new_calls] == [liquid - rest]
    assert isinstance(go(NEW + ADD.format(liquid + 1) + PERFORM, balance=balance), Trapped)

    def performs(cycles: int) -> bool:
        return bool(go(NEW + ADD.format(cycles) + PERFORM, balance=balance).new_calls)

    # As many as possible: all but what the call itself takes, and what keeps the canister from freezing meanwhile.
    most = bisect_right(range(liquid), False, liquid - rest, key=lambda cycles: not performs(cycles)) - 1
    assert performs(most) and not performs(most + 1)
    assert balance - rest < most < liquid < most + rest


# Burning.


@pytest.mark.checklist("prod.system_api.cycles_burn128_clamps_to_available_cycles")
def test_no_more_is_burned_than_there_is(replied: Run) -> None:
    told = replied(
        BURN.format(100, 0) + BALANCE.format(16) + "(call $reply (i32.const 0) (i32.const 32))",
        balance=10,
        freezing_threshold=0,
    )
    assert amounts(told) == [10, 0]


@pytest.mark.checklist("prod.system_api.test_ic0_cycles_burn")
def test_burning_again_and_again_ends_with_nothing(replied: Run) -> None:
    burns = "".join(BURN.format(2 * TRILLION, place) for place in (0, 16, 32, 48))
    told = replied(burns + "(call $reply (i32.const 0) (i32.const 64))", balance=5 * TRILLION, freezing_threshold=0)
    assert amounts(told) == [2 * TRILLION, 2 * TRILLION, TRILLION, 0]


@pytest.mark.checklist("prod.response.test_cycles_burn")
def test_a_tenth_of_the_balance_is_burned_if_the_threshold_is_far_below(go: Run) -> None:
    assert go(BURN.format(10**14, 0), balance=10**15).cycles_burned == 10**14


@pytest.mark.checklist("prod.wasmtime_embedder.wasm64_cycles_burn128")
def test_an_address_of_64_bits_gets_the_amount_burned(go: Run) -> None:
    body = (
        "(call $cycles_burn128 (i64.const 0) (i64.const 33) (i64.const 0)) (call $reply (i64.const 0) (i64.const 16))"
    )
    outcome = go(body, wasm64=True)
    assert (amount(outcome.response.data), outcome.cycles_burned) == (33, 33)


@pytest.mark.checklist("prod.system_api.msg_cycles_accept_all_cycles_in_call_context_when_more_asked")
def test_of_40_cycles_40_are_accepted_when_50_are_asked_for(replied: Run) -> None:
    assert amount(replied("(call $reply_i64 (call $msg_cycles_accept (i64.const 50)))", cycles=40)) == 40


# Prices that code asks for, on a subnet of 13 nodes.


@pytest.mark.parametrize(
    ("asking", "price"),
    [
        pytest.param(
            "(call $cost_call (i64.const 3) (i64.const 2000) (i32.const 16))",
            260_000 + 2_003 * 1_000 + 2_097_152 * 1_000 + 5_000_000 + 40_000_000_000,
            marks=pytest.mark.checklist("prod.hypervisor.invoke_cost_call"),
            id="call",
        ),
        pytest.param(
            "(call $cost_create_canister (i32.const 16))",
            500_000_000_000,
            marks=pytest.mark.checklist("prod.hypervisor.invoke_cost_create_canister"),
            id="canister",
        ),
        pytest.param(
            "(drop (call $cost_sign_with_schnorr (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 16)))",
            10_000_000_000,
            marks=pytest.mark.checklist("prod.hypervisor.invoke_cost_sign_with_schnorr"),
            id="schnorr",
        ),
        pytest.param(
            "(drop (call $cost_vetkd_derive_key (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 16)))",
            10_000_000_000,
            marks=pytest.mark.checklist("prod.hypervisor.invoke_cost_vetkd_derive_key"),
            id="vetkd",
        ),
    ],
)
def test_code_is_told_the_price(replied: Run, asking: str, price: int) -> None:
    told = replied(asking + "(call $reply (i32.const 16) (i32.const 16))", '(data (i32.const 0) "key_1")')
    assert amount(told) == price
