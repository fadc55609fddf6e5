"""Runs one function of a module on a canister's state."""

import contextlib
from collections.abc import Callable
from typing import Final

import wasmtime
from attrs import frozen

from reference_impl.wasm.instances import wasmtime_engine
from reference_impl.wasm.instances.instance import CompiledModule, WasmtimeInstance
from reference_impl.wasm.instances.stable_memory import StableMemoryOutgrown
from reference_impl.wasm.layout.fast_functions import NUMBER_OF_CELLS
from reference_impl.wasm.layout.system_functions import REPLICATED, Context
from reference_impl.wasm.rewriting.added_memories import MOST_STABLE_PAGES
from reference_impl.wasm.rewriting.counting_code import OVERRUN, RUN_OUT
from reference_impl.wasm.rewriting.requirements import takes_pages_for_upgrades
from reference_impl.wasm.system_api.costs import BYTES_PER_GLOBAL
from reference_impl.wasm.system_api.execution import Ended, Execution
from reference_impl.wasm.system_api.functions import ACTIVE, linker
from reference_impl.wasm.system_api.room import EnvironmentWithRoom
from reference_impl.wasm.system_api.stable import most_pages_accessed
from reference_impl.wasm.system_api.start_of_memory import start_of_memory
from spec.canister.environment import Caller, Environment
from spec.canister.outcome import Closure, Returned, TrapCause, Trapped, TrapReason
from spec.canister.wasm_state import WasmState
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, MethodName
from spec.values.quantities import WASM_PAGE, Count, Cycles, Instructions, Nanoseconds
from spec.values.rejects import Reject

PAGE_CHARGE_32: Final[Instructions] = 1000
PAGE_CHARGE_64: Final[Instructions] = 4000
"""For each 4 KiB page of the heap that has changed. Source: facts on instruction weights, older page rule."""

INSTALLING: Final = frozenset({Context.START, Context.INIT, Context.PRE_UPGRADE})
"""Contexts whose slices have the size of those of installations."""

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

WITHOUT_CHANGES: Final = frozenset(
    {Context.REPLICATED_QUERY, Context.NON_REPLICATED_QUERY, Context.TRANSFORM, Context.INSPECT_MESSAGE}
)
"""Contexts whose changes are dropped, so that changed pages of the heap cost nothing."""


@frozen
class Given:
    """What an execution is given beside the state. Source: abstract-behavior, the execution state (`Params`)."""

    context: Context
    environment: Environment
    limit: Instructions
    argument: Blob = b""
    caller: Caller = Caller(MANAGEMENT_CANISTER)
    reject: Reject | None = None
    method_name: MethodName = ""
    deadline: Nanoseconds | None = None
    available: Cycles = 0
    refunded: Cycles = 0
    needs_to_respond: bool = True
    growths_before: Count = 0
    """How often the callback tried to grow a memory, after whose trap a cleanup runs."""

    @property
    def one_slice(self) -> Instructions:
        """How many instructions a slice holds. All of them, where a single node executes."""
        rounds = self.environment.profile.rounds
        if self.context not in REPLICATED:
            return max(1, self.limit)
        configured = rounds.install_slice_instructions if self.context in INSTALLING else rounds.slice_instructions
        return max(1, min(self.limit, configured))


@frozen
class Finished:
    """What came of an execution, and how its instructions divide up."""

    outcome: Returned | Trapped
    executed: Instructions
    """What segments, bulk operations and system functions took; it may be above the limit."""
    page_charge: Instructions
    """What changed pages of heap and stable memory took."""
    has_accepted_message: bool


Entry = Callable[[WasmtimeInstance], tuple[wasmtime.Func, list[int]]]
"""Gives the function to call and its parameters. Raises `Ended` if there is none."""


def exported(name: str) -> Entry:
    """The entry at a function that the module exports."""
    return lambda instance: (instance.function(name), [])


def start_function(instance: WasmtimeInstance) -> tuple[wasmtime.Func, list[int]]:
    """The entry at the start function."""
    return instance.start_function(), []


