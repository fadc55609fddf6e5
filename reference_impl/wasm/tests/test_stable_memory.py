"""Stable memory inside the instance: what it holds, what it costs, and where it ends."""

import time

import pytest
import wasmtime
from attrs import evolve

from reference_impl.wasm.layout.fast_functions import JOURNAL_ENTRIES
from reference_impl.wasm.rewriting.added_memories import MOST_STABLE_PAGES, USUAL_STABLE_PAGES
from reference_impl.wasm.running.module import load_module
from spec.canister.environment import Caller
from spec.canister.outcome import Returned, SystemRecord, Trapped, TrapReason
from spec.canister.wasm_state import WasmState
from spec.values.identifiers import Principal
from spec.values.memory import LinearMemory

SELF = Principal(b"self")
GIB = 2**30
MODULE = """(module
    (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
    (import "ic0" "stable64_read" (func $read (param i64 i64 i64)))
    (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
    (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
    (memory 2)
    (func $argument (param $place i32) (result i64)
      (call $copy (i32.const 0) (local.get $place) (i32.const 8)) (i64.load (i32.const 0)))
    (func $put (call $write (call $argument (i32.const 0)) (i64.const 8) (i64.const 8)))
    (data (i32.const 8) "contents")
    (func (export "canister_update nothing"))
    (func (export "canister_update put") (call $put))
    (func (export "canister_update put and trap") (call $put) unreachable)
    (func (export "canister_update put and run out") (call $put) (loop $l (br $l)))
    (func (export "canister_query put in vain") (call $put))
    (func (export "canister_update get") (call $read (i64.const 16) (call $argument (i32.const 0)) (i64.const 8)))
    (func (export "canister_update grow") (i64.store (i32.const 0) (call $grow (call $argument (i32.const 0)))))
    (func (export "canister_update fill") (local $i i64) (local $end i64)
      (local.set $end (call $argument (i32.const 0)))
      (loop $next
        (call $write (local.get $i) (i64.const 8) (i64.const 4096))
        (br_if $next (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 4096))) (local.get $end))))))"""


def number(value):
    return value.to_bytes(8, "little")


@pytest.fixture
def play(load, environment):
    """Runs one method on a state."""
    module = load(MODULE)

    def run(method, state=None, argument=0, query=False, **changes):
        before = module.initial_state(SELF) if state is None else state
        given = evolve(environment, **changes)
        if query:
            return module.query(method, before, number(argument), Caller(), given, 0)
        return module.update(method, before, number(argument), Caller(), None, given, 0)

    return run


def stable(pages, *contents):
    """A state with this stable memory."""
    memory = LinearMemory(pages)
    for place, content in contents:
        memory = memory.with_bytes(place, content)
    return WasmState(SELF, LinearMemory(2).with_bytes(8, b"contents"), memory)


def test_what_was_written_is_there_in_the_next_message_and_in_no_other_history(play) -> None:
    before = stable(2, (5000, b"before"))
    changed = play("put", before, 5000).new_state
    assert changed.stable_memory == before.stable_memory.with_bytes(5000, b"contents")
    assert play("get", changed, 5000).new_state.wasm_memory.read(16, 8) == b"contents"
    assert play("get", before, 5000).new_state.wasm_memory.read(16, 8) == b"before\0\0"
    assert play("get", stable(1), 5000).new_state.wasm_memory.read(16, 8) == bytes(8)


@pytest.mark.parametrize("method", ["put and trap", "put and run out", "put in vain"])
def test_what_is_not_kept_is_taken_back(play, method) -> None:
    before = stable(2, (5000, b"before"))
    outcome = play(method, before, 5000, query=method == "put in vain", instruction_limit=100_000)
    assert getattr(outcome, "new_state", before) == before
    assert play("get", before, 5000).new_state.wasm_memory.read(16, 8) == b"before\0\0"


