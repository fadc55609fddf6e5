"""Calls and responses: what becomes of each, up to the function that handles it."""

from collections.abc import Callable, Mapping

from attrs import evolve

from reference_impl.messages.pending_function import PendingFunction, about_to_run, method_start
from reference_impl.messages.requests import UNORDERED, stopped_reason
from reference_impl.subnet.call_contexts import OpenContext
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.observations import NotTaken
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.canister import HookStatus, Running
from spec.state.message import (
    CallbackInvocation,
    CallMessage,
    PublicMethod,
    QueueName,
    ResponseMessage,
)
from spec.state.origin import Deadline, Expired, FromCanister
from spec.values.identifiers import MANAGEMENT_CANISTER, CallContextId, MethodName
from spec.values.quantities import Cycles
from spec.values.rejects import Reject, RejectCode, RejectReason, system_reject

NO_SUCH_CALL = NotTaken("the message is not a call that may be taken")


def waiting_call(instance: SubnetInstance, message_id: int) -> CallMessage | None:
    """The call with this id, if no older one of the same sender to the same receiver waits."""
    message = instance.messages.get(message_id)
    if isinstance(message, CallMessage) and instance.messages.is_eligible(message_id):
        return message
    return None


def _call_to_canister(instance: SubnetInstance, message_id: int) -> CallMessage | None:
    message = waiting_call(instance, message_id)
    return None if message is None or message.callee == MANAGEMENT_CANISTER else message


def answer_call(instance: SubnetInstance, message_id: int, code: RejectCode, reason: RejectReason) -> None:
    """Takes a call out and rejects it; all its cycles go back."""
    message = instance.messages.remove(message_id)
    assert isinstance(message, CallMessage)
    reject = system_reject(code, reason)
    instance.messages.append(ResponseMessage(message.origin, reject, message.transferred_cycles))


def cost_of_start(instance: SubnetInstance, canister: CanisterRecord, method_name: str | None) -> Cycles:
    """What is set aside before a method, or a system task if None, of a canister with code runs."""
    assert canister.code is not None
    if method_name is not None:
        return method_start(instance, canister, method_name).price
    return instance.price_of_execution(canister, instance.profile.limits.message_instructions)


def brings_too_few_cycles(canister: CanisterRecord, message: CallMessage) -> bool:
    """The call of another canister brings fewer cycles than the canister demands."""
    minimum = canister.settings.minimum_incoming_canister_call_cycles
    if message.transferred_cycles >= minimum:
        return False
    return isinstance(message.origin, FromCanister) and message.caller.principal != message.callee


def code_fault(message: CallMessage, code: int) -> NotTaken | None:
    """Why a rejection of the call whose code the engine may choose cannot bear this one."""
    if code not in tuple(RejectCode):
        return NotTaken("there is no such reject code")
    if code == RejectCode.SYS_UNKNOWN and not _waits_with_bound(message):
        return NotTaken("SYS_UNKNOWN is for callers that wait with a bound")
    return None


def _reject_with(instance: SubnetInstance, message_id: int, code: int, reason: RejectReason) -> NotTaken | None:
    message = instance.messages[message_id]
    assert isinstance(message, CallMessage)
    fault = code_fault(message, code)
    if fault is None:
        answer_call(instance, message_id, RejectCode(code), reason)
    return fault


def reject_call_to_missing_canister(instance: SubnetInstance, message_id: int, code: int) -> NotTaken | None:
    """Rejects a call to a canister that does not exist."""
    message = _call_to_canister(instance, message_id)
    if message is None or message.callee in instance.canisters:
        return NO_SUCH_CALL
    return _reject_with(instance, message_id, code, RejectReason.CANISTER_NOT_FOUND)


