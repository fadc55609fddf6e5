"""
Heartbeats and global timers: which of them are queued when a round begins.

Source: facts on the round, inner loop L3.
"""

from typing import Final

from attrs import evolve

from spec.production.rounds.executions import Tasks
from spec.production.rounds.inputs import label_of, next_input
from spec.production.rounds.progress import Progress
from spec.production.rounds.round_state import Beginning, Method
from spec.values.identifiers import CanisterId

RULES_OF_TASKS: Final = {
    Method.GLOBAL_TIMER: "global_timer_context_creation",
    Method.HEARTBEAT: "heartbeat_context_creation",
}
METHODS: Final = tuple(Method)
AFTER: Final = {method: METHODS[(number + 1) % len(METHODS)] for number, method in enumerate(METHODS)}


def with_tasks_queued(progress: Progress) -> tuple[Progress, Tasks]:
    """After every canister was looked at for tasks; and the tasks that are queued."""
    tasks: Tasks = {}
    for canister_id in progress.canisters():
        if progress.long_execution(canister_id) is None:
            due = tasks_due(progress, canister_id)
            if due:
                progress, tasks[canister_id] = chosen(progress, canister_id, due)
    return progress, tasks


def tasks_due(progress: Progress, canister_id: CanisterId) -> tuple[Method, ...]:
    """The tasks that the rules let begin now: exported, due, with the cycles for them, and no low-memory hook waits."""
    return tuple(
        method
        for method, rule in RULES_OF_TASKS.items()
        if progress.tried(label_of(progress, Beginning(rule, canister_id))) is not None
    )


def chosen(progress: Progress, canister_id: CanisterId, due: tuple[Method, ...]) -> tuple[Progress, tuple[str, ...]]:
    """After the canister's pointer moved on to what it does in this round: a task and the other one, or a message."""
    record = progress.record(canister_id)
    pointer = record.next_method
    for _ in METHODS:
        method, pointer = pointer, AFTER[pointer]
        if method in due:
            others = tuple(RULES_OF_TASKS[one] for one in due if one is not method)
            queued: tuple[str, ...] = (RULES_OF_TASKS[method], *others)
            break
        if method is Method.MESSAGE and next_input(progress, canister_id).item is not None:
            queued = ()
            break
    return progress.with_record(canister_id, evolve(record, next_method=pointer)), queued