def test_stable_memory_that_shrinks_between_states_leaves_nothing_behind(play) -> None:
    far = stable(3, (2 * 65536 + 5, b"far"))
    assert play("get", far, 2 * 65536 + 5).new_state.wasm_memory.read(16, 3) == b"far"
    grown = play("grow", stable(1), 2).new_state
    assert play("get", grown, 2 * 65536 + 5).new_state.wasm_memory.read(16, 8) == bytes(8)


def test_many_pages_in_one_message_are_all_kept_and_charged(play) -> None:
    pages = 2 * JOURNAL_ENTRIES + 5
    outcome = play("fill", stable(pages // 16 + 1), pages * 4096)
    assert isinstance(outcome, Returned)
    assert len(outcome.new_state.stable_memory.contents) == pages
    assert outcome.new_state.stable_memory.page(pages - 1)[:8] == b"contents"
    assert outcome.instructions_used > pages * (1000 + 4096)


def test_stable_memory_beyond_the_usual_room_is_used_and_grown(play, profile) -> None:
    most = profile.limits.stable_memory // 2**16
    outcome = play("grow", stable(1, (7, b"kept")), USUAL_STABLE_PAGES + 5)
    assert outcome.new_state.stable_memory == LinearMemory(USUAL_STABLE_PAGES + 6).with_bytes(7, b"kept")
    state = play("grow", outcome.new_state, most - USUAL_STABLE_PAGES - 6).new_state
    assert state.stable_memory.wasm_pages == most
    assert play("grow", state, 1).new_state.wasm_memory.read(0, 8) == b"\xff" * 8
    place = most * 2**16 - 8
    state = play("put", state, place).new_state
    assert state.stable_memory.read(place, 8) == b"contents"
    assert play("get", state, 7).new_state.wasm_memory.read(16, 4) == b"kept"
    assert play("put", state, place + 1) == Trapped(
        play("put", state, place + 1).instructions_used, TrapReason.TRAPPED, logs=(SystemRecord(),)
    )


def test_more_stable_memory_than_there_are_addresses_for_is_told_in_one_line(profile, environment) -> None:
    unbounded = evolve(profile, limits=evolve(profile.limits, stable_memory=2**60))
    module = load_module(bytes(wasmtime.wat2wasm(MODULE)), unbounded)
    given = evolve(environment, profile=unbounded)
    for state, more in ((stable(1), MOST_STABLE_PAGES), (stable(MOST_STABLE_PAGES + 1), 0)):
        with pytest.raises(MemoryError, match="has room for 33554432 pages of stable memory and needs more"):
            module.update("grow", state, number(more), Caller(), None, given, 0)
    grown = module.update("grow", stable(1), number(MOST_STABLE_PAGES - 1), Caller(), None, given, 0)
    assert grown.new_state.stable_memory.wasm_pages == MOST_STABLE_PAGES


def test_nothing_is_loaded_for_a_message_that_does_not_look(load, play) -> None:
    state = stable(100, (5000, b"unseen"))
    compiled = load(MODULE).compiled
    assert isinstance(play("nothing", state), Returned)
    assert not any(one.holds_stable(state.stable_memory) for one in compiled.idle)
    play("get", state, 5000)
    assert any(one.holds_stable(state.stable_memory) for one in compiled.idle)


def test_a_message_costs_by_the_pages_that_it_changes(play) -> None:
    def seconds(state):
        best = float("inf")
        for turn in range(40):
            start = time.process_time()
            state = play("put", state, (turn % 7) * 5000).new_state
            best = min(best, time.process_time() - start)
        return best

    full = LinearMemory(4096).with_pages(4096, ((number, b"x" * 4096) for number in range(0, 65536, 2)))
    small, large = seconds(stable(16)), seconds(evolve(stable(1), stable_memory=full))
    sparse = seconds(stable(300 * GIB // 2**16))
    assert max(large, sparse) < 4 * small + 100e-6, (small, large, sparse)
