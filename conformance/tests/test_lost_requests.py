"""A request that was handed in may be lost where the environment admits it, or become known late."""

import pytest

from conformance.canisters.scripted import append_to_slot, program, reply, slot
from conformance.judging.environment import CALM, HOSTILE
from conformance.protocol.interface import Capability
from conformance.running.case import Case, Manner
from conformance.running.run import judge
from conformance.suite.scenario import Scenario
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.waiting import LosesOneRequest, TakesOneInLate, TellsThatItLosesOne


class LosesTheThird(LosesOneRequest):
    """Requests of preparations are the first two."""

    number = 3


class TakesTheThirdInLate(TakesOneInLate):
    """The same, but it comes to be known."""

    number = 3


class TellsThatItTakesTheThirdInLate(TakesTheThirdInLate):
    """It explains itself."""

    capabilities = frozenset({Capability.EXPLAIN})


class TellsThatItLosesTheThird(TellsThatItLosesOne):
    """It explains itself."""

    number = 3


def keeps_a_letter(stage: Stage) -> None:
    """A canister keeps what a request brings, and later tells it."""
    canister = scripted(stage)
    stage.send(canister, "update", program(append_to_slot(0, b"a"), reply()))
    stage.settle()
    stage.settle()
    stage.query(canister, program(reply(slot(0))))


def judged(implementation: BlackBox, manner: Manner) -> Case:
    """The case of this script."""
    return judge(
        Scenario(id="lost/script", title="A scenario", covers=(), script=keeps_a_letter), implementation, manner
    )


@pytest.mark.checklist("unspec.spont.request-loss")
@pytest.mark.parametrize(
    "implementation", [LosesTheThird, TellsThatItLosesTheThird, TakesTheThirdInLate, TellsThatItTakesTheThirdInLate]
)
def test_a_request_may_be_lost_or_come_late_where_there_is_much_to_do(implementation: type[BlackBox]) -> None:
    """What it does shows when it has become known."""
    hostile = judged(implementation(), Manner(environment=HOSTILE))
    assert hostile.verdict.name == "pass", hostile.verdict.why
    assert judged(implementation(), Manner(environment=CALM)).verdict.name == "fail"
