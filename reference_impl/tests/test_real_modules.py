"""The engine on WebAssembly modules, run by wasmtime."""

import pytest
import wasmtime

from reference_impl.engine import Engine
from reference_impl.reads.queries import Query
from spec.profile import load_profile
from spec.state.canister import Subnet
from spec.state.request import Rejected, Replied, Request
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, self_authenticating_id
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    ReinstallMode,
    UpgradeMode,
    decode_canister_id_result,
    encode_arguments,
)
from spec.values.rejects import RejectReason, Reply

START = 1_700_000_000_000_000_000
USER = self_authenticating_id(b"user")

COUNTER = """(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
  (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
  (import "ic0" "stable64_read" (func $read (param i64 i64 i64)))
  (import "ic0" "msg_arg_data_copy" (func $argument (param i32 i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $size (result i32)))
  (memory 1)
  (global $calls (mut i32) (i32.const 0))
  (func $answer (call $append (i32.const 0) (i32.const 4)) (call $reply))
  (func (export "canister_init") (drop (call $grow (i64.const 1))))
  (func $increment (export "canister_update increment")
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (call $write (i64.const 0) (i64.const 0) (i64.const 4))
    (call $answer))
  (func (export "canister_update increment_and_trap") (call $increment) unreachable)
  (func (export "canister_query get") (call $answer))
  (func (export "canister_query increment_in_query") (call $increment))
  (func (export "canister_query get_stable")
    (call $read (i64.const 0) (i64.const 0) (i64.const 4)) (call $answer)))
"""

FORWARDER = """(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_copy" (func $argument (param i32 i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $size (result i32)))
  (import "ic0" "call_new" (func $new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_cycles_add128" (func $cycles (param i64 i64)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (table funcref (elem $on_reply $on_reject))
  (memory 1)
  (data (i32.const 100) "increment")
  (data (i32.const 120) "rejected")
  (func $on_reply (param i32)
    (call $argument (i32.const 0) (i32.const 0) (call $size))
    (call $append (i32.const 0) (call $size)) (call $reply))
  (func $on_reject (param i32) (call $append (i32.const 120) (i32.const 8)) (call $reply))
  (func (export "canister_update forward")
    (call $argument (i32.const 0) (i32.const 0) (call $size))
    (call $new (i32.const 0) (call $size) (i32.const 100) (i32.const 9)
      (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
    (call $cycles (i64.const 0) (i64.const 1000))
    (drop (call $perform))))
"""


class Stage:
    """An engine on wasmtime."""

    def __init__(self):
        subnet = Subnet(self_authenticating_id(b"subnet"), 13)
        self.engine = Engine(load_profile(), subnet, START, b"root key")
        self.nonce = 0

    def call(self, canister_id, method, argument=b"", effective_id=None):
        self.nonce += 1
        request = Request(self.nonce.to_bytes(4, "big"), START + 10**12, USER, canister_id, method, argument)
        accepted = self.engine.submit(request, canister_id if effective_id is None else effective_id)
        self.engine.drain()
        match self.engine.request_status(accepted.request_id):
            case Replied(data=data):
                return data
            case Rejected(reject=reject):
                return reject

    def query(self, canister_id, method):
        return self.engine.query(Query(b"", START + 10**12, USER, canister_id, method, b""), canister_id)

    def install(self, canister_id, text, mode):
        module = bytes(wasmtime.wat2wasm(text)) if isinstance(text, str) else text
        argument = encode_arguments(InstallCodeArguments(mode, canister_id, module))
        return self.call(MANAGEMENT_CANISTER, "install_code", argument, effective_id=canister_id)

    def create(self, text):
        argument = encode_arguments(ProvisionalCreateArguments(amount=10**14))
        method = "provisional_create_canister_with_cycles"
        canister_id = decode_canister_id_result(self.call(MANAGEMENT_CANISTER, method, argument, Principal(b"")))
        assert self.install(canister_id, text, InstallMode()) == b"DIDL\0\0"
        return canister_id


@pytest.fixture
def stage():
    return Stage()


def test_updates_change_the_heap_and_queries_do_not(stage):
    canister = stage.create(COUNTER)
    assert stage.call(canister, "increment") == b"\1\0\0\0"
    assert stage.query(canister, "increment_in_query") == Reply(b"\2\0\0\0")
    assert stage.call(canister, "increment_in_query") == b"\2\0\0\0"
    assert stage.query(canister, "get") == Reply(b"\1\0\0\0")


def test_a_trap_rolls_heap_and_stable_memory_back(stage):
    canister = stage.create(COUNTER)
    stage.call(canister, "increment")
    assert stage.call(canister, "increment_and_trap").reason is RejectReason.CANISTER_TRAPPED
    assert stage.query(canister, "get") == Reply(b"\1\0\0\0")
    assert stage.query(canister, "get_stable") == Reply(b"\1\0\0\0")


def test_an_upgrade_keeps_stable_memory_and_clears_the_heap(stage):
    canister = stage.create(COUNTER)
    stage.call(canister, "increment")
    assert stage.install(canister, COUNTER, UpgradeMode()) == b"DIDL\0\0"
    assert stage.query(canister, "get") == Reply(b"\0\0\0\0")
    assert stage.query(canister, "get_stable") == Reply(b"\1\0\0\0")
    assert stage.install(canister, COUNTER, ReinstallMode()) == b"DIDL\0\0"
    assert stage.query(canister, "get_stable") == Reply(b"\0\0\0\0")


def test_a_call_between_canisters_is_made_and_answered(stage):
    callee, caller = stage.create(COUNTER), stage.create(FORWARDER)
    assert stage.call(caller, "forward", callee) == b"\1\0\0\0"
    assert stage.call(caller, "forward", b"nobody") == b"rejected"
    assert stage.query(callee, "get") == Reply(b"\1\0\0\0")


@pytest.mark.parametrize(
    "module",
    [b"", b"\0asm", b"garbage", '(module (import "ic0" "no_such_function" (func)))', "(module (memory 1) (memory 1))"],
)
def test_modules_that_no_canister_may_have_are_rejected_and_change_nothing(stage, module):
    canister = stage.create(COUNTER)
    stage.call(canister, "increment")
    before = stage.engine.abstract().canisters
    assert stage.install(canister, module, ReinstallMode()).reason is RejectReason.INVALID_MODULE
    assert stage.engine.abstract().canisters == before
