"""
The assembler for the scripted canister: programs as data, sent as argument.

A program is made of actions, actions take expressions, and a constant (`bytes`, `int`) stands for the expression that
leaves it:

    program(add_to_counter(0), reply(concat(b"hello ", slot(0))))
    program(call(peer, "update", program(reply(ic0.msg_caller())), cycles=10**9, on_reply=RELAY_REPLY))

The canister runs its argument in `canister_init`, `canister_post_upgrade` and its methods (`update`, `also_update`,
`query`, `also_query`, `composite`, `also_composite`), and a stored program in the other entry points; see `Hook`. A
program that neither replies nor rejects leaves its call unanswered. `conformance.canisters.ic0` has the System API,
`conformance.canisters.expressions` the types and `bytes_`, `integer`, `amount`.
"""

from enum import Enum
from typing import Final

from conformance.canisters import ic0
from conformance.canisters.expressions import (
    Action,
    Amount,
    AmountLike,
    Bytes,
    BytesLike,
    Integer,
    IntegerLike,
    action,
    amount_from,
    bytes_,
    bytes_from,
    integer,
    integer_from,
)
from conformance.canisters.library import load

SLOTS: Final[int] = 256
"""How many byte strings, and how many counters, the heap keeps."""


class Hook(Enum):
    """A stored program, by the entry point that runs it. While none is stored, the entry point does nothing."""

    HEARTBEAT = 0
    """Exported by `scripted_tasks` only."""
    GLOBAL_TIMER = 1
    PRE_UPGRADE = 2
    INSPECT_MESSAGE = 3
    """While none is stored, every ingress message is accepted; a stored one has to call `ic0.accept_message`."""
    ON_LOW_WASM_MEMORY = 4
    """Exported by `scripted_tasks` and `scripted_low_memory` only."""
    STORED_METHOD = 5
    """Run by the methods `stored_update` and `stored_query`, whose argument need not be a program."""


# Modules


def scripted_module(name: str = "scripted") -> bytes:
    """The compiled canister, in one of the variants that `library.SCRIPTED` lists."""
    return load(name)


# Programs and control


def program(*actions: Action) -> bytes:
    """The program that does the actions one after another; without any, it returns without having done anything."""
    return b"".join(each.code for each in actions)


NOTHING: Final[Action] = Action(b"")
"""Does nothing."""


def when(condition: IntegerLike, then: Action, otherwise: Action = NOTHING) -> Action:
    """Does `then` if the condition is not 0, else `otherwise`."""
    lengths = len(then.code).to_bytes(4, "little") + len(otherwise.code).to_bytes(4, "little")
    return action("if_else", integer(condition), immediates=lengths + then.code + otherwise.code)


def repeat(count: IntegerLike, body: Action) -> Action:
    """Does `body` as often as `count` says."""
    return action("repeat", integer(count), immediates=len(body.code).to_bytes(4, "little") + body.code)


def sequence(*actions: Action) -> Action:
    """The actions one after another."""
    return Action(program(*actions))


def run(code: BytesLike) -> Action:
    """Runs a byte string as a program."""
    return action("run", bytes_(code))


def ignore(value: Integer | Bytes) -> Action:
    """Computes a value for its effects and drops it."""
    return action("drop", value) if isinstance(value, Integer) else action("drop_bytes", value)


# Byte strings and integers


def concat(*parts: BytesLike) -> Bytes:
    """The parts one after another."""
    if not parts:
        return bytes_(b"")
    joined = bytes_(parts[0])
    for part in parts[1:]:
        joined = bytes_from("concat", joined, bytes_(part))
    return joined


def length(value: BytesLike) -> Integer:
    """The length in bytes."""
    return integer_from("length", bytes_(value))


def part(value: BytesLike, offset: IntegerLike, size: IntegerLike) -> Bytes:
    """`size` bytes from `offset` on; traps if the byte string is too short."""
    return bytes_from("slice", bytes_(value), integer(offset), integer(size))


def filled(value: IntegerLike, size: IntegerLike) -> Bytes:
    """`size` times the same byte."""
    return bytes_from("filled", integer(value), integer(size))


def bytes_of_u32(value: IntegerLike) -> Bytes:
    """The low 4 bytes of the integer, little-endian."""
    return bytes_from("bytes_of_u32", integer(value))


def bytes_of_u64(value: IntegerLike) -> Bytes:
    """The 8 bytes of the integer, little-endian."""
    return bytes_from("bytes_of_u64", integer(value))


