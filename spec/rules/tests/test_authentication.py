"""Requests that bear a signature are taken in if it is their sender's, and for the canister that is called."""

import pytest
from attrs import evolve
from py_arkworks_bls12381 import G2Point, Scalar

from spec.certification.certificate import DER_PREFIX
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.signing import BY_CANISTER, OWNER, ROOT_KEY, SESSION, admitted, delegated, refused, signed
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
from spec.state.request import KnownRequest, Received, SenderInfo
from spec.transition import NotEnabled
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER

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


@pytest.mark.checklist("http.verify.signed", "cert.bls", "cert.canister-signature.verify-certificate")
@pytest.mark.parametrize("keys", [(BY_CANISTER,), (BY_CANISTER, SESSION), (OWNER, BY_CANISTER)], ids=len)
def test_a_canister_signs_for_users_by_certifying_what_it_signs(keys):
    request = a_request(sender=keys[0].user)
    state = world((A, canister(A)), root_key=ROOT_KEY)
    envelope = signed(request, *keys)
    assert request_id_of(request) in fire(state, "submit_request", request=envelope, effective_id=A).state.requests

    forged = evolve(envelope, signature=signed(evolve(request, argument=b"another"), *keys).signature)
    assert is_refused(state, "submit_request", NOT_SIGNED, request=forged, effective_id=A)
    elsewhere = evolve(state, root_key=DER_PREFIX + bytes((G2Point() * Scalar(2)).to_compressed_bytes()))
    assert is_refused(elsewhere, "submit_request", NOT_SIGNED, request=envelope, effective_id=A)


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
