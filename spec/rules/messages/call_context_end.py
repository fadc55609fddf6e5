"""Call contexts end: by starvation, or because nothing refers to them any more."""

from attrs import evolve

from spec.rules.conditions import existing_context, waits_for
from spec.state.call_context import CallContext
from spec.state.canister import Canister, Stopping
from spec.state.message import CallMessage, ResponseMessage
from spec.state.state import State
from spec.transition import Step, require, transition
from spec.values.checklist import defines
from spec.values.identifiers import CallContextId
from spec.values.rejects import Reject, RejectCode, RejectReason, system_reject


@transition(title="Call context starvation", source="abstract-behavior#rule-starvation")
@defines("inv.reject-does-not-undo", "unspec.spont.starvation-and-removal")
def call_context_starvation(state: State, *, context_id: CallContextId) -> Step:
    """
    A call context that still owes a response, and can no longer get one, is answered with a reject.

    The cycles left in the context go back to the caller.
    """
    # CONDITIONS
    context = existing_context(state, context_id)
    require(context.needs_to_respond, "the call context still owes a response")
    require(no_response_can_come(state, context_id), "no call, response, context or stop call refers to it")

    # STATE AFTER
    return Step(
        evolve(
            state,
            call_contexts=state.call_contexts.set(
                context_id, evolve(context, needs_to_respond=False, available_cycles=0)
            ),
            messages=state.messages.append(
                ResponseMessage(context.origin, reject_of(context), context.available_cycles)
            ),
        )
    )


@transition(title="Call context removal", source="abstract-behavior#call-context-removal")
@defines("unspec.spont.starvation-and-removal")
def call_context_removal(state: State, *, context_id: CallContextId) -> Step:
    """A call context that was answered and to which nothing refers is forgotten."""
    # CONDITIONS
    context = existing_context(state, context_id)
    require(not context.needs_to_respond, "the call context owes no response")
    require(no_response_can_come(state, context_id), "no call, response, context or stop call refers to it")

    # STATE AFTER
    return Step(evolve(state, call_contexts=state.call_contexts.remove(context_id)))


def no_response_can_come(state: State, context_id: CallContextId) -> bool:
    """
    Nothing that could still be handled in this call context is on its way.

    Source: abstract-behavior, call context starvation and removal: the absence of unexpired references.
    """
    return (
        state.messages.none(
            lambda message: isinstance(message, CallMessage | ResponseMessage) and waits_for(message.origin, context_id)
        )
        and state.call_contexts.none(lambda _, other: other.needs_to_respond and waits_for(other.origin, context_id))
        and state.canisters.none(lambda _, canister: has_stop_call_of(canister, context_id))
    )


def has_stop_call_of(canister: Canister, context_id: CallContextId) -> bool:
    """A stop call made in this call context waits at the canister."""
    return isinstance(canister.status, Stopping) and not canister.status.stop_calls.none(
        lambda call: waits_for(call.origin, context_id)
    )


@defines("unspec.value.reject-messages")
def reject_of(context: CallContext) -> Reject:
    """The reject that a starved call context is answered with: it names the latest failure."""
    failure = context.last_failure
    if failure is None:
        return system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_DID_NOT_RESPOND)
    return system_reject(RejectCode.CANISTER_ERROR, failure.reason, failure.message)