def u32_of_bytes(value: BytesLike) -> Integer:
    """The first 4 bytes as an integer; traps if there are fewer. Of an amount, its low part."""
    return integer_from("u32_of_bytes", bytes_(value))


def u64_of_bytes(value: BytesLike) -> Integer:
    """The first 8 bytes as an integer; traps if there are fewer. Of an amount, its low half."""
    return integer_from("u64_of_bytes", bytes_(value))


def amount_of_integer(value: IntegerLike) -> Amount:
    """So many cycles."""
    return amount_from("amount_of_integer", integer(value))


def amount_of_bytes(value: BytesLike) -> Amount:
    """So many cycles; what takes the amount traps if the byte string has not 16 bytes."""
    return Amount(bytes_(value).code)


def equal(left: IntegerLike, right: IntegerLike) -> Integer:
    """1 if the integers are equal, else 0."""
    return integer_from("equal", integer(left), integer(right))


def less(left: IntegerLike, right: IntegerLike) -> Integer:
    """1 if the left integer is less than the right one, else 0."""
    return integer_from("less", integer(left), integer(right))


def equal_bytes(left: BytesLike, right: BytesLike) -> Integer:
    """1 if the byte strings are equal, else 0."""
    return integer_from("equal_bytes", bytes_(left), bytes_(right))


def is_zero(value: IntegerLike) -> Integer:
    """1 if the integer is 0, else 0: negation."""
    return integer_from("is_zero", integer(value))


# What the canister remembers. The heap forgets it on upgrade, unless the upgrade keeps the heap


def slot(index: int) -> Bytes:
    """The content of a slot of the heap; at first empty. Slots are numbered 0 to 255."""
    return bytes_from("slot_get", immediates=_slot_index(index))


def set_slot(index: int, content: BytesLike) -> Action:
    """Replaces the content of a slot."""
    return action("slot_set", bytes_(content), immediates=_slot_index(index))


def append_to_slot(index: int, content: BytesLike) -> Action:
    """Appends to the content of a slot, for example to a journal of what happened."""
    return action("slot_append", bytes_(content), immediates=_slot_index(index))


def counter(index: int) -> Integer:
    """The value of a counter of the heap; at first 0. Counters are numbered 0 to 255."""
    return integer_from("counter_get", immediates=_slot_index(index))


def set_counter(index: int, value: IntegerLike) -> Action:
    """Sets a counter."""
    return action("counter_set", integer(value), immediates=_slot_index(index))


def add_to_counter(index: int, value: IntegerLike = 1) -> Action:
    """Adds to a counter."""
    return action("counter_add", integer(value), immediates=_slot_index(index))


def global_value() -> Integer:
    """The value of the WebAssembly global that programs have for themselves; no upgrade keeps it."""
    return integer_from("global_get")


def set_global(value: IntegerLike) -> Action:
    """Sets that global."""
    return action("global_set", integer(value))


def set_hook(hook: Hook, code: BytesLike) -> Action:
    """Stores the program that an entry point runs."""
    return action("hook_set", bytes_(code), immediates=bytes([hook.value]))


def set_heartbeat(code: BytesLike) -> Action:
    """Stores the program that the heartbeat runs."""
    return set_hook(Hook.HEARTBEAT, code)


def set_global_timer_program(code: BytesLike) -> Action:
    """Stores the program that the global timer runs; `ic0.global_timer_set` says when."""
    return set_hook(Hook.GLOBAL_TIMER, code)


def set_pre_upgrade(code: BytesLike) -> Action:
    """Stores the program that runs before an upgrade."""
    return set_hook(Hook.PRE_UPGRADE, code)


def set_inspect_message(code: BytesLike) -> Action:
    """Stores the program that inspects ingress messages."""
    return set_hook(Hook.INSPECT_MESSAGE, code)


def set_on_low_wasm_memory(code: BytesLike) -> Action:
    """Stores the program that runs when the heap gets near its limit."""
    return set_hook(Hook.ON_LOW_WASM_MEMORY, code)


def set_stored_method(code: BytesLike) -> Action:
    """Stores the program that `stored_update` and `stored_query` run."""
    return set_hook(Hook.STORED_METHOD, code)


def stable_append(content: BytesLike) -> Action:
    """Appends to a journal in stable memory, which grows as needed; its length is in the first 8 bytes."""
    return action("stable_append", bytes_(content))


def stable_content() -> Bytes:
    """The journal that `stable_append` wrote."""
    return bytes_from("stable_content")


