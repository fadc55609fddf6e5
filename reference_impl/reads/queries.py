"""Non-replicated queries: evaluated on the state as it is, leaving no trace."""

from attrs import frozen

from reference_impl.messages.requests import refused
from reference_impl.reads.kept_answers import KeptAnswers
from reference_impl.reads.management_queries import LISTING, TELLING, answer, canister_in, canister_list
from reference_impl.reads.query_evaluation import Budget, evaluate
from reference_impl.subnet.observations import NotTaken
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.environment import Caller
from spec.state.request import SenderInfo
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
    sender_info: SenderInfo | None = None


def answer_query(
    instance: SubnetInstance, query: Query, effective_id: Principal, answers: KeptAnswers | None = None
) -> Response | NotTaken:
    """The reply or reject of a query, or why it is not evaluated at all. Answers that are kept are told again."""
    if len(query.nonce) > instance.profile.limits.nonce:
        return NotTaken("the nonce is too long")
    if instance.system_time > query.ingress_expiry and query.sender != ANONYMOUS:
        return refused(RejectCode.SYS_TRANSIENT, RejectReason.REQUEST_EXPIRED)
    if query.canister_id == MANAGEMENT_CANISTER:
        return _answer_management_query(instance, query, effective_id)
    if effective_id != query.canister_id:
        return NotTaken("the effective canister id is not that of the callee")
    budget = Budget(instance.profile.limits.query_call_graph_instructions)
    asked = _caller_of(query), query.canister_id, query.method_name, query.argument
    return evaluate(instance, budget, *asked, answers=answers)


def _caller_of(query: Query) -> Caller:
    told = query.sender_info
    return Caller(query.sender) if told is None else Caller(query.sender, told.info, told.signer)


def _answer_management_query(instance: SubnetInstance, query: Query, effective_id: Principal) -> Response | NotTaken:
    managed = canister_in(query.argument)
    if query.method_name in TELLING and managed is not None and managed != effective_id:
        return NotTaken("the effective canister id is not that of the canister concerned")
    told = answer(instance, query.sender, query.method_name, query.argument, CanisterId(effective_id))
    if isinstance(told, Reply):
        return told
    missing = told is RejectReason.CANISTER_NOT_FOUND
    return refused(RejectCode.DESTINATION_INVALID if missing else RejectCode.CANISTER_ERROR, told)


def answer_subnet_query(instance: SubnetInstance, query: Query, effective_id: Principal) -> Response | NotTaken:
    """The same for a query at the endpoint of a subnet, where its canisters are listed and nothing else is asked."""
    if len(query.nonce) > instance.profile.limits.nonce:
        return NotTaken("the nonce is too long")
    if query.canister_id != MANAGEMENT_CANISTER or query.method_name != LISTING:
        return NotTaken("only queries that list canisters have an effective subnet id")
    if effective_id not in instance.network:
        return NotTaken("the effective subnet id is not that of this subnet")
    if not instance.is_subnet_admin(query.sender, effective_id):
        return refused(RejectCode.CANISTER_ERROR, RejectReason.NOT_AUTHORIZED)
    return canister_list(instance, effective_id)
