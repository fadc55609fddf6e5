"""
What a call request is answered with over HTTPS, beside what it does to the state.

The rules say whether a request is taken in (`spec.rules.ingress.submission`) and what becomes of it; this says what the
node tells whoever handed it in. Source: https-interface, request: call, and request: asynchronous call.
"""

from enum import IntEnum

import cbor2
from attrs import frozen

from spec.certification.hash_tree import HashTree, hash_tree, pruned
from spec.reads.state_tree import state_tree
from spec.reads.status import SELF_DESCRIBED
from spec.state.request import Done, Rejected, Replied
from spec.state.state import State
from spec.transition import NotEnabled
from spec.values.checklist import defines
from spec.values.identifiers import Blob, RequestId
from spec.values.rejects import Reject


@defines("http.endpoint.call-v2-canister")
class CallStyle(IntEnum):
    """Whether the node waits for the call. The value is the version of the endpoint that came first."""

    ASYNCHRONOUS = 2
    """`/api/v2/canister/<ECID>/call`: it does not."""
    SYNCHRONOUS = 3
    """`/api/v3/canister/<ECID>/call`, `/api/v4/canister/<ECID>/call` and `/api/v4/subnet/<ESID>/call`: it does."""


@frozen
class AcceptedOnly:
    """Status 202 without a body: the request was taken in, and `read_state` will tell more."""


@frozen
class Certified:
    """Status 200 with a certificate of the status, `{"status": "replied", "certificate": ...}`."""

    tree: HashTree
    """What the certificate holds. Its signature is made outside of the specification."""


@frozen
class NotReplicated:
    """Status 200 with a reject that is not certified: the request was not taken in, and this node says why."""

    reject: Reject


@frozen
class HttpError:
    """Status 4xx: what was sent is at fault. Status 5xx: the node is."""

    status: int


CallAnswer = AcceptedOnly | Certified | NotReplicated | HttpError

BAD_REQUEST = HttpError(400)
"""Our answer to a request that is not taken in for a reason without a reject code, as is one that nobody signed."""


@defines("http.status.client-error", "unspec.env.http-errors")
def answer_to_refused(refusal: NotEnabled) -> NotReplicated | HttpError:
    """Our answer to a request that is not taken in. A node may as well fail for reasons of its own (`is_allowed`)."""
    return BAD_REQUEST if refusal.reject is None else NotReplicated(refusal.reject)


@defines("http.sync.terminal", "http.status.202-meaning", "unspec.env.sync-call-timeout")
def answer_to_accepted(
    state: State, request_id: RequestId, style: CallStyle, *, is_out_of_time: bool
) -> AcceptedOnly | Certified | None:
    """
    The answer to a request that was taken in; None if the node goes on waiting.

    How long a node waits is its own affair, so it is a choice: `is_out_of_time`.
    """
    if style is CallStyle.ASYNCHRONOUS:
        return AcceptedOnly()
    if has_ended(state, request_id):
        return Certified(pruned(hash_tree(state_tree(state)), [(b"request_status", request_id), (b"time",)]))
    return AcceptedOnly() if is_out_of_time else None


def has_ended(state: State, request_id: RequestId) -> bool:
    """The status of the request is terminal."""
    return request_id in state.requests and isinstance(state.requests[request_id].status, Replied | Rejected | Done)


@defines("http.status.client-error", "http.status.server-error", "unspec.env.http-errors")
def is_allowed(ours: CallAnswer | None, answer: CallAnswer) -> bool:
    """Whether a node may answer so where we answer otherwise: any error of the interface is allowed at any time."""
    match answer:
        case HttpError(status):
            return 400 <= status < 600
        case _:
            return answer == ours


def body_of_reject(reject: Reject, style: CallStyle) -> Blob:
    """The body that goes with a reject that is not certified, in CBOR. `error_code` is optional and left out."""
    fields: dict[str, str | int] = {"reject_code": int(reject.code), "reject_message": reject.message}
    if style is CallStyle.SYNCHRONOUS:
        fields = {"status": "non_replicated_rejection", **fields}
    return cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, fields))
