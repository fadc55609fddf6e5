"""Cycles: balance, acceptance, burning."""

from collections.abc import Callable
from typing import Any

import pytest

from spec.canister.outcome import Returned, Trapped
from spec.values.rejects import Reply

Run = Callable[..., Any]

REPLY_16 = "(call $reply (i32.const 0) (i32.const 16))"
BURN = "(call $cycles_burn128 (i64.const {high}) (i64.const {low}) (i32.const {destination}))"
ACCEPT = "(call $msg_cycles_accept128 (i64.const 0) (i64.const {}) (i32.const 0))"


def amount(data: bytes) -> int:
    return int.from_bytes(data, "little")


def freezing_limit(memory: int) -> int:
    """Of a canister of the default threshold of 30 days."""
    return (memory * 317_500 * 86_400 // 2**30) * 30


MEMORY = 65_536 + 32 + 1_234
"""One page of heap, the hidden global, and what the environment counts."""


@pytest.mark.checklist("api.canister-cycle-balance", "api.canister-cycle-balance128", "api-general.cycles-encoding")
def test_the_balance_is_that_of_the_environment(replied: Run) -> None:
    assert amount(replied(f"(call $canister_cycle_balance128 (i32.const 0)) {REPLY_16}", balance=2**70)) == 2**70
    assert amount(replied("(call $reply_i64 (call $canister_cycle_balance))", balance=2**64 - 1)) == 2**64 - 1


@pytest.mark.checklist("api.canister-cycle-balance")
def test_a_balance_of_more_than_64_bits_traps(go: Run) -> None:
    assert isinstance(go("(drop (call $canister_cycle_balance))", balance=2**64), Trapped)


@pytest.mark.checklist(
    "api.msg-cycles-accept128", "api.msg-cycles-available128", "unspec.fn.balance-drift", "seed1.top-up"
)
def test_accepted_cycles_leave_the_call_and_enter_the_balance(replied: Run) -> None:
    both = ACCEPT.format(30) + "(call $msg_cycles_available128 (i32.const 0))" + REPLY_16
    assert amount(replied(both, cycles=100)) == 70
    both = ACCEPT.format(30) + "(call $canister_cycle_balance128 (i32.const 0))" + REPLY_16
    assert amount(replied(both, cycles=100, balance=5)) == 35


@pytest.mark.checklist("api.msg-cycles-accept", "api.msg-cycles-accept128", "entry.update")
def test_no_more_is_accepted_than_there_is(go: Run, replied: Run) -> None:
    assert amount(replied(ACCEPT.format(130) + REPLY_16, cycles=100)) == 100
    outcome = go(ACCEPT.format(60) + ACCEPT.format(60), cycles=100)
    assert outcome.cycles_accepted == 100
    assert amount(replied("(call $reply_i64 (call $msg_cycles_accept (i64.const 7)))", cycles=100)) == 7


def test_nothing_is_accepted_after_a_response(go: Run) -> None:
    assert go("(call $msg_reply)" + ACCEPT.format(60), cycles=100).cycles_accepted == 0


@pytest.mark.checklist("api-general.cycles-encoding")
def test_a_bad_destination_traps(go: Run) -> None:
    assert isinstance(go("(call $canister_cycle_balance128 (i32.const 65520))"), Returned)
    assert isinstance(go("(call $canister_cycle_balance128 (i32.const 65521))"), Trapped)


@pytest.mark.checklist("api.cycles-burn128", "api-general.cycles-encoding", "unspec.fn.freezing-estimate")
def test_burning_stops_at_the_freezing_limit(go: Run, replied: Run) -> None:
    limit = freezing_limit(MEMORY)
    burn = BURN.format(high=1, low=0, destination=0)
    outcome = go(burn, balance=limit + 500)
    assert outcome.cycles_burned == 500
    assert amount(replied(burn + REPLY_16, balance=limit + 500)) == 500
    assert go(burn, balance=limit - 1).cycles_burned == 0
    assert go(burn, balance=limit + 500, reserved_balance=100).cycles_burned == 600
    assert go(burn, balance=limit + 500, reserved_balance=limit + 1).cycles_burned == limit + 500


def test_burning_counts_accepted_cycles_and_earlier_burning(go: Run) -> None:
    burn = BURN.format(high=0, low=400, destination=0)
    outcome = go(ACCEPT.format(100) + burn + burn, balance=freezing_limit(MEMORY) + 500, cycles=100)
    assert outcome.cycles_burned == 600


@pytest.mark.checklist("api.canister-liquid-cycle-balance128")
def test_the_liquid_balance_is_what_could_be_burned(replied: Run) -> None:
    read = "(call $canister_liquid_cycle_balance128 (i32.const 0))" + REPLY_16
    limit = freezing_limit(MEMORY)
    assert amount(replied(read, balance=limit + 3)) == 3
    assert amount(replied(read, balance=limit - 3)) == 0
    more_globals = "(global $one (mut i64) (i64.const 0)) (global $kept i64 (i64.const 0))"
    assert amount(replied(read, more_globals, balance=freezing_limit(MEMORY + 32) + 3)) == 3


def test_memory_that_grew_raises_the_freezing_limit(replied: Run) -> None:
    grow = "(drop (memory.grow (i32.const 1))) (drop (call $stable64_grow (i64.const 2)))"
    read = grow + "(call $canister_liquid_cycle_balance128 (i32.const 0))" + REPLY_16
    assert amount(replied(read, balance=freezing_limit(MEMORY + 3 * 65_536) + 3)) == 3


@pytest.mark.checklist("api.msg-cycles-available", "prod.hypervisor.ic0_msg_cycles_available_u64")
def test_the_cycles_of_a_call_are_told_in_64_bits_if_they_fit(go: Run, replied: Run) -> None:
    read = "(call $reply_i64 (call $msg_cycles_available))"
    assert amount(replied(read, cycles=2**64 - 1)) == 2**64 - 1
    assert amount(replied(ACCEPT.format(30) + read, cycles=100)) == 70
    assert isinstance(go(read, cycles=2**64), Trapped)


@pytest.mark.checklist(
    "api.msg-cycles-refunded", "api.msg-cycles-refunded128", "prod.system_api.test_msg_cycles_refunded_traps"
)
def test_a_refund_is_told_in_64_bits_if_it_fits(canister: Run) -> None:
    one = canister(f"""
        (table 2 funcref) (elem (i32.const 0) $read $read128)
        (func $read (param i32) (call $reply_i64 (call $msg_cycles_refunded)))
        (func $read128 (param i32) (call $msg_cycles_refunded128 (i32.const 0)) {REPLY_16})""")
    assert amount(one.callback(Reply(b""), refunded=2**64 - 1).response.data) == 2**64 - 1
    assert isinstance(one.callback(Reply(b""), refunded=2**64), Trapped)
    assert amount(one.callback(Reply(b""), on_reply=1, refunded=2**70 + 3).response.data) == 2**70 + 3


@pytest.mark.checklist("api.call-cycles-add", "api-general.cycles-encoding")
def test_64_bit_amounts_are_added_up_to_the_liquid_balance_and_wide_ones_have_two_halves(go: Run) -> None:
    new = "(call $call_new" + " (i32.const 0)" * 8 + ")"
    balance = freezing_limit(MEMORY) + 50
    assert isinstance(go(new + "(call $call_cycles_add (i64.const 50))", balance=balance), Returned)
    assert isinstance(go(new + "(call $call_cycles_add (i64.const 51))", balance=balance), Trapped)
    wide = new + "(call $call_cycles_add128 (i64.const 1) (i64.const -1))"
    assert isinstance(go(wide, balance=freezing_limit(MEMORY) + 2**65 - 1), Returned)
    assert isinstance(go(wide, balance=freezing_limit(MEMORY) + 2**65 - 2), Trapped)


LARGEST = 2**128 - 1
NEW = """(call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))"""
BALANCE = "(call $canister_cycle_balance128 (i32.const 0))"
BURN_5 = BURN.format(high=0, low=5, destination=100)
ATTACH = "(call $call_cycles_add128 (i64.const 0) (i64.const {}))"
MOVED = "(call $msg_cycles_accept128 (i64.const 0) (i64.const 50) (i32.const 0))"


@pytest.mark.checklist("inv.cycles.saturating", "api.msg-cycles-accept128")
def test_a_call_loses_the_cycles_that_are_accepted_into_a_full_balance(go: Run, replied: Run) -> None:
    outcome = go(MOVED, balance=LARGEST - 20, cycles=60)
    assert (outcome.cycles_accepted, outcome.cycles_lost) == (50, 30)
    assert amount(replied(MOVED + REPLY_16, balance=LARGEST - 20, cycles=60)) == 50
    assert amount(replied(MOVED + BALANCE + REPLY_16, balance=LARGEST - 20, cycles=60)) == LARGEST


@pytest.mark.checklist("inv.cycles.saturating")
def test_what_was_lost_is_not_there_when_there_is_room(go: Run, replied: Run) -> None:
    outcome = go(MOVED + BURN_5 + MOVED, balance=LARGEST, cycles=100)
    assert (outcome.cycles_accepted, outcome.cycles_burned, outcome.cycles_lost) == (100, 5, 95)
    assert amount(replied(MOVED + BURN_5 + BALANCE + REPLY_16, balance=LARGEST, cycles=60)) == LARGEST - 5


@pytest.mark.checklist("inv.cycles.saturating", "entry.pending-call-discarded")
@pytest.mark.parametrize("dropped_by", [NEW, ""], ids=["another call", "the end"])
def test_the_cycles_of_a_dropped_call_find_no_room_if_others_took_it(go: Run, dropped_by: str) -> None:
    outcome = go(NEW + ATTACH.format(40) + MOVED + dropped_by, balance=LARGEST, cycles=50)
    assert (outcome.cycles_accepted, outcome.cycles_lost) == (50, 50)
    outcome = go(NEW + ATTACH.format(40) + dropped_by + MOVED, balance=LARGEST, cycles=50)
    assert (outcome.cycles_accepted, outcome.cycles_lost) == (50, 50)
    outcome = go(NEW + ATTACH.format(70) + MOVED + BURN_5 + dropped_by, balance=LARGEST, cycles=50)
    assert (outcome.cycles_accepted, outcome.cycles_burned, outcome.cycles_lost) == (50, 5, 45)


@pytest.mark.checklist("inv.cycles.saturating", "api.call-cycles-add128")
def test_no_call_carries_more_than_the_largest_amount(go: Run) -> None:
    attach = "(call $call_cycles_add128 (i64.const -2) (i64.const 0))"
    accept = "(call $msg_cycles_accept128 (i64.const -1) (i64.const -1) (i32.const 0))"
    perform = "(drop (call $call_perform))"
    outcome = go(NEW + attach + accept + attach + perform, balance=LARGEST, cycles=LARGEST)
    (call,) = outcome.new_calls
    attached = (2**64 - 2) * 2**64
    not_accepted = LARGEST - attached
    assert call.transferred_cycles == LARGEST
    assert outcome.cycles_lost == not_accepted + 2 * attached - LARGEST
