"""Requests of users, and how far each has come."""

from attrs import frozen

from spec.values.checklist import defines
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


@frozen
@defines("def.request-shapes")
class KnownRequest:
    """A request in the state. Source: abstract-behavior, the system state (`requests`)."""

    request: Request
    status: RequestStatus
    effective_id: Principal
    """The effective canister id or subnet id with which it was submitted."""
