"""What the functions inside a module find in the system memory when an execution begins."""

import struct
from collections.abc import Hashable
from typing import Final

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.wasm.instances.instance import WasmtimeInstance
from reference_impl.wasm.instances.system_memory import halves
from reference_impl.wasm.layout.fast_functions import (
    ARGUMENT,
    AVAILABLE,
    BALANCE,
    CALL_COUNTER_START,
    CALL_FEE,
    CALL_RESERVE,
    CELLS,
    CERTIFIED_MOST,
    COST_OF_CREATION,
    COUNTER_START,
    DEADLINE,
    ENVIRONMENT_VARIABLES,
    FEE_OF_BYTES,
    FEE_PARTS,
    HAS_CERTIFICATE,
    HEAP_SPENDING,
    KEPT_BACK,
    LOG_CAPACITY,
    LOG_SPACE,
    LONG_BLOB,
    LONGEST_RESPONSE,
    METHOD_NAME,
    METHOD_NAME_SIZE,
    MIDDLING_BLOB,
    MOST_CONTROLLERS,
    NAME_MOST,
    NESTED_CALLS,
    NUMBER_OF_CELLS,
    NUMBER_OF_CONTROLLERS,
    ONE_SLICE,
    PAYLOAD_MOST,
    PLACES,
    REFUNDED,
    REJECT_CODE,
    REJECT_SIZE,
    REPLICATED,
    REPLY_ROOM,
    REQUEST_RECORD,
    ROOM_MOST,
    ROOT_KEY_SIZE,
    SELF_SIZE,
    SHORT_BLOB,
    SHORT_BLOBS,
    SIGNER_DATA_SIZE,
    SIGNER_SIZE,
    SPENDABLE,
    SPENDING,
    STABLE_SPENDING,
    STATUS,
    SUBNET_SIZE,
    TIME,
    TIMEOUT_MOST,
    TIMER,
    VERSION,
)
from reference_impl.wasm.layout.system_functions import SYSTEM_API
from reference_impl.wasm.system_api import costs
from reference_impl.wasm.system_api.given import Given
from spec.canister.wasm_state import WasmState
from spec.profile import Limits
from spec.values.quantities import MAXIMUM_CYCLES, Cycles

_CELLS: Final = struct.Struct(f"<{NUMBER_OF_CELLS}Q")
_MASK: Final = 2**64 - 1
MOST_STARTS: Final = 32
"""So many are kept for one environment: a cleanup gets what is left of its callback's limit, which is any number."""


def _flags(given: Given, spends: bool) -> bytes:
    """Which functions may be called from a context, and leave nothing to the host; `spends` says that of calls."""
    environment = given.environment
    notes = isinstance(environment, KeptEnvironment) and environment.asked is not None
    hosted = {
        "time": notes,
        "canister_version": notes,
        "canister_cycle_balance": notes,
        "canister_cycle_balance128": notes,
        "canister_liquid_cycle_balance128": notes,
        "data_certificate_present": notes,
        "msg_reply_data_append": not given.needs_to_respond,
        "msg_reply": not given.needs_to_respond,
        "msg_arg_data_copy": len(given.argument) > LONG_BLOB,
        "is_controller": len(environment.controllers.items) > MOST_CONTROLLERS,
        "stable_grow": given.asks_for_growths,
        "stable64_grow": given.asks_for_growths,
        "call_perform": given.host_performs or bool(environment.refused_calls),
    }
    if not spends:
        hosted |= dict.fromkeys(SPENDING, True)
    return bytes(given.context in SYSTEM_API[name].contexts and not hosted.get(name, False) for name in PLACES)


_FAR_FROM_TOO_LARGE: Final = 2**40
"""Amounts below this may be multiplied by sizes and added in 64 bits."""


def _longest_name(limits: Limits) -> int:
    return min(limits.exported_method_names, limits.local_request_payload)


def _set_spending(cells: list[int], instance: WasmtimeInstance, state: WasmState, given: Given) -> bool:
    """What calls take, and for which sizes of memories it is told what may be spent; False if that is too much."""
    environment, limits = given.environment, given.environment.profile.limits
    prices = costs.call_prices(instance.compiled.parsed.has_64_bit_memory, environment)
    fees = environment.profile.fees
    cells[HEAP_SPENDING] = state.wasm_memory.size
    cells[STABLE_SPENDING] = 0 if instance.stable is None else state.stable_memory.wasm_pages
    cells[ROOM_MOST] = costs.room_for_some_calls(environment)
    cells[NAME_MOST], cells[PAYLOAD_MOST] = _longest_name(limits), limits.local_request_payload
    cells[TIMEOUT_MOST] = limits.call_timeout
    cells[CALL_FEE], cells[CALL_RESERVE] = prices.fee & _MASK, prices.reserve & _MASK
    cells[FEE_OF_BYTES] = fees.call_byte * environment.subnet_size & _MASK
    cells[FEE_PARTS] = fees.reference_subnet_size
    cells[LONGEST_RESPONSE] = costs.longest_response(environment)
    cells[REQUEST_RECORD] = limits.request_record
    return max(cells[FEE_OF_BYTES], prices.fee >> 20, prices.reserve >> 20, *cells[NAME_MOST : TIMEOUT_MOST + 1]) < (
        _FAR_FROM_TOO_LARGE
    )


