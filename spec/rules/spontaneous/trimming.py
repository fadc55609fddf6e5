"""Old records are forgotten: changes in the history of a canister, and records of its log."""

from attrs import evolve

from spec.rules.conditions import existing_canister
from spec.rules.messages.effects import LARGEST_LOG
from spec.state.canister import LogRecord
from spec.state.history import CanisterHistory
from spec.state.state import State
from spec.transition import Step, opaque, require, transition
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import CanisterId
from spec.values.quantities import ByteCount, Count

CHANGES_KEPT = 20
"""At least so many changes stay. Source: abstract-behavior, trimming canister history."""

LARGEST_RECORD_OVERHEAD: ByteCount = 40
"""The most that a record is taken to have beside its content: production's figure. Source: ours#log-trimming."""


@opaque
def size_of_log(records: List[LogRecord], overhead: ByteCount) -> ByteCount:
    """The total length of log records, each of which has so many bytes beside its content."""
    return records.total(lambda record: overhead + len(record.content))


@transition(title="Trimming canister history", source="abstract-behavior#trimming-canister-history")
@defines("unspec.spont.history-trimming")
def canister_history_trimming(state: State, *, canister_id: CanisterId, kept: Count) -> Step:
    """The oldest recorded changes may be dropped; at least the newest twenty stay, and the total is kept."""
    # CONDITIONS
    canister = existing_canister(state, canister_id)
    history = canister.history
    require(kept >= CHANGES_KEPT, "at least 20 changes stay")
    require(kept < len(history.recent_changes), "there are more changes than stay")
    trimmed = CanisterHistory(history.total_changes, history.recent_changes.newest(kept))

    # STATE AFTER
    return Step(evolve(state, canisters=state.canisters.set(canister_id, evolve(canister, history=trimmed))))


@transition(title="Trimming canister logs", source="abstract-behavior#trimming-canister-logs")
@defines("unspec.spont.log-trimming", "mgmt.fetch-canister-logs")
def canister_log_trimming(state: State, *, canister_id: CanisterId, kept: Count) -> Step:
    """
    The oldest records of a log larger than 4 KiB may be dropped, or all of them.

    What a record has beside its content is open, so a log is larger if it is at the largest overhead.
    """
    # CONDITIONS
    canister = existing_canister(state, canister_id)
    require(size_of_log(canister.logs, LARGEST_RECORD_OVERHEAD) > LARGEST_LOG, "the log is larger than 4 KiB")
    require(kept >= 0 and kept < len(canister.logs), "there are more records than stay")
    logs = canister.logs.newest(kept)

    # STATE AFTER
    return Step(evolve(state, canisters=state.canisters.set(canister_id, evolve(canister, logs=logs))))
