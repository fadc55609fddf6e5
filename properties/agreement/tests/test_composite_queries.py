"""Specification and reference implementation answer composite and management queries in the same way."""

from functools import cache

import pytest
import wasmtime
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from properties.agreement.beginnings import NEIGHBOURS, neighbours
from properties.agreement.lockstep import Lockstep
from properties.agreement.stage import ALICE, BOB, START, Stage
from reference_impl.reads.queries import Query
from reference_impl.subnet.observations import NotTaken
from spec.production.errors import ERRORS
from spec.profile import load_profile
from spec.reads.query import QueryRefused, QueryResponse, query
from spec.state.canister import Public
from spec.state.request import Request
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.management import CanisterIdArguments, encode_arguments
from spec.values.quantities import NANOSECONDS_PER_SECOND
from spec.values.rejects import RejectCode, RejectReason, Reply

MODULE = """
(module
  (import "ic0" "msg_reply" (func $msg_reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
  (import "ic0" "msg_reject_code" (func $reject_code (result i32)))
  (import "ic0" "performance_counter" (func $counter (param i32) (result i64)))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_on_cleanup" (func $call_on_cleanup (param i32 i32)))
  (import "ic0" "call_data_append" (func $call_data (param i32 i32)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (memory 1)
  (table funcref (elem $on_reply $on_reject $traps $cleans $counts))
  (data (i32.const 0) "deep....get.....spin....canister_status")
  (func $call (param $name i32) (param $length i32) (param $callback i32)
    (call $copy (i32.const 200) (i32.const 0) (call $size))
    (call $call_new (i32.const 200) (call $size) (local.get $name) (local.get $length)
      (local.get $callback) (i32.const 0) (i32.const 1) (i32.const 0))
    (call $call_data (i32.const 200) (call $size)))
  (func $go (drop (call $perform)))
  (func (export "canister_composite_query deep")
    (call $call (i32.const 0) (i32.const 4) (i32.const 0)) (call $go))
  (func (export "canister_composite_query ask")
    (call $call (i32.const 8) (i32.const 3) (i32.const 0)) (call $go))
  (func (export "canister_composite_query missing")
    (call $call (i32.const 8) (i32.const 5) (i32.const 0)) (call $go))
  (func (export "canister_composite_query exhaust")
    (call $call (i32.const 16) (i32.const 4) (i32.const 0)) (call $go))
  (func (export "canister_composite_query trap")
    (call $call (i32.const 8) (i32.const 3) (i32.const 2)) (call $go))
  (func (export "canister_composite_query clean")
    (call $call (i32.const 8) (i32.const 3) (i32.const 2)) (call $call_on_cleanup (i32.const 3) (i32.const 0))
    (call $go))
  (func (export "canister_composite_query clean_and_go_on")
    (call $call (i32.const 8) (i32.const 3) (i32.const 2)) (call $call_on_cleanup (i32.const 3) (i32.const 0))
    (call $go)
    (call $call (i32.const 8) (i32.const 3) (i32.const 4)) (call $go))
  (func (export "canister_composite_query silent"))
  (func (export "canister_composite_query status")
    (call $copy (i32.const 200) (i32.const 0) (call $size))
    (call $call_new (i32.const 200) (i32.const 0) (i32.const 24) (i32.const 15)
      (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
    (call $call_data (i32.const 200) (call $size)) (call $go))
  (func (export "canister_query get") (call $answer))
  (func (export "canister_query spin") (loop $again (br $again)))
  (func $answer
    (i64.store (i32.const 400) (call $counter (i32.const 1)))
    (call $append (i32.const 400) (i32.const 8))
    (call $append (i32.const 100) (i32.const 8))
    (call $msg_reply))
  (func $on_reply (param i32)
    (call $copy (i32.const 300) (i32.const 0) (call $size))
    (call $append (i32.const 300) (call $size))
    (call $answer))
  (func $on_reject (param i32)
    (i32.store8 (i32.const 100) (call $reject_code))
    (call $answer))
  (func $traps (param i32) (i32.store8 (i32.const 101) (i32.const 7)) unreachable)
  (func $cleans (param i32) (i32.store8 (i32.const 102) (i32.const 9)))
  (func $counts (param i32) (call $answer)))
"""

METHODS = ("deep", "ask", "missing", "exhaust", "trap", "clean", "clean_and_go_on", "silent", "status", "get")


@pytest.fixture(scope="module")
def stage():
    profile = load_profile()
    limits = evolve(
        profile.limits,
        query_instructions=300_000,
        query_call_graph_instructions=300_000,
        query_call_instructions=5_000,
    )
    return Stage(evolve(profile, limits=limits))


@pytest.fixture(scope="module")
def canisters(stage):
    raw = bytes(wasmtime.wat2wasm(MODULE))
    return stage.installed(raw), stage.installed(raw), stage.create()


