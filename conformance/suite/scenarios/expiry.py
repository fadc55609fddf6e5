"""Calls with bounded waiting time, and what the system does to canisters over time."""

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    RELAY_REPLY,
    accept_cycles,
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    filled,
    ignore,
    memory_grow,
    program,
    reply,
    set_on_low_wasm_memory,
    slot,
)
from conformance.judging.patterns import refuses, rejects, replies, replies_where, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.people import ADMIN, ALICE, BOB, EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.calls import amount
from conformance.suite.scenarios.management_calls import DONE, result_of, status_of, update_settings
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.spontaneous import SCHEDULED
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId
from spec.values.rejects import RejectCode, RejectReason

TELL = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_cycles_refunded128())))
"""As `on_reject`: replies with the reject code and the cycles that came back."""

UNKNOWN = int(RejectCode.SYS_UNKNOWN).to_bytes(4, "little")
PATIENCE = 10
"""Seconds after which the bounded-wait calls of these scenarios expire."""


def bounded(callee: CanisterId, argument: Blob, cycles: int = 0) -> Blob:
    """A program that makes a bounded-wait call."""
    return program(
        call(callee, "update", argument, cycles=cycles, timeout_seconds=PATIENCE, on_reply=RELAY_REPLY, on_reject=TELL)
    )


@scenario(
    "A bounded-wait call may expire at any time: its outcome is then unknown, and its cycles are lost",
    covers=("rule.call-expiry.message", "rule.drop-expired-message", "inv.prop-11-bounded-wait-cycles"),
    needs=SCHEDULED,
)
def expired_call(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    sent = stage.send(caller, "update", bounded(callee, program(append_to_slot(0, b"ran"), reply()), 1_000))
    for rule in ("initiate_call", "call_context_creation", "message_execution"):
        stage.take(rule)
    # When
    stage.take("call_expiry_of_message")
    stage.take("drop_expired_message")
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), replies_with(UNKNOWN + bytes(16)))
    stage.expect(stage.call(callee, program(reply(slot(0)))), replies_with(b""))
    stage.balance(caller)


@scenario(
    "The context of a bounded-wait call that expired answers no more, and keeps the cycles that it accepted",
    covers=("rule.call-expiry.call-context", "unspec.spont.call-expiry", "inv.prop-11-bounded-wait-cycles"),
    needs=SCHEDULED,
)
def expired_context(stage: Stage) -> None:
    # Given
    caller, callee, other = scripted(stage), scripted(stage), scripted(stage)
    later = program(append_to_slot(0, b"went on"), reply(b"too late"))
    sent = stage.send(
        caller,
        "update",
        bounded(callee, program(accept_cycles(300), call(other, "update", program(reply()), on_reply=later)), 1_000),
    )
    for rule in (
        "initiate_call",
        "call_context_creation",
        "message_execution",
        "call_context_creation",
        "message_execution",
    ):
        stage.take(rule)
    # When
    stage.take("system_time_progress", time=stage.now + 20 * 10**9)
    stage.take("call_expiry_of_call_context", context_id=1)
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), replies_with(UNKNOWN + bytes(16)))
    stage.expect(stage.call(callee, program(reply(slot(0)))), replies_with(b"went on"))
    stage.balance(callee)


@scenario(
    "A bounded-wait call that waits for a canister to stop can expire; the canister goes on stopping",
    covers=("rule.call-expiry.stop-canister", "unspec.spont.call-expiry"),
    needs=SCHEDULED,
)
def expired_stop_call(stage: Stage) -> None:
    # Given
    helper = scripted(stage)
    settings = management.SettingsArguments(controllers=List(tuple(sorted((ALICE, helper)))))
    canister = scripted(stage, settings=settings)
    stopping = management.encode_arguments(management.CanisterIdArguments(canister))
    waiting = call(b"", "stop_canister", stopping, timeout_seconds=PATIENCE, on_reply=RELAY_REPLY, on_reject=TELL)
    sent = stage.send(canister, "update", program(call(helper, "update", program(waiting), on_reply=RELAY_REPLY)))
    stage.settle()
    # When
    stage.take("system_time_progress", time=stage.now + 20 * 10**9)
    stage.take("call_expiry_of_stop_call", canister_id=canister, index=0)
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), replies_with(UNKNOWN + bytes(16)))
    stage.about("canister_status", canister)


