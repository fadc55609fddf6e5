"""A function that is about to run: a method, a callback or a system task, with all that it concerns."""

from typing import assert_never

from attrs import define

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.subnet.call_contexts import OpenContext
from reference_impl.subnet.canister_record import CanisterRecord, InstalledCode, MethodStart
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.environment import Caller, Environment
from spec.canister.outcome import Outcome, Returned, Trapped
from spec.state.message import (
    CallbackInvocation,
    EntryPoint,
    FuncMessage,
    GlobalTimer,
    Heartbeat,
    OnLowWasmMemory,
    PublicMethod,
    QueueName,
)
from spec.values.identifiers import CallContextId, MethodName
from spec.values.quantities import ByteCount, Count, Cycles, Instructions


def method_start(instance: SubnetInstance, canister: CanisterRecord, name: MethodName) -> MethodStart:
    """How a public method of a canister with code starts; a query that is no update has the limit of queries."""
    standing = canister.standing or instance.standing(canister)
    known = standing.methods.get(name)
    return _found_start(instance, canister, name) if known is None else known


def _found_start(instance: SubnetInstance, canister: CanisterRecord, name: MethodName) -> MethodStart:
    assert canister.code is not None
    limits, module = instance.profile.limits, canister.code.installed.module
    is_update = name in module.update_methods
    is_query = not is_update and name in module.query_methods
    limit = limits.query_instructions if is_query else limits.message_instructions
    start = MethodStart(is_query, limit, instance.price_of_execution(canister, limit))
    if is_update or is_query:
        instance.standing(canister).methods[name] = start
    return start


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
    context_id: CallContextId
    context: OpenContext
    entry_point: EntryPoint
    caller: Caller
    queue: QueueName
    reserved_cycles: Cycles
    """What was set aside for it."""
    limit: Instructions
    wasm_memory_limit: ByteCount = 0
    """How large the heap may be afterwards; 0 if that is not limited."""
    is_callback: bool = False
    is_query: bool = False
    """It keeps no changes, and the version of the canister does not grow."""
    response_fee: Cycles = 0
    """What handling the response costs, beside running code."""

    def message(self) -> FuncMessage:
        """The function as a message, for where it does not run straight away."""
        return FuncMessage(
            self.context_id, self.caller, self.canister.canister_id, self.entry_point, self.queue, self.reserved_cycles
        )

    def environment(
        self,
        refused_calls: tuple[Count, ...] = (),
        refused_growths: tuple[Count, ...] = (),
        trapping_growths: tuple[Count, ...] = (),
    ) -> KeptEnvironment:
        """What it sees, where the system refuses something."""
        if not (refused_calls or refused_growths or trapping_growths):
            return self.instance.usual_environment(self.canister, self.limit, self.context.instructions_used)
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
        code, context, entry_point = self.code, self.context, self.entry_point
        module, state = code.installed.module, code.wasm_state
        match entry_point:
            case PublicMethod() if self.is_query:
                name, argument = entry_point.method_name, entry_point.argument
                outcome = module.query(name, state, argument, self.caller, environment, context.available_cycles)
                return _without_effects(outcome, code)
            case PublicMethod():
                return module.update(
                    entry_point.method_name,
                    state,
                    entry_point.argument,
                    self.caller,
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
                    self.caller,
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
    """The function that is pending, of which there must be one, as a message."""
    message_id = instance.messages.pending_function
    assert message_id is not None, "a function is pending"
    message = instance.messages[message_id]
    assert isinstance(message, FuncMessage)
    canister = instance.canisters[message.receiver]
    assert canister.code is not None, "only canisters with code have functions to run"
    return about_to_run(
        instance,
        canister,
        canister.code,
        message.call_context,
        instance.contexts[message.call_context],
        message.entry_point,
        message.caller,
        message.queue,
        message.reserved_cycles,
    )


def about_to_run(
    instance: SubnetInstance,
    canister: CanisterRecord,
    code: InstalledCode,
    context_id: CallContextId,
    context: OpenContext,
    entry_point: EntryPoint,
    caller: Caller,
    queue: QueueName,
    reserved_cycles: Cycles,
    start: MethodStart | None = None,
) -> PendingFunction:
    """
    The function by which a canister with code goes on, with its limits and fees.

    Of a method it may be known already how it starts.
    """
    # Reason: its cycles and open calls may be others already.
    instance.to_keep[canister.canister_id] = None
    is_callback = is_query = False
    response_fee = wasm_memory_limit = 0
    limit = instance.profile.limits.message_instructions
    if isinstance(entry_point, PublicMethod):
        is_query, limit, _ = start or method_start(instance, canister, entry_point.method_name)
        if not is_query:
            wasm_memory_limit = canister.settings.wasm_memory_limit
    elif isinstance(entry_point, CallbackInvocation):
        is_callback = True
        response_fee = instance.ledger_of(canister).response(entry_point.response)
    return PendingFunction(
        instance,
        canister,
        code,
        context_id,
        context,
        entry_point,
        caller,
        queue,
        reserved_cycles,
        limit,
        wasm_memory_limit,
        is_callback,
        is_query,
        response_fee,
    )
