"""The host's side of the memory that system functions inside a module use."""

import ctypes
import struct
from functools import cache
from typing import TYPE_CHECKING, Final

from reference_impl.wasm.layout.fast_functions import (
    ARGUMENT,
    CELLS,
    FAST,
    FLAGS,
    LONG_BLOB,
    NUMBER_OF_CELLS,
    PLACES,
    REPLY,
    REPLY_LENGTH,
    REPLY_ROOM,
    SHORT_BLOB,
    SHORT_BLOBS,
    STABLE_PAGES,
)
from reference_impl.wasm.system_api.table import SYSTEM_API, Context
from spec.values.quantities import MAXIMUM_CYCLES, Cycles

if TYPE_CHECKING:
    from reference_impl.wasm.system_api.execution import Execution

_CELLS_LAYOUT: Final = struct.Struct(f"<{STABLE_PAGES}Q")
"""Up to those that stable memory keeps."""
_MASK: Final = 2**64 - 1


class SystemMemory:
    """The system memory of one instance, at an address of this process."""

    def __init__(self, base: int) -> None:
        self.base = base
        self._flags = (ctypes.c_uint8 * len(FAST)).from_address(base + FLAGS)
        cells = (ctypes.c_uint64 * NUMBER_OF_CELLS).from_address(base + CELLS)
        # A view of native numbers is the quickest way to memory.
        self.cells = memoryview(cells).cast("B").cast("Q")
        """The cells, by number; they hold unsigned numbers."""

    def fill(self, execution: "Execution") -> None:
        """Puts in what an execution starts with."""
        start = _header(execution)
        ctypes.memmove(self.base, start, len(start))
        argument = execution.argument
        if argument and len(argument) <= LONG_BLOB:
            ctypes.memmove(self.base + ARGUMENT, argument, len(argument))

    def take_reply(self) -> bytes:
        """What has been appended to the reply inside the module; the host has it from now on."""
        length = self.cells[REPLY_LENGTH]
        if not length:
            return b""
        self.cells[REPLY_LENGTH] = 0
        return ctypes.string_at(self.base + REPLY, length)

    def leave_room(self, room: int) -> None:
        """Says how many bytes the reply may still take."""
        self.cells[REPLY_ROOM] = min(room, LONG_BLOB)

    def close_reply(self) -> None:
        """From now on every append goes to the host."""
        self._flags[PLACES["msg_reply_data_append"]] = 0

    def allow(self, functions: tuple[str, ...], is_allowed: bool) -> None:
        """Whether functions that may be called from everywhere may take the plain way."""
        for name in functions:
            self._flags[PLACES[name]] = is_allowed


def halves(amount: Cycles) -> tuple[int, int]:
    """An amount of cycles as two cells."""
    shown = min(amount, MAXIMUM_CYCLES)
    return shown & _MASK, shown >> 64


@cache
def _flags(context: Context) -> bytes:
    """Which functions may be called from a context."""
    return bytes(context in SYSTEM_API[name].contexts for name in FAST).ljust(CELLS, b"\0")


def _header(execution: "Execution") -> bytes:
    """The start of the system memory, up to the end of the short blobs, for an execution that begins."""
    environment, caller = execution.environment, execution.caller.principal
    allowed = _flags(execution.context)
    if not execution.needs_to_respond:
        allowed = _without(allowed, "msg_reply_data_append")
    if len(execution.argument) > LONG_BLOB:
        allowed = _without(allowed, "msg_arg_data_copy")
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
