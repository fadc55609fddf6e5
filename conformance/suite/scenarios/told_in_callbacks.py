"""What code is told, and may not do, in callbacks, cleanups and system tasks."""

from conformance.canisters import ic0
from conformance.canisters.expressions import Action
from conformance.canisters.scripted import (
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    ignore,
    length,
    program,
    reject,
    reply,
    set_global_timer_program,
    set_slot,
    slot,
    trap,
)
from conformance.judging.patterns import rejects, replies, replies_where, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.people import ALICE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.one_call import u32
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.values.identifiers import Blob
from spec.values.quantities import NANOSECONDS_PER_SECOND
from spec.values.rejects import RejectCode

TOLD_CALLER = concat(bytes_of_u32(length(ic0.msg_caller())), ic0.msg_caller())
"""How long the principal of the caller is, and what it is."""

ALICE_TOLD = u32(len(ALICE)) + ALICE

CANISTER_ERROR = rejects(RejectCode.CANISTER_ERROR)


@scenario(
    "In callbacks and cleanups the caller is who called the method",
    covers=(
        "rule.callback-invocation.live-context",
        "api.msg-caller-copy",
        "prod.hypervisor.ic0_msg_caller_size_works_in_reply_callback",
        "prod.hypervisor.ic0_msg_caller_copy_works_in_reply_callback",
        "prod.hypervisor.ic0_msg_caller_size_works_in_reject_callback",
        "prod.hypervisor.ic0_msg_caller_copy_works_in_reject_callback",
        "prod.hypervisor.ic0_msg_caller_size_works_in_cleanup_callback",
        "prod.hypervisor.ic0_msg_caller_copy_works_in_cleanup_callback",
    ),
)
def callers(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    told = program(reply(TOLD_CALLER))
    # When
    in_reply = stage.call(caller, program(call(callee, "update", program(reply()), on_reply=told)))
    in_reject = stage.call(caller, program(call(callee, "update", program(reject(b"no")), on_reject=told)))
    noting = program(set_slot(0, TOLD_CALLER))
    stage.call(
        caller,
        program(call(callee, "update", program(reply()), on_reply=trap(b"clean up").code, on_cleanup=noting)),
    )
    # Then
    stage.expect(in_reply, replies_with(ALICE_TOLD))
    stage.expect(in_reject, replies_with(ALICE_TOLD))
    stage.expect(stage.call(caller, program(reply(slot(0)))), replies_with(ALICE_TOLD))


@scenario(
    "A timer is called by the management canister, whose principal is empty",
    covers=(
        "entry.global-timer",
        "prod.hypervisor.ic0_msg_caller_size_works_in_global_timer",
        "prod.hypervisor.ic0_msg_caller_copy_works_in_global_timer",
    ),
    needs=Needs(deterministic=True),
)
def caller_of_timer(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    noting = program(set_slot(0, concat(b"caller: ", TOLD_CALLER)))
    stage.call(canister, program(set_global_timer_program(noting), ignore(ic0.global_timer_set(1)), reply()))
    # When
    stage.settle(seconds=1)
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"caller: " + u32(0)))


