"""
`python -m properties.bench.large_state`: more canister state than memory, with right answers.

Each canister fills its heap, every word of it, and copies it into stable memory. Then canisters are asked in a random
order for the sum of all words of both memories, and change some. The sums are computed here too.
"""

import argparse
import random
import resource
import sys
import time
from typing import Final

import wasmtime

from properties.bench.rounds import NOW, Asking
from reference_impl.engine import Engine
from reference_impl.reads.queries import Query
from reference_impl.rounds.residence import bounded
from reference_impl.wasm.instances.kept_instances import KEPT
from spec.profile import load_profile
from spec.state.canister import Subnet
from spec.values.identifiers import ANONYMOUS, Blob, CanisterId, self_authenticating_id
from spec.values.quantities import OS_PAGE, WASM_PAGE, ByteCount, Count

STEP: Final = 0x9E3779B97F4A7C15
"""The difference between a word and the one before it."""
WORD: Final[ByteCount] = 8
MEBIBYTE: Final[ByteCount] = 1 << 20


def module(mebibytes: Count) -> bytes:
    """A canister with a heap and a stable memory of this size each."""
    size, stable_pages = mebibytes * MEBIBYTE, mebibytes * MEBIBYTE // WASM_PAGE
    return bytes(
        wasmtime.wat2wasm(f"""(module
        (import "ic0" "msg_reply" (func $reply))
        (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
        (import "ic0" "msg_arg_data_copy" (func $argument (param i32 i32 i32)))
        (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
        (import "ic0" "stable64_write" (func $store (param i64 i64 i64)))
        (import "ic0" "stable64_read" (func $fetch (param i64 i64 i64)))
        (memory {size // WASM_PAGE + 1})
        (func $answer (param $sum i64)
          (i64.store (i32.const {size}) (local.get $sum)) (call $append (i32.const {size}) (i32.const 8)) (call $reply))
        ;; The argument: the first word.
        (func (export "canister_update fill") (local $i i32) (local $word i64)
          (call $argument (i32.const {size}) (i32.const 0) (i32.const 8))
          (local.set $word (i64.load (i32.const {size})))
          (loop $next
            (i64.store (local.get $i) (local.get $word))
            (local.set $word (i64.add (local.get $word) (i64.const {STEP - 2**64})))
            (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const {size}))))
          (drop (call $grow (i64.const {stable_pages})))
          (call $store (i64.const 0) (i64.const 0) (i64.const {size}))
          (call $answer (i64.const 0)))
        (func $heap (result i64) (local $i i32) (local $sum i64)
          (loop $next
            (local.set $sum (i64.add (local.get $sum) (i64.load (local.get $i))))
            (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const {size}))))
          (local.get $sum))
        (func (export "canister_query heap") (call $answer (call $heap)))
        ;; The heap is what the stable memory holds, for the rest of the query.
        (func (export "canister_query stable")
          (call $fetch (i64.const 0) (i64.const 0) (i64.const {size})) (call $answer (call $heap)))
        ;; The argument: which word of the heap, and its new value. The first word of stable memory becomes the same.
        (func (export "canister_update change") (local $place i32)
          (call $argument (i32.const {size}) (i32.const 0) (i32.const 16))
          (local.set $place (i32.wrap_i64 (i64.load (i32.const {size}))))
          (i64.store (local.get $place) (i64.load offset=8 (i32.const {size})))
          (call $store (i64.const 0) (i64.const {size + 8}) (i64.const 8))
          (call $answer (i64.const 0))))""")
    )


