"""What becomes of calls: who replies, what a failure undoes, and what callers are told."""

import pytest

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    RELAY_REJECT,
    RELAY_REPLY,
    REPLY_REJECT_CODE,
    add_to_counter,
    append_to_slot,
    bytes_of_u32,
    call,
    concat,
    counter,
    equal,
    equal_bytes,
    ignore,
    program,
    reject,
    reply,
    set_inspect_message,
    set_slot,
    slot,
    trap,
    when,
)
from conformance.canisters.scripted import unreachable as run_into_unreachable
from properties.agreement.lockstep import enabled_of
from properties.agreement.stage import ALICE, BOB, Stage
from properties.agreement.tests.books import SCRIPTED, Books, take
from spec.machine import enabled
from spec.state.label import Label
from spec.state.message import CallMessage, ResponseMessage
from spec.state.request import Processing, Rejected, Replied
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply

CODE = program(reply(bytes_of_u32(ic0.msg_reject_code())))
"""Replies with the reject code."""


def canisters(count):
    stage = Stage()
    return stage, *(stage.installed(SCRIPTED) for _ in range(count))


def told(code):
    return Replied(int(code).to_bytes(4, "little"))


def reason(answer):
    """Why the system rejected a call or a query."""
    reject = answer.reject if isinstance(answer, Rejected) else answer
    assert isinstance(reject, Reject), answer
    return reject.reason


def in_all_ways(stage, canister, argument):
    """The answers of an update method, of a query method that is called, and of one that is asked."""
    return [
        stage.call(canister, "update", argument),
        stage.call(canister, "query", argument),
        stage.query(canister, "query", argument),
    ]


# Responses.


@pytest.mark.checklist("prod.hypervisor.ic0_msg_reply_works")
def test_a_reply_is_put_together_in_every_kind_of_method():
    stage, a = canisters(1)
    both = program(ic0.msg_reply_data_append(b"abcd"), ic0.msg_reply_data_append(b"efgh"), ic0.msg_reply())
    assert in_all_ways(stage, a, both) == [Replied(b"abcdefgh"), Replied(b"abcdefgh"), Reply(b"abcdefgh")]


@pytest.mark.checklist("prod.hypervisor.ic0_msg_reply_data_append_has_no_effect_without_ic0_msg_reply")
def test_what_is_appended_and_not_sent_is_no_reply_in_any_kind_of_method():
    stage, a = canisters(1)
    answers = in_all_ways(stage, a, program(ic0.msg_reply_data_append(b"abcd")))
    assert [reason(one) for one in answers] == [RejectReason.CANISTER_DID_NOT_RESPOND] * 3


@pytest.mark.parametrize(
    "actions",
    [
        pytest.param(
            (reply(), ic0.msg_reply()), marks=pytest.mark.checklist("prod.hypervisor.ic0_msg_reply_twice"), id="reply"
        ),
        pytest.param(
            (reply(), ic0.msg_reply_data_append(b"")),
            marks=pytest.mark.checklist("prod.hypervisor.ic0_msg_reply_data_append_after_ic0_msg_reply"),
            id="append",
        ),
        pytest.param(
            (reject(b"no"), ic0.msg_reply_data_append(b"")),
            marks=pytest.mark.checklist("prod.hypervisor.ic0_msg_reply_data_append_after_ic0_msg_reject"),
            id="append after a reject",
        ),
        pytest.param(
            (reject(b"no"), ic0.msg_reject(b"no")),
            marks=pytest.mark.checklist("prod.hypervisor.ic0_msg_reject_fails_if_called_twice"),
            id="reject",
        ),
    ],
)
def test_after_a_response_a_second_one_traps_in_every_kind_of_method(actions):
    stage, a = canisters(1)
    answers = in_all_ways(stage, a, program(*actions))
    assert [reason(one) for one in answers] == [RejectReason.CANISTER_TRAPPED] * 3


@pytest.mark.checklist("prod.hypervisor.reply_data_append_in_entry_point_and_reply_in_callback")
def test_what_the_method_appended_is_not_in_the_reply_of_its_callback():
    stage, a, b = canisters(2)
    later = call(b, "update", program(reply()), on_reply=program(reply(b"callback")))
    assert stage.call(a, "update", program(ic0.msg_reply_data_append(b"method "), later)) == Replied(b"callback")


