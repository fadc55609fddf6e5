"""Stable memory: growth, reading, writing, and its charges."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from spec.canister.environment import Caller, Environment
from spec.canister.outcome import Returned, SystemRecord, Trapped, TrapReason
from spec.system_api.stable_pages import StablePages
from spec.values.memory import LinearMemory

Run = Callable[..., Any]

GROW = "(drop (call $stable64_grow (i64.const {})))"
WRITE = "(call $stable64_write (i64.const {}) (i64.const {}) (i64.const {}))"
READ = "(call $stable64_read (i64.const {}) (i64.const {}) (i64.const {}))"
DATA = '(data (i32.const 100) "hello")'
LIMIT_IN_PAGES = 536_870_912_000 // 65_536


@pytest.mark.checklist("api.stable64-grow", "api.stable64-size", "api.stable-grow", "api.stable-size")
def test_growth_gives_the_old_size(replied: Run) -> None:
    assert replied(GROW.format(3) + "(call $reply_i64 (call $stable64_grow (i64.const 4)))") == (3).to_bytes(
        8, "little"
    )
    assert replied(GROW.format(3) + "(call $reply_i64 (call $stable64_size))") == (3).to_bytes(8, "little")
    assert replied(GROW.format(3) + "(call $reply_i32 (call $stable_grow (i32.const 4)))") == (3).to_bytes(4, "little")
    assert replied(GROW.format(3) + "(call $reply_i32 (call $stable_size))") == (3).to_bytes(4, "little")


@pytest.mark.checklist(
    "api.stable64-grow",
    "unspec.const.stable-memory-limit",
    "unspec.fn.stable-grow",
    "error.out-of-memory",
    "prod.hypervisor.ic0_stable64_grow_beyond_max_pages_returns_neg_one",
)
def test_growth_stops_at_the_limit(replied: Run) -> None:
    grow = "(call $reply_i64 (call $stable64_grow (i64.const {})))"
    assert replied(grow.format(LIMIT_IN_PAGES)) == bytes(8)
    assert replied(grow.format(LIMIT_IN_PAGES + 1)) == b"\xff" * 8
    assert replied(grow.format(-1)) == b"\xff" * 8
    assert replied(GROW.format(1) + grow.format(LIMIT_IN_PAGES)) == b"\xff" * 8


@pytest.mark.checklist("api.stable-size", "api.stable-grow", "api.stable-read", "api.stable-write")
def test_the_32_bit_functions_end_at_4_gib(replied: Run, go: Run) -> None:
    assert replied(GROW.format(1) + "(call $reply_i32 (call $stable_grow (i32.const 65536)))") == b"\xff" * 4
    assert replied(GROW.format(1) + "(call $reply_i32 (call $stable_grow (i32.const 65535)))") == (1).to_bytes(
        4, "little"
    )
    for call in (
        "(drop (call $stable_size))",
        "(drop (call $stable_grow (i32.const 0)))",
        "(call $stable_read (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call $stable_write (i32.const 0) (i32.const 0) (i32.const 0))",
    ):
        assert isinstance(go(GROW.format(65_536) + call), Returned)
        assert isinstance(go(GROW.format(65_537) + call), Trapped)


@pytest.mark.checklist(
    "api.stable64-write",
    "api.stable64-read",
    "api.stable-write",
    "api.stable-read",
    "prod.wasmtime_embedder.stable_write_and_read",
    "prod.wasmtime_embedder.stable64_write_and_read",
    "seed2.stable-access",
)
@pytest.mark.parametrize(("kind", "prefix"), [("i64", "stable64"), ("i32", "stable")])
def test_what_is_written_is_read(replied: Run, kind: str, prefix: str) -> None:
    instructions = (
        GROW.format(1)
        + f"""
        (call ${prefix}_write ({kind}.const 4094) ({kind}.const 100) ({kind}.const 5))
        (call ${prefix}_read ({kind}.const 200) ({kind}.const 4093) ({kind}.const 7))
        (call $reply (i32.const 200) (i32.const 7))"""
    )
    assert replied(instructions, DATA) == b"\0hello\0"


@pytest.mark.checklist("api.stable64-write", "api.stable64-read", "module.numbers-unsigned")
def test_both_ranges_are_checked(go: Run) -> None:
    assert isinstance(go(GROW.format(1) + WRITE.format(65_536, 0, 0)), Returned)
    assert isinstance(go(GROW.format(1) + READ.format(65_536, 65_536, 0)), Returned)
    for call in (
        WRITE.format(65_537, 0, 0),
        WRITE.format(65_536, 0, 1),
        WRITE.format(-1, 0, 2),
        WRITE.format(0, 65_536, 1),
        WRITE.format(0, 65_537, 0),
        WRITE.format(0, -1, 2),
        READ.format(0, 65_536, 1),
        READ.format(0, 65_537, 0),
        READ.format(65_536, 0, 1),
        READ.format(65_537, 0, 0),
        READ.format(-1, 0, 2),
    ):
        outcome = go(GROW.format(1) + call)
        assert isinstance(outcome, Trapped), call
        assert outcome.reason is TrapReason.TRAPPED


def test_a_page_is_charged_when_it_is_first_written(go: Run) -> None:
    grow = 1 + 1 + 5 + 1 + 100
    write = 3 + 5 + 20 + 5
    assert go(GROW.format(1)).instructions_used == grow
    assert go(GROW.format(1) + WRITE.format(0, 100, 5)).instructions_used == grow + write + 1000
    assert go(GROW.format(1) + WRITE.format(0, 100, 5) * 2).instructions_used == grow + 2 * write + 1000
    assert go(GROW.format(1) + WRITE.format(4094, 100, 5)).instructions_used == grow + write + 2000
    assert go(GROW.format(1) + READ.format(0, 0, 5)).instructions_used == grow + write
    assert go(GROW.format(1) + WRITE.format(0, 100, 0)).instructions_used == grow + write - 5
    assert go(GROW.format(1) + WRITE.format(0, 65_536, 5)).instructions_used == grow + write + 1000


def test_the_charge_is_the_same_in_64_bit_modules(go: Run) -> None:
    outcome = go(GROW.format(1) + WRITE.format(0, 100, 5), wasm64=True)
    assert outcome.instructions_used == 1 + 1 + 5 + 1 + 100 + 3 + 5 + 20 + 5 + 1000


@pytest.mark.checklist(
    "entry.trap-discards",
    "seed1.heap-and-stable",
    "seed2.commit-on-success",
    "seed2.two-memories",
    "seed2.no-commit-on-failure",
)
def test_stable_memory_stays_only_if_the_execution_returns(canister: Run) -> None:
    body = f"""
        (func (export "canister_update go") {GROW.format(1)} {WRITE.format(0, 100, 5)})
        (func (export "canister_update fail") {GROW.format(1)} unreachable) {DATA}"""
    one = canister(body)
    outcome = one.update()
    assert outcome.new_state.stable_memory == LinearMemory.from_bytes(b"hello" + bytes(65_531))
    assert isinstance(one.update("fail"), Trapped)
    assert one.state.stable_memory == LinearMemory()


def test_a_write_that_takes_all_instructions_ends_the_execution(go: Run) -> None:
    used = go(GROW.format(1) + WRITE.format(0, 100, 5)).instructions_used
    assert isinstance(go(GROW.format(1) + WRITE.format(0, 100, 5), instruction_limit=used), Returned)
    outcome = go(GROW.format(1) + WRITE.format(0, 100, 5), instruction_limit=used - 1)
    assert outcome == Trapped(used - 1, TrapReason.OUT_OF_INSTRUCTIONS, logs=(SystemRecord(),))


@pytest.mark.checklist("error.memory-access-limit")
def test_an_execution_accesses_only_so_many_pages(canister: Run, environment: Environment) -> None:
    body = f"""(func (export "{{}}") {GROW.format(1)} {WRITE.format(4095, 0, 2)} {READ.format(0, 1, 5000)} {{}})"""
    limits = {"stable_pages_in_message": 2, "stable_pages_in_upgrade": 3, "stable_pages_in_query": 2}
    profile = evolve(environment.profile, limits=evolve(environment.profile.limits, **limits))
    inside, outside = "", READ.format(0, 8192, 1)
    assert isinstance(canister(body.format("canister_update go", inside)).update(profile=profile), Returned)
    assert isinstance(canister(body.format("canister_update go", outside)).update(profile=profile), Trapped)
    assert isinstance(canister(body.format("canister_query go", inside)).query(profile=profile), Returned)
    assert isinstance(canister(body.format("canister_query go", outside)).query(profile=profile), Trapped)
    hook = canister(body.format("canister_pre_upgrade", outside))
    assert isinstance(hook.module.pre_upgrade(hook.state, Caller(), evolve(environment, profile=profile)), Returned)


def test_pages_written_to_cover_those_before() -> None:
    before = LinearMemory.from_bytes(bytes(range(256)) * 256)
    pages = StablePages(before)
    flat = bytearray(before.to_bytes())
    for offset, content in ((0, b"x"), (4000, b"y" * 200), (65_000, b"z" * 536), (8192, b"w" * 8192)):
        pages.write(offset, content)
        flat[offset : offset + len(content)] = content
    pages.grow(1)
    flat += bytes(65_536)
    assert pages.linear_memory() == LinearMemory.from_bytes(bytes(flat))
    assert pages.read(3990, 5000) == bytes(flat[3990:8990])
    assert pages.read(70_000, 0) == b""
