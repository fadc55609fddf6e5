"""
Executions on a core, whole or in slices.

A transition does an execution at once. So it is tried to see how much it takes, and taken back if that is more than a
slice; its canister is busy for as many slices as that fills, and with the last one the transition is taken. Nothing
that the execution sees changes meanwhile. Source: facts on the round, L6 and one_execution.
"""

from collections import Counter
from collections.abc import Iterable

from attrs import define, field

from reference_impl.messages import delivery, tasks
from reference_impl.rounds import transitions
from reference_impl.rounds.production.blocks import Capacity
from reference_impl.rounds.production.conductor import Conductor, LongRun
from reference_impl.rounds.production.savepoints import Savepoint
from reference_impl.rounds.production.turns import Item
from reference_impl.rounds.production.usage import RoomOnCore
from spec.canister.wasm_state import WasmState
from spec.state.canister import HookStatus
from spec.state.message import CallMessage
from spec.values.identifiers import CanisterId
from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, ByteCount, Instructions

HOOK = "on_low_wasm_memory_context_creation"
TIMER = "global_timer_context_creation"
HEARTBEAT = "heartbeat_context_creation"
REFUSALS = {HOOK: tasks.hook_refusal, TIMER: tasks.timer_refusal, HEARTBEAT: tasks.heartbeat_refusal}
"""What says of a task that it cannot begin."""


class Trial:
    """The instance before something that may be taken back."""

    def __init__(self, conductor: Conductor, only: CanisterId | None = None) -> None:
        """If one canister is named, no other one changes meanwhile."""
        self._conductor = conductor
        self._instance = Savepoint(conductor.instance, only)
        self._reached = Counter(conductor.reached)
        self._waiting = dict(conductor.waiting)
        self.executed_before = conductor.executed
        self.next_message = conductor.instance.messages.next_id
        self.memory_before = conductor.instance.memory_in_use[conductor.instance.subnet.subnet_id]

    @property
    def instructions(self) -> Instructions:
        """What code has used since."""
        return self._conductor.executed - self.executed_before

    def take_back(self) -> None:
        """All is as it was."""
        self._instance.restore()
        self._conductor.forget_what_was_tried()
        self._conductor.executed = self.executed_before
        self._conductor.waiting = self._waiting
        self._conductor.reached.clear()
        self._conductor.reached.update(self._reached)


@define
class Core:
    """A core in an iteration."""

    limit: int
    """How many instructions are left; at zero or below nothing begins."""
    room: RoomOnCore
    executed: Instructions = 0
    heap_delta: ByteCount = 0

    def may_begin(self, conductor: Conductor) -> bool:
        """Another execution or slice may begin."""
        return self.limit > 0 and self.heap_delta < conductor.instance.profile.rounds.heap_delta_in_iteration


