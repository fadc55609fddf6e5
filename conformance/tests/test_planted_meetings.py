"""Who is wrong where features meet fails the scenario about it, as a black box; who is right passes."""

import pytest

from conformance.judging.moves import Move, rejections_of_expired
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.losses import LOSSES, planted
from conformance.tests.planted.meetings import MEETINGS

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}


def judged(implementation: BlackBox, scenario_id: str) -> Case:
    """The case of a scenario on an implementation in this process."""
    return run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), Manner())


@pytest.mark.parametrize("name", MEETINGS)
def test_who_is_wrong_where_features_meet_fails(name: str) -> None:
    """And the same scenario passes without the bug."""
    make, scenario_id = MEETINGS[name]
    right = judged(BlackBox(), scenario_id).verdict
    assert right.name == "pass", right.why
    assert judged(make(), scenario_id).verdict.name == "fail"


class RejectsExpiredRequests(BlackBox):
    """No bug: a request whose time is over is rejected."""

    def next(self) -> Move | None:
        return next(rejections_of_expired(self.current), None) or super().next()


def test_who_rejects_an_expired_request_is_right_and_so_is_who_leaves_it() -> None:
    """The text has it never run; what is told of it is open."""
    assert judged(RejectsExpiredRequests(), "features_meet/expired_before_it_starts").verdict.name == "pass"


@pytest.mark.parametrize("name", LOSSES)
def test_who_keeps_or_loses_what_should_not_be_fails_and_is_told_the_event(name: str) -> None:
    """The verdict names the event and the part."""
    _, _, scenario_name = LOSSES[name]
    verdict = judged(planted(name), f"kept_or_lost/{scenario_name}").verdict
    assert verdict.name == "fail", verdict.why
    assert verdict.why.startswith(("after ", "when "))