# Memory and time


def memory_size() -> Integer:
    """The size of the heap, in pages of 64 KiB."""
    return integer_from("memory_size")


def memory_grow(pages: IntegerLike) -> Integer:
    """Adds pages to the heap; leaves the size before, or 2^64 - 1 if that is impossible."""
    return integer_from("memory_grow", integer(pages))


def memory_read(address: IntegerLike, size: IntegerLike) -> Bytes:
    """Bytes of the heap; traps beyond its end."""
    return bytes_from("memory_read", integer(address), integer(size))


def memory_write(address: IntegerLike, content: BytesLike) -> Action:
    """Writes to the heap, also where the canister keeps its own; traps beyond the end."""
    return action("memory_write", integer(address), bytes_(content))


def read_every(address: IntegerLike, stride: IntegerLike, count: IntegerLike) -> Action:
    """Reads `count` bytes of the heap that are `stride` apart; traps beyond its end."""
    return action("read_every", integer(address), integer(stride), integer(count))


def write_every(address: IntegerLike, stride: IntegerLike, count: IntegerLike) -> Action:
    """Like `read_every`, and writes each byte back unchanged: the pages count as written, nothing is lost."""
    return action("write_every", integer(address), integer(stride), integer(count))


def spin(iterations: IntegerLike) -> Action:
    """Goes round a small loop."""
    return action("spin", integer(iterations))


def loop_forever() -> Action:
    """Uses up all instructions."""
    return action("loop_forever")


def recurse_forever() -> Action:
    """Uses up the call stack."""
    return action("recurse_forever")


def unreachable() -> Action:
    """Traps by the instruction of that name."""
    return action("unreachable")


# Answers and calls


def reply(content: BytesLike = b"") -> Action:
    """Replies."""
    return ic0.msg_reply_data_append(content) + ic0.msg_reply()


def reject(message: BytesLike) -> Action:
    """Rejects with a text."""
    return ic0.msg_reject(message)


def trap(text: BytesLike = b"") -> Action:
    """Traps with a text."""
    return ic0.trap(text)


def accept_cycles(maximum: AmountLike) -> Action:
    """Accepts at most `maximum` cycles of the call."""
    return ignore(ic0.msg_cycles_accept128(maximum))


def perform_or(refused: Action) -> Action:
    """Makes the call that was begun; does `refused` if the system does not take it."""
    return when(ic0.call_perform(), refused)


def call(
    callee: BytesLike,
    method_name: BytesLike | str,
    argument: BytesLike = b"",
    *,
    cycles: AmountLike = 0,
    timeout_seconds: IntegerLike | None = None,
    on_reply: BytesLike = b"",
    on_reject: BytesLike = b"",
    on_cleanup: BytesLike | None = None,
    if_refused: Action | None = None,
) -> Action:
    """
    Calls a method; the callbacks are programs.

    With `timeout_seconds` it is a bounded-wait call. Without `if_refused` the canister traps if the system does not
    take the call. Where `cycles` is the constant 0, none are attached, so that composite queries can call too.
    """
    name = method_name.encode() if isinstance(method_name, str) else method_name
    steps = [ic0.call_new(callee, name, on_reply, on_reject, b"" if on_cleanup is None else on_cleanup)]
    if on_cleanup is not None:
        steps.append(ic0.call_on_cleanup())
    if argument != b"":
        steps.append(ic0.call_data_append(argument))
    if timeout_seconds is not None:
        steps.append(ic0.call_with_best_effort_response(timeout_seconds))
    if cycles != 0:
        steps.append(ic0.call_cycles_add128(cycles))
    steps.append(perform_or(trap(b"the call was not taken") if if_refused is None else if_refused))
    return sequence(*steps)


RELAY_REPLY: Final[bytes] = program(reply(ic0.msg_arg_data()))
"""As `on_reply`: answers with the reply that came."""

RELAY_REJECT: Final[bytes] = program(reject(ic0.msg_reject_msg()))
"""As `on_reject`: rejects with the text that came."""

REPLY_REJECT_CODE: Final[bytes] = program(reply(bytes_of_u32(ic0.msg_reject_code())))
"""As `on_reject`: replies with the reject code that came, in 4 bytes."""


def _slot_index(index: int) -> bytes:
    if not 0 <= index < SLOTS:
        raise ValueError(f"there is no slot or counter {index}: they are numbered 0 to {SLOTS - 1}")
    return bytes([index])