@define
class Turn:
    """The turn of a canister on a core."""

    conductor: Conductor
    core: Core
    canister_id: CanisterId
    queued: list[str]
    """Its tasks, by the transitions that begin them."""
    completed: Instructions = 0
    """What executions used that came to their end."""
    is_over: bool = field(default=False)

    def run(self) -> None:
        """The canister executes one thing after another, until it has nothing left or the core says stop."""
        rounds = self.conductor.instance.profile.rounds
        has_executed = False
        while not self.is_over and self.core.may_begin(self.conductor):
            if is_stuck_at_hook(self.conductor, self.canister_id):
                self._try_in_vain()
                break
            used = self._next()
            if used is None:
                break
            has_executed = has_executed or used > 0
            self.core.executed += used
            self.core.limit -= used + rounds.execution_overhead
        if self.completed > 0:
            self.core.limit -= rounds.canister_overhead
        if has_executed:
            self._note_full_turn()

    def _try_in_vain(self) -> None:
        """The hook is tried and put back until the core has nothing left; each time costs what an execution does."""
        overhead = self.conductor.instance.profile.rounds.execution_overhead
        beyond = self.core.limit % overhead
        self.core.limit = beyond - overhead if beyond else 0
        self.conductor.reached[Capacity.UNPAID_HOOK] += 1

    def _note_full_turn(self) -> None:
        """A canister that executed had all of its turn if nothing is left, or a long execution went on or ended."""
        conductor, canister_id = self.conductor, self.canister_id
        is_busy = conductor.is_executing(canister_id)
        if is_busy or canister_id in conductor.notes.was_long or not has_work(conductor, canister_id, self.queued):
            conductor.notes.full.add(canister_id)

    def _next(self) -> Instructions | None:
        """The next thing is executed; what it used, or None if there is none."""
        conductor, canister_id = self.conductor, self.canister_id
        run = conductor.long_runs.get(canister_id)
        if run is not None:
            return self._go_on(run)
        if may_begin(conductor, HOOK, canister_id):
            return self._begin(HOOK, canister_id)
        if self.queued:
            task = self.queued.pop(0)
            return self._begin(task, canister_id) if may_begin(conductor, task, canister_id) else 0
        item = conductor.book(canister_id).turns.take(lambda one: can_start(conductor, canister_id, one))
        if item is None:
            return None
        message_id = conductor.started(item)
        return self._begin(beginning_of(conductor, message_id), message_id)

    def _begin(self, rule: str, subject: int | CanisterId) -> Instructions:
        """An execution is done, or the first slice of it."""
        conductor = self.conductor
        used, trial = self._attempt(rule, subject)
        one_slice = conductor.instance.profile.rounds.slice_instructions
        if used <= one_slice:
            self._keep(trial)
            return used
        trial.take_back()
        conductor.long_runs[self.canister_id] = LongRun(rule, subject, total=used, done=one_slice)
        if isinstance(subject, int):
            conductor.held.add(subject)
        return self._paused(one_slice)

    def _paused(self, used: Instructions) -> Instructions:
        self.conductor.notes.slices.append((self.canister_id, used))
        self.conductor.reached[Capacity.SLICE] += 1
        return used

    def _go_on(self, run: LongRun) -> Instructions:
        """The next slice of a long execution, or the first one again of an aborted one."""
        conductor = self.conductor
        one_slice = conductor.instance.profile.rounds.slice_instructions
        del conductor.long_runs[self.canister_id]
        if not may_begin(conductor, run.rule, run.subject):
            self.is_over = True
            if isinstance(run.subject, int):
                conductor.put_back(run.subject)
            return 0
        if run.is_aborted:
            used = self._begin(run.rule, run.subject)
            self.is_over = self.canister_id not in conductor.long_runs
            return used
        if run.total - run.done > one_slice:
            run.done += one_slice
            conductor.long_runs[self.canister_id] = run
            return self._paused(one_slice)
        _, trial = self._attempt(run.rule, run.subject)
        self._keep(trial)
        self.is_over = True
        return run.total - run.done

    def _attempt(self, rule: str, subject: int | CanisterId) -> tuple[Instructions, "_Tried"]:
        conductor = self.conductor
        trial = _Tried(conductor, self.canister_id)
        if isinstance(subject, int):
            conductor.held.discard(subject)
        begin(conductor, rule, subject)
        if conductor.instance.messages.pending_function is not None:
            before = conductor.instance.messages.next_id
            transitions.take_execution(conductor.instance, self.core.room)
            conductor.note_step(before)
        return trial.instructions, trial

    def _keep(self, trial: "_Tried") -> None:
        conductor, canister_id = self.conductor, self.canister_id
        self.core.room.less(conductor, trial.memory_before, trial.next_message)
        changed = trial.changed_memory()
        conductor.book(canister_id).heap_delta += changed
        conductor.heap_delta += changed
        conductor.notes.heap_delta += changed
        self.core.heap_delta += changed
        self.completed += trial.instructions
        if trial.instructions:
            conductor.notes.completed.add(canister_id)
        conductor.follow()


class _Tried(Trial):
    """The trial of an execution of one canister."""

    def __init__(self, conductor: Conductor, canister_id: CanisterId) -> None:
        # Reason: an execution changes what others have only by messages.
        super().__init__(conductor, canister_id)
        self._memories = Memories(conductor, canister_id)

    def changed_memory(self) -> ByteCount:
        """What the execution has changed."""
        return self._memories.changed()


