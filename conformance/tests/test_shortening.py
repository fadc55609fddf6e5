"""A wrong digest alone names nothing: the shortest way is found in which the difference is seen from outside."""

import pytest

from conformance.judging.replaying import differ_unseen
from conformance.protocol.interface import Answer, Capability, Died
from conformance.reporting.terminal import case_details
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.running.shortening import with_shortest
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.bugs import ForgetsRollback
from conformance.tests.planted.losses import LOSSES, planted
from spec.state.request import Replied
from spec.transition import Executed, RequestStatusChanged
from spec.values.identifiers import Blob, CanisterId, Principal, RequestId

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}
CANISTER, REQUEST = CanisterId(Principal(bytes(10))), RequestId(bytes(32))
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


def test_where_a_part_of_a_memory_differs_it_is_found_what_users_see_of_that() -> None:
    """A digest of a page names nothing, though the field of the state is told."""
    wrong = ForgetsRollback()
    wrong.capabilities = frozenset(Capability)
    chosen, description = SCENARIOS["traps/heap_is_rolled_back"], wrong.describe()
    case = with_shortest(run_scenario(chosen, wrong, description, Manner()), chosen, wrong, description, Manner())
    assert "wasm_memory.contents[0] is 4096 bytes with SHA-256" in case.verdict.why
    assert case.shortest is not None
    assert "slot 0" in case.shortest.verdict.allowed[0]


def test_where_code_only_ran_otherwise_it_is_found_what_users_see_of_that() -> None:
    """How many instructions it used names nothing; what it replied would be told at once."""
    few, many = (Executed(CANISTER, instructions, None) for instructions in (1, 2))
    replied, empty = (RequestStatusChanged(REQUEST, Replied(data)) for data in (b"a", b""))
    assert differ_unseen((few, replied), (many, replied), costs_are_exact=True)
    assert not differ_unseen((few, replied), (few, empty), costs_are_exact=True)
    assert not differ_unseen((few, replied), (few,), costs_are_exact=True)


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