@pytest.mark.checklist(
    "prod.ee_tests.ingress_can_reply_and_produce_output_request",
    "prod.hypervisor.ic0_call_enqueues_request",
    "prod.hypervisor.ic0_call_perform_enqueues_request",
)
def test_one_execution_replies_and_makes_one_call():
    stage, a, b = canisters(2)
    request_id, _ = stage.lockstep.submit(ALICE, a, "update", program(call(b, "update"), reply(b"MONOLORD")))
    take(stage, "initiate_call", "call_context_creation")
    (sent,) = [message for _, message in stage.state.messages.entries if isinstance(message, CallMessage)]
    assert (sent.callee, sent.method_name, sent.transferred_cycles) == (b, "update", 0)
    take(stage, "respond_to_user")
    assert stage.state.requests[request_id].status == Replied(b"MONOLORD")


@pytest.mark.parametrize(
    ("response", "sent"),
    [
        pytest.param(
            reply(b"MONOLORD"),
            [Reply(b"MONOLORD")],
            marks=pytest.mark.checklist("prod.ee_tests.callee_can_reply_and_produce_output_request"),
        ),
        pytest.param(
            ignore(counter(0)), [], marks=pytest.mark.checklist("prod.ee_tests.callee_can_produce_output_request")
        ),
    ],
)
def test_a_callee_makes_a_call_with_or_without_replying(response, sent):
    stage, a, b, c = canisters(3)
    stage.lockstep.submit(ALICE, a, "update", program(call(b, "update", program(call(c, "update"), response))))
    take(stage, "initiate_call", "call_context_creation", "call_context_creation")
    messages = [message for _, message in stage.state.messages.entries]
    assert [one.callee for one in messages if isinstance(one, CallMessage)] == [c]
    assert [one.response for one in messages if isinstance(one, ResponseMessage)] == sent


@pytest.mark.checklist("prod.ee_tests.response_callback_can_reject")
def test_a_callback_may_reject():
    stage, a, b, c = canisters(3)
    rejecting = program(call(c, "update", program(reply()), on_reply=program(reject(b"error"))))
    status = stage.call(a, "update", program(call(b, "update", rejecting, on_reject=RELAY_REJECT)))
    assert status == Rejected(Reject(RejectCode.CANISTER_REJECT, "error", RejectReason.EXPLICIT))


@pytest.mark.checklist("prod.hypervisor.unreplied_update_commits_memory_changes")
def test_an_update_that_does_not_reply_keeps_what_it_did():
    stage, a, b = canisters(2)
    assert reason(stage.call(b, "update", program(append_to_slot(0, b"one ")))) is RejectReason.CANISTER_DID_NOT_RESPOND
    silent = call(b, "update", program(append_to_slot(0, b"two")), on_reject=CODE)
    assert stage.call(a, "update", program(silent)) == told(RejectCode.CANISTER_ERROR)
    assert stage.call(b, "update", program(reply(slot(0)))) == Replied(b"one two")


@pytest.mark.checklist("prod.hypervisor.unreplied_inter_canister_call")
def test_the_caller_of_a_silent_canister_is_told_that_there_was_no_response():
    stage, a, b = canisters(2)
    answer = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_reject_msg())))
    status = stage.call(a, "update", program(call(b, "update", program(), on_reject=answer)))
    assert isinstance(status, Replied)
    assert status.data[:4] == (5).to_bytes(4, "little")


# Callees.


@pytest.mark.checklist("prod.hypervisor.inter_canister_method_type_and_callee_matrix")
@pytest.mark.parametrize("method", ["update", "query"])
@pytest.mark.parametrize("is_self", [True, False])
def test_a_canister_calls_methods_of_both_kinds_of_itself_and_of_others(method, is_self):
    stage, a, b = canisters(2)
    callee = a if is_self else b
    telling = program(reply(concat(ic0.msg_caller(), ic0.canister_self())))
    status = stage.call(a, "update", program(call(callee, method, telling, on_reply=RELAY_REPLY)))
    assert status == Replied(a + callee)


@pytest.mark.checklist("prod.hypervisor.invalid_inter_canister_callee")
@pytest.mark.parametrize("callee", [b"foo", BOB])
def test_a_principal_that_is_no_canister_is_no_callee(callee):
    stage, a = canisters(1)
    status = stage.call(a, "update", program(call(callee, "update", on_reject=CODE)))
    assert status == told(RejectCode.DESTINATION_INVALID)


