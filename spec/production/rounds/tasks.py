"""
Heartbeats and global timers: which of them are queued when a round begins.

Source: facts on the round, inner loop L3.
"""

from typing import Final

from attrs import evolve

from spec.production.rounds.executions import Tasks, hook_is_due
from spec.production.rounds.inputs import label_of, next_input
from spec.production.rounds.progress import Progress
from spec.production.rounds.round_state import Beginning, Method
from spec.state.canister import HookStatus
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
            if due and hook_is_due(progress, canister_id):
                progress = passed_over(progress, canister_id)
            elif due:
                progress, tasks[canister_id] = chosen(progress, canister_id, due)
    return progress, tasks


def tasks_due(progress: Progress, canister_id: CanisterId) -> tuple[Method, ...]:
    """The tasks that could begin now if no low-memory hook waited: exported, due, and with the cycles for them."""
    canisters = progress.state.canisters
    hookless = evolve(canisters[canister_id], low_memory_hook=HookStatus.EXECUTED)
    free = evolve(progress, state=evolve(progress.state, canisters=canisters.set(canister_id, hookless)))
    return tuple(
        method
        for method, rule in RULES_OF_TASKS.items()
        if free.tried(label_of(free, Beginning(rule, canister_id))) is not None
    )


def passed_over(progress: Progress, canister_id: CanisterId) -> Progress:
    """
    After the canister's pointer moved on without a look, as the low-memory hook comes first and no task is queued.

    Source: dfinity/ic, rs/execution_environment/src/scheduler.rs, `is_next_method_chosen`.
    """
    record = progress.record(canister_id)
    return progress.with_record(canister_id, evolve(record, next_method=AFTER[record.next_method]))


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