def closure(called: Closure) -> Entry:
    """The entry at a function of the table. What is no function of one pointer-sized parameter traps when called."""

    def enter(instance: WasmtimeInstance) -> tuple[wasmtime.Func, list[int]]:
        function = instance.closure_function()
        tables = instance.compiled.parsed.tables
        if function is None or called.function >= tables[0].limits.minimum:
            raise Ended
        return function, [called.function, called.argument]

    return enter


LARGEST_QUICK_LIMIT: Final[Instructions] = 2**62
"""Quick code may hold more in its counter than is left, so there must be room above the limit."""


def execute(compiled: CompiledModule, state: WasmState, entry: Entry, given: Given) -> Finished:
    """
    Runs the function on the state; the state itself stays as it is.

    Everything that an execution does stays in its instance and its `Execution`. So a first attempt in quick code that
    traps where the counter is not known is dropped whole, and the same is executed again in exact code. Where the
    system refuses growths, only exact code asks for each.
    """
    asks_for_growths = bool(given.environment.refused_growths or given.environment.trapping_growths)
    if given.limit <= LARGEST_QUICK_LIMIT and not asks_for_growths:
        try:
            return _in_some_room(compiled, state, entry, given)
        except _CountUnknown:
            pass
    return _in_some_room(compiled.counting_exactly(), state, entry, given)


class _CountUnknown(Exception):
    """Quick code has trapped where the counter lags behind; the state is as it was."""


def _in_some_room(compiled: CompiledModule, state: WasmState, entry: Entry, given: Given) -> Finished:
    """Tries the usual room for stable memory first, if that holds what is there."""
    if compiled.has_room_for(state.stable_memory):
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
    # Deep calls of large functions. What overflowed once may do so again.
    large = compiled.for_large_stack(linker(wasmtime_engine.large_stack_engine(), compiled.parsed.has_64_bit_memory))
    try:
        return wasmtime_engine.on_large_stack(lambda: _attempt(large, state, entry, given))
    except _StackOverflow:
        raise MemoryError(f"{wasmtime_engine.LARGE_STACK} bytes of stack are too little for an execution") from None


class _StackOverflow(Exception):
    """The native stack was too small before the calls were too deep; the state is as it was."""