@pytest.mark.checklist("unspec.value.reject-messages", "api.msg-reject-msg-copy")
def test_a_callback_hears_the_text_that_the_system_chose():
    for words, heard in ((None, RejectReason.METHOD_NOT_FOUND.value), ("", ""), ("in other words", "in other words")):
        stage, a, b = canisters(2)
        calling = program(call(b, "nothing", on_reject=RELAY_REJECT))
        request_id, _ = stage.lockstep.submit(ALICE, a, "update", calling)
        while not (found := list(enabled_of(stage.state, ["callback_invocation"]))):
            assert stage.lockstep.take(enabled(stage.state)[0])
        (label,) = found
        assert stage.lockstep.take(Label(label.rule, {**label.arguments(), "reject_message": words}))
        stage.lockstep.settle()
        assert stage.state.requests[request_id].status.reject.message.startswith(heard)
        assert stage.state.requests[request_id].status.reject.reason is RejectReason.EXPLICIT


@pytest.mark.checklist("unspec.value.reject-messages")
def test_neither_side_changes_the_text_of_a_canister():
    stage, a, b = canisters(2)
    stage.lockstep.submit(
        ALICE, a, "update", program(call(b, "update", program(reject(b"no")), on_reject=RELAY_REJECT))
    )
    while not (found := list(enabled_of(stage.state, ["callback_invocation"]))):
        assert stage.lockstep.take(enabled(stage.state)[0])
    assert not stage.lockstep.take(Label("callback_invocation", {**found[0].arguments(), "reject_message": "yes"}))
    assert stage.lockstep.take(found[0])


@pytest.mark.checklist("prod.hypervisor.non_existing_method")
def test_a_method_that_does_not_exist_is_told_users_and_canisters():
    stage, a, b = canisters(2)
    assert reason(stage.call(a, "nothing", b"")) is RejectReason.METHOD_NOT_FOUND
    assert reason(stage.query(a, "nothing", b"")) is RejectReason.METHOD_NOT_FOUND
    status = stage.call(a, "update", program(call(b, "nothing", on_reject=CODE)))
    assert status == told(RejectCode.CANISTER_ERROR)


@pytest.mark.checklist("prod.hypervisor.call_from_query_method_traps")
def test_a_query_method_makes_no_calls_however_it_is_run():
    stage, a, b = canisters(2)
    calling = program(call(b, "update", on_reply=RELAY_REPLY))
    assert reason(stage.query(a, "query", calling)) is RejectReason.CANISTER_TRAPPED
    assert reason(stage.call(a, "query", calling)) is RejectReason.CANISTER_TRAPPED
    status = stage.call(b, "update", program(call(a, "query", calling, on_reject=CODE)))
    assert status == told(RejectCode.CANISTER_ERROR)


@pytest.mark.checklist("prod.hypervisor.multiple_replies_in_inter_canister_call")
def test_a_callee_that_replies_twice_has_failed():
    stage, a, b = canisters(2)
    status = stage.call(a, "update", program(call(b, "update", program(reply(), reply()), on_reject=CODE)))
    assert status == told(RejectCode.CANISTER_ERROR)


# Calls that are not made.


@pytest.mark.checklist(
    "prod.hypervisor.ic0_call_has_no_effect_on_trap",
    "prod.hypervisor.ic0_call_perform_has_no_effect_on_trap",
    "seed2.output-queue",
)
def test_a_trap_takes_back_the_calls_that_were_made():
    stage, a, b = canisters(2)
    status = stage.call(a, "update", program(call(b, "update", program(append_to_slot(0, b"ran"))), trap(b"no")))
    assert reason(status) is RejectReason.CANISTER_TRAPPED
    assert stage.lockstep.executions[-1].canister_id == a


UNDER_CONSTRUCTION = {
    "call_data_append": ic0.call_data_append(b"x"),
    "call_cycles_add": ic0.call_cycles_add(1),
    "call_on_cleanup": ic0.call_on_cleanup(),
    "call_perform": ignore(ic0.call_perform()),
}


@pytest.mark.checklist("prod.hypervisor.ic0_call_new_must_be_called_first")
@pytest.mark.parametrize("name", UNDER_CONSTRUCTION)
def test_functions_on_a_call_need_one(name):
    stage, a = canisters(1)
    before = len(stage.lockstep.executions)
    assert reason(stage.call(a, "update", program(UNDER_CONSTRUCTION[name]))) is RejectReason.CANISTER_TRAPPED
    assert len(stage.lockstep.executions) == before + 1, "nobody was called"


@pytest.mark.checklist("prod.hypervisor.ic0_call_on_cleanup_traps_second_time")
def test_a_call_has_one_cleanup():
    stage, a, b = canisters(2)
    new = ic0.call_new(b, b"update", b"", b"", b"") + ic0.call_on_cleanup()
    answer = stage.call(a, "update", program(new, ic0.call_on_cleanup(), ignore(ic0.call_perform())))
    assert reason(answer) is RejectReason.CANISTER_TRAPPED
    assert stage.lockstep.executions[-1].canister_id == a
    assert stage.call(a, "update", program(new, new, reply())) == Replied(b"")


