"""The host's side of the memory that system functions inside a module use."""

import ctypes
from typing import TYPE_CHECKING

from reference_impl.wasm.fast_functions import (
    ARGUMENT,
    CELLS,
    FLAGS,
    LONG_BLOB,
    PLACES,
    REPLY,
    REPLY_LENGTH,
    REPLY_ROOM,
    header,
)

if TYPE_CHECKING:
    from reference_impl.wasm.execution import Execution


class SystemMemory:
    """The system memory of one instance, at an address of this process."""

    def __init__(self, base: int) -> None:
        self._base = base
        self._reply_length = ctypes.c_uint64.from_address(base + CELLS + 8 * REPLY_LENGTH)
        self._reply_room = ctypes.c_uint64.from_address(base + CELLS + 8 * REPLY_ROOM)
        self._reply_flag = ctypes.c_uint8.from_address(base + FLAGS + PLACES["msg_reply_data_append"])

    def fill(self, execution: "Execution") -> None:
        """Puts in what an execution starts with."""
        start = header(execution)
        ctypes.memmove(self._base, start, len(start))
        argument = execution.argument
        if argument and len(argument) <= LONG_BLOB:
            ctypes.memmove(self._base + ARGUMENT, argument, len(argument))

    def take_reply(self) -> bytes:
        """What has been appended to the reply inside the module; the host has it from now on."""
        length = self._reply_length.value
        if not length:
            return b""
        self._reply_length.value = 0
        return ctypes.string_at(self._base + REPLY, length)

    def leave_room(self, room: int) -> None:
        """Says how many bytes the reply may still take."""
        self._reply_room.value = min(room, LONG_BLOB)

    def close_reply(self) -> None:
        """From now on every append goes to the host."""
        self._reply_flag.value = 0
