"""The operations of the scripted canister: name, immediate operands, operands on the stack, result."""

from enum import Enum
from typing import Final

from attrs import frozen


class Kind(Enum):
    """What an operand or a result is."""

    BYTES = "bytes"
    INTEGER = "integer"
    """64 bits, unsigned."""
    AMOUNT = "amount"
    """A byte string of 16 bytes: an amount of cycles, little-endian."""


class Immediate(Enum):
    """What stands in the program after the byte of an operation."""

    U8 = "[u8]"
    U32 = "[u32]"
    U64 = "[u64]"
    BLOB = "[blob]"
    """Its length in 4 bytes, then that many bytes."""
    BLOCK = "[block]"
    """The length of a program in 4 bytes; the programs stand after the lengths of all of them."""


@frozen
class Operation:
    """One operation. Its place in `OPERATIONS` is its byte in a program and its index in the canister's table."""

    name: str
    code: int
    immediates: tuple[Immediate, ...]
    operands: tuple[Kind, ...]
    """From the stack; the last one is on top."""
    result: Kind | None


_TABLE: Final[str] = """
push_bytes: [blob] -> bytes
push_u32: [u32] -> integer
push_u64: [u64] -> integer
if_else: [block] [block] integer ->
repeat: [block] integer ->
run: bytes ->
drop: integer ->
drop_bytes: bytes ->
concat: bytes bytes -> bytes
length: bytes -> integer
slice: bytes integer integer -> bytes
equal_bytes: bytes bytes -> integer
filled: integer integer -> bytes
bytes_of_u32: integer -> bytes
bytes_of_u64: integer -> bytes
amount_of_integer: integer -> amount
u32_of_bytes: bytes -> integer
u64_of_bytes: bytes -> integer
add: integer integer -> integer
subtract: integer integer -> integer
multiply: integer integer -> integer
divide: integer integer -> integer
remainder: integer integer -> integer
bitwise_and: integer integer -> integer
bitwise_or: integer integer -> integer
bitwise_xor: integer integer -> integer
equal: integer integer -> integer
less: integer integer -> integer
is_zero: integer -> integer
slot_get: [u8] -> bytes
slot_set: [u8] bytes ->
slot_append: [u8] bytes ->
counter_get: [u8] -> integer
counter_set: [u8] integer ->
counter_add: [u8] integer ->
global_get: -> integer
global_set: integer ->
hook_set: [u8] bytes ->
memory_size: -> integer
memory_grow: integer -> integer
memory_read: integer integer -> bytes
memory_write: integer bytes ->
read_every: integer integer integer ->
write_every: integer integer integer ->
spin: integer ->
loop_forever: ->
recurse_forever: ->
unreachable: ->
msg_arg_data: -> bytes
msg_arg_data_copy: integer integer -> bytes
msg_caller: -> bytes
msg_caller_info_data: -> bytes
msg_caller_info_signer: -> bytes
msg_reject_code: -> integer
msg_reject_msg: -> bytes
msg_deadline: -> integer
msg_method_name: -> bytes
accept_message: ->
msg_reply_data_append: bytes ->
msg_reply: ->
msg_reject: bytes ->
msg_cycles_available128: -> amount
msg_cycles_refunded128: -> amount
msg_cycles_accept128: amount -> amount
cycles_burn128: amount -> amount
canister_cycle_balance128: -> amount
canister_liquid_cycle_balance128: -> amount
msg_cycles_available: -> integer
msg_cycles_refunded: -> integer
msg_cycles_accept: integer -> integer
canister_cycle_balance: -> integer
cost_call: integer integer -> amount
cost_create_canister: -> amount
cost_http_request: integer integer -> amount
cost_sign_with_ecdsa: bytes integer -> bytes
cost_sign_with_schnorr: bytes integer -> bytes
cost_vetkd_derive_key: bytes integer -> bytes
canister_self: -> bytes
canister_status: -> integer
canister_version: -> integer
subnet_self: -> bytes
root_key: -> bytes
is_controller: bytes -> integer
in_replicated_execution: -> integer
time: -> integer
global_timer_set: integer -> integer
performance_counter: integer -> integer
certified_data_set: bytes ->
data_certificate_present: -> integer
data_certificate: -> bytes
env_var_count: -> integer
env_var_name: integer -> bytes
env_var_name_exists: bytes -> integer
env_var_value: bytes -> bytes
debug_print: bytes ->
trap: bytes ->
stable64_size: -> integer
stable64_grow: integer -> integer
stable64_write: integer bytes ->
stable64_read: integer integer -> bytes
stable_size: -> integer
stable_grow: integer -> integer
stable_write: integer bytes ->
stable_read: integer integer -> bytes
stable_append: bytes ->
stable_content: -> bytes
call_new: bytes bytes bytes bytes bytes ->
call_on_cleanup: ->
call_new_with_closures: bytes bytes integer integer integer integer ->
call_on_cleanup_with_closure: integer integer ->
call_data_append: bytes ->
call_with_best_effort_response: integer ->
call_cycles_add128: amount ->
call_cycles_add: integer ->
call_perform: -> integer
"""


def _operation(code: int, line: str) -> Operation:
    name, signature = line.split(":")
    operands, result = signature.split("->")
    words = operands.split()
    return Operation(
        name=name,
        code=code,
        immediates=tuple(Immediate(word) for word in words if word.startswith("[")),
        operands=tuple(Kind(word) for word in words if not word.startswith("[")),
        result=Kind(result.strip()) if result.strip() else None,
    )


OPERATIONS: Final[tuple[Operation, ...]] = tuple(
    _operation(code, line) for code, line in enumerate(_TABLE.strip().splitlines())
)
"""By their byte."""

BY_NAME: Final[dict[str, Operation]] = {operation.name: operation for operation in OPERATIONS}