@pytest.mark.parametrize("method", METHODS)
def test_composite_queries_are_answered_in_the_same_way(stage, canisters, method):
    one, other, empty = canisters
    for callee in (one, other, empty, ALICE):
        argument = encode_arguments(CanisterIdArguments(callee)) if method == "status" else bytes(callee)
        if method != "exhaust" or callee == other:
            stage.query(one, method, argument)


def test_the_answers_are_the_ones_that_are_meant(stage, canisters):
    one, other, _ = canisters
    # Depth 6: the seventh method fails, and the six callbacks above it add their answers.
    reply = stage.query(one, "deep", bytes(one))
    assert isinstance(reply, Reply) and reply.data[8] == 5 and len(reply.data) == 6 * 16
    assert stage.query(one, "exhaust", bytes(other)).reason is RejectReason.INSTRUCTION_LIMIT_EXCEEDED
    assert stage.query(one, "clean", bytes(other)).reason is RejectReason.CANISTER_TRAPPED
    cleaned = stage.query(one, "clean_and_go_on", bytes(other))
    assert cleaned.data[8:] == b"\0\0\x09\0\0\0\0\0"


@pytest.mark.parametrize("sender", [ALICE, BOB])
@pytest.mark.parametrize("method", ["canister_status", "fetch_canister_logs", "list_canisters", "start_canister"])
def test_queries_to_the_management_canister_are_answered_in_the_same_way(stage, canisters, method, sender):
    expiry = START + 10**6 * NANOSECONDS_PER_SECOND
    for canister_id, effective_id in ((canisters[0], canisters[0]), (canisters[0], canisters[1]), (ALICE, ALICE)):
        argument = encode_arguments(CanisterIdArguments(canister_id))
        given = (b"", expiry, sender, MANAGEMENT_CANISTER, method, argument)
        mine = query(stage.state, Request(*given), effective_id)
        theirs = stage.lockstep.engine.query(Query(*given), effective_id)
        if isinstance(mine, QueryResponse):
            assert mine.response == theirs
        else:
            assert isinstance(mine, QueryRefused) and isinstance(theirs, NotTaken)


@pytest.mark.checklist(
    "prod.canister_manager.node_metrics_history_ingress_query_fails", "prod.query_handler.test_incorrect_query_name"
)
@pytest.mark.parametrize("method", ["node_metrics_history", "no_such_method"])
def test_what_is_no_query_of_the_management_canister_is_told_to_be_no_method(stage, canisters, method):
    expiry = START + 10**6 * NANOSECONDS_PER_SECOND
    given = (b"", expiry, ALICE, MANAGEMENT_CANISTER, method, b"DIDL\0\0")
    mine = query(stage.state, Request(*given), canisters[0])
    theirs = stage.lockstep.engine.query(Query(*given), canisters[0])
    assert isinstance(mine, QueryRefused) and isinstance(theirs, NotTaken)
    assert mine.because is RejectReason.MANAGEMENT_METHOD_NOT_FOUND
    assert theirs.reject is None or theirs.reject.reason is mine.because
    assert {error.name for error in ERRORS[mine.because]} == {"CanisterMethodNotFound"}


@pytest.mark.checklist("prod.execution_test.query_nonexisting_canister")
def test_a_query_to_a_canister_that_does_not_exist_is_told_so(stage, canisters):
    expiry = START + 10**6 * NANOSECONDS_PER_SECOND
    missing = (10**6).to_bytes(8, "big") + b"\1\1"
    mine = query(stage.state, Request(b"", expiry, ALICE, missing, "get", b""), missing)
    theirs = stage.lockstep.engine.query(Query(b"", expiry, ALICE, missing, "get", b""), missing)
    assert isinstance(mine, QueryResponse)
    assert mine.response.reason is theirs.reason is RejectReason.CANISTER_NOT_FOUND
    assert {error.name for error in ERRORS[theirs.reason]} == {"CanisterNotFound"}


ASKED = ("canister_status", "fetch_canister_logs", "canister_metrics", "list_canisters")


@pytest.fixture(scope="module")
def divided():
    """A stage on which a canister of another subnet tells everybody everything."""
    profile = load_profile()
    everybody = {"status_visibility": Public(), "log_visibility": Public()}
    there = {
        one: evolve(canister, settings=evolve(canister.settings, **everybody))
        for one, canister in neighbours(profile, 10**13).items()
    }
    stage = Stage()
    stage.lockstep = Lockstep(profile, canisters=there)
    return stage


@pytest.mark.parametrize("about", ["elsewhere", "nowhere"])
@pytest.mark.parametrize("asked", ASKED)
def test_a_composite_query_learns_nothing_of_canisters_on_other_subnets(divided, asked, about):
    text = MODULE.replace('canister_status"', f'{asked}"').replace("(i32.const 15)", f"(i32.const {len(asked)})")
    root = divided.installed(bytes(wasmtime.wat2wasm(text)))
    concerned = {"elsewhere": NEIGHBOURS[0], "nowhere": Principal(b"nowhere")}[about]
    answer = divided.query(root, "status", encode_arguments(CanisterIdArguments(concerned)))
    assert isinstance(answer, Reply)
    invalid = about == "nowhere" and asked != "list_canisters"
    assert answer.data[8] == (RejectCode.DESTINATION_INVALID if invalid else RejectCode.CANISTER_ERROR)


