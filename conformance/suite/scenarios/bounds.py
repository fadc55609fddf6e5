"""
Functions of the System API at their bounds: the last argument that is allowed, and the first one that is not.

Every row is a call of its own, so what functions read was written by an earlier execution. A failure names the row.
"""

from collections.abc import Sequence
from typing import Final

from conformance.canisters import ic0
from conformance.canisters.expressions import Action, bytes_
from conformance.canisters.scripted import (
    RELAY_REPLY,
    accept_cycles,
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    filled,
    ignore,
    memory_grow,
    memory_read,
    part,
    program,
    reply,
    set_slot,
    slot,
)
from conformance.judging.patterns import replies_with
from conformance.protocol.interface import Needs
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.calls import amount
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.management_calls import DONE
from conformance.suite.scenarios.modules import ONE, PAIR, UNIT, module
from conformance.suite.scenarios.one_call import u64
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.traps import TRAPPED
from conformance.suite.stage import Stage
from spec.values.identifiers import Blob, CanisterId, Text
from spec.values.leb128 import encode_signed
from spec.values.quantities import WASM_PAGE

PAGES_OF_32_BITS: Final = 2**16
"""So many pages of stable memory are 4 GiB."""

WAYS: Final = (b"written inside", b"written beyond", b"read inside", b"read beyond")
CALL_REPLY, CALL_BALANCE, CALL_CERTIFY = b"\x10\x00", b"\x10\x01", b"\x10\x02"


def constant(number: int) -> Blob:
    """The instruction that gives a number of 32 bits."""
    return b"\x41" + encode_signed(number)


Row = tuple[Text, Action, Action]
"""What is done, in a way that is allowed, and in one that is not."""


def at_bounds(stage: Stage, canister: CanisterId, rows: Sequence[Row]) -> None:
    """An update call for each way: the first returns, the second traps."""
    for words, inside, beyond in rows:
        with cell(words):
            stage.expect(stage.call(canister, program(inside, reply(b"done"))), replies_with(b"done"))
        with cell(f"{words}, and more"):
            stage.expect(stage.call(canister, program(beyond, reply(b"done"))), TRAPPED)


@scenario(
    "Stable memory is read and written up to its end, whichever functions do it",
    covers=("api.stable-read", "api.stable-write", "api.stable64-read", "api.stable64-write", "error.trapped"),
)
def end_of_stable_memory(stage: Stage) -> None:
    # Given
    canister, end = scripted(stage), 2 * WASM_PAGE
    growing = program(ignore(ic0.stable64_grow(2)), ic0.stable64_write(end - 2, b"ab"), reply(b"done"))
    stage.expect(stage.call(canister, growing), replies_with(b"done"))
    # Then
    at_bounds(
        stage,
        canister,
        [
            (
                "32 bits, the last byte is read",
                ignore(ic0.stable_read(end - 1, 1)),
                ignore(ic0.stable_read(end - 1, 2)),
            ),
            (
                "32 bits, nothing is read at the end",
                ignore(ic0.stable_read(end, 0)),
                ignore(ic0.stable_read(end + 1, 0)),
            ),
            ("32 bits, the last byte is written", ic0.stable_write(end - 1, b"c"), ic0.stable_write(end - 1, b"cd")),
            ("32 bits, nothing is written at the end", ic0.stable_write(end, b""), ic0.stable_write(end + 1, b"")),
            ("the last byte is read", ignore(ic0.stable64_read(end - 1, 1)), ignore(ic0.stable64_read(end - 1, 2))),
            ("nothing is read at the end", ignore(ic0.stable64_read(end, 0)), ignore(ic0.stable64_read(end + 1, 0))),
            ("the last byte is written", ic0.stable64_write(end - 1, b"e"), ic0.stable64_write(end - 1, b"ef")),
            ("nothing is written at the end", ic0.stable64_write(end, b""), ic0.stable64_write(end + 1, b"")),
            ("all is read", ignore(ic0.stable_read(0, end)), ignore(ic0.stable_read(0, end + 1))),
        ],
    )
    for read in (ic0.stable_read, ic0.stable64_read):
        stage.expect(stage.call(canister, program(reply(read(end - 3, 3)))), replies_with(b"\0ae"))
    stage.balance(canister)


