"""Both engines agree on which copies are too large for slices, whatever copies, and whatever was used before."""

from itertools import product
from random import Random
from struct import pack

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import ModulePair, load_pair, running_canister
from reference_impl.wasm.rewriting.charge_code import is_overrun
from spec.canister.environment import Environment
from spec.canister.outcome import Outcome, Trapped, TrapReason
from spec.profile import load_profile
from spec.wasm.metering import overruns_slice

PROFILE = load_profile()
SLICE, INSTALL_SLICE, LIMIT = 20_000, 30_000, 150_000
ROUNDS = evolve(PROFILE.rounds, slice_instructions=SLICE, install_slice_instructions=INSTALL_SLICE)
ENVIRONMENT = evolve(
    running_canister(evolve(PROFILE, rounds=ROUNDS)), instruction_limit=LIMIT, call_context_instructions=7
)

COPIES = {
    "fill": "(memory.fill (i32.const 4096) (i32.const 1) (local.get $size))",
    "copy": "(memory.copy (i32.const 4096) (i32.const 70000) (local.get $size))",
    "init": "(memory.init 1 (i32.const 4096) (i32.const 0) (local.get $size))",
    "stable write": "(call $write (i64.const 5) (i64.const 4096) (i64.extend_i32_u (local.get $size)))",
    "stable read": "(call $read (i64.const 4096) (i64.const 5) (i64.extend_i32_u (local.get $size)))",
    "append": "(call $append (i32.const 4096) (local.get $size))",
    "print": "(call $print (i32.const 4096) (local.get $size))",
    "argument": "(call $argument (i32.const 4096) (i32.const 0) (local.get $size))",
    "in a loop": "(loop $next (br_if $next (local.tee $size (i32.sub (local.get $size) (i32.const 1)))))",
}
"""What an execution may do, by the size that it is given. The loop is no copy, and takes as much as it is given."""

NAMES = tuple(COPIES)

ROOM = 16 * 65_536
"""Bytes of the heap and of stable memory; no copy here is larger."""


def text() -> str:
    """Its entry points do what the argument says: a list of copies and sizes, of 32 bits each."""
    cases = " ".join(
        f"(if (i32.eq (local.get $kind) (i32.const {kind})) (then {copy} (return)))"
        for kind, copy in enumerate(COPIES.values())
    )
    return f"""(module
      (import "ic0" "msg_arg_data_size" (func $size (result i32)))
      (import "ic0" "msg_arg_data_copy" (func $argument (param i32 i32 i32)))
      (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
      (import "ic0" "debug_print" (func $print (param i32 i32)))
      (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
      (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
      (import "ic0" "stable64_read" (func $read (param i64 i64 i64)))
      (memory 17) (data (i32.const 0) "") (data "{"x" * 70_000}")
      (func $do (param $kind i32) (param $size i32) {cases})
      (func $go (local $place i32)
        (drop (call $grow (i64.const 17)))
        (call $argument (i32.const 0) (i32.const 0) (i32.const 64))
        (loop $next
          (call $do (i32.load (local.get $place)) (i32.load offset=4 (local.get $place)))
          (local.set $place (i32.add (local.get $place) (i32.const 8)))
          (br_if $next (i32.load offset=4 (local.get $place)))))
      (export "canister_update go" (func $go)) (export "canister_query go_reading" (func $go))
      (export "canister_init" (func $go)))"""


@pytest.fixture(scope="module")
def pair() -> ModulePair:
    found = load_pair(bytes(wasmtime.wat2wasm(text())), PROFILE)
    assert found is not None
    return found


def argument(steps: list[tuple[str, int]]) -> bytes:
    """The argument is as long as the longest copy, and begins with the list."""
    listed = b"".join(pack("<II", NAMES.index(name), size) for name, size in steps)
    return listed.ljust(ROOM, b"\0")


def ending(outcome: Outcome) -> TrapReason | None:
    return outcome.reason if isinstance(outcome, Trapped) else None


def run(pair: ModulePair, steps: list[tuple[str, int]], environment: Environment = ENVIRONMENT) -> Outcome:
    return pair.update("go", pair.initial_state(), environment, argument(steps))


def smallest_overrun(pair: ModulePair, before: list[tuple[str, int]], copy: str) -> int:
    """The smallest size of a copy that overruns a slice; both engines are asked on the way."""
    fits, overruns = 1, 3 * SLICE
    while overruns - fits > 1:
        middle = (fits + overruns) // 2
        if ending(run(pair, [*before, (copy, middle)])) is TrapReason.SLICE_OVERRUN:
            overruns = middle
        else:
            fits = middle
    return overruns


