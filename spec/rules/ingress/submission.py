"""Requests are submitted."""

from attrs import evolve

from spec.canister.environment import Caller
from spec.canister.outcome import Inspected
from spec.rules.conditions import existing_canister
from spec.rules.environments import environment_of
from spec.rules.ingress.authentication import require_authentic
from spec.rules.ingress.permission import (
    CREATION_METHODS,
    administers_subnet,
    managed_canister,
    require_permission,
)
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.modules import code_of, module_of
from spec.rules.resources import liquid_balance
from spec.state.canister import Canister, Code, Running, Stopping
from spec.state.request import KnownRequest, Received, Request, Submission, content_of
from spec.state.state import State
from spec.transition import RequestStatusChanged, Step, require, transition
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.quantities import Count
from spec.values.rejects import RejectCode, RejectReason


@transition(title="API Request submission: call to a canister", source="abstract-behavior#api-request-submission")
@defines(
    "rule.submit-call.canister-endpoint",
    "rule.submit-call.regular-canister",
    "def.effective-canister-id",
    "http.effective-id.regular",
    "http.lifecycle.submit-checks",
)
def submit_request(
    state: State,
    *,
    request: Submission,
    effective_id: Principal,
    refused_growths: tuple[Count, ...] = (),
    trapping_growths: tuple[Count, ...] = (),
) -> Step:
    """
    A user's call to a running canister that is not frozen, and does not refuse it, becomes known.

    While the canister inspects the call, the system may let some growths of memories fail, or end the inspection there.
    """
    # CONDITIONS
    require_authentic(state, request)
    content = content_of(request)
    require_acceptable_request(state, content)
    require(content.canister_id != MANAGEMENT_CANISTER, "the call goes to a regular canister")
    require(effective_id == content.canister_id, "the effective canister id is that of the callee")
    canister = existing_canister(state, content.canister_id)
    require_not_frozen(state, canister)
    code = code_of(canister)
    stopped = RejectReason.CANISTER_STOPPING if isinstance(canister.status, Stopping) else RejectReason.CANISTER_STOPPED
    require(isinstance(canister.status, Running), "the canister is running", stopped, RejectCode.CANISTER_ERROR)
    inspected = inspection(state, canister, code, content, refused_growths, trapping_growths)
    require(not inspected.traps, "the inspection of the message returns", RejectReason.CANISTER_TRAPPED)
    require(
        inspected.accepts,
        "the canister accepts the message",
        RejectReason.NOT_AUTHORIZED,
        RejectCode.CANISTER_REJECT,
    )

    # STATE AFTER
    return received(state, content, effective_id)


@transition(
    title="API Request submission: call to the management canister",
    source="abstract-behavior#api-request-submission",
)
@defines(
    "rule.submit-call.canister-endpoint",
    "def.effective-canister-id",
    "http.effective-id.update-management",
    "http.lifecycle.submit-checks",
)
def submit_management_request(
    state: State, *, request: Submission, effective_id: Principal, may_unfreeze: bool = False
) -> Step:
    """
    A user's call about a canister that is not frozen becomes known, if the user may make it.

    The system may take in a change of settings although the canister is frozen, since it may be what unfreezes it.
    """
    # CONDITIONS
    require_authentic(state, request)
    content = content_of(request)
    require_acceptable_request(state, content)
    require(content.canister_id == MANAGEMENT_CANISTER, "the call goes to the management canister")
    managed = managed_canister(content)
    require(managed is None or managed == effective_id, "the effective canister id is that of the managed canister")
    if managed is not None and managed in state.canisters and not (may_unfreeze and changes_settings(content)):
        require_not_frozen(state, state.canisters[managed])
    require_permission(state, content, effective_id)

    # STATE AFTER
    return received(state, content, effective_id)


@transition(
    title="API Request submission: call at a subnet endpoint",
    source="abstract-behavior#api-request-submission",
)
@defines("rule.submit-call.subnet-endpoint", "def.effective-subnet-id")
def submit_subnet_request(state: State, *, request: Submission, effective_id: Principal) -> Step:
    """A call with which an admin of the subnet creates a canister there becomes known."""
    # CONDITIONS
    require_authentic(state, request)
    content = content_of(request)
    require_acceptable_request(state, content)
    require(content.canister_id == MANAGEMENT_CANISTER, "the call goes to the management canister")
    require(content.method_name in CREATION_METHODS, "the call creates a canister, so it has an effective subnet id")
    require(effective_id == state.subnet.subnet_id, "the effective subnet id is that of this subnet")
    require(
        administers_subnet(state, effective_id, content.sender),
        "the user is an admin of the subnet",
        RejectReason.NOT_AUTHORIZED,
        RejectCode.CANISTER_REJECT,
    )

    # STATE AFTER
    return received(state, content, effective_id)


@defines("rule.submit-call.canister-endpoint", "unspec.env.ingress-expiry-bound", "http.nonce", "http.ingress-expiry")
def require_acceptable_request(state: State, request: Request) -> None:
    """States the conditions that hold for every request."""
    require(len(request.nonce) <= state.profile.limits.nonce, "the nonce is short enough")
    require(request_id_of(request) not in state.requests, "the request is not known yet")
    require(
        state.system_time <= request.ingress_expiry,
        "the request has not expired",
        RejectReason.REQUEST_EXPIRED,
    )


def inspection(
    state: State,
    canister: Canister,
    code: Code,
    request: Request,
    refused_growths: tuple[Count, ...] = (),
    trapping_growths: tuple[Count, ...] = (),
) -> Inspected:
    """What the canister says to a call before it is taken in, if growths of memories are refused, or end it."""
    limit = state.profile.limits.inspect_message_instructions
    environment = environment_of(
        state, canister, code, limit, refused_growths=refused_growths, trapping_growths=trapping_growths
    )
    return module_of(state.profile, code).inspect_message(
        request.method_name,
        code.wasm_state,
        request.argument,
        caller_of(request),
        evolve(environment, replicated=False),
    )


def require_not_frozen(state: State, canister: Canister) -> None:
    """States that the canister which a request is sent to, or is about, is not frozen."""
    require(
        liquid_balance(state.profile, canister) >= 0,
        "the canister is not frozen",
        RejectReason.CANISTER_FROZEN,
    )


def changes_settings(request: Request) -> bool:
    """The request is a call to `update_settings`, which can lower the freezing threshold of a frozen canister."""
    return request.method_name == "update_settings"


def received(state: State, request: Request, effective_id: Principal) -> Step:
    """The step in which a request becomes known."""
    request_id = request_id_of(request)
    return Step(
        evolve(state, requests=state.requests.set(request_id, KnownRequest(request, Received(), effective_id))),
        outputs=(RequestStatusChanged(request_id, Received()),),
    )


def caller_of(request: Request) -> Caller:
    """The caller that canisters see. Only canister-signature identities have caller info."""
    if request.sender_info is None:
        return Caller(request.sender)
    return Caller(request.sender, request.sender_info.info, request.sender_info.signer)
