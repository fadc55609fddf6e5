"""
Every function that a canister may import from `ic0`: signature, where it may be called, what it costs, what it does.

Source: canister-interface, overview of imports; facts on System API costs. In signatures `I` is the type of pointers:
i64 if the module's memory has 64-bit addresses, else i32. Letters of contexts are those of `context`.
"""

from collections.abc import Callable, Sequence
from typing import Final

from attrs import frozen

from spec.system_api import (
    calls,
    canister,
    context,
    costs,
    cycles,
    debugging,
    messages,
    stable_memory,
)
from spec.system_api.context import Context
from spec.system_api.execution_state import ApiFunction, Execution
from spec.values.checklist import defines
from spec.values.identifiers import Text
from spec.values.quantities import Instructions
from spec.wasm.syntax import FunctionType, ValueType

BYTES_TO_OUTSIDE: Final[Instructions] = 50
"""A byte that leaves the canister costs this. Source: facts on System API costs."""

LOG_BYTE_STORED: Final[Instructions] = 2
LOG_BYTE_SENT: Final[Instructions] = 50

Cost = Callable[[Execution, Sequence[int]], Instructions]
"""What a call costs beyond the fixed part, from its operands."""


@frozen
class SystemFunction:
    """One row of the table."""

    name: Text
    """Without the prefix `ic0.`."""
    parameters: tuple[Text, ...]
    results: tuple[Text, ...]
    contexts: frozenset[Context]
    """From anywhere else the function traps."""
    fixed_cost: Instructions | None
    """Charged before anything else, together with the variable cost; None if the function makes its own charges."""
    variable_cost: Cost | None
    function: ApiFunction
    only_32_bit: bool = False
    """The function does not exist for modules with 64-bit memory."""

    @defines("api-general.pointer-width", "module.pointer-width")
    def type(self, wasm64: bool) -> FunctionType:
        """The type of the import in a module with 32-bit or 64-bit memory."""
        pointer = ValueType.I64 if wasm64 else ValueType.I32

        def types(names: tuple[Text, ...]) -> tuple[ValueType, ...]:
            return tuple(pointer if name == "I" else ValueType(name) for name in names)

        return FunctionType(types(self.parameters), types(self.results))


def a_byte(instructions: Instructions, *operands: int) -> Cost:
    """So much for each byte; the operands with these indices give sizes."""
    return lambda _, values: instructions * sum(values[index] for index in operands)


def log_bytes(execution: Execution, operands: Sequence[int]) -> Instructions:
    """What `ic0.debug_print` costs: only what fits into the log counts, and less once it fills up."""
    size = operands[1]
    capacity = execution.environment.profile.limits.log_capacity
    return LOG_BYTE_STORED * min(size, capacity) + LOG_BYTE_SENT * min(size, execution.log_space)


def trap_bytes(execution: Execution, operands: Sequence[int]) -> Instructions:
    """What `ic0.trap` costs."""
    return operands[1] + log_bytes(execution, operands)


def _row(
    signature: Text,
    contexts: Text,
    fixed_cost: Instructions | None,
    function: ApiFunction,
    variable_cost: Cost | None = None,
    only_32_bit: bool = False,
) -> SystemFunction:
    parameters, results = signature.split("->")
    return SystemFunction(
        name=function.__name__,
        parameters=tuple(parameters.split()),
        results=tuple(results.split()),
        contexts=context.contexts(contexts),
        fixed_cost=fixed_cost,
        variable_cost=variable_cost,
        function=function,
        only_32_bit=only_32_bit,
    )


ARGUMENT: Final = "I U RQ NRQ TQ CQ Ry CRy F"
CALLER_INFO: Final = "U RQ NRQ CQ Ry Rt CRy CRt C CC F"
RESPONDING: Final = "U RQ NRQ TQ CQ Ry Rt CRy CRt"
CALLING: Final = "U CQ Ry Rt CRy CRt T"
ANYWHERE: Final = "* s"

_m, _y, _c, _s, _k, _p, _d = messages, cycles, calls, stable_memory, canister, costs, debugging

