"""Whoever claims no profile may have any prices; whoever claims one is held to them."""

import pytest

from conformance.judging.verdicts import AsProduction
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.prices import HasOtherPrices, HasOtherPricesUnsaid, SaysLessThanItMust

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

SAMPLE = (
    "calls/some_cycles_accepted",
    "lifecycle/canister_creates",
    "outside/schnorr_unpaid",
    "settings/several_at_once",
    "traps/heap_is_rolled_back",
)


def judged(implementation: BlackBox, scenario_id: str) -> Case:
    """The case of one scenario on an implementation in this process."""
    return run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), Manner())


@pytest.mark.parametrize("scenario_id", SAMPLE)
def test_prices_of_its_own_pass_if_no_profile_is_claimed(scenario_id: str) -> None:
    """Amounts of cycles are not compared then."""
    case = judged(HasOtherPrices(), scenario_id)
    assert case.verdict.name == "pass", case.verdict.why
    assert case.as_production is AsProduction.NOT_CLAIMED


@pytest.mark.parametrize("scenario_id", ["calls/some_cycles_accepted", "lifecycle/canister_creates"])
def test_prices_of_its_own_fail_if_a_profile_is_claimed(scenario_id: str) -> None:
    """A balance tells the last cycle."""
    assert judged(HasOtherPricesUnsaid(), scenario_id).verdict.name == "fail"


def test_all_else_is_compared_although_no_profile_is_claimed() -> None:
    """A status has its fields, whatever things cost."""
    assert judged(SaysLessThanItMust(), "calls/some_cycles_accepted").verdict.name == "fail"
