"""Calls between canisters: cycles, callbacks, order."""

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    RELAY_REJECT,
    RELAY_REPLY,
    accept_cycles,
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    program,
    reject,
    reply,
    slot,
)
from conformance.judging.patterns import rejects, rejects_with, replies, replies_where, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.preparations import scripted, stop
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.identifiers import Blob, CanisterId
from spec.values.quantities import SECONDS_PER_DAY, ByteCount
from spec.values.rejects import RejectCode, RejectReason


def amount(cycles: int) -> Blob:
    """An amount of cycles as canisters see it."""
    return cycles.to_bytes(16, "little")


def with_cycles(callee: CanisterId, cycles: int, argument: Blob) -> Blob:
    """A program that sends cycles and replies with what came back."""
    tell = program(reply(ic0.msg_cycles_refunded128()))
    return program(call(callee, "update", argument, cycles=cycles, on_reply=tell, on_reject=tell))


def pay_for_memory(stage: Stage, canister: CanisterId, more: ByteCount) -> None:
    """Sets the freezing threshold such that the canister can just pay for so many bytes more than it uses."""
    status = stage.status(canister)
    paid_in_a_day = status.idle_cycles_burned_per_day * (status.memory_size + more) // status.memory_size
    settings = management.SettingsArguments(freezing_threshold=status.cycles * SECONDS_PER_DAY // paid_in_a_day)
    arguments = management.UpdateSettingsArguments(canister, settings)
    stage.expect(stage.manage("update_settings", arguments, canister), replies())


@scenario(
    "A call reaches the callee with the caller's id, and its reply reaches the caller",
    covers=(
        "rule.message-execution.new-calls",
        "rule.callback-invocation.live-context",
        "rule.message-execution.callback",
        "entry.reply-callback",
        "inv.call-perform-zero-one-callback",
        "seed2.call-is-two-messages",
        "prod.response.execute_response_successfully",
    ),
)
def reply_comes_back(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    answer = stage.call(caller, program(call(callee, "update", program(reply(ic0.msg_caller())), on_reply=RELAY_REPLY)))
    # Then
    stage.expect(answer, replies_with(caller))


@scenario(
    "The callee's own reject reaches the reject callback with its text",
    covers=(
        "entry.reject-callback",
        "api.msg-reject-msg-copy",
        "api.msg-reject-code",
        "prod.hypervisor.ic0_msg_reject_msg_size_and_copy_work",
        "prod.ee_tests.callee_can_reject",
    ),
)
def reject_comes_back(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    answer = stage.call(caller, program(call(callee, "update", program(reject(b"no, thanks")), on_reject=RELAY_REJECT)))
    # Then
    stage.expect(answer, rejects_with("no, thanks"))


@scenario(
    "A canister tells with which code and in which words the system rejected its call",
    covers=(
        "entry.reject-callback",
        "api.msg-reject-msg-copy",
        "api.msg-reject-code",
        "unspec.value.reject-messages",
        "rule.reject-call.stopped-or-stopping",
    ),
)
def words_of_the_system(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    stop(stage, callee)
    # When
    telling = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_reject_msg())))
    answer = stage.call(caller, program(call(callee, "update", program(reply()), on_reject=telling)))
    # Then
    code = RejectCode.CANISTER_ERROR.to_bytes(4, "little")
    stage.expect(answer, replies_where("that begins with the code", lambda told: told.startswith(code)))


@scenario(
    "Cycles that the callee accepts are its own, the others come back",
    covers=(
        "api.msg-cycles-accept128",
        "api.msg-cycles-refunded128",
        "inv.prop-10-cycles-conserved",
        "rule.message-execution.response",
        "rule.message-execution.commit-effects",
    ),
)
def some_cycles_accepted(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    answer = stage.call(caller, with_cycles(callee, 1_000_000, program(accept_cycles(400_001), reply())))
    # Then
    stage.expect(answer, replies_with(amount(599_999)))
    stage.balance(caller)
    stage.balance(callee)


@scenario(
    "Cycles that the callee does not touch come back in full",
    covers=("inv.prop-10-cycles-conserved", "rule.message-execution.response"),
)
def no_cycles_accepted(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    answer = stage.call(caller, with_cycles(callee, 12_345_678_901_234, program(reply())))
    # Then
    stage.expect(answer, replies())
    stage.balance(caller)


@scenario(
    "A callee cannot accept more cycles than were sent",
    covers=("api.msg-cycles-accept128", "inv.cycles.context-bound", "api.msg-cycles-available128"),
)
def accepting_is_bounded(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    greedy = program(
        reply(concat(ic0.msg_cycles_accept128(10**30), ic0.msg_cycles_accept128(1), ic0.msg_cycles_available128()))
    )
    # When
    answer = stage.call(caller, program(call(callee, "update", greedy, cycles=777, on_reply=RELAY_REPLY)))
    # Then
    stage.expect(answer, replies_with(amount(777) + amount(0) + amount(0)))


@scenario(
    "Cycles that a callee accepts after its own calls are taken from what was sent",
    covers=("inv.cycles.context-bound", "inv.prop-02-call-splits-execution"),
)
def accepting_in_a_callback(stage: Stage) -> None:
    # Given
    first, second, third = scripted(stage), scripted(stage), scripted(stage)
    late = program(
        accept_cycles(100),
        call(
            third,
            "update",
            program(reply()),
            on_reply=program(accept_cycles(200), reply(ic0.msg_cycles_available128())),
        ),
    )
    tell = program(reply(concat(ic0.msg_arg_data(), ic0.msg_cycles_refunded128())))
    # When
    answer = stage.call(first, program(call(second, "update", late, cycles=1_000, on_reply=tell)))
    # Then
    stage.expect(answer, replies_with(amount(700) + amount(700)))


@scenario(
    "Users' calls carry no cycles",
    covers=(
        "inv.ingress.no-cycles",
        "api.msg-cycles-available128",
        "prod.hypervisor.ic0_msg_cycles_available_returns_zero_for_ingress",
    ),
)
def users_send_no_cycles(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(
        canister, program(reply(concat(ic0.msg_cycles_available128(), bytes_of_u64(ic0.msg_cycles_available()))))
    )
    # Then
    stage.expect(answer, replies_with(amount(0) + bytes(8)))


@scenario(
    "A canister can call itself, and both executions see each other's effects",
    covers=("inv.prop-02-call-splits-execution", "inv.prop-04-interleaving", "inv.prop-01-atomic-sequential"),
)
def self_call(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    inner = program(append_to_slot(0, b" inner"), reply())
    # When
    answer = stage.call(
        canister,
        program(
            append_to_slot(0, b"outer"),
            call(canister, "update", inner, on_reply=program(append_to_slot(0, b" callback"), reply(slot(0)))),
        ),
    )
    # Then
    stage.expect(answer, replies_with(b"outer inner callback"))


@scenario(
    "Calls of one execution to one canister start in the order in which they were made",
    covers=(
        "inv.prop-03-fifo-per-pair",
        "inv.order.calls-of-one-execution",
        "def.message-eligibility",
        "seed2.queue-order",
    ),
)
def calls_keep_their_order(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    noted = [program(append_to_slot(0, letter), reply()) for letter in (b"a", b"b", b"c", b"d")]
    # When
    last = call(callee, "update", program(append_to_slot(0, b"e"), reply(slot(0))), on_reply=RELAY_REPLY)
    answer = stage.call(caller, program(*(call(callee, "update", each) for each in noted), last))
    # Then
    stage.expect(answer, replies_with(b"abcde"))


@scenario(
    "Calls to two canisters are both handled, and their responses come back in any order",
    covers=("inv.order.responses-unordered", "inv.prop-04-interleaving", "seed2.concurrent-canisters"),
)
def two_callees(stage: Stage) -> None:
    # Given
    caller, left, right = scripted(stage), scripted(stage), scripted(stage)
    note = program(append_to_slot(0, ic0.msg_arg_data()))
    # When
    stage.call(
        caller,
        program(
            call(left, "update", program(reply(b"l")), on_reply=note),
            call(right, "update", program(reply(b"r")), on_reply=note),
            reply(),
        ),
    )
    # Then
    stage.expect(stage.call(caller, program(reply(slot(0)))), replies_with(b"lr") | replies_with(b"rl"))


@scenario(
    "A canister may reply before its calls are answered; the callbacks still run",
    covers=("inv.prop-07-single-response", "rule.call-context-removal", "rule.message-execution.callback"),
)
def reply_before_callbacks(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    later = program(append_to_slot(0, b"and the callback ran"))
    answer = stage.call(
        caller, program(call(callee, "update", program(reply()), cycles=50, on_reply=later), reply(b"early"))
    )
    # Then
    stage.expect(answer, replies_with(b"early"))
    stage.expect(stage.call(caller, program(reply(slot(0)))), replies_with(b"and the callback ran"))
    stage.balance(caller)


@scenario(
    "A query method can be called as an update call, and keeps nothing",
    covers=("rule.message-execution.query-method", "def.query-as-update", "inv.query-discards-state"),
)
def query_method_as_update(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    noting = program(append_to_slot(0, b"lost"), reply(slot(0)))
    # When
    by_canister = stage.call(caller, program(call(callee, "query", noting, on_reply=RELAY_REPLY)))
    by_user = stage.call(callee, noting, "query")
    # Then
    stage.expect(by_canister, replies_with(b"lost"))
    stage.expect(by_user, replies_with(b"lost"))
    stage.expect(stage.call(callee, program(reply(slot(0)))), replies_with(b""))
    stage.balance(callee)


@scenario(
    "A chain of calls through three canisters carries cycles down and answers up",
    covers=("rule.callback-invocation.live-context", "inv.prop-10-cycles-conserved", "inv.cycles.response-reserve"),
)
def chain_of_calls(stage: Stage) -> None:
    # Given
    first, second, third = scripted(stage), scripted(stage), scripted(stage)
    bottom = program(accept_cycles(10), reply(ic0.msg_caller()))
    middle = program(accept_cycles(100), call(third, "update", bottom, cycles=30, on_reply=RELAY_REPLY))
    # When
    tell = program(reply(concat(ic0.msg_arg_data(), ic0.msg_cycles_refunded128())))
    answer = stage.call(first, program(call(second, "update", middle, cycles=500, on_reply=tell)))
    # Then
    stage.expect(answer, replies_with(second + amount(400)))
    for canister in (first, second, third):
        stage.balance(canister)


@scenario(
    "The callee of a bounded-wait call sees the deadline, that of an unbounded-wait call sees none",
    covers=(
        "api.call-with-best-effort-response",
        "api.msg-deadline",
        "def.deadline-of-context",
        "prod.hypervisor.call_with_best_effort_response_succeeds",
        "prod.execution_test.best_effort_responses_no_timeout",
    ),
    needs=Needs(deterministic=True),
)
def deadlines(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    tell = program(reply(bytes_of_u64(ic0.msg_deadline())))
    # When
    bounded = stage.call(caller, program(call(callee, "update", tell, timeout_seconds=30, on_reply=RELAY_REPLY)))
    unbounded = stage.call(caller, program(call(callee, "update", tell, on_reply=RELAY_REPLY)))
    # Then
    stage.expect(bounded, replies_with((stage.now + 30 * 10**9).to_bytes(8, "little")))
    stage.expect(unbounded, replies_with(bytes(8)))


@scenario(
    "A call that a canister began but did not perform is not made",
    covers=("entry.pending-call-discarded", "api.call-new", "api.call-perform"),
)
def call_not_performed(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    begun = ic0.call_new(callee, b"update", b"", b"", b"") + ic0.call_cycles_add128(1_000)
    answer = stage.call(caller, program(begun, reply(b"forgotten")))
    # Then
    stage.expect(answer, replies_with(b"forgotten"))
    stage.balance(caller)


@scenario(
    "A canister cannot send more cycles than it has",
    covers=("api.call-cycles-add128", "api.call-perform", "inv.cycles.non-negative"),
)
def too_many_cycles(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    attempt = call(
        callee, "update", program(reply()), cycles=10**20, on_reply=RELAY_REPLY, if_refused=reply(b"refused")
    )
    answer = stage.call(caller, program(attempt))
    # Then
    stage.expect(answer, rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED))
    stage.balance(caller)
    stage.balance(callee)


@scenario(
    "A canister that cannot pay for the memory of a response can make bounded-wait calls only",
    covers=("error.insufficient-cycles-message-memory", "unspec.fn.system-cannot-call-now", "api.call-perform"),
    needs=Needs(exact_costs=True),
)
def memory_of_response(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    pay_for_memory(stage, caller, 2**15)
    # When
    answered, refused = program(reply(b"answered")), reply(b"refused")
    unbounded = program(call(callee, "update", answered, on_reply=RELAY_REPLY, if_refused=refused))
    bounded = program(
        call(callee, "update", answered, timeout_seconds=30, on_reply=RELAY_REPLY, if_refused=refused),
    )
    # Then
    stage.expect(stage.call(caller, unbounded), replies_with(b"refused"))
    stage.expect(stage.call(caller, bounded), replies_with(b"answered"))
    pay_for_memory(stage, caller, 2**23)
    stage.expect(stage.call(caller, unbounded), replies_with(b"answered"))
    stage.balance(caller)


@scenario(
    "A canister can ask for random bytes",
    covers=("rule.mgmt.raw-rand", "mgmt.raw-rand", "seed1.canister-randomness"),
)
def random_bytes(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    asking = program(call(b"", "raw_rand", b"DIDL\x00\x00", on_reply=RELAY_REPLY))
    first, second = stage.call(canister, asking), stage.call(canister, asking)
    # Then
    for answer in (first, second):
        stage.expect(answer, replies())


@scenario(
    "The reject code of a call that trapped is that of a canister error, and the caller goes on",
    covers=("api.msg-reject-code", "inv.prop-05-trap-rolls-back", "error.trapped-explicitly"),
)
def callee_traps(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    tell = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_cycles_refunded128())))
    trapping = program(accept_cycles(1_000), ic0.trap(b"no"))
    answer = stage.call(caller, program(call(callee, "update", trapping, cycles=1_000, on_reject=tell)))
    # Then
    stage.expect(answer, replies_with((5).to_bytes(4, "little") + amount(1_000)))
