"""Requests that bear a signature are taken in if it is their sender's, and for the canister that is called."""

import pytest
from attrs import evolve

from spec.certification.canister_signature import PublicKey, encode_public_key
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.signing import OWNER, SESSION, admitted, delegated, refused, signed
from spec.rules.tests.worlds import (
    SUBNET,
    A,
    B,
    a_request,
    canister,
    fire,
    is_refused,
    refusal,
    world,
)
from spec.state.request import KnownRequest, Received, SenderInfo, SignedRequest
from spec.transition import NotEnabled
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, self_authenticating_id

ENVELOPES, REFUSED = admitted(), refused()
NOT_SIGNED = "the envelope is signed by the sender, for the callee"


@pytest.mark.checklist("rule.submit-call.canister-endpoint", "http.verify.signed", "http.verify.delegation-chain")
@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
def test_a_request_that_its_sender_signed_is_received_and_its_signature_is_forgotten(envelope):
    state = world((A, canister(A)))
    fired = fire(state, "submit_request", request=envelope, effective_id=A)

    known = KnownRequest(envelope.request, Received(), A)
    assert fired.state == evolve(state, requests=Map.of([(request_id_of(envelope.request), known)]))


@pytest.mark.checklist(
    "rule.submit-call.canister-endpoint",
    "http.verify.signed",
    "http.delegation.length",
    "http.delegation.no-cycles",
    "http.delegation.targets",
    "http.delegation.permissions",
    "http.delegation.expiration",
)
@pytest.mark.parametrize("envelope", REFUSED.values(), ids=REFUSED)
def test_a_request_that_its_sender_did_not_sign_for_the_callee_is_not_received(envelope):
    state = world((A, canister(A)))
    assert refusal(state, "submit_request", request=envelope, effective_id=A) == NotEnabled(NOT_SIGNED)


@pytest.mark.checklist("http.verify.anonymous", "http.sender", "http.lifecycle.submit-checks")
def test_the_anonymous_user_needs_no_signature_and_has_no_info():
    state = world((A, canister(A)))
    fire(state, "submit_request", request=a_request(sender=ANONYMOUS), effective_id=A)
    request = a_request(sender=ANONYMOUS, sender_info=SenderInfo(b"info", B, b"signature"))
    assert is_refused(world((A, canister(A))), "submit_request", NOT_SIGNED, request=request, effective_id=A)


@pytest.mark.checklist("http.sender-info")
def test_whoever_vouches_for_a_user_of_a_canister_vouches_for_the_info_as_well():
    request = a_request(sender_info=SenderInfo(b"info", B, b"signature"))
    state = world((A, canister(A)))
    fire(state, "submit_request", request=request, effective_id=A)


def test_signatures_of_canisters_are_left_to_whoever_vouches():
    of_canister = encode_public_key(PublicKey(A, b"seed"))
    sender = self_authenticating_id(of_canister)
    because = "no canister signs: that takes pairings, which whoever vouches computes"
    directly = SignedRequest(a_request(sender=sender), of_canister, b"signature")
    assert is_refused(world((A, canister(A))), "submit_request", because, request=directly, effective_id=A)


MANAGED = {
    "submit_management_request": (management.CanisterIdArguments(A), "start_canister", A),
    "submit_subnet_request": (management.CreateCanisterArguments(), "create_canister", SUBNET.subnet_id),
}


@pytest.mark.checklist(
    "rule.submit-call.canister-endpoint", "rule.submit-call.subnet-endpoint", "http.delegation.targets"
)
@pytest.mark.parametrize("rule", MANAGED)
def test_a_delegation_for_management_calls_names_the_management_canister(rule):
    argument, method_name, effective_id = MANAGED[rule]
    request = a_request(MANAGEMENT_CANISTER, method_name, management.encode_arguments(argument), sender=OWNER.user)
    owned = canister(A, controllers=List.of(OWNER.user))
    state = world((A, owned), subnet_admins=Map.of([(SUBNET.subnet_id, List.of(OWNER.user))]))
    envelopes = {
        target: signed(request, OWNER, SESSION, delegations=delegated(OWNER, SESSION, targets=List.of(target)))
        for target in (MANAGEMENT_CANISTER, A)
    }
    fire(state, rule, request=envelopes[MANAGEMENT_CANISTER], effective_id=effective_id)
    assert is_refused(state, rule, NOT_SIGNED, request=envelopes[A], effective_id=effective_id)
