"""What production chooses about an execution, where the text leaves it open. Source: ours#choices-of-executions."""

from collections.abc import Mapping
from typing import Any, Final

from spec.canister.outcome import LogEntry, Outcome, Returned, SystemRecord, TrapCause
from spec.fees import liquid_balance
from spec.machine import canonical_label
from spec.production.capacities import refusals
from spec.production.capacities.refusals import Numbers
from spec.production.capacities.room import Room
from spec.profile import Limits
from spec.rules.messages.budgets import is_response
from spec.rules.messages.outcomes import outcome_of
from spec.rules.messages.settlement import exceeds_memory_limit, is_query
from spec.rules.resources import freezing_limit_at, memory_usage
from spec.state.canister import Code
from spec.state.label import Label
from spec.state.message import FuncMessage
from spec.state.state import State
from spec.system_api.debugging import UNREADABLE
from spec.system_api.execution_state import LOG_RECORD
from spec.values.identifiers import Blob, MessageId, Text
from spec.values.quantities import Count

Choices = Mapping[str, Any]
"""The free variables of a label with their values."""

TRAPS: Final[Mapping[TrapCause, Text]] = {
    TrapCause.STACK_OVERFLOW: "stack overflow",
    TrapCause.HEAP_OUT_OF_BOUNDS: "heap out of bounds",
    TrapCause.STABLE_MEMORY_OUT_OF_BOUNDS: "stable memory out of bounds",
    TrapCause.STABLE_MEMORY_TOO_LARGE: "32 bit stable memory api used on a memory larger than 4GB",
    TrapCause.TABLE_OUT_OF_BOUNDS: "table out of bounds",
    TrapCause.DIVISION_BY_ZERO: "integer division by 0",
    TrapCause.UNREACHABLE: "unreachable",
    TrapCause.CYCLES_TOO_MANY: "cycles amount exceeds 64-bit representation",
    TrapCause.OTHER: "unknown",
}
"""The words for traps. Source: production, `TrapCode`."""

PREFIX: Final = b"[TRAP]: "
NO_MESSAGE: Final = b"(no message)"
BEFORE_FUNCTIONS: Final = b"\nCanister Backtrace:\n"
"""After a record of a trap, before the names of the active functions of a module that names them."""


def calls_refused(state: State, choices: Choices) -> Numbers | None:
    """The calls that find no room, with the growths refused that the label names; None if nothing can be executed."""
    message = executed_message(state, choices)
    if message is None:
        return None
    growths = tuple(choices["refused_growths"])
    if not refusals.calls_of(outcome_with(state, message, (), growths)):
        return ()
    return refusals.calls_refused(
        refusals.found_by(state, message), lambda calls: outcome_with(state, message, calls, growths)
    )


def growths_refused(state: State, choices: Choices) -> Numbers | None:
    """The growths of memories for which the subnet has no room, with the calls refused that the label names."""
    message = executed_message(state, choices)
    if message is None:
        return None
    calls = tuple(choices["refused_calls"])
    if not any(growth.granted for growth in outcome_with(state, message, calls, ()).tried_growths):
        return ()
    return refusals.growths_refused(
        refusals.found_by(state, message), lambda growths: outcome_with(state, message, calls, growths)
    )


def growths_that_trap(state: State, choices: Choices) -> Numbers | None:
    """
    The growth at which the execution ends, since the canister would be frozen with the memory.

    An execution that goes on to its end, and fails there, is not predicted: its label keeps what it has. Source:
    production, rs/embedders/src/wasmtime_embedder/system_api/sandbox_safe_system_state.rs,
    `check_freezing_threshold_for_memory_grow`; ours#growing-memory.
    """
    message = executed_message(state, choices)
    if message is None:
        return None
    outcome = outcome_with(state, message, tuple(choices["refused_calls"]), tuple(choices["refused_growths"]))
    unpaid = first_unpaid_growth(state, message, outcome)
    given = [number for number in choices["trapping_growths"] if number < len(outcome.tried_growths)]
    ends_where_predicted = not given or min(given) == unpaid
    return None if ends_where_predicted else () if unpaid is None else (unpaid,)


def first_unpaid_growth(state: State, message: FuncMessage, outcome: Outcome) -> Count | None:
    """
    The number of the first growth with which the canister is frozen.

    Only updates and system tasks are asked, and only for memory beyond the allocation.
    """
    canister = state.canisters[message.receiver]
    if is_response(message.entry_point) or is_query(state.profile, canister, message.entry_point):
        return None
    usage = memory_usage(state.profile, canister)
    for number, growth in enumerate(outcome.tried_growths):
        usage += growth.granted
        is_asked = growth.granted and usage > canister.settings.memory_allocation
        limit = freezing_limit_at(state.profile, canister, usage)
        if is_asked and liquid_balance(growth.balance, canister.reserved_balance, limit) < 0:
            return number
    return None


