"""
What the judge asks the code of the scripted canister, at its closing look.

What the canister holds may contain what the text leaves open: texts that the system told it, the bytes of a Candid
message, random bytes. Such contents are not asked for.
"""

from typing import Final

from attrs import frozen

from conformance.canisters import ic0
from conformance.canisters.library import SCRIPTED, load
from conformance.canisters.scripted import (
    RELAY_REPLY,
    REPLY_REJECT_CODE,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    global_value,
    length,
    memory_read,
    memory_size,
    program,
    reply,
    slot,
    when,
)
from spec.state.canister import Canister, Code, Running
from spec.values import management
from spec.values.candid import MAGIC
from spec.values.identifiers import Blob, MethodName
from spec.values.memory import LinearMemory
from spec.values.quantities import Count, Cycles
from spec.values.rejects import RejectReason

SURROUNDINGS: Final = (
    bytes_of_u64(ic0.canister_version()),
    bytes_of_u32(ic0.canister_status()),
    ic0.canister_cycle_balance128(),
    ic0.canister_liquid_cycle_balance128(),
    bytes_of_u64(memory_size()),
    bytes_of_u64(ic0.stable64_size()),
    bytes_of_u64(global_value()),
    bytes_of_u32(ic0.env_var_count()),
    bytes_of_u32(ic0.in_replicated_execution()),
    bytes_of_u32(ic0.is_controller(ic0.canister_self())),
    ic0.canister_self(),
    ic0.subnet_self(),
)
"""What the system tells code, in about 120 bytes."""

CERTIFICATE: Final[Blob] = program(when(ic0.data_certificate_present(), reply(ic0.data_certificate()), reply()))
"""The certificate of the certified data."""

TIMER: Final[Blob] = program(reply(bytes_of_u64(ic0.global_timer_set(0))))
"""When the timer was due, which only setting it tells."""

COUNTERS: Final = 1_024
SLOTS: Final = 3_072
"""Where the scripted canister has its counters of 8 bytes, and its slots: address, length, capacity. See its source."""

TOLD_COUNTERS: Final = 4
SEARCHED_SLOTS: Final = 16
"""The first ones, which scenarios use."""

STABLE_BYTES: Final = 256
"""So much is told of the stable memory, from its beginning."""

SHORT: Final = 40
"""If it holds more bytes, what it holds is asked apart. Reason: in long replies no version is found that rose."""

ENOUGH: Final[Cycles] = 10**12
"""With so many cycles a canister can make a call."""


@frozen
class Contents:
    """The questions for what a canister sees and holds."""

    questions: tuple[Blob, ...]
    left_out: Count
    """How many parts of what it holds are not asked for."""


def can_tell(canister: Canister) -> bool:
    """The canister is a scripted one."""
    return isinstance(canister.code, Code) and canister.code.raw_module in map(load, SCRIPTED)


def can_ask(canister: Canister) -> bool:
    """It can make calls, too."""
    return can_tell(canister) and isinstance(canister.status, Running) and canister.balance >= ENOUGH


def asking(method_name: MethodName, arguments: management.AnyArguments) -> Blob:
    """A program that calls the management canister and relays its answer."""
    argument = management.encode_arguments(arguments)
    return program(call(b"", method_name, argument, on_reply=RELAY_REPLY, on_reject=REPLY_REJECT_CODE))


def contents(canister: Canister, all_values_are_known: bool) -> Contents:
    """The questions for what the system tells, and for what heap and stable memory hold that follows from the past."""
    assert isinstance(canister.code, Code)
    heap, stable = canister.code.wasm_state.wasm_memory, canister.code.wasm_state.stable_memory
    held = {index: content_of_slot(heap, index) for index in range(SEARCHED_SLOTS)}
    asked = [index for index, content in held.items() if content and is_known(content, all_values_are_known)]
    written = stable.read(0, min(stable.size, STABLE_BYTES))
    is_stable_known = not any(written) or is_known(written, all_values_are_known)
    parts = [memory_read(COUNTERS, 8 * TOLD_COUNTERS)]
    parts += [part for index in asked for part in (bytes_of_u32(length(slot(index))), slot(index))]
    parts += [ic0.stable64_read(0, len(written))] if is_stable_known else []
    left_out = sum(1 for content in held.values() if content) - len(asked) + (not is_stable_known)
    size = sum(len(held[index]) for index in asked) + len(written)
    groups = [(*SURROUNDINGS, *parts)] if size <= SHORT else [SURROUNDINGS, parts]
    return Contents(tuple(program(reply(concat(*group))) for group in groups), left_out)


def content_of_slot(heap: LinearMemory, index: Count) -> Blob:
    """What a slot holds; nothing if the canister has overwritten its own table."""
    try:
        address, size = (int.from_bytes(heap.read(SLOTS + 12 * index + 4 * place, 4), "little") for place in (0, 1))
        return heap.read(address, size)
    except IndexError:
        return b""


def is_known(content: Blob, all_values_are_known: bool) -> bool:
    """The content follows from what was done: nothing in it that the text leaves open."""
    return all_values_are_known and MAGIC not in content and not any(text in content for text in OPEN_TEXTS)


OPEN_TEXTS: Final = tuple(reason.value.encode() for reason in RejectReason)
"""What rejects of the system say, in our words."""
