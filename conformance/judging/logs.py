"""
What may be told of a canister's log.

The interface specification leaves open which records the system adds where code fails, what they say, whether records
of failed executions are kept, when old records are dropped, and how many bytes of what code prints are kept. Everything
else is fixed: what the canister printed, in its order, with the canister's time, numbered without gaps. Checklist:
`unspec.fn.logs`, `unspec.spont.log-trimming`.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from attrs import evolve, field, frozen

from conformance.judging.clocks import Period
from spec.machine import step
from spec.rules.management.rejection import INSTALLING, METHODS
from spec.rules.messages.effects import LARGEST_LOG
from spec.rules.spontaneous.trimming import LARGEST_RECORD_OVERHEAD
from spec.state.canister import LogRecord
from spec.state.label import Label
from spec.state.message import CallMessage
from spec.state.state import State
from spec.system_api.debugging import UNREADABLE
from spec.transition import Executed, Step
from spec.values.identifiers import CanisterId
from spec.values.management import CanisterLogRecord
from spec.values.quantities import ByteCount, Count, Nanoseconds


@frozen
class Failure:
    """An execution of a canister that failed: the system may have added records to the log."""

    canister_id: CanisterId
    time: Nanoseconds
    """The time of the canister, which these records bear."""
    first: Count
    """The number that the next record had before it."""
    following: Count
    """And after it. The execution printed those in between, and the system's stand beside them."""

    def is_in(self, kept: Sequence[LogRecord], number: Count) -> bool:
        """It may have failed after so many of these records, and before the next of them."""
        is_after = number == 0 or kept[number - 1].index < self.following
        return is_after and (number == len(kept) or self.first <= kept[number].index)


@frozen
class Failures:
    """Which executions failed, as far as logs tell of them."""

    places: frozenset[Failure] = field(factory=frozenset)
    """Where and when: the system may have added a record."""
    records: frozenset[tuple[CanisterId, Count]] = field(factory=frozenset)
    """Which records were printed by executions that failed: they may be dropped."""

    def after(self, before: State, fired: Step) -> "Failures":
        """With those of one more step."""
        failures = self
        for output in fired.outputs:
            if isinstance(output, Executed) and output.failure is not None:
                failures = failures.with_failure_of(output.canister_id, before, fired.state)
        return failures

    def with_failure_of(self, canister_id: CanisterId, before: State, after: State) -> "Failures":
        """With the failure of an execution of this canister."""
        places = failures_of([canister_id], before, after)
        printed = {(each.canister_id, index) for each in places for index in range(each.first, each.following)}
        return Failures(self.places | places, self.records | printed)

    def after_rejection(self, canister_ids: Iterable[CanisterId], before: State, after: State) -> "Failures":
        """With a management call that failed while code of these canisters ran."""
        return evolve(self, places=self.places | failures_of(canister_ids, before, after))


def failures_of(canister_ids: Iterable[CanisterId], before: State, after: State) -> frozenset[Failure]:
    """The failures in one step of those of these canisters that stay."""
    pairs = (
        (each, before.canisters[each], after.canisters[each])
        for each in canister_ids
        if each in before.canisters and each in after.canisters
    )
    return frozenset(Failure(each, now.time, was.next_log_index, now.next_log_index) for each, was, now in pairs)


NONE_FAILED: Final = Failures()


