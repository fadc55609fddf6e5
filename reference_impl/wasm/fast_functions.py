"""
System functions that run inside the module.

The rewritten module has a second memory, which the host fills before an execution with what these functions read. Each
of them does the plain case: allowed here, instructions left, all inside. In any other case it calls the imported
function with the same parameters, before anything has changed; so traps and limits are defined in one place.
"""

import struct
from functools import cache
from typing import TYPE_CHECKING, Final

from attrs import frozen

from reference_impl.wasm.encoding import signed, unsigned
from reference_impl.wasm.system_api_table import SYSTEM_API, Context
from spec.values.quantities import WASM_PAGE, ByteCount

if TYPE_CHECKING:
    from reference_impl.wasm.execution import Execution

# THE SYSTEM MEMORY

PAGES: Final = 3
"""Its size, in WebAssembly pages."""
FLAGS: Final = 0
"""For each function a byte: whether it may take the plain way."""
CELLS: Final = 64
"""Numbers of 64 bits that functions give or use."""
SHORT_BLOBS: Final = 512
SHORT_BLOB: Final[ByteCount] = 32
"""Places for principals."""
ARGUMENT: Final[ByteCount] = WASM_PAGE
REPLY: Final[ByteCount] = 2 * WASM_PAGE
LONG_BLOB: Final[ByteCount] = WASM_PAGE
"""How much of the argument and of the reply under construction the system memory holds."""

REPLY_LENGTH, REPLY_ROOM, COUNTER_START, CALL_COUNTER_START, ARGUMENT_SIZE, CALLER_SIZE, SELF_SIZE = range(7)
STATUS, VERSION, TIME, REPLICATED, DEADLINE, SUBNET_SIZE = range(7, 13)
_NUMBER_OF_CELLS: Final = 13


@frozen
class _Number:
    """Gives a cell."""

    cell: int


@frozen
class _Copy:
    """Copies a part of a blob into the heap."""

    place: int
    size_cell: int


@frozen
class _Append:
    """Appends bytes of the heap to the reply."""


@frozen
class _Count:
    """Gives an instruction counter."""


FAST: Final[dict[str, _Number | _Copy | _Append | _Count]] = {
    "msg_arg_data_size": _Number(ARGUMENT_SIZE),
    "msg_arg_data_copy": _Copy(ARGUMENT, ARGUMENT_SIZE),
    "msg_caller_size": _Number(CALLER_SIZE),
    "msg_caller_copy": _Copy(SHORT_BLOBS, CALLER_SIZE),
    "canister_self_size": _Number(SELF_SIZE),
    "canister_self_copy": _Copy(SHORT_BLOBS + SHORT_BLOB, SELF_SIZE),
    "subnet_self_size": _Number(SUBNET_SIZE),
    "subnet_self_copy": _Copy(SHORT_BLOBS + 2 * SHORT_BLOB, SUBNET_SIZE),
    "canister_status": _Number(STATUS),
    "canister_version": _Number(VERSION),
    "time": _Number(TIME),
    "in_replicated_execution": _Number(REPLICATED),
    "msg_deadline": _Number(DEADLINE),
    "performance_counter": _Count(),
    "msg_reply_data_append": _Append(),
}
"""The functions, by name."""

PLACES: Final = {name: place for place, name in enumerate(FAST)}
"""Where the flag of each function is."""


@cache
def flags(context: Context) -> bytes:
    """Which functions may be called from a context."""
    return bytes(context in SYSTEM_API[name].contexts for name in FAST).ljust(CELLS, b"\0")


_CELLS_LAYOUT: Final = struct.Struct(f"<{_NUMBER_OF_CELLS}Q")
_MASK: Final = 2**64 - 1


def header(execution: "Execution") -> bytes:
    """The start of the system memory, up to the end of the short blobs, for an execution that begins."""
    environment, caller = execution.environment, execution.caller.principal
    allowed = flags(execution.context)
    if not execution.needs_to_respond:
        allowed = without_reply(allowed)
    if len(execution.argument) > LONG_BLOB:
        allowed = _without(allowed, "msg_arg_data_copy")
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
    )
    blobs = (caller, execution.self_id, environment.subnet_id)
    return (allowed + cells).ljust(SHORT_BLOBS, b"\0") + b"".join(blob.ljust(SHORT_BLOB, b"\0") for blob in blobs)


def without_reply(allowed: bytes) -> bytes:
    """The flags when nothing can be appended to the reply."""
    return _without(allowed, "msg_reply_data_append")


def _without(allowed: bytes, name: str) -> bytes:
    place = PLACES[name]
    return allowed[:place] + b"\0" + allowed[place + 1 :]


# THE CODE

I32_ADD, I64_ADD, I64_SUB, I64_MUL, I64_SHL = b"\x6a", b"\x7c", b"\x7d", b"\x7e", b"\x86"
I64_LE_U, I64_GE_S, I32_AND, WRAP, EXTEND = b"\x58", b"\x59", b"\x71", b"\xa7", b"\xad"
_IF, _END, _RETURN = b"\x04\x40", b"\x0b", b"\x0f"