def reject_call_to_empty_canister(instance: SubnetInstance, message_id: int, code: int) -> NotTaken | None:
    """Rejects a call to a canister without code."""
    message = _call_to_canister(instance, message_id)
    canister = None if message is None else instance.canisters.get(message.callee)
    if canister is None or canister.code is not None:
        return NO_SUCH_CALL
    return _reject_with(instance, message_id, code, RejectReason.CANISTER_HAS_NO_CODE)


def _callee_with_code(instance: SubnetInstance, message_id: int) -> tuple[CallMessage, CanisterRecord] | None:
    message = _call_to_canister(instance, message_id)
    if message is None:
        return None
    canister = instance.canisters.get(message.callee)
    if canister is None or canister.code is None:
        return None
    return message, canister


def reject_call_to_stopped_canister(instance: SubnetInstance, message_id: int) -> NotTaken | None:
    """Rejects a call to a canister that is stopping or stopped."""
    found = _callee_with_code(instance, message_id)
    if found is None or isinstance(found[1].status, Running):
        return NO_SUCH_CALL
    answer_call(instance, message_id, RejectCode.CANISTER_ERROR, stopped_reason(found[1]))
    return None


def reject_call_to_frozen_canister(instance: SubnetInstance, message_id: int) -> NotTaken | None:
    """Rejects a call to a frozen canister."""
    found = _callee_with_code(instance, message_id)
    if found is None or instance.liquid(found[1]) >= 0:
        return NO_SUCH_CALL
    answer_call(instance, message_id, RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN)
    return None


def reject_call_with_insufficient_cycles(instance: SubnetInstance, message_id: int) -> NotTaken | None:
    """Rejects a call that brings fewer cycles than the canister demands, with or without code."""
    message = _call_to_canister(instance, message_id)
    canister = None if message is None else instance.canisters.get(message.callee)
    if message is None or canister is None or not brings_too_few_cycles(canister, message):
        return NO_SUCH_CALL
    answer_call(instance, message_id, RejectCode.CANISTER_ERROR, RejectReason.INSUFFICIENT_CYCLES_ATTACHED)
    return None


def reject_call_to_canister_out_of_cycles(instance: SubnetInstance, message_id: int, code: int) -> NotTaken | None:
    """Rejects a call that a running canister cannot set enough aside for, though it is not frozen."""
    found = _callee_with_code(instance, message_id)
    if found is None:
        return NO_SUCH_CALL
    message, canister = found
    if not isinstance(canister.status, Running):
        return NO_SUCH_CALL
    if not 0 <= instance.liquid(canister) < cost_of_start(instance, canister, message.method_name):
        return NO_SUCH_CALL
    return _reject_with(instance, message_id, code, RejectReason.CANISTER_OUT_OF_CYCLES)


OPEN_CODES: Mapping[str, RejectCode] = {
    "reject_call_to_missing_canister": RejectCode.DESTINATION_INVALID,
    "reject_call_to_empty_canister": RejectCode.CANISTER_ERROR,
    "reject_call_to_canister_out_of_cycles": RejectCode.SYS_TRANSIENT,
}
"""The rejections whose code may be any, with the one that the engine gives. Source: production's error codes."""


REJECTIONS: tuple[tuple[str, Callable[..., NotTaken | None]], ...] = (
    ("reject_call_to_missing_canister", reject_call_to_missing_canister),
    ("reject_call_to_empty_canister", reject_call_to_empty_canister),
    ("reject_call_to_stopped_canister", reject_call_to_stopped_canister),
    ("reject_call_to_frozen_canister", reject_call_to_frozen_canister),
    ("reject_call_with_insufficient_cycles", reject_call_with_insufficient_cycles),
    ("reject_call_to_canister_out_of_cycles", reject_call_to_canister_out_of_cycles),
)
"""The rejections of calls to canisters, in the order in which they are tried."""


def applicable_rejection(instance: SubnetInstance, message_id: int) -> str | None:
    """The first rejection that fits an eligible call to a canister; None if the call may start."""
    message = instance.messages[message_id]
    assert isinstance(message, CallMessage)
    return rejection_of(instance, message)


