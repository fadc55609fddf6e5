"""What the engine chooses by itself about an execution: what production does."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from attrs import evolve

from reference_impl.messages.choices import Choices
from reference_impl.subnet.canister_record import LOG_RECORD_SIZE, CanisterRecord
from reference_impl.subnet.subnet_instance import SubnetInstance
from reference_impl.wasm.system_api.room import Lack, Room, with_room
from spec.canister.environment import Environment
from spec.canister.outcome import LogEntry, Outcome, Returned, SystemRecord, TrapCause
from spec.profile import Limits
from spec.values.identifiers import Blob
from spec.values.quantities import ByteCount, Count

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


class Left(Protocol):
    """What is left of the capacities of a subnet for an execution, and who asks what it did not find."""

    def memory(self, is_callback: bool = False) -> ByteCount:
        """Into how much memory it may grow."""
        ...

    def message_memory(self) -> ByteCount:
        """What its calls without bound may take."""
        ...

    def callbacks(self, open_calls: Count) -> Count:
        """How many calls a canister may make that has so many open."""
        ...

    def noted(self, lacks: tuple[Lack, ...], refused_growths: tuple[Count, ...]) -> None:
        """Takes note of what it did not find."""
        ...


class _AndLater(tuple[Count, ...]):
    """Some numbers, and all from the last one on."""

    def __contains__(self, number: object) -> bool:
        return super().__contains__(number) or isinstance(number, int) and number >= self[-1]


def run_in_room(
    instance: SubnetInstance,
    left: Left,
    canister: CanisterRecord,
    environment: Environment,
    is_callback: bool,
    run: Callable[[Environment], Outcome],
    unreadable: Blob,
) -> tuple[Outcome, Choices]:
    """What an execution gives if that is refused for which the subnet has no room; and the choices."""
    assert canister.code is not None
    allocation, usage, open_calls = (
        canister.settings.memory_allocation,
        canister.memory_usage(),
        canister.open_calls.total(),
    )
    state = canister.code.wasm_state
    largest = max(usage, allocation) + left.memory(is_callback)

    def attempt(refused_growths: tuple[Count, ...]) -> tuple[Outcome, Room, bool]:
        room = Room(
            slots=instance.profile.limits.open_calls,
            open_calls=canister.open_calls,
            callbacks=lambda: left.callbacks(open_calls),
            message_memory=left.message_memory,
        )
        outcome = run(with_room(evolve(environment, refused_growths=refused_growths), room))
        grown = room.memory_at_end - state.wasm_memory.size - state.stable_memory.size
        return outcome, room, grown <= 0 or max(usage + grown, allocation) <= largest

    refused: tuple[Count, ...] = ()
    number = 0
    outcome, room, fits = attempt(refused)
    while not fits:
        # Whether a growth has room is told by what is there in the end if all later ones are refused.
        if not attempt(_AndLater((*refused, number + 1)))[2]:
            refused += (number,)
        number += 1
        outcome, room, fits = attempt(refused)
    left.noted(room.lacks, refused)
    longest = longest_record(instance.profile.limits)
    return outcome, own_choices(outcome, room.refused, refused, unreadable, longest)


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
    waits_with_bound = isinstance(outcome, Returned) and any(call.timeout is not None for call in outcome.new_calls)
    return Choices(
        refused_calls=refused_calls,
        refused_growths=refused_growths,
        deadlines_in_seconds=waits_with_bound,
        system_records=records_of(outcome.logs, unreadable, longest),
    )


def records_of(entries: tuple[LogEntry, ...], unreadable: Blob, longest: ByteCount) -> tuple[Blob | None, ...]:
    """What production writes at the places where the system may write, up to the last one where it does."""
    written = (record_of(entry, unreadable) for entry in entries if isinstance(entry, SystemRecord))
    records = tuple(None if record is None else record[:longest] for record in written)
    while records and records[-1] is None:
        records = records[:-1]
    return records
