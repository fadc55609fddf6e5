"""Certified state reads: which paths who may read where, and what the answer reveals."""

import pytest
from attrs import evolve

from spec.certification.hash_tree import (
    Absent,
    Found,
    NoValue,
    Unknown,
    hash_tree,
    is_well_formed,
    lookup_path,
    reconstruct,
)
from spec.reads.answers import Endpoint
from spec.reads.read_state import ReadStateRefused, ReadStateRequest, ReadStateResponse, read_state
from spec.reads.state_tree import state_tree
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.worlds import (
    NOW,
    STRANGER,
    SUBNET,
    USER,
    A,
    B,
    C,
    a_request,
    canister,
    code,
    module,
    world,
)
from spec.state.canister import Empty
from spec.state.network import ApiBoundaryNode, CanisterRange, SubnetRecord
from spec.state.request import Done, KnownRequest, Processing, Received, Rejected, Replied
from spec.values.containers import List, Map
from spec.values.identifiers import ANONYMOUS, Principal, RequestId, self_authenticating_id
from spec.values.leb128 import encode_unsigned
from spec.values.rejects import RejectCode, RejectReason, system_reject

ROOT_KEY = b"root key"
ROOT, OWN, OTHER = self_authenticating_id(ROOT_KEY), SUBNET.subnet_id, Principal(b"other subnet")
NODE = Principal(b"node")
REQUEST = a_request(A, "go")
REQUEST_ID = request_id_of(REQUEST)
UNKNOWN = RequestId(bytes(32))
OF_SUBNET = RequestId(b"s" * 32)
REJECT = system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED, "ouch")


def subnet(first, last):
    return SubnetRecord(
        b"key", "application", List.of(CanisterRange(first, last)), Map.of([(NODE, b"node key")]), b"metrics"
    )


def a_world(status=None):
    """Canister A with custom sections, an empty canister B, a request at A, three subnets and a boundary node."""
    sections = {
        "public_custom_sections": Map.of([("shown", b"public")]),
        "private_custom_sections": Map.of([("hidden", b"private")]),
    }
    known = {
        REQUEST_ID: KnownRequest(REQUEST, Processing() if status is None else status, A),
        OF_SUBNET: KnownRequest(evolve(REQUEST, nonce=b"s"), Received(), OWN),
    }
    far = Principal(b"\xff" * 8 + b"\x01\x01")
    return world(
        (A, canister(A, code(A, module(**sections)), certified_data=b"certified")),
        (B, canister(B, Empty())),
        requests=Map.of(known.items()),
        subnets=Map.of([(ROOT, subnet(far, far)), (OWN, subnet(A, C)), (OTHER, subnet(far, far))]),
        api_boundary_nodes=Map.of([(NODE, ApiBoundaryNode("node.example", "::1"))]),
    )


def reading(*paths, sender=USER, endpoint=Endpoint.CANISTER, effective_id=None, state=None, targets=None, **changes):
    place = (A if endpoint is Endpoint.CANISTER else OWN) if effective_id is None else effective_id
    request = evolve(ReadStateRequest(b"", NOW, sender, List(paths)), **changes)
    return read_state(a_world() if state is None else state, request, endpoint, place, targets)


def is_allowed(*paths, **rest):
    answer = reading(*paths, **rest)
    assert answer == ReadStateRefused(RejectReason.NOT_AUTHORIZED) or isinstance(answer, ReadStateResponse)
    return isinstance(answer, ReadStateResponse)


# Access

