"""What the functions inside a module find in the system memory when an execution begins."""

import struct
from functools import cache
from typing import Final

from reference_impl.wasm.instances.system_memory import halves
from reference_impl.wasm.layout.fast_functions import (
    CELLS,
    FAST,
    LONG_BLOB,
    PLACES,
    SHORT_BLOB,
    SHORT_BLOBS,
    STABLE_PAGES,
)
from reference_impl.wasm.layout.system_functions import SYSTEM_API, Context
from reference_impl.wasm.system_api.execution import Execution

_CELLS_LAYOUT: Final = struct.Struct(f"<{STABLE_PAGES}Q")
"""Up to those that stable memory keeps."""
_MASK: Final = 2**64 - 1


@cache
def _flags(context: Context) -> bytes:
    """Which functions may be called from a context."""
    return bytes(context in SYSTEM_API[name].contexts for name in FAST).ljust(CELLS, b"\0")


def start_of_memory(execution: Execution) -> bytes:
    """The start of the system memory, up to the end of the short blobs, for an execution that begins."""
    environment, caller = execution.environment, execution.caller.principal
    allowed = _flags(execution.context)
    if not execution.needs_to_respond:
        allowed = _without(allowed, "msg_reply_data_append")
    if len(execution.argument) > LONG_BLOB:
        allowed = _without(allowed, "msg_arg_data_copy")
    if environment.refused_growths or environment.trapping_growths:
        allowed = _without(_without(allowed, "stable_grow"), "stable64_grow")
    log_capacity = environment.profile.limits.log_capacity
    cells = _CELLS_LAYOUT.pack(
        0,
        min(LONG_BLOB, execution.largest_response),
        execution.limit & _MASK,
        (execution.limit + environment.call_context_instructions) & _MASK,
        len(execution.argument),
        len(caller),
        len(execution.self_id),
        environment.status.value,
        environment.canister_version & _MASK,
        environment.time & _MASK,
        execution.is_replicated,
        (execution.deadline or 0) & _MASK,
        len(environment.subnet_id),
        len(environment.environment_variables),
        environment.certificate is not None,
        len(environment.root_key),
        0 if execution.reject is None else int(execution.reject.code),
        len(execution.caller.info_data),
        len(execution.caller.info_signer),
        len(execution.method_name.encode()),
        *halves(execution.balance()),
        *halves(execution.available),
        *halves(execution.refunded),
        1,
        log_capacity,
        log_capacity,
    )
    blobs = (caller, execution.self_id, environment.subnet_id)
    # Cells behind these are written before they are read.
    return (allowed + cells).ljust(SHORT_BLOBS, b"\0") + b"".join(blob.ljust(SHORT_BLOB, b"\0") for blob in blobs)


def _without(allowed: bytes, name: str) -> bytes:
    place = PLACES[name]
    return allowed[:place] + b"\0" + allowed[place + 1 :]
