"""Who gives his state field by field is told which canister and which field is wrong, never only a digest."""

import pytest
from attrs import evolve

from conformance.judging.differing_fields import DifferingField, differing_fields
from conformance.protocol.interface import Capability
from conformance.running.case import Manner
from conformance.running.run import run_scenario
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.losses import LOSSES
from conformance.tests.test_planted_explained import SCENARIOS, WRONG, explained
from spec.state.digest import state_digest
from spec.state.dump import dumped

FIELDS = {
    "reinstalling keeps the stable memory": "stable_memory",
    "upgrading keeps the globals": "globals",
    "uninstalling keeps the chunks": "chunk_store",
    "loading loses the other snapshots": "snapshots",
    "changing settings loses the certified data": "certified_data is 0x; ",
    "starting does not change the version": "version is ",
}


@pytest.mark.parametrize("name", FIELDS)
def test_the_field_and_the_canister_are_named(name: str) -> None:
    """The verdict says what it is and what is allowed."""
    assert name in LOSSES
    make, scenario_id = WRONG[name]
    verdict = explained(make(), scenario_id).verdict
    assert verdict.name == "fail"
    assert "in its state canister rwlgt-iiaaa-aaaaa-aaaaa-cai." in verdict.why
    assert FIELDS[name].rstrip("; ") in verdict.why
    assert "digest" not in verdict.why


def test_who_gives_a_digest_alone_is_told_the_digest() -> None:
    """Nothing more is known."""
    make, scenario_id = WRONG["upgrading keeps the globals"]
    wrong = make()
    wrong.capabilities = frozenset({Capability.EXPLAIN, Capability.STATE})
    verdict = run_scenario(SCENARIOS[scenario_id], wrong, wrong.describe(), Manner()).verdict
    assert verdict.name == "fail"
    assert "the state has the digest" in verdict.why


def test_fields_that_differ_are_told_by_place_those_of_canisters_first() -> None:
    """Also those that only one of the two has; ids of canisters are written as users write them."""
    allowed = {"call_contexts[1]": "OpenContext", "canisters[0x04].balance": "7", "system_time": "1"}
    seen = {"canisters[0x04].balance": "8", "canisters[0x04].extra": "1", "system_time": "1"}
    assert differing_fields(allowed, seen) == [
        DifferingField("canister 2vxsx-fae.balance", "7", "8"),
        DifferingField("canister 2vxsx-fae.extra", "not there", "1"),
        DifferingField("call_contexts[1]", "OpenContext", "not there"),
    ]


def test_states_with_other_digests_have_other_fields() -> None:
    """A change of any one field of a canister, of a message queue's counter, or of the time shows at one place."""
    implementation = BlackBox()
    assert Capability.DUMP not in implementation.capabilities
    explained(implementation, "calls/reply_comes_back")
    state = implementation.current
    assert dumped(state) == dumped(evolve(state))
    for other in (
        evolve(state, system_time=state.system_time + 1),
        evolve(state, messages=evolve(state.messages, next_id=state.messages.next_id + 1)),
        *(
            evolve(state, canisters=state.canisters.set(canister_id, evolve(canister, balance=canister.balance + 1)))
            for canister_id, canister in state.canisters.items()
        ),
    ):
        assert state_digest(other) != state_digest(state)
        assert len(differing_fields(dumped(state), dumped(other))) == 1
