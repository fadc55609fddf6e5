"""The clock of a live instance moves by itself, forward and not too far; that of a deterministic one does not."""

import pytest

from conformance.running.run import judge
from conformance.suite.loading import all_scenarios
from conformance.tests.planted import living
from conformance.tests.planted.bugs import BlackBox

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

TOLD_WITH_TIMES = (
    "reads/timestamps",
    "reads/network",
    "requests/read_state",
    "requests/expired_request",
    "composite/logs",
    "composite/logs_relayed",
    "queries/certificate_told",
)


@pytest.mark.parametrize("implementation", [living.LivesOn, living.TellsHowItLives])
@pytest.mark.parametrize("scenario_id", TOLD_WITH_TIMES)
def test_the_clock_of_a_live_instance_may_move_between_any_two_things(
    scenario_id: str, implementation: type[BlackBox]
) -> None:
    """What is read, certificates and logs bear later times then."""
    case = judge(SCENARIOS[scenario_id], implementation())
    assert case.verdict.name == "pass", (case.verdict.why, getattr(case.verdict, "allowed", ()))


@pytest.mark.parametrize("scenario_id", ["reads/timestamps", "reads/empty_canister", "requests/read_state"])
def test_it_may_move_while_the_instance_runs(scenario_id: str) -> None:
    """Canisters were created before the system came to rest."""
    case = judge(SCENARIOS[scenario_id], living.LivesOnMeanwhile())
    assert case.verdict.name == "pass", (case.verdict.why, getattr(case.verdict, "allowed", ()))


@pytest.mark.parametrize(
    ("implementation", "scenario_id"),
    [
        (living.Ticks, "reads/timestamps"),
        (living.Ticks, "queries/certificate_told"),
        (living.ReadsAFarTime, "requests/read_state"),
        (living.ReadsAnEarlierTime, "requests/read_state"),
        (living.TurnsBack, "reads/timestamps"),
        (living.CreatedBeforeItBegan, "reads/timestamps"),
        (living.CertifiesFarAhead, "queries/certificate_told"),
        (living.DatesLogsBackwards, "composite/logs"),
    ],
)
def test_it_moves_neither_back_nor_too_far_nor_where_nothing_happens(
    implementation: type[BlackBox], scenario_id: str
) -> None:
    """A clock that moves is wrong if the instance says that it does nothing by itself."""
    assert judge(SCENARIOS[scenario_id], implementation()).verdict.name == "fail"