class Model:
    """What a canister holds."""

    def __init__(self, first: int, words: Count) -> None:
        self.first = first
        self.heap = self.stable = (words * first + STEP * (words * (words - 1) // 2)) % 2**64
        """The sums of all words."""
        self._changed: dict[int, int] = {}
        self._first_of_stable = first

    def change(self, place: int, value: int) -> None:
        """A word of the heap gets another value, and so does the first one of stable memory."""
        before = self._changed.get(place, self.first + STEP * (place // WORD))
        self.heap = (self.heap + value - before) % 2**64
        self.stable = (self.stable + value - self._first_of_stable) % 2**64
        self._changed[place] = self._first_of_stable = value


class LargeState:
    """An engine with canisters, in little memory."""

    def __init__(self, canisters: Count, mebibytes: Count, memory: ByteCount) -> None:
        """They take so much of this process's memory."""
        self.residence = bounded(memory)
        subnet = Subnet(self_authenticating_id(b"subnet"), 13)
        engine = Engine(load_profile(), subnet, NOW, b"root key", explains=False, residence=self.residence)
        self._asking = Asking(engine)
        self._words = mebibytes * MEBIBYTE // WORD
        self._random = random.Random(1)
        self.models: dict[CanisterId, Model] = {}
        code = module(mebibytes)
        for canister_id in self._asking.created(canisters):
            self._asking.install([canister_id], code)
            model = Model(self._random.randrange(2**64), self._words)
            self._update(canister_id, "fill", model.first.to_bytes(WORD, "little"))
            self.models[canister_id] = model

    def _update(self, canister_id: CanisterId, method: str, argument: Blob) -> None:
        self._asking.together([(canister_id, canister_id, method, argument)])

    def ask(self, times: Count) -> None:
        """Canisters in random order change a word, and tell the sums of all words. Raises `AssertionError`."""
        for _ in range(times):
            canister_id = self._random.choice(list(self.models))
            model = self.models[canister_id]
            if self._random.random() < 0.5:
                place, value = WORD * self._random.randrange(self._words), self._random.randrange(2**64)
                self._update(canister_id, "change", place.to_bytes(WORD, "little") + value.to_bytes(WORD, "little"))
                model.change(place, value)
            for method, expected in (("heap", model.heap), ("stable", model.stable)):
                query = Query(b"", NOW, ANONYMOUS, canister_id, method, b"")
                told = self._asking.engine.query(query, canister_id)
                assert getattr(told, "data", told) == expected.to_bytes(WORD, "little"), f"{method} tells {told}"

    @property
    def size(self) -> ByteCount:
        """The bytes of all pages that hold something."""
        states = [one.code.wasm_state for one in self._asking.engine.instance.canisters.values() if one.code]
        return OS_PAGE * sum(len(one.wasm_memory.contents) + len(one.stable_memory.contents) for one in states)


def _resident() -> ByteCount:
    """The most that this process ever had in memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    """Fills, asks, and tells the sizes."""
    parser = argparse.ArgumentParser(prog="python -m properties.bench.large_state", description=__doc__)
    parser.add_argument("--canisters", type=int, default=16, help="how many (default: 16)")
    parser.add_argument("--mebibytes", type=int, default=8, help="size of the heap of each, and of its stable memory")
    parser.add_argument("--memory", type=int, default=64, help="mebibytes for all of that (default: 64)")
    parser.add_argument("--asked", type=int, default=50, help="how often a canister is asked (default: 50)")
    given = parser.parse_args()
    start, before = time.process_time(), _resident()
    state = LargeState(given.canisters, given.mebibytes, given.memory * MEBIBYTE)
    filled = time.process_time()
    state.ask(given.asked)
    asked = time.process_time()
    print(f"canister state               {state.size / MEBIBYTE:10.0f} MiB, every word of it written")
    print(f"allowed for it in memory     {given.memory:10.0f} MiB")
    print(f"largest resident size        {_resident() / MEBIBYTE:10.0f} MiB, of which {before / MEBIBYTE:.0f} before")
    print(f"idle instances hold          {KEPT.bytes / MEBIBYTE:10.0f} MiB")
    print(f"canisters were evicted       {state.residence.evicted:10} times")
    print(f"filling took                 {filled - start:10.1f} s of processor time")
    print(f"asking once took             {(asked - filled) / given.asked * 1000:10.0f} ms; all answers were right")


if __name__ == "__main__":
    main()
