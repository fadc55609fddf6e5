"""
Running the function that is pending, and keeping or dropping what it did.

The module is a pure function, so an execution that fails leaves nothing to undo: what it returned is thrown away.
"""

from attrs import define

from reference_impl.environments.room import Left
from reference_impl.messages.choices import NO_CHOICES, Choices
from reference_impl.messages.own_choices import run_in_room
from reference_impl.messages.pending_function import PendingFunction, pending_function
from reference_impl.subnet.call_contexts import OpenContext
from reference_impl.subnet.capacities import Capacities
from reference_impl.subnet.ledger import liquid_balance
from reference_impl.subnet.low_memory import has_enough_heap, look_at_hook
from reference_impl.subnet.observations import Purpose
from reference_impl.subnet.subnet_instance import SubnetInstance, heap_size
from reference_impl.wasm.system_api.canister import OUTSIDE
from spec.canister.environment import Caller
from spec.canister.outcome import MethodCall, Outcome, Returned, Trapped, TrapReason
from spec.state.call_context import FailedExecution
from spec.state.message import (
    Between,
    CallMessage,
    ResponseMessage,
)
from spec.state.origin import CallDeadline, Deadline, FromCanister, FromUser, NoDeadline
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
    Nanoseconds,
)
from spec.values.rejects import RejectReason


@define(eq=False)
class _Payments:
    """What a successful execution costs, and what is left."""

    used: Cycles
    fees_of_calls: Cycles
    requested: Cycles
    reserved: Cycles
    lost: Cycles
    balance: Cycles
    memory_usage: ByteCount
    """What the canister takes afterwards."""


NO_DEADLINE = NoDeadline()

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


def execute_pending(instance: SubnetInstance, given: Choices | None, left: Left | None = None) -> Choices | None:
    """
    Runs the function that is pending as a message, of which there must be one, and commits or rolls back.

    Gives the choices: those given, None if they do not fit, and then it is still pending; without any, the engine's
    own, with what is `left` of the subnet's capacities, if that is not all that is free.
    """
    choices = execute(pending_function(instance), given, left)
    if choices is not None:
        instance.messages.remove_pending()
    return choices


def execute_straight(function: PendingFunction) -> Choices:
    """
    Runs a function in hand whose place among the messages was made empty, with the engine's own choices.

    Where this machine cannot run it, it is pending at its place.
    """
    messages = function.instance.messages
    try:
        choices = execute(function, None)
    except BaseException:
        messages.park(function.message())
        raise
    assert choices is not None, "the engine's own choices fit"
    messages.remove_pending()
    return choices


def execute(function: PendingFunction, given: Choices | None, left: Left | None = None) -> Choices | None:
    """Runs a function, and commits or rolls back; None, and nothing has changed, if the choices given do not fit."""
    outcome, choices = _run(function, given, left)
    used = _charge(function, outcome)
    result = _check(function, outcome, used)
    entries = choices.left_by_failure(outcome) if isinstance(result, FailedExecution) else outcome.logs
    if choices is not NO_CHOICES and not choices.fit(entries):
        return None
    instance, canister, context = function.instance, function.canister, function.context
    context.instructions_used += outcome.instructions_used
    failure: FailedExecution | None = None
    if isinstance(result, FailedExecution):
        failure = context.last_failure = result
        _roll_back(function, used)
    else:
        assert isinstance(outcome, Returned)
        if outcome.cleaned_up_after is not None:
            failure = context.last_failure = failure_of(outcome.cleaned_up_after)
        _commit(function, outcome, result)
        if outcome.new_calls.items:
            _send_calls(function, outcome.new_calls, choices.deadlines_in_seconds)
        _respond(instance, context, outcome)
    if entries:
        canister.add_logs(entries, choices.system_records)
    instance.recorder.execution(canister.canister_id, outcome.instructions_used, failure, bool(canister.logs))
    return choices


def _run(function: PendingFunction, given: Choices | None, left: Left | None) -> tuple[Outcome, Choices]:
    """What the function gives, and the choices made."""
    if given is not None:
        seen = function.environment(given.refused_calls, given.refused_growths, given.trapping_growths)
        return function.outcome(seen), given
    if 0 < function.wasm_memory_limit < heap_size(function.code.wasm_state):
        # Production runs no update on such a heap, so there is nothing to refuse or to log.
        return function.outcome(function.environment()), Choices(keeps_logs=False)
    return run_in_room(function, Capacities(function.instance) if left is None else left, OUTSIDE)


def _charge(function: PendingFunction, outcome: Outcome) -> Cycles:
    """What the execution costs. Where there is no function, nothing was executed."""
    if isinstance(outcome, Trapped) and outcome.reason is TrapReason.NO_SUCH_METHOD:
        return function.response_fee
    used, is_64_bit = outcome.instructions_used, function.code.installed.module.has_64_bit_memory
    ledger = (function.canister.standing or function.instance.standing(function.canister)).ledger
    if function.is_callback:
        return ledger.callback_charge(function.reserved_cycles, used, is_64_bit) + function.response_fee
    return ledger.execution_charge(function.limit, used, is_64_bit)


def _failed(reason: RejectReason) -> FailedExecution:
    return FailedExecution(reason, "")


