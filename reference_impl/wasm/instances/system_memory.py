"""The host's side of the memory that system functions inside a module use."""

import ctypes
import struct
from typing import Final

from reference_impl.wasm.layout.fast_functions import (
    ARGUMENT,
    ARGUMENT_SIZE,
    CALLEE,
    CALLER_SIZE,
    CALLS,
    CALLS_SIZE,
    CELLS,
    CERTIFIED,
    CERTIFIED_SIZE,
    FAST,
    FLAGS,
    LONG_BLOB,
    NUMBER_OF_CELLS,
    PAYLOAD,
    PLACES,
    RECORD,
    RECORD_NUMBERS,
    REPLY,
    REPLY_LENGTH,
    REPLY_ROOM,
    SHORT_BLOBS,
    TIMER,
    TIMER_SET,
)
from spec.values.identifiers import Blob, Text
from spec.values.quantities import MAXIMUM_CYCLES, ByteCount, Cycles

_MASK: Final = 2**64 - 1
_NUMBERS: Final = struct.Struct(f"<{RECORD_NUMBERS}Q")


class SystemMemory:
    """The system memory of one instance, at an address of this process."""

    def __init__(self, base: int) -> None:
        self.base = base
        self._bytes = memoryview((ctypes.c_uint8 * (ARGUMENT + LONG_BLOB)).from_address(base)).cast("B")
        self._calls = memoryview((ctypes.c_uint8 * CALLS_SIZE).from_address(base + CALLS)).cast("B")
        self._flags = self._bytes[FLAGS : FLAGS + len(FAST)]
        cells = (ctypes.c_uint64 * NUMBER_OF_CELLS).from_address(base + CELLS)
        # A view of native numbers is the quickest way to memory.
        self.cells = memoryview(cells).cast("B").cast("Q")
        """The cells, by number; they hold unsigned numbers."""

    def fill(self, start: bytes, caller: bytes, argument: bytes) -> None:
        """Puts in what executions start with, the caller, and the argument if there is room; with both sizes."""
        view, cells, size = self._bytes, self.cells, len(caller)
        view[: len(start)] = start
        view[SHORT_BLOBS : SHORT_BLOBS + size] = caller
        cells[CALLER_SIZE] = size
        if argument:
            size = cells[ARGUMENT_SIZE] = len(argument)
            if size <= LONG_BLOB:
                view[ARGUMENT : ARGUMENT + size] = argument

    def put(self, blob: Blob, place: int, room: ByteCount, copied_by: Text) -> ByteCount:
        """Puts a blob where a function copies it from, which goes to the host if there is no room; gives its size."""
        size = len(blob)
        if size <= room:
            self._bytes[place : place + size] = blob
        else:
            self._flags[PLACES[copied_by]] = 0
        return size

    def take_reply(self) -> bytes:
        """What has been appended to the reply inside the module; the host has it from now on."""
        length = self.cells[REPLY_LENGTH]
        if not length:
            return b""
        self.cells[REPLY_LENGTH] = 0
        return ctypes.string_at(self.base + REPLY, length)

    def new_certified_data(self) -> bytes | None:
        """What the module has set as certified data; None if it has not, or the host has done so since."""
        size = self.cells[CERTIFIED_SIZE]
        return ctypes.string_at(self.base + CERTIFIED, size - 1) if size else None

    def new_global_timer(self) -> int | None:
        """What the execution has set the global timer to."""
        return self.cells[TIMER] if self.cells[TIMER_SET] else None

    def call_record(self, place: int) -> tuple[tuple[int, ...], Blob]:
        """The record of a call: its numbers, and the rest: the callee, the name of the method, and the argument."""
        calls = self._calls
        numbers = _NUMBERS.unpack_from(calls, place)
        return numbers, calls[place + CALLEE : place + RECORD + numbers[PAYLOAD]].tobytes()

    def amount(self, cell: int) -> Cycles:
        """The amount of cycles in a cell and the next."""
        return self.cells[cell] | self.cells[cell + 1] << 64

    def set_amount(self, cell: int, amount: Cycles) -> None:
        """Puts an amount of cycles into a cell and the next."""
        self.cells[cell], self.cells[cell + 1] = amount & _MASK, amount >> 64

    def leave_room(self, room: int) -> None:
        """Says how many bytes the reply may still take."""
        self.cells[REPLY_ROOM] = min(room, LONG_BLOB)

    def close_reply(self) -> None:
        """From now on every append and reply goes to the host."""
        self._flags[PLACES["msg_reply_data_append"]] = 0
        self._flags[PLACES["msg_reply"]] = 0

    def allow(self, functions: tuple[str, ...], is_allowed: bool) -> None:
        """Whether functions that may be called from everywhere may take the plain way."""
        for name in functions:
            self._flags[PLACES[name]] = is_allowed


def halves(amount: Cycles) -> tuple[int, int]:
    """An amount of cycles as two cells."""
    shown = min(amount, MAXIMUM_CYCLES)
    return shown & _MASK, shown >> 64
