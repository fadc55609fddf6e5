"""What the engine chooses by itself about an execution: what production does."""

from collections.abc import Iterator, Mapping
from typing import Final

from reference_impl.messages.choices import Choices
from spec.canister.outcome import LogEntry, Outcome, Returned, SystemRecord, TrapCause
from spec.values.identifiers import Blob
from spec.values.quantities import Count

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


def own_choices(outcome: Outcome, refused_calls: tuple[Count, ...], unreadable: Blob) -> Choices:
    """The choices for an execution, after it."""
    records = tuple(_records(outcome.logs, unreadable))
    while records and records[-1] is None:
        records = records[:-1]
    waits_with_bound = isinstance(outcome, Returned) and any(call.timeout is not None for call in outcome.new_calls)
    return Choices(refused_calls=refused_calls, deadlines_in_seconds=waits_with_bound, system_records=records)


def _records(entries: tuple[LogEntry, ...], unreadable: Blob) -> Iterator[Blob | None]:
    return (record_of(entry, unreadable) for entry in entries if isinstance(entry, SystemRecord))
