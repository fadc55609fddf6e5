"""
Running the function that is pending, and keeping or dropping what it did.

The module is a pure function, so an execution that fails leaves nothing to undo: what it returned is thrown away.
"""

from collections.abc import Callable
from functools import partial

from attrs import frozen

from reference_impl.messages.choices import Choices
from reference_impl.messages.own_choices import Left, run_in_room
from reference_impl.subnet.call_contexts import OpenContext
from reference_impl.subnet.canister_record import CanisterRecord, InstalledCode
from reference_impl.subnet.capacities import Capacities
from reference_impl.subnet.ledger import liquid_balance
from reference_impl.subnet.low_memory import look_at_hook
from reference_impl.subnet.observations import Purpose
from reference_impl.subnet.subnet_instance import SubnetInstance, heap_size
from reference_impl.wasm.system_api.canister import OUTSIDE
from spec.canister.environment import Caller, Environment
from spec.canister.outcome import MethodCall, Outcome, Returned, Trapped, TrapReason
from spec.state.call_context import FailedExecution
from spec.state.message import (
    Between,
    CallbackInvocation,
    CallMessage,
    FuncMessage,
    GlobalTimer,
    Heartbeat,
    OnLowWasmMemory,
    PublicMethod,
    ResponseMessage,
)
from spec.state.origin import CallDeadline, Deadline, FromCanister, NoDeadline
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import (
    CreateCanisterArguments,
    InstallChunkedCodeArguments,
    InstallCodeArguments,
    ProvisionalCreateArguments,
    UninstallCodeArguments,
    UpdateSettingsArguments,
    decode_arguments,
)
from spec.values.quantities import (
    MAXIMUM_CYCLES,
    NANOSECONDS_PER_SECOND,
    ByteCount,
    CanisterVersion,
    Cycles,
    Instructions,
    Nanoseconds,
)
from spec.values.rejects import RejectReason

TRAP_REASONS = {
    TrapReason.TRAPPED: RejectReason.CANISTER_TRAPPED,
    TrapReason.OUT_OF_INSTRUCTIONS: RejectReason.INSTRUCTION_LIMIT_EXCEEDED,
    TrapReason.SLICE_OVERRUN: RejectReason.SLICE_OVERRUN,
    TrapReason.NO_SUCH_METHOD: RejectReason.METHOD_NOT_FOUND,
}
"""How a caller is told of a trap."""


def failure_of(trapped: Trapped) -> FailedExecution:
    """A trap as it is remembered in a call context."""
    return FailedExecution(TRAP_REASONS[trapped.reason], trapped.message)


@frozen
class _Plan:
    """How a function is to be run."""

    limit: Instructions
    wasm_memory_limit: ByteCount
    is_callback: bool
    raises_version: bool
    response_fee: Cycles
    run: Callable[[InstalledCode, Environment], Outcome]


@frozen
class _Payments:
    """What a successful execution costs, and what is left."""

    used: Cycles
    fees_of_calls: Cycles
    requested: Cycles
    reserved: Cycles
    lost: Cycles
    balance: Cycles


def message_limit(instance: SubnetInstance, code: InstalledCode, method_name: str) -> Instructions:
    """How many instructions a public method may use: those of a query if it is only a query."""
    limits = instance.profile.limits
    return limits.query_instructions if _is_query(code, method_name) else limits.message_instructions


def _is_query(code: InstalledCode, method_name: str) -> bool:
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


def _plan_method(
    instance: SubnetInstance, canister: CanisterRecord, context: OpenContext, message: FuncMessage, method: PublicMethod
) -> _Plan:
    assert canister.code is not None
    name, argument, available = method.method_name, method.argument, context.available_cycles
    if _is_query(canister.code, name):

        def query(code: InstalledCode, environment: Environment) -> Outcome:
            module = code.installed.module
            outcome = module.query(name, code.wasm_state, argument, message.caller, environment, available)
            return _without_effects(outcome, code)

        return _Plan(instance.profile.limits.query_instructions, 0, False, False, 0, query)

    def update(code: InstalledCode, environment: Environment) -> Outcome:
        return code.installed.module.update(
            name,
            code.wasm_state,
            argument,
            message.caller,
            context.deadline(),
            environment,
            available,
            context.needs_to_respond,
        )

    limit = instance.profile.limits.message_instructions
    return _Plan(limit, canister.settings.wasm_memory_limit, False, True, 0, update)


