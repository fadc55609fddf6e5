"""What the judge holds readings against is `spec.reads`, and nothing else."""

import ast
from pathlib import Path

import pytest
from attrs import evolve

from conformance.judging import reading
from conformance.judging.reading import values_agree, values_in
from conformance.protocol.interface import Refused, Values
from spec.certification.hash_tree import Found, lookup_path
from spec.reads.answers import Endpoint
from spec.reads.read_state import ReadStateRequest, ReadStateResponse, may_read_path, read_state
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.worlds import NOW, STRANGER, SUBNET, USER, A, a_request, canister, world
from spec.state.canister import Empty
from spec.state.request import KnownRequest, Rejected, Replied
from spec.values.containers import List, Map
from spec.values.rejects import Reject, RejectCode, RejectReason, system_reject

REQUEST = a_request(A, "go")
REQUEST_ID = request_id_of(REQUEST)
STATUS = (b"request_status", REQUEST_ID)
OF_THE_SYSTEM = Rejected(system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED))
OWN = Rejected(Reject(RejectCode.CANISTER_REJECT, "no"))

PATHS = [
    (),
    (b"time",),
    (b"subnet",),
    (b"subnet", SUBNET.subnet_id),
    (b"subnet", SUBNET.subnet_id, b"public_key"),
    (b"subnet", SUBNET.subnet_id, b"type"),
    (b"subnet", SUBNET.subnet_id, b"metrics"),
    (b"canister", A),
    (b"canister", A, b"module_hash"),
    (b"canister", A, b"controllers"),
    (b"canister", A, b"canister_creation_timestamp"),
    (b"canister", A, b"last_install_timestamp"),
    (b"canister", A, b"certified_data"),
    (b"canister", A, b"metadata", b"shown"),
    (b"canister", A, b"metadata", b"\xff\xfe"),
    STATUS,
    (*STATUS, b"status"),
    (*STATUS, b"reply"),
    (*STATUS, b"reject_code"),
    (*STATUS, b"reject_message"),
    (*STATUS, b"error_code"),
    (*STATUS, b"nonsense"),
    (*STATUS, b"status", b"more"),
    (b"api_boundary_nodes",),
    (b"canister_ranges", SUBNET.subnet_id),
]


def state_with(status):
    """A state with an empty canister and one request."""
    state = world((A, canister(A, Empty())))
    return evolve(state, requests=Map.of([(REQUEST_ID, KnownRequest(REQUEST, status, A))]))


@pytest.mark.parametrize("sender", [USER, STRANGER], ids=["the sender", "a stranger"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: repr(b"/".join(path)))
def test_the_judge_lets_read_what_the_specification_lets_read_and_shows_what_it_shows(path, sender) -> None:
    """Each permission, and each value."""
    state = state_with(OF_THE_SYSTEM)
    read = values_in(state, sender, A, [path])
    if not may_read_path(state, sender, Endpoint.CANISTER, A, path):
        assert isinstance(read, Refused)
        return
    answer = read_state(state, ReadStateRequest(b"", NOW, sender, List.of(path)), Endpoint.CANISTER, A)
    assert isinstance(answer, ReadStateResponse)
    found = lookup_path(path, answer.tree)
    assert read == Values((found.value if isinstance(found, Found) else None,))


def test_the_module_states_no_rule_of_reading() -> None:
    """It names no leaf of the tree but those whose values are left open, or the order in them."""
    blobs = {node.value for node in ast.walk(ast.parse(Path(reading.__file__).read_text())) if is_blob(node)}
    open_parts = {b"subnet", b"api_boundary_nodes", b"canister_ranges", b"canister", b"controllers"}
    assert blobs == {b"", b"request_status", b"error_code", b"reject_message", *open_parts}


def is_blob(node: ast.AST) -> bool:
    """The node is a constant of bytes."""
    return isinstance(node, ast.Constant) and isinstance(node.value, bytes)


@pytest.mark.checklist("unspec.value.error-codes", "unspec.value.reject-messages", "unspec.value.subnet-state-tree")
@pytest.mark.parametrize(
    ("status", "path", "value", "agrees"),
    [
        (OF_THE_SYSTEM, (*STATUS, b"error_code"), b"IC0503", True),
        (OF_THE_SYSTEM, (*STATUS, b"error_code"), None, True),
        (OF_THE_SYSTEM, (*STATUS, b"reject_message"), b"any text", True),
        (OF_THE_SYSTEM, (*STATUS, b"reject_message"), None, False),
        (OF_THE_SYSTEM, (*STATUS, b"reject_message"), b"\xff", False),
        (OF_THE_SYSTEM, (*STATUS, b"error_code"), b"\xff", False),
        (OF_THE_SYSTEM, (*STATUS, b"reject_code"), b"\x04", False),
        (OWN, (*STATUS, b"reject_message"), b"no", True),
        (OWN, (*STATUS, b"reject_message"), b"yes", False),
        (Replied(b""), (*STATUS, b"error_code"), b"IC0503", False),
        (Replied(b""), (*STATUS, b"reject_message"), b"any text", False),
        (OWN, (b"subnet", SUBNET.subnet_id, b"type"), b"application", True),
        (OWN, (b"canister", A, b"canister_creation_timestamp"), b"\x00", False),
        (OWN, (b"time",), b"\x00", False),
    ],
)
def test_a_value_that_the_text_leaves_open_may_be_any_and_no_other(status, path, value, agrees) -> None:
    """Of the rejected request, and of the network."""
    state = state_with(status)
    assert values_agree(state, [path], values_in(state, USER, A, [path]), Values((value,))) is agrees
