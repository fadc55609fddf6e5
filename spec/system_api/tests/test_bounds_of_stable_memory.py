"""Where accesses to stable memory and to the heap end, and what is told of those beyond."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.canister.outcome import Returned, SystemRecord, TrapCause, Trapped
from spec.profile import Profile
from spec.system_api.module import WasmCanisterModule, parse_module
from spec.values.identifiers import CanisterId, Principal

Run = Callable[..., Any]

PAGE = 65_536
GROW = "(drop (call $stable64_grow (i64.const {})))"
GROW_32 = "(drop (call $stable_grow (i32.const {})))"
READ = "(call $stable_read (i32.const {}) (i32.const {}) (i32.const {}))"
WRITE = "(call $stable_write (i32.const {}) (i32.const {}) (i32.const {}))"
READ_64 = "(call $stable64_read (i64.const {}) (i64.const {}) (i64.const {}))"
WRITE_64 = "(call $stable64_write (i64.const {}) (i64.const {}) (i64.const {}))"
"""Parameters: where in the destination, where in the source, how many bytes."""

STABLE, HEAP = TrapCause.STABLE_MEMORY_OUT_OF_BOUNDS, TrapCause.HEAP_OUT_OF_BOUNDS
TOO_LARGE = TrapCause.STABLE_MEMORY_TOO_LARGE


def cause_of(outcome: Any) -> TrapCause | None:
    """What made code trap."""
    assert isinstance(outcome, Trapped), outcome
    (record,) = [entry for entry in outcome.logs if isinstance(entry, SystemRecord)]
    return record.cause


def with_long_slices(environment: Any) -> dict[str, Any]:
    """What makes room for a copy of 4 GiB at once."""
    limit = 5 * 10**9
    rounds = evolve(environment.profile.rounds, slice_instructions=limit)
    return {"profile": evolve(environment.profile, rounds=rounds), "instruction_limit": limit}


# Growing.


@pytest.mark.checklist(
    "prod.hypervisor.ic0_grow_handles_overflow", "prod.hypervisor.ic0_grow_can_reach_max_number_of_pages"
)
@pytest.mark.parametrize(("pages", "result"), [(65_526, 10), (65_527, 2**32 - 1)])
def test_with_32_bits_stable_memory_grows_to_4_gib_and_no_farther(replied: Run, pages: int, result: int) -> None:
    grown = replied(GROW_32.format(10) + f"(call $reply_i32 (call $stable_grow (i32.const {pages})))")
    assert int.from_bytes(grown, "little") == result


@pytest.mark.checklist("prod.hypervisor.ic0_stable64_grow_works", "seed2.stable-memory-64")
def test_with_64_bits_stable_memory_grows_beyond_4_gib(replied: Run) -> None:
    results = ""
    for number, pages in enumerate((1, 65_536, 1, -1)):
        results += f"(i64.store (i32.const {8 * number}) (call $stable64_grow (i64.const {pages})))"
    results += "(i64.store (i32.const 32) (call $stable64_size)) (call $reply (i32.const 0) (i32.const 40))"
    told = replied(results)
    numbers = [int.from_bytes(told[at : at + 8], "little") for at in range(0, 40, 8)]
    assert numbers == [0, 1, 65_537, 2**64 - 1, 65_538]


@pytest.mark.checklist(
    "prod.hypervisor.ic0_stable_grow_by_0_traps_if_memory_exceeds_4gb",
    "prod.call_or_task.stable_grow_returns_allocated_memory_on_error",
)
def test_growing_by_nothing_traps_with_32_bits_if_there_is_a_page_more_than_4_gib(go: Run, replied: Run) -> None:
    grown = replied(GROW.format(65_536) + "(call $reply_i32 (call $stable_grow (i32.const 0)))")
    assert int.from_bytes(grown, "little") == 65_536
    assert cause_of(go(GROW.format(65_536) + GROW.format(1) + GROW_32.format(0))) is TOO_LARGE


@pytest.mark.checklist("prod.hypervisor.ic0_stable_write_traps_if_memory_exceeds_4gb")
def test_writing_with_32_bits_traps_if_there_is_a_page_more_than_4_gib(go: Run) -> None:
    assert cause_of(go(GROW.format(65_537) + WRITE.format(0, 0, 1))) is TOO_LARGE


@pytest.mark.checklist("prod.stable_memory_tests.can_grow_then_read_stable_memory")
def test_new_pages_of_stable_memory_are_zero(replied: Run) -> None:
    grown = "(i64.store (i32.const 8) (call $stable64_grow (i64.const 1)))"
    told = replied(
        "(i64.store (i32.const 0) (i64.const -1))"
        + grown
        + READ_64.format(0, 0, 8)
        + "(call $reply (i32.const 0) (i32.const 16))"
    )
    assert told == bytes(16)


@pytest.mark.checklist("prod.wasmtime_embedder.stable_access_beyond_32_bit_range")
def test_the_last_byte_of_30_gib_is_written(replied: Run) -> None:
    last = 30 * 2**30 - 1
    program = GROW.format(30 * 2**14) + WRITE_64.format(last, 100, 1) + READ_64.format(0, last, 1)
    assert replied(program + "(call $reply (i32.const 0) (i32.const 1))", '(data (i32.const 100) "x")') == b"x"


# Bounds.


@pytest.mark.parametrize(
    ("pages", "access", "cause"),
    [
        pytest.param(
            1,
            READ.format(0, PAGE, 1),
            STABLE,
            marks=pytest.mark.checklist("prod.hypervisor.ic0_stable_read_traps_if_out_of_bounds"),
        ),
        pytest.param(
            1,
            WRITE.format(PAGE, 0, 1),
            STABLE,
            marks=pytest.mark.checklist("prod.hypervisor.ic0_stable_write_traps_if_out_of_bounds"),
        ),
        pytest.param(
            1,
            WRITE.format(-1, 0, 10),
            STABLE,
            marks=pytest.mark.checklist("prod.hypervisor.ic0_stable_write_handles_overflows"),
        ),
        pytest.param(
            2,
            WRITE.format(0, 0, PAGE + 1),
            HEAP,
            marks=pytest.mark.checklist("prod.hypervisor.ic0_stable_write_traps_if_heap_is_out_of_bounds"),
        ),
        pytest.param(
            1,
            READ_64.format(0, PAGE, 1),
            STABLE,
            marks=pytest.mark.checklist("prod.hypervisor.ic0_stable64_read_traps_if_out_of_bounds"),
        ),
        pytest.param(
            1,
            WRITE_64.format(PAGE, 0, 1),
            STABLE,
            marks=pytest.mark.checklist("prod.hypervisor.ic0_stable64_write_traps_if_out_of_bounds"),
        ),
        pytest.param(
            1,
            WRITE_64.format(-1, 0, 10),
            STABLE,
            marks=pytest.mark.checklist("prod.hypervisor.ic0_stable64_write_handles_overflows"),
        ),
        pytest.param(
            2,
            READ_64.format(0, 0, PAGE + 1),
            HEAP,
            marks=pytest.mark.checklist("prod.hypervisor.ic0_stable64_read_traps_if_heap_is_out_of_bounds"),
        ),
        pytest.param(
            2,
            WRITE_64.format(0, 0, PAGE + 1),
            HEAP,
            marks=pytest.mark.checklist("prod.hypervisor.ic0_stable64_write_traps_if_heap_is_out_of_bounds"),
        ),
    ],
)
def test_an_access_beyond_the_end_traps_and_tells_which_memory_ended(
    go: Run, pages: int, access: str, cause: TrapCause
) -> None:
    assert cause_of(go(GROW.format(pages) + access)) is cause


@pytest.mark.checklist("prod.hypervisor.ic0_stable_read_handles_overflows")
def test_a_range_of_nearly_4_gib_is_found_to_be_too_long(go: Run, environment: Any) -> None:
    given = with_long_slices(environment)
    assert cause_of(go(GROW.format(1) + READ.format(0, 1, 2**32 - 1), **given)) is STABLE


@pytest.mark.checklist("prod.wasmtime_embedder.stable_write_out_of_bounds")
def test_of_two_memories_that_end_stable_memory_is_told_with_32_bits(go: Run) -> None:
    grow = GROW.format(1)
    assert cause_of(go(grow + WRITE.format(0, PAGE - 1, 2))) is HEAP
    assert cause_of(go(grow + WRITE.format(PAGE - 1, 0, 2))) is STABLE
    assert cause_of(go(grow + WRITE.format(PAGE - 1, PAGE - 1, 2))) is STABLE


@pytest.mark.checklist("prod.wasmtime_embedder.stable64_write_out_of_bounds")
def test_of_two_memories_that_end_stable_memory_is_told_with_64_bits(go: Run, environment: Any) -> None:
    grow = GROW.format(1)
    assert cause_of(go(grow + WRITE_64.format(0, PAGE - 1, 2))) is HEAP
    assert cause_of(go(grow + WRITE_64.format(PAGE - 1, 0, 2))) is STABLE
    assert cause_of(go(grow + WRITE_64.format(PAGE - 1, PAGE - 1, 2))) is STABLE
    assert cause_of(go(grow + WRITE_64.format(0, 2**32, 1))) is HEAP
    assert cause_of(go(grow + WRITE_64.format(0, 0, 2**32), **with_long_slices(environment))) is STABLE


@pytest.mark.checklist("prod.wasmtime_embedder.stable64_read_out_of_bounds")
def test_of_two_memories_that_end_stable_memory_is_told_when_it_is_read(go: Run, environment: Any) -> None:
    grow = GROW.format(1)
    assert cause_of(go(grow + READ_64.format(PAGE - 1, 0, 2))) is HEAP
    assert cause_of(go(grow + READ_64.format(0, PAGE - 1, 2))) is STABLE
    assert cause_of(go(grow + READ_64.format(PAGE - 1, PAGE - 1, 2))) is STABLE
    assert cause_of(go(grow + READ_64.format(2**32, 0, 1))) is HEAP
    assert cause_of(go(grow + READ_64.format(0, 0, 2**32), **with_long_slices(environment))) is STABLE


@pytest.mark.checklist("prod.hypervisor.ic0_stable_read_does_not_trap_if_in_bounds")
def test_a_whole_page_is_read(go: Run) -> None:
    assert isinstance(go(GROW.format(1) + READ.format(0, 0, PAGE)), Returned)


@pytest.mark.parametrize(
    "access",
    [
        pytest.param(
            WRITE.format(-10, 0, 10), marks=pytest.mark.checklist("prod.hypervisor.ic0_stable_write_works_at_max_size")
        ),
        pytest.param(
            READ.format(0, -10, 10), marks=pytest.mark.checklist("prod.hypervisor.ic0_stable_read_works_at_max_size")
        ),
    ],
)
def test_the_last_bytes_of_4_gib_are_accessed_with_32_bits(go: Run, access: str) -> None:
    assert isinstance(go(GROW.format(65_536) + access), Returned)


IN_HEAP = {"read": "(drop (i32.load (i32.const {})))", "write": "(i32.store (i32.const {}) (i32.const 7))"}
IN_STABLE = {"read": READ.format(0, "{}", 4), "write": WRITE.format("{}", 0, 4)}


@pytest.mark.checklist("prod.hypervisor.memory_out_of_bounds_accesses")
@pytest.mark.parametrize("way", ["read", "write"])
@pytest.mark.parametrize(("accesses", "cause"), [(IN_HEAP, HEAP), (IN_STABLE, STABLE)])
def test_four_bytes_are_accessed_up_to_the_end_of_a_page(
    go: Run, accesses: dict[str, str], cause: TrapCause, way: str
) -> None:
    access = GROW.format(1) + accesses[way]
    assert isinstance(go(access.format(65_532)), Returned)
    for beyond in (65_533, 2**31 - 1, -1):
        assert cause_of(go(access.format(beyond))) is cause


@pytest.mark.checklist("prod.hypervisor.grow_memory")
def test_a_heap_grows_while_it_is_installed(canister: Run, environment: Any) -> None:
    one = canister('(func (export "canister_init") (drop (memory.grow (i32.const 1))))')
    outcome = one.module.init(one.state, b"", None, environment)
    assert isinstance(outcome, Returned)
    assert outcome.new_state.wasm_memory.wasm_pages == 2


@pytest.mark.checklist("prod.wasmtime_embedder.large_wasm64_memory_allocation_test")
def test_a_heap_that_is_as_large_as_it_may_be_does_not_grow(environment: Any, raw: Run) -> None:
    profile: Profile = evolve(environment.profile, limits=evolve(environment.profile.limits, wasm_memory_64=10 * PAGE))
    text = """(module (memory i64 10 20) (func (export "canister_update go")
        (if (i64.ne (memory.grow (i64.const 1)) (i64.const -1)) (then unreachable))))"""
    module = parse_module(raw(text), profile)
    assert isinstance(module, WasmCanisterModule)
    given = evolve(environment, profile=profile)
    outcome = module.update(
        "go", module.initial_state(CanisterId(b"self")), b"", Caller(Principal(b"user")), None, given, 0
    )
    assert isinstance(outcome, Returned)
