"""Composite queries of canisters in WebAssembly."""

import pytest
import wasmtime
from attrs import evolve

from spec.profile import load_profile
from spec.reads.query import query
from spec.rules.tests.worlds import RICH, A, B, a_request, canister, world
from spec.state.canister import Code
from spec.system_api.module import WasmCanisterModule, parse_module
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import CanisterIdArguments, decode_canister_status, encode_arguments
from spec.values.rejects import RejectCode, RejectReason, Reply

MODULE = """
(module
  (import "ic0" "msg_reply" (func $msg_reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
  (import "ic0" "msg_reject_code" (func $reject_code (result i32)))
  (import "ic0" "data_certificate_present" (func $certificate (result i32)))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_data_append" (func $call_data (param i32 i32)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (memory 1)
  (table funcref (elem $on_reply $on_reject))
  (data (i32.const 0) "getcanister_status")
  (func $note (param $at i32) (i32.store8 (local.get $at) (i32.add (i32.const 48) (call $certificate))))
  ;; Calls `get` of the canister whose id is the argument.
  (func (export "canister_composite_query ask")
    (call $note (i32.const 100))
    (call $copy (i32.const 200) (i32.const 0) (call $size))
    (call $call_new (i32.const 200) (call $size) (i32.const 0) (i32.const 3)
      (i32.const 0) (i32.const 101) (i32.const 1) (i32.const 0))
    (if (call $perform) (then (unreachable))))
  ;; Asks the management canister for what the argument says.
  (func (export "canister_composite_query status")
    (call $copy (i32.const 200) (i32.const 0) (call $size))
    (call $call_new (i32.const 200) (i32.const 0) (i32.const 3) (i32.const 15)
      (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
    (call $call_data (i32.const 200) (call $size))
    (if (call $perform) (then (unreachable))))
  (func (export "canister_query get")
    (call $note (i32.const 100)) (call $append (i32.const 100) (i32.const 1)) (call $msg_reply))
  ;; Replies what came, and before it what was noted if there is a place for a note.
  (func $on_reply (param $at i32)
    (if (local.get $at) (then
      (call $note (local.get $at))
      (call $append (i32.const 100) (i32.const 2))))
    (call $copy (i32.const 300) (i32.const 0) (call $size))
    (call $append (i32.const 300) (call $size))
    (call $msg_reply))
  (func $on_reject (param $unused i32)
    (i32.store8 (i32.const 100) (i32.add (i32.const 48) (call $reject_code)))
    (call $append (i32.const 100) (i32.const 1))
    (call $msg_reply)))
"""


@pytest.fixture(scope="module")
def state():
    raw = bytes(wasmtime.wat2wasm(MODULE))
    parsed = parse_module(raw, load_profile())
    assert isinstance(parsed, WasmCanisterModule), parsed
    return world(*((known, canister(known, Code(raw, parsed.initial_state(known)))) for known in (A, B)))


def asking(state, argument, method_name="ask", certificate=b"certificate"):
    answer = query(state, a_request(A, method_name, bytes(argument)), A, certificate)
    return answer.response


@pytest.mark.checklist("rule.query.certificate", "rule.query.composite-calls", "entry.composite-callbacks")
def test_only_the_method_of_the_root_canister_has_a_certificate(state):
    # In the method, in its callback, in the callee.
    assert asking(state, B) == Reply(b"100")
    assert asking(state, B, certificate=None) == Reply(b"000")
    # The canister that was called is the root also if it calls itself.
    assert asking(state, A) == Reply(b"101")


@pytest.mark.checklist("rule.query.composite-calls", "inv.query-discards-state", "seed1.query-no-state-change")
def test_a_query_leaves_no_trace(state):
    before = state.canisters[A]
    assert asking(state, B) == asking(state, B)
    assert state.canisters[A] == before


@pytest.mark.checklist("rule.query.composite-calls", "rule.query.preconditions")
def test_a_callee_that_is_not_there_is_a_reject_for_the_callback(state):
    without = evolve(state, canisters=state.canisters.remove(B))
    assert asking(without, B) == Reply(b"%d" % RejectCode.DESTINATION_INVALID)


@pytest.mark.checklist("rule.query.composite-management-calls")
def test_a_canister_reads_its_own_status(state):
    response = asking(state, encode_arguments(CanisterIdArguments(A)), "status")
    assert decode_canister_status(response.data).cycles == RICH
    refused = asking(state, encode_arguments(CanisterIdArguments(B)), "status")
    assert refused == Reply(b"%d" % RejectCode.CANISTER_ERROR)
    assert asking(state, MANAGEMENT_CANISTER, "status") == Reply(b"%d" % RejectCode.CANISTER_ERROR)


@pytest.mark.checklist("rule.query.method-execution", "inv.composite-not-replicated")
def test_a_composite_query_is_no_query_that_another_name_reaches(state):
    answer = query(state, a_request(A, "nothing"), A)
    assert answer.response.reason is RejectReason.METHOD_NOT_FOUND