# Callbacks.


@pytest.mark.checklist("prod.hypervisor.parallel_callbacks")
def test_of_two_callbacks_the_one_that_does_not_trap_replies():
    stage, a, b = canisters(2)

    def run(first, second):
        calls = (call(b, "update", program(reply()), on_reply=program(one)) for one in (first, second))
        return stage.call(a, "update", program(*calls))

    assert run(trap(b"one"), reply(b"two")) == Replied(b"two")
    assert run(reply(b"one"), trap(b"two")) == Replied(b"one")
    status = run(trap(b"one"), trap(b"two"))
    assert reason(status) is RejectReason.CANISTER_TRAPPED
    assert status.reject.message.endswith("two")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(
            reject(b"no"),
            4,
            marks=pytest.mark.checklist("prod.hypervisor.can_access_reject_code_in_cleanup_call_rejected"),
        ),
        pytest.param(
            reply(), 0, marks=pytest.mark.checklist("prod.hypervisor.can_access_reject_code_in_cleanup_call_replied")
        ),
    ],
)
def test_a_cleanup_sees_the_reject_code(answer, code):
    stage, a, b = canisters(2)
    failing = program(trap(b"no"))
    cleanup = program(set_slot(0, bytes_of_u32(ic0.msg_reject_code())))
    callbacks = {"on_reply": failing, "on_reject": failing, "on_cleanup": cleanup}
    stage.call(a, "update", program(call(b, "update", program(answer), **callbacks)))
    assert stage.call(a, "update", program(reply(slot(0)))) == told(code)


@pytest.mark.checklist("prod.hypervisor.deleted_call_contexts")
def test_a_canister_that_was_uninstalled_and_installed_again_stops_when_the_response_has_come():
    stage, a, b = canisters(2)
    noting = program(append_to_slot(0, b"callback"))
    calling = program(call(b, "update", program(reply()), cycles=10**9, on_reply=noting, on_reject=noting))
    request_id, _ = stage.lockstep.submit(ALICE, a, "update", calling)
    take(stage, "initiate_call", "call_context_creation")
    manage(stage, "uninstall_code", management.UninstallCodeArguments(a), "uninstall_code", "respond_to_user")
    take(stage, "respond_to_user")
    install = management.InstallCodeArguments(management.InstallMode(), a, SCRIPTED)
    manage(stage, "install_code", install, "install_code")
    stop = manage(stage, "stop_canister", management.CanisterIdArguments(a), "stop_running_canister")
    assert reason(stage.state.requests[request_id].status) is RejectReason.CODE_UNINSTALLED
    assert isinstance(stage.state.requests[stop].status, Processing)
    books = Books(stage, a)
    stage.lockstep.settle()
    assert isinstance(stage.state.requests[stop].status, Replied)
    assert books.executions(a) == []
    assert books.spent(a) <= -(10**9)


def manage(stage, method_name, arguments, *rules):
    """A request to the management canister, of which these rules are taken."""
    encoded = management.encode_arguments(arguments)
    request_id, _ = stage.lockstep.submit(ALICE, MANAGEMENT_CANISTER, method_name, encoded)
    take(stage, "initiate_call", *rules)
    return request_id


# Which canisters take calls.


def asked(stage, canister):
    """How an update, a query method that is called and one that is asked are answered."""
    argument = program(reply(b"here"))
    answers = []
    for method in ("update", "query"):
        request_id, known = stage.lockstep.submit(ALICE, canister, method, argument)
        if known:
            stage.lockstep.settle()
            answers.append(stage.state.requests[request_id].status)
        else:
            answers.append(stage.refusal(canister, method, argument))
    return [*answers, stage.query(canister, "query", argument)]


@pytest.mark.checklist("prod.canister_manager.canister_only_accept_calls_if_running")
def test_calls_are_taken_by_running_canisters_only():
    stage, a = canisters(1)
    here = [Replied(b"here"), Replied(b"here"), Reply(b"here")]
    assert asked(stage, a) == here
    stage.control("stop_canister", a)
    assert [reason(one) for one in asked(stage, a)] == [RejectReason.CANISTER_STOPPED] * 3
    stage.control("start_canister", a)
    assert asked(stage, a) == here
    stage.lockstep.submit(ALICE, a, "update", program(call(a, "update", program())))
    take(stage, "initiate_call", "call_context_creation")
    manage(stage, "stop_canister", management.CanisterIdArguments(a), "stop_running_canister")
    for method in ("update", "query"):
        assert reason(stage.refusal(a, method, program())) is RejectReason.CANISTER_STOPPING
    assert reason(stage.query(a, "query", program())) is RejectReason.CANISTER_STOPPING


