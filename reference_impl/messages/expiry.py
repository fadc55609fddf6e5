"""Bounded-wait calls: their makers are told that the outcome is unknown, and what comes later is dropped."""

from attrs import evolve

from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.observations import NotTaken, Purpose
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.canister import Stopping
from spec.state.message import CallMessage, Message, ResponseMessage
from spec.state.origin import CallOrigin, Deadline, Expired, FromCanister, NoDeadline
from spec.values.identifiers import CallContextId, CanisterId
from spec.values.quantities import Cycles, Nanoseconds
from spec.values.rejects import RejectCode, RejectReason, system_reject

NO_DEADLINE = NotTaken("nobody waits with a deadline there")


def deadline_of(origin: CallOrigin) -> Nanoseconds | None:
    """Until when the maker of a call waits, if it waits with a bound and was not told yet that it waits in vain."""
    match origin:
        case FromCanister(deadline=Deadline(time=time)):
            return time
        case _:
            return None


def _expire(instance: SubnetInstance, origin: CallOrigin) -> FromCanister:
    """Answers the call with SYS_UNKNOWN; the result is its origin from now on. It must have a deadline."""
    time = deadline_of(origin)
    assert isinstance(origin, FromCanister) and time is not None
    reject = system_reject(RejectCode.SYS_UNKNOWN, RejectReason.CALL_TIMED_OUT)
    # The answer takes the place of the call as what the calling context waits for, so its count stays.
    instance.messages.append(ResponseMessage(evolve(origin, deadline=NoDeadline()), reject, 0))
    return evolve(origin, deadline=Expired(time))


def call_expiry_of_message(instance: SubnetInstance, message_id: int) -> NotTaken | None:
    """Gives up on a call that was not started, or on a response that was not delivered."""
    message = instance.messages.get(message_id)
    if not isinstance(message, CallMessage | ResponseMessage) or deadline_of(message.origin) is None:
        return NO_DEADLINE
    instance.messages.replace(message_id, evolve(message, origin=_expire(instance, message.origin)))
    return None


def call_expiry_of_call_context(instance: SubnetInstance, context_id: CallContextId) -> NotTaken | None:
    """Gives up on a call that is being processed."""
    if context_id not in instance.contexts:
        return NO_DEADLINE
    context = instance.contexts[context_id]
    if not context.needs_to_respond or deadline_of(context.origin) is None:
        return NO_DEADLINE
    context.origin = _expire(instance, context.origin)
    return None


def call_expiry_of_stop_call(instance: SubnetInstance, canister_id: CanisterId, index: int) -> NotTaken | None:
    """Gives up on a call that waits for a canister to stop."""
    canister = instance.canisters.get(canister_id)
    if canister is None or not isinstance(canister.status, Stopping):
        return NO_DEADLINE
    calls = canister.status.stop_calls
    if not 0 <= index < len(calls):
        return NO_DEADLINE
    waiting = calls.items[index]
    if deadline_of(waiting.origin) is None:
        return NO_DEADLINE
    expired = evolve(waiting, origin=_expire(instance, waiting.origin))
    instance.set_status(canister, Stopping(calls.replace(index, expired)))
    return None


def is_expired(instance: SubnetInstance, message_id: int) -> bool:
    """The message is a call or a response that nobody waits for any more."""
    message = instance.messages.get(message_id)
    return (
        isinstance(message, CallMessage | ResponseMessage)
        and isinstance(message.origin, FromCanister)
        and isinstance(message.origin.deadline, Expired)
    )


def drop_expired_message(instance: SubnetInstance, message_id: int, refunds_cycles: bool) -> NotTaken | None:
    """Drops a call or a response that nobody waits for any more; its cycles are lost, or come back."""
    if not is_expired(instance, message_id):
        return NotTaken("the message is not one that nobody waits for")
    message = instance.messages.remove(message_id)
    maker = _maker(instance, message)
    if refunds_cycles and maker is not None:
        instance.credit(maker, _carried(message))
    else:
        instance.recorder.burned(_carried(message), Purpose.LOST)
    return None


def gives_cycles_back(instance: SubnetInstance, message_id: int) -> bool:
    """There are cycles in an expired message, and a canister to which they come back, as they do in production."""
    message = instance.messages[message_id]
    return _carried(message) > 0 and _maker(instance, message) is not None


def _carried(message: Message) -> Cycles:
    """The cycles in a call or a response."""
    if isinstance(message, CallMessage):
        return message.transferred_cycles
    return message.refunded_cycles if isinstance(message, ResponseMessage) else 0


def _maker(instance: SubnetInstance, message: Message) -> CanisterRecord | None:
    """The canister that made the call, if it still exists."""
    assert isinstance(message, CallMessage | ResponseMessage) and isinstance(message.origin, FromCanister)
    return instance.canisters.get(message.origin.maker)
