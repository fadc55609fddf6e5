"""What the system does of its own accord. The implementation is told to do it, so it has to take schedules."""

from collections.abc import Mapping
from typing import Final

from conformance.canisters import ic0
from conformance.canisters.expressions import BytesLike
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    memory_grow,
    program,
    reply,
    set_heartbeat,
    set_pre_upgrade,
    slot,
    trap,
)
from conformance.judging.patterns import rejects, replies_where, replies_with
from conformance.protocol.interface import Capability, Done, Needs, UnknownRequest
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.lifecycle import stopping_canister
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.rules.messages.effects import LARGEST_LOG
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, Text
from spec.values.rejects import RejectCode, RejectReason

SCHEDULED = Needs(capabilities=frozenset({Capability.SCHEDULE, Capability.EXPLAIN}), deterministic=True)


def beat(stage: Stage, canister: CanisterId) -> bool:
    """Has the heartbeat of a canister run, and says if it did."""
    ran = stage.take("heartbeat_context_creation", canister_id=canister) and stage.take("message_execution")
    stage.settle()
    return ran


@scenario(
    "The heartbeat runs whenever the system lets it, is charged, and keeps its effects",
    covers=("entry.heartbeat", "rule.call-context-creation.heartbeat", "rule.message-execution.heartbeat"),
    needs=SCHEDULED,
)
def heartbeat(stage: Stage) -> None:
    # Given
    beating = set_heartbeat(program(append_to_slot(0, b"beat ")))
    canister = scripted(stage, program(beating), name="scripted_tasks")
    # When
    before = stage.call(canister, program(reply(slot(0))))
    taken = beat(stage, canister)
    # Then
    stage.require(taken, "the heartbeat ran")
    after = stage.call(canister, program(reply(slot(0))))
    stage.require(before != after, "the heartbeat left its mark")
    stage.balance(canister)


@scenario(
    "A heartbeat that traps is charged and leaves no trace; a canister without one has none",
    covers=("rule.message-execution.heartbeat", "entry.trap-discards", "inv.system-task-context"),
    needs=SCHEDULED,
)
def trapping_heartbeat(stage: Stage) -> None:
    # Given
    failing = set_heartbeat(program(append_to_slot(0, b"lost"), trap(b"in the heartbeat")))
    canister, without = scripted(stage, program(failing), name="scripted_tasks"), scripted(stage)
    # When
    taken = beat(stage, canister)
    # Then
    stage.require(taken, "the heartbeat ran")
    stage.require(not stage.take("heartbeat_context_creation", canister_id=without, context_id=99), "it has none")
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))
    stage.balance(canister)
    stage.balance(without)


@scenario(
    "The system may reject a request before it starts",
    covers=("rule.request-rejection", "inv.ingress.status-monotone"),
    needs=SCHEDULED,
)
def request_rejected(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    sent = stage.send(canister, "update", program(append_to_slot(0, b"never"), reply()))
    # When
    stage.take("request_rejection", request_id=sent.request_id, code=RejectCode.SYS_TRANSIENT)
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), rejects(RejectCode.SYS_TRANSIENT, RejectReason.SYSTEM_OVERLOADED))
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))


@scenario(
    "The system may reject a call before it starts; the cycles come back",
    covers=("rule.spontaneous-call-rejection", "inv.prop-10-cycles-conserved"),
    needs=SCHEDULED,
)
def call_rejected(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    tell = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_cycles_refunded128())))
    sent = stage.send(caller, "update", program(call(callee, "update", program(reply()), cycles=77, on_reject=tell)))
    # When
    stage.take("initiate_call", request_id=sent.request_id)
    stage.take("call_context_creation")
    stage.take("message_execution")
    stage.take("spontaneous_call_rejection", code=RejectCode.SYS_FATAL)
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), replies_with((1).to_bytes(4, "little") + (77).to_bytes(16, "little")))
    stage.balance(caller)


@scenario(
    "Only the caller of a bounded-wait call may be told that the outcome is unknown",
    covers=("inv.sys-unknown-only-bounded-wait", "rule.spontaneous-call-rejection"),
    needs=SCHEDULED,
)
def unknown_outcome(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    tell = program(reply(bytes_of_u32(ic0.msg_reject_code())))
    unbounded = program(call(callee, "update", program(reply()), on_reply=program(reply(b"answered"))))
    bounded = program(call(callee, "update", program(reply()), timeout_seconds=10, on_reject=tell))
    # When
    taken = []
    answers = []
    for argument in (unbounded, bounded):
        sent = stage.send(caller, "update", argument)
        for rule in ("initiate_call", "call_context_creation", "message_execution"):
            stage.take(rule)
        taken.append(stage.take("spontaneous_call_rejection", code=RejectCode.SYS_UNKNOWN))
        stage.settle()
        answers.append(stage.answer(sent))
    # Then
    stage.require(taken == [False, True], "only the bounded-wait call can end so")
    stage.expect(answers[0], replies_with(b"answered"))
    stage.expect(answers[1], replies_with((6).to_bytes(4, "little")))


@scenario(
    "The system may reject a call that waits for a canister to stop",
    covers=("rule.mgmt.stop-canister.reject-pending",),
    needs=SCHEDULED,
)
def stop_call_rejected(stage: Stage) -> None:
    # Given
    canister, helper, sent = stopping_canister(stage)
    # When
    stage.take("stop_call_rejection", canister_id=canister, index=0)
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), replies_with((2).to_bytes(4, "little")))
    stage.balance(canister)
    stage.balance(helper)


