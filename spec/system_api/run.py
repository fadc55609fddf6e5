"""One invocation of a function of a module on a canister's state."""

from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Final

from attrs import field, frozen

from spec.canister.outcome import Closure, Outcome, Returned, Trapped, TrapReason
from spec.canister.wasm_state import WasmState
from spec.profile import Limits, Rounds
from spec.system_api.causes import cause_of
from spec.system_api.context import CHANGES_KEPT, INSTALLING, REPLICATED, Context
from spec.system_api.debugging import AskedFor
from spec.system_api.execution_state import Execution, Parameters, start_execution
from spec.system_api.host import HostFunctions
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import Text
from spec.values.quantities import WASM_PAGE, Count, Instructions
from spec.wasm.execute import Instance, instantiate
from spec.wasm.syntax import ExternalKind, Module
from spec.wasm.traps import NotCallable, OutOfInstructions, SliceOverrun, Trap

CHANGED_PAGE_32: Final[Instructions] = 1000
CHANGED_PAGE_64: Final[Instructions] = 4000
"""For each 4 KiB page of the heap that ends with other contents. Source: facts on weights, page charges, older rule."""


class Ending(Enum):
    """How an invocation ended."""

    RETURNS = "returns"
    TRAPS = "traps"
    OUT_OF_INSTRUCTIONS = "out_of_instructions"
    OVERRUNS_SLICE = "overruns_slice"


TRAP_REASONS: Final = {
    Ending.TRAPS: TrapReason.TRAPPED,
    Ending.OUT_OF_INSTRUCTIONS: TrapReason.OUT_OF_INSTRUCTIONS,
    Ending.OVERRUNS_SLICE: TrapReason.SLICE_OVERRUN,
}
"""What the rules are told of an invocation that did not return."""


@frozen
class Finished:
    """An invocation that is over."""

    ending: Ending
    why: Text
    """Why it trapped, for people; empty if it returned."""
    limit: Instructions
    instructions: Instructions
    """For segments, bulk operations and system functions."""
    page_charge: Instructions
    """For newly written pages of stable memory, and at the end for changed pages of the heap."""
    execution: Execution
    new_state: WasmState
    """What is kept if it returned."""

    @property
    def instructions_used(self) -> Instructions:
        """What it is accounted with: an overshoot is not accounted beyond the limit."""
        return min(self.limit, self.instructions + self.page_charge)

    def outcome(self) -> Outcome:
        """What the rules see of it."""
        return self._returned() if self.ending is Ending.RETURNS else self._trapped()

    def _returned(self) -> Returned:
        execution = self.execution
        return Returned(
            new_state=self.new_state,
            instructions_used=self.instructions_used,
            new_calls=List(tuple(execution.calls)),
            new_certified_data=execution.new_certified_data,
            new_global_timer=execution.new_global_timer,
            response=execution.response,
            cycles_accepted=execution.accepted_cycles,
            cycles_burned=execution.burned_cycles,
            cycles_lost=execution.lost_cycles,
            logs=tuple(execution.logs),
            growths=execution.growths_tried,
            tried_growths=execution.tried_growths,
            calls_tried=execution.calls_tried,
        )

    @defines("error.trapped", "error.instruction-limit", "error.slice-overrun")
    def _trapped(self) -> Trapped:
        return Trapped(
            instructions_used=self.instructions_used,
            reason=TRAP_REASONS[self.ending],
            message=self.execution.trap_message,
            logs=tuple(self.execution.logs),
            growths=self.execution.growths_tried,
            tried_growths=self.execution.tried_growths,
            calls_tried=self.execution.calls_tried,
            made_calls=tuple(self.execution.calls),
        )


@defines("error.out-of-memory", "seed2.wasm-memory-limit")
def maximum_memory_pages(limits: Limits, wasm64: bool) -> Count:
    """How far the heap can grow, in WebAssembly pages."""
    return (limits.wasm_memory_64 if wasm64 else limits.wasm_memory_32) // WASM_PAGE


@defines("error.slice-overrun")
def slice_instructions(context: Context, rounds: Rounds) -> Instructions | None:
    """How much a slice of an execution holds; None where one node executes, in a single slice."""
    if context not in REPLICATED:
        return None
    return rounds.install_slice_instructions if context in INSTALLING else rounds.slice_instructions


MOTOKO_HELPER: Final = "canister_update __motoko_async_helper"
"""All modules that Motoko compiles export it."""

MOTOKO_COMPILER: Final = ("icp:public motoko:compiler", "icp:private motoko:compiler")
"""The custom section in which compilers after 0.6.20 name themselves."""


@defines("error.motoko-reserved-pages")
def uses_kept_pages(module: Module, heap_pages: Count, limits: Limits) -> bool:
    """
    The heap has got so large that a module of an old Motoko compiler could not be upgraded any more.

    Then the execution fails, whatever it did: the last pages are kept for the upgrade. Source: production.
    """
    largest = maximum_memory_pages(limits, wasm64=False) - limits.pages_kept_from_old_motoko
    return not module.has_64_bit_memory and heap_pages > largest and is_of_old_motoko(module)


