"""What becomes of requests: rejected, started, answered, forgotten."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.worlds import (
    NOW,
    USER,
    A,
    B,
    a_call,
    a_context,
    a_request,
    a_user_call,
    canister,
    contexts,
    fire,
    is_refused,
    received,
    world,
)
from spec.state.message import CallMessage, ResponseMessage, Unordered
from spec.state.origin import FromUser
from spec.state.request import Done, KnownRequest, Processing, Received, Rejected, Replied, SenderInfo
from spec.transition import RequestStatusChanged, Step
from spec.values.containers import Map, Queue
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, system_reject

REQUEST = a_request()
ID = request_id_of(REQUEST)
REJECT = Reject(RejectCode.CANISTER_REJECT, "no")


def known(status, request=REQUEST):
    return Map.of([(request_id_of(request), KnownRequest(request, status, A))])


def shows(state, status):
    requests = known(status) if status is not None else Map()
    return Step(evolve(state, requests=requests), outputs=(RequestStatusChanged(ID, status),))


@pytest.mark.checklist(
    "rule.request-rejection",
    "inv.ingress.status-monotone",
    "unspec.spont.request-rejection",
    "http.reject-code.1",
)
@pytest.mark.parametrize("code", [RejectCode.SYS_FATAL, RejectCode.SYS_TRANSIENT])
def test_a_received_request_may_be_rejected_with_a_system_error_at_any_time(code):
    state = world(requests=known(Received()), system_time=REQUEST.ingress_expiry + 1)
    rejected = Rejected(system_reject(code, RejectReason.SYSTEM_OVERLOADED))
    assert fire(state, "request_rejection", request_id=ID, code=code) == shows(state, rejected)


@pytest.mark.checklist("rule.request-rejection")
@pytest.mark.parametrize("code", set(RejectCode) - {RejectCode.SYS_FATAL, RejectCode.SYS_TRANSIENT})
def test_a_request_is_not_rejected_with_another_code(code):
    state, because = world(requests=known(Received())), "the reject code is that of a system error"
    assert is_refused(state, "request_rejection", because, request_id=ID, code=code)


@pytest.mark.checklist("rule.request-rejection", "inv.ingress.status-monotone")
@pytest.mark.parametrize("status", [Processing(), Replied(b""), Rejected(REJECT), Done()])
def test_a_request_that_was_started_is_neither_rejected_nor_started_again(status):
    state = world((A, canister(A)), requests=known(status))
    because = "the request was not started"
    assert is_refused(state, "request_rejection", because, request_id=ID, code=RejectCode.SYS_FATAL)
    assert is_refused(state, "initiate_call", because, request_id=ID)


@pytest.mark.checklist(
    "rule.initiate-call", "def.message-shapes", "inv.ingress.no-cycles", "inv.ingress.processing-has-effect"
)
def test_a_request_becomes_a_call_in_front_of_all_messages():
    older = a_call()
    state = world(
        (A, canister(A)),
        (B, canister(B)),
        requests=known(Received()),
        messages=(older,),
        call_contexts=contexts(a_context()),
    )
    call = CallMessage(FromUser(ID), Caller(USER), A, "go", b"", 0, Unordered())
    assert fire(state, "initiate_call", request_id=ID) == Step(
        evolve(state, requests=known(Processing()), messages=Queue(((1, call), (0, older)), 2)),
        outputs=(RequestStatusChanged(ID, Processing()),),
    )


@pytest.mark.checklist("rule.initiate-call")
def test_a_canister_signature_hands_its_caller_info_on():
    request = a_request(sender_info=SenderInfo(b"info", B, b"signature"))
    state = world((A, canister(A)), requests=Map.of([received(request)]))
    fired = fire(state, "initiate_call", request_id=request_id_of(request))
    assert [message.caller for message in fired.state.messages] == [Caller(USER, b"info", B)]


@pytest.mark.checklist("rule.initiate-call")
def test_calls_to_the_management_canister_and_to_missing_canisters_are_started_too():
    for callee in (MANAGEMENT_CANISTER, B):
        request = a_request(callee)
        fired = fire(world(requests=Map.of([received(request)])), "initiate_call", request_id=request_id_of(request))
        assert [message.callee for message in fired.state.messages] == [callee]


@pytest.mark.checklist("rule.initiate-call", "inv.ingress.processing-has-effect")
def test_a_request_is_started_at_its_expiry_and_not_later():
    expiring = world(requests=known(Received()), system_time=REQUEST.ingress_expiry)
    fire(expiring, "initiate_call", request_id=ID)
    late = evolve(expiring, system_time=REQUEST.ingress_expiry + 1)
    assert is_refused(late, "initiate_call", "the request has not expired", request_id=ID)


@pytest.mark.checklist("rule.respond-to-user", "inv.ingress.status-monotone", "seed1.ingress-response")
@pytest.mark.parametrize(("response", "status"), [(Reply(b"data"), Replied(b"data")), (REJECT, Rejected(REJECT))])
def test_a_response_to_a_user_becomes_the_status_of_the_request(response, status):
    younger = a_call()
    messages = (ResponseMessage(FromUser(ID), response, 0), younger)
    state = world(requests=known(Processing()), messages=messages, call_contexts=contexts(a_context()))
    fired = fire(state, "respond_to_user", message_id=0)
    assert fired == Step(
        evolve(state, requests=known(status), messages=Queue(((1, younger),), 2)),
        outputs=(RequestStatusChanged(ID, status),),
    )


@pytest.mark.checklist("rule.respond-to-user")
def test_only_responses_to_users_whose_request_is_processed_are_shown():
    to_canister = ResponseMessage(a_call().origin, Reply(b""), 0)
    state = world(messages=(to_canister, a_call(), a_user_call(REQUEST)), requests=known(Processing()))
    assert is_refused(state, "respond_to_user", "a user made the call", message_id=0)
    assert is_refused(state, "respond_to_user", "the message is a response", message_id=1)
    assert is_refused(state, "respond_to_user", "the message exists", message_id=9)
    done = world(messages=(ResponseMessage(FromUser(ID), Reply(b""), 0),), requests=known(Done()))
    assert is_refused(done, "respond_to_user", "the request is being processed", message_id=0)


@pytest.mark.checklist(
    "rule.request-cleanup.done",
    "inv.ingress.status-monotone",
    "inv.ingress.no-replay",
    "unspec.spont.request-cleanup",
    "unspec.env.done-status",
)
@pytest.mark.parametrize("status", [Replied(b"data"), Rejected(REJECT)])
def test_an_answered_request_may_drop_its_response_and_stays_known(status):
    state = world(requests=known(status))
    assert fire(state, "request_done", request_id=ID) == shows(state, Done())


@pytest.mark.checklist("rule.request-cleanup.done")
@pytest.mark.parametrize("status", [Received(), Processing(), Done()])
def test_only_answered_requests_have_a_response_to_drop(status):
    assert is_refused(world(requests=known(status)), "request_done", "the request was answered", request_id=ID)


@pytest.mark.checklist("rule.request-cleanup.delete", "inv.ingress.no-replay", "unspec.spont.request-cleanup")
@pytest.mark.parametrize("status", [Replied(b"data"), Rejected(REJECT), Done()])
def test_an_answered_request_is_forgotten_only_after_its_expiry(status):
    state = world(requests=known(status), system_time=REQUEST.ingress_expiry + 1)
    assert fire(state, "request_deletion", request_id=ID) == shows(state, None)
    early = evolve(state, system_time=REQUEST.ingress_expiry)
    assert is_refused(early, "request_deletion", "the request has expired", request_id=ID)


@pytest.mark.checklist("rule.request-cleanup.delete")
@pytest.mark.parametrize("status", [Received(), Processing()])
def test_a_request_that_was_not_answered_is_never_forgotten(status):
    state = world(requests=known(status), system_time=NOW * 2)
    assert is_refused(state, "request_deletion", "the request was answered", request_id=ID)


def test_rules_about_requests_need_a_known_request():
    for rule in ("initiate_call", "request_done", "request_deletion"):
        assert is_refused(world(), rule, "the request is known", request_id=ID)
