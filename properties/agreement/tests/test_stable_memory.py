"""Random programs that use stable memory do the same on both engines, message after message."""

import struct
from collections import Counter
from functools import cache

import wasmtime
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from properties.agreement.modules import ModulePair, load_pair, running_canister
from spec.canister.environment import Environment
from spec.canister.outcome import Outcome, Returned, Trapped, TrapReason
from spec.canister.wasm_state import WasmState
from spec.profile import Profile, load_profile

PROFILE = load_profile()
FOUR_GIB = 65536
"""In WebAssembly pages."""

COMMAND = struct.Struct("<BQQQ")
GROW, SIZE, READ, WRITE, READ_INDIRECTLY, WRITE_INDIRECTLY, FILL, FAIL = range(8)
GROW_32, SIZE_32, READ_32, WRITE_32 = range(8, 12)


def command_cases(is_64_bit: bool) -> list[str]:
    """What each command does with the numbers $a, $b and $c."""
    numbers = ["(local.get $a)", "(local.get $b)", "(local.get $c)"]
    narrow = [f"(i32.wrap_i64 {number})" for number in numbers]
    place, _, length = numbers if is_64_bit else narrow
    cases = [
        f"(call $note (call $stable64_grow {numbers[0]}))",
        "(call $note (call $stable64_size))",
        f"(call $stable64_read {' '.join(numbers)})",
        f"(call $stable64_write {' '.join(numbers)})",
        f"(call_indirect (type $access) {' '.join(numbers)} (i32.const 0))",
        f"(call_indirect (type $access) {' '.join(numbers)} (i32.const 1))",
        f"(memory.fill {place} {narrow[1]} {length})",
        "unreachable",
    ]
    if not is_64_bit:
        cases += [
            f"(call $note (i64.extend_i32_u (call $stable_grow {narrow[0]})))",
            "(call $note (i64.extend_i32_u (call $stable_size)))",
            f"(call $stable_read {' '.join(narrow)})",
            f"(call $stable_write {' '.join(narrow)})",
        ]
    return cases


def interpreter(is_64_bit: bool) -> str:
    """
    A module whose methods do the commands in their argument.

    The commands work on the first 64 KiB of the heap. The argument comes after that, then the results of commands. The
    method `last` takes the numbers of a command and writes at its very end, after which nothing is charged.
    """
    address = "i64" if is_64_bit else "i32"
    types = {"grow": "(param {0}) (result {0})", "size": "(result {0})"}
    types |= dict.fromkeys(("read", "write"), "(param {0} {0} {0})")
    imported = [(f"stable64_{name}", text.format("i64")) for name, text in types.items()]
    if not is_64_bit:
        imported += [(f"stable_{name}", text.format("i32")) for name, text in types.items()]
    imports = " ".join(f'(import "ic0" "{name}" (func ${name} {text}))' for name, text in imported)
    cases = command_cases(is_64_bit)
    labels = " ".join(map(str, range(len(cases))))
    blocks = "(block " * len(cases) + f"(br_table {labels} (local.get $code))"
    done = "".join(f") {case} (br $done)" for case in cases)
    numbers = " ".join(f"(i64.load offset={place} ({address}.const 65536))" for place in (1, 9, 17))
    load = "({0}.load{1} offset={2} (local.get $at))"
    return f"""(module {imports}
        (import "ic0" "msg_arg_data_size" (func $size (result {address})))
        (import "ic0" "msg_arg_data_copy" (func $copy (param {address} {address} {address})))
        (type $access (func (param i64 i64 i64)))
        (memory {address if is_64_bit else ""} 3) (table funcref (elem $stable64_read $stable64_write))
        (global $results (mut {address}) ({address}.const 131072))
        (func $note (param $value i64)
          (i64.store (global.get $results) (local.get $value))
          (global.set $results ({address}.add (global.get $results) ({address}.const 8))))
        (func $go (local $at {address}) (local $end {address}) (local $code i32)
          (local $a i64) (local $b i64) (local $c i64)
          (local.set $at ({address}.const 65536))
          (local.set $end ({address}.add (local.get $at) (call $size)))
          (call $copy (local.get $at) ({address}.const 0) (call $size))
          (loop $next (if ({address}.lt_u (local.get $at) (local.get $end)) (then
            (local.set $code {load.format("i32", "8_u", 0)})
            (local.set $a {load.format("i64", "", 1)})
            (local.set $b {load.format("i64", "", 9)})
            (local.set $c {load.format("i64", "", 17)})
            (block $done {blocks} {done})
            (local.set $at ({address}.add (local.get $at) ({address}.const {COMMAND.size})))
            (br $next)))))
        (func (export "canister_update last") (drop (call $stable64_grow (i64.const 1)))
          (call $copy ({address}.const 65536) ({address}.const 0) ({address}.const {COMMAND.size}))
          (call $stable64_write {numbers}))
        (export "canister_update go" (func $go)) (export "canister_query ask" (func $go))
        (export "canister_post_upgrade" (func $go)))"""


