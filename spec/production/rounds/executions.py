"""
Executions on a core, whole or in slices.

In the rules an execution is one step. Here it takes as long as its instructions ask for: it is tried to learn them; if
they are more than a slice, it occupies its canister for as many slices as they fill, and its labels are taken with the
last one. That is allowed, since a step may come at any time after it is enabled, and it is faithful, since nothing that
the execution sees changes in between: other executions of the canister, management calls about it, its payments and its
clock all wait. It may differ from production in this: cycles are set aside when the last slice runs, not the first, so
the balance that others see is higher meanwhile; what the whole subnet uses is that of the last slice; and a slice holds
exactly its limit, whereas production ends one at the first check after it. An aborted execution is tried anew. Whether
a single copy is too large for slices is decided where instructions are counted (`spec.wasm.metering`), so an execution
that is tried has ended by then.
"""

from attrs import evolve, frozen

from spec.production.capacities.room import left_after
from spec.production.executions import execution_label
from spec.production.rounds.inputs import beginning_of, label_of, next_input, started
from spec.production.rounds.progress import Progress, changed_memory, executed_instructions, followed
from spec.production.rounds.round_state import Beginning, LongExecution
from spec.rules.messages.budgets import cycles_set_aside_for_task
from spec.rules.resources import liquid_balance
from spec.state.canister import Empty, HookStatus
from spec.state.message import FuncMessage
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId, MessageId
from spec.values.quantities import ByteCount, Instructions

HOOK = "on_low_wasm_memory_context_creation"

Tasks = dict[CanisterId, tuple[str, ...]]
"""The rules of the tasks that are queued in a round, by canister."""


@frozen
class Ran:
    """A message, a task or a slice was executed."""

    progress: Progress
    instructions: Instructions
    completed: Instructions = 0
    """What the execution used in all, if it came to its end."""
    ended_long: bool = False
    """It was the last slice of a long execution."""


@frozen
class Core:
    """A core within an iteration."""

    progress: Progress
    limit: int
    """How many instructions are left; nothing begins at zero or below."""
    instructions: Instructions = 0
    """Executed so far."""
    heap_delta: ByteCount = 0
    tasks: Tasks = {}

    @property
    def may_go_on(self) -> bool:
        """Another message, task or slice may begin."""
        return self.limit > 0 and self.heap_delta < self.progress.state.profile.rounds.heap_delta_in_iteration


def attempted(progress: Progress, beginning: Beginning, canister_id: CanisterId) -> Progress:
    """After an execution, all of it, and what follows from it."""
    after = finished_pending(progress.take(label_of(progress, beginning)))
    if progress.room is not None:
        after = evolve(after, room=left_after(progress.room, progress.state, after.state))
    changed = changed_memory(progress.state, after.state, canister_id)
    if changed:
        record = after.record(canister_id)
        after = after.with_record(canister_id, evolve(record, heap_delta_debit=record.heap_delta_debit + changed))
        rounds = evolve(after.rounds, heap_delta=after.rounds.heap_delta + changed)
        after = evolve(after, rounds=rounds, heap_delta=after.heap_delta + changed)
    return followed(after)


def finished_pending(progress: Progress) -> Progress:
    """After the function that a call context was created for, if there is one."""
    for message_id, message in progress.state.messages.entries:
        if isinstance(message, FuncMessage):
            return progress.take(execution_label(progress.state, MessageId(message_id), progress.room))
    return progress


def used_since(before: Progress, after: Progress) -> Instructions:
    """What code used in the labels that were taken in between."""
    return executed_instructions(after.outputs[len(before.outputs) :])


def begun(progress: Progress, canister_id: CanisterId, beginning: Beginning) -> Ran:
    """An execution is done, or its first slice is."""
    after = attempted(progress, beginning, canister_id)
    instructions = used_since(progress, after)
    one_slice = progress.state.profile.rounds.slice_instructions
    if instructions <= one_slice:
        return complete(after, canister_id, instructions, instructions)
    long = LongExecution(beginning, instructions, one_slice)
    return sliced(progress.with_long_execution(canister_id, long), canister_id, one_slice)


def complete(progress: Progress, canister_id: CanisterId, instructions: Instructions, total: Instructions) -> Ran:
    """An execution came to its end, with so many instructions now and so many in all."""
    if total:
        progress = evolve(progress, completed=progress.completed | {canister_id})
    return Ran(progress, instructions, completed=total)


def sliced(progress: Progress, canister_id: CanisterId, instructions: Instructions) -> Ran:
    """A slice of a long execution is done, and more of them come."""
    return Ran(evolve(progress, slices=(*progress.slices, (canister_id, instructions))), instructions)


def resumed(progress: Progress, canister_id: CanisterId) -> Ran:
    """A long execution goes on for a slice, or begins anew after it was aborted."""
    long = progress.long_execution(canister_id)
    assert long is not None
    free = progress.with_long_execution(canister_id, None)
    if free.tried(label_of(free, long.beginning)) is None:
        # Reason: its cycles are not there any more; the message is rejected when it is taken again.
        return Ran(free, 0, ended_long=True)
    if long.is_aborted:
        ran = begun(free, canister_id, long.beginning)
        return evolve(ran, ended_long=ran.progress.long_execution(canister_id) is None)
    one_slice = progress.state.profile.rounds.slice_instructions
    left = long.instructions - long.executed
    if left > one_slice:
        more = evolve(long, executed=long.executed + one_slice)
        return sliced(progress.with_long_execution(canister_id, more), canister_id, one_slice)
    ran = complete(attempted(free, long.beginning, canister_id), canister_id, left, long.instructions)
    return evolve(ran, ended_long=True)