class Memories:
    """The memories of a canister, as they were."""

    def __init__(self, conductor: Conductor, canister_id: CanisterId) -> None:
        self._conductor = conductor
        self._canister_id = canister_id
        self._before = self._now()

    def _now(self) -> WasmState | None:
        canister = self._conductor.instance.canisters.get(self._canister_id)
        return None if canister is None or canister.code is None else canister.code.wasm_state

    def changed(self) -> ByteCount:
        """The bytes of the pages of heap and stable memory that are not as before; none of a canister without code."""
        after, before = self._now(), self._before
        if after is None:
            return 0
        pairs = (
            (after.wasm_memory, LinearMemory() if before is None else before.wasm_memory),
            (after.stable_memory, LinearMemory() if before is None else before.stable_memory),
        )
        return OS_PAGE * sum(
            len(list(later.differing_pages(earlier))) for later, earlier in pairs if later is not earlier
        )


# What can begin


def may_begin(conductor: Conductor, rule: str, subject: int | CanisterId) -> bool:
    """An execution can begin with a transition now."""
    instance = conductor.instance
    if rule in REFUSALS:
        assert isinstance(subject, bytes)
        canister = instance.canisters.get(CanisterId(subject))
        return canister is not None and REFUSALS[rule](instance, canister) is None
    assert isinstance(subject, int)
    return subject in instance.messages and beginning_of(conductor, subject) == rule and can_handle(conductor, subject)


def beginning_of(conductor: Conductor, message_id: int) -> str:
    """The transition by which a canister handles a message."""
    instance = conductor.instance
    if isinstance(instance.messages[message_id], CallMessage):
        return delivery.applicable_rejection(instance, message_id) or "call_context_creation"
    return "callback_of_deleted_context" if delivery.is_for_deleted_context(instance, message_id) else CALLBACK


def is_stuck_at_hook(conductor: Conductor, canister_id: CanisterId) -> bool:
    """
    A canister cannot set aside the cycles for its low-memory hook, which is due; so it gets to nothing behind it.

    It is as stuck while it stops. Source: call_or_task.rs of production puts the hook back in front of everything.
    """
    instance, canister = conductor.instance, conductor.canister(canister_id)
    if canister.low_memory_hook is not HookStatus.READY or canister.code is None or canister_id in conductor.long_runs:
        return False
    return instance.liquid(canister) < delivery.cost_of_start(instance, canister, None)


def due_behind_hook(conductor: Conductor, task: str, canister_id: CanisterId) -> bool:
    """A task would be due if the low-memory hook were not before it."""
    canister = conductor.canister(canister_id)
    hook = canister.low_memory_hook
    canister.low_memory_hook = HookStatus.EXECUTED
    is_due = may_begin(conductor, task, canister_id)
    canister.low_memory_hook = hook
    return is_due


CALLBACK = "callback_invocation"


def can_handle(conductor: Conductor, message_id: int) -> bool:
    """A message can be handled: a call waits for a low-memory hook, unless it is rejected."""
    instance = conductor.instance
    message = instance.messages[message_id]
    if not isinstance(message, CallMessage):
        return True
    if not instance.messages.is_eligible(message_id):
        return False
    if delivery.applicable_rejection(instance, message_id) is not None:
        return True
    return instance.canisters[message.callee].low_memory_hook is not HookStatus.READY


def can_start(conductor: Conductor, canister_id: CanisterId, item: Item) -> bool:
    """An input can be handled."""
    if isinstance(item, int):
        return can_handle(conductor, item)
    if conductor.canister(canister_id).low_memory_hook is not HookStatus.READY:
        return True
    trial = Trial(conductor)
    can = can_handle(conductor, conductor.started(item))
    trial.take_back()
    return can


def begin(conductor: Conductor, rule: str, subject: int | CanisterId) -> None:
    """The transition is taken with which an execution begins."""
    about: dict[str, object] = {"message_id" if isinstance(subject, int) else "canister_id": subject}
    if rule.endswith("context_creation"):
        about["context_id"] = conductor.fresh_context()
    if rule in delivery.OPEN_CODES:
        about["code"] = int(delivery.OPEN_CODES[rule])
    conductor.must_take(rule, **about)


def has_work(conductor: Conductor, canister_id: CanisterId, queued: Iterable[str]) -> bool:
    """The canister has something to execute."""
    run = conductor.long_runs.get(canister_id)
    if run is not None:
        return not run.is_installation
    if any(True for _ in queued) or may_begin(conductor, HOOK, canister_id) or is_stuck_at_hook(conductor, canister_id):
        return True
    return conductor.book(canister_id).turns.has_any(lambda one: can_start(conductor, canister_id, one))
