"""Who is wrong and explains what it did fails as well: replay by labels catches what the search catches."""

import sys
from collections.abc import Callable, Sequence
from typing import Final

import pytest
from attrs import evolve

from conformance.protocol.interface import Capability, Claim
from conformance.running.case import Case, Manner
from conformance.running.processes import Runner, Target
from conformance.running.run import run_scenario
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.engines import ENGINES
from conformance.tests.planted.losses import LOSSES, planted
from conformance.tests.planted.meetings import MEETINGS
from conformance.tests.planted.readers import READERS
from conformance.tests.test_planted_bugs import BUGS
from spec.state.label import Label

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

Make = Callable[[], SpecificationImplementation]


def _loss(name: str) -> tuple[Make, str]:
    return lambda: planted(name), f"kept_or_lost/{LOSSES[name][2]}"


WRONG: Final[dict[str, tuple[Make, str]]] = {
    **{f"{bug.__name__} in {scenario_id}": (bug, scenario_id) for bug, scenario_id in BUGS},
    **MEETINGS,
    **{name: _loss(name) for name in LOSSES},
    **{name: (make, scenario_id) for name, (make, scenario_id, _) in READERS.items()},
}
"""Wrong implementations that run in this process, each with the scenario that catches it."""


def explained(implementation: SpecificationImplementation, scenario_id: str) -> Case:
    """The case of a scenario on an implementation that tells its transitions and its state."""
    implementation.capabilities = frozenset(Capability)
    return run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), Manner())


QUICK: Final = (*MEETINGS, "upgrading keeps the globals", "MixesUpTheQueue in calls/calls_keep_their_order")
"""Those of the default tests."""


@pytest.mark.parametrize(
    "name", [each if each in QUICK else pytest.param(each, marks=pytest.mark.deep) for each in WRONG]
)
def test_who_is_wrong_and_explains_itself_fails(name: str) -> None:
    """By the scenario that catches it as a black box."""
    make, scenario_id = WRONG[name]
    case = explained(make(), scenario_id)
    assert case.judged_by == "replay"
    assert case.verdict.name == "fail", case.verdict.why


@pytest.mark.deep
@pytest.mark.parametrize("scenario_id", sorted({scenario_id for _, scenario_id in WRONG.values()}))
def test_who_is_right_and_explains_itself_passes(scenario_id: str) -> None:
    """The same scenarios."""
    assert explained(BlackBox(), scenario_id).verdict.name == "pass"


@pytest.mark.deep
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_with_a_wrong_instruction_that_explains_itself_fails(engine: str) -> None:
    """It runs in a process, since its instructions are those of the judge as well."""
    command = (sys.executable, "-m", "conformance.tests.planted.engines", engine, "--explained")
    runner = Runner(Target(command))
    try:
        case = runner.run(SCENARIOS[ENGINES[engine][1]])
    finally:
        runner.close()
    assert case.judged_by == "replay"
    assert case.verdict.name == "fail", case.verdict.why


def test_more_than_sixty_wrong_implementations_are_planted() -> None:
    """Those of whole rules here, those of single instructions and functions as processes."""
    assert len(WRONG) + len(ENGINES) >= 80


class ClaimsThatStoppingFails(SpecificationImplementation):
    """It explains itself, and says that it rejected a call of `stop_canister` that it took; or the other way round."""

    def __init__(self, *, rejects: bool) -> None:
        super().__init__()
        self._rejects = rejects

    def explain(self) -> Sequence[Claim]:
        claims = list(super().explain())
        for index, claim in enumerate(claims):
            if claim.label.rule == "stop_running_canister":
                asked = {"message_id": claim.label.arguments()["message_id"]}
                wrong = Label("management_call_rejection", {**asked, "code": 5})
                claims[index] = evolve(claim, label=wrong if self._rejects else Label("stop_stopped_canister", asked))
        return claims


def test_a_management_call_with_a_wrong_outcome_is_told_with_its_method() -> None:
    """A rejection for which there is no reason, and a rule whose conditions do not hold."""
    rejected, taken = (
        explained(ClaimsThatStoppingFails(rejects=each), "lifecycle/stop_and_start").verdict.why
        for each in (True, False)
    )
    assert rejected.endswith("the call of 'stop_canister' is rejected, though every condition of the method holds")
    assert "the call of 'stop_canister': not enabled: it does not hold that" in taken
