"""Memories of full size take what was touched of them."""

import sys
from pathlib import Path

import pytest
import wasmtime

from reference_impl.wasm.instances import page_tracking
from reference_impl.wasm.running.count import _default_environment
from reference_impl.wasm.running.module import WasmtimeModule, load_module
from spec.canister.environment import Caller
from spec.canister.outcome import Returned, Trapped
from spec.profile import load_profile
from spec.values.identifiers import ANONYMOUS, numbered_canister_id

PROFILE = load_profile()
MEBIBYTE = 2**20
GIBIBYTE = 2**30
FEW = 40 * MEBIBYTE
"""What is taken at most: the tables of pages, and an instance."""

HEAP = """(module (memory INDEX 1)
  (func $write (local $last INDEX) (local.set $last (INDEX.const LAST))
    (i32.store (local.get $last) (i32.add (i32.load (local.get $last)) (i32.const 1)))
    (i32.store (INDEX.const 2000000000) (i32.const 7)))
  (func (export "canister_update grow")
    (if (i64.ne (GROWN) (i64.const 1)) (then (unreachable))) (call $write))
  (func (export "canister_update write") (call $write))
  (func (export "canister_update trap") (call $write) (unreachable)))"""
OF_32_BITS = HEAP.replace("INDEX.", "i32.").replace("memory INDEX", "memory").replace("$last INDEX", "$last i32")
OF_32_BITS = OF_32_BITS.replace("GROWN", "i64.extend_i32_u (memory.grow (i32.const 65535))").replace("LAST", "-4")
OF_64_BITS = HEAP.replace("INDEX", "i64").replace("GROWN", "memory.grow (i64.const 65535)")
OF_64_BITS = OF_64_BITS.replace("LAST", "4294967292")
STABLE = """(module
  (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
  (import "ic0" "stable64_write" (func $store (param i64 i64 i64)))
  (import "ic0" "stable64_read" (func $fetch (param i64 i64 i64)))
  (memory 1)
  (func $write
    (call $fetch (i64.const 0) (i64.const 8589934588) (i64.const 4))
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (call $store (i64.const 8589934588) (i64.const 0) (i64.const 4))
    (call $store (i64.const 4000000000) (i64.const 0) (i64.const 4)))
  (func (export "canister_update grow") (drop (call $grow (i64.const 131072))) (call $write))
  (func (export "canister_update write") (call $write))
  (func (export "canister_update trap") (call $write) (unreachable)))"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not page_tracking._kernel_lists_copies(),
    reason="this kernel does not tell which pages were written, so whole heaps are read",
)


def resident() -> int:
    """What this process has in memory, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize(
    ("text", "heap", "stable"),
    [(OF_32_BITS, 4 * GIBIBYTE, 0), (OF_64_BITS, 4 * GIBIBYTE, 0), (STABLE, 65536, 8 * GIBIBYTE)],
    ids=["a heap of 4 GiB", "a heap of 4 GiB with 64-bit addresses", "a stable memory of 8 GiB"],
)
def test_a_memory_of_full_size_takes_only_what_was_written(text: str, heap: int, stable: int) -> None:
    module = load_module(bytes(wasmtime.wat2wasm(text)), PROFILE)
    assert isinstance(module, WasmtimeModule), module
    state = module.initial_state(numbered_canister_id(0))
    environment = _default_environment(PROFILE.limits.message_instructions, PROFILE)
    before, written = resident(), 0
    for method in ("grow", "trap", "write", "trap", "trap", "write"):
        outcome = module.update(method, state, b"", Caller(ANONYMOUS), None, environment, 0)
        assert isinstance(outcome, Trapped if method == "trap" else Returned), outcome
        if isinstance(outcome, Returned):
            state, written = outcome.new_state, written + 1
        memory = state.stable_memory if stable else state.wasm_memory
        assert (state.wasm_memory.size, state.stable_memory.size) == (heap, stable)
        assert memory.read(memory.size - 4, 4) == written.to_bytes(4, "little")
        assert len(state.wasm_memory.contents) + len(state.stable_memory.contents) <= 3
    assert resident() - before < FEW
