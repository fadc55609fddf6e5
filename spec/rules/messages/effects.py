"""What a successful execution leaves behind."""

from attrs import evolve

from spec.canister.environment import Caller
from spec.canister.outcome import LogEntry, MethodCall, Outcome, Returned, SystemRecord, Trapped
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
from spec.values.quantities import NANOSECONDS_PER_SECOND, ByteCount, CanisterVersion, Count, Nanoseconds, Seconds

LARGEST_LOG: ByteCount = 4096
"""
So much of a log is told at most, and a log is trimmed only when it is larger.

Source: management-canister, fetch_canister_logs; abstract-behavior, trimming canister logs.
"""


@defines(
    "inv.prop-02-call-splits-execution",
    "inv.order.calls-of-one-execution",
    "inv.prop-10-cycles-conserved",
    "seed2.output-queue",
)
def messages_of(
    state: State,
    message_id: MessageId,
    message: FuncMessage,
    canister: Canister,
    context: CallContext,
    outcome: Returned,
    deadlines_in_seconds: bool,
) -> Queue[Message]:
    """The messages after an execution: new calls, then the response if there is one, behind all older messages."""
    calls = state.messages.remove(message_id).extend(
        outcome.new_calls.map(lambda call: new_call(call, message, canister, context, deadlines_in_seconds))
    )
    if outcome.response is None:
        return calls
    return calls.append(
        ResponseMessage(context.origin, outcome.response, context.available_cycles - outcome.cycles_accepted)
    )


def new_call(
    call: MethodCall, message: FuncMessage, canister: Canister, context: CallContext, deadlines_in_seconds: bool
) -> Message:
    """The message of a call that an execution made."""
    return CallMessage(
        origin=FromCanister(
            calling_context=message.call_context,
            callback=call.callback,
            deadline=deadline_after(deadline_base(canister.time, deadlines_in_seconds), call.timeout),
            caller_of_context=context.caller,
            callee=call.callee,
            maker=message.receiver,
        ),
        caller=Caller(message.receiver),
        callee=call.callee,
        method_name=call.method_name,
        argument=call.argument,
        transferred_cycles=call.transferred_cycles,
        queue=Between(message.receiver, call.callee),
    )


@opaque
@defines("api.msg-deadline")
def deadline_base(time: Nanoseconds, in_seconds: bool) -> Nanoseconds:
    """The time from which a time-out counts: that of the call, as it is or in whole seconds."""
    return time - time % NANOSECONDS_PER_SECOND if in_seconds else time


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


@defines("seed1.memory-management-responsibility", "seed2.commit-on-success")
def with_effects(canister: Canister, outcome: Returned, settlement: Settlement, version: CanisterVersion) -> Canister:
    """The canister after a successful execution, but for its log."""
    return evolve(
        canister,
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


def with_logs(
    canister: Canister, entries: tuple[LogEntry, ...], system_records: tuple[Blob | None, ...] = ()
) -> Canister:
    """The canister whose log has what was written as its youngest records, with what the system writes itself."""
    texts = written(entries, system_records)
    return evolve(
        canister,
        logs=longer_log(canister.logs, canister.next_log_index, canister.time, texts),
        next_log_index=index_after(canister.next_log_index, texts),
    )


@opaque
@defines("unspec.fn.logs", "rule.message-execution.rollback")
def entries_of_failure(outcome: Outcome, keeps_logs: bool) -> tuple[LogEntry, ...]:
    """
    What a failed execution leaves for the log: what it wrote, or nothing but the places for the system's records.

    The text counts the messages of traps among the logs, but the failing branch of the rule appends none. An execution
    that returned, and whose effects are dropped, ends with a trap in the words of the text.
    """
    entries = outcome.logs if isinstance(outcome, Trapped) else (*outcome.logs, SystemRecord())
    if keeps_logs:
        return entries
    return tuple(SystemRecord() for entry in entries if isinstance(entry, SystemRecord))


@opaque
@defines("unspec.fn.logs")
def may_be_recorded(entries: tuple[LogEntry, ...], system_records: tuple[Blob | None, ...]) -> bool:
    """The system writes at places for its records only, and no record that could never be told."""
    places = sum(isinstance(entry, SystemRecord) for entry in entries)
    return len(system_records) <= places and all(
        record is None or len(record) <= LARGEST_LOG for record in system_records
    )


@opaque
@defines("unspec.fn.logs")
def written(entries: tuple[LogEntry, ...], system_records: tuple[Blob | None, ...]) -> tuple[Blob, ...]:
    """The texts of log records. At a place for the system stands its record, or what stands there without one."""
    given = iter(system_records)
    texts: list[Blob] = []
    for entry in entries:
        if isinstance(entry, SystemRecord):
            own = next(given, None)
            texts += [text for text in (entry.otherwise if own is None else own,) if text is not None]
        else:
            texts.append(entry)
    return tuple(texts)


@opaque
@defines("inv.log-sequence")
def longer_log(logs: List[LogRecord], index: Count, time: Nanoseconds, texts: tuple[Blob, ...]) -> List[LogRecord]:
    """A log with more records, numbered from an index on."""
    return logs.append(*(LogRecord(number, time, text) for number, text in enumerate(texts, index)))


@opaque
@defines("inv.log-sequence")
def index_after(index: Count, texts: tuple[Blob, ...]) -> Count:
    """The index after those of new log records."""
    return index + len(texts)