def _check(function: PendingFunction, outcome: Outcome, used: Cycles) -> _Payments | FailedExecution:
    """What a returned execution pays, or why it may not be committed."""
    if isinstance(outcome, Trapped):
        return failure_of(outcome)
    instance, canister, context = function.instance, function.canister, function.context
    if outcome.new_calls.items and not all(_tells_own_version(call, canister.version) for call in outcome.new_calls):
        return _failed(RejectReason.INVALID_ARGUMENT)
    if used > function.reserved_cycles:
        return _failed(RejectReason.CANISTER_OUT_OF_CYCLES)
    if outcome.cycles_accepted > context.available_cycles:
        return _failed(RejectReason.CANISTER_TRAPPED)
    payments = _payments(function, outcome, used)
    if payments.balance + payments.reserved < 0:
        return _failed(RejectReason.CANISTER_OUT_OF_CYCLES)
    reserved_balance = canister.reserved_balance + payments.reserved
    if reserved_balance > canister.settings.reserved_balance_limit:
        return _failed(RejectReason.RESERVATION_LIMIT_EXCEEDED)
    frozen_below = 0
    if not function.is_callback:
        standing = canister.standing or instance.standing(canister)
        takes_as_much = payments.memory_usage == standing.memory_usage
        frozen_below = (
            standing.freezing_limit if takes_as_much else instance.freezing_limit(canister, payments.memory_usage)
        )
    if liquid_balance(payments.balance, reserved_balance, frozen_below) < 0:
        return _failed(RejectReason.CANISTER_OUT_OF_CYCLES)
    if function.wasm_memory_limit and heap_size(outcome.new_state) > function.wasm_memory_limit:
        return _failed(RejectReason.MEMORY_LIMIT_EXCEEDED)
    if outcome.response is not None and not context.needs_to_respond:
        return _failed(RejectReason.CANISTER_TRAPPED)
    return payments


def _payments(function: PendingFunction, outcome: Returned, used: Cycles) -> _Payments:
    instance, canister = function.instance, function.canister
    set_aside = fees = reserved = 0
    for call in outcome.new_calls.items:
        set_aside += call.callback.reserved_cycles + call.transferred_cycles
        fees += call.fee
    usage = (canister.standing or instance.standing(canister)).memory_usage
    if outcome.new_state is not function.code.wasm_state:
        usage = canister.memory_usage(outcome.new_state)
    counted, allocation = canister.counted_on_subnet, canister.settings.memory_allocation
    if usage > counted or allocation > counted:
        reserved = instance.reservation(canister, allocation, usage)
    had = canister.balance + outcome.cycles_accepted + function.reserved_cycles
    left = had - outcome.cycles_lost - used - set_aside - fees - outcome.cycles_burned - reserved
    beyond = left - MAXIMUM_CYCLES if left > MAXIMUM_CYCLES else 0
    return _Payments(used, fees, outcome.cycles_burned, reserved, outcome.cycles_lost + beyond, left - beyond, usage)


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


def _roll_back(function: PendingFunction, used: Cycles) -> None:
    charged = min(used, function.reserved_cycles)
    function.instance.credit(function.canister, function.reserved_cycles - charged)
    function.instance.burn(function.canister, charged, Purpose.EXECUTION)


def _commit(function: PendingFunction, outcome: Returned, payments: _Payments) -> None:
    instance, canister, code = function.instance, function.canister, function.code
    standing = canister.standing or instance.standing(canister)
    takes_as_much = payments.memory_usage == standing.memory_usage
    has_changed = outcome.new_state is not code.wasm_state
    if has_changed:
        code.wasm_state = outcome.new_state
        instance.written[canister.canister_id] = None
    canister.balance = payments.balance
    canister.reserved_balance += payments.reserved
    canister.version += 0 if function.is_query else 1
    if outcome.new_certified_data is not None:
        instance.certifies(canister, outcome.new_certified_data)
    if outcome.new_global_timer is not None:
        canister.global_timer = outcome.new_global_timer
    if not takes_as_much:
        instance.recount_memory(canister)
    # Reason: while heap and settings stay, the status of the hook is what it was made when they last changed.
    if has_changed and not has_enough_heap(instance, canister):
        look_at_hook(instance, canister)
    instance.burn(canister, payments.used, Purpose.EXECUTION)
    if payments.fees_of_calls:
        instance.burn(canister, payments.fees_of_calls, Purpose.TRANSMISSION)
    if payments.requested:
        instance.burn(canister, payments.requested, Purpose.REQUESTED)
    if payments.lost:
        instance.recorder.burned(payments.lost, Purpose.LOST)


def _respond(instance: SubnetInstance, context: OpenContext, outcome: Returned) -> None:
    left = context.available_cycles - outcome.cycles_accepted
    if outcome.response is None:
        context.available_cycles = left
        return
    response = ResponseMessage(context.origin, outcome.response, left)
    if isinstance(context.origin, FromUser):
        instance.messages.append_for_user(response)
    else:
        instance.messages.append(response)
    instance.contexts.close(context)


def _send_calls(function: PendingFunction, calls: List[MethodCall], deadlines_in_seconds: bool) -> None:
    instance, canister, context, context_id = (
        function.instance,
        function.canister,
        function.context,
        function.context_id,
    )
    own, caller, open_calls = canister.canister_id, Caller(canister.canister_id), canister.open_calls
    now = canister.time
    if deadlines_in_seconds:
        now -= now % NANOSECONDS_PER_SECOND
    for call in calls:
        deadline = _deadline(now, call)
        origin = FromCanister(context_id, call.callback, deadline, context.caller, call.callee, own)
        instance.contexts.call_made(context_id)
        open_calls[call.callee] = open_calls.get(call.callee, 0) + 1
        instance.messages.append(
            CallMessage(
                origin=origin,
                caller=caller,
                callee=call.callee,
                method_name=call.method_name,
                argument=call.argument,
                transferred_cycles=call.transferred_cycles,
                queue=Between(own, call.callee),
            )
        )


def _deadline(now: Nanoseconds, call: MethodCall) -> CallDeadline:
    if call.timeout is None:
        return NO_DEADLINE
    return Deadline(now + call.timeout * NANOSECONDS_PER_SECOND)
