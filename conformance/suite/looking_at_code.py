"""
What the judge asks the code of the scripted canister, at its closing look.

What the canister holds may contain what the text leaves open: texts that the system told it, the bytes of a Candid
message, random bytes. Such contents are not asked for.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from conformance.canisters import ic0
from conformance.canisters.library import SCRIPTED, load
from conformance.canisters.scripted import (
    RELAY_REPLY,
    REPLY_REJECT_CODE,
    bytes_of_u64,
    call,
    concat,
    counter,
    equal,
    global_value,
    memory_read,
    memory_size,
    program,
    reply,
    set_counter,
    slot,
    when,
)
from conformance.canisters.telling import (
    Told,
    amount,
    number,
    numbers,
    short_bytes,
    short_number,
    so_many_bytes,
    telling,
)
from conformance.judging.drift import TOLD_BY_CODE
from spec.state.canister import Canister, Code, Running
from spec.values import management
from spec.values.candid import MAGIC
from spec.values.identifiers import Blob, MethodName, Text
from spec.values.memory import LinearMemory
from spec.values.quantities import Count, Cycles, Nanoseconds
from spec.values.rejects import RejectReason

SEEN_BY_CODE: Final[Mapping[Text, Told]] = {
    TOLD_BY_CODE: number(ic0.canister_version()),
    "ic0.canister_status": short_number(ic0.canister_status()),
    "ic0.canister_cycle_balance128": amount(ic0.canister_cycle_balance128()),
    "ic0.canister_liquid_cycle_balance128": amount(ic0.canister_liquid_cycle_balance128()),
    "the pages of the heap": number(memory_size()),
    "ic0.stable64_size": number(ic0.stable64_size()),
    "the number in the global": number(global_value()),
    "ic0.env_var_count": short_number(ic0.env_var_count()),
    "ic0.in_replicated_execution": short_number(ic0.in_replicated_execution()),
    "ic0.is_controller of itself": short_number(ic0.is_controller(ic0.canister_self())),
    "ic0.canister_self": short_bytes(ic0.canister_self()),
    "ic0.subnet_self": short_bytes(ic0.subnet_self()),
}
"""What the system tells code."""

CERTIFICATE: Final = when(ic0.data_certificate_present(), ic0.msg_reply_data_append(ic0.data_certificate()))
"""Appends the certificate of the certified data to the reply."""

TIMER: Final[Blob] = program(reply(bytes_of_u64(ic0.global_timer_set(0))))
"""When the timer was due, which only setting it tells."""

LAST_COUNTER: Final = 255
"""In it a canister keeps when its timer was due, which it tells or not."""

COUNTERS: Final = 1_024
SLOTS: Final = 3_072
"""Where the scripted canister has its counters of 8 bytes, and its slots: address, length, capacity. See its source."""

TOLD_COUNTERS: Final = 4
SEARCHED_SLOTS: Final = 16
"""The first ones, which scenarios use."""

STABLE_BYTES: Final = 256
"""So much is told of the stable memory, from its beginning."""

ENOUGH: Final[Cycles] = 10**12
"""With so many cycles a canister can make a call."""


@frozen
class Questions:
    """What a canister is asked of what it sees and holds."""

    at_once: tuple[Blob, ...]
    """The questions, several of them in one."""
    apart: tuple[Blob, ...]
    """The same, each alone, in case the canister cannot answer so many."""
    names: tuple[Text, ...]
    """The names of what is told."""
    left_out: Count
    """How many parts of what it holds are not asked for."""


def can_tell(canister: Canister) -> bool:
    """The canister is a scripted one."""
    return isinstance(canister.code, Code) and canister.code.raw_module in map(load, SCRIPTED)


def can_ask(canister: Canister) -> bool:
    """It can make calls, too."""
    return can_tell(canister) and isinstance(canister.status, Running) and canister.balance >= ENOUGH


def asking(method_name: MethodName, arguments: management.AnyArguments, timer: Nanoseconds | None = None) -> Blob:
    """
    A program that calls the management canister and relays its answer.

    If it is given when the timer of the canister that asks is due, it replies instead when it was, if at another time.
    """
    argument = management.encode_arguments(arguments)
    asks = call(b"", method_name, argument, on_reply=RELAY_REPLY, on_reject=REPLY_REJECT_CODE)
    if timer is None:
        return program(asks)
    tells = reply(bytes_of_u64(counter(LAST_COUNTER)))
    return program(
        set_counter(LAST_COUNTER, ic0.global_timer_set(0)), when(equal(counter(LAST_COUNTER), timer), asks, tells)
    )


def questions(canister: Canister, are_values_known: bool, are_costs_exact: bool, is_order_known: bool) -> Questions:
    """
    The questions for what the system tells, what heap and stable memory hold that follows from the past, a certificate.

    What is held is told without names if it may be made of costs that are the implementation's own. A judge who has to
    search is told the certificate apart: where one stands behind a message, no version is found that rose.
    """
    assert isinstance(canister.code, Code)
    heap, stable = canister.code.wasm_state.wasm_memory, canister.code.wasm_state.stable_memory
    held = {index: content_of_slot(heap, index) for index in range(SEARCHED_SLOTS)}
    asked = {index: content for index, content in held.items() if content and is_known(content, are_values_known)}
    written = stable.read(0, min(stable.size, STABLE_BYTES))
    is_stable_known = not any(written) or is_known(written, are_values_known)
    told = {"counters": numbers(memory_read(COUNTERS, 8 * TOLD_COUNTERS), TOLD_COUNTERS)}
    told |= {f"slot {index}": so_many_bytes(slot(index), len(content)) for index, content in asked.items()}
    if is_stable_known:
        beginning = ic0.stable64_read(0, len(written))
        told |= {f"the first {len(written)} bytes of stable memory": so_many_bytes(beginning, len(written))}
    left_out = sum(1 for content in held.values() if content) - len(asked) + (not is_stable_known)
    contents = [part for each in told.values() for part in each.parts]
    holds = telling(told) if are_costs_exact else ic0.msg_reply_data_append(concat(*contents))
    apart = tuple(program(each, ic0.msg_reply()) for each in (telling(SEEN_BY_CODE), holds, CERTIFICATE))
    if not are_costs_exact:
        return Questions(apart, apart, tuple(SEEN_BY_CODE), left_out)
    sees_and_holds = telling({**SEEN_BY_CODE, **told})
    at_once = [(sees_and_holds, CERTIFICATE)] if is_order_known else [(sees_and_holds,), (CERTIFICATE,)]
    return Questions(
        at_once=tuple(program(*each, ic0.msg_reply()) for each in at_once),
        apart=apart,
        names=(*SEEN_BY_CODE, *told),
        left_out=left_out,
    )


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
