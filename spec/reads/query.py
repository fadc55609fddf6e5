"""Query calls: a query method runs on one node, and nothing that it does is kept. Source: abstract-behavior."""

from spec.certification.hash_tree import HashTree, hash_tree, pruned
from spec.reads.answers import Endpoint, Question, Surroundings, Wording, as_usual
from spec.reads.answers import QueryRefused as QueryRefused
from spec.reads.answers import QueryResponse as QueryResponse
from spec.reads.answers import QueryStatistic as QueryStatistic
from spec.reads.composite_query import evaluate
from spec.reads.management_query import LIST_CANISTERS, managed_by_query, management_answer, subnet_of
from spec.reads.state_tree import state_tree
from spec.rules.ingress.submission import caller_of
from spec.state.request import Request
from spec.state.state import State
from spec.transition import Unspecified
from spec.values.checklist import defines
from spec.values.containers import List, Map
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Blob, CanisterId, Principal, SubnetId
from spec.values.management import CyclesConsumed
from spec.values.quantities import Count
from spec.values.rejects import RejectCode, RejectReason


@defines(
    "rule.query.submission",
    "inv.reads-do-not-change-state",
    "inv.node-read-your-writes",
    "unspec.env.query-state",
    "unspec.env.wall-clock-query",
    "unspec.const.max-wall-clock-time-composite-query",
    "unspec.env.certificate-age",
    "seed1.query-single-node",
    "seed1.query-no-state-change",
)
def query(
    state: State,
    request: Request,
    effective_id: Principal,
    certificate: Blob | None = None,
    endpoint: Endpoint = Endpoint.CANISTER,
    targets: List[CanisterId] | None = None,
    metrics: Map[CanisterId, CyclesConsumed] | None = None,
    open_codes: Map[RejectReason, RejectCode] | None = None,
    order: tuple[Count, ...] = (),
    refused_growths: tuple[Count, ...] = (),
    trapping_growths: tuple[Count, ...] = (),
    wording: Wording = as_usual,
) -> QueryResponse | QueryRefused | Unspecified:
    """
    The answer to a query call whose signature was verified. Source: abstract-behavior, query call.

    The state does not change, and no query fails for the time that it takes. `certificate` is one of
    `certified_data_tree`, if there is any. `targets` are the canisters for which the sender's delegations admit it,
    None if they admit all. `metrics` say what `canister_metrics` tells; without them that is `Unspecified`. Calls that
    a composite query makes are rejected with `open_codes` where the text names no code, else with those of production,
    and are made in this `order`. `refused_growths` of memories fail, and executions end at `trapping_growths`.
    Where the system rejects a call, callbacks hear its `wording` of the usual text.
    """
    if len(request.nonce) > state.profile.limits.nonce:
        return QueryRefused(RejectReason.INVALID_ARGUMENT)
    if state.system_time > request.ingress_expiry and request.sender != ANONYMOUS:
        return QueryRefused(RejectReason.REQUEST_EXPIRED)
    given = Surroundings(
        state,
        request.canister_id,
        certificate,
        Map() if metrics is None else metrics,
        Map() if open_codes is None else open_codes,
        wording,
        order,
        refused_growths,
        trapping_growths,
    )
    if request.canister_id == MANAGEMENT_CANISTER:
        return management_query(given, request, effective_id, endpoint, targets)
    if endpoint is not Endpoint.CANISTER or effective_id != request.canister_id:
        return QueryRefused(RejectReason.INVALID_ARGUMENT)
    if not is_target(targets, request.canister_id):
        return QueryRefused(RejectReason.NOT_AUTHORIZED)
    question = Question(caller_of(request), request.canister_id, request.method_name, request.argument)
    return evaluate(given, question, state.profile.limits.query_call_graph_instructions)


def is_target(targets: List[CanisterId] | None, canister_id: CanisterId) -> bool:
    """The delegations of the sender admit the canister."""
    return targets is None or targets.contains(canister_id)


@defines("http.effective-id.query-management", "http.endpoint.query-v3-subnet", "http.effective-id.subnet")
def management_query(
    given: Surroundings,
    request: Request,
    effective_id: Principal,
    endpoint: Endpoint,
    targets: List[CanisterId] | None,
) -> QueryResponse | QueryRefused | Unspecified:
    """The answer to a user's query to the management canister."""
    managed = managed_by_query(request.method_name, request.argument)
    lists = request.method_name == LIST_CANISTERS
    if not lists and (endpoint is Endpoint.SUBNET or (managed is not None and managed != effective_id)):
        return QueryRefused(RejectReason.INVALID_ARGUMENT)
    if (lists or managed is not None) and not is_target(targets, MANAGEMENT_CANISTER if managed is None else managed):
        return QueryRefused(RejectReason.NOT_AUTHORIZED)
    subnet_id = SubnetId(effective_id) if endpoint is Endpoint.SUBNET else subnet_of(given.state, effective_id)
    if lists and subnet_id is None:
        return QueryRefused(RejectReason.CANISTER_NOT_FOUND)
    answer = management_answer(
        given,
        given.state.subnet.subnet_id if subnet_id is None else subnet_id,
        request.sender,
        request.method_name,
        request.argument,
    )
    match answer:
        case RejectReason():
            return QueryRefused(answer)
        case Unspecified():
            return answer
        case _:
            return QueryResponse(answer)


@defines("rule.query.certificate")
def certified_data_tree(state: State, canister_id: CanisterId) -> HashTree:
    """What the certificate that a query of the canister sees reveals: the time and the canister's certified data."""
    return pruned(hash_tree(state_tree(state)), [(b"time",), (b"canister", canister_id, b"certified_data")])