BOTH, CANISTER_ONLY, SUBNET_ONLY, NEVER = "both", "canister", "subnet", "never"
WHERE = {
    (b"time",): BOTH,
    (b"time", b"more"): NEVER,
    (): NEVER,
    (b"nonsense",): NEVER,
    (b"api_boundary_nodes",): BOTH,
    (b"api_boundary_nodes", NODE): BOTH,
    (b"api_boundary_nodes", NODE, b"domain"): BOTH,
    (b"api_boundary_nodes", NODE, b"ipv4_address"): BOTH,
    (b"api_boundary_nodes", NODE, b"ipv6_address"): BOTH,
    (b"api_boundary_nodes", NODE, b"owner"): NEVER,
    (b"canister_ranges",): NEVER,
    (b"canister_ranges", OWN): SUBNET_ONLY,
    (b"canister_ranges", OTHER): SUBNET_ONLY,
    (b"canister_ranges", OWN, A): NEVER,
    (b"subnet",): BOTH,
    (b"subnet", OTHER): BOTH,
    (b"subnet", b"unknown"): BOTH,
    (b"subnet", OTHER, b"public_key"): BOTH,
    (b"subnet", OTHER, b"type"): BOTH,
    (b"subnet", OTHER, b"node"): BOTH,
    (b"subnet", OTHER, b"node", NODE): BOTH,
    (b"subnet", OTHER, b"node", NODE, b"public_key"): BOTH,
    (b"subnet", OTHER, b"node", NODE, b"secret"): NEVER,
    (b"subnet", OTHER, b"secret"): NEVER,
    (b"subnet", ROOT, b"canister_ranges"): BOTH,
    (b"subnet", OWN, b"canister_ranges"): NEVER,
    (b"subnet", OWN, b"metrics"): SUBNET_ONLY,
    (b"subnet", OTHER, b"metrics"): NEVER,
    (b"canister",): NEVER,
    (b"canister", A): NEVER,
    (b"canister", A, b"module_hash"): CANISTER_ONLY,
    (b"canister", A, b"controllers"): CANISTER_ONLY,
    (b"canister", A, b"canister_creation_timestamp"): CANISTER_ONLY,
    (b"canister", A, b"last_install_timestamp"): CANISTER_ONLY,
    (b"canister", A, b"metadata", b"shown"): CANISTER_ONLY,
    (b"canister", A, b"metadata", b"absent"): CANISTER_ONLY,
    (b"canister", A, b"metadata", b"\xff"): NEVER,
    (b"canister", A, b"metadata"): NEVER,
    (b"canister", A, b"metadata", b"shown", b"more"): NEVER,
    (b"canister", A, b"certified_data"): NEVER,
    (b"canister", A, b"module_hash", b"more"): NEVER,
    (b"canister", B, b"module_hash"): NEVER,
    (b"canister", B, b"controllers"): NEVER,
    (b"canister", B, b"metadata", b"shown"): NEVER,
    (b"request_status",): NEVER,
    (b"request_status", UNKNOWN): BOTH,
    (b"request_status", UNKNOWN, b"status"): BOTH,
    (b"request_status", UNKNOWN, b"secret"): NEVER,
    (b"request_status", UNKNOWN, b"status", b"more"): NEVER,
}
"""For every shape of path, at which endpoint anybody may read it."""


@pytest.mark.checklist(
    "rule.read-state.may-read-canister",
    "rule.read-state.may-read-subnet",
    "rule.read-state.canister-endpoint",
    "rule.read-state.subnet-endpoint",
    "http.read-state.certified-data-hidden",
    "http.read-state.forbidden",
    "unspec.env.read-state-forbidden",
)
@pytest.mark.parametrize("path", WHERE)
@pytest.mark.parametrize("sender", [STRANGER, ANONYMOUS])
def test_what_everybody_may_read(path, sender):
    where = {endpoint.value for endpoint in Endpoint if is_allowed(path, sender=sender, endpoint=endpoint)}
    assert where == {BOTH: {"canister", "subnet"}, NEVER: set()}.get(WHERE[path], {WHERE[path]})


@pytest.mark.checklist("rule.read-state.may-read-canister")
def test_private_sections_are_for_controllers():
    hidden = (b"canister", A, b"metadata", b"hidden")
    assert is_allowed(hidden, sender=USER)
    assert not is_allowed(hidden, sender=STRANGER)
    assert not is_allowed(hidden, sender=USER, endpoint=Endpoint.SUBNET)


@pytest.mark.checklist("rule.read-state.may-read-canister")
@pytest.mark.parametrize("canister_id", [B, C])
def test_all_names_of_sections_may_be_asked_for_where_there_is_no_code(canister_id):
    path = (b"canister", canister_id, b"metadata", b"hidden")
    assert is_allowed(path, sender=STRANGER, effective_id=canister_id)


@pytest.mark.checklist("rule.read-state.may-read-canister", "rule.read-state.may-read-subnet")
@pytest.mark.parametrize("leaf", [(), *((name,) for name in (b"status", b"reply", b"reject_code", b"error_code"))])
def test_only_the_sender_reads_how_far_a_request_is_and_where_it_was_submitted(leaf):
    at_canister, at_subnet = (b"request_status", REQUEST_ID, *leaf), (b"request_status", OF_SUBNET, *leaf)
    assert is_allowed(at_canister)
    assert not is_allowed(at_canister, sender=STRANGER)
    assert not is_allowed(at_canister, effective_id=B)
    assert not is_allowed(at_canister, endpoint=Endpoint.SUBNET)
    assert is_allowed(at_subnet, endpoint=Endpoint.SUBNET)
    assert not is_allowed(at_subnet, endpoint=Endpoint.SUBNET, sender=STRANGER)
    assert not is_allowed(at_subnet, endpoint=Endpoint.SUBNET, effective_id=OTHER)
    assert not is_allowed(at_subnet)


