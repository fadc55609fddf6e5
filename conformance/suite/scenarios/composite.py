"""Composite queries, and what the management canister tells to queries."""

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    RELAY_REJECT,
    RELAY_REPLY,
    REPLY_REJECT_CODE,
    append_to_slot,
    bytes_of_u32,
    call,
    concat,
    counter,
    filled,
    program,
    reject,
    reply,
    set_counter,
    slot,
    trap,
    when,
)
from conformance.judging.patterns import denies, fails, rejects, rejects_with, replies, replies_where, replies_with
from conformance.protocol.interface import QueryAnswer
from conformance.suite.people import ALICE, BOB, EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.lifecycle import about
from conformance.suite.scenarios.management_calls import CANISTER_ERROR, REJECTED, update_settings
from conformance.suite.scenarios.preparations import freeze, scripted, stop
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.canister_terms import AllowedViewers, Public
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, Principal, Text
from spec.values.rejects import RejectCode, RejectReason

COMPOSITE = ("entry.composite-query", "rule.query.composite-calls")


def asked(stage: Stage, canister: CanisterId, method_name: Text, sender: Principal = ALICE) -> QueryAnswer:
    """A query to the management canister about a canister."""
    query = management.encode_arguments(management.CanisterIdArguments(canister))
    return stage.query(MANAGEMENT_CANISTER, query, method_name, sender, effective_id=canister)


