"""A canister is created, gets code, and is called."""

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import append_to_slot, program, reply, slot
from conformance.patterns import replies_with
from conformance.scenario import scenario
from conformance.stage import Stage


@scenario(
    "A canister with code answers update calls and queries",
    covers=("rule.mgmt.provisional-create", "rule.mgmt.install-code.effects", "rule.message-execution.update-method"),
)
def canister_answers(stage: Stage) -> None:
    # Given
    canister = stage.create_with_code(load("scripted"))
    # When
    answer = stage.call(canister, program(append_to_slot(0, b"kept"), reply(ic0.msg_caller())))
    seen = stage.query(canister, program(reply(slot(0))))
    # Then
    stage.expect(seen, replies_with(b"kept"))
    stage.require(answer != seen, "the answers differ")