def _plan_callback(
    instance: SubnetInstance,
    canister: CanisterRecord,
    context: OpenContext,
    message: FuncMessage,
    invocation: CallbackInvocation,
) -> _Plan:
    def callback(code: InstalledCode, environment: Environment) -> Outcome:
        return code.installed.module.callback(
            invocation.callback,
            invocation.response,
            invocation.refunded_cycles,
            code.wasm_state,
            message.caller,
            context.deadline(),
            environment,
            context.available_cycles,
            context.needs_to_respond,
        )

    fee = instance.ledger_of(canister).response(invocation.response)
    return _Plan(instance.profile.limits.message_instructions, 0, True, True, fee, callback)


def _plan_task(instance: SubnetInstance, task: Heartbeat | GlobalTimer | OnLowWasmMemory) -> _Plan:
    def run(code: InstalledCode, environment: Environment) -> Outcome:
        module = code.installed.module
        match task:
            case Heartbeat():
                return _without_response(module.heartbeat(code.wasm_state, environment))
            case GlobalTimer():
                return _without_response(module.global_timer(code.wasm_state, environment))
            case OnLowWasmMemory():
                return _without_response(module.on_low_wasm_memory(code.wasm_state, environment))

    return _Plan(instance.profile.limits.message_instructions, 0, False, True, 0, run)


def _plan(instance: SubnetInstance, canister: CanisterRecord, context: OpenContext, message: FuncMessage) -> _Plan:
    match message.entry_point:
        case PublicMethod():
            return _plan_method(instance, canister, context, message, message.entry_point)
        case CallbackInvocation():
            return _plan_callback(instance, canister, context, message, message.entry_point)
        case Heartbeat() | GlobalTimer() | OnLowWasmMemory():
            return _plan_task(instance, message.entry_point)


def execute_pending(instance: SubnetInstance, given: Choices | None, left: Left | None = None) -> Choices | None:
    """
    Runs the pending function, of which there must be one, and commits or rolls back.

    Gives the choices: those given, None if they do not fit; without any, the engine's own,
    with what is `left` of the subnet's capacities, if that is not all that is free.
    """
    message_id = instance.messages.pending_function
    assert message_id is not None, "a function is pending"
    message = instance.messages[message_id]
    assert isinstance(message, FuncMessage)
    canister = instance.canisters[message.receiver]
    context = instance.contexts[message.call_context]
    code = canister.code
    assert code is not None, "only canisters with code have functions to run"
    plan = _plan(instance, canister, context, message)
    environment = instance.environment(
        canister,
        plan.limit,
        context_instructions=context.instructions_used,
        refused_calls=() if given is None else given.refused_calls,
        refused_growths=() if given is None else given.refused_growths,
        trapping_growths=() if given is None else given.trapping_growths,
    )
    if given is None and 0 < plan.wasm_memory_limit < heap_size(code.wasm_state):
        # Production runs no update on such a heap, so there is nothing to refuse or to log.
        outcome, choices = plan.run(code, environment), Choices(keeps_logs=False)
    elif given is None:
        room = Capacities(instance) if left is None else left
        outcome, choices = run_in_room(
            instance, room, canister, environment, plan.is_callback, partial(plan.run, code), OUTSIDE
        )
    else:
        outcome, choices = plan.run(code, environment), given
    used = _charge(instance, canister, code, plan, message, outcome) + plan.response_fee
    result = _check(instance, canister, context, message, plan, outcome, used)
    entries = choices.left_by_failure(outcome) if isinstance(result, FailedExecution) else outcome.logs
    if not choices.fit(entries):
        return None
    instance.messages.remove(message_id)
    context.instructions_used += outcome.instructions_used
    failure = _failure(outcome, result)
    if failure is not None:
        context.last_failure = failure
    match result:
        case FailedExecution():
            _roll_back(instance, canister, message, used)
        case _Payments():
            assert isinstance(outcome, Returned)
            _commit(instance, canister, context, message, plan, outcome, result)
            _send_calls(instance, canister, context, message, outcome.new_calls, choices.deadlines_in_seconds)
            _respond(instance, context, outcome)
    canister.add_logs(entries, choices.system_records)
    instance.recorder.execution(canister.canister_id, outcome.instructions_used, failure)
    return choices


