"""
What each kind of request does to an engine, and what it is answered. Source: https-interface; abstract-behavior.

Calls are taken in on the engine's thread; what only reads may run on any. A request that is at fault gets an error of
HTTP; a call that is not taken in for a reason with a reject code is told both.
"""

from collections.abc import Iterable
from typing import Final

from attrs import frozen

from reference_impl.authentication.requests import Kind, admits, fault_of, refusal_of
from reference_impl.certification.node_keys import Node, node
from reference_impl.certification.signing import certificate_of
from reference_impl.engine import Engine
from reference_impl.own_name import own_version
from reference_impl.reads.management_queries import LISTING, TELLING, canister_in
from reference_impl.reads.queries import Query, answer_subnet_query
from reference_impl.reads.state_reads import may_read, shown_label
from reference_impl.reads.state_tree import signing, state_tree
from reference_impl.server.https_interface.answers import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    Answer,
    answered_query,
    cbor,
    error,
    refused_call,
)
from reference_impl.server.https_interface.envelopes import StateRead
from reference_impl.server.readable import Readable, has_ended
from reference_impl.subnet.ingress_history import request_id_of
from reference_impl.subnet.network import HostedSubnet
from reference_impl.subnet.observations import NotTaken
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.request import Endpoint, Request, SignedRequest, Submission, content_of
from spec.values.identifiers import (
    ANONYMOUS,
    MANAGEMENT_CANISTER,
    Blob,
    CanisterId,
    Principal,
    RequestId,
    self_authenticating_id,
)
from spec.values.quantities import NANOSECONDS_PER_SECOND, Nanoseconds
from spec.values.request_id import HashedValue, hash_of_map

FURTHEST_EXPIRY: Final[Nanoseconds] = 330 * NANOSECONDS_PER_SECOND
"""So far in the future a request may expire. Source: production, five minutes and what clocks may differ."""


@frozen
class Call:
    """A call with where it was sent."""

    submission: Submission
    effective_id: Principal
    endpoint: Endpoint
    is_synchronous: bool

    @property
    def request_id(self) -> RequestId:
        """What names the call."""
        return request_id_of(content_of(self.submission))


def status(state: Readable) -> Answer:
    """What anybody is told of this instance."""
    return cbor(
        {
            "root_key": state.instance.root_key,
            "impl_version": own_version(),
            "replica_health_status": "healthy",
        }
    )


def take_call(engine: Engine, call: Call) -> Answer | None:
    """Takes a call in, or one that is known already again; None if it is known then, and else why it is not."""
    content = content_of(call.submission)
    now = engine.instance.system_time
    fault = _expiry_fault(now, content.ingress_expiry)
    fault = fault or _misdirected(engine.instance, call.effective_id, call.endpoint)
    fault = fault or _authentication_fault(now, engine.instance.root_key, call.submission, Kind.CALL)
    if fault is not None:
        return fault
    known = engine.instance.ingress.get(call.request_id)
    if known is not None:
        same = known.effective_id == call.effective_id
        return None if same else error(BAD_REQUEST, "the request is known with another effective id")
    outcome = engine.submit(call.submission, call.effective_id, call.endpoint)
    if not isinstance(outcome, NotTaken):
        return None
    if outcome.reject is None:
        return error(BAD_REQUEST, f"Invalid request: {outcome.because}")
    return refused_call(outcome.reject, with_status=call.is_synchronous)


def certificate_of_call(state: Readable, request_id: RequestId) -> Blob | None:
    """A certificate of how the call ended; None if it has not."""
    if not has_ended(state.instance, request_id):
        return None
    effective_id = state.instance.ingress[request_id].effective_id
    return _certificate(state.instance, effective_id, [(b"request_status", request_id)])


def answer_query(state: Readable, submission: Submission, effective_id: Principal, endpoint: Endpoint) -> Answer:
    """Evaluates a query, and signs the answer."""
    instance, content = state.instance, content_of(submission)
    fault = None if content.sender == ANONYMOUS else _expiry_fault(state.now, content.ingress_expiry)
    fault = fault or _misdirected(instance, effective_id, endpoint)
    fault = fault or _authentication_fault(state.now, instance.root_key, submission, Kind.QUERY)
    if fault is not None:
        return fault
    if isinstance(submission, SignedRequest) and not admits(submission.delegations, _target(content)):
        return error(BAD_REQUEST, "Invalid delegation: a delegation does not admit the canister")
    query = Query(
        content.nonce,
        content.ingress_expiry,
        content.sender,
        content.canister_id,
        content.method_name,
        content.argument,
        content.sender_info,
    )
    if endpoint is Endpoint.SUBNET:
        response = answer_subnet_query(instance, query, effective_id)
    else:
        response = state.query(query, effective_id)
    if isinstance(response, NotTaken):
        if response.reject is None:
            return error(BAD_REQUEST, f"Invalid query: {response.because}")
        response = response.reject
    request_id = request_id_of(content, Kind.QUERY.value)
    return answered_query(response, request_id, state.now, _answering_node(instance, effective_id))


def _answering_node(instance: SubnetInstance, effective_id: Principal) -> Node:
    """The node that answers queries: the first of the subnet."""
    return node(_reached(instance, effective_id).first_node)


