"""Conditions that several rules state."""

from attrs import evolve

from spec.state.call_context import CallContext
from spec.state.canister import Canister, Stopping
from spec.state.message import CallMessage, FuncMessage, Message, QueueName, ResponseMessage, Unordered
from spec.state.origin import Expired, FromCanister, NoDeadline
from spec.state.state import State
from spec.transition import Step, require, require_kind
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, CallContextId, CanisterId, MessageId
from spec.values.rejects import RejectCode, RejectReason, Response


def existing_message(state: State, message_id: MessageId) -> Message:
    """The message with this id."""
    require(message_id in state.messages, "the message exists")
    return state.messages[message_id]


def call_message(state: State, message_id: MessageId) -> CallMessage:
    """The call under this id."""
    message = existing_message(state, message_id)
    return require_kind(message, CallMessage, "the message is a call")


def func_message(state: State, message_id: MessageId) -> FuncMessage:
    """The function about to run under this id."""
    message = existing_message(state, message_id)
    return require_kind(message, FuncMessage, "the message is a function about to run")


@defines("inv.order.responses-unordered", "unspec.order.responses")
def response_message(state: State, message_id: MessageId) -> ResponseMessage:
    """The response under this id."""
    message = existing_message(state, message_id)
    return require_kind(message, ResponseMessage, "the message is a response")


@defines("def.message-eligibility", "inv.prop-03-fifo-per-pair", "seed2.queue-order")
def is_eligible(state: State, message_id: MessageId, queue: QueueName) -> bool:
    """No older call or function is in the same queue. Source: abstract-behavior, message eligibility."""
    return isinstance(queue, Unordered) or state.messages.none_older(
        message_id, lambda older: isinstance(older, CallMessage | FuncMessage) and older.queue == queue
    )


def eligible_call(state: State, message_id: MessageId) -> CallMessage:
    """The call under this id, which no older one of its queue holds up."""
    call = call_message(state, message_id)
    require(is_eligible(state, message_id, call.queue), "no older call of the same queue waits")
    return call


def eligible_canister_call(state: State, message_id: MessageId) -> CallMessage:
    """An eligible call to a canister other than the management canister."""
    call = eligible_call(state, message_id)
    require(call.callee != MANAGEMENT_CANISTER, "the callee is not the management canister")
    return call


def existing_canister(state: State, canister_id: CanisterId) -> Canister:
    """The canister with this id."""
    require(canister_id in state.canisters, "the canister exists", RejectReason.CANISTER_NOT_FOUND)
    return state.canisters[canister_id]


def require_stopping(canister: Canister) -> Stopping:
    """The status of a canister, which must be stopping."""
    return require_kind(canister.status, Stopping, "the canister is stopping")


@defines("inv.sys-unknown-only-bounded-wait")
def waits_with_bound(call: CallMessage) -> bool:
    """The maker of the call set a time-out."""
    return isinstance(call.origin, FromCanister) and not isinstance(call.origin.deadline, NoDeadline)


def require_admitted_code(call: CallMessage, code: RejectCode) -> None:
    """States that a rejection whose code the text leaves open may bear this one."""
    require(
        code != RejectCode.SYS_UNKNOWN or waits_with_bound(call),
        "only the caller of a bounded-wait call may see SYS_UNKNOWN",
    )


def existing_context(state: State, context_id: CallContextId) -> CallContext:
    """The call context with this id."""
    require(context_id in state.call_contexts, "the call context exists")
    return state.call_contexts[context_id]


def require_fresh_context_id(state: State, context_id: CallContextId) -> None:
    """States that no call context has this id."""
    require(context_id not in state.call_contexts, "the call context id is fresh")


def waits_for(origin: object, context_id: CallContextId) -> bool:
    """A response to this origin would be handled in this call context."""
    return (
        isinstance(origin, FromCanister)
        and not isinstance(origin.deadline, Expired)
        and origin.calling_context == context_id
    )


def answer(state: State, message_id: MessageId, response: Response) -> Step:
    """The step that answers a call which was not started, and refunds all cycles sent with it."""
    call = call_message(state, message_id)
    return Step(answered(state, message_id, call, response))


def answered(state: State, message_id: MessageId, call: CallMessage, response: Response) -> State:
    """The state in which a call is consumed and its response is on the way, with all cycles sent with it."""
    return evolve(
        state,
        messages=state.messages.remove(message_id).append(
            ResponseMessage(call.origin, response, call.transferred_cycles)
        ),
    )