@pytest.mark.checklist("rule.read-state.canister-endpoint", "http.delegation.targets")
def test_a_delegation_that_reads_a_request_names_its_canister():
    path = (b"request_status", REQUEST_ID, b"status")
    assert is_allowed(path, targets=List.of(A))
    assert not is_allowed(path, targets=List.of(B))
    assert is_allowed((b"request_status", UNKNOWN), targets=List.of(B))
    assert is_allowed((b"time",), targets=List())


@pytest.mark.checklist("rule.read-state.canister-endpoint", "rule.read-state.subnet-endpoint")
@pytest.mark.parametrize("endpoint", Endpoint)
def test_one_path_that_may_not_be_read_refuses_all(endpoint):
    assert not is_allowed((b"time",), (b"nonsense",), endpoint=endpoint)


@pytest.mark.checklist("rule.read-state.canister-endpoint", "rule.read-state.subnet-endpoint")
@pytest.mark.parametrize("endpoint", Endpoint)
def test_reads_are_well_formed_and_have_not_expired_unless_nobody_in_particular_reads(endpoint):
    malformed = ReadStateRefused(RejectReason.INVALID_ARGUMENT)
    assert reading((b"time",), endpoint=endpoint, nonce=bytes(33)) == malformed
    assert isinstance(reading((b"time",), endpoint=endpoint, nonce=bytes(32)), ReadStateResponse)
    late = ReadStateRefused(RejectReason.REQUEST_EXPIRED)
    assert reading((b"time",), endpoint=endpoint, ingress_expiry=NOW - 1) == late
    assert is_allowed((b"time",), endpoint=endpoint, ingress_expiry=NOW - 1, sender=ANONYMOUS)


@pytest.mark.checklist("http.endpoint.read-state-v3-canister", "http.read-state.one-request-id")
def test_there_are_at_most_a_thousand_paths_of_at_most_127_labels():
    malformed = ReadStateRefused(RejectReason.INVALID_ARGUMENT)
    assert is_allowed(*[(b"time",)] * 1000)
    assert reading(*[(b"time",)] * 1001) == malformed
    assert reading((b"x",) * 128) == malformed
    assert not is_allowed((b"x",) * 127)


@pytest.mark.checklist("http.read-state.one-request-id", "http.read-state.one-ranges-subnet")
def test_one_request_asks_for_one_request_and_for_the_ranges_of_one_subnet():
    malformed = ReadStateRefused(RejectReason.INVALID_ARGUMENT)
    status, reply = (b"request_status", REQUEST_ID, b"status"), (b"request_status", REQUEST_ID, b"reply")
    assert is_allowed(status, reply)
    assert reading(status, (b"request_status", UNKNOWN, b"status")) == malformed
    own, other = (b"canister_ranges", OWN), (b"canister_ranges", OTHER)
    assert is_allowed(own, own, endpoint=Endpoint.SUBNET)
    assert reading(own, other, endpoint=Endpoint.SUBNET) == malformed


# Answers


def tree_of(*paths, **rest):
    answer = reading(*paths, **rest)
    assert isinstance(answer, ReadStateResponse), answer
    return answer.tree


@pytest.mark.checklist(
    "rule.read-state.response",
    "inv.cert.pruning-keeps-root",
    "inv.cert.time-always-present",
    "inv.cert.well-formed",
    "cert.time",
    "inv.reads-do-not-change-state",
)
@pytest.mark.parametrize("path", [path for path in WHERE if WHERE[path] != NEVER])
def test_every_answer_has_the_root_hash_of_the_whole_tree_and_the_time(path):
    state = a_world()
    whole = hash_tree(state_tree(state))
    for endpoint in Endpoint:
        answer = reading(path, sender=STRANGER, endpoint=endpoint, state=state)
        if WHERE[path] not in (BOTH, endpoint.value):
            assert not isinstance(answer, ReadStateResponse)
            continue
        assert reconstruct(answer.tree) == reconstruct(whole)
        assert is_well_formed(answer.tree)
        assert lookup_path((b"time",), answer.tree) == Found(encode_unsigned(NOW))
        if path[:1] + path[2:3] != (b"subnet", b"node"):
            assert lookup_path(path, answer.tree) == lookup_path(path, whole) != Unknown()


@pytest.mark.checklist("rule.read-state.response", "cert.use.confidentiality", "unspec.value.hash-leaks")
def test_what_was_not_asked_for_is_not_revealed():
    tree = tree_of((b"canister", A, b"controllers"))
    for hidden in (b"module_hash", b"certified_data"):
        assert lookup_path((b"canister", A, hidden), tree) == Unknown()
    assert lookup_path((b"request_status", REQUEST_ID, b"status"), tree) == Unknown()


