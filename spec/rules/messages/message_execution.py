"""Message execution: code of a canister runs, and its effects are kept or dropped as a whole."""

from attrs import evolve

from spec.canister.outcome import Outcome, Returned
from spec.rules.conditions import existing_canister, existing_context, func_message, is_eligible
from spec.rules.messages.budgets import is_response
from spec.rules.messages.effects import (
    entries_of_failure,
    may_be_recorded,
    messages_of,
    with_answered_context,
    with_effects,
    with_logs,
)
from spec.rules.messages.low_memory_hook import with_hook_status
from spec.rules.messages.outcomes import outcome_of
from spec.rules.messages.settlement import Settlement, failure_of, failure_of_trap, is_query, settle
from spec.state.call_context import CallContext, FailedExecution
from spec.state.canister import Canister, HookStatus
from spec.state.message import FuncMessage, Message
from spec.state.state import State
from spec.transition import Burned, BurnReason, Executed, Step, require, transition
from spec.values.checklist import defines
from spec.values.containers import Queue
from spec.values.identifiers import Blob, MessageId
from spec.values.quantities import Count, credited


@transition(title="Message execution", source="abstract-behavior#rule-message-execution", completes_execution=True)
@defines("inv.prop-05-trap-rolls-back", "inv.atomic.entry-point", "entry.trap-discards")
def message_execution(
    state: State,
    *,
    message_id: MessageId,
    refused_calls: tuple[Count, ...] = (),
    refused_growths: tuple[Count, ...] = (),
    trapping_growths: tuple[Count, ...] = (),
    deadlines_in_seconds: bool = False,
    system_records: tuple[Blob | None, ...] = (),
    keeps_logs: bool = True,
) -> Step:
    """
    A canister runs a method, a callback or a system task.

    If it returns and keeps within its bounds, everything that it did takes effect at once; otherwise nothing does, and
    only the cycles for the execution are charged.

    Source of the choices: ours#choices-of-executions. The system refuses some calls, lets some growths of memories
    fail, and ends the execution at others, all named by their numbers in this execution; counts time-outs from whole
    seconds; writes records of its own, one for each place at which it may, None where it does not; and keeps or drops
    what a failed execution wrote to the log.
    """
    # CONDITIONS
    message = func_message(state, message_id)
    require(is_eligible(state, message_id, message.queue), "no older call of the same queue waits")
    canister = existing_canister(state, message.receiver)
    context = existing_context(state, message.call_context)
    require(
        canister.low_memory_hook != HookStatus.READY or is_response(message.entry_point),
        "the low-memory hook is not due, or this is a callback",
    )
    outcome = outcome_of(state, canister, message, context, refused_calls, refused_growths, trapping_growths)
    settlement = settle(state, canister, message, outcome)
    failure = failure_of(state.profile, canister, message, context, outcome, settlement)
    entries = outcome.logs if failure is None else entries_of_failure(outcome, keeps_logs)
    require(may_be_recorded(entries, system_records), "the system writes where it may")
    logged = with_logs(canister, entries, system_records)

    # STATE AFTER
    if isinstance(outcome, Returned) and failure is None:
        messages = messages_of(state, message_id, message, canister, context, outcome, deadlines_in_seconds)
        return committed(state, message, messages, logged, context, outcome, settlement)
    assert failure is not None, "an execution that did not return failed"
    return rolled_back(state, message_id, message, logged, context, outcome, settlement, failure)


@defines("seed2.commit-on-success")
def committed(
    state: State,
    message: FuncMessage,
    messages: Queue[Message],
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
            messages=messages,
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


@defines("seed2.no-commit-on-failure", "seed2.failed-execution-charged")
def rolled_back(
    state: State,
    message_id: MessageId,
    message: FuncMessage,
    canister: Canister,
    context: CallContext,
    outcome: Outcome,
    settlement: Settlement,
    failure: FailedExecution,
) -> Step:
    """The step in which nothing that the execution did takes effect, but that it is paid for."""
    used = min(settlement.cycles_used, message.reserved_cycles)
    refund = credited(canister.balance, message.reserved_cycles - used)
    instructions = context.instructions_used + outcome.instructions_used
    return Step(
        evolve(
            state,
            messages=state.messages.remove(message_id),
            canisters=state.canisters.set(message.receiver, evolve(canister, balance=refund.total)),
            call_contexts=state.call_contexts.set(
                message.call_context, evolve(context, last_failure=failure, instructions_used=instructions)
            ),
        ),
        outputs=(Executed(message.receiver, outcome.instructions_used, failure),),
        burned=(Burned(used, BurnReason.EXECUTION), Burned(refund.lost, BurnReason.LOST)),
    )
