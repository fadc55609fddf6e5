"""Work for engines: canisters that write, call and beat, and random inputs of all kinds."""

import random
from collections.abc import Iterator

import wasmtime

from reference_impl.certification.signing import ROOT, ROOT_KEY
from reference_impl.durability.directory import Beginning
from reference_impl.durability.inputs import Chosen, Input, RoundRun, TakenIn, TimePassed
from reference_impl.engine import Engine
from reference_impl.reads.state_tree import state_tree
from spec.profile import load_profile
from spec.state.canister import Subnet
from spec.state.request import Endpoint, Request
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Principal
from spec.values.management import (
    CanisterIdArguments,
    InstallCodeArguments,
    InstallMode,
    LoadSnapshotArguments,
    ProvisionalCreateArguments,
    SnapshotArguments,
    TakeSnapshotArguments,
    UploadChunkArguments,
    encode_arguments,
)

START = 1_700_000_000_000_000_000
SECOND = 10**9
MINUTE = 60 * SECOND
PROFILE = load_profile("production")
BEGINNING = Beginning(PROFILE, Subnet(ROOT.subnet_id, 13), ROOT_KEY, START)

TEXT = """(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reject" (func $reject (param i32 i32)))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_copy" (func $argument (param i32 i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $size (result i32)))
  (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
  (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
  (import "ic0" "stable64_write" (func $store (param i64 i64 i64)))
  (import "ic0" "global_timer_set" (func $alarm (param i64) (result i64)))
  (import "ic0" "time" (func $time (result i64)))
  (import "ic0" "canister_cycle_balance128" (func $balance (param i32)))
  (import "ic0" "debug_print" (func $print (param i32 i32)))
  (import "ic0" "call_new" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_data_append" (func $send (param i32 i32)))
  (import "ic0" "call_cycles_add128" (func $cycles (param i64 i64)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (memory 17)
  (table funcref (elem $answered $refused))
  (data (i32.const 100) "write")
  (global $count (mut i32) (i32.const 0))
  ;; The argument of `write`: where, and what.
  (func $read (drop (i32.const 0)) (call $argument (i32.const 0) (i32.const 0) (call $size)))
  (func $done
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.store (i32.const 64) (global.get $count))
    (call $certify (i32.const 64) (i32.const 4))
    (call $append (i32.const 64) (i32.const 4))
    (call $reply))
  (func (export "canister_update write")
    (call $read)
    (i32.store (i32.load (i32.const 0)) (i32.load (i32.const 4)))
    (call $print (i32.const 0) (i32.const 8))
    (call $done))
  (func (export "canister_update stable")
    (call $read)
    (drop (call $grow (i64.const 1)))
    (call $balance (i32.const 8))
    (call $store (i64.extend_i32_u (i32.and (i32.load (i32.const 0)) (i32.const 65280))) (i64.const 0) (i64.const 24))
    (call $done))
  (func (export "canister_update trap")
    (call $read)
    (i32.store (i32.load (i32.const 0)) (i32.const -1))
    (unreachable))
  (func (export "canister_update wake")
    (drop (call $alarm (i64.add (call $time) (i64.const 1500000000))))
    (call $done))
  ;; The argument of `ask`: eight bytes for `write`, and the id of the canister to be called.
  (func (export "canister_update ask")
    (call $read)
    (call $call (i32.const 8) (i32.sub (call $size) (i32.const 8)) (i32.const 100) (i32.const 5)
      (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
    (call $send (i32.const 0) (i32.const 8))
    (call $cycles (i64.const 0) (i64.const 1000))
    (if (call $perform) (then (call $reject (i32.const 100) (i32.const 5)))))
  (func $answered (param i32) (call $done))
  (func $refused (param i32) (call $reject (i32.const 100) (i32.const 5)))
  (func (export "canister_global_timer") (global.set $count (i32.const 1000)))
  HEARTBEAT
  (func (export "canister_query get")
    (i32.store (i32.const 64) (global.get $count))
    (call $append (i32.const 64) (i32.const 4))
    (call $reply)))"""
BEAT = """(func (export "canister_heartbeat")
    (global.set $count (i32.add (global.get $count) (i32.const 10)))
    (i32.store (i32.const 65536) (global.get $count)))"""
