"""Which function of the module a message runs, and with which arguments."""

from attrs import evolve

from spec.canister.environment import Environment
from spec.canister.module import CanisterModule
from spec.canister.outcome import Outcome, Returned, Trapped
from spec.canister.wasm_state import WasmState
from spec.rules.environments import deadline_of, environment_of
from spec.rules.messages.budgets import instruction_limit
from spec.rules.modules import code_of, module_of
from spec.state.call_context import CallContext
from spec.state.canister import Canister
from spec.state.message import (
    CallbackInvocation,
    FuncMessage,
    GlobalTimer,
    Heartbeat,
    OnLowWasmMemory,
    PublicMethod,
)
from spec.state.state import State
from spec.values.checklist import defines
from spec.values.quantities import Count


@defines("inv.composite-not-replicated", "entry.mode-matrix", "error.method-not-found", "unspec.error.unknown-method")
def outcome_of(
    state: State, canister: Canister, message: FuncMessage, context: CallContext, *refused: tuple[Count, ...]
) -> Outcome:
    """
    What running the message gives (`R` of the interface specification).

    The system refuses these calls and growths of memories, and ends the execution at others.
    """
    code = code_of(canister)
    module = module_of(state.profile, code)
    limit = instruction_limit(state.profile, canister, message.entry_point)
    environment = environment_of(state, canister, code, limit, context, *refused)
    match message.entry_point:
        case PublicMethod(method_name, argument) if method_name in module.query_methods:
            return query_as_update(
                module.query(
                    method_name, code.wasm_state, argument, message.caller, environment, context.available_cycles
                ),
                code.wasm_state,
            )
        case PublicMethod(method_name, argument):
            return module.update(
                method_name,
                code.wasm_state,
                argument,
                message.caller,
                deadline_of(context),
                environment,
                context.available_cycles,
                context.needs_to_respond,
            )
        case CallbackInvocation(callback, response, refunded_cycles):
            return module.callback(
                callback,
                response,
                refunded_cycles,
                code.wasm_state,
                message.caller,
                deadline_of(context),
                environment,
                context.available_cycles,
                context.needs_to_respond,
            )
        case Heartbeat() | GlobalTimer() | OnLowWasmMemory() as task:
            return system_task_as_update(task_outcome(module, task, code.wasm_state, environment))


def task_outcome(
    module: CanisterModule,
    task: Heartbeat | GlobalTimer | OnLowWasmMemory,
    wasm_state: WasmState,
    environment: Environment,
) -> Outcome:
    """What running a system task gives."""
    match task:
        case Heartbeat():
            return module.heartbeat(wasm_state, environment)
        case GlobalTimer():
            return module.global_timer(wasm_state, environment)
        case OnLowWasmMemory():
            return module.on_low_wasm_memory(wasm_state, environment)


@defines("def.query-as-update", "inv.query-discards-state", "seed1.update-certified")
@defines("http.lifecycle.query-as-update")
def query_as_update(outcome: Outcome, wasm_state: WasmState) -> Outcome:
    """A query executed as an update: it responds, and changes nothing. Source: abstract-behavior, `query_as_update`."""
    match outcome:
        case Trapped():
            return outcome
        case Returned():
            return Returned(
                new_state=wasm_state,
                instructions_used=outcome.instructions_used,
                response=outcome.response,
                cycles_accepted=outcome.cycles_accepted,
                cycles_burned=outcome.cycles_burned,
                cycles_lost=outcome.cycles_lost,
                logs=outcome.logs,
                growths=outcome.growths,
                tried_growths=outcome.tried_growths,
            )


@defines("def.system-task-as-update")
def system_task_as_update(outcome: Outcome) -> Outcome:
    """A system task executed as an update: it neither responds nor accepts cycles. Source: `system_task_as_update`."""
    match outcome:
        case Trapped():
            return outcome
        case Returned():
            return evolve(outcome, response=None, cycles_accepted=0, cycles_lost=0)
