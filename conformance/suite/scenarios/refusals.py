"""Calls between canisters that the system rejects before the callee sees them. The cycles come back."""

from conformance.canisters import ic0
from conformance.canisters.scripted import bytes_of_u32, call, concat, program, reply
from conformance.judging.patterns import is_unanswered, replies_with
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.management_calls import told_a_reject
from conformance.suite.scenarios.preparations import freeze, scripted, stop
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.identifiers import Blob, CanisterId
from spec.values.rejects import RejectCode

SENT = 5_000_000
"""Cycles that the calls of these scenarios carry."""

TELL_REJECT = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_cycles_refunded128())))
"""As `on_reject`: replies with the reject code and the cycles that came back."""


def told(code: RejectCode, refunded: int = SENT) -> Blob:
    """What `TELL_REJECT` replies."""
    return int(code).to_bytes(4, "little") + refunded.to_bytes(16, "little")


def calling(callee: CanisterId, cycles: int = SENT) -> Blob:
    """A program that calls a canister and tells how it was rejected."""
    return program(
        call(
            callee,
            "update",
            program(reply(b"the callee ran")),
            cycles=cycles,
            on_reply=program(reply(ic0.msg_arg_data())),
            on_reject=TELL_REJECT,
        )
    )


@scenario(
    "A call to a canister that does not exist is rejected, and its cycles come back",
    covers=("rule.callback-invocation.live-context", "error.canister-not-found", "inv.prop-10-cycles-conserved"),
)
def to_missing_canister(stage: Stage) -> None:
    # Given
    caller = scripted(stage)
    # When
    answer = stage.call(caller, calling(NOBODY))
    # Then
    stage.expect(answer, told_a_reject(SENT.to_bytes(16, "little")))
    stage.balance(caller)


@scenario(
    "A call to a canister without code is rejected, and its cycles come back",
    covers=("inv.empty-canister-response", "error.wasm-module-not-found"),
)
def to_empty_canister(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), stage.create()
    # When
    answer = stage.call(caller, calling(callee))
    # Then
    stage.expect(answer, told_a_reject(SENT.to_bytes(16, "little")))


@scenario(
    "A call to a stopped canister is rejected, and its cycles come back",
    covers=("rule.reject-call.stopped-or-stopping",),
)
def to_stopped_canister(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    stop(stage, callee)
    # When
    answer = stage.call(caller, calling(callee))
    # Then
    stage.expect(answer, replies_with(told(RejectCode.CANISTER_ERROR)))


@scenario(
    "A call to a frozen canister is rejected, and its cycles come back",
    covers=("rule.reject-call.frozen", "inv.cycles.frozen-no-new-work", "seed2.freezing-threshold"),
)
def to_frozen_canister(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    freeze(stage, callee)
    # When
    answer = stage.call(caller, calling(callee))
    # Then
    stage.expect(answer, replies_with(told(RejectCode.SYS_TRANSIENT)))


@scenario(
    "A call to a canister that cannot pay for an execution waits, or is rejected, and its cycles come back",
    covers=(
        "rule.call-context-creation.public-method",
        "prod.ee_tests.can_reject_a_request_when_canister_is_out_of_cycles",
    ),
)
def to_canister_out_of_cycles(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage, cycles=10**12)
    spend = program(reply(ic0.cycles_burn128(10**12)))
    stage.call(callee, spend)
    # When
    answer = stage.call(caller, calling(callee))
    # Then
    stage.expect(answer, told_a_reject(SENT.to_bytes(16, "little")) | is_unanswered())


@scenario(
    "A call with fewer cycles than the callee asks for is rejected; one with enough is not",
    covers=(
        "rule.reject-call.insufficient-cycles",
        "setting.minimum-incoming-canister-call-cycles",
        "prod.canister_settings.inter_canister_call_accepted_when_cycles_sufficient",
        "prod.canister_settings.inter_canister_call_rejected_when_cycles_insufficient",
    ),
)
def with_too_few_cycles(stage: Stage) -> None:
    # Given
    asking = management.SettingsArguments(minimum_incoming_canister_call_cycles=SENT)
    caller, callee = scripted(stage), scripted(stage, settings=asking)
    # When
    too_few = stage.call(caller, calling(callee, SENT - 1))
    enough = stage.call(caller, calling(callee, SENT))
    # Then
    stage.expect(too_few, replies_with(told(RejectCode.CANISTER_ERROR, SENT - 1)))
    stage.expect(enough, replies_with(b"the callee ran"))


@scenario(
    "A canister that asks for cycles can call itself, and be called by users, without",
    covers=(
        "rule.reject-call.insufficient-cycles",
        "setting.minimum-incoming-canister-call-cycles",
        "prod.canister_settings.minimum_msg_cycles_available_does_not_affect_ingress",
    ),
)
def own_calls_need_no_cycles(stage: Stage) -> None:
    # Given
    asking = management.SettingsArguments(minimum_incoming_canister_call_cycles=SENT)
    canister = scripted(stage, settings=asking)
    # When
    answer = stage.call(canister, calling(canister, 0))
    # Then
    stage.expect(answer, replies_with(b"the callee ran"))


@scenario(
    "A call to a deleted canister is rejected, and its cycles come back",
    covers=("rule.mgmt.delete-canister", "error.canister-not-found"),
)
def to_deleted_canister(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    stop(stage, callee)
    stage.expect(stage.about("delete_canister", callee), replies_with(management.EMPTY_RESULT))
    # When
    answer = stage.call(caller, calling(callee))
    # Then
    stage.expect(answer, told_a_reject(SENT.to_bytes(16, "little")))