@scenario(
    "The answer to a request may be forgotten, and later the request",
    covers=("rule.request-cleanup.done", "rule.request-cleanup.delete", "inv.ingress.status-monotone"),
    needs=SCHEDULED,
)
def forgotten_request(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    sent = stage.send(canister, "update", program(reply(b"the answer")))
    stage.settle()
    # When
    too_early = stage.take("request_deletion", request_id=sent.request_id)
    stage.take("request_done", request_id=sent.request_id)
    done = stage.ask_again(sent)
    stage.settle(seconds=1_000)
    stage.take("request_deletion", request_id=sent.request_id)  # Unless the system has done it by now.
    # Then
    stage.require(not too_early, "a request is forgotten only after it expired")
    stage.require(done == Done(), "the answer is forgotten first")
    stage.require(stage.ask_again(sent) == UnknownRequest(), "then the request")


@scenario(
    "A function that was begun runs before anything else is done",
    covers=("rule.call-context-creation.public-method", "inv.prop-01-atomic-sequential"),
    needs=SCHEDULED,
)
def begun(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    second = stage.send(canister, "update", program(append_to_slot(0, b"second"), reply(slot(0))))
    first = stage.send(canister, "update", program(append_to_slot(0, b"first "), reply(slot(0))))
    # When
    stage.take("initiate_call", request_id=first.request_id)
    stage.take("call_context_creation")
    stage.settle()
    # Then
    stage.expect(stage.answer(first), replies_with(b"first "))
    stage.expect(stage.answer(second), replies_with(b"first second"))


@scenario(
    "What the system writes into a log about a trap is no longer than what is told of a log",
    covers=("unspec.fn.logs", "rule.message-execution.rollback"),
    needs=SCHEDULED,
)
def record_of_a_trap(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    stage.send(canister, "update", program(trap(b"no")))
    for rule in ("initiate_call", "call_context_creation"):
        stage.take(rule)
    # When
    too_long = stage.take("message_execution", system_records=(b"m" * (LARGEST_LOG + 1),))
    longest = stage.take("message_execution", system_records=(b"m" * LARGEST_LOG,))
    stage.settle()
    # Then
    stage.require(longest and not too_long, "it may fill the log, and no more")


@scenario(
    "The hooks of an installation and of an upgrade may be refused growths of memory, and fail if they end at one",
    covers=("rule.mgmt.install-code.conditions", "rule.mgmt.upgrade.pre-upgrade", "rule.mgmt.upgrade.post-upgrade"),
    needs=SCHEDULED,
)
def growths_of_hooks(stage: Stage) -> None:
    # Given
    canister = stage.create()
    growing = append_to_slot(0, bytes_of_u32(memory_grow(1)))
    start = program(growing, set_pre_upgrade(program(growing)))
    for mode, rule, growths in (
        (management.InstallMode(), "install_code", 1),
        (management.UpgradeMode(), "upgrade_code", 2),
    ):
        installing = management.InstallCodeArguments(mode, canister, load("scripted"), start)
        stage.send_managed("install_code", installing, canister)
        stage.take("initiate_call")
        # When
        ended = [stage.take(rule, trapping_growths=(number,)) for number in range(growths)]
        refused = stage.take(rule, refused_growths=(growths - 1,))
        stage.settle()
        # Then
        stage.require(refused and not any(ended), "code that ends at a growth is not installed")
        stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"\xff" * 4))


@scenario(
    "What an installation that fails wrote may stay in the log or not, as the system says",
    covers=("unspec.fn.logs", "inv.atomic.install-code"),
    needs=SCHEDULED,
)
def logs_of_hooks(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    failing = program(ic0.debug_print(b"printed"), trap(b"no"))
    installing = management.InstallCodeArguments(management.ReinstallMode(), canister, load("scripted"), failing)
    kept = []
    for keeps_logs in (False, True):
        stage.send_managed("install_code", installing, canister)
        stage.take("initiate_call")
        # When
        taken = stage.take("management_call_rejection", keeps_logs=keeps_logs)
        stage.settle()
        # Then
        stage.require(taken, "both are possible")
        about = management.encode_arguments(management.CanisterIdArguments(canister))
        kept.append(stage.query(MANAGEMENT_CANISTER, about, "fetch_canister_logs", effective_id=canister))
    stage.require(kept[0] != kept[1], "the log tells the difference")


GROWTHS: Final[Mapping[Text, BytesLike]] = {
    "memory.grow": bytes_of_u32(memory_grow(1)),
    "stable_grow": bytes_of_u32(ic0.stable_grow(1)),
    "stable64_grow": bytes_of_u64(ic0.stable64_grow(1)),
}
"""What grows a memory, and says how large it was before."""


@scenario(
    "Code may be refused any growth of its memories, and fails where it ends at one",
    covers=("api.stable-grow", "api.stable64-grow", "rule.message-execution.rollback"),
    needs=SCHEDULED,
)
def growths_of_messages(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    for words, growth in GROWTHS.items():
        sent = stage.send(canister, "update", program(reply(growth)))
        for rule in ("initiate_call", "call_context_creation"):
            stage.take(rule)
        # When
        refused = stage.take("message_execution", refused_growths=(0,))
        ended = stage.send(canister, "update", program(reply(growth)))
        for rule in ("initiate_call", "call_context_creation"):
            stage.take(rule, **({"request_id": ended.request_id} if rule == "initiate_call" else {}))
        fails = stage.take("message_execution", trapping_growths=(0,))
        stage.settle()
        # Then
        with cell(words):
            stage.require(refused and fails, "both are possible")
            stage.expect(stage.answer(sent), replies_where("that it failed", lambda data: set(data) == {0xFF}))
            stage.expect(stage.answer(ended), rejects(RejectCode.CANISTER_ERROR))
