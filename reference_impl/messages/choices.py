"""What the rules leave open about one execution."""

from collections.abc import Iterable

from attrs import frozen

from spec.canister.outcome import LogEntry, Outcome, SystemRecord, Trapped
from spec.values.identifiers import Blob
from spec.values.quantities import ByteCount, Count

LONGEST_RECORD: ByteCount = 4096
"""No log is told that is longer. Source: management-canister, fetch_canister_logs."""


@frozen
class Choices:
    """The free variables of message execution beside the message."""

    refused_calls: tuple[Count, ...] = ()
    """By their numbers, the calls that are not performed although they could be paid for."""
    refused_growths: tuple[Count, ...] = ()
    """By their numbers, the growths of memories that fail although there is room."""
    trapping_growths: tuple[Count, ...] = ()
    """By their numbers, the growths of memories at which the execution ends."""
    deadlines_in_seconds: bool = False
    """Time-outs count from the second in which the call is made, not from its nanosecond."""
    system_records: tuple[Blob | None, ...] = ()
    """What the system writes to the log where it may; None where it does not."""
    keeps_logs: bool = True
    """What a failed execution wrote stays in the log."""

    def fit(self, entries: Iterable[LogEntry]) -> bool:
        """There is a place in the log for each record of the system, and none is too long."""
        if not self.system_records:
            return True
        places = [entry for entry in entries if isinstance(entry, SystemRecord)]
        lengths = [len(record) for record in self.system_records if record is not None]
        return len(self.system_records) <= len(places) and max(lengths, default=0) <= LONGEST_RECORD

    def left_by_failure(self, outcome: Outcome) -> tuple[LogEntry, ...]:
        """What an execution leaves for the log that fails, during its run or after it."""
        entries = outcome.logs if isinstance(outcome, Trapped) else (*outcome.logs, SystemRecord())
        if self.keeps_logs:
            return entries
        return tuple(SystemRecord() for entry in entries if isinstance(entry, SystemRecord))


NO_CHOICES = Choices()
"""Nothing is refused, and the system writes nothing."""