def _attempt(compiled: CompiledModule, state: WasmState, entry: Entry, given: Given) -> Finished:
    instance = compiled.take_instance(state.wasm_memory, state.stable_memory)
    if not instance.load(state.wasm_memory, state.globals):
        return Finished(Trapped(0, TrapReason.TRAPPED), 0, 0, False)
    execution = _execution(state, instance, given)
    end = _run(instance, execution, entry, given)
    changed = instance.changed_pages()
    if isinstance(end, _CountUnknown):
        _put_back(instance, changed, keeps_changes=False)
        raise end
    executed = execution.executed() - execution.stable_page_charge
    page_charge = execution.stable_page_charge + _heap_charge(execution, end, len(changed))
    used = min(given.limit, executed + page_charge)
    if isinstance(given.environment, EnvironmentWithRoom):
        room = given.environment.room
        if execution.calls_without_slot:
            room.refused = tuple(execution.calls_without_slot)
        room.memory_at_end = max(room.memory_at_end, instance.memory_size + execution.stable_size)
    if end is not None and end.cause is not TrapCause.ASKED_FOR:
        execution.log_of_system(None, end.cause)
    if takes_pages_for_upgrades(compiled.parsed, instance.memory_size // WASM_PAGE, given.environment.profile.limits):
        if end is None:
            execution.log_of_system(None, None)
        end = Ended()
    outcome = _outcome(state, instance, execution, end, changed, used)
    _put_back(instance, changed, keeps_changes=end is None and _keeps_changes(execution))
    return Finished(outcome, executed, page_charge, execution.has_accepted_message and end is None)


def _put_back(instance: WasmtimeInstance, changed: dict[int, bytes], keeps_changes: bool) -> None:
    """Leaves the instance to other executions, with the changes in it or without."""
    compiled = instance.compiled
    # Growing cannot be undone, nor can dropping a data segment.
    if not compiled.instrumented.drops_data and (keeps_changes or instance.undo(changed)):
        compiled.give_back(instance)


def _cells_of_nobody() -> memoryview:
    return memoryview(bytearray(8 * NUMBER_OF_CELLS)).cast("Q")


def _execution(state: WasmState, instance: WasmtimeInstance, given: Given) -> Execution:
    return Execution(
        context=given.context,
        environment=given.environment,
        self_id=state.self_id,
        instance=instance,
        stable_before=state.stable_memory,
        cells=_cells_of_nobody() if instance.system is None else instance.system.cells,
        limit=given.limit,
        one_slice=given.one_slice,
        globals_size=BYTES_PER_GLOBAL * (len(state.globals) + 1),
        argument=given.argument,
        caller=given.caller,
        reject=given.reject,
        method_name=given.method_name,
        deadline=given.deadline,
        available=given.available,
        refunded=given.refunded,
        needs_to_respond=given.needs_to_respond,
        growths_tried=given.growths_before,
    )


def _run(instance: WasmtimeInstance, execution: Execution, entry: Entry, given: Given) -> Ended | _CountUnknown | None:
    """Runs to the end; None if the function returned."""
    instance.prepare(given.limit, given.one_slice, given.environment.profile.limits.call_stack_depth)
    if instance.system is not None:
        instance.system.fill(start_of_memory(execution), execution.argument)
    if instance.stable is not None:
        limits = given.environment.profile.limits
        largest = limits.stable_memory // WASM_PAGE
        instance.stable.begin(execution.stable_before, largest, most_pages_accessed(given.context, limits))
    instance.may_grow = execution.may_grow
    outer, ACTIVE.execution = ACTIVE.execution, execution
    try:
        function, parameters = entry(instance)
        ending = wasmtime_engine.call(instance.store, function, parameters)
        if ending is wasmtime_engine.End.RETURNED:
            return None
        if ending is wasmtime_engine.End.STACK_OVERFLOW:
            raise _StackOverflow
        if ending is not wasmtime_engine.End.UNREACHABLE and not instance.compiled.instrumented.is_exact:
            return _CountUnknown()
        if instance.end in ENDS_IN_MODULE:
            return Ended(ENDS_IN_MODULE[instance.end])
        # The module itself traps with `unreachable` where calls are nested too deep.
        is_too_deep = ending is wasmtime_engine.End.UNREACHABLE and instance.depth_left <= 0
        return Ended(cause=TrapCause.STACK_OVERFLOW if is_too_deep else CAUSES[ending])
    except Ended as end:
        return end
    finally:
        ACTIVE.execution = outer


def _keeps_changes(execution: Execution) -> bool:
    return execution.context not in WITHOUT_CHANGES


def _heap_charge(execution: Execution, end: Ended | None, changed: int) -> Instructions:
    """Also after a trap; not after a run out of instructions, and not where changes are dropped anyway."""
    if not _keeps_changes(execution) or end is not None and end.reason is TrapReason.OUT_OF_INSTRUCTIONS:
        return 0
    return changed * (PAGE_CHARGE_64 if execution.is_64_bit else PAGE_CHARGE_32)


def _outcome(
    state: WasmState,
    instance: WasmtimeInstance,
    execution: Execution,
    end: Ended | None,
    changed: dict[int, bytes],
    used: Instructions,
) -> Returned | Trapped:
    logs = tuple(execution.logs)
    if end is not None:
        return Trapped(used, end.reason, end.message, logs, execution.growths_tried)
    execution.drop_call()
    new_state = state
    if _keeps_changes(execution):
        stable_memory = state.stable_memory if instance.stable is None else instance.stable.keep()
        new_state = WasmState(state.self_id, instance.keep(changed), stable_memory, instance.globals_now())
    return Returned(
        new_state=new_state,
        instructions_used=used,
        new_calls=List(tuple(execution.performed)),
        new_certified_data=execution.new_certified_data,
        new_global_timer=execution.new_global_timer,
        response=execution.response,
        cycles_accepted=execution.accepted,
        cycles_burned=execution.burned,
        cycles_lost=execution.overflow,
        logs=logs,
        growths=execution.growths_tried,
    )
