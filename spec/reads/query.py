"""Query calls: a query method runs on one node, and nothing that it does is kept."""

from attrs import evolve, frozen

from spec.canister.outcome import Returned, Trapped
from spec.rules.environments import environment_of
from spec.rules.ingress.submission import caller_of
from spec.rules.messages.settlement import failure_of_trap
from spec.rules.modules import module_of
from spec.rules.resources import liquid_balance
from spec.state.canister import Code, Running, Stopping
from spec.state.request import Request
from spec.state.state import State
from spec.transition import Unspecified
from spec.values.checklist import defines
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Principal
from spec.values.quantities import Instructions
from spec.values.rejects import RejectCode, RejectReason, Response, system_reject


@frozen
class QueryResponse:
    """The answer to a query call."""

    response: Response
    instructions: Instructions = 0
    """What the execution used. Nobody is charged for it."""


@frozen
class QueryRefused:
    """The query call is not well formed; an implementation answers it with an error of its interface."""

    because: RejectReason


@defines(
    "rule.query.submission", "inv.reads-do-not-change-state", "inv.node-read-your-writes", "unspec.env.query-state"
)
def query(state: State, request: Request, effective_id: Principal) -> QueryResponse | QueryRefused | Unspecified:
    """
    The answer to a query call. Source: abstract-behavior, query call.

    The state does not change. Composite queries, and queries to the management canister, are `Unspecified` here.
    """
    if len(request.nonce) > state.profile.limits.nonce or effective_id != request.canister_id:
        return QueryRefused(RejectReason.INVALID_ARGUMENT)
    if state.system_time > request.ingress_expiry and request.sender != ANONYMOUS:
        return QueryRefused(RejectReason.REQUEST_EXPIRED)
    if request.canister_id == MANAGEMENT_CANISTER:
        return Unspecified("query calls to the management canister are not part of this specification yet")
    return evaluate(state, request)


@defines("rule.query.preconditions", "rule.query.method-execution", "inv.query-discards-state")
def evaluate(state: State, request: Request) -> QueryResponse | Unspecified:
    """Checks that the canister can be queried, and runs the method."""
    if request.canister_id not in state.canisters:
        return refused(RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)
    canister = state.canisters[request.canister_id]
    if not isinstance(canister.code, Code):
        return refused(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_HAS_NO_CODE)
    if isinstance(canister.status, Stopping):
        return refused(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPING)
    if not isinstance(canister.status, Running):
        return refused(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPED)
    module = module_of(state.profile, canister.code)
    if request.method_name in module.composite_query_methods:
        return Unspecified("composite queries are not part of this specification yet")
    if request.method_name not in module.query_methods:
        return refused(RejectCode.CANISTER_ERROR, RejectReason.METHOD_NOT_FOUND)
    if liquid_balance(state.profile, canister) < 0:
        return refused(RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN)
    environment = evolve(
        environment_of(state, canister, canister.code, state.profile.limits.query_instructions), replicated=False
    )
    outcome = module.query(
        request.method_name, canister.code.wasm_state, request.argument, caller_of(request), environment, 0
    )
    return answer_of(outcome)


def answer_of(outcome: Returned | Trapped) -> QueryResponse:
    """What a query that ran is answered with."""
    match outcome:
        case Trapped():
            failure = failure_of_trap(outcome)
            reject = system_reject(RejectCode.CANISTER_ERROR, failure.reason, failure.message)
            return QueryResponse(reject, outcome.instructions_used)
        case Returned():
            silence = system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_DID_NOT_RESPOND)
            response = silence if outcome.response is None else outcome.response
            return QueryResponse(response, outcome.instructions_used)


def refused(code: RejectCode, reason: RejectReason) -> QueryResponse:
    """A query call that ran no code."""
    return QueryResponse(system_reject(code, reason))
