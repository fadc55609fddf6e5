"""The fee formulas give the worked examples of the facts on fees, and satisfy the laws that the rules rely on."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec import fees as f
from spec.profile import load_profile

PROFILE = load_profile()
FEES = PROFILE.fees
LIMIT = PROFILE.limits.message_instructions
DAY = 86_400

EXAMPLES = {
    "execution of an update with 1000000 instructions, 13 nodes, 32-bit": lambda: f.net_execution_cost(
        FEES, LIMIT, 1_000_000, False, 13
    ),
    "prepay of an update, 13 nodes, 32-bit": lambda: f.cycles_per_message(PROFILE, LIMIT, False, 13),
    "prepay of an update, 13 nodes, 64-bit": lambda: f.cycles_per_message(PROFILE, LIMIT, True, 13),
    "prepay of an update, 34 nodes, 32-bit": lambda: f.cycles_per_message(PROFILE, LIMIT, False, 34),
    "prepay of install code, 13 nodes, 32-bit": lambda: f.execution_cost(
        FEES, PROFILE.limits.install_code_instructions, False, 13
    ),
    "cycles needed for a call with 100 payload bytes, 13 nodes, 32-bit, without attached cycles": lambda: (
        f.call_fee(FEES, 100, 13) + f.cycles_per_response(PROFILE, False, 13)
    ),
    "refund of transmission for a response of 50 bytes, 13 nodes": lambda: (
        f.response_fee(FEES, PROFILE.limits.inter_canister_payload, 13) - f.response_fee(FEES, 50, 13)
    ),
    "ingress of 500 bytes, 13 nodes": lambda: f.ingress_fee(FEES, 500, 13),
    "ingress of 500 bytes, 34 nodes": lambda: f.ingress_fee(FEES, 500, 34),
    "storage of 1 GiB for a day, 13 nodes": lambda: f.memory_cost(FEES, 2**30, DAY, 13),
    "storage of 1 MiB for a day, 13 nodes": lambda: f.memory_cost(FEES, 2**20, DAY, 13),
    "1 percent compute for a day, 13 nodes": lambda: f.compute_cost(FEES, 1, DAY, 13),
    "threshold signature on 34 nodes": lambda: f.ecdsa_signature_fee(FEES, 34),
    "HTTPS outcall version 1, 13 nodes, q = 1000, m = 10000": lambda: f.http_request_fee(FEES, 1000, 10_000, 13),
    "canister creation on 34 nodes": lambda: f.canister_creation_fee(FEES, 34),
}

NOT_IN_THIS_PROFILE = {"base fee for a day, 13 nodes"}
"""The base fee of a canister came after the base commit of the production profile."""

VALUES = {
    "execution of an update with 1000000 instructions, 13 nodes, 32-bit": 6_000_000,
    "prepay of an update, 13 nodes, 32-bit": 40_005_000_000,
    "prepay of an update, 13 nodes, 64-bit": 80_005_000_000,
    "prepay of an update, 34 nodes, 32-bit": 104_628_461_538,
    "prepay of install code, 13 nodes, 32-bit": 300_005_000_000,
    "cycles needed for a call with 100 payload bytes, 13 nodes, 32-bit, without attached cycles": 42_102_512_000,
    "refund of transmission for a response of 50 bytes, 13 nodes": 2_097_102_000,
    "ingress of 500 bytes, 13 nodes": 2_200_000,
    "ingress of 500 bytes, 34 nodes": 5_753_461,
    "storage of 1 GiB for a day, 13 nodes": 27_432_000_000,
    "storage of 1 MiB for a day, 13 nodes": 26_789_062,
    "1 percent compute for a day, 13 nodes": 864_000_000_000,
    "threshold signature on 34 nodes": 26_153_846_153,
    "HTTPS outcall version 1, 13 nodes, q = 1000, m = 10000": 158_340_000,
    "canister creation on 34 nodes": 1_307_692_307_692,
}


@pytest.mark.parametrize("what", EXAMPLES)
def test_a_worked_example_holds(what: str) -> None:
    assert EXAMPLES[what]() == VALUES[what]


def test_the_worked_examples_are_those_of_the_facts() -> None:
    path = Path(__file__).parents[2] / "docs" / "facts" / "fees.json"
    examples = {example["what"]: example["value"] for example in json.loads(path.read_text())["worked_examples"]}
    assert {what: value for what, value in examples.items() if what not in NOT_IN_THIS_PROFILE} == VALUES


@pytest.mark.checklist("prod.cam.variable_execution_cost_matches_refund")
@given(st.integers(0, 10**12), st.integers(0, 10**12), st.booleans(), st.integers(1, 100))
def test_an_execution_costs_at_least_its_fixed_part_and_at_most_its_prepayment(
    limit: int, used: int, wasm64: bool, subnet_size: int
) -> None:
    prepaid = f.execution_cost(FEES, limit, wasm64, subnet_size)
    cost = f.net_execution_cost(FEES, limit, used, wasm64, subnet_size)
    assert f.scale(FEES, FEES.update_message_execution, subnet_size) <= cost <= prepaid
    if used <= limit:
        assert abs(cost - f.execution_cost(FEES, used, wasm64, subnet_size)) <= 1
    else:
        assert cost == prepaid


def test_the_idle_rate_counts_the_larger_of_allocation_and_usage() -> None:
    by_usage = f.idle_cycles_burned_per_day(FEES, 0, 5, 2**30, 13)
    by_allocation = f.idle_cycles_burned_per_day(FEES, 0, 2**30, 5, 13)
    assert by_usage == by_allocation == 27_432_000_000
    assert f.idle_cycles_burned_per_day(FEES, 1, 2**30, 0, 13) == 27_432_000_000 + 864_000_000_000


def test_the_freezing_limit_is_the_idle_rate_times_the_threshold() -> None:
    assert f.freezing_limit(FEES, 0, 0, 2_592_000, 2**30, 13) == 30 * 27_432_000_000
    assert f.freezing_limit(FEES, 0, 0, 1, 2**30, 13) == 317_500
    assert f.freezing_limit(FEES, 0, 0, 0, 2**30, 13) == 0


@pytest.mark.checklist("prod.cam.freezing_threshold_uses_reserved_balance")
def test_the_reserved_balance_serves_the_freezing_limit_first() -> None:
    assert f.liquid_balance(100, 0, 30) == 70
    assert f.liquid_balance(100, 20, 30) == 90
    assert f.liquid_balance(100, 50, 30) == 100
    assert f.liquid_balance(10, 0, 30) == -20


def test_management_work_has_no_fixed_part_and_the_32_bit_rate() -> None:
    assert f.management_instructions_cost(FEES, 200_000_000, 13) == 200_000_000
    assert f.management_instructions_cost(FEES, 0, 13) == 0


@pytest.mark.checklist("prod.cam.scaling_of_resource_saturation")
@pytest.mark.parametrize(
    ("used", "expected"), [(0, 0), (99, 0), (100, 0), (101, 10), (150, 500), (200, 1_000), (201, 1_000)]
)
def test_what_is_reserved_for_grows_between_the_threshold_and_the_capacity(used, expected):
    assert f.saturated(1_000, used, threshold=100, capacity=200) == expected


@pytest.mark.checklist("seed1.memory-charge")
@given(size=st.integers(0, 2**42), seconds=st.integers(0, 10**6), nodes=st.sampled_from((1, 13, 34)))
def test_twice_the_memory_or_twice_the_time_costs_twice_as_much_up_to_rounding(size, seconds, nodes):
    """Rounding happens once for the memory and once for the nodes, so what is lost is less than a cycle a node."""
    once = f.memory_cost(FEES, size, seconds, nodes)
    for twice in (f.memory_cost(FEES, 2 * size, seconds, nodes), f.memory_cost(FEES, size, 2 * seconds, nodes)):
        assert 0 <= twice - 2 * once <= nodes + 1
