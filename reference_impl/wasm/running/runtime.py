"""Runs one function of a module on a canister's state."""

import contextlib
from typing import Final

from attrs import define, evolve

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.wasm.instances import wasmtime_engine
from reference_impl.wasm.instances.instance import CompiledModule, Entry, WasmtimeInstance
from reference_impl.wasm.instances.kept_instances import KEPT
from reference_impl.wasm.instances.stable_memory import StableMemoryOutgrown
from reference_impl.wasm.layout.fast_functions import (
    ACCEPTED,
    ACCEPTED_MESSAGE,
    BURNED,
    CALL_STATE,
    CALLS_MADE,
    CALLS_TRIED,
    CERTIFIED_SIZE,
    NO_CALL,
    REPLIED,
    REPLY_LENGTH,
    TIMER,
    TIMER_SET,
)
from reference_impl.wasm.rewriting.added_memories import MOST_STABLE_PAGES
from reference_impl.wasm.rewriting.counting_code import OVERRUN, RUN_OUT, TOO_DEEP
from reference_impl.wasm.rewriting.fast_stable_code import PAGE_CHARGE
from reference_impl.wasm.rewriting.requirements import takes_pages_for_upgrades
from reference_impl.wasm.system_api.execution import Ended
from reference_impl.wasm.system_api.functions import ACTIVE, Begun, in_progress, linker
from reference_impl.wasm.system_api.given import Given
from reference_impl.wasm.system_api.performed_calls import CallNotTaken, PerformedCalls
from reference_impl.wasm.system_api.stable import most_pages_accessed
from reference_impl.wasm.system_api.start_of_memory import fill_system_memory
from spec.canister.outcome import MethodCall, Returned, TrapCause, Trapped, TrapReason
from spec.canister.wasm_state import WasmState
from spec.values.containers import List
from spec.values.quantities import WASM_PAGE, ByteCount, Instructions
from spec.values.rejects import Reply

PAGE_CHARGE_32: Final[Instructions] = 1000
PAGE_CHARGE_64: Final[Instructions] = 4000
"""For each 4 KiB page of the heap that has changed. Source: facts on instruction weights, older page rule."""

NO_CALLS: Final[List[MethodCall]] = List()

ENDS_IN_MODULE: Final = {RUN_OUT: TrapReason.OUT_OF_INSTRUCTIONS, OVERRUN: TrapReason.SLICE_OVERRUN}
"""What the module says of its end."""

CAUSES: Final = {
    wasmtime_engine.End.UNREACHABLE: TrapCause.UNREACHABLE,
    wasmtime_engine.End.OUTSIDE_HEAP: TrapCause.HEAP_OUT_OF_BOUNDS,
    wasmtime_engine.End.OUTSIDE_TABLE: TrapCause.TABLE_OUT_OF_BOUNDS,
    wasmtime_engine.End.OTHER_SIGNATURE: None,
    wasmtime_engine.End.DIVISION_BY_ZERO: TrapCause.DIVISION_BY_ZERO,
    wasmtime_engine.End.TRAPPED: TrapCause.OTHER,
}
"""What a trap of the engine is called in the log; a wrong signature is a mistake of the module's maker."""


@define(eq=False)
class Finished:
    """What came of an execution, and how its instructions divide up."""

    outcome: Returned | Trapped
    executed: Instructions
    """What segments, bulk operations and system functions took; it may be above the limit."""
    page_charge: Instructions
    """What changed pages of heap and stable memory took."""
    has_accepted_message: bool


LARGEST_QUICK_LIMIT: Final[Instructions] = 2**62
"""Quick code may hold more in its counter than is left, so there must be room above the limit."""


def execute(compiled: CompiledModule, state: WasmState, entry: Entry, given: Given) -> Finished:
    """
    Runs the function on the state; the state itself stays as it is.

    Everything that an execution does stays in its instance and its `Execution`. So a first attempt in quick code that
    traps where the counter is not known is dropped whole, and the same is executed again in exact code. Where the
    system refuses growths or each is to be told, only exact code asks for each. Where the subnet has no room for a call
    that the module has performed, the same is executed again, and the host decides about calls.
    """
    try:
        return _in_some_code(compiled, state, entry, given)
    except CallNotTaken:
        return _in_some_code(compiled, state, entry, evolve(given, host_performs=True))