_ROWS: Final = (
    # Argument and caller.
    _row("-> I", ARGUMENT, 500, _m.msg_arg_data_size),
    _row("I I I ->", ARGUMENT, 500, _m.msg_arg_data_copy, a_byte(1, 2)),
    _row("-> I", "*", 500, _m.msg_caller_size),
    _row("I I I ->", "*", 500, _m.msg_caller_copy, a_byte(1, 2)),
    _row("-> I", CALLER_INFO, 500, _m.msg_caller_info_data_size),
    _row("I I I ->", CALLER_INFO, 500, _m.msg_caller_info_data_copy, a_byte(1, 2)),
    _row("-> I", CALLER_INFO, 500, _m.msg_caller_info_signer_size),
    _row("I I I ->", CALLER_INFO, 500, _m.msg_caller_info_signer_copy, a_byte(1, 2)),
    _row("-> i32", "Ry Rt CRy CRt C", 500, _m.msg_reject_code),
    _row("-> I", "Rt CRt", 500, _m.msg_reject_msg_size),
    _row("I I I ->", "Rt CRt", 500, _m.msg_reject_msg_copy, a_byte(1, 2)),
    _row("-> i64", "U RQ NRQ CQ Ry Rt CRy CRt", 500, _m.msg_deadline),
    # Responding.
    _row("I I ->", RESPONDING, 500, _m.msg_reply_data_append, a_byte(BYTES_TO_OUTSIDE, 1)),
    _row("->", RESPONDING, 500, _m.msg_reply),
    _row("I I ->", RESPONDING, 500, _m.msg_reject, a_byte(BYTES_TO_OUTSIDE, 1)),
    # Inspecting an ingress message.
    _row("-> I", "F", 500, _m.msg_method_name_size),
    _row("I I I ->", "F", 500, _m.msg_method_name_copy, a_byte(1, 2)),
    _row("->", "F", 500, _m.accept_message),
    # Cycles.
    _row("I ->", "U RQ Rt Ry", 500, _y.msg_cycles_available128),
    _row("I ->", "Rt Ry", 500, _y.msg_cycles_refunded128),
    _row("i64 i64 I ->", "U RQ Rt Ry", 500, _y.msg_cycles_accept128),
    _row("i64 i64 I ->", "I G U RQ Ry Rt C T", 500, _y.cycles_burn128),
    _row("I ->", "*", 500, _y.canister_cycle_balance128),
    _row("I ->", "*", 500, _y.canister_liquid_cycle_balance128),
    _row("-> i64", "U RQ Rt Ry", 500, _y.msg_cycles_available, only_32_bit=True),
    _row("-> i64", "Rt Ry", 500, _y.msg_cycles_refunded, only_32_bit=True),
    _row("i64 -> i64", "U RQ Rt Ry", 500, _y.msg_cycles_accept, only_32_bit=True),
    _row("-> i64", "*", 500, _y.canister_cycle_balance, only_32_bit=True),
    # The canister and the system.
    _row("-> I", "*", 500, _k.canister_self_size),
    _row("I I I ->", "*", 500, _k.canister_self_copy, a_byte(1, 2)),
    _row("-> i32", "*", 500, _k.canister_status),
    _row("-> i64", "*", 500, _k.canister_version),
    _row("-> I", "*", 500, _k.subnet_self_size),
    _row("I I I ->", "*", 500, _k.subnet_self_copy, a_byte(1, 2)),
    _row("-> I", "I G U RQ Ry Rt C T", 500, _k.root_key_size),
    _row("I I I ->", "I G U RQ Ry Rt C T", 500, _k.root_key_copy, a_byte(1, 2)),
    _row("I I -> i32", ANYWHERE, 1000, _k.is_controller, a_byte(1, 1)),
    _row("-> i32", ANYWHERE, 500, _k.in_replicated_execution),
    _row("-> i64", "*", 500, _k.time),
    _row("i64 -> i64", "I G U Ry Rt C T", 500, _k.global_timer_set),
    _row("i32 -> i64", ANYWHERE, 200, _k.performance_counter),
    _row("I I ->", "I G U Ry Rt T", 500, _k.certified_data_set, a_byte(1, 1)),
    _row("-> i32", "*", 500, _k.data_certificate_present),
    _row("-> I", "NRQ CQ", 500, _k.data_certificate_size),
    _row("I I I ->", "NRQ CQ", 500, _k.data_certificate_copy, a_byte(1, 2)),
    _row("-> I", "*", 500, _k.env_var_count),
    _row("I -> I", "*", 500, _k.env_var_name_size),
    _row("I I I I ->", "*", 500, _k.env_var_name_copy, a_byte(1, 3)),
    _row("I I -> i32", "*", 500, _k.env_var_name_exists),
    _row("I I -> I", "*", 500, _k.env_var_value_size),
    _row("I I I I I ->", "*", 500, _k.env_var_value_copy, a_byte(1, 4)),
    # Calls.
    _row("I I I I I I I I ->", CALLING, 1500, _c.call_new, a_byte(1, 1, 3)),
    _row("I I ->", CALLING, 500, _c.call_on_cleanup),
    _row("I I ->", CALLING, 500, _c.call_data_append, a_byte(BYTES_TO_OUTSIDE, 1)),
    _row("i32 ->", CALLING, 500, _c.call_with_best_effort_response),
    _row("i64 i64 ->", "U Ry Rt T", 500, _c.call_cycles_add128),
    _row("i64 ->", "U Ry Rt T", 500, _c.call_cycles_add, only_32_bit=True),
    _row("-> i32", CALLING, 5000, _c.call_perform),
    # Stable memory.
    _row("-> i64", ANYWHERE, None, _s.stable64_size),
    _row("i64 -> i64", ANYWHERE, None, _s.stable64_grow),
    _row("i64 i64 i64 ->", ANYWHERE, None, _s.stable64_write),
    _row("i64 i64 i64 ->", ANYWHERE, None, _s.stable64_read),
    _row("-> i32", ANYWHERE, None, _s.stable_size, only_32_bit=True),
    _row("i32 -> i32", ANYWHERE, None, _s.stable_grow, only_32_bit=True),
    _row("i32 i32 i32 ->", ANYWHERE, None, _s.stable_write, only_32_bit=True),
    _row("i32 i32 i32 ->", ANYWHERE, None, _s.stable_read, only_32_bit=True),
    # Prices.
    _row("i64 i64 I ->", ANYWHERE, 500, _p.cost_call),
    _row("I ->", ANYWHERE, 500, _p.cost_create_canister),
    _row("i64 i64 I ->", ANYWHERE, 500, _p.cost_http_request),
    _row("I I i32 I -> i32", ANYWHERE, 500, _p.cost_sign_with_ecdsa, a_byte(1, 1)),
    _row("I I i32 I -> i32", ANYWHERE, 500, _p.cost_sign_with_schnorr, a_byte(1, 1)),
    _row("I I i32 I -> i32", ANYWHERE, 500, _p.cost_vetkd_derive_key, a_byte(1, 1)),
    # Debugging.
    _row("I I ->", ANYWHERE, 100, _d.debug_print, log_bytes),
    _row("I I ->", ANYWHERE, 500, _d.trap, trap_bytes),
)

IMPORTS: Final = {row.name: row for row in _ROWS}
"""The table, by name without the prefix `ic0.`. Checklist: `seed2.system-apis`."""
