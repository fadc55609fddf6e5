"""Query calls."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.canister.outcome import TrapReason
from spec.reads.query import QueryRefused, QueryResponse, query
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
from spec.values.identifiers import ANONYMOUS
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, system_reject


def asking(outcome=None, request=None, effective_id=A, **changes):
    """What a query of `ask` at A is answered with."""
    gives = {"query ask": returns(response=Reply(b"data")) if outcome is None else outcome, "update go": returns()}
    state = world((A, canister(A, changes.pop("installed", code(A, module(gives=gives))), **changes)))
    return query(state, a_request(A, "ask", b"question") if request is None else request, effective_id)


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