def _in_some_code(compiled: CompiledModule, state: WasmState, entry: Entry, given: Given) -> Finished:
    """Tries quick code first, if that will do."""
    if given.limit <= LARGEST_QUICK_LIMIT and not given.asks_for_growths:
        try:
            if not compiled.with_large_stack and state.stable_memory.wasm_pages <= compiled.room_for_stable_memory:
                try:
                    # Reason: for nearly all there is nothing else to be tried.
                    return _attempt(compiled, state, entry, given)
                except (_StackOverflow, StableMemoryOutgrown):
                    pass
            return _in_some_room(compiled, state, entry, given)
        except _CountUnknown:
            pass
    return _in_some_room(compiled.counting_exactly(), state, entry, given)


class _CountUnknown(Exception):
    """Quick code has trapped where the counter lags behind; the state is as it was."""


def _in_some_room(compiled: CompiledModule, state: WasmState, entry: Entry, given: Given) -> Finished:
    """Tries the usual room for stable memory first, if that holds what is there."""
    if state.stable_memory.wasm_pages <= compiled.room_for_stable_memory or compiled.has_room_for(state.stable_memory):
        with contextlib.suppress(StableMemoryOutgrown):
            return _on_some_stack(compiled, state, entry, given)
    wanted = max(state.stable_memory.wasm_pages, given.environment.profile.limits.stable_memory // WASM_PAGE)
    larger = compiled.for_large_stable_memory(min(wanted, MOST_STABLE_PAGES))
    if larger.has_room_for(state.stable_memory):
        with contextlib.suppress(StableMemoryOutgrown):
            return _on_some_stack(larger, state, entry, given)
    raise MemoryError(
        f"an execution has room for {larger.room_for_stable_memory} pages of stable memory and needs more"
    )


def _on_some_stack(compiled: CompiledModule, state: WasmState, entry: Entry, given: Given) -> Finished:
    """Tries the stack of this thread first."""
    if not compiled.with_large_stack:
        try:
            return _attempt(compiled, state, entry, given)
        except _StackOverflow:
            pass
    return _on_large_stack(compiled, state, entry, given)


def _on_large_stack(compiled: CompiledModule, state: WasmState, entry: Entry, given: Given) -> Finished:
    """For deep calls of large functions. What overflowed once may do so again."""
    large = compiled.for_large_stack(linker(wasmtime_engine.large_stack_engine(), compiled.parsed.has_64_bit_memory))
    try:
        return wasmtime_engine.on_large_stack(lambda: _attempt(large, state, entry, given))
    except _StackOverflow:
        raise MemoryError(f"{wasmtime_engine.LARGE_STACK} bytes of stack are too little for an execution") from None


class _StackOverflow(Exception):
    """The native stack was too small before the calls were too deep; the state is as it was."""


def _attempt(compiled: CompiledModule, state: WasmState, entry: Entry, given: Given) -> Finished:
    instance = compiled.take_instance(state.wasm_memory, state.stable_memory)
    if not instance.has(state.wasm_memory, state.globals) and not instance.load(state.wasm_memory, state.globals):
        return Finished(Trapped(0, TrapReason.TRAPPED), 0, 0, False)
    fill_system_memory(instance, state, given)
    if instance.stable is not None:
        limits = given.environment.profile.limits
        largest = limits.stable_memory // WASM_PAGE
        instance.stable.begin(state.stable_memory, largest, most_pages_accessed(given.context, limits))
    instance.may_grow = _may_grow
    begun = Begun(instance, state, given)
    outer, ACTIVE.begun = ACTIVE.begun, begun
    try:
        end: Ended | None = None
        try:
            ending = instance.begin(entry)
            if ending is not wasmtime_engine.End.RETURNED:
                end = _end(instance, ending)
        except Ended as ended:
            end = ended
        left = instance.counter_left() if end is None else instance.counter.get()
        size, changed = instance.size_and_changes()
        if end is not None and end.cause is not TrapCause.ASKED_FOR:
            in_progress().log_of_system(None, end.cause)
        if compiled.is_old_motoko:
            end = _end_of_old_motoko(begun, end, size)
        cells = instance.system.cells
        has_called = begun.execution is not None or cells[CALLS_MADE] or cells[CALL_STATE] != NO_CALL
        calls = _calls_performed(begun) if has_called else None
    except _CountUnknown:
        raise
    except CallNotTaken:
        _put_back(instance, instance.size_and_changes()[1], keeps_changes=False)
        raise
    except BaseException:
        KEPT.take(instance)
        raise
    finally:
        ACTIVE.begun = outer
    return _finished(begun, end, changed, size, left, calls)


def _calls_performed(begun: Begun) -> PerformedCalls | None:
    """The calls, if there may be any; one under construction is for an `Execution` to drop. Raises `CallNotTaken`."""
    cells, execution = begun.instance.system.cells, begun.execution
    if cells[CALL_STATE] == NO_CALL and not cells[CALLS_MADE]:
        return None if execution is None else execution.performed_if_any
    if execution is None and cells[CALL_STATE] == NO_CALL:
        calls = PerformedCalls()
        calls.take_over(begun.instance.system, begun.given.environment)
        return calls
    execution = in_progress()
    execution.take_calls()
    return execution.performed


def _may_grow() -> bool:
    return in_progress().may_grow()


def _end(instance: WasmtimeInstance, ending: wasmtime_engine.End) -> Ended:
    """How an execution ended that did not return. Raises `_CountUnknown` or `_StackOverflow`."""
    if ending is wasmtime_engine.End.STACK_OVERFLOW:
        raise _StackOverflow
    if ending is not wasmtime_engine.End.UNREACHABLE and not instance.compiled.instrumented.is_exact:
        _put_back(instance, instance.size_and_changes()[1], keeps_changes=False)
        raise _CountUnknown
    if instance.end in ENDS_IN_MODULE:
        return Ended(ENDS_IN_MODULE[instance.end])
    return Ended(cause=TrapCause.STACK_OVERFLOW if instance.end == TOO_DEEP else CAUSES[ending])


def _end_of_old_motoko(begun: Begun, end: Ended | None, size: ByteCount) -> Ended | None:
    """It ends also where it takes the pages that its next upgrade needs."""
    limits = begun.given.environment.profile.limits
    if not takes_pages_for_upgrades(begun.instance.compiled.parsed, size // WASM_PAGE, limits):
        return end
    if end is None:
        in_progress().log_of_system(None, None)
    return Ended()


def _finished(
    begun: Begun,
    end: Ended | None,
    changed: dict[int, bytes],
    size: ByteCount,
    left: Instructions,
    calls: PerformedCalls | None,
) -> Finished:
    """What came of it, with so many instructions left. The instance is left to other executions."""
    instance, given, execution = begun.instance, begun.given, begun.execution
    if execution is not None:
        execution.take_over()
    compiled, stable, keeps_changes = instance.compiled, instance.stable, given.context.keeps_changes
    executed = given.limit - left
    page_charge = 0
    if stable is not None:
        page_charge = PAGE_CHARGE * stable.pages_written
        executed -= page_charge
    # Also after a trap; not after a run out of instructions, and not where changes are dropped anyway.
    if changed and keeps_changes and not (end is not None and end.reason is TrapReason.OUT_OF_INSTRUCTIONS):
        page_charge += len(changed) * (PAGE_CHARGE_64 if compiled.parsed.has_64_bit_memory else PAGE_CHARGE_32)
    used = executed + page_charge
    if used > given.limit:
        used = given.limit
    environment = given.environment
    cells = instance.system.cells
    if isinstance(environment, KeptEnvironment):
        room = environment.room
        if room is not None:
            if calls is not None and calls.without_slot:
                room.refused = tuple(calls.without_slot)
            memory = size + (begun.state.stable_memory.wasm_pages if stable is None else stable.wasm_pages) * WASM_PAGE
            if memory > room.memory_at_end:
                room.memory_at_end = memory
        if environment.asked is not None and cells[CALLS_TRIED] > len(calls.calls if calls else ()):
            environment.asked.add("call_perform")
    outcome = _returned(begun, changed, size, used, calls) if end is None else _trapped(begun, end, used, calls)
    has_accepted = end is None and cells[ACCEPTED_MESSAGE] == 1
    if end is None and keeps_changes and not compiled.instrumented.drops_data:
        compiled.give_back(instance)
    else:
        _put_back(instance, changed, end is None and keeps_changes)
    return Finished(outcome, executed, page_charge, has_accepted)


def _returned(
    begun: Begun, changed: dict[int, bytes], size: ByteCount, used: Instructions, calls: PerformedCalls | None
) -> Returned:
    instance, state, execution = begun.instance, begun.state, begun.execution
    system = instance.system
    cells = system.cells
    now = _state_after(instance, state, changed, size) if begun.given.context.keeps_changes else state
    new_calls = List(tuple(calls.calls)) if calls is not None and calls.calls else NO_CALLS
    if execution is None:
        # The host was not needed: whatever was done, the module has done it by itself.
        return Returned(
            now,
            used,
            new_calls,
            system.new_certified_data() if cells[CERTIFIED_SIZE] else None,
            cells[TIMER] if cells[TIMER_SET] else None,
            Reply(system.take_reply() if cells[REPLY_LENGTH] else b"") if cells[REPLIED] else None,
            cells[ACCEPTED] | cells[ACCEPTED + 1] << 64,
            cells[BURNED] | cells[BURNED + 1] << 64,
            growths=begun.given.growths_before,
            calls_tried=system.cells[CALLS_TRIED],
        )
    execution.drop_call()
    certified = system.new_certified_data()
    return Returned(
        now,
        used,
        new_calls,
        execution.new_certified_data if certified is None else certified,
        system.new_global_timer(),
        execution.response,
        system.amount(ACCEPTED),
        system.amount(BURNED),
        execution.overflow,
        execution.logs,
        None,
        execution.growths_tried,
        execution.growths_told() if execution.growths_under_way else (),
        system.cells[CALLS_TRIED],
    )


def _trapped(begun: Begun, end: Ended, used: Instructions, calls: PerformedCalls | None) -> Trapped:
    execution = begun.execution
    made = tuple(calls.calls) if calls is not None else ()
    tried = begun.instance.system.cells[CALLS_TRIED]
    if execution is None:
        growths = begun.given.growths_before
        return Trapped(used, end.reason, end.message, (), growths, calls_tried=tried, made_calls=made)
    return Trapped(
        instructions_used=used,
        reason=end.reason,
        message=end.message,
        logs=execution.logs,
        growths=execution.growths_tried,
        tried_growths=execution.growths_told() if execution.growths_under_way else (),
        calls_tried=tried,
        made_calls=made,
    )


def _state_after(instance: WasmtimeInstance, state: WasmState, changed: dict[int, bytes], size: ByteCount) -> WasmState:
    """The state with the changes, which count as loaded from now on; the same object if there are none."""
    stable_memory = state.stable_memory if instance.stable is None else instance.stable.keep()
    heap = instance.keep(changed, size)
    globals_now = instance.keep_globals() if state.globals else ()
    if heap is state.wasm_memory and stable_memory is state.stable_memory and globals_now == state.globals:
        return state
    return WasmState(state.self_id, heap, stable_memory, globals_now)


def _put_back(instance: WasmtimeInstance, changed: dict[int, bytes], keeps_changes: bool) -> None:
    """Leaves the instance to other executions, with the changes in it or without."""
    compiled = instance.compiled
    # Growing cannot be undone, nor can dropping a data segment.
    if not compiled.instrumented.drops_data and (keeps_changes or instance.undo(changed)):
        compiled.give_back(instance)
    else:
        KEPT.take(instance)