def is_of_old_motoko(module: Module) -> bool:
    """The module was compiled by Motoko 0.6.20 or older."""
    is_of_motoko = module.exported(MOTOKO_HELPER, ExternalKind.FUNCTION) is not None
    return is_of_motoko and all(section.name not in MOTOKO_COMPILER for section in module.custom_sections)


def run_function(
    module: Module,
    function: int,
    context: Context,
    parameters: Parameters,
    wasm_state: WasmState,
    limit: Instructions,
) -> Finished:
    """Calls a function without parameters, by its index."""
    return RECENT.run(Invocation(module, function, context, parameters, wasm_state, limit))


@defines("module.table")
def run_closure(
    module: Module,
    closure: Closure,
    context: Context,
    parameters: Parameters,
    wasm_state: WasmState,
    limit: Instructions,
) -> Finished:
    """Calls a function of table 0 with one argument of pointer type; any other function there traps."""
    return RECENT.run(Invocation(module, closure, context, parameters, wasm_state, limit))


@frozen
class Invocation:
    """All that the result of an invocation depends on."""

    module: Module = field(eq=id)
    called: int | Closure
    """A function by its index, or one of table 0."""
    context: Context
    parameters: Parameters
    wasm_state: WasmState = field(eq=id)
    limit: Instructions

    def call(self, instance: Instance) -> Sequence[int]:
        """Calls what is called."""
        match self.called:
            case Closure(function, argument):
                return instance.invoke_table_element(function, (argument,))
            case function:
                return instance.invoke(function, ())


@frozen
class RecentInvocations:
    """
    The last invocations: one is computed once, though several ask for it.

    Whether a label is enabled, what its step does, and what production would choose depend on one execution.
    """

    kept: deque[tuple[Invocation, Finished]] = field(factory=lambda: deque(maxlen=4))

    def run(self, invocation: Invocation) -> Finished:
        """What the invocation gives."""
        for known, finished in self.kept:
            if known == invocation:
                return finished
        finished = _run(invocation)
        self.kept.append((invocation, finished))
        return finished


RECENT: Final = RecentInvocations()


def _run(invocation: Invocation) -> Finished:
    module, context, parameters = invocation.module, invocation.context, invocation.parameters
    wasm_state, limit = invocation.wasm_state, invocation.limit
    profile = parameters.environment.profile
    limits = profile.limits
    wasm64 = module.has_64_bit_memory
    execution = start_execution(context, parameters, wasm_state, wasm64, limit)
    instance = instantiate(
        module,
        HostFunctions(execution),
        counter=limit,
        memory=wasm_state.wasm_memory,
        globals=wasm_state.globals,
        maximum_call_depth=limits.call_stack_depth,
        maximum_memory_pages=maximum_memory_pages(limits, wasm64),
        one_slice=slice_instructions(context, profile.rounds),
    )
    execution.instance = instance
    instance.may_grow = execution.may_grow
    try:
        invocation.call(instance)
        execution.drop_pending_call()
        ending, why = Ending.RETURNS, ""
    except AskedFor as trap:
        ending, why = Ending.TRAPS, trap.reason
    except Trap as trap:
        ending, why = Ending.TRAPS, trap.reason
        execution.log_of_system(None, None if isinstance(trap, NotCallable) else cause_of(trap.reason))
    except OutOfInstructions:
        ending, why = Ending.OUT_OF_INSTRUCTIONS, f"more than {limit} instructions"
        execution.log_of_system(None, None)
    except SliceOverrun:
        ending, why = Ending.OVERRUNS_SLICE, "a single operation is too large for a slice"
        execution.log_of_system(None, None)
    heap_charge = _heap_charge(instance, context, ending, wasm64)
    if instance.memory is not None and uses_kept_pages(module, instance.memory.size // WASM_PAGE, limits):
        if ending is Ending.RETURNS:
            execution.log_of_system(None, None)
        ending, why = Ending.TRAPS, "the heap uses pages that are kept for upgrades of old Motoko"
    return Finished(
        ending=ending,
        why=why,
        limit=limit,
        instructions=limit - instance.counter - execution.stable_page_charge,
        page_charge=execution.stable_page_charge + heap_charge,
        execution=execution,
        new_state=_state_after(wasm_state, instance, execution) if ending is Ending.RETURNS else wasm_state,
    )


def _heap_charge(instance: Instance, context: Context, ending: Ending, wasm64: bool) -> Instructions:
    """Also after a trap; not after an execution that was aborted, and not where changes are dropped anyway."""
    if context not in CHANGES_KEPT or ending is Ending.OUT_OF_INSTRUCTIONS:
        return 0
    return (CHANGED_PAGE_64 if wasm64 else CHANGED_PAGE_32) * instance.changed_pages()


def _state_after(before: WasmState, instance: Instance, execution: Execution) -> WasmState:
    return WasmState(
        self_id=before.self_id,
        wasm_memory=instance.linear_memory(),
        stable_memory=execution.stable_memory.linear_memory(),
        globals=instance.persistent_globals(),
    )