def test_a_composite_query_that_calls_a_canister_on_another_subnet_fails(divided):
    root = divided.installed(bytes(wasmtime.wat2wasm(MODULE)))
    assert divided.query(root, "ask", NEIGHBOURS[0]).reason is RejectReason.DIFFERENT_SUBNETS


@settings(max_examples=25, deadline=None)
@given(
    method=st.sampled_from(METHODS),
    asked=st.sampled_from(ASKED),
    place=st.sampled_from(["itself", "beside", "empty", "elsewhere", "nowhere"]),
)
def test_both_sides_agree_on_random_composite_queries_over_two_subnets(method, asked, place):
    stage, canisters = on_two_subnets(asked)
    callee = canisters[place]
    stage.query(
        canisters["itself"], method, encode_arguments(CanisterIdArguments(callee)) if method == "status" else callee
    )


@cache
def on_two_subnets(asked):
    """A stage with canisters here and on another subnet, by place; `status` asks the management canister for this."""
    profile = load_profile()
    limits = evolve(profile.limits, query_instructions=300_000, query_call_graph_instructions=300_000)
    profile = evolve(profile, limits=evolve(limits, query_call_instructions=5_000))
    stage = Stage()
    stage.lockstep = Lockstep(profile, canisters=neighbours(profile, 10**13))
    text = MODULE.replace('canister_status"', f'{asked}"').replace("(i32.const 15)", f"(i32.const {len(asked)})")
    raw = bytes(wasmtime.wat2wasm(text))
    here = {"itself": stage.installed(raw), "beside": stage.installed(raw), "empty": stage.create()}
    return stage, {**here, "elsewhere": NEIGHBOURS[0], "nowhere": Principal(b"nowhere")}


@pytest.mark.parametrize("asked", ["canister_status", "fetch_canister_logs"])
def test_users_ask_about_a_canister_on_another_subnet_at_its_own_endpoint(divided, asked):
    here = divided.create()
    argument = encode_arguments(CanisterIdArguments(NEIGHBOURS[0]))
    given = (b"", START + 10**12, BOB, MANAGEMENT_CANISTER, asked, argument)
    told = query(divided.state, Request(*given), NEIGHBOURS[0])
    assert isinstance(told, QueryResponse)
    assert isinstance(told.response, Reply)
    assert divided.lockstep.engine.query(Query(*given), NEIGHBOURS[0]) == told.response
    for effective_id in (here, Principal(b"nowhere")):
        assert isinstance(query(divided.state, Request(*given), effective_id), QueryRefused)
        assert isinstance(divided.lockstep.engine.query(Query(*given), effective_id), NotTaken)


FOUR = """
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_data_append" (func $call_data (param i32 i32)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (memory 1) (table funcref (elem $back)) (global $answers (mut i32) (i32.const 0))
  (data (i32.const 100) "tell")
  (func $ask (param $place i32)
    (call $call_new (local.get $place) (i32.const 10) (i32.const 100) (i32.const 4)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $call_data (i32.const 0) (i32.const 13)) (drop (call $perform)))
  (func $back (param i32)
    (global.set $answers (i32.add (global.get $answers) (i32.const 1)))
    (if (i32.eq (global.get $answers) (i32.const 4)) (then (call $reply))))
  (func (export "canister_composite_query ask")
    (call $copy (i32.const 0) (i32.const 0) (i32.const 40))
    (call $ask (i32.const 0)) (call $ask (i32.const 10)) (call $ask (i32.const 20)) (call $ask (i32.const 30)))
  (func (export "canister_query tell") (call $append (i32.const 0) (i32.const 6)) (call $reply)))
"""


@pytest.mark.checklist("rule.query.statistics", "prod.query_handler.query_stats_are_collected")
def test_a_composite_query_counts_once_for_each_canister_that_answers_with_the_sizes_of_payloads():
    stage = Stage()
    raw = bytes(wasmtime.wat2wasm(FOUR))
    root, *callees = (stage.installed(raw) for _ in range(5))
    expiry = START + 10**6 * NANOSECONDS_PER_SECOND
    argument = b"".join(callees).ljust(284, b".")
    answer = query(stage.state, Request(b"", expiry, ALICE, root, "ask", argument), root)
    assert answer.response == Reply(b"")
    counted = [(one.canister_id, one.request_payload_bytes, one.response_payload_bytes) for one in answer.statistics]
    assert sorted(counted) == sorted([(root, 284, 0), *((callee, 13, 6) for callee in callees)])
