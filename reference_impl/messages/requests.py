"""Requests of users: taking them in, starting them, answering them, forgetting them."""

from functools import lru_cache
from typing import Final

from reference_impl.authentication.requests import refusal_of
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.ingress_history import RECEIVED, request_id_of
from reference_impl.subnet.observations import Accepted, NotTaken
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.environment import Caller
from spec.canister.outcome import Inspected
from spec.state.canister import AllowedViewers, Controllers, Public, Running, Stopped, Visibility
from spec.state.message import CallMessage, ResponseMessage, Unordered
from spec.state.origin import FromUser
from spec.state.request import Done, Processing, Received, Rejected, Replied, Request, Submission, content_of
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, MethodName, Principal, RequestId
from spec.values.management import MANAGEMENT_METHODS, InstallChunkedCodeArguments, decode_arguments
from spec.values.quantities import ByteCount, Count
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, system_reject

PROCESSING, UNORDERED = Processing(), Unordered()

FOR_CONTROLLERS = frozenset(
    {
        "install_code",
        "update_settings",
        "install_chunked_code",
        "upload_chunk",
        "stored_chunks",
        "clear_chunk_store",
        "take_canister_snapshot",
        "load_canister_snapshot",
        "delete_canister_snapshot",
        "upload_canister_snapshot_metadata",
        "upload_canister_snapshot_data",
    }
)
"""Management methods that only controllers of the canister may call as users."""
FOR_CONTROLLERS_AND_ADMINS = frozenset(
    {"start_canister", "stop_canister", "uninstall_code", "delete_canister", "canister_metrics"}
)
"""Management methods that controllers of the canister and subnet admins may call as users."""
FOR_VIEWERS_OF_SNAPSHOTS = frozenset(
    {"list_canister_snapshots", "read_canister_snapshot_metadata", "read_canister_snapshot_data"}
)
"""Management methods that those may call as users to whom the canister shows its snapshots."""


def refused(code: RejectCode, reason: RejectReason) -> NotTaken:
    """A refusal that can be told to whoever asked."""
    return NotTaken(reason.value, system_reject(code, reason))


FROZEN = refused(RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN)
"""No request may be about a frozen canister, whether it goes there or to the management canister."""


def caller_of(request: Request) -> Caller:
    """The caller that a canister sees: the sender, and what a canister signature says of it."""
    if request.sender_info is None:
        return _plain_caller(request.sender)
    return Caller(request.sender, request.sender_info.info, request.sender_info.signer)


_plain_caller = lru_cache(maxsize=1 << 12)(Caller)
"""Callers of whom nothing but their principal is told are the same object each time."""


def admits(visibility: Visibility, canister: CanisterRecord, viewer: Principal) -> bool:
    """The viewer is one of those who may see something of the canister."""
    match visibility:
        case Public():
            return True
        case Controllers():
            return canister.is_controlled_by(viewer)
        case AllowedViewers():
            return canister.is_controlled_by(viewer) or visibility.viewers.contains(viewer)


def may_see_status(instance: SubnetInstance, canister: CanisterRecord, viewer: Principal) -> bool:
    """The viewer may ask for the status: an admin, or whom the visibility admits. The canister itself is apart."""
    return instance.administers(viewer, canister) or admits(canister.settings.status_visibility, canister, viewer)


def _common_refusal(
    instance: SubnetInstance, submission: Submission, request: Request, request_id: RequestId
) -> NotTaken | None:
    if request is not submission or request.sender_info is not None:
        # Reason: there is nothing to be looked at in others.
        fault = refusal_of(submission, request_id, instance.system_time, instance.root_key)
        if fault is not None:
            return NotTaken(fault)
    if len(request.nonce) > instance.profile.limits.nonce:
        return NotTaken("the nonce is too long")
    if request_id in instance.ingress.by_id:
        return NotTaken("the request is known already")
    if instance.system_time > request.ingress_expiry:
        return refused(RejectCode.SYS_TRANSIENT, RejectReason.REQUEST_EXPIRED)
    return None


def _take_in(instance: SubnetInstance, request_id: RequestId, request: Request, effective_id: Principal) -> Accepted:
    instance.ingress.receive(request_id, request, effective_id)
    if instance.recorder.explains:
        instance.recorder.status(request_id, RECEIVED)
    return Accepted(request_id)


def submit_request(
    instance: SubnetInstance,
    request: Submission,
    effective_id: Principal,
    refused_growths: tuple[Count, ...] = (),
    trapping_growths: tuple[Count, ...] = (),
) -> Accepted | NotTaken:
    """Takes in an update call to a canister, if the canister is ready for it and its inspection accepts."""
    submission, request = request, content_of(request)
    request_id = request_id_of(request)
    common = _common_refusal(instance, submission, request, request_id)
    if request.canister_id == MANAGEMENT_CANISTER:
        return NotTaken("the request is for the management canister")
    if common is not None:
        return common
    if effective_id != request.canister_id:
        return NotTaken("the effective canister id is not that of the callee")
    canister = instance.canisters.get(request.canister_id)
    if canister is None:
        return refused(RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)
    refusal = _refusal_of_canister(instance, canister)
    if refusal is not None:
        return refusal
    assert canister.code is not None
    if canister.code.installed.module.has_inspect_message:
        inspected = _inspected(instance, canister, request, refused_growths, trapping_growths)
        if inspected.traps:
            return refused(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED)
        if not inspected.accepts:
            return refused(RejectCode.CANISTER_REJECT, RejectReason.NOT_AUTHORIZED)
    return _take_in(instance, request_id, request, effective_id)


