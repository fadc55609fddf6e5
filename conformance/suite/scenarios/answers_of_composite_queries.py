"""Composite queries: who answers, what is kept between their callbacks, and what the management canister tells them."""

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    RELAY_REPLY,
    add_to_counter,
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    counter,
    equal,
    program,
    reply,
    slot,
    trap,
    when,
)
from conformance.judging.patterns import rejects, replies, replies_where, replies_with
from conformance.suite.people import ALICE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.lifecycle import about
from conformance.suite.scenarios.one_call import u64
from conformance.suite.scenarios.preparations import controlled_by, scripted
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.identifiers import Blob
from spec.values.rejects import RejectCode, RejectReason

COMPOSITE = ("entry.composite-query", "rule.query.composite-calls")
CANISTER_ERROR = rejects(RejectCode.CANISTER_ERROR)
TOLD_CODE = program(reply(concat(b"rejected ", bytes_of_u32(ic0.msg_reject_code()))))
"""As `on_reject`: replies with the reject code."""

REJECTED = replies_where("that tells of a reject", lambda data: data.startswith(b"rejected "))


@scenario(
    "A plain query makes no calls",
    covers=("entry.query", "prod.query_handler.query_methods_cannot_make_downstream_calls"),
)
def plain_query(stage: Stage) -> None:
    # Given
    canister, callee = scripted(stage), scripted(stage)
    calling = program(call(callee, "query", program(reply(b"there")), on_reply=RELAY_REPLY))
    # Then
    stage.expect(stage.query(canister, calling), CANISTER_ERROR)
    stage.expect(stage.query(canister, calling, "composite"), replies_with(b"there"))


@scenario(
    "A composite query may call itself, and that again",
    covers=(*COMPOSITE, "prod.query_handler.composite_query_recursive_calls"),
)
def recursive_calls(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    argument = program(reply(b"innermost"))
    # When
    for _ in range(3):
        argument = program(call(canister, "composite", argument, on_reply=RELAY_REPLY))
    # Then
    stage.expect(stage.query(canister, argument, "composite"), replies_with(b"innermost"))


def answering_second(callee: Blob) -> Blob:
    """Makes three calls; only the second callback replies."""
    silent, telling = program(add_to_counter(1)), program(reply(ic0.msg_arg_data()))
    return program(
        *(
            call(callee, "query", program(reply(b"answer %d" % number)), on_reply=telling if number == 2 else silent)
            for number in (1, 2, 3)
        )
    )


@scenario(
    "Of several callbacks one replies, to a user or to a canister",
    covers=(
        *COMPOSITE,
        "prod.query_handler.composite_query_single_user_response",
        "prod.query_handler.composite_query_single_canister_response",
    ),
)
def single_response(stage: Stage) -> None:
    # Given
    first, second, third = scripted(stage), scripted(stage), scripted(stage)
    # Then
    stage.expect(stage.query(first, answering_second(third), "composite"), replies_with(b"answer 2"))
    through = program(call(second, "composite", answering_second(third), on_reply=RELAY_REPLY))
    stage.expect(stage.query(first, through, "composite"), replies_with(b"answer 2"))


@scenario(
    "If no callback replies, a user is told so, and a canister gets a reject",
    covers=(
        *COMPOSITE,
        "prod.query_handler.composite_query_no_user_response",
        "prod.query_handler.composite_query_no_canister_response",
    ),
)
def no_response(stage: Stage) -> None:
    # Given
    first, second, third = scripted(stage), scripted(stage), scripted(stage)
    silent = program(call(third, "query", program(reply()), on_reply=program(add_to_counter(1))))
    # Then
    no_answer = rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_DID_NOT_RESPOND)
    stage.expect(stage.query(first, silent, "composite"), no_answer)
    through = program(call(second, "composite", silent, on_reply=RELAY_REPLY, on_reject=TOLD_CODE))
    told = b"rejected " + int(RejectCode.CANISTER_ERROR).to_bytes(4, "little")
    stage.expect(stage.query(first, through, "composite"), replies_with(told))


