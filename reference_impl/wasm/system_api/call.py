"""System API: calls to other canisters, where the module cannot do by itself what is asked."""

from reference_impl.wasm.layout.fast_functions import CALLS_TRIED, ROOM_TAKEN
from reference_impl.wasm.layout.system_functions import per_byte, system_function
from reference_impl.wasm.system_api import costs
from reference_impl.wasm.system_api.execution import Ended, Execution
from reference_impl.wasm.system_api.performed_calls import REPLACED, CallUnderConstruction
from spec.canister.outcome import Callback, Closure, MethodCall
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH, Principal

_CALLING = "U CQ Ry Rt CRy CRt T"
_CALLING_WITH_CYCLES = "U Ry Rt T"

CALL_PERFORMED = 0
CALL_NOT_PERFORMED = 2
"""Source: canister-interface, call_perform, which fixes the number in its prose."""


def _call(execution: Execution) -> CallUnderConstruction:
    execution.take_calls()
    if execution.call is None:
        raise Ended
    return execution.call


def _require_payload(execution: Execution, payload: int) -> None:
    execution.trap_unless(payload <= execution.environment.profile.limits.local_request_payload)


@system_function("PPPPPPPP", "", _CALLING, fixed_cost=1500, cost=per_byte(1, 3))
def call_new(
    execution: Execution,
    callee_source: int,
    callee_size: int,
    name_source: int,
    name_size: int,
    reply_function: int,
    reply_argument: int,
    reject_function: int,
    reject_argument: int,
) -> None:
    """Starts a call; one under construction is dropped and its cycles come back."""
    execution.take_calls()
    execution.drop_call()
    limits = execution.environment.profile.limits
    longest_name = min(limits.exported_method_names, limits.local_request_payload)
    execution.trap_unless(callee_size <= MAXIMUM_PRINCIPAL_LENGTH and name_size <= longest_name)
    execution.set_call(
        CallUnderConstruction(
            callee=Principal(execution.read(callee_source, callee_size)),
            method_name=execution.read(name_source, name_size).decode(errors=REPLACED),
            name_size=name_size,
            on_reply=Closure(reply_function, reply_argument),
            on_reject=Closure(reject_function, reject_argument),
        )
    )


@system_function("PP", "", _CALLING)
def call_on_cleanup(execution: Execution, function: int, argument: int) -> None:
    """Sets the closure that cleans up after a callback that traps; a trap the second time."""
    call = _call(execution)
    execution.trap_unless(call.on_cleanup is None)
    call.on_cleanup = Closure(function, argument)


@system_function("PP", "", _CALLING, cost=per_byte(1, factor=50))
def call_data_append(execution: Execution, source: int, size: int) -> None:
    """Appends to the argument of the call."""
    call = _call(execution)
    _require_payload(execution, call.payload + size)
    call.argument += execution.read(source, size)


@system_function("i", "", _CALLING)
def call_with_best_effort_response(execution: Execution, timeout: int) -> None:
    """Bounds how long the response is waited for; a trap the second time."""
    call = _call(execution)
    execution.trap_unless(call.timeout is None)
    call.timeout = min(timeout, execution.environment.profile.limits.call_timeout)


def _attach(execution: Execution, amount: int) -> None:
    call = _call(execution)
    execution.trap_unless(amount <= execution.liquid_balance())
    execution.attach_cycles(call, amount)


@system_function("ll", "", _CALLING_WITH_CYCLES)
def call_cycles_add128(execution: Execution, amount_high: int, amount_low: int) -> None:
    """Moves cycles from the balance onto the call."""
    _attach(execution, amount_high << 64 | amount_low)


@system_function("l", "", _CALLING_WITH_CYCLES, only_32_bit=True)
def call_cycles_add(execution: Execution, amount: int) -> None:
    """Moves cycles from the balance onto the call."""
    _attach(execution, amount)


@system_function("", "i", _CALLING, fixed_cost=5000)
def call_perform(execution: Execution) -> int:
    """
    Performs the call if the balance covers it and its room in queues without freezing the canister, and if the system
    does not refuse it; or drops it.
    """
    call = _call(execution)
    cells, environment = execution.cells, execution.environment
    number = cells[CALLS_TRIED]
    cells[CALLS_TRIED] += 1
    payload = call.payload
    fee, reserve = execution.call_price(payload)
    room = costs.room_for_call(payload, call.timeout is not None, environment)
    cannot_pay = fee + reserve > execution.liquid_balance(cells[ROOM_TAKEN] + room)
    memory = 0 if call.timeout is not None else room
    if cannot_pay or execution.performed.is_refused(number, call.callee, memory, environment):
        execution.drop_call()
        return CALL_NOT_PERFORMED
    execution.set_call(None)
    cells[ROOM_TAKEN] += room
    execution.spend(fee + reserve)
    execution.performed.add(
        MethodCall(
            callee=call.callee,
            method_name=call.method_name,
            argument=bytes(call.argument),
            transferred_cycles=call.cycles,
            callback=Callback(call.on_reply, call.on_reject, call.on_cleanup, reserve),
            fee=fee,
            timeout=call.timeout,
            number=number,
        ),
        room,
    )
    return CALL_PERFORMED