def log_agrees(
    canister_id: CanisterId,
    kept: Sequence[LogRecord],
    told: Sequence[CanisterLogRecord],
    failures: Failures,
    possible_times: Period | None = None,
) -> bool:
    """
    These records may be told of a log in which those are kept.

    If possible times are given, the clock moves by itself, and records may bear any of them.
    """
    if possible_times is not None:
        if not possible_times.holds([record.timestamp_nanos for record in told]):
            return False
        told = [evolve(record, timestamp_nanos=0) for record in told]
        kept = [evolve(record, timestamp=0) for record in kept]
        failures = evolve(failures, places=frozenset(evolve(each, time=0) for each in failures.places))
    length, numbers = sum(len(record.content) for record in told), [record.idx for record in told]
    if length > LARGEST_LOG or not are_consecutive(numbers):
        return False
    places = {failure for failure in failures.places if failure.canister_id == canister_id}
    open_records = {index for where, index in failures.records if where == canister_id}
    largest: list[ByteCount | None] = [None, *sorted({len(record.content) for record in told} - {0})]
    return any(is_told(kept, told, places, open_records, each) for each in largest)


def is_told(
    kept: Sequence[LogRecord],
    told: Sequence[CanisterLogRecord],
    places: set[Failure],
    open_records: set[Count],
    largest: ByteCount | None,
) -> bool:
    """
    The log is told by a system that keeps so many bytes of what is printed at once; all of them, if None is given.

    In these places the system may have added records; these records may have been dropped. Source: canister-interface,
    `ic0.debug_print`: the data can be trimmed to an implementation defined maximum size.
    """
    is_long = size([*(record.content for record in kept), *(record.content for record in told)]) > LARGEST_LOG
    says = partial(is_told_as, largest=largest, may_be_cut=is_long)
    # From the newest record on: how many of the kept records can be left.
    left = with_dropped({len(kept)}, kept, open_records)
    for record in reversed(told):
        following = {number - 1 for number in left if number > 0 and says(kept[number - 1], record)}
        here = [failure for failure in places if failure.time == record.timestamp_nanos]
        following |= {number for number in left if any(failure.is_in(kept, number) for failure in here)}
        left = with_dropped(following, kept, open_records)
    return bool(left) and (min(left) == 0 or is_long)


def are_consecutive(numbers: Sequence[Count]) -> bool:
    """Each number is the one before and one."""
    return all(number == first for first, number in enumerate(numbers, numbers[0])) if numbers else True


def with_dropped(left: set[Count], kept: Sequence[LogRecord], open_records: set[Count]) -> set[Count]:
    """With the numbers of records that can be left if records of failed executions were dropped."""
    found = set(left)
    for number in left:
        while number > 0 and kept[number - 1].index in open_records:
            number -= 1
            found.add(number)
    return found


def is_told_as(kept: LogRecord, told: CanisterLogRecord, largest: ByteCount | None, may_be_cut: bool) -> bool:
    """
    The record is told: its time, and as much of its text as is kept or, in a long log, less of it.

    Where bytes to print are not in the heap, the system has a text of its own, which may be any.
    """
    if kept.timestamp != told.timestamp_nanos:
        return False
    if kept.content == UNREADABLE:
        return True
    return kept.content[:largest] == told.content or (may_be_cut and kept.content.startswith(told.content))


def size(texts: Sequence[bytes]) -> ByteCount:
    """How large a log with these texts may count."""
    return sum(len(text) + LARGEST_RECORD_OVERHEAD for text in texts)


def logging(state: State, label: Label) -> Iterable[CanisterId]:
    """The canister whose hooks ran where a management call is rejected, if something can have been logged of them."""
    call = state.messages[label.arguments()["message_id"]]
    if not isinstance(call, CallMessage) or not any(rule in INSTALLING for rule in METHODS.get(call.method_name, ())):
        return
    for records in ((b"",), ()):
        kept = step(state, Label(label.rule, {**label.arguments(), "keeps_logs": True, "system_records": records}))
        if isinstance(kept, Step):
            changed = kept.state.canisters
            yield from (each for each, known in state.canisters.items() if changed[each].logs != known.logs)
            return


def failures_after(failures: Failures, before: State, label: Label, fired: Step) -> Failures:
    """The failures after one more step."""
    if label.rule == "management_call_rejection":
        return failures.after_rejection(logging(before, label), before, fired.state)
    return failures.after(before, fired) if fired.outputs else failures
