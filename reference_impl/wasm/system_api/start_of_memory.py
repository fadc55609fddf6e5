"""What the functions inside a module find in the system memory when an execution begins."""

import struct
from typing import Final

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.wasm.instances.system_memory import SystemMemory, halves
from reference_impl.wasm.layout.fast_functions import (
    AVAILABLE,
    BALANCE,
    CALL_COUNTER_START,
    CELLS,
    CERTIFIED_MOST,
    COUNTER_START,
    CYCLES_KNOWN,
    DEADLINE,
    ENVIRONMENT_VARIABLES,
    HAS_CERTIFICATE,
    LOG_CAPACITY,
    LOG_SPACE,
    LONG_BLOB,
    METHOD_NAME_SIZE,
    NESTED_CALLS,
    NUMBER_OF_CELLS,
    ONE_SLICE,
    PLACES,
    REFUNDED,
    REJECT_CODE,
    REPLICATED,
    REPLY_ROOM,
    ROOT_KEY_SIZE,
    SELF_SIZE,
    SHORT_BLOB,
    SHORT_BLOBS,
    SIGNER_DATA_SIZE,
    SIGNER_SIZE,
    STATUS,
    SUBNET_SIZE,
    TIME,
    TIMER,
    VERSION,
)
from reference_impl.wasm.layout.system_functions import SYSTEM_API
from reference_impl.wasm.system_api.given import Given
from spec.values.identifiers import CanisterId
from spec.values.quantities import MAXIMUM_CYCLES

_CELLS: Final = struct.Struct(f"<{NUMBER_OF_CELLS}Q")
_MASK: Final = 2**64 - 1
MOST_STARTS: Final = 32
"""So many are kept for one environment: a cleanup gets what is left of its callback's limit, which is any number."""


def _flags(given: Given) -> bytes:
    """Which functions may be called from a context, and leave nothing to the host."""
    environment = given.environment
    notes = isinstance(environment, KeptEnvironment) and environment.asked is not None
    hosted = {
        "time": notes,
        "canister_version": notes,
        "canister_cycle_balance": notes,
        "canister_cycle_balance128": notes,
        "data_certificate_present": notes,
        "msg_reply_data_append": not given.needs_to_respond,
        "msg_reply": not given.needs_to_respond,
        "msg_arg_data_copy": len(given.argument) > LONG_BLOB,
        "stable_grow": given.asks_for_growths,
        "stable64_grow": given.asks_for_growths,
    }
    return bytes(given.context in SYSTEM_API[name].contexts and not hosted.get(name, False) for name in PLACES)


def _usual_start(self_id: CanisterId, given: Given) -> bytes:
    """What stays the same as long as environment, context and limit do; the caller's place is empty."""
    environment, limits = given.environment, given.environment.profile.limits
    cells = [0] * NUMBER_OF_CELLS
    cells[COUNTER_START] = cells[CALL_COUNTER_START] = given.limit & _MASK
    cells[ONE_SLICE] = given.one_slice & _MASK
    cells[REPLY_ROOM] = min(LONG_BLOB, given.largest_response)
    cells[STATUS] = environment.status.value
    cells[REPLICATED] = given.context.is_replicated
    cells[CYCLES_KNOWN] = 1
    cells[LOG_SPACE] = cells[LOG_CAPACITY] = limits.log_capacity
    cells[SELF_SIZE] = len(self_id)
    cells[SUBNET_SIZE] = len(environment.subnet_id)
    cells[ENVIRONMENT_VARIABLES] = len(environment.environment_variables)
    cells[ROOT_KEY_SIZE] = len(environment.root_key)
    cells[CERTIFIED_MOST] = min(limits.certified_data, SHORT_BLOB)
    cells[NESTED_CALLS] = limits.call_stack_depth - 1
    start = (_flags(given).ljust(CELLS, b"\0") + _CELLS.pack(*cells)).ljust(SHORT_BLOBS, b"\0")
    blobs = (b"", self_id, environment.subnet_id)
    return start + b"".join(blob.ljust(SHORT_BLOB, b"\0") for blob in blobs)


def fill_system_memory(memory: SystemMemory, self_id: CanisterId, given: Given) -> None:
    """Puts in what an execution begins with."""
    environment, argument, limit, caller = given.environment, given.argument, given.limit, given.caller
    kept = environment.starts if isinstance(environment, KeptEnvironment) else {}
    kind = given.context.letters, limit, given.needs_to_respond, len(argument) > LONG_BLOB
    start = kept.get(kind)
    if start is None:
        if len(kept) >= MOST_STARTS:
            kept.clear()
        start = kept[kind] = _usual_start(self_id, given)
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
    if given.available or given.refunded:
        cells[AVAILABLE], cells[AVAILABLE + 1] = halves(given.available)
        cells[REFUNDED], cells[REFUNDED + 1] = halves(given.refunded)
    if given.deadline:
        cells[DEADLINE] = given.deadline & _MASK
    if given.reject is not None:
        cells[REJECT_CODE] = int(given.reject.code)
    if given.method_name:
        cells[METHOD_NAME_SIZE] = len(given.method_name.encode())
    if environment.certificate is not None:
        cells[HAS_CERTIFICATE] = 1
    if caller.info_signer or caller.info_data:
        cells[SIGNER_DATA_SIZE], cells[SIGNER_SIZE] = len(caller.info_data), len(caller.info_signer)