@cache
def profile(message_pages: int, largest: int) -> Profile:
    """How many 4 KiB pages a message may access, and how many WebAssembly pages stable memory may have."""
    limits = evolve(
        PROFILE.limits,
        stable_pages_in_message=message_pages,
        stable_pages_in_query=max(1, message_pages - 1),
        stable_pages_in_upgrade=message_pages + 1,
        stable_memory=largest * 2**16,
    )
    return evolve(PROFILE, limits=limits)


def pair_of(is_64_bit: bool, message_pages: int, largest: int) -> ModulePair:
    pair = load_pair(bytes(wasmtime.wat2wasm(interpreter(is_64_bit))), profile(message_pages, largest))
    assert pair is not None
    return pair


PAGE, SEVERAL = 4096, 4096 * 17
OFFSETS = st.one_of(
    st.sampled_from([0, 1, PAGE - 1, PAGE, 2 * PAGE - 10, 2**16 - 1, 2**16, 2**17, 2**32 - 5, 2**32, 2**64 - 1]),
    st.integers(0, SEVERAL),
)
SIZES = st.one_of(
    st.sampled_from([0, 1, 10, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 2**16, 2**16 + 1, 2**32, 2**63, 2**64 - 1]),
    st.integers(0, 3 * PAGE),
)
HEAP = st.one_of(st.sampled_from([0, 60_000, 3 * 2**16 - 1, 3 * 2**16, 2**64 - 1]), st.integers(0, 60_000))
NEW_PAGES = st.sampled_from([0, 1, 1, 1, 2, 3, FOUR_GIB - 1, FOUR_GIB, 2**32 - 1, 2**64 - 1])


def commands(is_64_bit: bool) -> st.SearchStrategy[bytes]:
    """One command."""
    reading, writing, growing, asking = [READ, READ, READ_INDIRECTLY], [WRITE, WRITE, WRITE_INDIRECTLY], [GROW], [SIZE]
    if not is_64_bit:
        reading, writing, growing, asking = [*reading, READ_32], [*writing, WRITE_32], [GROW, GROW_32], [SIZE, SIZE_32]
    pack = COMMAND.pack
    return st.one_of(
        st.builds(pack, st.sampled_from(reading), HEAP, OFFSETS, SIZES),
        st.builds(pack, st.sampled_from(writing), OFFSETS, HEAP, SIZES),
        st.builds(pack, st.sampled_from(growing), NEW_PAGES, st.just(0), st.just(0)),
        st.builds(pack, st.sampled_from(asking), st.just(0), st.just(0), st.just(0)),
        st.builds(pack, st.just(FILL), st.integers(0, 30_000), st.integers(0, 255), st.integers(0, 30_000)),
    )


def messages(is_64_bit: bool) -> st.SearchStrategy[bytes]:
    """The argument of a message; most messages first see to it that there is something to work on."""
    start = COMMAND.pack(FILL, 0, 7, 50_000) + COMMAND.pack(GROW, 2, 0, 0)
    large = COMMAND.pack(GROW, FOUR_GIB, 0, 0)
    # The second kind of trap is one after which the reference implementation executes again in other code.
    traps = [COMMAND.pack(FAIL, 0, 0, 0), COMMAND.pack(FILL, 2**20, 0, 10)]
    last = st.sampled_from([b"", b"", b"", *traps])
    body = st.lists(commands(is_64_bit), max_size=6).map(b"".join)
    return st.builds(lambda *parts: b"".join(parts), st.sampled_from([b"", start, start + large]), body, last)