def _reached(instance: SubnetInstance, effective_id: Principal) -> HostedSubnet:
    """The subnet that a request with this effective id goes to; the one that creates canisters if it is of none."""
    return instance.network.reached_by(effective_id) or instance.network[instance.subnet.subnet_id]


def _target(content: Request) -> CanisterId:
    """The canister for which delegations must admit a query."""
    if content.canister_id != MANAGEMENT_CANISTER or content.method_name == LISTING:
        return content.canister_id
    about = canister_in(content.argument) if content.method_name in TELLING else None
    return content.canister_id if about is None else about


@frozen
class Place:
    """Where the state is read."""

    effective_id: Principal
    endpoint: Endpoint
    shows_all_ranges: bool
    """As the deprecated endpoints do: under `/subnet` the ranges of every subnet may be asked for."""


def answer_state_read(state: Readable, read: StateRead, place: Place) -> Answer:
    """A certificate of all that is at the paths, if the sender may read them."""
    instance = state.instance
    fault = None if read.sender == ANONYMOUS else _expiry_fault(state.now, read.ingress_expiry)
    fault = fault or _misdirected(instance, place.effective_id, place.endpoint)
    if fault is None and read.proof is not None:
        because = fault_of(read.proof, read.sender, _id_of(read), Kind.READ_STATE, state.now, instance.root_key)
        fault = None if because is None else error(BAD_REQUEST, f"Invalid signature: {because}")
    if fault is None and len(read.nonce) > instance.profile.limits.nonce:
        fault = error(BAD_REQUEST, "Invalid request: the nonce is too long")
    if fault is not None:
        return fault
    for path in read.paths:
        fault = _path_fault(instance, read, place, path)
        if fault is not None:
            return fault
    revealed = [each for path in read.paths for each in _revealed(instance, place, path)]
    return cbor({"certificate": _certificate(instance, place.effective_id, revealed)})


def _revealed(instance: SubnetInstance, place: Place, path: tuple[Blob, ...]) -> list[tuple[Blob, ...]]:
    """What a path shows: all below it, but ranges under `/subnet` only of the root subnet and at old endpoints."""
    own = _reached(instance, place.effective_id).subnet_id
    is_of_root = own == self_authenticating_id(instance.root_key)
    if place.shows_all_ranges or is_of_root or path not in ((b"subnet",), (b"subnet", own)):
        return [path]
    return [(b"subnet", own, leaf) for leaf in (b"metrics", b"node", b"public_key", b"type")]


def _path_fault(instance: SubnetInstance, read: StateRead, place: Place, path: tuple[Blob, ...]) -> Answer | None:
    if place.shows_all_ranges and path[:1] == (b"subnet",) and path[2:] == (b"canister_ranges",):
        return None
    if not may_read(instance, read.sender, place.effective_id, path, place.endpoint):
        is_somebodys = path[:1] in ((b"request_status",), (b"canister",)) and len(path) > 1
        return error(
            FORBIDDEN if is_somebodys else NOT_FOUND, f"The path /{'/'.join(map(shown_label, path))} may not be read."
        )
    known = instance.ingress.get(RequestId(path[1])) if path[:1] == (b"request_status",) and len(path) > 1 else None
    if known is None or read.proof is None or admits(read.proof.delegations, known.request.canister_id):
        return None
    return error(FORBIDDEN, "A delegation does not admit the canister of the request.")


def _id_of(read: StateRead) -> RequestId:
    content: dict[str, HashedValue] = {
        "request_type": Kind.READ_STATE.value,
        "sender": read.sender,
        "ingress_expiry": read.ingress_expiry,
        "paths": read.paths,
    }
    return RequestId(hash_of_map({**content, "nonce": read.nonce} if read.nonce else content))


# What all have in common


def _certificate(instance: SubnetInstance, effective_id: Principal, paths: Iterable[tuple[Blob, ...]]) -> Blob:
    """A certificate of what is at the paths, and of the time, by the subnet that was asked."""
    signers = signing(instance, _reached(instance, effective_id).subnet_id)
    return certificate_of(state_tree(instance), [*paths, (b"time",)], *signers)


def _expiry_fault(now: Nanoseconds, expiry: Nanoseconds) -> Answer | None:
    if now <= expiry <= now + FURTHEST_EXPIRY:
        return None
    # Clients in JavaScript look for the first words of this text, and then ask for the time.
    return error(
        BAD_REQUEST,
        "Invalid request expiry: Specified ingress_expiry not within expected range: "
        f"Minimum allowed expiry: {now}, Maximum allowed expiry: {now + FURTHEST_EXPIRY}, Provided expiry: {expiry}",
    )


def _misdirected(instance: SubnetInstance, effective_id: Principal, endpoint: Endpoint) -> Answer | None:
    if endpoint is Endpoint.SUBNET:
        is_served = effective_id in instance.network
        return None if is_served else error(BAD_REQUEST, "Invalid effective id: it is not that of this subnet")
    if effective_id == MANAGEMENT_CANISTER or instance.network.owner_of(effective_id) is not None:
        return None
    return error(BAD_REQUEST, "Invalid effective id: it is in the canister ranges of no subnet")


def _authentication_fault(now: Nanoseconds, root_key: Blob, submission: Submission, kind: Kind) -> Answer | None:
    request_id = request_id_of(content_of(submission), kind.value)
    because = refusal_of(submission, request_id, now, root_key, kind)
    return None if because is None else error(BAD_REQUEST, f"Invalid signature: {because}")