@pytest.mark.checklist("http.read-state.prefix", "unspec.value.subnet-state-tree")
@pytest.mark.parametrize("endpoint", Endpoint)
@pytest.mark.parametrize("prefix", ["all subnets", "each subnet"])
def test_all_below_a_path_is_revealed_but_nodes_and_metrics_of_other_subnets(endpoint, prefix):
    paths = [(b"subnet",)] if prefix == "all subnets" else [(b"subnet", known) for known in (ROOT, OWN, OTHER)]
    tree = tree_of(*paths, endpoint=endpoint)
    for known in (ROOT, OWN, OTHER):
        assert lookup_path((b"subnet", known, b"public_key"), tree) == Found(b"key")
        assert lookup_path((b"subnet", known, b"type"), tree) == Found(b"application")
    assert lookup_path((b"subnet", OWN, b"metrics"), tree) == Found(b"metrics")
    assert lookup_path((b"subnet", OWN, b"node", NODE, b"public_key"), tree) == Found(b"node key")
    for other in (ROOT, OTHER):
        assert lookup_path((b"subnet", other, b"metrics"), tree) == Unknown()
        assert lookup_path((b"subnet", other, b"node", NODE, b"public_key"), tree) == Unknown()
    assert isinstance(lookup_path((b"subnet", ROOT, b"canister_ranges"), tree), Found)
    assert lookup_path((b"subnet", OWN, b"canister_ranges"), tree) == Absent()
    assert lookup_path((b"subnet", OTHER, b"canister_ranges"), tree) == Absent()


@pytest.mark.checklist("http.read-state.prefix")
def test_nodes_of_another_subnet_may_be_asked_for_and_are_not_revealed():
    tree = tree_of((b"subnet", OTHER, b"node", NODE, b"public_key"))
    assert lookup_path((b"subnet", OTHER, b"node", NODE, b"public_key"), tree) == Unknown()


@pytest.mark.checklist(
    "def.request-status-tree",
    "rule.read-state.response",
    "http.read-state.prefix",
    "http.error-code",
    "http.path.request-status.status",
    "http.path.request-status.error-code",
)
@pytest.mark.parametrize(
    ("status", "leaves"),
    [
        (Received(), {b"status": b"received"}),
        (Processing(), {b"status": b"processing"}),
        (Done(), {b"status": b"done"}),
        (Replied(b"data"), {b"status": b"replied", b"reply": b"data"}),
        (
            Rejected(REJECT),
            {
                b"status": b"rejected",
                b"reject_code": b"\x05",
                b"reject_message": REJECT.message.encode(),
                b"error_code": b"CANISTER_TRAPPED",
            },
        ),
    ],
)
def test_the_status_of_a_request_is_revealed_with_the_leaves_of_its_kind(status, leaves):
    tree = tree_of((b"request_status", REQUEST_ID), state=a_world(status))
    for leaf in (b"status", b"reply", b"reject_code", b"reject_message", b"error_code"):
        expected = Found(leaves[leaf]) if leaf in leaves else Absent()
        assert lookup_path((b"request_status", REQUEST_ID, leaf), tree) == expected


@pytest.mark.checklist("def.state-tree", "cert.state-tree-contents", "rule.read-state.response")
def test_the_tree_has_module_hash_and_time_of_installation_only_where_there_is_code():
    tree = hash_tree(state_tree(a_world()))
    for leaf in (b"module_hash", b"last_install_timestamp"):
        assert isinstance(lookup_path((b"canister", A, leaf), tree), Found)
        assert lookup_path((b"canister", B, leaf), tree) == Absent()
    for canister_id in (A, B):
        assert isinstance(lookup_path((b"canister", canister_id, b"controllers"), tree), Found)
        created = lookup_path((b"canister", canister_id, b"canister_creation_timestamp"), tree)
        assert created == Found(encode_unsigned(NOW - 5))
    assert lookup_path((b"canister", A, b"metadata", b"shown"), tree) == Found(b"public")
    assert lookup_path((b"canister", A, b"metadata", b"hidden"), tree) == Found(b"private")
    assert lookup_path((b"canister", A, b"certified_data"), tree) == Found(b"certified")
    assert lookup_path((b"canister", C, b"controllers"), tree) == Absent()


@pytest.mark.checklist("def.state-tree", "cert.state-tree-contents", "inv.cert.tree-prefix-free")
def test_the_tree_has_boundary_nodes_and_the_ranges_of_every_subnet():
    tree = hash_tree(state_tree(a_world()))
    assert lookup_path((b"api_boundary_nodes", NODE, b"domain"), tree) == Found(b"node.example")
    assert lookup_path((b"api_boundary_nodes", NODE, b"ipv6_address"), tree) == Found(b"::1")
    assert lookup_path((b"api_boundary_nodes", NODE, b"ipv4_address"), tree) == Absent()
    assert lookup_path((b"canister_ranges", OWN), tree) == NoValue()
    assert isinstance(lookup_path((b"canister_ranges", OWN, A), tree), Found)
    assert is_well_formed(tree)