@scenario(
    "A composite query calls queries of other canisters and answers with what it heard",
    covers=(*COMPOSITE, "rule.query.composite-callbacks", "entry.composite-callbacks"),
)
def composite(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    # When
    inner = program(reply(ic0.msg_caller()))
    answer = stage.query(first, program(call(second, "query", inner, on_reply=RELAY_REPLY)), "composite")
    # Then
    stage.expect(answer, replies_with(first))


@scenario(
    "A composite query that makes two calls hears each answer once, in any order",
    covers=(*COMPOSITE, "rule.query.composite-callbacks", "unspec.order.composite-calls"),
)
def two_calls(stage: Stage) -> None:
    # Given
    canister, other = scripted(stage), scripted(stage)
    noting = append_to_slot(0, ic0.msg_arg_data()) + when(counter(1), reply(slot(0)), set_counter(1, 1))
    asking = [call(other, "query", program(reply(text)), on_reply=program(noting)) for text in (b"one ", b"two ")]
    # When
    answer = stage.query(canister, program(*asking), "composite")
    # Then
    stage.expect(answer, replies())


@scenario(
    "Composite queries that a composite query calls hear each of their answers once, in an order of their own",
    covers=(*COMPOSITE, "rule.query.composite-callbacks", "unspec.order.composite-calls"),
)
def two_calls_within_two(stage: Stage) -> None:
    # Given
    canister, other = scripted(stage), scripted(stage)
    noting = append_to_slot(0, ic0.msg_arg_data()) + when(counter(1), reply(slot(0)), set_counter(1, 1))
    # When
    asking = []
    for pair in ((b"one ", b"two "), (b"three ", b"four ")):
        inner = [call(other, "query", program(reply(text)), on_reply=program(noting)) for text in pair]
        asking.append(call(other, "composite", program(*inner), on_reply=program(noting)))
    answer = stage.query(canister, program(*asking), "composite")
    # Then
    stage.expect(answer, replies())


@scenario("A composite query calls composite queries", covers=COMPOSITE)
def nested(stage: Stage) -> None:
    # Given
    canisters = [scripted(stage) for _ in range(3)]
    argument = program(reply(b"at the bottom"))
    # When
    for index, canister in enumerate(reversed(canisters[1:])):
        method_name = "composite" if index else "query"
        argument = program(call(canister, method_name, argument, on_reply=RELAY_REPLY))
    # Then
    stage.expect(stage.query(canisters[0], argument, "composite"), replies_with(b"at the bottom"))


@scenario(
    "Nothing that composite queries and their callbacks wrote is kept", covers=(*COMPOSITE, "inv.query-discards-state")
)
def keeps_nothing(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    noting = program(append_to_slot(0, b"callback"), reply(slot(0)))
    # When
    inner = program(append_to_slot(0, b"inner"), reply())
    calling = program(append_to_slot(0, b"outer "), call(second, "query", inner, on_reply=noting))
    answer = stage.query(first, calling, "composite")
    # Then
    stage.expect(answer, replies_with(b"outer callback"))
    for canister in (first, second):
        stage.expect(stage.query(canister, program(reply(slot(0)))), replies_with(b""))


@scenario("A composite query cannot call update methods", covers=COMPOSITE)
def no_updates(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    # When
    calling = program(call(second, "update", program(reply()), on_reject=REPLY_REJECT_CODE))
    # Then
    stage.expect(stage.query(first, calling, "composite"), CANISTER_ERROR)


@scenario("A reject of the callee reaches the composite query with its text", covers=COMPOSITE)
def reject_in_composite(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    # When
    calling = program(call(second, "query", program(reject(b"no, thanks")), on_reject=RELAY_REJECT))
    # Then
    stage.expect(stage.query(first, calling, "composite"), rejects_with("no, thanks"))


@scenario(
    "A composite query tells with which code and in which words the system rejected its call",
    covers=(*COMPOSITE, "unspec.value.reject-messages"),
)
def words_of_the_system(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    stop(stage, second)
    # When
    telling = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_reject_msg())))
    calling = program(call(second, "query", program(reply()), on_reject=telling))
    # Then
    code = RejectCode.CANISTER_ERROR.to_bytes(4, "little")
    answer = stage.query(first, calling, "composite")
    stage.expect(answer, replies_where("that begins with the code", lambda told: told.startswith(code)))


@scenario("A trap of the callee reaches the composite query as a canister error", covers=COMPOSITE)
def trap_in_composite(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    # When
    calling = program(call(second, "query", trap(b"no").code, on_reject=REPLY_REJECT_CODE))
    # Then
    stage.expect(stage.query(first, calling, "composite"), CANISTER_ERROR)


@scenario("A composite query that neither answers nor waits for anything is rejected", covers=COMPOSITE)
def unanswered(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    # Then
    calling = program(call(second, "query", program(reply()), on_reply=program(append_to_slot(0, b"x"))))
    stage.expect(stage.query(first, calling, "composite"), rejects(RejectCode.CANISTER_ERROR))


@scenario(
    "After a trap in its callback, a composite query runs its cleanup", covers=("rule.query.composite-callbacks",)
)
def cleanup_in_composite(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    failing = call(
        second, "query", program(reply()), on_reply=trap(b"no").code, on_cleanup=program(append_to_slot(0, b"x"))
    )
    # Then
    stage.expect(stage.query(first, program(failing), "composite"), rejects(RejectCode.CANISTER_ERROR))


@scenario(
    "A composite query cannot be called as an update, by users or canisters",
    covers=("entry.composite-query", "inv.composite-not-replicated"),
)
def not_replicated(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # Then
    by_user = stage.call(callee, program(reply()), "composite")
    stage.expect(by_user, fails(RejectReason.METHOD_NOT_FOUND))
    by_canister = program(call(callee, "composite", program(reply()), on_reject=REPLY_REJECT_CODE))
    stage.expect(stage.call(caller, by_canister), REJECTED)


@scenario(
    "Queries between canisters see no cycles and no replicated execution",
    covers=(*COMPOSITE, "prod.in_replicated_execution.test_in_replicated_execution_for_composite_query_returns_0"),
)
def composite_context(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.query(canister, program(reply(bytes_of_u32(ic0.in_replicated_execution()))), "composite")
    sending = program(call(canister, "query", program(reply()), cycles=1, on_reply=RELAY_REPLY))
    # Then
    stage.expect(answer, replies_with(bytes(4)))
    stage.expect(stage.query(canister, sending, "composite"), rejects(RejectCode.CANISTER_ERROR))


@scenario(
    "A composite query that calls a canister which cannot answer is told so",
    covers=("rule.query.preconditions", *COMPOSITE),
)
def callees_that_cannot(stage: Stage) -> None:
    # Given
    canister, stopped, empty = scripted(stage), scripted(stage), stage.create()
    stop(stage, stopped)
    # Then
    for callee in (stopped, empty, NOBODY):
        calling = program(call(callee, "query", program(reply()), on_reply=RELAY_REPLY, on_reject=REPLY_REJECT_CODE))
        stage.expect(stage.query(canister, calling, "composite"), REJECTED)


@scenario("A frozen canister answers no queries", covers=("rule.query.preconditions", "seed2.freezing-threshold"))
def frozen_query(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    freeze(stage, canister)
    # Then
    stage.expect(
        stage.query(canister, program(reply())), rejects(RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN)
    )


# The management canister


@scenario(
    "Controllers fetch the log of a canister: what it printed and why it trapped",
    covers=("rule.query.fetch-canister-logs", "mgmt.fetch-canister-logs", "inv.logs-replicated-only"),
)
def logs(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    stage.call(canister, program(ic0.debug_print(b"first"), ic0.debug_print(b"second"), reply()))
    stage.call(canister, trap(b"the end").code)
    stage.query(canister, program(ic0.debug_print(b"never kept"), reply()))
    # When
    records = asked(stage, canister, "fetch_canister_logs")
    # Then
    stage.expect(records, replies_where("with two records", lambda data: b"first" in data and b"secon" in data))
    stage.expect(records, replies_where("without the query's", lambda data: b"never kept" not in data))


@scenario(
    "Of a log that is too large the newest records are told, and none that is older than one that is left out",
    covers=("mgmt.fetch-canister-logs", "unspec.spont.log-trimming"),
)
def large_logs(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    large = ic0.debug_print(filled(120, 3_000))
    # When
    for printed in (ic0.debug_print(b"oldest"), large, large, ic0.debug_print(b"newest")):
        stage.expect(stage.call(canister, program(printed, reply())), replies())
    # Then
    records = asked(stage, canister, "fetch_canister_logs")
    # Reason: a system that keeps the beginnings alone of what is printed keeps more records.
    without = replies_where("without the oldest", lambda data: b"oldest" not in data)
    stage.expect(records, without | replies_where("with short records", lambda data: bytes([120]) * 3_000 not in data))


@scenario(
    "A composite query relays what the management canister tells it of a log",
    covers=(*COMPOSITE, "rule.query.composite-management-calls", "rule.query.fetch-canister-logs", "unspec.fn.logs"),
)
def logs_relayed(stage: Stage) -> None:
    # Given
    canister, asking = scripted(stage), scripted(stage)
    update_settings(stage, canister, log_visibility=Public())
    stage.call(canister, program(ic0.debug_print(b"first"), reply()))
    stage.call(canister, trap(b"the end").code)
    # When
    about_it = management.encode_arguments(management.CanisterIdArguments(canister))
    fetching = call(MANAGEMENT_CANISTER, "fetch_canister_logs", about_it, on_reply=RELAY_REPLY)
    records = stage.query(asking, program(fetching), "composite")
    # Then
    stage.expect(records, replies_where("with what was printed", lambda data: b"first" in data))


@scenario(
    "Logs are for controllers, for viewers, or for everybody, as set",
    covers=("setting.log-visibility", "rule.query.fetch-canister-logs", "mgmt-general.visibility"),
)
def log_visibility(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(asked(stage, canister, "fetch_canister_logs", EVE), denies())
    update_settings(stage, canister, log_visibility=AllowedViewers(List.of(EVE)))
    stage.expect(asked(stage, canister, "fetch_canister_logs", EVE), replies())
    stage.expect(asked(stage, canister, "fetch_canister_logs", BOB), denies())
    update_settings(stage, canister, log_visibility=Public())
    stage.expect(asked(stage, canister, "fetch_canister_logs", BOB), replies())


@scenario(
    "The status of a canister can be queried by whom its visibility admits",
    covers=("rule.mgmt.canister-status.query", "mgmt.canister-status"),
)
def status_query(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(asked(stage, canister, "canister_status"), replies())
    stage.expect(asked(stage, canister, "canister_status", EVE), denies())


@scenario(
    "Only a few methods of the management canister can be queried",
    covers=("rule.query.submission", "mgmt-general.facade"),
)
def no_queries(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    for method_name in ("start_canister", "canister_info", "raw_rand", "no_such_method"):
        stage.expect(asked(stage, canister, method_name), denies())


@scenario(
    "A composite query asks the management canister for its own status",
    covers=("rule.query.composite-management-calls", "unspec.value.composite-management-rejects"),
)
def own_status(stage: Stage) -> None:
    # Given
    canister, other = scripted(stage), scripted(stage)
    # When
    own = program(call(b"", "canister_status", about(canister), on_reply=RELAY_REPLY, on_reject=REPLY_REJECT_CODE))
    foreign = program(call(b"", "canister_status", about(other), on_reply=RELAY_REPLY, on_reject=REPLY_REJECT_CODE))
    random = program(call(b"", "raw_rand", b"DIDL\0\0", on_reply=RELAY_REPLY, on_reject=REPLY_REJECT_CODE))
    # Then
    stage.expect(
        stage.query(canister, own, "composite"), replies_where("with a status", lambda data: data[:4] == b"DIDL")
    )
    stage.expect(stage.query(canister, foreign, "composite"), REJECTED)
    stage.expect(stage.query(canister, random, "composite"), REJECTED)
