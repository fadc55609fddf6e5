"""The harness is told from a harness that passes everything: each planted bug gets its verdict."""

import sys

import pytest

from conformance.judging.environment import HOSTILE, loaded
from conformance.protocol.interface import TimeLimits
from conformance.running.case import Case, Manner
from conformance.running.processes import Runner, Target
from conformance.running.run import run_scenario
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.bugs import (
    AnswersTwice,
    BlackBox,
    ClaimsTooMuch,
    DeliversResponsesTwice,
    Forgetful,
    ForgetsARefund,
    ForgetsRollback,
    KeepsTheHeapOnUpgrade,
    LosesACycleOnRefund,
    MiscountsInstructions,
    MixesUpTheQueue,
    RejectsEverything,
    RejectsOnce,
    Shuffled,
)

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}


CALMLY = Manner()


def judged(implementation: SpecificationImplementation, scenario_id: str, manner: Manner = CALMLY) -> Case:
    """The case of one scenario on an implementation in this process."""
    return run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), manner)


BUGS = [
    (LosesACycleOnRefund, "calls/some_cycles_accepted"),
    (LosesACycleOnRefund, "refusals/to_missing_canister"),
    (ForgetsARefund, "refusals/to_empty_canister"),
    (MixesUpTheQueue, "calls/calls_keep_their_order"),
    (AnswersTwice, "requests/answers_stay"),
    (DeliversResponsesTwice, "calls/reply_before_callbacks"),
    (RejectsEverything, "requests/a_canister_answers"),
    (ForgetsRollback, "traps/heap_is_rolled_back"),
    (KeepsTheHeapOnUpgrade, "installation/upgrade_clears_heap"),
    (Forgetful, "calls/reply_comes_back"),
    (ClaimsTooMuch, "requests/a_canister_answers"),
    (MiscountsInstructions, "requests/a_canister_answers"),
]


@pytest.mark.parametrize(("bug", "scenario_id"), BUGS, ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_bug_fails_its_scenario(bug: type[SpecificationImplementation], scenario_id: str) -> None:
    """And the same scenario passes without the bug."""
    assert judged(bug(), scenario_id).verdict.name == "fail"
    assert judged(BlackBox(), scenario_id).verdict.name == "pass"


def test_the_judge_finds_a_lost_cycle_without_the_scenario_saying_what_to_expect() -> None:
    """The difference shows in a balance that no scenario pins; the verdict tells what was allowed."""
    verdict = judged(LosesACycleOnRefund(), "calls/no_cycles_accepted").verdict
    assert verdict.name == "fail"
    assert verdict.allowed


def test_an_implementation_that_rejects_everything_cannot_be_told_from_a_hostile_environment() -> None:
    """It fails in a calm one; in a hostile one the scenario cannot come to its point."""
    assert judged(RejectsEverything(), "requests/a_canister_answers").verdict.name == "fail"
    in_hostile = judged(RejectsEverything(), "requests/a_canister_answers", Manner(environment=HOSTILE))
    assert in_hostile.verdict.name == "inconclusive"


def test_one_rejection_without_reason_is_admitted_only_by_an_environment_that_says_so() -> None:
    """Calm: fail; loaded(1): pass."""
    assert judged(RejectsOnce(), "calls/some_cycles_accepted").verdict.name == "fail"
    admitted = judged(RejectsOnce(), "calls/some_cycles_accepted", Manner(environment=loaded(1)))
    assert admitted.verdict.name == "pass", admitted.verdict.why


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "scenario_id", ["requests/together", "calls/two_callees", "calls/calls_keep_their_order", "traps/callback_traps"]
)
def test_any_order_that_the_rules_allow_passes(scenario_id: str, seed: int) -> None:
    """The judge searches for the order; it does not prescribe one."""
    case = judged(Shuffled(seed), scenario_id)
    assert case.verdict.name == "pass", case.verdict.why


@pytest.mark.deep
def test_every_scenario_passes_in_any_order() -> None:
    """All scenarios, in a random order of transitions, judged as a black box."""
    failed = [case for chosen in SCENARIOS if (case := judged(Shuffled(11), chosen)).verdict.name != "pass"]
    assert [(case.id, case.verdict.why) for case in failed] == []


def of_process(bug: str, scenario_id: str, limits: TimeLimits) -> list[Case]:
    """The cases of a scenario run twice on an implementation that is a process."""
    runner = Runner(Target((sys.executable, "-m", "conformance.tests.planted.bugs", bug), Manner(), limits))
    try:
        return [runner.run(SCENARIOS[scenario_id]) for _ in range(2)]
    finally:
        runner.close()


def test_an_implementation_that_hangs_fails_by_the_time_limit() -> None:
    """The process is replaced: the second run fails in the same way, not for a dead process."""
    limits = TimeLimits(advance=1.0)
    for case in of_process("Hangs", "requests/a_canister_answers", limits):
        assert case.verdict.name == "fail"
        assert case.verdict.why == "advance: no response within 1 seconds"


def test_an_implementation_that_dies_fails_and_is_restarted() -> None:
    """The verdict shows the exit code and the last line of its log."""
    for case in of_process("Dies", "requests/a_canister_answers", TimeLimits()):
        assert case.verdict.name == "fail"
        assert case.verdict.why == "advance: the process ended with code 7: out of luck"


def test_a_planted_bug_is_found_through_the_protocol_too() -> None:
    """Nothing is lost on the way through JSON."""
    for case in of_process("KeepsTheHeapOnUpgrade", "installation/upgrade_clears_heap", TimeLimits()):
        assert case.verdict.name == "fail"
    for case in of_process("BlackBox", "installation/upgrade_clears_heap", TimeLimits()):
        assert case.verdict.name == "pass", case.verdict.why
