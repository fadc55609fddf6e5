"""Bounded-wait calls expire: the caller is told SYS_UNKNOWN, and what comes later is dropped."""

from attrs import evolve

from spec.rules.conditions import existing_canister, existing_context, existing_message, require_stopping
from spec.state.canister import Stopping
from spec.state.message import CallMessage, FuncMessage, Message, ResponseMessage
from spec.state.origin import CallOrigin, Deadline, Expired, FromCanister, NoDeadline
from spec.state.state import State
from spec.transition import Burned, BurnReason, Step, require, require_kind, transition
from spec.values.checklist import defines
from spec.values.identifiers import CallContextId, CanisterId, MessageId
from spec.values.quantities import Count, credited
from spec.values.rejects import RejectCode, RejectReason, system_reject


@transition(title="Call expiry: messages", source="abstract-behavior#call-expiry")
@defines("rule.call-expiry.message", "unspec.spont.call-expiry")
def call_expiry_of_message(state: State, *, message_id: MessageId) -> Step:
    """A bounded-wait call that is on its way, or whose response is, may expire at any time."""
    # CONDITIONS
    message = waiting_message(state, message_id)
    origin = expiring_origin(message.origin)

    # STATE AFTER
    return Step(
        evolve(
            state,
            messages=state.messages.replace(message_id, evolve(message, origin=expired(origin))).append(
                unknown_response(origin)
            ),
        )
    )


@transition(title="Call expiry: calls in progress", source="abstract-behavior#call-expiry")
@defines("rule.call-expiry.call-context", "unspec.spont.call-expiry")
def call_expiry_of_call_context(state: State, *, context_id: CallContextId) -> Step:
    """A bounded-wait call that the callee is processing may expire at any time; the callee goes on."""
    # CONDITIONS
    context = existing_context(state, context_id)
    origin = expiring_origin(context.origin)
    require(context.needs_to_respond, "the call context still owes a response")

    # STATE AFTER
    return Step(
        evolve(
            state,
            call_contexts=state.call_contexts.set(context_id, evolve(context, origin=expired(origin))),
            messages=state.messages.append(unknown_response(origin)),
        )
    )


@transition(title="Call expiry: stop calls", source="abstract-behavior#call-expiry")
@defines("rule.call-expiry.stop-canister", "unspec.spont.call-expiry")
def call_expiry_of_stop_call(state: State, *, canister_id: CanisterId, index: Count) -> Step:
    """A bounded-wait call that waits for a canister to stop may expire at any time."""
    # CONDITIONS
    canister = existing_canister(state, canister_id)
    status = require_stopping(canister)
    require(index >= 0 and index < len(status.stop_calls), "the call waits")
    call, _ = status.stop_calls.take(index)
    origin = expiring_origin(call.origin)
    waiting = status.stop_calls.replace(index, evolve(call, origin=expired(origin)))

    # STATE AFTER
    return Step(
        evolve(
            state,
            canisters=state.canisters.set(canister_id, evolve(canister, status=Stopping(waiting))),
            messages=state.messages.append(unknown_response(origin)),
        )
    )


@transition(title="Dropping expired messages", source="abstract-behavior#message-timeout")
@defines("unspec.spont.drop-expired")
def drop_expired_message(state: State, *, message_id: MessageId, refunds_cycles: bool = False) -> Step:
    """
    A message of a call that has expired may be dropped.

    The cycles that it carries are lost, or come back to the canister that made the call, if it still exists. Source of
    the choice: ours#refunds-of-expired-calls.
    """
    # CONDITIONS
    message = waiting_message(state, message_id)
    origin = require_kind(message.origin, FromCanister, "the call has expired")
    require(isinstance(origin.deadline, Expired), "the call has expired")
    carried = message.transferred_cycles if isinstance(message, CallMessage) else message.refunded_cycles
    dropped = evolve(state, messages=state.messages.remove(message_id))

    # STATE AFTER
    if not refunds_cycles or origin.maker not in state.canisters:
        return Step(dropped, burned=(Burned(carried, BurnReason.LOST),))
    maker = state.canisters[origin.maker]
    refund = credited(maker.balance, carried)
    return Step(
        evolve(dropped, canisters=state.canisters.set(origin.maker, evolve(maker, balance=refund.total))),
        burned=(Burned(refund.lost, BurnReason.LOST),),
    )


def waiting_message(state: State, message_id: MessageId) -> CallMessage | ResponseMessage:
    """The call or response under this id."""
    message = existing_message(state, message_id)
    require(not isinstance(message, FuncMessage), "the message is a call or a response")
    assert not isinstance(message, FuncMessage)
    return message


def expiring_origin(origin: CallOrigin) -> FromCanister:
    """The origin of a bounded-wait call that has not expired."""
    made = require_kind(origin, FromCanister, "a canister made the call")
    require(isinstance(made.deadline, Deadline), "the call has a deadline and has not expired")
    return made


def expired(origin: FromCanister) -> FromCanister:
    """The origin after its deadline has expired."""
    assert isinstance(origin.deadline, Deadline)
    return evolve(origin, deadline=Expired(origin.deadline.time))


@defines("inv.prop-09-bounded-wait-unknown", "inv.prop-11-bounded-wait-cycles", "inv.sys-unknown-only-bounded-wait")
def unknown_response(origin: FromCanister) -> Message:
    """What the caller of an expired call gets. What was set aside for handling the response comes with it."""
    return ResponseMessage(
        evolve(origin, deadline=NoDeadline()),
        system_reject(RejectCode.SYS_UNKNOWN, RejectReason.CALL_TIMED_OUT),
        refunded_cycles=0,
    )