def _charge(
    instance: SubnetInstance,
    canister: CanisterRecord,
    code: InstalledCode,
    plan: _Plan,
    message: FuncMessage,
    outcome: Outcome,
) -> Cycles:
    """What the execution costs. Where there is no function, nothing was executed."""
    if isinstance(outcome, Trapped) and outcome.reason is TrapReason.NO_SUCH_METHOD:
        return 0
    ledger, is_64_bit = instance.ledger_of(canister), code.installed.module.has_64_bit_memory
    if plan.is_callback:
        return ledger.callback_charge(message.reserved_cycles, outcome.instructions_used, is_64_bit)
    return ledger.execution_charge(plan.limit, outcome.instructions_used, is_64_bit)


def _failure(outcome: Outcome, result: "_Payments | FailedExecution") -> FailedExecution | None:
    """Why what was executed first is dropped: all of it, or a callback whose cleanup then returned."""
    if isinstance(result, FailedExecution):
        return result
    if isinstance(outcome, Returned) and outcome.cleaned_up_after is not None:
        return failure_of(outcome.cleaned_up_after)
    return None


def _failed(reason: RejectReason) -> FailedExecution:
    return FailedExecution(reason, "")


def _check(
    instance: SubnetInstance,
    canister: CanisterRecord,
    context: OpenContext,
    message: FuncMessage,
    plan: _Plan,
    outcome: Outcome,
    used: Cycles,
) -> _Payments | FailedExecution:
    """What a returned execution pays, or why it may not be committed."""
    if isinstance(outcome, Trapped):
        return failure_of(outcome)
    if not all(_tells_own_version(call, canister.version) for call in outcome.new_calls):
        return _failed(RejectReason.INVALID_ARGUMENT)
    if used > message.reserved_cycles:
        return _failed(RejectReason.CANISTER_OUT_OF_CYCLES)
    if outcome.cycles_accepted > context.available_cycles:
        return _failed(RejectReason.CANISTER_TRAPPED)
    payments = _payments(instance, canister, message, outcome, used)
    if payments.balance + payments.reserved < 0:
        return _failed(RejectReason.CANISTER_OUT_OF_CYCLES)
    reserved_balance = canister.reserved_balance + payments.reserved
    if reserved_balance > canister.settings.reserved_balance_limit:
        return _failed(RejectReason.RESERVATION_LIMIT_EXCEEDED)
    frozen_below = 0
    if not plan.is_callback:
        frozen_below = instance.freezing_limit(canister, canister.memory_usage(outcome.new_state))
    if liquid_balance(payments.balance, reserved_balance, frozen_below) < 0:
        return _failed(RejectReason.CANISTER_OUT_OF_CYCLES)
    if plan.wasm_memory_limit and heap_size(outcome.new_state) > plan.wasm_memory_limit:
        return _failed(RejectReason.MEMORY_LIMIT_EXCEEDED)
    if outcome.response is not None and not context.needs_to_respond:
        return _failed(RejectReason.CANISTER_TRAPPED)
    return payments


