"""Fees, freezing limits and reservations."""

import json
from pathlib import Path

import pytest
from attrs import evolve

from reference_impl.subnet.ledger import Ledger, liquid_balance
from spec.profile import load_profile
from spec.values.quantities import SECONDS_PER_DAY
from spec.values.rejects import Reject, RejectCode, Reply

PRODUCTION = load_profile()
LIMIT = PRODUCTION.limits.message_instructions
GIB = 2**30
FACTS = Path(__file__).parents[2].parent / "shared" / "facts" / "fees.json"


def test_the_worked_examples_of_the_facts_hold():
    if not FACTS.exists():
        pytest.skip("the facts are not beside the project")
    values = {row["what"]: row["value"] for row in json.loads(FACTS.read_text())["worked_examples"]}
    small, large = Ledger(PRODUCTION, 13), Ledger(PRODUCTION, 34)
    install = PRODUCTION.limits.install_code_instructions
    assert small.execution(10**6, False) == values["execution of an update with 1000000 instructions, 13 nodes, 32-bit"]
    assert small.execution(LIMIT, False) == values["prepay of an update, 13 nodes, 32-bit"]
    assert small.execution(LIMIT, True) == values["prepay of an update, 13 nodes, 64-bit"]
    assert large.execution(LIMIT, False) == values["prepay of an update, 34 nodes, 32-bit"]
    assert small.execution(install, False) == values["prepay of install code, 13 nodes, 32-bit"]
    assert large.creation() == values["canister creation on 34 nodes"]
    assert small.idle_per_day(0, GIB, 0) == values["storage of 1 GiB for a day, 13 nodes"]
    assert small.idle_per_day(0, 0, 2**20) == values["storage of 1 MiB for a day, 13 nodes"]
    assert small.idle_per_day(1, 0, 0) == values["1 percent compute for a day, 13 nodes"]


@pytest.mark.parametrize("nodes", [1, 13, 34])
@pytest.mark.parametrize("used", [0, 1, 10**6, LIMIT])
def test_what_is_charged_lies_between_the_fixed_part_and_what_was_set_aside(nodes, used):
    ledger = Ledger(PRODUCTION, nodes)
    charge = ledger.execution_charge(LIMIT, used, False)
    assert ledger.execution(0, False) <= charge + 1
    assert charge <= ledger.execution(LIMIT, False)
    assert abs(charge - ledger.execution(used, False)) <= 1


def test_more_instructions_than_the_limit_cost_what_the_limit_costs():
    ledger = Ledger(PRODUCTION, 13)
    assert ledger.execution_charge(LIMIT, LIMIT + 5, False) == ledger.execution(LIMIT, False)


def test_a_response_costs_by_its_bytes_and_at_most_what_the_largest_one_costs():
    ledger = Ledger(PRODUCTION, 13)
    assert ledger.response(Reply(b"12345")) == 5000
    assert ledger.response(Reject(RejectCode.CANISTER_REJECT, "\u00e9")) == 3000
    assert ledger.response(Reply(bytes(3 * 2**20))) == 1000 * 2**21


def test_the_freezing_limit_is_the_idle_fee_of_the_threshold():
    ledger = Ledger(PRODUCTION, 13)
    assert ledger.freezing_limit(1, 0, GIB, SECONDS_PER_DAY) == ledger.idle_per_day(1, 0, GIB)
    assert ledger.freezing_limit(1, 0, GIB, 0) == 0
    assert ledger.freezing_limit(0, 2 * GIB, GIB, 100) == ledger.freezing_limit(0, 0, 2 * GIB, 100)


def test_the_reserved_balance_covers_the_freezing_limit_first():
    assert liquid_balance(100, 30, 50) == 80
    assert liquid_balance(100, 70, 50) == 100
    assert liquid_balance(10, 0, 50) == -40


def test_growth_reserves_nothing_below_the_threshold_and_more_the_fuller_the_subnet_is():
    ledger = Ledger(PRODUCTION, 13)
    threshold = PRODUCTION.limits.subnet_memory_threshold
    assert ledger.reservation(0, GIB) == 0
    assert ledger.reservation(threshold - 4 * GIB, GIB) == 0
    first = ledger.reservation(threshold + 40 * GIB, GIB)
    later = ledger.reservation(threshold + 400 * GIB, GIB)
    assert 0 < first < later
    assert ledger.reservation(threshold + 400 * GIB, 0) == 0
    assert ledger.reservation(threshold + 400 * GIB, -GIB) == 0


def test_a_full_subnet_reserves_for_half_of_the_period():
    limits = evolve(PRODUCTION.limits, subnet_memory=8 * GIB, subnet_memory_threshold=4 * GIB)
    ledger = Ledger(evolve(PRODUCTION, limits=limits), 13)
    period = PRODUCTION.fees.storage_reservation_period // 2
    assert ledger.reservation(4 * GIB, GIB) == PRODUCTION.fees.storage_per_gib_second * period
    assert ledger.reservation(8 * GIB, GIB) == 0
