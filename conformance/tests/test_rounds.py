"""The specification by the rounds of production is an implementation like any other, and can be looked at."""

import re
from pathlib import Path

import pytest

from conformance.commands import run as command_run
from conformance.reporting.by_round import trace_by_round
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.served import rounds as rounds_served
from conformance.served.rounds import RoundsImplementation
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from conformance.suite.looking import Looking
from conformance.suite.scenario import Scenario
from conformance.suite.scenarios.management_calls import asking, results_in
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.production.rounds import Batch, Round, RoundState, execute_round
from spec.state.state import State
from spec.values import management

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}
CALLS = Path(__file__).parents[1] / "suite" / "scenarios" / "calls.py"

SOME = (
    "calls/chain_of_calls",
    "lifecycle/delete",
    "outside/failure",
    "spontaneous/forgotten_request",
)


def played(scenario_id: str, looking: Looking = Looking.AT_THE_END) -> tuple[Case, RoundsImplementation]:
    """A scenario by rounds."""
    implementation = RoundsImplementation()
    manner = Manner(looking=looking)
    return run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), manner), implementation


@pytest.mark.parametrize("scenario_id", SOME)
def test_scenarios_are_passed_by_rounds(scenario_id: str) -> None:
    """The judge takes the same labels, so each of them is allowed."""
    case, _ = played(scenario_id)
    assert (case.verdict.name, case.judged_by) == ("pass", "replay")


def test_every_round_has_random_bytes_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def watched(state: State, rounds: RoundState, batch: Batch) -> tuple[State, RoundState, Round]:
        seen.append(batch.randomness)
        return execute_round(state, rounds, batch)

    monkeypatch.setattr(rounds_served, "execute_round", watched)
    monkeypatch.setattr(RoundsImplementation, "_is_at_rest", lambda _: False)
    implementation = RoundsImplementation()
    implementation.reset("production", 13, 10**18, ())
    implementation.advance(3, 10**9)
    assert len(set(seen)) == len(seen) == 3


@pytest.mark.deep
def test_every_scenario_is_passed_by_rounds() -> None:
    """What a scenario pins does not depend on the policy."""
    cases = [played(scenario_id)[0] for scenario_id in SCENARIOS]
    assert [(case.id, case.verdict) for case in cases if case.verdict.name != "pass"] == []


@pytest.mark.parametrize("scenario_id", ["calls/deadlines", "tasks/trapping_timer", "traps/heap_is_rolled_back"])
def test_the_specification_as_served_chooses_as_production(scenario_id: str) -> None:
    """Seconds of deadlines, records of the system; so it departs from production in nothing."""
    implementation = SpecificationImplementation()
    case = run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), Manner())
    assert (case.as_production.value, case.departures) == ("yes", ())


def test_a_trace_shows_every_label_of_a_round_below_its_heading() -> None:
    """Nothing is lost or told twice, and every round that did something has a heading."""
    case, implementation = played("calls/chain_of_calls", Looking.NEVER)
    lines = list(trace_by_round(case.transcript, implementation.history))
    rounds = [done for done in implementation.history if done is not None]
    headings = [line for line in lines if line.startswith("  round ")]
    assert [int(re.findall(r"\d+", line)[0]) for line in headings] == [one.number for one in rounds if one.labels]
    shown = [line.split("(")[0].strip() for line in lines if line.startswith("    ") and "(" in line]
    taken = [label.rule for done in rounds for label in done.labels if "time_progress" not in label.rule]
    assert shown == taken


def asking_for_a_balance(stage: Stage) -> None:
    """A canister asks for the balance of a Bitcoin address."""
    arguments = management.GetBalanceArguments("address", management.BitcoinNetwork.MAINNET)
    stage.expect(stage.call(scripted(stage), asking("bitcoin_get_balance", arguments, 0)), results_in(NAME, 0))


NAME = "bitcoin_get_balance"


def test_a_call_that_waits_for_the_outside_world_is_answered_in_the_next_round() -> None:
    """By the first answer that the rules admit."""
    implementation = RoundsImplementation()
    chosen = Scenario("here/balance", "A canister is told a balance", (), asking_for_a_balance)
    case = run_scenario(chosen, implementation, implementation.describe(), Manner())
    rounds = [[label.rule for label in done.labels] for done in implementation.history if done is not None]
    [departed] = [number for number, rules in enumerate(rounds) if "outside_call_departure" in rules]
    assert NAME in rounds[departed + 1]
    assert case.verdict.name == "pass"


def test_run_prints_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    """Round number, instructions of the cores, labels."""
    assert command_run.main([str(CALLS), "--only", "chain", "--rounds"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"round \d+: 5 iterations, instructions of the cores [\d,]{6,}, 0, 0, 0\n", printed)
    assert "the management canister: 41,591,210 instructions" in printed
    assert "the specification, by rounds: pass" in printed


@pytest.mark.parametrize("alone", ["--rounds", "--spec-only"])
def test_on_the_specification_alone_no_implementation_is_played(alone: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not left out silently."""
    with pytest.raises(SystemExit) as ended:
        command_run.main([str(CALLS), "--implementation", "mine", alone])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_by_rounds_a_scenario_ends_in_the_same_statuses_as_without() -> None:
    """One policy answers what the other answers."""
    implementation = SpecificationImplementation()
    without = run_scenario(SCENARIOS["calls/chain_of_calls"], implementation, implementation.describe(), Manner())
    answers = [event.text for event in without.transcript if event.actor == "the system"]
    by_rounds, _ = played("calls/chain_of_calls")
    assert [event.text for event in by_rounds.transcript if event.actor == "the system"] == answers