@scenario(
    "A callback of a composite query may make another call",
    covers=(*COMPOSITE, "prod.query_handler.composite_query_chained_calls"),
)
def chained_calls(stage: Stage) -> None:
    # Given
    first, second, third = scripted(stage), scripted(stage), scripted(stage)
    # When
    later = program(call(third, "query", program(reply(b"from the third")), on_reply=RELAY_REPLY))
    answer = stage.query(first, program(call(second, "query", program(reply()), on_reply=later)), "composite")
    # Then
    stage.expect(answer, replies_with(b"from the third"))


@scenario(
    "What a composite query and its callbacks change, later callbacks see",
    covers=(
        *COMPOSITE,
        "rule.query.composite-callbacks",
        "prod.query_handler.composite_query_state_preserved_across_sequential_calls",
        "prod.query_handler.composite_query_state_preserved_across_parallel_calls",
    ),
)
def state_in_between(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    # When
    one_by_one = program(reply(bytes_of_u64(counter(1))))
    for _ in range(4):
        one_by_one = program(add_to_counter(1), call(second, "query", program(reply()), on_reply=one_by_one))
    counting = program(add_to_counter(1), when(equal(counter(1), 4), reply(bytes_of_u64(counter(1)))))
    at_once = program(*(call(second, "query", program(reply()), on_reply=counting) for _ in range(4)))
    # Then
    stage.expect(stage.query(first, one_by_one, "composite"), replies_with(u64(4)))
    stage.expect(stage.query(first, at_once, "composite"), replies_with(u64(4)))


@scenario(
    "A callback of a composite query that performs a call and traps has made none",
    covers=(
        *COMPOSITE,
        "rule.query.composite-callbacks",
        "prod.system_api.composite_replies_do_not_return_state_changes_on_trap",
        "prod.system_api.composite_rejects_do_not_return_state_changes_on_trap",
    ),
)
def trap_after_call(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    late = call(second, "query", program(reply()), on_reply=program(reply(b"the call was made")))
    failing = program(append_to_slot(0, b"lost"), late, trap(b"and undone"))
    # Then
    for answer in (reply(), ic0.msg_reject(b"no")):
        alone = call(second, "query", program(answer), on_reply=failing, on_reject=failing)
        stage.expect(stage.query(first, program(alone), "composite"), CANISTER_ERROR)
        # With a cleanup the query goes on, from the state before, with what is under way.
        cleaned = call(
            second, "query", program(answer), on_reply=failing, on_reject=failing, on_cleanup=program(add_to_counter(2))
        )
        other = call(second, "query", program(reply()), on_reply=program(reply(concat(b"kept:", slot(0)))))
        stage.expect(stage.query(first, program(cleaned, other), "composite"), replies_with(b"kept:"))
        stage.expect(stage.query(first, program(cleaned), "composite"), CANISTER_ERROR)


# The management canister


@scenario(
    "The management canister tells composite queries what it tells queries, and rejects the rest",
    covers=(
        "rule.query.composite-management-calls",
        "unspec.value.composite-management-rejects",
        "prod.query_handler.composite_query_call_to_management_canister_fetch_canister_logs",
        "prod.query_handler.composite_query_call_to_management_canister_respects_permissions",
        "prod.query_handler.composite_query_call_to_management_canister_for_unknown_canister",
        "prod.query_handler.composite_query_call_to_management_canister_rejects_non_query_methods",
    ),
)
def management_queries(stage: Stage) -> None:
    # Given
    canister, other, own = scripted(stage), scripted(stage), scripted(stage)
    changed = management.UpdateSettingsArguments(own, controlled_by(ALICE, own))
    stage.expect(stage.manage("update_settings", changed, own), replies())
    stage.expect(stage.call(own, program(ic0.debug_print(b"printed"), reply())), replies())

    def asked(method_name: str, argument: Blob) -> Blob:
        return program(call(b"", method_name, argument, on_reply=RELAY_REPLY, on_reject=TOLD_CODE))

    # Then
    stage.expect(
        stage.query(own, asked("fetch_canister_logs", about(own)), "composite"),
        replies_where("with what was printed", lambda data: b"print" in data),
    )
    for method_name, argument in (
        ("canister_status", about(other)),
        ("canister_status", about(NOBODY)),
        ("raw_rand", b"DIDL\0\0"),
    ):
        stage.expect(stage.query(canister, asked(method_name, argument), "composite"), REJECTED)
