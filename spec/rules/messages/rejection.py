"""Calls that are rejected before they start."""

from attrs import evolve

from spec.rules.conditions import (
    answer,
    call_message,
    eligible_canister_call,
    existing_canister,
    require_admitted_code,
)
from spec.rules.messages.budgets import cycles_set_aside_for_call
from spec.rules.resources import liquid_balance
from spec.state.canister import Code, Empty, Running, Stopping
from spec.state.message import ResponseMessage
from spec.state.origin import FromCanister
from spec.state.state import State
from spec.transition import Step, require, transition
from spec.values.checklist import defines
from spec.values.identifiers import MessageId
from spec.values.rejects import RejectCode, RejectReason, system_reject


@transition(title="Calls to missing canisters are rejected", source="ours#call-to-missing-canister")
@defines("error.canister-not-found", "unspec.error.nonexistent-canister")
def reject_call_to_missing_canister(
    state: State, *, message_id: MessageId, code: RejectCode = RejectCode.DESTINATION_INVALID
) -> Step:
    """A call to a canister that does not exist is rejected."""
    # CONDITIONS
    call = eligible_canister_call(state, message_id)
    require(call.callee not in state.canisters, "the callee does not exist")
    require_admitted_code(call, code)

    # STATE AFTER
    return answer(state, message_id, system_reject(code, RejectReason.CANISTER_NOT_FOUND))


@transition(title="Calls to empty canisters are rejected", source="ours#call-to-empty-canister")
@defines("error.wasm-module-not-found", "unspec.error.empty-canister")
def reject_call_to_empty_canister(
    state: State, *, message_id: MessageId, code: RejectCode = RejectCode.CANISTER_ERROR
) -> Step:
    """A call to a canister without code is rejected."""
    # CONDITIONS
    call = eligible_canister_call(state, message_id)
    callee = existing_canister(state, call.callee)
    require(isinstance(callee.code, Empty), "the callee has no code")
    require_admitted_code(call, code)

    # STATE AFTER
    return answer(state, message_id, system_reject(code, RejectReason.CANISTER_HAS_NO_CODE))


@transition(
    title="Calls to stopped/stopping canisters are rejected",
    source="abstract-behavior#calls-to-stoppedstopping-canisters-are-rejected",
)
@defines("inv.stopping-processes-responses", "unspec.order.overlapping-rejections")
def reject_call_to_stopped_canister(state: State, *, message_id: MessageId) -> Step:
    """A call to a canister which is stopping, or stopped, is rejected."""
    # CONDITIONS
    call = eligible_canister_call(state, message_id)
    callee = existing_canister(state, call.callee)
    require(isinstance(callee.code, Code), "the callee has code")
    require(not isinstance(callee.status, Running), "the callee is stopping or stopped")
    reason = RejectReason.CANISTER_STOPPING if isinstance(callee.status, Stopping) else RejectReason.CANISTER_STOPPED

    # STATE AFTER
    return answer(state, message_id, system_reject(RejectCode.CANISTER_ERROR, reason))


@transition(
    title="Calls to frozen canisters are rejected",
    source="abstract-behavior#calls-to-frozen-canisters-are-rejected",
)
@defines("inv.cycles.frozen-no-new-work", "unspec.order.overlapping-rejections", "seed2.freezing-threshold")
def reject_call_to_frozen_canister(state: State, *, message_id: MessageId) -> Step:
    """A call to a canister whose liquid balance is negative is rejected."""
    # CONDITIONS
    call = eligible_canister_call(state, message_id)
    callee = existing_canister(state, call.callee)
    require(isinstance(callee.code, Code), "the callee has code")
    require(liquid_balance(state.profile, callee) < 0, "the callee is frozen")

    # STATE AFTER
    return answer(state, message_id, system_reject(RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN))


@transition(
    title="Calls with insufficient cycles are rejected",
    source="abstract-behavior#calls-with-insufficient-cycles-are-rejected",
)
@defines("unspec.order.overlapping-rejections", "setting.minimum-incoming-canister-call-cycles")
def reject_call_with_insufficient_cycles(state: State, *, message_id: MessageId) -> Step:
    """A call of another canister with fewer cycles attached than the callee asks for is rejected."""
    # CONDITIONS
    call = eligible_canister_call(state, message_id)
    callee = existing_canister(state, call.callee)
    require(isinstance(call.origin, FromCanister), "the call was made by a canister")
    require(call.caller.principal != call.callee, "the caller is another canister")
    require(
        call.transferred_cycles < callee.settings.minimum_incoming_canister_call_cycles,
        "fewer cycles are attached than the callee asks for",
    )

    # STATE AFTER
    return answer(
        state, message_id, system_reject(RejectCode.CANISTER_ERROR, RejectReason.INSUFFICIENT_CYCLES_ATTACHED)
    )


@transition(title="Calls to canisters out of cycles are rejected", source="ours#call-to-canister-out-of-cycles")
@defines("unspec.error.low-liquid-balance")
def reject_call_to_canister_out_of_cycles(
    state: State, *, message_id: MessageId, code: RejectCode = RejectCode.SYS_TRANSIENT
) -> Step:
    """A call to a canister that cannot set aside the cycles for executing it is rejected."""
    # CONDITIONS
    call = eligible_canister_call(state, message_id)
    callee = existing_canister(state, call.callee)
    require(isinstance(callee.code, Code), "the callee has code")
    require(isinstance(callee.status, Running), "the callee is running")
    liquid = liquid_balance(state.profile, callee)
    require(liquid >= 0, "the callee is not frozen")
    require(
        liquid < cycles_set_aside_for_call(state.profile, callee, call.method_name),
        "the callee cannot set aside the cycles for the execution",
    )
    require_admitted_code(call, code)

    # STATE AFTER
    return answer(state, message_id, system_reject(code, RejectReason.CANISTER_OUT_OF_CYCLES))


@transition(title="Spontaneous call rejection", source="abstract-behavior#request-rejection")
@defines(
    "rule.spontaneous-call-rejection",
    "unspec.spont.call-rejection",
    "unspec.error.capacity",
    "error.install-rate-limited",
    "error.subnet-compute-oversubscribed",
    "error.subnet-memory-oversubscribed",
    "error.subnet-custom-section-oversubscribed",
    "error.subnet-out-of-ids",
    "error.subnet-max-canisters",
    "error.snapshot-heap-delta",
    "error.snapshot-long-execution",
    "error.delete-queue-not-empty",
)
def spontaneous_call_rejection(state: State, *, message_id: MessageId, code: RejectCode) -> Step:
    """The system can reject any call that was not started, for instance because it is overloaded."""
    # CONDITIONS
    call = call_message(state, message_id)
    require_admitted_code(call, code)

    # STATE AFTER
    return Step(
        evolve(
            state,
            messages=state.messages.remove(message_id).append(
                ResponseMessage(
                    call.origin, system_reject(code, RejectReason.SYSTEM_OVERLOADED), call.transferred_cycles
                )
            ),
        )
    )
