"""What production chooses about an execution, where the text leaves it open. Source: ours#choices-of-executions."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from spec.canister.outcome import Outcome, Returned, SystemRecord, TrapCause
from spec.rules.messages.outcomes import outcome_of
from spec.state.canister import Code, Stopping
from spec.state.message import FuncMessage
from spec.state.origin import CallOrigin, Expired, FromCanister
from spec.state.state import State
from spec.system_api.debugging import UNREADABLE
from spec.values.identifiers import Blob, CanisterId, Text
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


def calls_refused(state: State, choices: Choices) -> tuple[Count, ...] | None:
    """
    The calls that find too many calls to the same callee open; None for an execution whose calls are not known.

    Which calls an execution makes may depend on those that failed before, so they are found one after the other.
    """
    message = executed_message(state, choices)
    if message is None:
        return None
    opened = open_calls(state, message.receiver)
    refused: tuple[Count, ...] = ()
    while True:
        outcome = outcome_with(state, message, refused, tuple(choices["refused_growths"]))
        if not isinstance(outcome, Returned):
            return None
        number = first_without_slot(outcome, opened, state.profile.limits.open_calls)
        if number is None:
            return refused
        if number in refused:
            return None
        refused += (number,)


def first_without_slot(outcome: Returned, opened: Mapping[CanisterId, Count], most: Count) -> Count | None:
    """The number of the first call to a callee to which too many calls are open then."""
    made = Counter(opened)
    for call in outcome.new_calls:
        if made[call.callee] >= most:
            return call.number
        made[call.callee] += 1
    return None


def open_calls(state: State, canister_id: CanisterId) -> Mapping[CanisterId, Count]:
    """How many calls a canister has made whose responses it has not begun to handle, by callee."""
    origins: list[CallOrigin] = [message.origin for message in state.messages if not isinstance(message, FuncMessage)]
    origins += [context.origin for _, context in state.call_contexts.items() if context.needs_to_respond]
    for _, canister in state.canisters.items():
        if isinstance(canister.status, Stopping):
            origins += [call.origin for call in canister.status.stop_calls]
    return Counter(
        origin.callee
        for origin in origins
        if isinstance(origin, FromCanister)
        and not isinstance(origin.deadline, Expired)
        and state.call_contexts[origin.calling_context].canister == canister_id
    )


def rounds_deadlines(state: State, choices: Choices) -> bool | None:
    """Deadlines are in seconds; None if there is none."""
    outcome = executed_outcome(state, choices)
    if not isinstance(outcome, Returned) or all(call.timeout is None for call in outcome.new_calls):
        return None
    return True


def records_of_system(state: State, choices: Choices) -> tuple[Blob | None, ...] | None:
    """What production writes to the log by itself; whatever follows a record as names of functions is not known."""
    outcome = executed_outcome(state, choices)
    if outcome is None:
        return None
    given = choices["system_records"]
    records = [record_at(entry) for entry in outcome.logs if isinstance(entry, SystemRecord)]
    for index, record in enumerate(records[: len(given)]):
        if record is not None and (given[index] or b"").startswith(record + BEFORE_FUNCTIONS):
            records[index] = given[index]
    while records and records[-1] is None:
        records.pop()
    return tuple(records)


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
    """What the execution gives with the calls and growths refused that the label names."""
    message = executed_message(state, choices)
    if message is None:
        return None
    return outcome_with(state, message, tuple(choices["refused_calls"]), tuple(choices["refused_growths"]))


def outcome_with(
    state: State, message: FuncMessage, refused_calls: tuple[Count, ...], refused_growths: tuple[Count, ...]
) -> Outcome:
    """What the execution gives if these calls and growths are refused."""
    context = state.call_contexts[message.call_context]
    return outcome_of(state, state.canisters[message.receiver], message, context, refused_calls, refused_growths)