@pytest.mark.checklist("prod.canister_manager.canister_can_stop_with_received_message")
def test_a_canister_stops_although_a_request_waits_which_is_rejected_then():
    stage, a = canisters(1)
    waiting, _ = stage.lockstep.submit(ALICE, a, "update", program(reply()))
    take(stage, "initiate_call")
    manage(stage, "stop_canister", management.CanisterIdArguments(a), "stop_running_canister", "stop_completion")
    stage.lockstep.settle()
    assert reason(stage.state.requests[waiting].status) is RejectReason.CANISTER_STOPPED


@pytest.mark.checklist(
    "prod.canister_manager.calling_deleted_canister_fails",
    "prod.ee_tests.message_to_deleted_canister_is_rejected",
    "prod.pocket_ic.test_canister_routing_not_found",
)
def test_a_deleted_canister_is_found_by_nobody():
    stage, a, b = canisters(2)
    stage.control("stop_canister", b)
    stage.control("delete_canister", b)
    for method in ("update", "query"):
        assert reason(stage.refusal(b, method, program())) is RejectReason.CANISTER_NOT_FOUND
    install = management.encode_arguments(management.InstallCodeArguments(management.InstallMode(), b, SCRIPTED))
    refused = stage.refusal(MANAGEMENT_CANISTER, "install_code", install)
    assert refused is not None and refused.code is RejectCode.DESTINATION_INVALID
    status = stage.call(a, "update", program(call(b, "update", on_reject=REPLY_REJECT_CODE)))
    assert status == told(RejectCode.DESTINATION_INVALID)


@pytest.mark.checklist("prod.ee_tests.message_to_empty_canister_is_rejected")
def test_a_canister_without_code_takes_no_calls():
    stage = Stage()
    fresh, uninstalled = stage.create(), stage.installed(SCRIPTED)
    assert asked(stage, uninstalled) == [Replied(b"here"), Replied(b"here"), Reply(b"here")]
    stage.control("uninstall_code", uninstalled)
    for canister in (fresh, uninstalled):
        assert reason(stage.refusal(canister, "update", program())) is RejectReason.CANISTER_HAS_NO_CODE
        assert reason(stage.query(canister, "query", program())) is RejectReason.CANISTER_HAS_NO_CODE


# Inspection.


@pytest.mark.checklist("prod.ee_tests.can_reject_all_ingress_messages")
def test_inspection_keeps_out_users_and_not_canisters():
    stage, a, b = canisters(2)
    stage.call(b, "update", program(set_inspect_message(program()), reply()))
    assert stage.refusal(b, "update", program(reply())) is not None
    status = stage.call(a, "update", program(call(b, "update", program(reply(b"here")), on_reply=RELAY_REPLY)))
    assert status == Replied(b"here")


@pytest.mark.checklist("prod.ee_tests.inspect_arg_data")
def test_inspection_sees_the_argument():
    stage, a = canisters(1)
    wanted = program(reply(b"foo"))
    check = when(equal_bytes(ic0.msg_arg_data(), wanted), ic0.accept_message(), run_into_unreachable())
    stage.call(a, "update", program(set_inspect_message(program(check)), reply()))
    assert stage.refusal(a, "update", program(reply(b"arg"))) is not None
    assert stage.call(a, "update", wanted) == Replied(b"foo")


@pytest.mark.checklist("prod.pocket_ic.test_inspect_message")
def test_inspection_sees_what_the_last_message_left():
    stage, a = canisters(1)
    check = program(when(equal(counter(0), 0), ic0.accept_message()))
    stage.call(a, "update", program(set_inspect_message(check), reply()))
    counting = program(add_to_counter(0), reply(b"counted"))
    assert stage.call(a, "update", counting) == Replied(b"counted")
    assert stage.refusal(a, "update", counting) is not None


@pytest.mark.checklist("prod.ee_tests.should_accept_ingress_filters_correctly_on_method_type")
def test_update_and_query_methods_are_called_by_requests_and_composite_queries_are_not():
    stage, a = canisters(1)
    assert stage.call(a, "update", program(reply())) == stage.call(a, "query", program(reply())) == Replied(b"")
    request_id, known = stage.lockstep.submit(ALICE, a, "composite", program(reply()))
    stage.lockstep.settle()
    assert not known or isinstance(stage.state.requests[request_id].status, Rejected)