def _const_32(value: int) -> bytes:
    return b"\x41" + signed(value)


def _const_64(value: int) -> bytes:
    return b"\x42" + signed(value)


def _get(local: int) -> bytes:
    return b"\x20" + unsigned(local)


def _set(local: int) -> bytes:
    return b"\x21" + unsigned(local)


@frozen
class FastCode:
    """Writes the functions of one module, which must have a memory. The system memory is its memory 1."""

    counter: int
    """The index of the global that counts down."""
    is_64_bit: bool

    def body(self, name: str, imported: int) -> bytes:
        """The body of a function in place of the imported function with an index."""
        function = SYSTEM_API[name]
        number = len(function.parameters)
        local = number
        plain = self._load(FLAGS + PLACES[name], 0x2D, 0)
        match FAST[name]:
            case _Number(cell):
                condition = plain + self._affordable(_const_64(function.fixed_cost))
                result_load = 0x29 if function.result == "l" or (function.result == "P" and self.is_64_bit) else 0x28
                cost = _const_64(function.fixed_cost)
                action = self._charge(cost) + self._load(CELLS + 8 * cell, result_load, 2 if result_load == 0x28 else 3)
                locals_part = b"\x00"
            case _Copy(place, size_cell):
                size, blob_size = _get(local), self._cell(size_cell)
                cost = size + _const_64(function.fixed_cost) + I64_ADD
                offset = self._wide(1)
                condition = (
                    self._wide(2)
                    + _set(local)
                    + plain
                    + self._fits(offset, size, blob_size)
                    + self._fits(self._wide(0), size, self._heap_size())
                    + self._affordable(cost)
                )
                source = self._narrow(1) + _const_32(place) + I32_ADD
                action = self._charge(cost) + _get(0) + source + self._narrow(2) + b"\xfc\x0a\x00\x01"
                locals_part = b"\x01\x01\x7e"
            case _Append():
                size = _get(local)
                cost = size + _const_64(50) + I64_MUL + _const_64(function.fixed_cost) + I64_ADD
                condition = (
                    self._wide(1)
                    + _set(local)
                    + plain
                    + (size + self._cell(REPLY_ROOM) + I64_LE_U + I32_AND)
                    + self._fits(self._wide(0), size, self._heap_size())
                    + self._affordable(cost)
                )
                destination = self._cell(REPLY_LENGTH) + WRAP + _const_32(REPLY) + I32_ADD
                action = (
                    self._charge(cost)
                    + (destination + _get(0) + self._narrow(1) + b"\xfc\x0a\x01\x00")
                    + self._store(REPLY_LENGTH, self._cell(REPLY_LENGTH) + size + I64_ADD)
                    + self._store(REPLY_ROOM, self._cell(REPLY_ROOM) + size + I64_SUB)
                )
                locals_part = b"\x01\x01\x7e"
            case _Count():
                cost = _const_64(function.fixed_cost)
                known = _get(0) + EXTEND + _const_64(1) + I64_LE_U + I32_AND
                condition = plain + known + self._affordable(cost)
                start = _get(0) + _const_32(3) + b"\x74" + b"\x29\x43\x01" + unsigned(CELLS + 8 * COUNTER_START)
                action = self._charge(cost) + start + b"\x23" + unsigned(self.counter) + I64_SUB
                locals_part = b"\x00"
        slow = b"".join(map(_get, range(number))) + b"\x10" + unsigned(imported)
        return locals_part + condition + _IF + action + _RETURN + _END + slow + _END

    def _load(self, address: int, opcode: int, alignment: int) -> bytes:
        return _const_32(0) + bytes([opcode, alignment | 0x40, 1]) + unsigned(address)

    def _cell(self, cell: int) -> bytes:
        return self._load(CELLS + 8 * cell, 0x29, 3)

    def _store(self, cell: int, value: bytes) -> bytes:
        return _const_32(0) + value + b"\x37\x43\x01" + unsigned(CELLS + 8 * cell)

    def _heap_size(self) -> bytes:
        return b"\x3f\x00" + (b"" if self.is_64_bit else EXTEND) + _const_64(16) + I64_SHL

    def _wide(self, parameter: int) -> bytes:
        return _get(parameter) if self.is_64_bit else _get(parameter) + EXTEND

    def _narrow(self, parameter: int) -> bytes:
        return _get(parameter) + WRAP if self.is_64_bit else _get(parameter)

    def _fits(self, start: bytes, size: bytes, whole: bytes) -> bytes:
        """And: the range lies inside. Neither of the two comparisons can overflow."""
        return (size + whole + I64_LE_U + I32_AND) + (start + whole + size + I64_SUB + I64_LE_U + I32_AND)

    def _affordable(self, cost: bytes) -> bytes:
        return b"\x23" + unsigned(self.counter) + cost + I64_GE_S + I32_AND

    def _charge(self, cost: bytes) -> bytes:
        counter = unsigned(self.counter)
        return b"\x23" + counter + cost + I64_SUB + b"\x24" + counter
