"""What a call request is answered with over HTTPS."""

import cbor2
import pytest

from spec.certification.hash_tree import Absent, Found, Unknown, hash_tree, lookup_path, reconstruct
from spec.reads.call_answer import (
    BAD_REQUEST,
    AcceptedOnly,
    CallStyle,
    Certified,
    HttpError,
    NotReplicated,
    answer_to_accepted,
    answer_to_refused,
    body_of_reject,
    is_allowed,
)
from spec.reads.state_tree import state_tree
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.signing import OWNER, altered, signed
from spec.rules.tests.worlds import A, a_request, canister, refusal, world
from spec.state.canister import Stopped
from spec.state.request import Done, KnownRequest, Processing, Received, Rejected, Replied
from spec.values.containers import Map
from spec.values.rejects import RejectCode, RejectReason, system_reject

REQUEST = a_request()
REQUEST_ID = request_id_of(REQUEST)
REJECT = system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPED)


def answer(status, style, is_out_of_time=False):
    """The answer when the request has come so far; None stands for one that is not known any more."""
    known = {} if status is None else {REQUEST_ID: KnownRequest(REQUEST, status, A)}
    state = world((A, canister(A)), requests=Map.of(known.items()))
    return state, answer_to_accepted(state, REQUEST_ID, style, is_out_of_time=is_out_of_time)


@pytest.mark.checklist("http.endpoint.call-v2-canister", "http.status.202-meaning")
@pytest.mark.parametrize("status", [Received(), Processing(), Replied(b"data")])
def test_an_asynchronous_call_that_is_taken_in_is_answered_with_202_however_far_it_is(status):
    assert answer(status, CallStyle.ASYNCHRONOUS)[1] == AcceptedOnly()


@pytest.mark.checklist("http.sync.terminal", "unspec.env.sync-call-timeout", "http.status.202-meaning")
@pytest.mark.parametrize("status", [None, Received(), Processing()])
def test_a_synchronous_call_waits_until_the_node_has_no_time_left_and_is_then_answered_with_202(status):
    assert answer(status, CallStyle.SYNCHRONOUS)[1] is None
    assert answer(status, CallStyle.SYNCHRONOUS, is_out_of_time=True)[1] == AcceptedOnly()


@pytest.mark.checklist("http.sync.terminal", "unspec.env.sync-call-timeout")
@pytest.mark.parametrize("is_out_of_time", [False, True])
@pytest.mark.parametrize("status", [Replied(b"data"), Rejected(REJECT), Done()])
def test_a_synchronous_call_that_has_ended_is_answered_with_a_certificate_of_its_status_and_the_time(
    status, is_out_of_time
):
    state, given = answer(status, CallStyle.SYNCHRONOUS, is_out_of_time)
    assert isinstance(given, Certified)
    assert reconstruct(given.tree) == reconstruct(hash_tree(state_tree(state)))
    names = {Replied: b"replied", Rejected: b"rejected", Done: b"done"}
    assert lookup_path((b"request_status", REQUEST_ID, b"status"), given.tree) == Found(names[type(status)])
    assert isinstance(lookup_path((b"time",), given.tree), Found)
    assert lookup_path((b"canister", A, b"controllers"), given.tree) == Unknown()
    reply = lookup_path((b"request_status", REQUEST_ID, b"reply"), given.tree)
    assert reply == (Found(b"data") if isinstance(status, Replied) else Absent())


@pytest.mark.checklist("unspec.env.http-errors", "http.status.client-error")
def test_a_request_that_is_not_taken_in_is_answered_with_its_reject_or_as_a_fault_of_the_client():
    stopped = world((A, canister(A, status=Stopped())))
    refused = refusal(stopped, "submit_request", request=REQUEST, effective_id=A)
    assert answer_to_refused(refused) == NotReplicated(REJECT)
    unsigned = altered(signed(a_request(sender=OWNER.user), OWNER))
    assert answer_to_refused(refusal(stopped, "submit_request", request=unsigned, effective_id=A)) == BAD_REQUEST


@pytest.mark.checklist("unspec.env.http-errors", "http.status.client-error", "http.status.server-error")
def test_a_node_may_answer_any_call_with_any_error_and_with_nothing_else_that_is_not_ours():
    for ours in (AcceptedOnly(), NotReplicated(REJECT), BAD_REQUEST, None):
        assert all(is_allowed(ours, HttpError(status)) for status in (400, 429, 499, 500, 503, 599))
        assert not any(is_allowed(ours, HttpError(status)) for status in (200, 202, 302, 399, 600))
    assert is_allowed(AcceptedOnly(), AcceptedOnly())
    assert not is_allowed(AcceptedOnly(), NotReplicated(REJECT))
    assert not is_allowed(None, AcceptedOnly())


@pytest.mark.parametrize("style", CallStyle)
def test_the_body_of_a_reject_has_a_status_only_for_synchronous_calls(style):
    fields = dict(cbor2.loads(body_of_reject(REJECT, style)))
    status = {"status": "non_replicated_rejection"} if style is CallStyle.SYNCHRONOUS else {}
    assert fields == {**status, "reject_code": 5, "reject_message": REJECT.message}