def rejection_of(instance: SubnetInstance, message: CallMessage) -> str | None:
    """The same of a call in hand."""
    canister = instance.canisters.get(message.callee)
    if canister is None:
        return "reject_call_to_missing_canister"
    return rejection_by(instance, canister, message.method_name, brings_too_few_cycles(canister, message))


def rejection_by(
    instance: SubnetInstance, canister: CanisterRecord, method_name: MethodName, has_too_few_cycles: bool = False
) -> str | None:
    """The first rejection that fits a call to a canister, which may bring fewer cycles than that demands."""
    if canister.code is None:
        return "reject_call_to_empty_canister"
    if not isinstance(canister.status, Running):
        return "reject_call_to_stopped_canister"
    liquid = instance.liquid(canister)
    if liquid < 0:
        return "reject_call_to_frozen_canister"
    if has_too_few_cycles:
        return "reject_call_with_insufficient_cycles"
    if liquid < method_start(instance, canister, method_name).price:
        return "reject_call_to_canister_out_of_cycles"
    return None


def spontaneous_call_rejection(instance: SubnetInstance, message_id: int, code: int) -> NotTaken | None:
    """Rejects any call, as the system may at any time."""
    message = instance.messages.get(message_id)
    if not isinstance(message, CallMessage):
        return NotTaken("the message is not a call")
    return _reject_with(instance, message_id, code, RejectReason.SYSTEM_OVERLOADED)


def _waits_with_bound(message: CallMessage) -> bool:
    return isinstance(message.origin, FromCanister) and isinstance(message.origin.deadline, Deadline | Expired)


def call_context_creation(instance: SubnetInstance, message_id: int, context_id: CallContextId) -> NotTaken | None:
    """Opens a call context for a call; the function that handles it is pending then."""
    message = _call_to_canister(instance, message_id)
    if message is None:
        return NO_SUCH_CALL
    if context_id in instance.contexts:
        return NotTaken("the call context id is taken")
    rejection = applicable_rejection(instance, message_id)
    if rejection is not None:
        return NotTaken(f"the call is rejected: {rejection}")
    canister = instance.canisters[message.callee]
    if canister.low_memory_hook is HookStatus.READY:
        return NotTaken("the low-memory hook runs first")
    instance.messages.start(message_id, begin_call(instance, message, context_id).message())
    return None


def begin_call(instance: SubnetInstance, message: CallMessage, context_id: CallContextId) -> PendingFunction:
    """Opens a call context for a call that may be taken; the result is the function that handles it."""
    return begin_method(
        instance,
        instance.canisters[message.callee],
        context_id,
        OpenContext(
            message.callee, message.origin, message.caller, needs_to_respond=True, cycles=message.transferred_cycles
        ),
        PublicMethod(message.method_name, message.argument),
        message.queue,
    )


def begin_method(
    instance: SubnetInstance,
    canister: CanisterRecord,
    context_id: CallContextId,
    context: OpenContext,
    method: PublicMethod,
    queue: QueueName,
) -> PendingFunction:
    """Opens a context for a call that may be taken; the result is the method that handles it."""
    code = canister.code
    assert code is not None, "a canister without code takes no call"
    start = method_start(instance, canister, method.method_name)
    canister.balance -= start.price
    instance.contexts.open(context_id, context)
    return about_to_run(
        instance, canister, code, context_id, context, method, context.caller, queue, start.price, start
    )


def _response_to_canister(instance: SubnetInstance, message_id: int) -> tuple[ResponseMessage, FromCanister] | None:
    message = instance.messages.get(message_id)
    if not isinstance(message, ResponseMessage) or not isinstance(message.origin, FromCanister):
        return None
    return None if isinstance(message.origin.deadline, Expired) else (message, message.origin)


