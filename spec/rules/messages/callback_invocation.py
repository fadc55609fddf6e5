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
from spec.values.identifiers import MessageId
from spec.values.quantities import credited


@transition(title="Callback invocation", source="abstract-behavior#callback-invocation")
@defines("rule.callback-invocation.live-context", "inv.stopping-processes-responses", "inv.cycles.frozen-no-new-work")
def callback_invocation(state: State, *, message_id: MessageId) -> Step:
    """
    A response to a call of a live call context is about to be handled; the refunded cycles are there already.

    The cycles that were set aside for handling it go with the message.
    """
    # CONDITIONS
    response, origin, context, canister = awaited_response(state, message_id)
    require(not context.deleted, "the call context is not deleted")
    refund = credited(canister.balance, response.refunded_cycles)

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
                    entry_point=CallbackInvocation(origin.callback, response.response, response.refunded_cycles),
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


def awaited_response(
    state: State, message_id: MessageId
) -> tuple[ResponseMessage, FromCanister, CallContext, Canister]:
    """A response that a canister awaits: the message, its origin, the calling context and its canister."""
    response = response_message(state, message_id)
    origin = require_kind(response.origin, FromCanister, "a canister made the call")
    require(not isinstance(origin.deadline, Expired), "the call has not expired")
    context = existing_context(state, origin.calling_context)
    return response, origin, context, existing_canister(state, context.canister)
