"""Requests of users, and how far each has come."""

from enum import Enum

from attrs import field, frozen

from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.delegations import SignedDelegation
from spec.values.identifiers import Blob, CanisterId, MethodName, Principal
from spec.values.quantities import Nanoseconds
from spec.values.rejects import Reject


@frozen
class SenderInfo:
    """What a canister-signature identity says of its user. Source: https-interface, authentication."""

    info: Blob
    signer: Principal
    signature: Blob


@frozen
@defines("http.content.call", "http.content.query")
class Request:
    """A call that a user submits: the content of its envelope. Source: abstract-behavior, call contexts (`Request`)."""

    nonce: Blob
    ingress_expiry: Nanoseconds
    """The request cannot be started after this time."""
    sender: Principal
    canister_id: CanisterId
    method_name: MethodName
    argument: Blob
    sender_info: SenderInfo | None = None


@frozen
class SignedRequest:
    """
    A call with what authenticates it: the rest of its envelope. Source: https-interface, authentication.

    A request that is submitted without this is the anonymous user's, or was authenticated where it was taken in:
    whoever submits it vouches for its sender.
    """

    request: Request
    public_key: Blob
    """The sender's key, DER-encoded (`sender_pubkey`)."""
    signature: Blob
    """By the last key of the chain of delegations, or by the sender's own (`sender_sig`)."""
    delegations: List[SignedDelegation] = field(factory=List)
    """From the sender's key to the one that signed (`sender_delegation`)."""


Submission = Request | SignedRequest
"""What a user hands in."""


def content_of(submission: Submission) -> Request:
    """The request in it. The rest is discarded once it was looked at."""
    return submission.request if isinstance(submission, SignedRequest) else submission


class Endpoint(Enum):
    """Where a request was sent: to `/api/<VERSION>/canister/<ECID>/...` or to `/api/<VERSION>/subnet/<ESID>/...`."""

    CANISTER = "canister"
    SUBNET = "subnet"


@frozen
class Received:
    """The system knows the request and has not begun with it."""


@frozen
class Processing:
    """The call is under way."""


@frozen
class Rejected:
    """The call failed."""

    reject: Reject


@frozen
class Replied:
    """The call succeeded."""

    data: Blob


@frozen
class Done:
    """The call was answered, and the answer is no longer kept."""


RequestStatus = Received | Processing | Rejected | Replied | Done
"""How far a request is. Checklist: `http.lifecycle.statuses`."""


@frozen
@defines("def.request-shapes")
class KnownRequest:
    """A request in the state. Source: abstract-behavior, the system state (`requests`)."""

    request: Request
    status: RequestStatus
    effective_id: Principal
    """The effective canister id or subnet id with which it was submitted."""
