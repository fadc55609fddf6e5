"""What a scenario expects is waived where a memory did not grow, and only there."""

import pytest

from conformance.canisters.scripted import ignore, memory_grow, program, reply
from conformance.judging.moves import Move
from conformance.judging.patterns import replies_with
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.served.specification import SpecificationImplementation
from conformance.suite.scenario import Scenario
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from conformance.tests.planted.choosing import with_choices
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
