"""A function that is about to run: a method, a callback or a system task, with all that it concerns."""

from typing import assert_never

from attrs import define

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.subnet.call_contexts import OpenContext
from reference_impl.subnet.canister_record import CanisterRecord, InstalledCode
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.environment import Environment
from spec.canister.outcome import Outcome, Returned, Trapped
from spec.state.message import (
    CallbackInvocation,
    FuncMessage,
    GlobalTimer,
    Heartbeat,
    OnLowWasmMemory,
    PublicMethod,
)
from spec.values.quantities import ByteCount, Count, Cycles, Instructions


def message_limit(instance: SubnetInstance, code: InstalledCode, method_name: str) -> Instructions:
    """How many instructions a public method may use: those of a query if it is only a query."""
    limits = instance.profile.limits
    return limits.query_instructions if is_query(code, method_name) else limits.message_instructions


def is_query(code: InstalledCode, method_name: str) -> bool:
    """The method is a query and no update."""
    module = code.installed.module
    return method_name in module.query_methods and method_name not in module.update_methods


def _without_effects(outcome: Outcome, code: InstalledCode) -> Outcome:
    """A query executed as an update keeps its response, the cycles accepted, used and burned, and its logs."""
    match outcome:
        case Trapped():
            return outcome
        case Returned():
            return Returned(
                new_state=code.wasm_state,
                instructions_used=outcome.instructions_used,
                response=outcome.response,
                cycles_accepted=outcome.cycles_accepted,
                cycles_burned=outcome.cycles_burned,
                cycles_lost=outcome.cycles_lost,
                logs=outcome.logs,
            )


def _without_response(outcome: Outcome) -> Outcome:
    """A system task can neither respond nor accept cycles."""
    match outcome:
        case Trapped():
            return outcome
        case Returned():
            return Returned(
                new_state=outcome.new_state,
                instructions_used=outcome.instructions_used,
                new_calls=outcome.new_calls,
                new_certified_data=outcome.new_certified_data,
                new_global_timer=outcome.new_global_timer,
                cycles_burned=outcome.cycles_burned,
                logs=outcome.logs,
            )


@define(eq=False)
class PendingFunction:
    """A function that is about to run, and how it is to be run."""

    instance: SubnetInstance
    canister: CanisterRecord
    code: InstalledCode
    context: OpenContext
    message: FuncMessage
    limit: Instructions
    wasm_memory_limit: ByteCount = 0
    """How large the heap may be afterwards; 0 if that is not limited."""
    is_callback: bool = False
    is_query: bool = False
    """It keeps no changes, and the version of the canister does not grow."""
    response_fee: Cycles = 0
    """What handling the response costs, beside running code."""

    def environment(
        self,
        refused_calls: tuple[Count, ...] = (),
        refused_growths: tuple[Count, ...] = (),
        trapping_growths: tuple[Count, ...] = (),
    ) -> KeptEnvironment:
        """What it sees, where the system refuses something."""
        return self.instance.environment(
            self.canister,
            self.limit,
            context_instructions=self.context.instructions_used,
            refused_calls=refused_calls,
            refused_growths=refused_growths,
            trapping_growths=trapping_growths,
        )

    def outcome(self, environment: KeptEnvironment) -> Outcome:
        """What it gives, which may have been found out before. Nothing is changed by that."""
        foresight = self.instance.foresight
        return self.run(environment) if foresight is None else foresight.run(self, environment)

    def run(self, environment: Environment) -> Outcome:
        """What it gives. Nothing is changed by that."""
        code, context, message = self.code, self.context, self.message
        module, state = code.installed.module, code.wasm_state
        match message.entry_point:
            case PublicMethod(name, argument) if self.is_query:
                outcome = module.query(name, state, argument, message.caller, environment, context.available_cycles)
                return _without_effects(outcome, code)
            case PublicMethod(name, argument):
                return module.update(
                    name,
                    state,
                    argument,
                    message.caller,
                    context.deadline(),
                    environment,
                    context.available_cycles,
                    context.needs_to_respond,
                )
            case CallbackInvocation(callback, response, refunded_cycles):
                return module.callback(
                    callback,
                    response,
                    refunded_cycles,
                    state,
                    message.caller,
                    context.deadline(),
                    environment,
                    context.available_cycles,
                    context.needs_to_respond,
                )
            case Heartbeat():
                return _without_response(module.heartbeat(state, environment))
            case GlobalTimer():
                return _without_response(module.global_timer(state, environment))
            case OnLowWasmMemory():
                return _without_response(module.on_low_wasm_memory(state, environment))
            case unknown:
                assert_never(unknown)


def pending_function(instance: SubnetInstance) -> PendingFunction:
    """The function that is pending, of which there must be one."""
    message_id = instance.messages.pending_function
    assert message_id is not None, "a function is pending"
    message = instance.messages[message_id]
    assert isinstance(message, FuncMessage)
    canister, context = instance.canisters[message.receiver], instance.contexts[message.call_context]
    code = canister.code
    assert code is not None, "only canisters with code have functions to run"
    limits = instance.profile.limits
    function = PendingFunction(instance, canister, code, context, message, limits.message_instructions)
    match message.entry_point:
        case PublicMethod(name) if is_query(code, name):
            function.limit, function.is_query = limits.query_instructions, True
        case PublicMethod():
            function.wasm_memory_limit = canister.settings.wasm_memory_limit
        case CallbackInvocation(response=response):
            function.is_callback = True
            function.response_fee = instance.ledger_of(canister).response(response)
    return function
