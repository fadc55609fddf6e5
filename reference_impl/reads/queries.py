"""Non-replicated queries: evaluated on the state as it is, leaving no trace."""

from attrs import frozen

from reference_impl.messages.requests import refused
from reference_impl.reads.management_queries import TELLING, answer, canister_in
from reference_impl.reads.query_evaluation import Budget, evaluate
from reference_impl.subnet.observations import NotTaken
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.environment import Caller
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Blob, CanisterId, MethodName, Principal
from spec.values.quantities import Nanoseconds
from spec.values.rejects import RejectCode, RejectReason, Reply, Response


@frozen
class Query:
    """What a user asks: the content of a query's envelope."""

    nonce: Blob
    ingress_expiry: Nanoseconds
    sender: Principal
    canister_id: CanisterId
    method_name: MethodName
    argument: Blob


def answer_query(instance: SubnetInstance, query: Query, effective_id: Principal) -> Response | NotTaken:
    """The reply or reject of a query, or why it is not evaluated at all."""
    if len(query.nonce) > instance.profile.limits.nonce:
        return NotTaken("the nonce is too long")
    if instance.system_time > query.ingress_expiry and query.sender != ANONYMOUS:
        return refused(RejectCode.SYS_TRANSIENT, RejectReason.REQUEST_EXPIRED)
    if query.canister_id == MANAGEMENT_CANISTER:
        return _answer_management_query(instance, query, effective_id)
    if effective_id != query.canister_id:
        return NotTaken("the effective canister id is not that of the callee")
    budget = Budget(instance.profile.limits.query_call_graph_instructions)
    return evaluate(instance, budget, Caller(query.sender), query.canister_id, query.method_name, query.argument)


def _answer_management_query(instance: SubnetInstance, query: Query, effective_id: Principal) -> Response | NotTaken:
    managed = canister_in(query.argument)
    if query.method_name in TELLING and managed is not None and managed != effective_id:
        return NotTaken("the effective canister id is not that of the canister concerned")
    told = answer(instance, query.sender, query.method_name, query.argument, CanisterId(effective_id))
    if isinstance(told, Reply):
        return told
    missing = told is RejectReason.CANISTER_NOT_FOUND
    return refused(RejectCode.DESTINATION_INVALID if missing else RejectCode.CANISTER_ERROR, told)
