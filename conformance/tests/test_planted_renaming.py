"""Who renames a canister wrongly fails, and is told where; who cannot be told to rename is not judged by it."""

import pytest
from attrs import evolve

from conformance.protocol.interface import Capability
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.served.rounds import RoundsImplementation
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from conformance.suite.scenarios.renaming import YOUNG
from conformance.tests.planted.renaming import CONDITIONS, EFFECTS, TELLING, RenamesTooMuch, RenamesWrongly
from spec.values.identifiers import principal_to_text

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios() if chosen.group == "renaming"}


def judged(implementation: SpecificationImplementation, name: str) -> Case:
    """The case of a scenario about renaming."""
    return run_scenario(SCENARIOS[f"renaming/{name}"], implementation, implementation.describe(), Manner())


@pytest.mark.parametrize("name", EFFECTS)
def test_who_renames_with_a_wrong_effect_fails(name: str) -> None:
    """It tells nothing of its state, so what is wrong is seen from outside."""
    wrong, scenario_name = EFFECTS[name]
    case = judged(RenamesWrongly(wrong), scenario_name)
    assert case.verdict.name == "fail", case.verdict.why


@pytest.mark.parametrize("name", CONDITIONS)
def test_who_renames_though_a_condition_does_not_hold_fails(name: str) -> None:
    """Where the specification does not."""
    verdict = judged(RenamesTooMuch(CONDITIONS[name]), "what_it_takes").verdict
    assert verdict.name == "fail"
    assert "canister_renaming" in verdict.why or "it is not renamed" in verdict.why


def test_who_tells_its_state_is_told_the_field_that_is_wrong() -> None:
    """Right after the renaming, with the canister."""
    wrong = RenamesWrongly(EFFECTS["its timer is lost"][0])
    wrong.capabilities = frozenset(Capability)
    why = judged(wrong, "code_goes_on").verdict.why
    assert f"in its state canister {principal_to_text(YOUNG)}.global_timer is 0" in why


@pytest.mark.parametrize("name", sorted(SCENARIOS))
@pytest.mark.parametrize("make", [SpecificationImplementation, RoundsImplementation])
def test_who_renames_rightly_passes(make: type[SpecificationImplementation], name: str) -> None:
    """However it chooses what comes next; it need not tell its state."""
    right = make()
    right.capabilities = TELLING
    assert judged(right, name.removeprefix("renaming/")).verdict.name == "pass"


@pytest.mark.parametrize("missing", sorted(TELLING, key=lambda each: each.value))
def test_who_does_not_offer_what_it_takes_is_not_judged(missing: Capability) -> None:
    """It says why."""
    other = SpecificationImplementation()
    other.capabilities = frozenset(Capability) - {missing}
    verdict = judged(other, "renaming").verdict
    assert verdict.name == "not_applicable"
    assert verdict.why == f"the implementation does not offer {missing.value!r}"


def test_a_black_box_is_not_judged_by_renaming() -> None:
    """Whatever it offers."""
    implementation = SpecificationImplementation()
    manner = evolve(Manner(), black_box=True)
    case = run_scenario(SCENARIOS["renaming/renaming"], implementation, implementation.describe(), manner)
    assert case.verdict.why == "the implementation is judged as a black box"