def execution_label(state: State, message_id: MessageId, room: Room | None = None) -> Label:
    """The label with which production executes a function, with the room that is left on its core."""
    message = state.messages[message_id]
    assert isinstance(message, FuncMessage)
    if never_runs(state, message):
        return canonical_label(Label("message_execution", {"message_id": message_id, "keeps_logs": False}))
    outcome = outcome_with(state, message, (), ())
    calls: Numbers = ()
    growths: Numbers = ()
    if refusals.calls_of(outcome) or any(growth.granted for growth in outcome.tried_growths):
        before = refusals.found_by(state, message, room)
        calls, growths = refusals.refusals(before, lambda *refused: outcome_with(state, message, *refused))
    if calls or growths:
        outcome = outcome_with(state, message, calls, growths)
    return canonical_label(
        Label(
            "message_execution",
            {
                "message_id": message_id,
                "refused_calls": calls,
                "refused_growths": growths,
                "deadlines_in_seconds": waits_with_bound(outcome),
                "system_records": records_of(state.profile.limits, outcome),
            },
        )
    )


def rounds_deadlines(state: State, choices: Choices) -> bool | None:
    """Deadlines are in seconds; None if there is none."""
    outcome = executed_outcome(state, choices)
    return True if outcome is not None and waits_with_bound(outcome) else None


def never_runs(state: State, message: FuncMessage) -> bool:
    """
    Production runs no update if the heap is beyond its limit already; so nothing of it is logged.

    Source: dfinity/ic, rs/execution_environment/src/execution/call_or_task.rs, `CallOrTaskHelper::new`.
    """
    canister = state.canisters[message.receiver]
    assert isinstance(canister.code, Code), "what has no code executes nothing"
    return exceeds_memory_limit(state.profile, canister, message, canister.code.wasm_state.wasm_memory.size)


def keeps_logs(state: State, choices: Choices) -> bool | None:
    """What a failed execution wrote is kept, unless it never ran."""
    message = executed_message(state, choices)
    return None if message is None else not never_runs(state, message)


def waits_with_bound(outcome: Outcome) -> bool:
    """The execution made a call that has a deadline."""
    return isinstance(outcome, Returned) and any(call.timeout is not None for call in outcome.new_calls)


def records_of_system(state: State, choices: Choices) -> tuple[Blob | None, ...] | None:
    """What production writes to the log by itself; whatever follows a record as names of functions is not known."""
    message = executed_message(state, choices)
    if message is not None and never_runs(state, message):
        return ()
    outcome = executed_outcome(state, choices)
    return None if outcome is None else records_as_given(state.profile.limits, outcome.logs, choices["system_records"])


def records_as_given(
    limits: Limits, entries: tuple[LogEntry, ...], given: tuple[Blob | None, ...]
) -> tuple[Blob | None, ...]:
    """The same for the entries of a log; a record that goes on with names of functions stays as it is given."""
    records = [*records_at(limits, entries)]
    for index, record in enumerate(records[: len(given)]):
        if record is not None and (given[index] or b"").startswith(record + BEFORE_FUNCTIONS):
            records[index] = given[index]
    while records and records[-1] is None:
        records.pop()
    return tuple(records)


def records_at(limits: Limits, entries: tuple[LogEntry, ...]) -> tuple[Blob | None, ...]:
    """What production writes at each place for records of the system; as much of it as an empty log has room for."""
    longest = limits.log_capacity - LOG_RECORD
    written = (record_at(entry) for entry in entries if isinstance(entry, SystemRecord))
    return tuple(None if record is None else record[:longest] for record in written)


def records_of(limits: Limits, outcome: Outcome) -> tuple[Blob | None, ...]:
    """The same, but for places at the end where it writes nothing."""
    records = records_at(limits, outcome.logs)
    while records and records[-1] is None:
        records = records[:-1]
    return records


def record_at(place: SystemRecord) -> Blob | None:
    """What production writes at a place for records of the system."""
    if place.cause is TrapCause.ASKED_FOR:
        if place.otherwise == UNREADABLE:
            return PREFIX + b"(trap message out of memory bounds)"
        text = (place.otherwise or b"").decode(errors="ignore").encode()
        return PREFIX + (text or NO_MESSAGE)
    if place.otherwise == UNREADABLE:
        return b"(debug_print message out of memory bounds)"
    return None if place.cause is None else PREFIX + TRAPS[place.cause].encode()


def executed_message(state: State, choices: Choices) -> FuncMessage | None:
    """The function message that a label executes; None if it cannot run."""
    message_id = choices["message_id"]
    if message_id not in state.messages:
        return None
    message = state.messages[message_id]
    if not isinstance(message, FuncMessage) or message.receiver not in state.canisters:
        return None
    return message if isinstance(state.canisters[message.receiver].code, Code) else None


def executed_outcome(state: State, choices: Choices) -> Outcome | None:
    """What the execution gives with the calls and growths refused that the label names, and where it ends by it."""
    message = executed_message(state, choices)
    if message is None:
        return None
    refused = (tuple(choices[name]) for name in ("refused_calls", "refused_growths", "trapping_growths"))
    return outcome_with(state, message, *refused)


def outcome_with(
    state: State, message: FuncMessage, calls: Numbers, growths: Numbers, trapping_growths: Numbers = ()
) -> Outcome:
    """What the execution gives if these calls and growths are refused, and if it ends at others."""
    context = state.call_contexts[message.call_context]
    return outcome_of(state, state.canisters[message.receiver], message, context, calls, growths, trapping_growths)