def next_on_core(core: Core, canister_id: CanisterId) -> tuple[Ran, Tasks] | None:
    """The next execution of a canister: a long one, the low-memory hook, a task, or an input. None if it has none."""
    progress = core.progress
    if progress.long_execution(canister_id) is not None:
        return resumed(progress, canister_id), core.tasks
    if hook_can_run(progress, canister_id):
        return begun(progress, canister_id, Beginning(HOOK, canister_id)), core.tasks
    queued = core.tasks.get(canister_id, ())
    if queued:
        return task_run(progress, canister_id, queued[0]), {**core.tasks, canister_id: queued[1:]}
    chosen = next_input(progress, canister_id)
    if chosen.item is None:
        return None
    record = evolve(progress.record(canister_id), rotation=chosen.rotation)
    progress, message_id = started(progress.with_record(canister_id, record), chosen.item)
    beginning = beginning_of(progress, message_id)
    assert beginning is not None
    return begun(progress, canister_id, beginning), core.tasks


def hook_is_due(progress: Progress, canister_id: CanisterId) -> bool:
    """The low-memory hook of the canister waits."""
    return progress.state.canisters[canister_id].low_memory_hook is HookStatus.READY


def hook_can_run(progress: Progress, canister_id: CanisterId) -> bool:
    """The low-memory hook of the canister waits, and nothing prevents it."""
    hook = label_of(progress, Beginning(HOOK, canister_id))
    return hook_is_due(progress, canister_id) and progress.tried(hook) is not None


def hook_is_unpaid(progress: Progress, canister_id: CanisterId) -> bool:
    """The low-memory hook of the canister comes next and waits for cycles, whether the canister runs or not."""
    profile, canister = progress.state.profile, progress.state.canisters[canister_id]
    if not hook_is_due(progress, canister_id) or isinstance(canister.code, Empty):
        return False
    return progress.long_execution(canister_id) is None and liquid_balance(
        profile, canister
    ) < cycles_set_aside_for_task(profile, canister)


def used_up_in_vain(core: Core) -> Core:
    """
    A core after a hook was tried that its canister cannot pay for, again and again until nothing is left of the core.

    Each attempt costs what every execution does beside its instructions. Source: dfinity/ic, `execute_call_or_task` in
    rs/execution_environment/src/execution/call_or_task.rs, which puts the hook back in front of everything.
    """
    overhead = core.progress.state.profile.rounds.execution_overhead
    attempts = -(-core.limit // overhead)
    return evolve(core, limit=core.limit - attempts * overhead)


def task_run(progress: Progress, canister_id: CanisterId, rule: str) -> Ran:
    """A queued task is done; it is dropped if it cannot begin any more."""
    task = Beginning(rule, canister_id)
    if progress.tried(label_of(progress, task)) is None:
        return Ran(progress, 0)
    return begun(progress, canister_id, task)


@defines("seed1.round-effort-limit")
def executed_on_core(core: Core, canister_id: CanisterId) -> Core:
    """
    A core after its turn with a canister: one execution after another, until something says stop.

    It costs something beside if an execution came to its end. Source: rs/execution_environment/src/scheduler.rs.
    """
    rounds = core.progress.state.profile.rounds
    completed, has_executed = 0, False
    while core.may_go_on:
        if hook_is_unpaid(core.progress, canister_id):
            core = used_up_in_vain(core)
            break
        following = next_on_core(core, canister_id)
        if following is None:
            break
        ran, tasks = following
        completed, has_executed = completed + ran.completed, has_executed or ran.instructions > 0
        core = Core(
            progress=ran.progress,
            limit=core.limit - ran.instructions - rounds.execution_overhead,
            instructions=core.instructions + ran.instructions,
            heap_delta=core.heap_delta + ran.progress.heap_delta - core.progress.heap_delta,
            tasks=tasks,
        )
        if ran.ended_long:
            break
    if completed:
        core = evolve(core, limit=core.limit - rounds.canister_overhead)
    if has_executed and had_full_share(core, canister_id):
        shared = core.progress.fully_executed | {canister_id}
        core = evolve(core, progress=evolve(core.progress, fully_executed=shared))
    return core


def had_full_share(core: Core, canister_id: CanisterId) -> bool:
    """A canister that executed has nothing left, or a slice of a long execution was done, or the last one."""
    progress = core.progress
    return (
        progress.long_execution(canister_id) is not None
        or canister_id in progress.long_at_first
        or not has_work(progress, canister_id, core.tasks)
    )


def has_work(progress: Progress, canister_id: CanisterId, tasks: Tasks) -> bool:
    """The canister has something to execute."""
    long = progress.long_execution(canister_id)
    if long is not None:
        return not long.is_installation
    return (
        bool(tasks.get(canister_id))
        or hook_is_unpaid(progress, canister_id)
        or hook_can_run(progress, canister_id)
        or next_input(progress, canister_id).item is not None
    )
