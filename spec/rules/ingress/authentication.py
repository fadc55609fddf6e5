"""Who signed a request. Source: abstract-behavior, envelope authentication."""

from spec.certification.envelope import (
    Authentic,
    Envelope,
    Keys,
    NotAuthentic,
    RequestKind,
    verify_envelope,
)
from spec.certification.user_signatures import signing_canister, verify_own_signature
from spec.rules.ingress.request_ids import request_content
from spec.state.request import SignedRequest, Submission
from spec.state.state import State
from spec.transition import opaque, require
from spec.values.checklist import defines
from spec.values.identifiers import ANONYMOUS
from spec.values.quantities import Nanoseconds

OWN_KEYS = Keys(verify_own_signature, signing_canister)
"""Canister signatures are not among them: no pairing is computed here."""


@defines("rule.submit-call.canister-endpoint", "rule.submit-call.subnet-endpoint")
def require_authentic(state: State, submission: Submission) -> None:
    """States that the sender signed the request, for the canister that is called."""
    require(has_own_keys(submission), "no canister signs: that takes pairings, which whoever vouches computes")
    require(is_authentic(submission, state.system_time), "the envelope is signed by the sender, for the callee")


@opaque
def has_own_keys(submission: Submission) -> bool:
    """The keys that sign are users' own, not canisters'."""
    if not isinstance(submission, SignedRequest):
        return True
    keys = [submission.public_key, *(signed.delegation.public_key for signed in submission.delegations)]
    return all(signing_canister(key) is None for key in keys)


@opaque
def is_authentic(submission: Submission, time: Nanoseconds) -> bool:
    """`E.content.canister_id ∈ verify_envelope(E, E.content.sender, S.system_time)`, for an update call."""
    if not isinstance(submission, SignedRequest):
        return submission.sender != ANONYMOUS or submission.sender_info is None
    answer = authenticated(submission, RequestKind.CALL, time)
    return isinstance(answer, Authentic) and answer.admits(submission.request.canister_id)


def authenticated(
    signed: SignedRequest, kind: RequestKind, time: Nanoseconds, keys: Keys = OWN_KEYS
) -> Authentic | NotAuthentic:
    """For which canisters a call or query is signed by its sender."""
    envelope = Envelope(
        request_content(signed.request, kind), signed.public_key, signed.signature, signed.delegations or None
    )
    return verify_envelope(envelope, signed.request.sender, time, keys)