def _usual_start(instance: WasmtimeInstance, state: WasmState, given: Given) -> tuple[bytes, Cycles]:
    """
    What stays the same as long as environment, context and limit do, and the sizes of memories if the module may spend;
    the caller's place is empty. And what may not be spent.
    """
    environment, limits = given.environment, given.environment.profile.limits
    cells = [0] * NUMBER_OF_CELLS
    cells[COUNTER_START] = cells[CALL_COUNTER_START] = given.limit & _MASK
    cells[ONE_SLICE] = given.one_slice & _MASK
    cells[REPLY_ROOM] = min(LONG_BLOB, given.largest_response)
    cells[STATUS] = environment.status.value
    cells[REPLICATED] = given.context.is_replicated
    cells[LOG_SPACE] = cells[LOG_CAPACITY] = limits.log_capacity
    cells[SELF_SIZE] = len(state.self_id)
    cells[SUBNET_SIZE] = len(environment.subnet_id)
    cells[ENVIRONMENT_VARIABLES] = len(environment.environment_variables)
    cells[ROOT_KEY_SIZE] = len(environment.root_key)
    cells[CERTIFIED_MOST] = min(limits.certified_data, SHORT_BLOB)
    cells[NESTED_CALLS] = limits.call_stack_depth - 1
    cells[NUMBER_OF_CONTROLLERS] = min(len(environment.controllers.items), MOST_CONTROLLERS)
    creation = costs.creation_price(environment)
    cells[COST_OF_CREATION], cells[COST_OF_CREATION + 1] = halves(creation)
    spends, kept_back = instance.compiled.spends, 0
    if spends:
        spends = _set_spending(cells, instance, state, given)
        size = state.wasm_memory.size + state.stable_memory.size + costs.globals_size(state)
        cells[KEPT_BACK], cells[KEPT_BACK + 1] = halves(costs.not_to_be_spent(size, 0, environment))
        kept_back = costs.not_to_be_spent(size, costs.room_for_some_calls(environment), environment)
    start = (_flags(given, spends).ljust(CELLS, b"\0") + _CELLS.pack(*cells)).ljust(SHORT_BLOBS, b"\0")
    controllers = [one.ljust(SHORT_BLOB - 1, b"\0") + bytes([len(one)]) for one in environment.controllers.items]
    blobs = (b"", state.self_id, environment.subnet_id, b"", b"", *controllers[:MOST_CONTROLLERS])
    return start + b"".join(blob.ljust(SHORT_BLOB, b"\0") for blob in blobs), kept_back


def fill_system_memory(instance: WasmtimeInstance, state: WasmState, given: Given) -> None:
    """Puts in what an execution begins with."""
    memory, spends = instance.system, instance.compiled.spends
    environment, argument, limit, caller = given.environment, given.argument, given.limit, given.caller
    kept = environment.starts if isinstance(environment, KeptEnvironment) else {}
    kind: Hashable = given.context.letters, limit, given.needs_to_respond, len(argument) > LONG_BLOB
    if spends:
        sizes = state.wasm_memory.wasm_pages, state.stable_memory.wasm_pages, len(state.globals)
        kind = kind, sizes, environment.reserved_balance, given.host_performs
    usual = kept.get(kind)
    if usual is None:
        if len(kept) >= MOST_STARTS:
            kept.clear()
        usual = kept[kind] = _usual_start(instance, state, given)
    start, kept_back = usual
    memory.fill(start, caller.principal, argument)
    cells = memory.cells
    if environment.call_context_instructions:
        cells[CALL_COUNTER_START] = (limit + environment.call_context_instructions) & _MASK
    cells[VERSION] = environment.canister_version & _MASK
    cells[TIME] = environment.time & _MASK
    cells[TIMER] = environment.global_timer & _MASK
    balance = environment.balance
    if balance > MAXIMUM_CYCLES:
        balance = MAXIMUM_CYCLES
    cells[BALANCE], cells[BALANCE + 1] = balance & _MASK, balance >> 64
    if spends and balance > kept_back:
        balance -= kept_back
        cells[SPENDABLE], cells[SPENDABLE + 1] = balance & _MASK, balance >> 64
    if given.available or given.refunded:
        memory.set_amount(AVAILABLE, given.available)
        cells[REFUNDED], cells[REFUNDED + 1] = halves(given.refunded)
    if given.deadline:
        cells[DEADLINE] = given.deadline & _MASK
    if given.reject is not None:
        cells[REJECT_CODE] = int(given.reject.code)
        cells[REJECT_SIZE] = memory.put(given.reject.message.encode(), ARGUMENT, LONG_BLOB, "msg_reject_msg_copy")
    if given.method_name:
        name = given.method_name.encode()
        cells[METHOD_NAME_SIZE] = memory.put(name, METHOD_NAME, MIDDLING_BLOB, "msg_method_name_copy")
    if environment.certificate is not None:
        cells[HAS_CERTIFICATE] = 1
    if caller.info_signer or caller.info_data:
        cells[SIGNER_DATA_SIZE], cells[SIGNER_SIZE] = len(caller.info_data), len(caller.info_signer)
