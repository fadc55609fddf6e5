"""
What a scenario pins is waived where a memory did not grow, as far as the specification does not meet it there either.

What is seen elsewhere after a refusal is held to the specification as before.
"""

import pytest

from conformance.canisters import ic0
from conformance.canisters.scripted import append_to_slot, equal, ignore, memory_grow, program, reply, slot, when
from conformance.judging.moves import Move
from conformance.judging.patterns import replies_with
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from conformance.suite.scenario import Scenario
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from conformance.tests.planted.choosing import with_choices
from conformance.tests.planted.prices import HasOtherPrices
from conformance.tests.planted.refusing import (
    ForgetsElsewhere,
    RefusesGrowths,
    RefusesGrowthsAtOwnPrices,
    SaysAnotherWord,
)
from spec.machine import step
from spec.transition import Step


class ClaimsRefusals(SpecificationImplementation):
    """It says of every execution that the system refused some growths."""

    refused = (0, 1, 2)

    def next(self) -> Move | None:
        move = super().next()
        if move is None or move[0].rule != "message_execution":
            return move
        label = with_choices(move[0], refused_growths=self.refused)
        fired = step(self.current, label)
        assert isinstance(fired, Step)
        return label, fired


class ClaimsNothing(ClaimsRefusals):
    """The growths that it names are more than any execution tries."""

    refused = (1_000,)


def expects_another_reply(stage: Stage) -> None:
    """Nobody can do what is expected."""
    canister = scripted(stage)
    answer = stage.call(canister, program(ignore(memory_grow(1)), reply(b"one")))
    stage.expect(answer, replies_with(b"another"))


def judged(implementation: SpecificationImplementation) -> Case:
    """The case of that scenario."""
    chosen = Scenario("here/another", "Nobody can do this", (), expects_another_reply)
    return run_scenario(chosen, implementation, implementation.describe(), Manner())


@pytest.mark.parametrize(
    ("implementation", "verdict"),
    [(ClaimsRefusals, "pass"), (ClaimsNothing, "fail"), (SpecificationImplementation, "fail")],
)
def test_what_is_expected_is_waived_only_where_a_growth_was_refused(
    implementation: type[SpecificationImplementation], verdict: str
) -> None:
    """Naming growths that no execution tries waives nothing."""
    case = judged(implementation())
    assert (case.verdict.name, case.judged_by) == (verdict, "replay")


GROWING = program(when(equal(ic0.stable64_grow(1), 0), reply(b"it grew"), reply(b"it did not grow")))


def pins_what_two_canisters_do(stage: Stage) -> None:
    """One grows; another one has nothing to do with that."""
    growing, other = scripted(stage), scripted(stage)
    stage.expect(stage.call(growing, GROWING), replies_with(b"it grew"))
    stage.expect(stage.call(other, program(append_to_slot(0, b"kept"), reply(b"one"))), replies_with(b"one"))
    stage.expect(stage.call(other, program(reply(slot(0)))), replies_with(b"kept"))


@pytest.mark.parametrize(
    ("implementation", "verdict"),
    [
        (RefusesGrowths, "pass"),
        (RefusesGrowthsAtOwnPrices, "pass"),
        (HasOtherPrices, "pass"),
        (ForgetsElsewhere, "fail"),
        (SaysAnotherWord, "fail"),
    ],
)
def test_who_refuses_a_growth_must_do_right_elsewhere(
    implementation: type[SpecificationImplementation], verdict: str
) -> None:
    chosen = Scenario("here/two_canisters", "Two canisters do what they do", (), pins_what_two_canisters_do)
    one = implementation()
    case = run_scenario(chosen, one, one.describe(), Manner())
    assert (case.verdict.name, case.judged_by) == (verdict, "search"), case.verdict


def test_what_a_scenario_pins_of_what_did_not_grow_is_waived_also_where_prices_are_free() -> None:
    """The specification, after the same refusal, does not say that it grew."""

    def script(stage: Stage) -> None:
        stage.expect(stage.call(scripted(stage), GROWING), replies_with(b"it grew"))

    one = SaysAnotherWord()
    case = run_scenario(Scenario("here/growing", "It grows", (), script), one, one.describe(), Manner())
    assert case.verdict.name == "pass"


class ClaimsToEndAtGrowths(SpecificationImplementation):
    """It says of every execution that it ended where a memory was to grow for the first time."""

    def next(self) -> Move | None:
        move = super().next()
        if move is None or move[0].rule != "message_execution":
            return move
        label = with_choices(move[0], trapping_growths=(0,))
        fired = step(self.current, label)
        assert isinstance(fired, Step)
        return label, fired


@pytest.mark.parametrize(
    ("scenario_id", "departs"), [("settings/unpaid_growth", False), ("system_api_canister/stable_grows", True)]
)
def test_production_ends_executions_at_growths_that_cannot_be_paid_and_at_no_others(
    scenario_id: str, departs: bool
) -> None:
    """Both are admitted."""
    chosen = next(each for each in all_scenarios() if each.id == scenario_id)
    one = ClaimsToEndAtGrowths()
    case = run_scenario(chosen, one, one.describe(), Manner())
    ending = [each for each in case.departures if "ends the execution at the growths" in each]
    assert (case.verdict.name, case.judged_by, bool(ending)) == ("pass", "replay", departs), case.departures
