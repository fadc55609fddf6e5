"""Where production departs from our reading of the text about messages, both engines follow the reading."""

import wasmtime
from attrs import evolve

from properties.agreement.stage import Stage
from spec.profile import load_profile
from spec.state.request import Rejected, Replied
from spec.values.management import SettingsArguments, UpdateSettingsArguments
from spec.values.rejects import RejectReason

CALLS = bytes(
    wasmtime.wat2wasm("""(module
      (import "ic0" "call_new" (func $new (param i32 i32 i32 i32 i32 i32 i32 i32)))
      (import "ic0" "call_on_cleanup" (func $on_cleanup (param i32 i32)))
      (import "ic0" "call_perform" (func $perform (result i32)))
      (import "ic0" "msg_reject" (func $reject (param i32 i32)))
      (import "ic0" "msg_reject_msg_size" (func $size_of_text (result i32)))
      (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
      (import "ic0" "msg_reply" (func $reply))
      (import "ic0" "canister_self_copy" (func $self (param i32 i32 i32)))
      (import "ic0" "debug_print" (func $print (param i32 i32)))
      (memory 1)
      (data (i32.const 0) "text") (data (i32.const 16) "done")
      (table funcref (elem $tells_size $grows $cleans $succeeds $traps))
      (func $tells_size (param i32)
        (i32.store (i32.const 64) (call $size_of_text)) (call $append (i32.const 64) (i32.const 4)) (call $reply))
      (func $grows (param i32) (drop (memory.grow (i32.const 160))) (call $reply))
      (func $cleans (param i32) (i32.store8 (i32.const 200) (i32.const 7)))
      (func $succeeds (param i32))
      (func $traps (param i32) unreachable)
      (func $call (param $method i32) (param $callback i32)
        (call $self (i32.const 48) (i32.const 0) (i32.const 10))
        (call $new (i32.const 48) (i32.const 10) (local.get $method) (i32.const 4)
          (local.get $callback) (i32.const 0) (local.get $callback) (i32.const 0))
        (call $on_cleanup (i32.const 2) (i32.const 0)))
      (func (export "canister_update text") (call $reject (i32.const 1000) (i32.const 10000)))
      (func (export "canister_update done") (call $reply))
      (func (export "canister_update print") (call $print (i32.const 0) (i32.const 4)) (call $reply))
      (func (export "canister_update hear") (call $call (i32.const 0) (i32.const 0)) (drop (call $perform)))
      (func (export "canister_update two")
        (call $call (i32.const 16) (i32.const 4)) (drop (call $perform))
        (call $call (i32.const 16) (i32.const 3)) (drop (call $perform)))
      (func (export "canister_update grow") (call $call (i32.const 16) (i32.const 1)) (drop (call $perform))))""")
)


def test_a_method_that_does_not_exist_is_free() -> None:
    """Production keeps the fixed part of an execution."""
    stage = Stage()
    canister = stage.installed(CALLS)
    before = stage.canister(canister).balance
    status = stage.call(canister, "nothing", b"")
    assert isinstance(status, Rejected)
    assert status.reject.reason is RejectReason.METHOD_NOT_FOUND
    assert stage.canister(canister).balance == before


def test_the_text_of_a_reject_is_not_cut() -> None:
    """Production cuts it at 8,192 bytes."""
    stage = Stage()
    status = stage.call(stage.installed(CALLS), "hear", b"")
    assert status == Replied((10_000).to_bytes(4, "little"))


def test_a_callback_that_succeeds_does_not_clear_the_failure_of_an_earlier_one() -> None:
    """In production the last execution decides."""
    stage = Stage()
    status = stage.call(stage.installed(CALLS), "two", b"")
    assert isinstance(status, Rejected)
    assert status.reject.reason is RejectReason.CANISTER_TRAPPED


def test_no_cleanup_runs_after_a_callback_that_returns_and_may_not_commit() -> None:
    """In production one does."""
    profile = load_profile()
    full = evolve(profile.limits, subnet_memory_threshold=4_000_000, subnet_memory=64_000_000)
    stage = Stage(evolve(profile, limits=full))
    canister = stage.installed(CALLS)
    limit = SettingsArguments(reserved_cycles_limit=stage.canister(canister).reserved_balance)
    stage.manage("update_settings", UpdateSettingsArguments(canister, limit))
    status = stage.call(canister, "grow", b"")
    assert isinstance(status, Rejected)
    assert status.reject.reason is RejectReason.RESERVATION_LIMIT_EXCEEDED
    assert stage.wasm_state(canister).wasm_memory.read(200, 1) == b"\0"


def test_an_update_on_a_heap_beyond_its_limit_runs_and_fails_in_the_end() -> None:
    """Production does not run it, keeps the fixed part of an execution alone, and logs nothing."""
    stage = Stage()
    canister = stage.installed(CALLS)
    limit = SettingsArguments(wasm_memory_limit=65_536)
    stage.manage("update_settings", UpdateSettingsArguments(canister, limit))
    assert stage.canister(canister).settings.wasm_memory_limit == 65_536
    stage.call(canister, "grow", b"")  # Its callback grows the heap, and is not bound by the limit.
    before = stage.canister(canister).balance
    status = stage.call(canister, "print", b"")
    assert isinstance(status, Rejected)
    assert status.reject.reason is RejectReason.MEMORY_LIMIT_EXCEEDED
    assert before - stage.canister(canister).balance > stage.state.profile.fees.update_message_execution
    assert [record.content for record in stage.canister(canister).logs] == [b"text"]


def test_no_limit_below_the_size_of_the_heap_can_be_set() -> None:
    """In production one can, and updates fail from then on."""
    stage = Stage()
    canister = stage.installed(CALLS)
    limit = SettingsArguments(wasm_memory_limit=65_535)
    status = stage.manage("update_settings", UpdateSettingsArguments(canister, limit))
    assert isinstance(status, Rejected)
    assert status.reject.reason is RejectReason.INVALID_SETTINGS
    assert stage.call(canister, "done", b"") == Replied(b"")
