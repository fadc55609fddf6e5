"""What canisters pay over time, out of which balance, and what becomes of those that cannot."""

import pytest
from attrs import evolve

from spec.canister.wasm_state import WasmState
from spec.production.rounds.tests.playing import Played, asking
from spec.profile import load_profile
from spec.rules.resources import memory_usage
from spec.rules.tests.worlds import NOW, PROFILE, SUBNET, A, a_request, canister, module, refusal, world
from spec.state.canister import Code, Empty, Subnet
from spec.state.snapshot import Snapshot
from spec.values.canister_terms import SnapshotSource
from spec.values.containers import List, Map
from spec.values.rejects import RejectReason

PERCENT_FOR_TEN_SECONDS = 100_000_000
GIBIBYTE_FOR_TEN_SECONDS = 3_175_000


def after_ten_seconds(paying):
    return Played(world((A, paying))).round(seconds=10).state.canisters[A]


@pytest.mark.checklist(
    "prod.execution_test.test_canister_out_of_cycles",
    "prod.execution_test.canister_has_zero_balance_when_uninstalled_due_to_low_cycles",
)
def test_a_canister_that_cannot_pay_is_there_without_code_and_without_cycles_and_stays_so():
    played = Played(world((A, canister(A, compute_allocation=1, balance=99_999_999)))).round(seconds=10)
    for _ in range(2):
        left = played.state.canisters[A]
        assert (left.balance, left.code) == (0, Empty())
        played = played.round(seconds=10)
    found = refusal(played.state, "submit_request", request=a_request(), effective_id=A)
    assert found.reject.reason is RejectReason.CANISTER_HAS_NO_CODE
    assert played.round(asking(A)).status(asking(A).request) is None


@pytest.mark.checklist("prod.sched_charging.canisters_with_insufficient_cycles_are_uninstalled")
def test_a_canister_that_cannot_pay_for_its_memory_loses_its_allocations_too():
    left = after_ten_seconds(canister(A, memory_allocation=2**30, compute_allocation=1, balance=100, version=0))
    assert (left.code, left.version) == (Empty(), 1)
    assert (left.settings.compute_allocation, left.settings.memory_allocation) == (0, 0)


def with_snapshot(**changes):
    kept = Snapshot(SnapshotSource.TAKEN_FROM_CANISTER, NOW, module(), WasmState(A), List(), 1, b"", 0, None)
    return evolve(canister(A, **changes), snapshots=Map.of([(b"snapshot", kept)]))


@pytest.mark.checklist(
    "prod.sched_charging.snapshot_is_deleted_when_canister_is_out_of_cycles",
    "prod.sched_charging.snapshot_is_deleted_when_uninstalled_canister_is_out_of_cycles",
)
@pytest.mark.parametrize("installed", [None, Empty()])
def test_the_snapshots_of_a_canister_that_cannot_pay_are_gone_with_or_without_code(installed):
    given = {} if installed is None else {"installed": installed}
    assert after_ten_seconds(with_snapshot(compute_allocation=1, balance=100, **given)).snapshots == Map()


@pytest.mark.checklist("prod.cam.charging_removes_canisters_with_insufficient_balance")
@pytest.mark.parametrize(("balance", "kind"), [(10**15, Code), (0, Empty), (100, Empty)])
def test_half_a_core_and_a_gibibyte_can_be_paid_from_a_full_balance_only(balance, kind):
    paying = canister(A, compute_allocation=50, memory_allocation=2**30, balance=balance)
    left = after_ten_seconds(paying)
    assert isinstance(left.code, kind)
    if kind is Code:
        assert left.balance == balance - 50 * PERCENT_FOR_TEN_SECONDS - GIBIBYTE_FOR_TEN_SECONDS


@pytest.mark.checklist("prod.cam.consume_cycles_for_memory_drains_reserved_balance")
def test_memory_is_paid_from_the_reserved_balance_first():
    paying = canister(A, memory_allocation=2**30, balance=4_000_000, reserved_balance=1_175_000)
    left = after_ten_seconds(paying)
    assert (left.reserved_balance, left.balance) == (0, 2_000_000)


@pytest.mark.checklist("prod.cam.consume_cycles_for_compute_drains_reserved_balance")
def test_compute_is_paid_from_the_reserved_balance_first():
    paying = canister(A, Empty(), compute_allocation=1, balance=400_000_000, reserved_balance=40_000_000)
    left = after_ten_seconds(paying)
    assert memory_usage(PROFILE, paying) == 0
    assert (left.reserved_balance, left.balance) == (0, 340_000_000)


@pytest.mark.checklist("prod.execution_test.canister_with_reserved_balance_is_not_uninstalled_too_early")
def test_a_canister_whose_cycles_are_reserved_is_kept_as_long_as_one_whose_are_not():
    for balance, reserved in ((301 * 10**9, 0), (0, 301 * 10**9)):
        paying = canister(A, memory_allocation=10**8, balance=balance, reserved_balance=reserved)
        price = 10**8 * 317_500 * 10 // 2**30
        assert isinstance(after_ten_seconds(paying).code, Code)
        last = evolve(paying, balance=min(balance, price), reserved_balance=min(reserved, price))
        assert isinstance(after_ten_seconds(last).code, Code)
        too_little = evolve(paying, balance=min(balance, price - 1), reserved_balance=min(reserved, price - 1))
        assert after_ten_seconds(too_little).code == Empty()


@pytest.mark.checklist("unspec.spont.resource-payments")
@pytest.mark.parametrize(("nodes", "price"), [(13, 206), (34, 541)])
def test_the_price_of_a_day_is_rounded_and_spread_over_the_time(nodes, price):
    """On 34 nodes a price of the ten seconds at once would be three cycles less."""
    paying = canister(A, memory_allocation=70_000, subnet=Subnet(SUBNET.subnet_id, nodes))
    played = Played(evolve(world((A, paying)), subnet=Subnet(SUBNET.subnet_id, nodes))).round(seconds=10)
    assert paying.balance - played.state.canisters[A].balance == price


# Newer production


@pytest.mark.parametrize(("rounds", "seconds"), [(49, 0), (50, 500), (99, 500), (100, 1_000)])
def test_newer_production_charges_every_50_rounds_for_all_that_time_and_for_being_there(rounds, seconds):
    newer = load_profile("production-2026-08")
    paying = canister(A, memory_allocation=2**30, balance=10**12)
    played = Played(evolve(world((A, paying)), profile=newer))
    for _ in range(rounds):
        played = played.round(seconds=10)
    price = (GIBIBYTE_FOR_TEN_SECONDS // 10 + 10_000) * seconds
    assert played.state.canisters[A].balance == 10**12 - price