def callback_invocation(
    instance: SubnetInstance, message_id: int, reject_message: str | None = None
) -> NotTaken | None:
    """
    Hands a response to the canister that made the call; its callback is pending then.

    What the system says where it rejects may be said in other words, if some are given.
    """
    begun = begin_callback(instance, message_id, reject_message)
    if isinstance(begun, NotTaken):
        return begun
    instance.messages.start(message_id, begun.message())
    return None


def begin_callback(
    instance: SubnetInstance, message_id: int, reject_message: str | None = None
) -> PendingFunction | NotTaken:
    """Hands a response to the canister that made the call; the result is its callback."""
    found = _response_to_canister(instance, message_id)
    if found is None or instance.contexts[found[1].calling_context].deleted:
        return NotTaken("the message is not a response to a call context that is alive")
    message, origin = found
    response = message.response
    if reject_message is not None:
        if not isinstance(response, Reject) or response.reason is RejectReason.EXPLICIT:
            return NotTaken("no reject of the system is handed over, which other words could stand for")
        response = evolve(response, message=reject_message)
    context_id = origin.calling_context
    context = instance.contexts[context_id]
    canister = instance.canisters[context.canister]
    code = canister.code
    assert code is not None, "a context that is alive belongs to code"
    if message.refunded_cycles:
        instance.credit(canister, message.refunded_cycles)
    instance.contexts.call_answered(context_id)
    canister.call_answered(origin.callee)
    entry_point = CallbackInvocation(origin.callback, response, message.refunded_cycles)
    return about_to_run(
        instance,
        canister,
        code,
        context_id,
        context,
        entry_point,
        context.caller,
        UNORDERED,
        origin.callback.reserved_cycles,
    )


def is_for_deleted_context(instance: SubnetInstance, message_id: int) -> bool:
    """The message is a response to a canister whose call context was deleted."""
    found = _response_to_canister(instance, message_id)
    return found is not None and instance.contexts[found[1].calling_context].deleted


def callback_of_deleted_context(instance: SubnetInstance, message_id: int) -> NotTaken | None:
    """Gives back the cycles of a response whose call context was deleted; no code runs."""
    found = _response_to_canister(instance, message_id)
    if found is None or not is_for_deleted_context(instance, message_id):
        return NotTaken("the message is not a response to a deleted call context")
    message, origin = found
    cycles = message.refunded_cycles + origin.callback.reserved_cycles
    canister = instance.canisters.get(instance.contexts[origin.calling_context].canister)
    if canister is None:
        # Reason: it has gone with its whole subnet; otherwise canisters that wait for answers cannot be deleted.
        instance.lose(cycles)
    else:
        instance.credit(canister, cycles)
        canister.call_answered(origin.callee)
    instance.contexts.call_answered(origin.calling_context)
    instance.messages.remove(message_id)
    return None


def call_context_starvation(instance: SubnetInstance, context_id: CallContextId) -> NotTaken | None:
    """Rejects a call that can get no response any more."""
    if context_id not in instance.contexts or not instance.contexts.is_unreferenced(context_id):
        return NotTaken("the call context does not exist or waits for a response")
    context = instance.contexts[context_id]
    if not context.needs_to_respond:
        return NotTaken("the call context owes no response")
    failure = context.last_failure
    if failure is None:
        reject = system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_DID_NOT_RESPOND)
    else:
        reject = system_reject(RejectCode.CANISTER_ERROR, failure.reason, failure.message)
    instance.messages.append(ResponseMessage(context.origin, reject, context.available_cycles))
    instance.contexts.close(context)
    return None


def call_context_removal(instance: SubnetInstance, context_id: CallContextId) -> NotTaken | None:
    """Forgets a call context that owes nothing and waits for nothing."""
    if context_id not in instance.contexts or not instance.contexts.is_unreferenced(context_id):
        return NotTaken("the call context does not exist or waits for a response")
    if instance.contexts[context_id].needs_to_respond:
        return NotTaken("the call context owes a response")
    instance.contexts.remove(context_id)
    return None
