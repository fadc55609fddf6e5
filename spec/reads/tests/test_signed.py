"""Reads that bear a signature are answered if it is their sender's, for the canisters that delegations admit."""

import pytest
from attrs import evolve

from spec.certification.envelope import RequestKind, request_message
from spec.reads.answers import Endpoint, QueryRefused
from spec.reads.query import query
from spec.reads.read_state import ReadStateRefused, ReadStateRequest, ReadStateResponse, read_state
from spec.reads.signed import SignedReadStateRequest, read_state_content, signed_query, signed_read_state
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.signing import OWNER, SESSION, altered, delegated, signed
from spec.rules.tests.worlds import NOW, A, B, a_request, canister, code, module, returns, world
from spec.state.request import KnownRequest, Processing
from spec.values.containers import List, Map
from spec.values.rejects import RejectReason, Reply

REFUSED = QueryRefused(RejectReason.NOT_AUTHORIZED)
CALL = a_request(sender=OWNER.user)


def a_world():
    """Canister A that answers, and a call of the owner to it."""
    asked = module(gives={"query ask": returns(response=Reply(b"data"))})
    known = Map.of([(request_id_of(CALL), KnownRequest(CALL, Processing(), A))])
    return world((A, canister(A, code(A, asked))), requests=known)


def asking(*keys, **delegation):
    """A signed query of A."""
    chain = delegated(*keys, **delegation)
    request = a_request(A, "ask", sender=keys[0].user)
    return signed(request, *keys, delegations=chain, kind=RequestKind.QUERY)


def reading(*keys, paths=((b"time",),), **delegation):
    """A signed request to read paths of the state tree."""
    request = ReadStateRequest(b"nonce", NOW, keys[0].user, List(paths))
    signature = keys[-1].sign(request_message(read_state_content(request)))
    return SignedReadStateRequest(request, keys[0].public, signature, delegated(*keys, **delegation))


@pytest.mark.checklist("rule.query.submission", "http.verify.signed", "http.delegation.permissions")
@pytest.mark.parametrize("delegation", [{}, {"permissions": "queries"}, {"targets": List.of(A)}])
def test_a_query_that_its_sender_signed_is_answered_as_if_it_were_vouched_for(delegation):
    envelope = asking(OWNER, SESSION, **delegation)
    assert signed_query(a_world(), envelope, A) == query(a_world(), envelope.request, A)
    assert signed_query(a_world(), envelope, A).response == Reply(b"data")


@pytest.mark.checklist("rule.query.submission", "http.verify.signed", "http.delegation.targets")
def test_a_query_that_its_sender_did_not_sign_or_not_for_the_canister_is_refused():
    state = a_world()
    assert signed_query(state, altered(asking(OWNER)), A) == REFUSED
    assert signed_query(state, asking(OWNER, SESSION, targets=List.of(B)), A) == REFUSED
    assert signed_query(state, asking(OWNER, SESSION, expiration=NOW - 1), A) == REFUSED
    # The signature of a call is none of a query with the same fields.
    assert signed_query(state, signed(a_request(A, "ask", sender=OWNER.user), OWNER), A) == REFUSED


@pytest.mark.checklist("rule.read-state.canister-endpoint", "rule.read-state.subnet-endpoint", "http.verify.signed")
@pytest.mark.parametrize("endpoint", Endpoint)
def test_a_read_of_the_state_that_its_sender_signed_is_answered_as_if_it_were_vouched_for(endpoint):
    state = a_world()
    effective_id = A if endpoint is Endpoint.CANISTER else state.subnet.subnet_id
    for envelope in (reading(OWNER), reading(OWNER, SESSION, permissions="queries")):
        answer = signed_read_state(state, envelope, endpoint, effective_id)
        assert isinstance(answer, ReadStateResponse)
        assert answer == read_state(state, envelope.request, endpoint, effective_id)


@pytest.mark.checklist("rule.read-state.canister-endpoint", "http.verify.signed", "http.delegation.targets")
def test_a_read_of_the_state_that_its_sender_did_not_sign_or_not_for_the_canister_is_refused():
    state, of_call = a_world(), ((b"request_status", request_id_of(CALL)),)
    refused = ReadStateRefused(RejectReason.NOT_AUTHORIZED)

    def answer(envelope):
        return signed_read_state(state, envelope, Endpoint.CANISTER, A)

    assert isinstance(answer(reading(OWNER, paths=of_call)), ReadStateResponse)
    assert isinstance(answer(reading(OWNER, SESSION, paths=of_call, targets=List.of(A))), ReadStateResponse)
    assert answer(reading(OWNER, SESSION, paths=of_call, targets=List.of(B))) == refused
    assert answer(evolve(reading(OWNER), signature=bytes(64))) == refused
    assert answer(reading(SESSION, paths=of_call)) == refused
