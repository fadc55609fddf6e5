"""
Reads that bear a signature: they are answered if it is their sender's.

Source: abstract-behavior, query call and certified state reads (`verify_envelope`). A read without a signature is the
anonymous user's, or whoever hands it to `query` or `read_state` has authenticated its sender.
"""

from attrs import field, frozen

from spec.certification.envelope import Envelope, NotAuthentic, RequestKind, verify_envelope
from spec.certification.hash_tree import Path
from spec.certification.user_signatures import keys_under
from spec.reads.answers import Endpoint, QueryRefused, QueryResponse
from spec.reads.query import query
from spec.reads.read_state import ReadStateRefused, ReadStateRequest, ReadStateResponse, read_state
from spec.rules.ingress.authentication import authenticated
from spec.state.request import SignedRequest
from spec.state.state import State
from spec.transition import Unspecified
from spec.values.checklist import defines
from spec.values.containers import List, Map
from spec.values.delegations import SignedDelegation
from spec.values.identifiers import Blob, CanisterId, Principal
from spec.values.management import CyclesConsumed
from spec.values.rejects import RejectReason
from spec.values.request_id import HashedValue


@frozen
class SignedReadStateRequest:
    """A request to read parts of the state tree, with the rest of its envelope. Source: as of `SignedRequest`."""

    request: ReadStateRequest
    public_key: Blob
    signature: Blob
    delegations: List[SignedDelegation] = field(factory=List)


@defines("rule.query.submission")
def signed_query(
    state: State,
    signed: SignedRequest,
    effective_id: Principal,
    certificate: Blob | None = None,
    endpoint: Endpoint = Endpoint.CANISTER,
    metrics: Map[CanisterId, CyclesConsumed] | None = None,
) -> QueryResponse | QueryRefused | Unspecified:
    """The answer to a query call, if its sender signed it."""
    answer = authenticated(signed, RequestKind.QUERY, state.system_time, state.root_key)
    if isinstance(answer, NotAuthentic):
        return QueryRefused(RejectReason.NOT_AUTHORIZED)
    return query(state, signed.request, effective_id, certificate, endpoint, answer.targets, metrics)


@defines("rule.read-state.canister-endpoint", "rule.read-state.subnet-endpoint")
def signed_read_state(
    state: State,
    signed: SignedReadStateRequest,
    endpoint: Endpoint,
    effective_id: Principal,
) -> ReadStateResponse | ReadStateRefused:
    """The tree that answers a request, if its sender signed it."""
    envelope = Envelope(
        read_state_content(signed.request), signed.public_key, signed.signature, signed.delegations or None
    )
    answer = verify_envelope(envelope, signed.request.sender, state.system_time, keys_under(state.root_key))
    if isinstance(answer, NotAuthentic):
        return ReadStateRefused(RejectReason.NOT_AUTHORIZED)
    return read_state(state, signed.request, endpoint, effective_id, answer.targets)


@defines("http.content.read-state")
def read_state_content(request: ReadStateRequest) -> dict[str, HashedValue]:
    """The fields of a request to read the state, as it is signed. Source: https-interface, CDDL."""
    paths: list[Path] = list(request.paths)
    content: dict[str, HashedValue] = {
        "request_type": RequestKind.READ_STATE.value,
        "sender": request.sender,
        "ingress_expiry": request.ingress_expiry,
        "paths": paths,
    }
    if request.nonce:
        content["nonce"] = request.nonce
    return content
