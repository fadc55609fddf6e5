"""Calling other canisters. Source: canister-interface, inter-canister method calls."""

from typing import Final

from spec.canister.outcome import Callback, Closure, MethodCall
from spec.fees import call_fee, cycles_per_response, message_memory, smaller
from spec.system_api.cycles import HIGH
from spec.system_api.execution_state import CallUnderConstruction, Execution
from spec.values.checklist import defines
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH, Principal
from spec.values.quantities import Cycles
from spec.wasm.traps import Trap

PERFORMED: Final = 0
"""The call is queued."""

NOT_PERFORMED: Final = 2
"""
The call cannot be made; means the same as the reject code SYS_FATAL. Checklist: `unspec.fn.call-perform-error-value`.
"""


@defines("error.method-name-too-long")
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
    """
    Takes the place of a call under construction, whose cycles come back.

    The functions of the closures are looked up when they are called. Bytes of the name that are not UTF-8 are replaced.
    """
    limits = execution.environment.profile.limits
    if callee_size > MAXIMUM_PRINCIPAL_LENGTH:
        raise Trap("the callee is not a principal")
    if name_size > smaller(limits.exported_method_names, limits.local_request_payload):
        raise Trap("the method name is longer than any method name may be")
    execution.drop_pending_call()
    execution.pending_call = CallUnderConstruction(
        callee=Principal(execution.read_heap(callee_source, callee_size)),
        method_name=execution.read_heap(name_source, name_size).decode(errors="replace"),
        name_size=name_size,
        on_reply=Closure(reply_function, reply_argument),
        on_reject=Closure(reject_function, reject_argument),
    )


def call_on_cleanup(execution: Execution, function: int, argument: int) -> None:
    call = _under_construction(execution)
    if call.on_cleanup is not None:
        raise Trap("the call has a cleanup closure already")
    call.on_cleanup = Closure(function, argument)


@defines("error.call-payload-too-large")
def call_data_append(execution: Execution, source: int, size: int) -> None:
    call = _under_construction(execution)
    if call.payload + size > execution.environment.profile.limits.local_request_payload:
        raise Trap("the argument is larger than the argument of a call may be")
    call.argument += execution.read_heap(source, size)


@defines("error.timeout-too-long")
def call_with_best_effort_response(execution: Execution, timeout_seconds: int) -> None:
    """Longer time-outs than the system allows are cut."""
    call = _under_construction(execution)
    if call.timeout is not None:
        raise Trap("the call has a time-out already")
    call.timeout = smaller(timeout_seconds, execution.environment.profile.limits.call_timeout)


def call_cycles_add(execution: Execution, amount: int) -> None:
    _add_cycles(execution, amount)


def call_cycles_add128(execution: Execution, amount_high: int, amount_low: int) -> None:
    _add_cycles(execution, amount_high * HIGH + amount_low)


@defines(
    "inv.call-perform-zero-one-callback",
    "unspec.fn.system-cannot-call-now",
    "error.insufficient-cycles-message-memory",
    "seed2.actor-send",
)
def call_perform(execution: Execution) -> int:
    """
    Whether or not it succeeds, no call is under construction afterwards.

    It fails if the liquid balance, which the attached cycles have left already, does not cover the fee for the request
    and what has to be set aside for the response; and if the system refuses the call for want of a resource
    (`system_cannot_do_this_call_now`). What is liquid here is above a freezing limit that includes the message memory
    of this call and of those performed before in this execution. Source: ours#message-memory.
    """
    pending = _under_construction(execution)
    environment = execution.environment
    number = execution.calls_tried
    execution.calls_tried += 1
    memory = message_memory(environment.profile.limits, pending.payload, pending.timeout is not None)
    memory_of_all = execution.message_memory + memory
    call = MethodCall(
        callee=pending.callee,
        method_name=pending.method_name,
        argument=bytes(pending.argument),
        transferred_cycles=pending.transferred_cycles,
        callback=Callback(
            on_reply=pending.on_reply,
            on_reject=pending.on_reject,
            on_cleanup=pending.on_cleanup,
            reserved_cycles=cycles_per_response(environment.profile, execution.wasm64, environment.subnet_size),
        ),
        fee=call_fee(environment.profile.fees, pending.payload, environment.subnet_size),
        timeout=pending.timeout,
        number=number,
    )
    cannot_pay = execution.liquid(execution.balance, memory_of_all) < call.fee + call.callback.reserved_cycles
    if cannot_pay or number in environment.refused_calls:
        execution.drop_pending_call()
        return NOT_PERFORMED
    execution.pending_call = None
    execution.calls.append(call)
    execution.message_memory = memory_of_all
    return PERFORMED


def _under_construction(execution: Execution) -> CallUnderConstruction:
    if execution.pending_call is None:
        raise Trap("there is no call under construction")
    return execution.pending_call


def _add_cycles(execution: Execution, amount: Cycles) -> None:
    call = _under_construction(execution)
    if amount > execution.liquid(execution.balance):
        raise Trap("the liquid balance does not cover the cycles")
    execution.attach_cycles(call, amount)