WORKER = bytes(wasmtime.wat2wasm(TEXT.replace("HEARTBEAT", "")))
BEATING = bytes(wasmtime.wat2wasm(TEXT.replace("HEARTBEAT", BEAT)))


def certified(engine: Engine) -> bytes:
    """The hash of all that is certified."""
    return state_tree(engine.instance).hash


def offer(engine: Engine, given: Input) -> object:
    """An engine gets an input, which it may refuse; what it says to that."""
    match given:
        case TakenIn():
            return engine.submit(given.submission, given.effective_id, given.endpoint)
        case TimePassed():
            return engine.advance(given.nanoseconds)
        case RoundRun():
            return engine.round()
        case Chosen():
            return engine.take(given.label)


def argument(where: int, what: int = 1) -> bytes:
    """That of the methods that write."""
    return where.to_bytes(4, "little") + what.to_bytes(4, "little")


class Work:
    """Random inputs, one after the other, for engines that all get the same ones."""

    def __init__(self, seed: int, engine: Engine, rounds: float = 0.35) -> None:
        """`rounds` is what part of the inputs are rounds."""
        self._rounds = rounds
        self._random = random.Random(seed)
        self._engine = engine
        self._nonce = 0

    def call(self, canister_id: bytes, method: str, content: bytes, about: bytes | None = None) -> TakenIn:
        self._nonce += 1
        expiry = self._engine.instance.system_time + 4 * MINUTE
        nonce = self._nonce.to_bytes(8, "big")
        request = Request(nonce, expiry, ANONYMOUS, Principal(canister_id), method, content)
        return TakenIn(request, Principal(canister_id if about is None else about), Endpoint.CANISTER)

    def managed(self, method: str, arguments: object, about: bytes = MANAGEMENT_CANISTER) -> TakenIn:
        return self.call(MANAGEMENT_CANISTER, method, encode_arguments(arguments), about)

    def created(self) -> TakenIn:
        arguments = ProvisionalCreateArguments(amount=10**14)
        return self.managed("provisional_create_canister_with_cycles", arguments)

    def installed(self, canister_id: bytes, module: bytes) -> TakenIn:
        return self.managed("install_code", InstallCodeArguments(InstallMode(), canister_id, module, b""), canister_id)

    def inputs(self, count: int) -> Iterator[Input]:
        """So many. The engines are given each before the next one is asked for."""
        for _ in range(count):
            yield self._input()

    def _input(self) -> Input:
        chosen = self._random.random()
        canisters = self._engine.instance.canisters
        if chosen < self._rounds:
            return RoundRun()
        if chosen < 0.45:
            return TimePassed(self._random.choice([SECOND // 10, SECOND, 7 * SECOND, 200 * SECOND]))
        if len(canisters) < 2 or chosen < 0.5:
            return self.created()
        about = self._random.choice(sorted(canisters))
        record = canisters[about]
        if record.code is None and self._random.random() < 0.7:
            return self.installed(about, self._random.choice([WORKER, BEATING]))
        if chosen < 0.85:
            return self._work(about, self._random.choice(sorted(canisters)))
        return self._management(about, record)

    def _work(self, about: bytes, other: bytes) -> TakenIn:
        method = self._random.choice(["write", "write", "stable", "trap", "wake", "ask", "ask", "ask", "missing"])
        content = argument(self._random.choice([128, 5000, 70_000, 1_000_000]), self._random.randrange(2**32))
        return self.call(about, method, content + other if method == "ask" else content)

    def _management(self, about: bytes, record: object) -> TakenIn:
        snapshots = sorted(record.snapshots)
        named = CanisterIdArguments(about)
        acts = [
            ("stop_canister", named),
            ("start_canister", named),
            ("start_canister", named),
            ("uninstall_code", named),
            ("delete_canister", named),
            ("clear_chunk_store", named),
            ("upload_chunk", UploadChunkArguments(about, self._random.randbytes(20))),
            ("take_canister_snapshot", TakeSnapshotArguments(about)),
            *(("load_canister_snapshot", LoadSnapshotArguments(about, one)) for one in snapshots),
            *(("delete_canister_snapshot", SnapshotArguments(about, one)) for one in snapshots[:1]),
        ]
        return self.managed(*self._random.choice(acts), about)