def _payments(
    instance: SubnetInstance, canister: CanisterRecord, message: FuncMessage, outcome: Returned, used: Cycles
) -> _Payments:
    set_aside = sum(call.callback.reserved_cycles + call.transferred_cycles for call in outcome.new_calls)
    fees = sum(call.fee for call in outcome.new_calls)
    allocation = canister.settings.memory_allocation
    reserved = instance.reservation(canister, allocation, canister.memory_usage(outcome.new_state))
    had = canister.balance + outcome.cycles_accepted + message.reserved_cycles
    left = had - outcome.cycles_lost - used - set_aside - fees - outcome.cycles_burned - reserved
    beyond = max(0, left - MAXIMUM_CYCLES)
    return _Payments(used, fees, outcome.cycles_burned, reserved, outcome.cycles_lost + beyond, left - beyond)


def _tells_own_version(call: MethodCall, version: CanisterVersion) -> bool:
    """A `sender_canister_version` given in a call to the management canister is the canister's version."""
    if call.callee != MANAGEMENT_CANISTER:
        return True
    match decode_arguments(call.method_name, call.argument):
        case (
            CreateCanisterArguments(sender_canister_version=told)
            | ProvisionalCreateArguments(sender_canister_version=told)
            | UpdateSettingsArguments(sender_canister_version=told)
            | InstallCodeArguments(sender_canister_version=told)
            | InstallChunkedCodeArguments(sender_canister_version=told)
            | UninstallCodeArguments(sender_canister_version=told)
        ):
            return told is None or told == version
        case _:
            return True


def _roll_back(instance: SubnetInstance, canister: CanisterRecord, message: FuncMessage, used: Cycles) -> None:
    charged = min(used, message.reserved_cycles)
    instance.credit(canister, message.reserved_cycles - charged)
    instance.burn(canister, charged, Purpose.EXECUTION)


def _commit(
    instance: SubnetInstance,
    canister: CanisterRecord,
    context: OpenContext,
    message: FuncMessage,
    plan: _Plan,
    outcome: Returned,
    payments: _Payments,
) -> None:
    assert canister.code is not None
    canister.code.wasm_state = outcome.new_state
    canister.balance = payments.balance
    canister.reserved_balance += payments.reserved
    canister.version += 1 if plan.raises_version else 0
    if outcome.new_certified_data is not None:
        canister.certified_data = outcome.new_certified_data
    if outcome.new_global_timer is not None:
        canister.global_timer = outcome.new_global_timer
    instance.recount_memory(canister)
    look_at_hook(instance, canister)
    instance.burn(canister, payments.used, Purpose.EXECUTION)
    instance.burn(canister, payments.fees_of_calls, Purpose.TRANSMISSION)
    instance.burn(canister, payments.requested, Purpose.REQUESTED)
    instance.recorder.burned(payments.lost, Purpose.LOST)


def _respond(instance: SubnetInstance, context: OpenContext, outcome: Returned) -> None:
    left = context.available_cycles - outcome.cycles_accepted
    if outcome.response is None:
        context.available_cycles = left
        return
    instance.messages.append(ResponseMessage(context.origin, outcome.response, left))
    context.close()


def _send_calls(
    instance: SubnetInstance,
    canister: CanisterRecord,
    context: OpenContext,
    message: FuncMessage,
    calls: List[MethodCall],
    deadlines_in_seconds: bool,
) -> None:
    now = canister.time
    if deadlines_in_seconds:
        now -= now % NANOSECONDS_PER_SECOND
    for call in calls:
        deadline, maker = _deadline(now, call), canister.canister_id
        origin = FromCanister(message.call_context, call.callback, deadline, context.caller, call.callee, maker)
        instance.contexts.call_made(message.call_context)
        canister.open_calls[call.callee] += 1
        instance.messages.append(
            CallMessage(
                origin=origin,
                caller=Caller(canister.canister_id),
                callee=call.callee,
                method_name=call.method_name,
                argument=call.argument,
                transferred_cycles=call.transferred_cycles,
                queue=Between(canister.canister_id, call.callee),
            )
        )


def _deadline(now: Nanoseconds, call: MethodCall) -> CallDeadline:
    if call.timeout is None:
        return NoDeadline()
    return Deadline(now + call.timeout * NANOSECONDS_PER_SECOND)
