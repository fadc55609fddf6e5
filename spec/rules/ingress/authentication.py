"""Who signed a request. Source: abstract-behavior, envelope authentication."""

from spec.certification.envelope import (
    Authentic,
    Envelope,
    NotAuthentic,
    RequestKind,
    verify_envelope,
)
from spec.certification.user_signatures import keys_under
from spec.rules.ingress.request_ids import request_content
from spec.state.request import SignedRequest, Submission
from spec.state.state import State
from spec.transition import opaque, require
from spec.values.checklist import defines
from spec.values.identifiers import ANONYMOUS, Blob
from spec.values.quantities import Nanoseconds


@defines("rule.submit-call.canister-endpoint", "rule.submit-call.subnet-endpoint")
def require_authentic(state: State, submission: Submission) -> None:
    """States that the sender signed the request, for the canister that is called."""
    require(
        is_authentic(submission, state.system_time, state.root_key),
        "the envelope is signed by the sender, for the callee",
    )


@opaque
def is_authentic(submission: Submission, time: Nanoseconds, root_key: Blob) -> bool:
    """`E.content.canister_id ∈ verify_envelope(E, E.content.sender, S.system_time)`, for an update call."""
    if not isinstance(submission, SignedRequest):
        return submission.sender != ANONYMOUS or submission.sender_info is None
    answer = authenticated(submission, RequestKind.CALL, time, root_key)
    return isinstance(answer, Authentic) and answer.admits(submission.request.canister_id)


def authenticated(
    signed: SignedRequest, kind: RequestKind, time: Nanoseconds, root_key: Blob
) -> Authentic | NotAuthentic:
    """For which canisters a call or query is signed by its sender. `root_key`: DER-encoded, for canister signatures."""
    envelope = Envelope(
        request_content(signed.request, kind), signed.public_key, signed.signature, signed.delegations or None
    )
    return verify_envelope(envelope, signed.request.sender, time, keys_under(root_key))
