"""Non-replicated queries: evaluated on the state as it is, leaving no trace."""

from attrs import frozen

from reference_impl.execution import failure_of
from reference_impl.instance import Instance
from reference_impl.management import status_of
from reference_impl.observations import Refused
from reference_impl.requests import may_see_status, refused, stopped_reason
from spec.canister.environment import Caller
from spec.canister.outcome import Trapped
from spec.state.canister import Running
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Blob, CanisterId, MethodName, Principal
from spec.values.management import CanisterIdArguments, decode_arguments, encode_canister_status
from spec.values.quantities import Nanoseconds
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, Response, system_reject


@frozen
class Query:
    """What a user asks: the content of a query's envelope."""

    nonce: Blob
    ingress_expiry: Nanoseconds
    sender: Principal
    canister_id: CanisterId
    method_name: MethodName
    argument: Blob


def _error(reason: RejectReason, detail: str = "") -> Reject:
    return system_reject(RejectCode.CANISTER_ERROR, reason, detail)


def answer_query(instance: Instance, query: Query, effective_id: Principal) -> Response | Refused:
    """The reply or reject of a query, or why it is not evaluated at all."""
    if len(query.nonce) > instance.profile.limits.nonce:
        return Refused("the nonce is too long")
    if instance.system_time > query.ingress_expiry and query.sender != ANONYMOUS:
        return refused(RejectCode.SYS_TRANSIENT, RejectReason.REQUEST_EXPIRED)
    if query.canister_id == MANAGEMENT_CANISTER:
        return _answer_management_query(instance, query, effective_id)
    if effective_id != query.canister_id:
        return Refused("the effective canister id is not that of the callee")
    return _evaluate(instance, query)


def _answer_management_query(instance: Instance, query: Query, effective_id: Principal) -> Response | Refused:
    if query.method_name != "canister_status":
        return refused(RejectCode.CANISTER_ERROR, RejectReason.MANAGEMENT_METHOD_NOT_FOUND)
    arguments = decode_arguments(query.method_name, query.argument)
    if not isinstance(arguments, CanisterIdArguments):
        return refused(RejectCode.CANISTER_ERROR, RejectReason.INVALID_ARGUMENT)
    if effective_id != arguments.canister_id:
        return Refused("the effective canister id is not that of the canister concerned")
    canister = instance.canisters.get(arguments.canister_id)
    if canister is None:
        return refused(RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)
    if not may_see_status(instance, canister, query.sender):
        return refused(RejectCode.CANISTER_ERROR, RejectReason.NOT_AUTHORIZED)
    return Reply(encode_canister_status(status_of(instance, canister)))


def _evaluate(instance: Instance, query: Query) -> Response | Refused:
    canister = instance.canisters.get(query.canister_id)
    if canister is None:
        return system_reject(RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)
    if canister.code is None:
        return _error(RejectReason.CANISTER_HAS_NO_CODE)
    if not isinstance(canister.status, Running):
        return _error(stopped_reason(canister))
    module = canister.code.installed.module
    if query.method_name in module.composite_query_methods:
        return Refused("composite queries are not evaluated by this engine")
    if query.method_name not in module.query_methods:
        return _error(RejectReason.METHOD_NOT_FOUND)
    if instance.liquid(canister) < 0:
        return system_reject(RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN)
    outcome = module.query(
        query.method_name,
        canister.code.wasm_state,
        query.argument,
        Caller(query.sender),
        instance.environment(canister, instance.profile.limits.query_instructions, replicated=False),
        0,
    )
    if isinstance(outcome, Trapped):
        failure = failure_of(outcome)
        return _error(failure.reason, failure.message)
    return outcome.response or _error(RejectReason.CANISTER_DID_NOT_RESPOND)
