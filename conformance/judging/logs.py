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
from spec.commutation import concerned
from spec.rules.messages.effects import LARGEST_LOG
from spec.rules.spontaneous.trimming import LARGEST_RECORD_OVERHEAD
from spec.state.canister import LogRecord
from spec.state.label import Label
from spec.state.state import State
from spec.system_api.debugging import UNREADABLE
from spec.transition import Executed, Step
from spec.values.identifiers import CanisterId
from spec.values.management import CanisterLogRecord
from spec.values.quantities import ByteCount, Count, Nanoseconds


@frozen
class Failures:
    """Which executions failed, as far as logs tell of them."""

    times: frozenset[tuple[CanisterId, Nanoseconds]] = field(factory=frozenset)
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
        if canister_id not in before.canisters or canister_id not in after.canisters:
            return self
        was, now = before.canisters[canister_id], after.canisters[canister_id]
        printed = range(was.next_log_index, now.next_log_index)
        return Failures(
            self.times | {(canister_id, now.time)}, self.records | {(canister_id, index) for index in printed}
        )

    def after_rejection(self, state: State, canister_ids: Iterable[CanisterId]) -> "Failures":
        """With a management call about canisters that failed, perhaps while their code ran."""
        times = {(each, state.canisters[each].time) for each in canister_ids if each in state.canisters}
        return evolve(self, times=self.times | times)


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
        failures = evolve(failures, times=frozenset((where, 0) for where, _ in failures.times))
    length, numbers = sum(len(record.content) for record in told), [record.idx for record in told]
    if length > LARGEST_LOG or not are_consecutive(numbers):
        return False
    times = {time for where, time in failures.times if where == canister_id}
    open_records = {index for where, index in failures.records if where == canister_id}
    largest: list[ByteCount | None] = [None, *sorted({len(record.content) for record in told} - {0})]
    return any(is_told(kept, told, times, open_records, each) for each in largest)


def is_told(
    kept: Sequence[LogRecord],
    told: Sequence[CanisterLogRecord],
    times: set[Nanoseconds],
    open_records: set[Count],
    largest: ByteCount | None,
) -> bool:
    """
    The log is told by a system that keeps so many bytes of what is printed at once; all of them, if None is given.

    At these times the system may have added records; these records may have been dropped. Source: canister-interface,
    `ic0.debug_print`: the data can be trimmed to an implementation defined maximum size.
    """
    is_long = size([*(record.content for record in kept), *(record.content for record in told)]) > LARGEST_LOG
    says = partial(is_told_as, largest=largest, may_be_cut=is_long)
    # From the newest record on: how many of the kept records can be left.
    left = with_dropped({len(kept)}, kept, open_records)
    for record in reversed(told):
        following = {number - 1 for number in left if number > 0 and says(kept[number - 1], record)}
        if record.timestamp_nanos in times:
            following |= left
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


def failures_after(failures: Failures, before: State, label: Label, fired: Step) -> Failures:
    """The failures after one more step."""
    if label.rule == "management_call_rejection":
        return failures.after_rejection(before, concerned(before, label))
    return failures.after(before, fired) if fired.outputs else failures
