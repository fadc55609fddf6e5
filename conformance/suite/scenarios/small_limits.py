"""Limits that are reached soon: instructions, memory, snapshots and chunks under the profile of the small world."""

from typing import Final

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    RELAY_REJECT,
    accept_cycles,
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    filled,
    ignore,
    loop_forever,
    memory_grow,
    program,
    reply,
    set_global_timer_program,
    set_inspect_message,
    set_pre_upgrade,
    slot,
    spin,
)
from conformance.judging.patterns import fails, refuses, rejects, replies, replies_with
from conformance.protocol.interface import Needs, Replied, Seen
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.calls import amount
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.chunks import chunked, upload
from conformance.suite.scenarios.management_calls import DONE, manage
from conformance.suite.scenarios.modules import RESULT, TYPES, UNIT, module
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.snapshots import take
from conformance.suite.stage import Stage
from spec.profile import load_profile
from spec.values import management
from spec.values.identifiers import CanisterId
from spec.values.quantities import WASM_PAGE
from spec.values.rejects import RejectCode, RejectReason

SMALL: Final = "small-world"
"""The profile that the scenarios of this group need."""

LIMITS: Final = load_profile(SMALL).limits

OUT_OF_INSTRUCTIONS: Final = rejects(RejectCode.CANISTER_ERROR, RejectReason.INSTRUCTION_LIMIT_EXCEEDED)

MANY: Final = 4_500
"""Iterations of a loop that take more instructions than a query has, and fewer than a message has."""


def with_content(stage: Stage) -> CanisterId:
    """A canister that remembers something."""
    canister = scripted(stage)
    stage.expect(stage.call(canister, program(append_to_slot(0, b"before"), reply())), replies())
    return canister


def still_remembers(stage: Stage, canister: CanisterId) -> None:
    """The canister remembers that and nothing else, and answers."""
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"before"))


@scenario(
    "A message that reaches its instruction limit is charged and changes nothing",
    covers=("error.instruction-limit", "rule.message-execution.rollback"),
    profile=SMALL,
)
def message_limit(stage: Stage) -> None:
    # Given
    canister = with_content(stage)
    # When
    answer = stage.call(canister, program(append_to_slot(0, b" during"), loop_forever()))
    # Then
    stage.expect(answer, OUT_OF_INSTRUCTIONS)
    still_remembers(stage, canister)
    stage.balance(canister)


TRIPLE: Final = len(TYPES)
"""The type of functions with three parameters of 32 bits."""

MOST_MORE: Final = 12
"""So many instructions more, one by one, come to the limit from what fits a few rounds of the loop before it."""

LOOPING: Final = b"\x10\x00\x24\x00" + b"\x03\x40" + b"\x23\x00\x41\x01\x6b\x24\x00" + b"\x23\x00\x0d\x00" + b"\x0b"
"""As many rounds as the argument has bytes. Nothing is written, since pages would be charged at the end."""

WRITING_NOTHING: Final = b"\x41\x00" * 3 + b"\x10\x02"
"""Writes no bytes to the stable memory, which is charged by itself."""

COUNTED: Final = module(
    types=(*TYPES, b"\x60\x03\x7f\x7f\x7f\0"),
    imports=[
        (b"ic0", b"msg_arg_data_size", RESULT),
        (b"ic0", b"msg_reply", UNIT),
        (b"ic0", b"stable_write", TRIPLE),
    ],
    functions=[(UNIT, LOOPING + b"\x01" * more + b"\x10\x01" + WRITING_NOTHING) for more in range(MOST_MORE)],
    global_count=1,
    are_globals_mutable=True,
    memories=[b"\0\1"],
    exports=[(b"canister_update %d" % more, 3 + more) for more in range(MOST_MORE)],
)
"""A module with methods each of which takes one instruction more than the one before."""


