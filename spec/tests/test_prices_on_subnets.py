"""Prices grow with the number of nodes of a subnet, as worked out by hand."""

import pytest

from spec import fees as f
from spec.profile import load_profile

PROFILE = load_profile()
FEES = PROFILE.fees
LIMIT = PROFILE.limits.message_instructions
SIZES = (1, 7, 13, 26, 34, 40)


@pytest.mark.checklist("prod.subnet_size_test.test_subnet_size_one_gib_storage_zero_compute_allocation_cost")
def test_a_gibibyte_for_a_second_costs_its_share_of_the_price_on_13_nodes():
    costs = [f.memory_cost(FEES, 2**30, 1, size) for size in SIZES]
    assert costs == [317_500 * size // 13 for size in SIZES]
    assert costs == sorted(costs)
    assert f.memory_cost(FEES, 2**30, 1, 13) == 317_500


@pytest.mark.checklist("prod.subnet_size_test.test_subnet_size_one_gib_storage_non_zero_compute_allocation_cost")
@pytest.mark.parametrize("percent", [1, 50, 100])
def test_an_allocation_costs_ten_million_a_percent_and_second_beside_storage(percent):
    for size in SIZES:
        cost = f.memory_cost(FEES, 2**30, 1, size) + f.compute_cost(FEES, percent, 1, size)
        assert cost == 317_500 * size // 13 + 10_000_000 * percent * size // 13


@pytest.mark.checklist("prod.subnet_size_test.test_subnet_size_http_request_cost")
def test_an_outcall_costs_more_on_every_node_the_more_nodes_there_are():
    for size in SIZES:
        price = (3_000_000 + 60_000 * size + 400 * 17 + 800 * 2_000_000) * size
        assert f.http_request_fee(FEES, 17, 2_000_000, size) == price


@pytest.mark.checklist("prod.subnet_size_test.test_subnet_size_xnet_call_cost")
def test_a_call_costs_its_request_and_the_part_of_the_largest_response_that_came():
    for size in SIZES:
        request = 260_000 * size // 13 + 25 * 1_000 * size // 13
        assert f.call_fee(FEES, 25, size) == request
        assert f.response_fee(FEES, 12, size) == 12 * 1_000 * size // 13


@pytest.mark.checklist("prod.canister_manager.check_update_call_canister_in_wasm64_mode_is_charged_correctly")
def test_the_instructions_of_a_module_with_addresses_of_64_bits_cost_twice_as_much():
    assert f.net_execution_cost(FEES, LIMIT, 1_000_000, False, 13) == 6_000_000
    assert f.net_execution_cost(FEES, LIMIT, 1_000_000, True, 13) == 7_000_000


@pytest.mark.checklist("prod.cam.cycles_withdraw_for_execution")
def test_all_down_to_the_freezing_threshold_is_liquid_and_nothing_below():
    """A compute allocation of 90 percent and 4 GiB for ten seconds."""
    limit = f.freezing_limit(FEES, 90, 2**32, 10, 0, 13)
    assert limit == 10 * (90 * 10_000_000 + 4 * 317_500)
    for spare in (0, 1, 1_000):
        assert f.liquid_balance(limit + spare, 0, limit) == spare
    assert f.liquid_balance(limit - 1, 0, limit) == -1


@pytest.mark.checklist("prod.cam.withdraw_cycles_with_not_enough_balance_returns_error")
def test_what_may_be_sent_is_what_the_balance_has_above_the_freezing_threshold():
    """Four GiB are used, and the threshold is thirty seconds."""
    limit = f.freezing_limit(FEES, 0, 0, 30, 2**32, 13)
    assert limit == 30 * 4 * 317_500
    assert f.liquid_balance(limit + 10, 0, limit) == 10
    assert f.liquid_balance(limit + 9, 0, limit) < 10