@scenario(
    "Beyond 4 GiB of stable memory every function with 32 bits traps, and those with 64 bits do not",
    covers=("api.stable-size", "api.stable-grow", "api.stable-read", "api.stable-write", "error.trapped"),
)
def beyond_32_bits(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    grow = ic0.stable64_grow(PAGES_OF_32_BITS + 1)
    inside = ic0.stable64_grow(PAGES_OF_32_BITS)
    # Then
    for words, act in (
        ("stable_size", ignore(ic0.stable_size())),
        ("stable_grow by nothing", ignore(ic0.stable_grow(0))),
        ("stable_read", ignore(ic0.stable_read(0, 1))),
        ("stable_read of nothing", ignore(ic0.stable_read(0, 0))),
        ("stable_write", ic0.stable_write(0, b"x")),
    ):
        with cell(f"{words} at 4 GiB"):
            stage.expect(stage.query(canister, program(ignore(inside), act, reply(b"done"))), replies_with(b"done"))
        with cell(f"{words} beyond 4 GiB"):
            stage.expect(stage.call(canister, program(ignore(grow), act, reply())), TRAPPED)
            stage.expect(stage.query(canister, program(ignore(grow), act, reply())), TRAPPED)
    growths = ((PAGES_OF_32_BITS - 1, 1, PAGES_OF_32_BITS - 1), (PAGES_OF_32_BITS - 1, 2, 2**32 - 1))
    for pages, more, told in growths:
        with cell(f"stable_grow from {pages} pages by {more}"):
            growing = program(ignore(ic0.stable64_grow(pages)), reply(bytes_of_u32(ic0.stable_grow(more))))
            stage.expect(stage.query(canister, growing), replies_with(told.to_bytes(4, "little")))


@scenario(
    "There are the performance counters 0 and 1, and no others",
    covers=("api.performance-counter", "error.trapped"),
    # Reason: as for `system_api_canister/unknown_counter`.
    needs=Needs(exact_costs=True),
)
def counters(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    at_bounds(
        stage,
        canister,
        [
            ("the second counter", ignore(ic0.performance_counter(1)), ignore(ic0.performance_counter(2))),
            ("the first counter", ignore(ic0.performance_counter(0)), ignore(ic0.performance_counter(2**32 - 1))),
        ],
    )


@scenario(
    "Cycles that come with a call or back from it are told in 64 bits up to 2^64 - 1; beyond, the function traps",
    covers=(
        "api.msg-cycles-refunded",
        "api.msg-cycles-refunded128",
        "api.msg-cycles-available",
        "api.msg-cycles-available128",
        "error.trapped",
    ),
)
def amounts_of_64_bits(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage, cycles=2**70), scripted(stage)
    refunded = program(reply(bytes_of_u64(ic0.msg_cycles_refunded())))
    available = program(reply(bytes_of_u64(ic0.msg_cycles_available())))
    most = 2**64 - 1
    # When
    told_most = stage.call(caller, program(call(callee, "update", program(reply()), cycles=most, on_reply=refunded)))
    told_more = stage.call(
        caller, program(call(callee, "update", program(reply()), cycles=most + 1, on_reply=refunded))
    )
    brought_most = stage.call(caller, program(call(callee, "update", available, cycles=most, on_reply=RELAY_REPLY)))
    relay_refund = program(reply(ic0.msg_cycles_refunded128()))
    brought_more = stage.call(
        caller,
        program(call(callee, "update", available, cycles=most + 1, on_reply=RELAY_REPLY, on_reject=relay_refund)),
    )
    # Then
    stage.expect(told_most, replies_with(u64(most)))
    stage.expect(told_more, TRAPPED)
    stage.expect(brought_most, replies_with(u64(most)))
    stage.expect(brought_more, replies_with(amount(most + 1)))
    stage.balance(caller)


@scenario(
    "The system reads and writes the last bytes of the heap, and none beyond",
    covers=("api.canister-liquid-cycle-balance128", "api.certified-data-set", "error.trapped"),
)
def end_of_heap(stage: Stage) -> None:
    # Given a module with one page of heap, and a method for each way
    canister, end = stage.create(), WASM_PAGE
    written = [constant(end - 16 + beyond) + CALL_BALANCE for beyond in range(2)]
    read = [constant(end - 32 + beyond) + constant(32) + CALL_CERTIFY for beyond in range(2)]
    code = module(
        imports=[
            (b"ic0", b"msg_reply", UNIT),
            (b"ic0", b"canister_liquid_cycle_balance128", ONE),
            (b"ic0", b"certified_data_set", PAIR),
        ],
        functions=[(UNIT, body + CALL_REPLY) for body in (*written, *read)],
        memories=[b"\0\1"],
        exports=[(b"canister_update " + name, 3 + place) for place, name in enumerate(WAYS)],
    )
    stage.expect(stage.install(canister, code), DONE)
    # Then
    for name in WAYS:
        with cell(name.decode()):
            answer = stage.call(canister, b"", name.decode())
            stage.expect(answer, TRAPPED if name.endswith(b"beyond") else replies_with(b""))


@scenario(
    "Amounts of 128 bits are told as often as they are asked for, before and after cycles moved",
    covers=("api.canister-cycle-balance128", "api.msg-cycles-available128"),
)
def amounts_of_128_bits(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage, cycles=2**72), scripted(stage, cycles=2**70 + 2**63)
    upper_half_of_balance = part(bytes_(ic0.canister_cycle_balance128()), 8, 8)
    both = append_to_slot(0, ic0.msg_cycles_available128()), append_to_slot(0, upper_half_of_balance)
    telling = program(*both, accept_cycles(5), *both, *both, reply(slot(0)), set_slot(0, b""))
    # When
    with cell("a user's call"):
        stage.expect(stage.call(callee, telling), replies_with((amount(0) + u64(2**70 // 2**64)) * 3))
    answer = stage.call(caller, program(call(callee, "update", telling, cycles=2**66 + 7, on_reply=RELAY_REPLY)))
    # Then
    told = [amount(2**66 + left) + u64(2**70 // 2**64) for left in (7, 2, 2)]
    with cell("a call with cycles"):
        stage.expect(answer, replies_with(b"".join(told)))
    stage.balance(callee)


@scenario(
    "However long a reply is, stable memory holds what was written to it in the same execution",
    covers=("api.msg-reply-data-append", "api.stable64-write", "api.stable64-read"),
)
def long_replies(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    places = [page * WASM_PAGE + 4_090 for page in range(3)]
    writing = [ic0.stable64_write(place, b"kept across") for place in places]
    # When
    for length in (WASM_PAGE, WASM_PAGE + 1, 5 * WASM_PAGE):
        appending = ic0.msg_reply_data_append(filled(7, length))
        grown = ignore(ic0.stable64_grow(3))
        answer = stage.call(canister, program(grown, writing[0], appending, *writing[1:], ic0.msg_reply()))
        # Then
        stage.expect(answer, replies_with(b"\x07" * length))
        for place in places:
            stage.expect(
                stage.call(canister, program(reply(ic0.stable64_read(place, 11)))), replies_with(b"kept across")
            )


@scenario(
    "However much is written to stable memory at once, an execution pays for each page that it writes once",
    covers=("api.stable64-write", "api.stable64-read"),
)
def large_writes(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    size = 17 * 2**20
    pages = size // WASM_PAGE
    growing = ignore(memory_grow(pages)), ignore(ic0.stable64_grow(pages))
    writing = ic0.stable64_write(0, memory_read(WASM_PAGE, size))
    # When
    answer = stage.call(canister, program(*growing, writing, writing, reply(b"done")))
    # Then
    stage.expect(answer, replies_with(b"done"))
    stage.balance(canister)
