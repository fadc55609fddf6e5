"""Responses come back to the canister that made the call."""

from attrs import evolve

from spec.rules.conditions import existing_canister, existing_context, response_message
from spec.state.call_context import CallContext
from spec.state.canister import Canister
from spec.state.message import CallbackInvocation, FuncMessage, ResponseMessage, Unordered
from spec.state.origin import Expired, FromCanister
from spec.state.state import State
from spec.transition import Burned, BurnReason, Step, require, require_kind, transition
from spec.values.checklist import defines
from spec.values.identifiers import MessageId, Text
from spec.values.quantities import credited
from spec.values.rejects import Reject, RejectReason, Response


@transition(title="Callback invocation", source="abstract-behavior#callback-invocation")
@defines(
    "rule.callback-invocation.live-context",
    "inv.stopping-processes-responses",
    "inv.cycles.frozen-no-new-work",
    "unspec.value.reject-messages",
)
def callback_invocation(state: State, *, message_id: MessageId, reject_message: Text | None = None) -> Step:
    """
    A response to a call of a live call context is about to be handled; the refunded cycles are there already.

    The cycles that were set aside for handling it go with the message. A reject of the system may say anything:
    `reject_message`, if the label has it.
    """
    # CONDITIONS
    response, origin, context, canister = awaited_response(state, message_id)
    require(not context.deleted, "the call context is not deleted")
    require(
        reject_message is None or is_of_the_system(response.response), "only what the system says may be said otherwise"
    )
    refund = credited(canister.balance, response.refunded_cycles)
    told = response.response if reject_message is None else in_other_words(response.response, reject_message)

    # STATE AFTER
    return Step(
        evolve(
            state,
            messages=state.messages.replace(
                message_id,
                FuncMessage(
                    call_context=origin.calling_context,
                    caller=origin.caller_of_context,
                    receiver=context.canister,
                    entry_point=CallbackInvocation(origin.callback, told, response.refunded_cycles),
                    queue=Unordered(),
                    reserved_cycles=origin.callback.reserved_cycles,
                ),
            ),
            canisters=state.canisters.set(context.canister, evolve(canister, balance=refund.total)),
        ),
        burned=(Burned(refund.lost, BurnReason.LOST),),
    )


@transition(title="Callback invocation: deleted call context", source="abstract-behavior#callback-invocation")
@defines("rule.callback-invocation.deleted-context", "inv.empty-canister-response")
def callback_of_deleted_context(state: State, *, message_id: MessageId) -> Step:
    """A response to a call of a deleted call context runs no code; its cycles go to the canister."""
    # CONDITIONS
    response, origin, context, canister = awaited_response(state, message_id)
    require(context.deleted, "the call context is deleted")
    refund = credited(canister.balance, response.refunded_cycles + origin.callback.reserved_cycles)

    # STATE AFTER
    return Step(
        evolve(
            state,
            messages=state.messages.remove(message_id),
            canisters=state.canisters.set(context.canister, evolve(canister, balance=refund.total)),
        ),
        burned=(Burned(refund.lost, BurnReason.LOST),),
    )


def is_of_the_system(response: Response) -> bool:
    """The response is a reject that no canister made, whose text the interface specification leaves open."""
    return isinstance(response, Reject) and response.reason != RejectReason.EXPLICIT


def in_other_words(response: Response, reject_message: Text) -> Response:
    """The same reject with another text."""
    return evolve(response, message=reject_message) if isinstance(response, Reject) else response


def awaited_response(
    state: State, message_id: MessageId
) -> tuple[ResponseMessage, FromCanister, CallContext, Canister]:
    """A response that a canister awaits: the message, its origin, the calling context and its canister."""
    response = response_message(state, message_id)
    origin = require_kind(response.origin, FromCanister, "a canister made the call")
    require(not isinstance(origin.deadline, Expired), "the call has not expired")
    context = existing_context(state, origin.calling_context)
    return response, origin, context, existing_canister(state, context.canister)
