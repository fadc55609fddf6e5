"""A transition that another one can overtake: the judge admits either order."""

from collections import Counter

import pytest

from conformance.canisters import ic0
from conformance.canisters.scripted import call, program, reply
from conformance.protocol.interface import Replied
from conformance.running.case import Manner
from conformance.running.run import run_scenario
from conformance.suite.people import ALICE
from conformance.suite.scenario import Scenario
from conformance.suite.scenarios.preparations import controlled_by, scripted
from conformance.suite.stage import Stage
from conformance.tests.planted.bugs import Shuffled
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER

ANSWERS = {b"the canister is stopping", b"the canister is stopped", b"first call rejected"}


def stop_overtaken_by_call(stage: Stage) -> None:
    """A canister is called once more after it was asked to stop: before it has stopped, or after."""
    caller, slow = scripted(stage), scripted(stage)
    stopped = scripted(stage, settings=controlled_by(ALICE, caller))
    again = call(
        stopped,
        "update",
        program(reply(b"runs")),
        on_reply=program(reply(b"it ran")),
        on_reject=program(reply(ic0.msg_reject_msg())),
    )
    middle = program(call(slow, "update", program(reply()), on_reply=program(reply())))
    stop = management.encode_arguments(management.CanisterIdArguments(stopped))
    outer = program(
        call(stopped, "update", middle, on_reply=program(again), on_reject=program(reply(b"first call rejected"))),
        call(MANAGEMENT_CANISTER, "stop_canister", stop, on_reply=program()),
    )
    sent = stage.send(caller, "update", outer)
    stage.settle()
    answer = stage.answer(sent)
    stage.require(isinstance(answer, Replied) and answer.data in ANSWERS, "one of the three")
    assert isinstance(answer, Replied)
    seen[answer.data] += 1


seen: Counter[bytes] = Counter()


def verdicts(seeds: range) -> set[str]:
    """The verdicts on implementations that take what waits in random orders."""
    scenario = Scenario("orders/stop_overtaken_by_call", "A call overtakes a stop", (), stop_overtaken_by_call)
    implementations = [Shuffled(seed) for seed in seeds]
    cases = [run_scenario(scenario, each, each.describe(), Manner()) for each in implementations]
    return {case.verdict.name for case in cases}


def test_a_call_may_come_before_or_after_the_end_of_stopping() -> None:
    """Both are seen, and both pass."""
    assert verdicts(range(12, 18)) == {"pass"}
    assert len(seen) >= 2


@pytest.mark.deep
def test_sixty_random_orders_pass() -> None:
    """All three outcomes are seen."""
    assert verdicts(range(60)) == {"pass"}
    assert seen.keys() == ANSWERS
