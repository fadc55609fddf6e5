"""Message execution: code of a canister runs, and its effects are kept or dropped as a whole."""

from attrs import evolve

from spec.canister.outcome import Returned
from spec.rules.conditions import existing_canister, existing_context, func_message, is_eligible
from spec.rules.messages.budgets import is_response
from spec.rules.messages.effects import messages_of, with_answered_context, with_effects, with_logs
from spec.rules.messages.low_memory_hook import with_hook_status
from spec.rules.messages.outcomes import outcome_of
from spec.rules.messages.settlement import Settlement, failure_of, failure_of_trap, is_query, settle
from spec.rules.modules import code_of
from spec.state.call_context import CallContext, FailedExecution
from spec.state.canister import Canister, HookStatus
from spec.state.message import FuncMessage
from spec.state.state import State
from spec.transition import Burned, BurnReason, Executed, Step, require, transition
from spec.values.checklist import defines
from spec.values.identifiers import MessageId
from spec.values.quantities import credited


@transition(title="Message execution", source="abstract-behavior#rule-message-execution", completes_execution=True)
@defines("inv.prop-05-trap-rolls-back", "inv.atomic.entry-point", "entry.trap-discards")
def message_execution(state: State, *, message_id: MessageId) -> Step:
    """
    A canister runs a method, a callback or a system task.

    If it returns and keeps within its bounds, everything that it did takes effect at once; otherwise nothing does, and
    only the cycles for the execution are charged.
    """
    # CONDITIONS
    message = func_message(state, message_id)
    require(is_eligible(state, message_id, message.queue), "no older call of the same queue waits")
    canister = existing_canister(state, message.receiver)
    code = code_of(canister)
    context = existing_context(state, message.call_context)
    require(
        canister.low_memory_hook != HookStatus.READY or is_response(message.entry_point),
        "the low-memory hook is not due, or this is a callback",
    )
    outcome = outcome_of(state, canister, code, message, context)
    settlement = settle(state, canister, message, outcome)
    failure = failure_of(state.profile, canister, message, context, outcome, settlement)

    # STATE AFTER
    if isinstance(outcome, Returned) and failure is None:
        return committed(state, message_id, message, canister, context, outcome, settlement)
    assert failure is not None, "an execution that did not return failed"
    used = min(settlement.cycles_used, message.reserved_cycles)
    refund = credited(canister.balance, message.reserved_cycles - used)
    charged = evolve(with_logs(canister, outcome.logs), balance=refund.total)
    return Step(
        evolve(
            state,
            messages=state.messages.remove(message_id),
            canisters=state.canisters.set(message.receiver, charged),
            call_contexts=state.call_contexts.set(
                message.call_context,
                evolve(
                    context,
                    last_failure=failure,
                    instructions_used=context.instructions_used + outcome.instructions_used,
                ),
            ),
        ),
        outputs=(Executed(message.receiver, outcome.instructions_used, failure),),
        burned=(Burned(used, BurnReason.EXECUTION), Burned(refund.lost, BurnReason.LOST)),
    )


def committed(
    state: State,
    message_id: MessageId,
    message: FuncMessage,
    canister: Canister,
    context: CallContext,
    outcome: Returned,
    settlement: Settlement,
) -> Step:
    """The step in which everything that the execution did takes effect."""
    raised = 0 if is_query(state.profile, canister, message.entry_point) else 1
    after = with_effects(canister, outcome, settlement, canister.version + raised)
    return Step(
        evolve(
            state,
            messages=messages_of(state, message_id, message, canister, context, outcome),
            canisters=state.canisters.set(message.receiver, with_hook_status(state.profile, after)),
            call_contexts=state.call_contexts.set(message.call_context, with_answered_context(context, outcome)),
        ),
        outputs=(Executed(message.receiver, outcome.instructions_used, cleaned_up_failure(outcome)),),
        burned=(
            Burned(settlement.cycles_used, BurnReason.EXECUTION),
            Burned(settlement.fees, BurnReason.TRANSMISSION),
            Burned(outcome.cycles_burned, BurnReason.REQUESTED),
            Burned(settlement.lost, BurnReason.LOST),
        ),
    )


def cleaned_up_failure(outcome: Returned) -> FailedExecution | None:
    """Why the callback failed after which the cleanup returned."""
    return None if outcome.cleaned_up_after is None else failure_of_trap(outcome.cleaned_up_after)
