"""A query is a function of the state in which it is asked: it sees what was done before, and nothing else."""

import pytest
from attrs import evolve

from spec.reads.query import query
from spec.reads.state_tree import natural, state_tree
from spec.rules.tests.worlds import (
    FAKES,
    NOW,
    A,
    a_context,
    a_request,
    canister,
    code,
    contexts,
    execution,
    fire,
    module,
    returns,
    world,
)
from spec.state.request import KnownRequest, Rejected, Replied
from spec.values.containers import Map
from spec.values.identifiers import RequestId
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply


def heaps_seen_by(raw_module):
    return [seen["wasm_state"].wasm_memory.read(0, 1) for name, seen in FAKES[raw_module].seen if name == "query ask"]


@pytest.mark.checklist("inv.node-read-your-writes", "unspec.env.query-state")
def test_a_query_sees_the_effects_of_the_calls_executed_before_and_on_an_older_state_does_not():
    gives = {"update go": returns(heap=b"2"), "query ask": returns(response=Reply(b""))}
    raw_module = module(gives=gives)
    installed = code(A, raw_module)
    older = evolve(installed.wasm_state, wasm_memory=installed.wasm_state.wasm_memory.with_pages(1, ()))
    before = world(
        (A, canister(A, evolve(installed, wasm_state=older))),
        messages=(execution(A),),
        call_contexts=contexts(a_context(A)),
    )
    after = fire(before, "message_execution", message_id=0).state
    for state in (before, after):
        query(state, a_request(A, "ask"), A)
    assert heaps_seen_by(raw_module) == [b"\0", b"2"]


@pytest.mark.checklist("unspec.env.certificate-age")
@pytest.mark.parametrize("time", [0, NOW - 10**12, NOW])
def test_how_old_the_certificate_of_a_query_may_be_is_open(time):
    raw_module = module(gives={"query ask": returns(response=Reply(b""))})
    state = world((A, canister(A, code(A, raw_module))))
    older = evolve(state, system_time=time)
    query(older, a_request(A, "ask"), A, b"certificate at %d" % time)
    query(state, a_request(A, "ask"), A, b"certificate at %d" % time)
    seen = [seen["environment"].certificate for _, seen in FAKES[raw_module].seen]
    assert seen == [b"certificate at %d" % time] * 2


@pytest.mark.checklist("cert.encoding.values", "unspec.value.error-codes")
def test_values_of_the_tree_are_numbers_in_leb128_texts_in_utf_8_and_blobs_as_they_are():
    assert [natural(number) for number in (0, 127, 128, 624_485)] == [b"\0", b"\x7f", b"\x80\1", b"\xe5\x8e\x26"]
    canister_with_data = canister(A, certified_data=b"\xff\0", created_at=300)
    rejected = Rejected(Reject(RejectCode.CANISTER_ERROR, "trübe", RejectReason.CANISTER_TRAPPED))
    replied = Replied(b"\xff\0")
    requests = [(RequestId(b"no"), rejected), (RequestId(b"yes"), replied)]
    known = Map.of((name, KnownRequest(a_request(), status, A)) for name, status in requests)
    tree = state_tree(world((A, canister_with_data), requests=known))
    assert tree[b"time"] == natural(NOW)
    assert tree[b"canister"][A][b"canister_creation_timestamp"] == b"\xac\2"
    assert tree[b"canister"][A][b"certified_data"] == b"\xff\0"
    assert tree[b"request_status"][b"yes"] == {b"status": b"replied", b"reply": b"\xff\0"}
    assert tree[b"request_status"][b"no"] == {
        b"status": b"rejected",
        b"reject_code": b"\5",
        b"reject_message": "trübe".encode(),
        b"error_code": b"CANISTER_TRAPPED",
    }