@scenario(
    "A canister that is called with a timeout sees its deadline, and without one it sees none",
    covers=(
        "api.msg-deadline",
        "prod.hypervisor.ic0_msg_deadline_when_deadline_is_set",
        "prod.hypervisor.ic0_msg_deadline_when_deadline_is_not_set",
    ),
    needs=Needs(deterministic=True),
)
def deadlines(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    telling = program(reply(bytes_of_u64(ic0.msg_deadline())))
    relayed = program(reply(ic0.msg_arg_data()))
    # When
    now = stage.now // NANOSECONDS_PER_SECOND
    bounded = stage.call(caller, program(call(callee, "update", telling, timeout_seconds=20, on_reply=relayed)))
    unbounded = stage.call(caller, program(call(callee, "update", telling, on_reply=relayed)))
    # Then
    stage.expect(
        bounded,
        replies_where(
            "20 seconds later",
            lambda data: int.from_bytes(data, "little") // NANOSECONDS_PER_SECOND == now + 20,
        ),
    )
    stage.expect(unbounded, replies_with(bytes(8)))


# Counters

COUNTED = bytes_of_u64(ic0.performance_counter(1))


def rise(data: Blob) -> bool:
    """There are three numbers or more, each larger than the one before."""
    numbers = [int.from_bytes(data[place : place + 8], "little") for place in range(0, len(data), 8)]
    return len(numbers) >= 3 and all(one < other for one, other in zip(numbers, numbers[1:], strict=False))


def counting(answer: Action, callee: Blob, method_name: str) -> Blob:
    """Counts, and counts again in each of two callbacks, one of the other's call."""
    last = program(append_to_slot(0, COUNTED), reply(slot(0)))
    second = call(callee, method_name, program(answer), on_reply=last, on_reject=last)
    first = program(append_to_slot(0, COUNTED), second)
    return program(set_slot(0, COUNTED), call(callee, method_name, program(answer), on_reply=first, on_reject=first))


RISING = replies_where("with three counts that rise", rise)


@scenario(
    "The counter of a call context rises from callback to callback",
    covers=(
        "api.performance-counter",
        "prod.response.test_call_context_performance_counter_correctly_reported_on_reply",
        "prod.response.test_call_context_performance_counter_correctly_reported_on_reject",
    ),
)
def counter_in_callbacks(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # Then
    stage.expect(stage.call(caller, counting(reply(), callee, "update")), RISING)
    stage.expect(stage.call(caller, counting(reject(b"no"), callee, "update")), RISING)


@scenario(
    "In a cleanup the counter of the call context has what its callback used too",
    covers=(
        "api.performance-counter",
        "entry.cleanup-callback",
        "prod.response.test_call_context_performance_counter_correctly_reported_on_cleanup",
    ),
)
def counter_in_cleanup(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    failing = program(trap(COUNTED))
    cleaning = program(append_to_slot(0, COUNTED))
    second = call(callee, "update", program(reply()), on_reply=failing, on_cleanup=cleaning)
    first = program(append_to_slot(0, COUNTED), second)
    # When
    stage.call(caller, program(set_slot(0, COUNTED), call(callee, "update", program(reply()), on_reply=first)))
    # Then
    stage.expect(stage.call(caller, program(reply(slot(0)))), RISING)


@scenario(
    "The counter of a composite query rises from callback to callback, whatever it calls",
    covers=(
        "api.performance-counter",
        "rule.query.composite-callbacks",
        "prod.query_handler.test_call_context_performance_counter_correctly_reported_on_query",
        "prod.query_handler.test_call_context_performance_counter_correctly_reported_on_composite_query",
    ),
)
def counter_in_composite(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # Then
    for method_name in ("query", "composite"):
        stage.expect(stage.query(caller, counting(reply(), callee, method_name), "composite"), RISING)


# What composite queries may not do

FORBIDDEN = (
    ignore(ic0.msg_cycles_available()),
    ignore(ic0.msg_cycles_available128()),
    ignore(ic0.msg_cycles_refunded()),
    ignore(ic0.msg_cycles_refunded128()),
    ignore(ic0.msg_cycles_accept(1)),
    ignore(ic0.msg_cycles_accept128(1)),
    ignore(ic0.global_timer_set(1)),
    ic0.certified_data_set(b"x"),
    ic0.call_new(b"", b"raw_rand", b"", b"", b"") + ic0.call_cycles_add(1),
    ic0.call_new(b"", b"raw_rand", b"", b"", b"") + ic0.call_cycles_add128(1),
)


@scenario(
    "Callbacks of composite queries have no cycles, set no timer and certify nothing",
    covers=(
        "entry.composite-callbacks",
        "error.wrong-context",
        "prod.query_handler.composite_query_syscalls_from_reply_reject_callback",
    ),
)
def forbidden_in_composite(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)

    def asked(answer: Action, callback: Blob) -> Blob:
        return program(call(callee, "query", program(answer), on_reply=callback, on_reject=callback))

    # Then
    for answer in (reply(), reject(b"no")):
        stage.expect(stage.query(caller, asked(answer, program(reply())), "composite"), replies())
        for action in FORBIDDEN:
            stage.expect(stage.query(caller, asked(answer, program(action, reply())), "composite"), CANISTER_ERROR)