def _refusal_of_canister(instance: SubnetInstance, canister: CanisterRecord) -> NotTaken | None:
    if instance.liquid(canister) < 0:
        return FROZEN
    if canister.code is None:
        return refused(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_HAS_NO_CODE)
    if not isinstance(canister.status, Running):
        return refused(RejectCode.CANISTER_ERROR, stopped_reason(canister))
    return None


def stopped_reason(canister: CanisterRecord) -> RejectReason:
    """Why a canister that is not running takes no call."""
    if isinstance(canister.status, Stopped):
        return RejectReason.CANISTER_STOPPED
    return RejectReason.CANISTER_STOPPING


def _inspected(
    instance: SubnetInstance,
    canister: CanisterRecord,
    request: Request,
    refused_growths: tuple[Count, ...],
    trapping_growths: tuple[Count, ...],
) -> Inspected:
    assert canister.code is not None
    limit = instance.profile.limits.inspect_message_instructions
    return canister.code.installed.module.inspect_message(
        request.method_name,
        canister.code.wasm_state,
        request.argument,
        caller_of(request),
        instance.environment(
            canister,
            limit,
            replicated=False,
            refused_growths=refused_growths,
            trapping_growths=trapping_growths,
        ),
    )


def submit_management_request(
    instance: SubnetInstance, request: Submission, effective_id: Principal, may_unfreeze: bool
) -> Accepted | NotTaken:
    """Takes in an update call to the management canister, if the sender may make it."""
    submission, request = request, content_of(request)
    request_id = request_id_of(request)
    common = _common_refusal(instance, submission, request, request_id)
    if request.canister_id != MANAGEMENT_CANISTER:
        return NotTaken("the request is not for the management canister")
    refusal = common or _management_refusal(instance, request, effective_id, may_unfreeze)
    return refusal if refusal is not None else _take_in(instance, request_id, request, effective_id)


FREE_SETTINGS_CHANGE: Final[ByteCount] = 338
"""Production takes no fee beforehand for a change of settings with so short an argument."""


def changes_frozen_canister(instance: SubnetInstance, request: Submission) -> bool:
    """The request changes the settings of a frozen canister, and is so short that production takes it."""
    content = content_of(request)
    if content.method_name != "update_settings" or len(content.argument) > FREE_SETTINGS_CHANGE:
        return False
    about = getattr(decode_arguments(content.method_name, content.argument), "canister_id", None)
    canister = instance.canisters.get(about) if about is not None else None
    return canister is not None and instance.liquid(canister) < 0


def submit_subnet_request(
    instance: SubnetInstance, request: Submission, effective_id: Principal
) -> Accepted | NotTaken:
    """Takes in an update call at the subnet endpoint, where admins create canisters and do nothing else."""
    content = content_of(request)
    request_id = request_id_of(content)
    common = _common_refusal(instance, request, content, request_id)
    if common is not None:
        return common
    creates = content.method_name in ("create_canister", "provisional_create_canister_with_cycles")
    if content.canister_id != MANAGEMENT_CANISTER or not creates:
        return NotTaken("only calls that create canisters have an effective subnet id")
    if effective_id not in instance.network:
        return NotTaken("the effective subnet id is not that of this subnet")
    if not instance.is_subnet_admin(content.sender, effective_id):
        return refused(RejectCode.CANISTER_REJECT, RejectReason.NOT_AUTHORIZED)
    return _take_in(instance, request_id, content, effective_id)


def _management_refusal(
    instance: SubnetInstance, request: Request, effective_id: Principal, may_unfreeze: bool
) -> NotTaken | None:
    method, sender = request.method_name, request.sender
    for_frozen = may_unfreeze and method == "update_settings"
    arguments = decode_arguments(method, request.argument)
    match arguments:
        case InstallChunkedCodeArguments(target_canister=about):
            return _refusal_about(instance, method, sender, about, effective_id, for_frozen)
        case object(canister_id=bytes(about)):
            return _refusal_about(instance, method, sender, Principal(about), effective_id, for_frozen)
        case _ if method == "provisional_create_canister_with_cycles":
            return None
        case _ if method == "create_canister" and _administers_at(instance, sender, effective_id):
            return None
        case _ if method in MANAGEMENT_METHODS or method == "fetch_canister_logs":
            return refused(RejectCode.CANISTER_REJECT, RejectReason.NOT_AUTHORIZED)
        case _:
            return refused(RejectCode.CANISTER_ERROR, RejectReason.NOT_AUTHORIZED)


