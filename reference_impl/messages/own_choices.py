"""What the engine chooses by itself about an execution: what production does."""

from collections.abc import Mapping
from typing import Final

from reference_impl.environments.room import Left, Room
from reference_impl.messages.choices import NO_CHOICES, Choices
from reference_impl.messages.pending_function import PendingFunction
from reference_impl.subnet.canister_record import LOG_RECORD_SIZE
from spec.canister.outcome import LogEntry, Outcome, Returned, SystemRecord, TrapCause
from spec.profile import Limits
from spec.values.identifiers import Blob
from spec.values.quantities import WASM_PAGE, ByteCount, Count

DESCRIPTIONS: Final[Mapping[TrapCause, str]] = {
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
"""How production describes a trap that nobody asked for."""

UNREADABLE_PRINT: Final = b"(debug_print message out of memory bounds)"
UNREADABLE_TRAP: Final = b"(trap message out of memory bounds)"


def record_of(place: SystemRecord, unreadable: Blob) -> Blob | None:
    """What production writes at a place where the system may write. `unreadable` stands there for bytes not there."""
    if place.cause is TrapCause.ASKED_FOR:
        assert place.otherwise is not None, "a trap that was asked for was given something"
        if place.otherwise == unreadable:
            return b"[TRAP]: " + UNREADABLE_TRAP
        text = place.otherwise.decode(errors="ignore")
        return f"[TRAP]: {text or '(no message)'}".encode()
    if place.otherwise is not None:
        return UNREADABLE_PRINT
    return None if place.cause is None else f"[TRAP]: {DESCRIPTIONS[place.cause]}".encode()


class _AndLater(tuple[Count, ...]):
    """Some numbers, and all from the last one on."""

    def __contains__(self, number: object) -> bool:
        return super().__contains__(number) or isinstance(number, int) and number >= self[-1]


def run_in_room(function: PendingFunction, left: Left, unreadable: Blob) -> tuple[Outcome, Choices]:
    """What an execution gives if that is refused for which the subnet has no room; and the choices."""
    refused: tuple[Count, ...] = ()
    number = 0
    outcome, room, fits = _attempt(function, left, refused)
    makes_calls = isinstance(outcome, Returned) and outcome.new_calls.items
    if fits and not (room.lacks or outcome.logs or makes_calls and _waits_with_bound(outcome)):
        return outcome, NO_CHOICES
    while not fits:
        # Whether a growth has room is told by what is there in the end if all later ones are refused.
        if not _attempt(function, left, _AndLater((*refused, number + 1)))[2]:
            refused += (number,)
        number += 1
        outcome, room, fits = _attempt(function, left, refused)
    if room.lacks or refused:
        left.noted(room.lacks, refused)
    longest = longest_record(function.instance.profile.limits)
    return outcome, own_choices(outcome, room.refused, refused, unreadable, longest)


def _attempt(function: PendingFunction, left: Left, refused_growths: tuple[Count, ...]) -> tuple[Outcome, Room, bool]:
    """What an execution gives where these growths are refused, and whether there is room for all others."""
    canister, state = function.canister, function.code.wasm_state
    room = Room(function.instance.profile.limits.open_calls, canister.open_calls, left)
    if refused_growths:
        environment = function.environment((), refused_growths)
    else:
        environment = function.instance.usual_environment(canister, function.limit, function.context.instructions_used)
    environment.room = room
    outcome = function.outcome(environment)
    grown = room.memory_at_end - WASM_PAGE * (state.wasm_memory.wasm_pages + state.stable_memory.wasm_pages)
    return outcome, room, grown <= 0 or _may_grow(function, left, grown)


def _may_grow(function: PendingFunction, left: Left, grown: ByteCount) -> bool:
    """The subnet has room for so much more memory of the canister."""
    canister = function.canister
    usage, allocation = function.instance.standing(canister).memory_usage, canister.settings.memory_allocation
    return max(usage + grown, allocation) <= max(usage, allocation) + left.memory(function.is_callback)


def _waits_with_bound(outcome: Outcome) -> bool:
    """The execution made a call with a time-out."""
    calls = outcome.new_calls.items if isinstance(outcome, Returned) else ()
    return bool(calls) and any(call.timeout is not None for call in calls)


def longest_record(limits: Limits) -> ByteCount:
    """How much of a record an empty log has room for."""
    return limits.log_capacity - LOG_RECORD_SIZE


def own_choices(
    outcome: Outcome,
    refused_calls: tuple[Count, ...],
    refused_growths: tuple[Count, ...],
    unreadable: Blob,
    longest: ByteCount,
) -> Choices:
    """The choices for an execution, after it. A record has at most so many bytes as an empty log has room for."""
    waits_with_bound = _waits_with_bound(outcome)
    if not (waits_with_bound or refused_calls or refused_growths or outcome.logs):
        return NO_CHOICES
    return Choices(
        refused_calls=refused_calls,
        refused_growths=refused_growths,
        deadlines_in_seconds=waits_with_bound,
        system_records=records_of(outcome.logs, unreadable, longest),
    )


def records_of(entries: tuple[LogEntry, ...], unreadable: Blob, longest: ByteCount) -> tuple[Blob | None, ...]:
    """What production writes at the places where the system may write, up to the last one where it does."""
    if not entries:
        return ()
    written = (record_of(entry, unreadable) for entry in entries if isinstance(entry, SystemRecord))
    records = tuple(None if record is None else record[:longest] for record in written)
    while records and records[-1] is None:
        records = records[:-1]
    return records