@pytest.mark.checklist("error.slice-overrun")
@pytest.mark.parametrize("copy", [name for name in COPIES if name != "in a loop"])
def test_both_find_the_same_smallest_copy_too_large(pair: ModulePair, copy: str) -> None:
    found = []
    for before in ([], [("fill", 5_000)], [("in a loop", 3_000)], [("stable write", 9_000), ("in a loop", 9_000)]):
        smallest = smallest_overrun(pair, before, copy)
        assert 1 < smallest < 3 * SLICE
        found.append(smallest)
        fits, overruns = (run(pair, [*before, (copy, size)]) for size in (smallest - 1, smallest))
        assert ending(fits) is None
        assert ending(overruns) is TrapReason.SLICE_OVERRUN
    assert len(set(found)) > 2


@pytest.mark.parametrize(("copy", "beside_bytes"), [("fill", 0), ("stable read", 20), ("argument", 500)])
def test_both_tell_the_last_instruction_of_a_slice_from_the_first_of_the_next(
    pair: ModulePair, copy: str, beside_bytes: int
) -> None:
    used = 2 * SLICE - smallest_overrun(pair, [("fill", 5_000)], copy) - beside_bytes
    up_to_the_end = 5_000 + SLICE - used
    assert smallest_overrun(pair, [("fill", up_to_the_end)], copy) == SLICE - beside_bytes
    assert smallest_overrun(pair, [("fill", up_to_the_end + 1)], copy) == 2 * SLICE - 1 - beside_bytes


def test_the_two_definitions_are_the_same_where_all_numbers_are_small() -> None:
    found = 0
    for limit, one_slice in product(range(12), range(1, 12)):
        # The reference implementation has no slice above the limit.
        cut = max(1, min(limit, one_slice))
        for used, amount in product(range(limit + 3), range(30)):
            expected = overruns_slice(limit, one_slice, limit - used, amount)
            assert is_overrun(used, amount, limit, cut) == expected, (limit, one_slice, used, amount)
            found += expected
    assert found > 1_000


@pytest.mark.checklist("error.slice-overrun")
@pytest.mark.parametrize("seed", range(4))
def test_both_agree_on_random_executions_around_the_ends_of_slices(pair: ModulePair, seed: int) -> None:
    chance = Random(seed)
    seen = dict.fromkeys((None, *TrapReason), 0)
    for _ in range(60):
        steps = [
            (chance.choice(NAMES), chance.choice((1, 500, SLICE, 2 * SLICE)) + chance.randrange(400))
            for _ in range(chance.randrange(1, 5))
        ]
        limit = chance.choice((LIMIT, 2 * SLICE, 3 * SLICE + 1, 4 * SLICE - 1, SLICE))
        environment = evolve(ENVIRONMENT, instruction_limit=limit)
        seen[ending(run(pair, steps, environment))] += 1
        query = pair.query(
            "go_reading", pair.initial_state(), evolve(environment, replicated=chance.random() < 0.5), argument(steps)
        )
        seen[ending(query)] += 1
        seen[ending(pair.install(argument(steps), environment))] += 1
    assert min(seen[one] for one in (None, TrapReason.SLICE_OVERRUN, TrapReason.OUT_OF_INSTRUCTIONS)) > 10, seen


def test_only_what_all_nodes_execute_is_sliced_and_installations_have_larger_slices(pair: ModulePair) -> None:
    state = pair.initial_state()
    for size, endings in (
        (SLICE, (None, None, None, None)),
        (2 * SLICE, (None, TrapReason.SLICE_OVERRUN, TrapReason.SLICE_OVERRUN, None)),
        (2 * INSTALL_SLICE, (None, TrapReason.SLICE_OVERRUN, TrapReason.SLICE_OVERRUN, TrapReason.SLICE_OVERRUN)),
    ):
        given = argument([("fill", size)])
        outcomes = (
            pair.query("go_reading", state, evolve(ENVIRONMENT, replicated=False), given),
            pair.query("go_reading", state, ENVIRONMENT, given),
            pair.update("go", state, ENVIRONMENT, given),
            pair.install(given, ENVIRONMENT),
        )
        assert tuple(map(ending, outcomes)) == endings


def test_one_compiled_module_runs_with_slices_of_any_size(pair: ModulePair) -> None:
    steps = [("in a loop", 10), ("fill", 70_000), ("stable write", 70_000)]
    found = []
    for one_slice in (10_000, 50_000, 10**9, 10_000):
        rounds = evolve(ROUNDS, slice_instructions=one_slice)
        profile = evolve(PROFILE, rounds=rounds)
        found.append(ending(run(pair, steps, evolve(ENVIRONMENT, profile=profile, instruction_limit=10**8))))
    assert found == [TrapReason.SLICE_OVERRUN, None, None, TrapReason.SLICE_OVERRUN]
