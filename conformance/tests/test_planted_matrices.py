"""Who is wrong in a cell of a matrix fails the scenario about it, and is told so; who is right passes."""

import pytest

from conformance.protocol.interface import Capability
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.asking import ASKING
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.mixing import MIXED

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

PLANTED = {**MIXED, **ASKING}


def judged(implementation: BlackBox, scenario_id: str) -> Case:
    """The case of a scenario on an implementation in this process."""
    return run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), Manner())


@pytest.mark.parametrize("name", PLANTED)
def test_who_is_wrong_in_a_cell_fails(name: str) -> None:
    """As a black box."""
    make, scenario_id = PLANTED[name]
    verdict = judged(make(), scenario_id).verdict
    assert verdict.name == "fail", verdict.why


@pytest.mark.deep
@pytest.mark.parametrize("name", PLANTED)
def test_who_is_wrong_in_a_cell_and_explains_itself_fails(name: str) -> None:
    """What it claims is not what it did."""
    make, scenario_id = PLANTED[name]
    wrong = make()
    wrong.capabilities = frozenset(Capability)
    verdict = judged(wrong, scenario_id).verdict
    assert verdict.name == "fail", verdict.why


@pytest.mark.parametrize("scenario_id", sorted({scenario_id for _, scenario_id in PLANTED.values()}))
def test_who_is_right_passes_the_same_scenarios(scenario_id: str) -> None:
    """As a black box too."""
    verdict = judged(BlackBox(), scenario_id).verdict
    assert verdict.name == "pass", verdict.why
