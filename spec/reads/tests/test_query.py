"""Query calls."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.canister.outcome import TrapReason
from spec.certification.hash_tree import Found, Unknown, hash_tree, lookup_path, reconstruct
from spec.reads.answers import Endpoint
from spec.reads.query import QueryRefused, QueryResponse, QueryStatistic, certified_data_tree, query
from spec.reads.state_tree import state_tree
from spec.rules.tests.worlds import (
    FAKES,
    NOW,
    PROFILE,
    USER,
    A,
    B,
    a_request,
    canister,
    code,
    module,
    returns,
    traps,
    world,
)
from spec.state.canister import Empty, Stopped, Stopping
from spec.state.request import SenderInfo
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS
from spec.values.leb128 import encode_unsigned
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, system_reject


def asking(outcome=None, request=None, effective_id=A, **changes):
    """What a query of `ask` at A is answered with, apart from the statistics."""
    gives = {"query ask": returns(response=Reply(b"data")) if outcome is None else outcome, "update go": returns()}
    state = world((A, canister(A, changes.pop("installed", code(A, module(gives=gives))), **changes)))
    answer = query(state, a_request(A, "ask", b"question") if request is None else request, effective_id)
    return evolve(answer, statistics=List()) if isinstance(answer, QueryResponse) else answer


def rejected(code_of_reject, reason, instructions=0, detail=""):
    return QueryResponse(system_reject(code_of_reject, reason, detail), instructions)


@pytest.mark.checklist("rule.query.method-execution", "inv.query-discards-state", "inv.reads-do-not-change-state")
def test_a_query_is_answered_by_what_the_method_responds():
    assert asking() == QueryResponse(Reply(b"data"), 1_000)
    no = Reject(RejectCode.CANISTER_REJECT, "no")
    assert asking(returns(response=no)) == QueryResponse(no, 1_000)


@pytest.mark.checklist("rule.query.method-execution", "rule.query.submission")
def test_a_query_sees_its_argument_its_caller_and_an_environment_that_is_not_replicated():
    raw_module = module(gives={"query ask": returns(response=Reply(b""))})
    state = world((A, canister(A, code(A, raw_module))))
    query(state, a_request(A, "ask", b"question", sender_info=SenderInfo(b"info", B, b"")), A)
    ((name, seen),) = FAKES[raw_module].seen
    environment = seen.pop("environment")
    assert (name, seen) == (
        "query ask",
        {
            "wasm_state": state.canisters[A].code.wasm_state,
            "argument": b"question",
            "caller": Caller(USER, b"info", B),
            "available_cycles": 0,
        },
    )
    assert (environment.replicated, environment.time, environment.canister_version) == (False, NOW, 7)
    assert environment.instruction_limit == PROFILE.limits.query_instructions


@pytest.mark.checklist("rule.query.statistics", "inv.reads-do-not-change-state")
@pytest.mark.parametrize(
    ("outcome", "instructions", "size"),
    [
        (returns(response=Reply(b"data")), 1_000, 4),
        (returns(2_000, response=Reject(RejectCode.CANISTER_REJECT, "n\u00f6")), 2_000, 3),
        (traps(3_000, TrapReason.OUT_OF_INSTRUCTIONS), 3_000, len(RejectReason.INSTRUCTION_LIMIT_EXCEEDED.value)),
    ],
)
def test_an_answer_says_what_it_adds_to_the_statistics(outcome, instructions, size):
    state = world((A, canister(A, code(A, module(gives={"query ask": outcome})))))
    answer = query(state, a_request(A, "ask", b"question"), A)
    assert answer.statistics == List.of(QueryStatistic(A, NOW, instructions, 8, size))


@pytest.mark.checklist("rule.query.statistics")
def test_a_query_that_runs_no_method_adds_nothing_to_the_statistics():
    assert query(world(), a_request(A, "ask"), A).statistics == List()


@pytest.mark.checklist("rule.query.certificate", "api.data-certificate-present")
def test_a_query_sees_the_certificate_that_is_there():
    raw_module = module(gives={"query ask": returns(response=Reply(b""))})
    state = world((A, canister(A, code(A, raw_module))))
    query(state, a_request(A, "ask"), A, b"certificate")
    query(state, a_request(A, "ask"), A)
    assert [seen["environment"].certificate for _, seen in FAKES[raw_module].seen] == [b"certificate", None]


@pytest.mark.checklist("rule.query.certificate")
def test_what_the_certificate_of_a_query_reveals_is_the_time_and_the_certified_data_of_the_canister():
    state = world((A, canister(A, certified_data=b"certified")), (B, canister(B, certified_data=b"other")))
    tree = certified_data_tree(state, A)
    assert lookup_path((b"canister", A, b"certified_data"), tree) == Found(b"certified")
    assert lookup_path((b"time",), tree) == Found(encode_unsigned(NOW))
    assert lookup_path((b"canister", B, b"certified_data"), tree) == Unknown()
    assert reconstruct(tree) == reconstruct(hash_tree(state_tree(state)))


@pytest.mark.checklist("http.delegation.targets", "rule.query.submission")
def test_a_delegated_query_reaches_the_targets_of_the_delegation_only():
    state = world((A, canister(A, code(A, module(gives={"query ask": returns(response=Reply(b"data"))})))))
    request = a_request(A, "ask")
    assert query(state, request, A, targets=List.of(B, A)).response == Reply(b"data")
    assert query(state, request, A, targets=List.of(B)) == QueryRefused(RejectReason.NOT_AUTHORIZED)
    assert query(state, request, A, targets=List()) == QueryRefused(RejectReason.NOT_AUTHORIZED)


@pytest.mark.checklist("http.endpoint.query-v3-subnet")
def test_canisters_do_not_answer_at_the_endpoint_of_a_subnet():
    state = world((A, canister(A, code(A, module(gives={"query ask": returns(response=Reply(b"data"))})))))
    answer = query(state, a_request(A, "ask"), A, endpoint=Endpoint.SUBNET)
    assert answer == QueryRefused(RejectReason.INVALID_ARGUMENT)


@pytest.mark.checklist("rule.query.submission")
def test_a_query_is_well_formed_and_has_not_expired_unless_nobody_in_particular_asks():
    late = a_request(A, "ask", ingress_expiry=NOW - 1)
    assert asking(request=late) == QueryRefused(RejectReason.REQUEST_EXPIRED)
    assert asking(request=evolve(late, ingress_expiry=NOW)) == QueryResponse(Reply(b"data"), 1_000)
    assert asking(request=evolve(late, sender=ANONYMOUS)) == QueryResponse(Reply(b"data"), 1_000)
    malformed = QueryRefused(RejectReason.INVALID_ARGUMENT)
    assert asking(request=a_request(A, "ask", nonce=bytes(33))) == malformed
    assert asking(effective_id=B) == malformed


@pytest.mark.checklist("rule.query.preconditions")
@pytest.mark.parametrize(
    ("changes", "response"),
    [
        ({"installed": Empty()}, rejected(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_HAS_NO_CODE)),
        ({"status": Stopping()}, rejected(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPING)),
        ({"status": Stopped()}, rejected(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPED)),
        (
            {"balance": 0, "compute_allocation": 1},
            rejected(RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN),
        ),
    ],
)
def test_only_running_canisters_with_code_that_are_not_frozen_answer_queries(changes, response):
    assert asking(**changes) == response


@pytest.mark.checklist("rule.query.preconditions", "inv.composite-not-replicated")
@pytest.mark.parametrize("method_name", ["go", "nothing"])
def test_only_query_methods_answer_queries_also_at_a_frozen_canister(method_name):
    missing = rejected(RejectCode.CANISTER_ERROR, RejectReason.METHOD_NOT_FOUND)
    assert asking(request=a_request(A, method_name)) == missing
    assert asking(request=a_request(A, method_name), balance=0, compute_allocation=1) == missing


def test_queries_of_missing_canisters_are_rejected():
    response = query(world(), a_request(A, "ask"), A)
    assert response == rejected(RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)


@pytest.mark.checklist("rule.query.method-execution")
@pytest.mark.parametrize(
    ("outcome", "reason", "detail"),
    [
        (traps(1_000, message="ouch"), RejectReason.CANISTER_TRAPPED, "ouch"),
        (traps(1_000, TrapReason.OUT_OF_INSTRUCTIONS), RejectReason.INSTRUCTION_LIMIT_EXCEEDED, ""),
        (returns(), RejectReason.CANISTER_DID_NOT_RESPOND, ""),
    ],
)
def test_a_query_that_fails_or_does_not_respond_is_rejected(outcome, reason, detail):
    assert asking(outcome) == rejected(RejectCode.CANISTER_ERROR, reason, 1_000, detail)