KINDS = st.sampled_from(["update", "update", "update", "query", "upgrade", "an earlier state"])
LIMITS = st.sampled_from([10**9, 10**9, 10**9, 200_000, 5_000, 2_000])


def run(pair: ModulePair, kind: str, states: list[WasmState], argument: bytes, environment: Environment) -> Outcome:
    """Does one thing on both engines, on the latest state or on one before."""
    match kind:
        case "query":
            return pair.query("ask", states[-1], environment, argument)
        case "upgrade":
            return pair.post_upgrade(pair.upgraded_state(states[-1], False), environment, argument)
        case "an earlier state":
            return pair.update("go", states[len(states) // 2], environment, argument)
        case _:
            return pair.update("go", states[-1], environment, argument)


def check_last(command: bytes, limit: int, is_64_bit: bool) -> None:
    pair = pair_of(is_64_bit, 6, 70_000)
    environment = evolve(running_canister(profile(6, 70_000)), instruction_limit=limit)
    outcome = pair.update("last", pair.initial_state(), environment, command)
    SEEN[f"last: {type(outcome).__name__}"] += 1


SEEN: Counter[str] = Counter()


def note(outcome: Outcome, before: WasmState) -> None:
    """Counts what is worth having happened."""
    if isinstance(outcome, Trapped):
        SEEN[outcome.reason.value] += 1
        return
    after = outcome.new_state.stable_memory
    SEEN["grown"] += after.wasm_pages > before.stable_memory.wasm_pages
    SEEN["beyond 4 GiB"] += after.wasm_pages > FOUR_GIB
    SEEN["written"] += after.contents != before.stable_memory.contents


def check(is_64_bit: bool, limits: tuple[int, int], steps: list[tuple[str, bytes, int]]) -> None:
    pair = pair_of(is_64_bit, *limits)
    environment = running_canister(profile(*limits))
    states = [pair.initial_state()]
    for kind, argument, limit in steps:
        outcome = run(pair, kind, states, argument, evolve(environment, instruction_limit=limit))
        note(outcome, states[-1])
        if isinstance(outcome, Returned) and kind != "query":
            states.append(outcome.new_state)


def steps(is_64_bit: bool) -> st.SearchStrategy[list[tuple[str, bytes, int]]]:
    return st.lists(st.tuples(KINDS, messages(is_64_bit), LIMITS), min_size=1, max_size=7)


PROFILES = st.sampled_from([(524_288, 8_192_000), (524_288, 8_192_000), (6, 70_000), (3, 3)])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(limits=PROFILES, given_steps=steps(False))
def check_32_bit(limits: tuple[int, int], given_steps: list[tuple[str, bytes, int]]) -> None:
    check(False, limits, given_steps)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(limits=PROFILES, given_steps=steps(True))
def check_64_bit(limits: tuple[int, int], given_steps: list[tuple[str, bytes, int]]) -> None:
    check(True, limits, given_steps)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    offset=st.integers(0, 70_000), size=st.integers(0, 2 * PAGE), limit=st.integers(1_000, 12_000), wide=st.booleans()
)
def check_endings(offset: int, size: int, limit: int, wide: bool) -> None:
    check_last(COMMAND.pack(WRITE, offset, 0, size), limit, wide)


def test_a_write_at_the_very_end_of_the_instructions_ends_alike() -> None:
    SEEN.clear()
    check_endings()
    assert min(SEEN["last: Returned"], SEEN["last: Trapped"]) > 20, SEEN


def test_programs_that_use_stable_memory_agree() -> None:
    SEEN.clear()
    check_32_bit()
    check_64_bit()
    wanted = ("grown", "beyond 4 GiB", "written", TrapReason.TRAPPED.value, TrapReason.OUT_OF_INSTRUCTIONS.value)
    assert min(SEEN[one] for one in wanted) > 10, SEEN