@scenario(
    "A message may use its limit to the last instruction, and not one more",
    covers=("error.instruction-limit", "rule.message-execution.rollback"),
    profile=SMALL,
)
def last_instruction(stage: Stage) -> None:
    # Given
    canister = stage.create_with_code(COUNTED)

    def answered(more: int, rounds: int) -> Seen:
        return stage.call(canister, bytes(rounds), str(more))

    enough, too_many = 1, LIMITS.message_instructions // 5
    while too_many - enough > 1:
        rounds = (enough + too_many) // 2
        is_enough = isinstance(answered(0, rounds), Replied)
        enough, too_many = (rounds, too_many) if is_enough else (enough, rounds)
    stage.require(1 < enough < LIMITS.message_instructions // 5 - 1, "the limit is reached by a loop")
    for more in range(MOST_MORE):
        with cell(f"{more} instructions more"):
            # Then what fits is for the judge to say; one round more never does.
            stage.expect(answered(more, enough), replies() | OUT_OF_INSTRUCTIONS)
    stage.expect(answered(0, enough + 1), OUT_OF_INSTRUCTIONS)


@scenario(
    "A caller gets the reject of a callee that reached its instruction limit, and its cycles back",
    covers=("error.instruction-limit", "rule.message-execution.rollback", "rule.call-context-starvation"),
    profile=SMALL,
)
def callee_reaches_limit(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    tell = program(reply(ic0.msg_cycles_refunded128()))
    # When
    greedy = program(accept_cycles(10**6), loop_forever())
    answer = stage.call(caller, program(call(callee, "update", greedy, cycles=10**6, on_reject=tell)))
    # Then
    stage.expect(answer, replies_with(amount(10**6)))
    stage.balance(caller)
    stage.balance(callee)


@scenario(
    "A single copy that is too large for slices ends a message within its limit, and two smaller ones do not",
    covers=("error.slice-overrun", "rule.message-execution.rollback"),
    profile=SMALL,
)
def slice_overrun(stage: Stage) -> None:
    # Given
    canister = with_content(stage)
    one_slice = load_profile(SMALL).rounds.slice_instructions
    half = one_slice * 9 // 10
    # When
    at_once = stage.call(canister, program(append_to_slot(0, b" during"), ignore(filled(7, 2 * one_slice)), reply()))
    in_two = stage.call(canister, program(ignore(filled(7, half)), ignore(filled(7, half)), reply(b"done")))
    as_query = stage.call(canister, program(ignore(filled(7, 2 * one_slice)), reply()), "query")
    by_one_node = stage.query(canister, program(ignore(filled(7, 2 * one_slice)), reply()))
    # Then
    stage.expect(at_once, rejects(RejectCode.CANISTER_ERROR, RejectReason.SLICE_OVERRUN))
    stage.expect(in_two, replies_with(b"done"))
    stage.expect(as_query, rejects(RejectCode.CANISTER_ERROR, RejectReason.SLICE_OVERRUN))
    stage.expect(by_one_node, OUT_OF_INSTRUCTIONS)
    still_remembers(stage, canister)
    stage.balance(canister)


@scenario(
    "An installation may copy at once what is too large for a message, since its slices are larger",
    covers=("error.slice-overrun", "entry.init"),
    profile=SMALL,
)
def slices_of_init(stage: Stage) -> None:
    # Given
    canister = stage.create()
    large = program(ignore(filled(7, 2 * load_profile(SMALL).rounds.slice_instructions)))
    # When
    by_init = stage.install(canister, load("scripted"), large)
    by_message = stage.call(canister, large)
    # Then
    stage.expect(by_init, replies())
    stage.expect(by_message, rejects(RejectCode.CANISTER_ERROR, RejectReason.SLICE_OVERRUN))


@scenario(
    "A query has fewer instructions than a message, also if it is called as an update",
    covers=(
        "error.instruction-limit",
        "rule.message-execution.query-method",
        "entry.query",
        "prod.query_handler.query_call_exceeds_instructions_limit",
    ),
    profile=SMALL,
)
def query_limit(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    work = program(spin(MANY), reply(b"done"))
    # When
    of_update = stage.call(canister, work)
    of_query_as_update = stage.call(canister, work, "query")
    of_query = stage.query(canister, work)
    # Then
    stage.expect(of_update, replies_with(b"done"))
    stage.expect(of_query_as_update, OUT_OF_INSTRUCTIONS)
    stage.expect(of_query, OUT_OF_INSTRUCTIONS)


@scenario(
    "A composite query and the queries that it calls share one budget of instructions",
    covers=("unspec.const.max-cycles-per-query", "rule.query.composite-calls"),
    profile=SMALL,
)
def call_graph_limit(stage: Stage) -> None:
    # Given
    first, second = scripted(stage), scripted(stage)
    work = program(spin(MANY // 2), reply(b"done"))

    def asking(times: int) -> bytes:
        later = reply(b"all of them")
        for _ in range(times):
            later = call(second, "query", work, on_reply=program(later), on_reject=RELAY_REJECT)
        return program(later)

    # When
    few, many = stage.query(first, asking(1), "composite"), stage.query(first, asking(5), "composite")
    # Then
    stage.expect(few, replies_with(b"all of them"))
    stage.expect(many, OUT_OF_INSTRUCTIONS)


@scenario(
    "A request whose inspection reaches its instruction limit is refused",
    covers=("entry.inspect-message", "rule.submit-call.regular-canister"),
    profile=SMALL,
)
def inspection_limit(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    endless = program(ic0.accept_message(), loop_forever())
    stage.expect(stage.call(canister, program(set_inspect_message(endless), reply())), replies())
    # When
    sent = stage.send(canister, "update", program(reply()))
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), refuses())


@scenario(
    "Code whose canister_init reaches the instruction limit is not installed",
    covers=("error.instruction-limit", "rule.mgmt.install-code.conditions", "entry.init"),
    profile=SMALL,
)
def init_limit(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    answer = stage.install(canister, load("scripted"), program(loop_forever()))
    # Then
    stage.expect(answer, fails(RejectReason.INSTRUCTION_LIMIT_EXCEEDED))
    stage.expect(stage.call(canister, program(reply())), refuses(RejectReason.CANISTER_HAS_NO_CODE))
    stage.balance(canister)


@scenario(
    "An upgrade in which a hook reaches the instruction limit leaves the old code as it was",
    covers=(
        "error.instruction-limit",
        "rule.mgmt.upgrade.pre-upgrade",
        "rule.mgmt.upgrade.post-upgrade",
        "entry.pre-upgrade",
        "prod.upgrade.upgrade_fails_on_pre_upgrade_resume_error",
    ),
    profile=SMALL,
)
def upgrade_limit(stage: Stage) -> None:
    # Given
    canister = with_content(stage)
    # When
    of_new = stage.install(canister, load("scripted"), program(loop_forever()), management.UpgradeMode())
    stage.expect(stage.call(canister, program(set_pre_upgrade(program(loop_forever())), reply())), replies())
    of_old = stage.install(canister, load("scripted"), b"", management.UpgradeMode())
    # Then
    stage.expect(of_new, fails(RejectReason.INSTRUCTION_LIMIT_EXCEEDED))
    stage.expect(of_old, fails(RejectReason.INSTRUCTION_LIMIT_EXCEEDED))
    still_remembers(stage, canister)


@scenario(
    "An installation from two chunks that takes several slices is answered in the end",
    covers=("rule.mgmt.install-chunked-code", "prod.install_code.install_chunked_with_dts_works"),
    profile=SMALL,
)
def long_installation_from_chunks(stage: Stage) -> None:
    # Given
    canister, code = stage.create(), load("scripted")
    chunks = code[:3_000], code[3_000:]
    upload(stage, canister, *chunks)
    # When compiling alone, at 6,000 instructions a byte, takes many slices
    answer = manage(stage, canister, "install_chunked_code", chunked(canister, *chunks))
    # Then
    stage.expect(answer, DONE)
    stage.expect(stage.call(canister, program(reply(b"runs"))), replies_with(b"runs"))


@scenario(
    "A cleanup has instructions left when its callback reached the limit",
    covers=("entry.cleanup-callback", "error.instruction-limit", "unspec.env.cleanup-limit"),
    profile=SMALL,
)
def cleanup_after_limit(stage: Stage) -> None:
    # Given
    caller, callee = with_content(stage), scripted(stage)
    endless = program(append_to_slot(0, b" callback"), loop_forever())
    cleanup = program(append_to_slot(1, b"cleaned up"))
    # When
    answer = stage.call(caller, program(call(callee, "update", program(reply()), on_reply=endless, on_cleanup=cleanup)))
    # Then
    stage.expect(answer, OUT_OF_INSTRUCTIONS)
    still_remembers(stage, caller)
    stage.expect(stage.call(caller, program(reply(slot(1)))), replies_with(b"cleaned up"))


@scenario(
    "The heap and the stable memory grow to their limits and no farther",
    covers=("error.out-of-memory", "unspec.const.stable-memory-limit", "api.stable64-grow"),
    profile=SMALL,
)
def memory_limits(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    heap, stable = LIMITS.wasm_memory_32 // WASM_PAGE, LIMITS.stable_memory // WASM_PAGE
    # When
    of_heap = stage.call(canister, program(reply(bytes_of_u32(memory_grow(heap)))))
    too_much = stage.call(canister, program(reply(bytes_of_u64(ic0.stable64_grow(stable + 1)))))
    all_of_it = stage.call(canister, program(reply(bytes_of_u64(ic0.stable64_grow(stable)))))
    # Then
    stage.expect(of_heap, replies_with(b"\xff" * 4))
    stage.expect(too_much, replies_with(b"\xff" * 8))
    stage.expect(all_of_it, replies_with(bytes(8)))


@scenario(
    "A canister has no more snapshots than it may have",
    covers=("unspec.const.max-snapshots", "mgmt.take-canister-snapshot"),
    profile=SMALL,
)
def snapshots_limit(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    for _ in range(LIMITS.snapshots):
        stage.expect(take(stage, canister), replies())
    # When
    answer = take(stage, canister)
    # Then
    stage.expect(answer, fails(RejectReason.SNAPSHOT_LIMIT_EXCEEDED))


@scenario(
    "A global timer that reaches its instruction limit is charged and leaves no trace",
    covers=("error.instruction-limit", "rule.message-execution.global-timer"),
    needs=Needs(deterministic=True),
    profile=SMALL,
)
def timer_limit(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    endless = program(append_to_slot(0, b"lost"), loop_forever())
    timed = program(set_global_timer_program(endless), ignore(ic0.global_timer_set(1)), reply())
    stage.expect(stage.call(canister, timed), replies())
    # When
    stage.settle(seconds=1)
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))
    stage.balance(canister)
