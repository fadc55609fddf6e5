"""What a successful execution leaves behind."""

from attrs import evolve

from spec.canister.environment import Caller
from spec.canister.outcome import MethodCall, Returned
from spec.rules.messages.settlement import Settlement, failure_of_trap
from spec.rules.modules import code_of
from spec.state.call_context import CallContext
from spec.state.canister import Canister, Code, LogRecord
from spec.state.message import Between, CallMessage, FuncMessage, Message, ResponseMessage
from spec.state.origin import CallDeadline, Deadline, FromCanister, NoDeadline
from spec.state.state import State
from spec.transition import opaque
from spec.values.checklist import defines
from spec.values.containers import List, Queue
from spec.values.identifiers import Blob, MessageId
from spec.values.quantities import NANOSECONDS_PER_SECOND, CanisterVersion, Count, Nanoseconds, Seconds


@defines("inv.prop-02-call-splits-execution", "inv.order.calls-of-one-execution", "inv.prop-10-cycles-conserved")
def messages_of(
    state: State,
    message_id: MessageId,
    message: FuncMessage,
    canister: Canister,
    context: CallContext,
    outcome: Returned,
) -> Queue[Message]:
    """The messages after an execution: new calls, then the response if there is one, behind all older messages."""
    calls = state.messages.remove(message_id).extend(
        outcome.new_calls.map(lambda call: new_call(call, message, canister, context))
    )
    if outcome.response is None:
        return calls
    return calls.append(
        ResponseMessage(context.origin, outcome.response, context.available_cycles - outcome.cycles_accepted)
    )


def new_call(call: MethodCall, message: FuncMessage, canister: Canister, context: CallContext) -> Message:
    """The message of a call that an execution made."""
    return CallMessage(
        origin=FromCanister(
            calling_context=message.call_context,
            callback=call.callback,
            deadline=deadline_after(canister.time, call.timeout),
            caller_of_context=context.caller,
        ),
        caller=Caller(message.receiver),
        callee=call.callee,
        method_name=call.method_name,
        argument=call.argument,
        transferred_cycles=call.transferred_cycles,
        queue=Between(message.receiver, call.callee),
    )


@defines("unspec.const.max-call-timeout")
def deadline_after(time: Nanoseconds, timeout: Seconds | None) -> CallDeadline:
    """When a call made at a time expires."""
    return NoDeadline() if timeout is None else Deadline(time + timeout * NANOSECONDS_PER_SECOND)


@defines("inv.prop-08-unbounded-wait-first-response")
def with_answered_context(context: CallContext, outcome: Returned) -> CallContext:
    """The call context after an execution in it."""
    executed = evolve(
        context,
        instructions_used=context.instructions_used + outcome.instructions_used,
        last_failure=(
            context.last_failure if outcome.cleaned_up_after is None else failure_of_trap(outcome.cleaned_up_after)
        ),
    )
    if outcome.response is None:
        return evolve(executed, available_cycles=context.available_cycles - outcome.cycles_accepted)
    return evolve(executed, needs_to_respond=False, available_cycles=0)


def with_effects(canister: Canister, outcome: Returned, settlement: Settlement, version: CanisterVersion) -> Canister:
    """The canister after a successful execution."""
    return evolve(
        with_logs(canister, outcome.logs),
        code=Code(code_of(canister).raw_module, outcome.new_state),
        version=version,
        balance=settlement.balance,
        reserved_balance=canister.reserved_balance + settlement.newly_reserved,
        certified_data=certified_data_after(canister.certified_data, outcome),
        global_timer=global_timer_after(canister.global_timer, outcome),
    )


def certified_data_after(before: Blob, outcome: Returned) -> Blob:
    """What the execution certified, or what was certified before if it did not change that."""
    return before if outcome.new_certified_data is None else outcome.new_certified_data


def global_timer_after(before: Nanoseconds, outcome: Returned) -> Nanoseconds:
    """The timer that the execution set, or the one before if it did not."""
    return before if outcome.new_global_timer is None else outcome.new_global_timer


def with_logs(canister: Canister, texts: tuple[Blob, ...]) -> Canister:
    """The canister whose log has these texts as its youngest records."""
    return evolve(
        canister,
        logs=longer_log(canister.logs, canister.next_log_index, canister.time, texts),
        next_log_index=index_after(canister.next_log_index, texts),
    )


@opaque
@defines("inv.log-sequence", "unspec.fn.logs")
def longer_log(logs: List[LogRecord], index: Count, time: Nanoseconds, texts: tuple[Blob, ...]) -> List[LogRecord]:
    """A log with more records, numbered from an index on."""
    return logs.append(*(LogRecord(number, time, text) for number, text in enumerate(texts, index)))


@opaque
@defines("inv.log-sequence")
def index_after(index: Count, texts: tuple[Blob, ...]) -> Count:
    """The index after those of new log records."""
    return index + len(texts)