@scenario(
    "The cycles of a response that comes too late are lost, or come back to whoever made the call",
    covers=("inv.prop-11-bounded-wait-cycles", "rule.drop-expired-message", "unspec.spont.drop-expired"),
)
def late_cycles(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    stage.expect(update_settings(stage, callee, controllers=List(tuple(sorted((ALICE, callee))))), DONE)
    itself = management.encode_arguments(management.CanisterIdArguments(callee))
    late = program(call(b"", "stop_canister", itself, on_reject=program(reply(b"late"))))
    sent = stage.send(caller, "update", bounded(callee, late, cycles=10**9))
    stage.settle()
    # When
    stage.settle(seconds=20)
    stage.expect(stage.about("start_canister", callee), DONE)
    # Then
    told = (UNKNOWN + bytes(16), b"late")
    stage.expect(stage.answer(sent), replies_where("that nothing is known, or what was late", told.__contains__))
    stage.balance(callee)
    stage.balance(caller)


@scenario(
    "A timeout above five minutes counts as five minutes",
    covers=(
        "api.call-with-best-effort-response",
        "unspec.const.max-call-timeout",
        "def.deadline-of-context",
        "prod.execution_test.best_effort_responses_timeout_larger_than_max_allowed",
    ),
    needs=Needs(deterministic=True, exact_costs=True),
)
def longest_timeout(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    tell = program(reply(bytes_of_u64(ic0.msg_deadline())))
    # When
    answer = stage.call(caller, program(call(callee, "update", tell, timeout_seconds=10_000, on_reply=RELAY_REPLY)))
    # Then
    stage.expect(answer, replies_with((stage.now + 300 * 10**9).to_bytes(8, "little")))


# What the system does to canisters


@scenario(
    "A canister pays for its resources from its reserved cycles first, then from its balance",
    covers=("rule.resource-payment.reserved-balance", "rule.resource-payment.main-balance"),
    needs=SCHEDULED,
)
def payments(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    stage.take("payment_from_main_balance", canister_id=canister, balance=10**13)
    stage.require(stage.balance(canister) == 10**13, "the balance is what it was paid down to")
    not_more = stage.take("payment_from_main_balance", canister_id=canister, balance=10**14)
    # Then
    stage.require(not not_more, "a payment does not add to the balance")


@scenario(
    "While a canister has reserved cycles, its balance is not touched",
    covers=("rule.resource-payment.reserved-balance", "inv.cycles.reserved-one-way"),
    needs=SCHEDULED,
)
def reserved_first(stage: Stage) -> None:
    # Given
    canister = scripted(stage, cycles=10**18)
    stage.expect(update_settings(stage, canister, reserved_cycles_limit=10**18), DONE)
    stage.expect(update_settings(stage, canister, memory_allocation=10**12), DONE)
    reserved = status_of(stage, canister).reserved_cycles
    # When
    from_balance = stage.take("payment_from_main_balance", canister_id=canister, balance=0)
    stage.take("payment_from_reserved_balance", canister_id=canister, balance=5)
    # Then
    stage.require(reserved > 5 and not from_balance, "the reserved cycles are used first")
    stage.require(status_of(stage, canister).reserved_cycles == 5, "the reserved cycles were used")


@scenario(
    "A canister without any cycles loses its code, and its open calls are rejected",
    covers=("rule.canister-out-of-cycles", "inv.deallocated-canister-kept"),
    needs=SCHEDULED,
)
def out_of_cycles(stage: Stage) -> None:
    # Given
    canister, other = scripted(stage), scripted(stage)
    sent = stage.send(canister, "update", program(call(other, "update", program(reply()), on_reply=RELAY_REPLY)))
    for rule in ("initiate_call", "call_context_creation", "message_execution"):
        stage.take(rule)
    # When
    stage.take("payment_from_main_balance", canister_id=canister, balance=0)
    stage.take("canister_out_of_cycles", canister_id=canister)
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), rejects(RejectCode.CANISTER_REJECT, RejectReason.CODE_UNINSTALLED))
    stage.require(status_of(stage, canister).module_hash is None, "the code is gone")


@scenario(
    "The version of a canister may grow without its doing",
    covers=("rule.version-increment", "inv.version.monotone"),
    needs=SCHEDULED,
)
def version_grows(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    stage.take("canister_version_increment", canister_id=canister, version=77)
    backwards = stage.take("canister_version_increment", canister_id=canister, version=76)
    # Then
    stage.expect(
        stage.call(canister, program(reply(bytes_of_u64(ic0.canister_version())))),
        replies_with((77).to_bytes(8, "little")),
    )
    stage.require(not backwards, "it does not shrink")


@scenario(
    "Old entries of a canister's history are dropped; the newest twenty stay, and the total counts all",
    covers=("rule.trim-history", "inv.history-total", "unspec.spont.history-trimming"),
    needs=SCHEDULED,
)
def history_trimmed(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    for number in range(20):
        update_settings(stage, canister, controllers=List.of(*sorted((ALICE, (BOB, EVE)[number % 2]))))
    # When
    too_many = stage.take("canister_history_trimming", canister_id=canister, kept=19)
    stage.take("canister_history_trimming", canister_id=canister, kept=20)
    # Then
    asked = management.encode_arguments(management.CanisterInfoArguments(canister, 100))
    answer = stage.call(canister, program(call(b"", "canister_info", asked, on_reply=RELAY_REPLY)))
    info = result_of("canister_info", answer)
    stage.require(not too_many, "twenty entries stay")
    stage.require((info.total_num_changes, len(info.recent_changes)) == (22, 20), "the oldest two are gone")


@scenario(
    "Old records of a log above 4 KiB are dropped",
    covers=("rule.trim-logs", "inv.log-sequence", "api.debug-print"),
    needs=SCHEDULED,
)
def log_trimmed(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    small = stage.call(canister, program(ic0.debug_print(b"first"), reply()))
    too_small = stage.take("canister_log_trimming", canister_id=canister, kept=1)
    long = ic0.debug_print(filled(120, 3_000))
    stage.send(canister, "update", program(long, long, ic0.debug_print(b"last"), reply()))
    # An implementation that is left to itself may trim at once.
    for rule in ("initiate_call", "call_context_creation", "message_execution"):
        stage.take(rule)
    # When
    trimmed = stage.take("canister_log_trimming", canister_id=canister, kept=1)
    # Then
    stage.expect(small, replies())
    stage.require(not too_small and trimmed, "a log is trimmed only when it is large")


@scenario(
    "A new admin of the subnet has rights at once, and a former one none",
    covers=("rule.subnet-admins-change", "mgmt-general.subnet-admins"),
    needs=SCHEDULED,
    subnet_admins=(ADMIN,),
)
def admins_change(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    stage.take("subnet_admins_change", admins=List.of(EVE))
    # Then
    stage.expect(stage.about("stop_canister", canister, EVE), DONE)
    stage.expect(stage.about("start_canister", canister, ADMIN), refuses())


@scenario(
    "The hook for low memory runs once when the heap gets near its limit",
    covers=(
        "entry.on-low-wasm-memory",
        "rule.low-wasm-memory-scheduling",
        "rule.call-context-creation.on-low-wasm-memory",
        "rule.message-execution.on-low-wasm-memory",
        "inv.low-memory-hook-once",
        "setting.wasm-memory-threshold",
    ),
)
def low_memory(stage: Stage) -> None:
    # Given
    settings = management.SettingsArguments(wasm_memory_limit=2**24, wasm_memory_threshold=2**22)
    noting = set_on_low_wasm_memory(program(append_to_slot(0, b"low ")))
    canister = scripted(stage, program(noting), settings=settings, name="scripted_tasks")
    # When
    before = stage.call(canister, program(reply(slot(0))))
    for _ in range(2):
        stage.call(canister, program(ignore(memory_grow(100)), reply()))
    # Then
    stage.expect(before, replies_with(b""))
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"low "))
    asking = program(call(canister, "update", program(reply(slot(0))), on_reply=RELAY_REPLY))
    stage.expect(stage.call(scripted(stage), asking), replies_with(b"low "))
    stage.balance(canister)


@scenario(
    "The hook for low memory runs again after the limit was raised and reached once more",
    covers=("rule.low-wasm-memory-scheduling", "inv.low-memory-hook-once"),
)
def low_memory_twice(stage: Stage) -> None:
    # Given
    settings = management.SettingsArguments(wasm_memory_limit=2**23, wasm_memory_threshold=2**23)
    noting = set_on_low_wasm_memory(program(append_to_slot(0, b"low ")))
    canister = scripted(stage, program(noting), settings=settings, name="scripted_tasks")
    # When
    update_settings(stage, canister, wasm_memory_threshold=0)
    update_settings(stage, canister, wasm_memory_threshold=2**23)
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"low low "))


@scenario(
    "A call that brings too few cycles is rejected also while a hook for low memory that cannot be paid is due",
    covers=("rule.reject-call.insufficient-cycles", "rule.low-wasm-memory-scheduling"),
    needs=Needs(exact_costs=True),
)
def low_memory_unpaid(stage: Stage) -> None:
    # Given
    settings = management.SettingsArguments(
        wasm_memory_limit=2**24,
        wasm_memory_threshold=2**22,
        freezing_threshold=0,
        minimum_incoming_canister_call_cycles=5,
    )
    noting = set_on_low_wasm_memory(program(append_to_slot(0, b"low ")))
    canister = scripted(stage, program(noting), settings=settings, name="scripted_tasks")
    spending = program(ignore(memory_grow(200)), ignore(ic0.cycles_burn128(2**100)), reply())
    stage.expect(stage.call(canister, spending), replies())
    # When a call waits behind the hook, whose method has fewer instructions than a hook and so could be paid
    waiting = call(canister, "query", program(reply()), cycles=5, on_reject=TELL)
    stage.send(scripted(stage), "update", program(waiting))
    caller = scripted(stage)
    # Two rounds more, so that by turns the one that is called comes before its caller, and the call waits for a round.
    for _ in range(2):
        stage.expect(stage.call(caller, program(reply())), replies())
    refused = stage.call(caller, program(call(canister, "update", program(reply()), cycles=4, on_reject=TELL)))
    # Then
    stage.expect(refused, replies_with(int(RejectCode.CANISTER_ERROR).to_bytes(4, "little") + amount(4)))


@scenario(
    "A canister whose hook for low memory traps is charged, and nothing else happens",
    covers=("entry.on-low-wasm-memory", "rule.message-execution.on-low-wasm-memory"),
)
def low_memory_trap(stage: Stage) -> None:
    # Given
    noting = set_on_low_wasm_memory(program(append_to_slot(0, b"lost"), ic0.trap(b"in the hook")))
    canister = scripted(stage, program(noting), name="scripted_tasks")
    # When
    update_settings(stage, canister, wasm_memory_limit=2**20, wasm_memory_threshold=2**20)
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))
    stage.balance(canister)
