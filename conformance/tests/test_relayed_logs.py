"""What a canister tells of logs that it asked for may be what the system wrote there."""

import pytest

from conformance.canisters import ic0
from conformance.canisters.expressions import Bytes
from conformance.canisters.scripted import bytes_of_u32, call, concat, length, program, reply, trap
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.scenario import Scenario
from conformance.suite.scenarios.management_calls import update_settings
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from conformance.tests.planted.answering import PrintsNothing, Records
from conformance.tests.planted.bugs import BlackBox
from spec.values import management
from spec.values.canister_terms import Public
from spec.values.identifiers import MANAGEMENT_CANISTER


def told_of_the_log(stage: Stage, telling: Bytes, trapping: bool) -> None:
    """A canister makes something of the log of another one."""
    canister, asking = scripted(stage), scripted(stage)
    update_settings(stage, canister, log_visibility=Public())
    stage.call(canister, program(ic0.debug_print(b"first"), reply()))
    if trapping:
        stage.call(canister, trap(b"the end").code)
    about_it = management.encode_arguments(management.CanisterIdArguments(canister))
    fetching = call(MANAGEMENT_CANISTER, "fetch_canister_logs", about_it, on_reply=program(reply(telling)))
    stage.query(asking, program(fetching), "composite")


def judged(implementation: BlackBox, telling: Bytes, trapping: bool = True) -> Case:
    """The case of a scenario that is in no list."""
    made = Scenario("logs/told", "A scenario", (), lambda stage: told_of_the_log(stage, telling, trapping))
    return run_scenario(made, implementation, implementation.describe(), Manner())


WITH_A_WORD = concat(b"it says: ", ic0.msg_arg_data())
ITS_LENGTH = bytes_of_u32(length(ic0.msg_arg_data()))


@pytest.mark.parametrize("telling", [WITH_A_WORD, ITS_LENGTH])
def test_who_makes_something_of_what_the_system_wrote_gets_no_verdict(telling: Bytes) -> None:
    """If it differs from what the specification has there."""
    case = judged(Records(), telling)
    assert case.verdict.name == "inconclusive" and "depends on a log" in case.verdict.why


@pytest.mark.parametrize("telling", [ic0.msg_arg_data(), WITH_A_WORD, ITS_LENGTH])
def test_a_log_in_which_only_the_canister_wrote_is_what_it_is(telling: Bytes) -> None:
    """However it is told."""
    assert judged(PrintsNothing(), telling, trapping=False).verdict.name == "fail"
    assert judged(BlackBox(), telling, trapping=False).verdict.name == "pass"