def _administers_at(instance: SubnetInstance, sender: Principal, effective_id: Principal) -> bool:
    canister = instance.canisters.get(effective_id)
    if canister is not None:
        return instance.administers(sender, canister)
    reached = instance.network.reached_by(effective_id)
    return instance.is_subnet_admin(sender, None if reached is None else reached.subnet_id)


def _refusal_about(
    instance: SubnetInstance,
    method: MethodName,
    sender: Principal,
    about: CanisterId,
    effective_id: Principal,
    for_frozen: bool,
) -> NotTaken | None:
    if effective_id != about:
        return NotTaken("the effective canister id is not that of the canister concerned")
    canister = instance.canisters.get(about)
    if canister is None:
        return refused(RejectCode.DESTINATION_INVALID, RejectReason.NOT_AUTHORIZED)
    if instance.liquid(canister) < 0 and not for_frozen:
        return FROZEN
    may = {
        **dict.fromkeys(FOR_CONTROLLERS, canister.is_controlled_by(sender)),
        **dict.fromkeys(
            FOR_CONTROLLERS_AND_ADMINS, canister.is_controlled_by(sender) or instance.administers(sender, canister)
        ),
        **dict.fromkeys(FOR_VIEWERS_OF_SNAPSHOTS, admits(canister.settings.snapshot_visibility, canister, sender)),
        "canister_status": may_see_status(instance, canister, sender),
        "provisional_top_up_canister": True,
    }
    if not may.get(method, False):
        code = RejectCode.CANISTER_ERROR if method in may else RejectCode.CANISTER_REJECT
        return refused(code, RejectReason.NOT_AUTHORIZED)
    return None


def request_rejection(instance: SubnetInstance, request_id: RequestId, code: int) -> NotTaken | None:
    """Rejects a request that is not started."""
    if request_id not in instance.ingress or not isinstance(instance.ingress[request_id].status, Received):
        return NotTaken("the request is not one that waits to be started")
    if code not in (RejectCode.SYS_FATAL, RejectCode.SYS_TRANSIENT):
        return NotTaken("the system rejects requests with SYS_FATAL or SYS_TRANSIENT")
    _answer(instance, request_id, system_reject(RejectCode(code), RejectReason.SYSTEM_OVERLOADED))
    return None


def initiate_call(instance: SubnetInstance, request_id: RequestId) -> NotTaken | None:
    """Starts a request: its call enters in front of all messages."""
    if request_id not in instance.ingress or not isinstance(instance.ingress[request_id].status, Received):
        return NotTaken("the request is not one that waits to be started")
    if instance.system_time > instance.ingress[request_id].request.ingress_expiry:
        return NotTaken("the request has expired")
    start(instance, request_id)
    return None


def start(instance: SubnetInstance, request_id: RequestId) -> None:
    """Starts a request that waits and has not expired."""
    request = note_start(instance, request_id)
    instance.messages.prepend(
        CallMessage(
            FromUser(request_id),
            caller_of(request),
            request.canister_id,
            request.method_name,
            request.argument,
            0,
            UNORDERED,
        )
    )


def note_start(instance: SubnetInstance, request_id: RequestId) -> Request:
    """The request, which is the result, is under way."""
    if instance.recorder.explains:
        instance.recorder.status(request_id, PROCESSING)
    return instance.ingress.change(request_id, PROCESSING).request


def _answer(instance: SubnetInstance, request_id: RequestId, response: Reply | Reject) -> None:
    status = Replied(response.data) if isinstance(response, Reply) else Rejected(response)
    instance.ingress.change(request_id, status)
    if instance.recorder.explains:
        instance.recorder.status(request_id, status)


def respond_to_user(instance: SubnetInstance, message_id: int) -> NotTaken | None:
    """Takes the response to a user's call as the answer to the request."""
    message = instance.messages.get(message_id)
    if not isinstance(message, ResponseMessage) or not isinstance(message.origin, FromUser):
        return NotTaken("the message is not a response to a user")
    answer_user(instance, message_id)
    return None


def answer_user(instance: SubnetInstance, message_id: int) -> None:
    """Takes a response to a user as the answer to the request."""
    request_id, message = instance.messages.take_user_response(message_id)
    assert message.refunded_cycles == 0, "users send no cycles"
    _answer(instance, request_id, message.response)


def request_done(instance: SubnetInstance, request_id: RequestId) -> NotTaken | None:
    """Drops the answer to a request and keeps only that there was one."""
    if request_id not in instance.ingress or not isinstance(instance.ingress[request_id].status, Replied | Rejected):
        return NotTaken("the request is not answered")
    instance.ingress.change(request_id, Done())
    instance.recorder.status(request_id, Done())
    return None


def request_deletion(instance: SubnetInstance, request_id: RequestId) -> NotTaken | None:
    """Forgets an answered request after it expired."""
    known = instance.ingress.get(request_id)
    if known is None or not isinstance(known.status, Replied | Rejected | Done):
        return NotTaken("the request is not answered")
    if known.request.ingress_expiry >= instance.system_time:
        return NotTaken("the request has not expired")
    instance.ingress.forget(request_id)
    instance.recorder.status(request_id, None)
    return None
