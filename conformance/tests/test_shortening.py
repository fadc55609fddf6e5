"""A wrong digest alone names nothing: the shortest way is found in which the difference is seen from outside."""

import pytest

from conformance.protocol.interface import Answer, Capability, Died
from conformance.reporting.terminal import case_details
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.running.shortening import with_shortest
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.losses import LOSSES, planted
from spec.values.identifiers import Blob, RequestId

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}
DIGESTS_ALONE = frozenset({Capability.EXPLAIN, Capability.STATE})


def failed(implementation: SpecificationImplementation, scenario_id: str) -> Case:
    """The case of one that tells no field of its state, with the shortest way if one was found."""
    implementation.capabilities = DIGESTS_ALONE
    chosen, description = SCENARIOS[scenario_id], implementation.describe()
    case = run_scenario(chosen, implementation, description, Manner())
    assert case.verdict.name == "fail"
    return with_shortest(case, chosen, implementation, description, Manner())


@pytest.mark.parametrize(
    ("name", "done", "seen"),
    [
        ("upgrading loses the certified data", 5, "data_certificate"),
        ("uninstalling keeps the chunks", 5, "wasm_chunk_store_size"),
    ],
)
def test_the_shortest_way_to_a_difference_has_only_what_it_needs(name: str, done: int, seen: str) -> None:
    case = failed(planted(name), f"kept_or_lost/{LOSSES[name][2]}")
    assert "the state has the digest" in case.verdict.why
    assert case.shortest is not None
    assert case.shortest.done == done
    assert seen in str((case.shortest.verdict, case.shortest.transcript))


class SaysSoAlone(SpecificationImplementation):
    """It does everything rightly, and gives a wrong digest."""

    def state(self) -> Blob:
        return bytes(32)


class DiesWhenPlayedAgain(SaysSoAlone):
    """It ends when it is asked once more."""

    answers = 0

    def answer(self, request_id: RequestId) -> Answer:
        self.answers += 1
        if self.answers > 1:
            raise Died("it has ended")
        return super().answer(request_id)


def test_a_difference_that_is_not_seen_from_outside_has_no_shortest_way() -> None:
    case = failed(SaysSoAlone(), "requests/together")
    assert case.shortest is None
    assert not case.is_broken


def test_an_implementation_that_dies_while_the_shortest_way_is_looked_for_is_replaced() -> None:
    case = failed(DiesWhenPlayedAgain(), "requests/together")
    assert case.is_broken
    assert case.shortest is None


def test_the_shortest_way_is_told_below_the_failure() -> None:
    case = failed(planted("upgrading loses the certified data"), "kept_or_lost/upgrade")
    assert case.shortest is not None
    lines = case_details(case)
    (at,) = [number for number, line in enumerate(lines) if "seen from outside after" in line]
    assert any("calls management.install_code" in line for line in lines[at:])
