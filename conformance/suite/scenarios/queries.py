"""Query calls."""

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    RELAY_REPLY,
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    ignore,
    memory_grow,
    program,
    reject,
    reply,
    slot,
    trap,
)
from conformance.judging.patterns import denies, refuses, rejects, rejects_with, replies, replies_where, replies_with
from conformance.suite.people import BOB
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.preparations import freeze, scripted, stop
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.stage import MUCH, Stage
from spec.values import management
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, CanisterId, Principal
from spec.values.quantities import NANOSECONDS_PER_SECOND
from spec.values.rejects import RejectCode, RejectReason


@scenario(
    "A query sees the state, answers at once, and changes nothing",
    covers=(
        "rule.query.method-execution",
        "rule.query.submission",
        "inv.query-discards-state",
        "seed1.query-no-state-change",
    ),
)
def query_changes_nothing(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    stage.call(canister, program(append_to_slot(0, b"state"), reply()))
    # When
    seen = stage.query(canister, program(append_to_slot(0, b" changed"), reply(slot(0))))
    # Then
    stage.expect(seen, replies_with(b"state changed"))
    stage.expect(stage.query(canister, program(reply(slot(0)))), replies_with(b"state"))
    stage.balance(canister)


@scenario(
    "Memories can grow in a query, unless the system refuses it; nothing of it is kept",
    covers=("rule.query.method-execution", "unspec.fn.stable-grow", "inv.query-discards-state"),
)
def memories_grow(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    grows = (bytes_of_u64(ic0.stable64_grow(3)), bytes_of_u64(ic0.stable64_grow(1)), bytes_of_u64(ic0.stable64_size()))
    # When
    grown = stage.query(canister, program(ignore(memory_grow(1)), reply(concat(*grows))))
    # Then
    stage.expect(grown, replies_with(b"".join(number.to_bytes(8, "little") for number in (0, 3, 4))))
    stage.expect(stage.query(canister, program(reply(bytes_of_u64(ic0.stable64_size())))), replies_with(bytes(8)))


@scenario(
    "A query sees its caller",
    covers=(
        "prod.hypervisor.ic0_msg_caller_size_and_copy_work_in_query_calls",
        "api.msg-caller-copy",
        "rule.query.method-execution",
    ),
)
def query_sees_caller(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(stage.query(canister, program(reply(ic0.msg_caller())), sender=BOB), replies_with(BOB))


@scenario(
    "A query runs outside replicated execution, an update call and a query method called as update inside",
    covers=(
        "prod.in_replicated_execution.test_in_replicated_execution_for_update_returns_1",
        "prod.in_replicated_execution.test_in_replicated_execution_for_query_returns_0",
        "api.in-replicated-execution",
        "entry.mode-matrix",
    ),
)
def replicated_execution(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    tell = program(reply(bytes_of_u32(ic0.in_replicated_execution())))
    # Then
    stage.expect(stage.query(canister, tell), replies_with(bytes(4)))
    stage.expect(stage.call(canister, tell), replies_with(b"\x01\0\0\0"))
    stage.expect(stage.call(canister, tell, "query"), replies_with(b"\x01\0\0\0"))


@scenario(
    "A query that rejects, traps or does not answer is rejected accordingly",
    covers=("rule.query.method-execution", "entry.query"),
)
def failing_queries(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(stage.query(canister, program(reject(b"not today"))), rejects_with("not today"))
    stage.expect(
        stage.query(canister, program(trap(b"no"))),
        rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED),
    )
    stage.expect(
        stage.query(canister, program()), rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_DID_NOT_RESPOND)
    )


@scenario(
    "Queries to canisters that cannot answer are rejected",
    covers=("rule.query.preconditions", "error.method-not-found"),
)
def queries_without_answer(stage: Stage) -> None:
    # Given
    empty, stopped, frozen = stage.create(), scripted(stage), scripted(stage)
    stop(stage, stopped)
    freeze(stage, frozen)
    ask = program(reply())
    # Then
    stage.expect(stage.query(NOBODY, ask), denies())
    stage.expect(stage.query(empty, ask), denies())
    stage.expect(stage.query(stopped, ask), rejects(RejectCode.CANISTER_ERROR))
    stage.expect(stage.query(frozen, ask), rejects(RejectCode.SYS_TRANSIENT))


@scenario(
    "An update method cannot be queried, nor a method that does not exist",
    covers=("rule.query.preconditions", "error.method-not-found"),
)
def no_such_query(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    not_found = rejects(RejectCode.CANISTER_ERROR, RejectReason.METHOD_NOT_FOUND)
    stage.expect(stage.query(canister, program(reply()), "update"), not_found)
    stage.expect(stage.query(canister, program(reply()), "no_such_method"), not_found)


@scenario(
    "A query at the endpoint of another canister is refused",
    covers=("rule.query.submission", "def.effective-canister-id"),
)
def query_at_wrong_endpoint(stage: Stage) -> None:
    # Given
    canister, other = scripted(stage), scripted(stage)
    # Then
    stage.expect(stage.query(canister, program(reply()), effective_id=other), refuses())
    # Nor is a canister asked about there.
    about = management.encode_arguments(management.CanisterIdArguments(canister))
    for method_name in ("canister_status", "canister_metrics", "fetch_canister_logs"):
        stage.expect(stage.query(MANAGEMENT_CANISTER, about, method_name, effective_id=other), refuses())


@scenario(
    "A query that has expired is not answered, of a canister or of the management canister",
    covers=("rule.query.submission", "http.ingress-expiry"),
)
def expired_query(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    stage.settle(seconds=10)
    about = management.encode_arguments(management.CanisterIdArguments(canister))
    past = stage.now - NANOSECONDS_PER_SECOND
    # Then
    stage.expect(stage.query(canister, program(reply()), ingress_expiry=past), denies())
    asked = stage.query(MANAGEMENT_CANISTER, about, "canister_status", effective_id=canister, ingress_expiry=past)
    stage.expect(asked, denies())
    # What nobody in particular asks need not expire.
    stage.query(canister, program(reply()), sender=ANONYMOUS, ingress_expiry=past)


@scenario(
    "A query tells the certificate of what its canister certifies, which proves it to whoever has the root key",
    covers=("rule.query.certificate", "unspec.env.certificate-age", "api.data-certificate-copy"),
)
def certificate_told(stage: Stage) -> None:
    # Given two canisters whose ids differ first in the highest bit of a byte
    canister = scripted(stage)
    other = CanisterId(Principal(canister[:6] + bytes([canister[6] ^ 0x80]) + canister[7:]))
    created = management.ProvisionalCreateArguments(MUCH, specified_id=other)
    stage.expect(stage.manage("provisional_create_canister_with_cycles", created), replies())
    stage.expect(stage.install(other, load("scripted")), replies())
    for each, certified in (canister, b"certified"), (other, b"by the other"):
        stage.expect(stage.call(each, program(ic0.certified_data_set(certified), reply())), replies())
    stage.settle(100)
    for each in canister, other:
        # When
        answer = stage.query(each, program(reply(ic0.data_certificate())))
        # Then
        stage.expect(answer, replies_where("that is not empty", lambda data: len(data) > 0))


@scenario(
    "There is no certificate for a canister that a composite query calls, nor in a callback; who asks for it traps",
    covers=("rule.query.certificate", "api.data-certificate-present"),
)
def certificate_of_the_first_alone(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    telling = program(reply(bytes_of_u32(ic0.data_certificate_present())))
    # Then
    stage.expect(
        stage.query(first, program(call(second, "query", telling, on_reply=RELAY_REPLY)), "composite"),
        replies_with(bytes(4)),
    )
    stage.expect(
        stage.query(first, program(call(second, "query", program(reply()), on_reply=telling)), "composite"),
        replies_with(bytes(4)),
    )
    asking = program(ignore(ic0.data_certificate()), reply())
    trapped = program(reply(b"trapped"))
    stage.expect(
        stage.query(first, program(call(second, "query", asking, on_reject=trapped)), "composite"),
        replies_with(b"trapped"),
    )
