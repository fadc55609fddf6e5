"""
`python -m properties.bench.large_state`: more canister state than memory, with right answers.

Each canister fills its heap, every word of it, and copies it into stable memory. Then canisters are asked in a random
order for the sum of all words of both memories, and change some. The sums are computed here too. With `--state-dir`
another process fills them and keeps the state, and this one goes on from there.
"""

import argparse
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import wasmtime

from properties.bench.rounds import NOW, Asking
from reference_impl.durability.directory import Beginning, StateDirectory
from reference_impl.engine import Engine
from reference_impl.reads.queries import Query
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
    """Canisters of an engine that has little memory for them."""

    def __init__(self, engine: Engine, mebibytes: Count) -> None:
        """The heap and the stable memory of each have this size."""
        self._asking = Asking(engine)
        self._mebibytes = mebibytes
        self._words = mebibytes * MEBIBYTE // WORD
        self._random = random.Random(1)
        self.models: dict[CanisterId, Model] = {}

    def fill(self, canisters: Count) -> None:
        """So many canisters are made, and fill their memories."""
        self._asking.created(canisters)
        self.know()
        code = module(self._mebibytes)
        for canister_id, model in self.models.items():
            self._asking.install([canister_id], code)
            self._update(canister_id, "fill", model.first.to_bytes(WORD, "little"))

    def know(self) -> None:
        """The canisters that are there have filled their memories, and done nothing since."""
        for canister_id in sorted(self._asking.engine.instance.canisters):
            self.models[canister_id] = Model(self._random.randrange(2**64), self._words)

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
    def evicted(self) -> Count:
        """How often the pages of a canister went to a file."""
        residence = self._asking.engine.residence
        return 0 if residence is None else residence.evicted

    @property
    def size(self) -> ByteCount:
        """The bytes of all pages that hold something."""
        states = [one.code.wasm_state for one in self._asking.engine.instance.canisters.values() if one.code]
        return OS_PAGE * sum(len(one.wasm_memory.contents) + len(one.stable_memory.contents) for one in states)


def _resident() -> ByteCount:
    """The most that this process ever had in memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def beginning(memory: ByteCount) -> Beginning:
    """What the engine begins with, whose canisters take so much of this process's memory."""
    subnet = Subnet(self_authenticating_id(b"subnet"), 13)
    return Beginning(load_profile(), subnet, b"root key", NOW, memory=memory)


def keep(path: Path, canisters: Count, mebibytes: Count, memory: ByteCount) -> None:
    """Fills canisters, and keeps them in a directory."""
    directory = StateDirectory.opened(path, beginning(memory))
    LargeState(directory.engine, mebibytes).fill(canisters)
    filled = time.process_time()
    directory.checkpoint()
    print(f"the checkpoint took          {time.process_time() - filled:10.1f} s of processor time")
    print(f"largest size while filling   {_resident() / MEBIBYTE:10.0f} MiB", flush=True)
    directory.close()


def _filled_elsewhere(path: Path) -> None:
    """Another process does it: this one must not have had the state in its memory."""
    subprocess.run([sys.executable, "-m", "properties.bench.large_state", *sys.argv[1:], "--fill-only"], check=True)
    size = sum(one.stat().st_size for one in path.iterdir())
    print(f"the directory holds          {size / MEBIBYTE:10.0f} MiB")


def main() -> None:
    """Fills, asks, and tells the sizes."""
    parser = argparse.ArgumentParser(prog="python -m properties.bench.large_state", description=__doc__)
    parser.add_argument("--canisters", type=int, default=16, help="how many (default: 16)")
    parser.add_argument("--mebibytes", type=int, default=8, help="size of the heap of each, and of its stable memory")
    parser.add_argument("--memory", type=int, default=64, help="mebibytes for all of that (default: 64)")
    parser.add_argument("--asked", type=int, default=50, help="how often a canister is asked (default: 50)")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="keep the state there, and go on from it")
    parser.add_argument("--fill-only", action="store_true", help="with --state-dir: end when the state is kept")
    given = parser.parse_args()
    memory = given.memory * MEBIBYTE
    if given.fill_only:
        keep(given.state_dir, given.canisters, given.mebibytes, memory)
        return
    if given.state_dir is not None:
        _filled_elsewhere(given.state_dir)
    start, began, before = time.process_time(), time.perf_counter(), _resident()
    if given.state_dir is None:
        state = LargeState(beginning(memory).engine(), given.mebibytes)
        state.fill(given.canisters)
    else:
        state = LargeState(StateDirectory.opened(given.state_dir, beginning(memory)).engine, given.mebibytes)
        state.know()
    filled, there = time.process_time(), time.perf_counter()
    if given.state_dir is not None:
        print(f"largest size at the start    {_resident() / MEBIBYTE:10.0f} MiB")
    state.ask(given.asked)
    asked = time.process_time()
    print(f"canister state               {state.size / MEBIBYTE:10.0f} MiB, every word of it written")
    print(f"allowed for it in memory     {given.memory:10.0f} MiB")
    print(f"largest resident size        {_resident() / MEBIBYTE:10.0f} MiB, of which {before / MEBIBYTE:.0f} before")
    print(f"idle instances hold          {KEPT.bytes / MEBIBYTE:10.0f} MiB")
    print(f"canisters were evicted       {state.evicted:10} times")
    what = "filling" if given.state_dir is None else "the start"
    print(f"{what:<9} took               {filled - start:10.1f} s of processor time, {there - began:.1f} s by the wall")
    print(f"asking once took             {(asked - filled) / given.asked * 1000:10.0f} ms; all answers were right")


if __name__ == "__main__":
    main()
