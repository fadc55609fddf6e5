"""
Under which numbers the records of logs were told.

Which number a log begins with is open, but each record has its own for as long as the log is not purged.
Source: management-canister, `fetch_canister_logs`.
"""

from conformance.judging.querying import logs_in
from conformance.judging.verdicts import fail
from conformance.protocol.interface import Query, QueryAnswer
from spec.reads.management_query import managed_by_query
from spec.state.state import State
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId
from spec.values.management import CanisterLogRecord
from spec.values.quantities import Count


class NumbersTold:
    """The records that were told of logs, by their numbers."""

    def __init__(self) -> None:
        self._told: dict[tuple[CanisterId, Count], dict[Count, CanisterLogRecord]] = {}
        """By the canister, and how many changes it had: with each installation a log may begin anew."""

    def take_in(self, state: State, asked: Query, seen: QueryAnswer) -> None:
        """Remembers what a query told. Raises `verdicts.Judged` if a record was told under another number before."""
        managed = managed_by_query(asked.method_name, asked.argument)
        records = logs_in(seen) if asked.canister_id == MANAGEMENT_CANISTER else None
        if managed is None or managed not in state.canisters or records is None:
            return
        changes = state.canisters[managed].history.total_changes
        before = self._told.setdefault((managed, changes), {})
        for record in records:
            known = before.setdefault(record.idx, record)
            if known != record:
                raise fail(
                    f"the record of a log with the number {record.idx} is {record.content!r}",
                    (f"{known.content!r}, as it was told before",),
                    ("query",),
                )
