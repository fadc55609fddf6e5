"""Calls that nobody answers are answered by the system."""

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    REPLY_REJECT_CODE,
    accept_cycles,
    append_to_slot,
    bytes_of_u32,
    call,
    concat,
    program,
    reply,
    slot,
    trap,
)
from conformance.judging.patterns import rejects, replies_with
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.values.rejects import RejectCode, RejectReason

NO_RESPONSE = rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_DID_NOT_RESPOND)


@scenario(
    "A user whose call the canister does not answer gets a reject; what the canister did is kept",
    covers=("rule.call-context-starvation", "inv.prop-07-single-response", "inv.reject-does-not-undo"),
)
def no_response(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, program(append_to_slot(0, b"kept")))
    # Then
    stage.expect(answer, NO_RESPONSE)
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"kept"))


@scenario(
    "A canister whose call is not answered gets a reject, and the cycles that were not accepted",
    covers=("rule.call-context-starvation", "inv.prop-10-cycles-conserved"),
)
def no_response_to_canister(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    tell = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_cycles_refunded128())))
    # When
    answer = stage.call(caller, program(call(callee, "update", program(accept_cycles(3)), cycles=10, on_reject=tell)))
    # Then
    stage.expect(answer, replies_with((5).to_bytes(4, "little") + (7).to_bytes(16, "little")))
    stage.balance(caller)
    stage.balance(callee)


@scenario(
    "A call starves only after the last callback: until then it can still be answered",
    covers=("rule.call-context-starvation", "rule.message-execution.callback"),
)
def callback_answers(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    answer = stage.call(
        caller,
        program(
            call(callee, "update", program(reply()), on_reply=program()),
            call(callee, "update", program(reply()), on_reply=program(reply(b"the second callback"))),
        ),
    )
    # Then
    stage.expect(answer, replies_with(b"the second callback"))


@scenario(
    "A call whose callbacks do not answer starves",
    covers=("rule.call-context-starvation", "rule.call-context-removal"),
)
def silent_callback(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    answer = stage.call(caller, program(call(callee, "update", program(reply()), on_reply=program())))
    # Then
    stage.expect(answer, NO_RESPONSE)


@scenario(
    "Starvation passes up a chain of calls",
    covers=("rule.call-context-starvation", "rule.callback-invocation.live-context"),
)
def starvation_in_a_chain(stage: Stage) -> None:
    # Given
    first, second, third = scripted(stage), scripted(stage), scripted(stage)
    # When
    middle = program(call(third, "update", program(), on_reject=trap(b"give up").code))
    answer = stage.call(first, program(call(second, "update", middle, on_reject=REPLY_REJECT_CODE)))
    # Then
    stage.expect(answer, replies_with((5).to_bytes(4, "little")))


@scenario(
    "The reject of a call that starved after a trap tells of the trap",
    covers=("rule.call-context-starvation", "rule.message-execution.rollback"),
)
def starvation_after_a_trap(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    answer = stage.call(
        caller, program(call(callee, "update", program(reply()), on_reply=trap(b"in the callback").code))
    )
    # Then
    stage.expect(answer, rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED))
