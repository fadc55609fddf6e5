"""Labels as JSON, both ways."""

import json

import pytest

from reference_impl.rounds.transitions import TRANSITIONS
from reference_impl.server import wire
from spec.state.label import Label
from spec.values.containers import List
from spec.values.management import (
    CyclesConsumed,
    HttpHeader,
    HttpResponse,
    NodeMetricsSample,
)

LABELS = [
    Label("sign_with_ecdsa", {"message_id": 3, "signature": bytes(64)}),
    Label("http_request", {"message_id": 3, "answer": HttpResponse(200, List.of(HttpHeader("a", "é")), b"body")}),
    Label("canister_metrics", {"message_id": 3, "metrics": CyclesConsumed(memory=2**100)}),
    Label("node_metrics_history", {"message_id": 3, "samples": List.of(NodeMetricsSample(7))}),
    Label("bitcoin_get_current_fee_percentiles", {"message_id": 3, "percentiles": List.of(*range(101))}),
    Label("subnet_info", {"message_id": 3, "replica_version": "one", "registry_version": 2}),
    Label("subnet_admins_change", {"subnet_id": b"subnet", "admins": List.of(b"one", b"two")}),
    Label("payment_from_main_balance", {"canister_id": b"canister", "balance": 2**100}),
    Label("take_canister_snapshot", {"message_id": 3, "snapshot_id": b"id"}),
]


def test_every_choice_of_a_transition_can_be_read():
    """Whoever schedules may name each of them."""
    names = {name for transition in TRANSITIONS.values() for name in transition.choices}
    assert names <= wire.CHOICES.keys() | wire.RESULTS
    assert wire.CHOICES.keys() | wire.RESULTS <= names


@pytest.mark.parametrize("label", LABELS, ids=lambda label: label.rule)
def test_a_label_that_is_written_reads_as_itself(label):
    written = json.loads(json.dumps(wire.label(label)))
    assert wire.label_of(written, "label") == label


@pytest.mark.parametrize(
    ("rule", "choices"),
    [
        ("http_request", {"answer": "0x00"}),
        ("heartbeat_context_creation", {"answer": "0x00"}),
        ("http_request", {"unknown": 1}),
        ("subnet_admins_change", {"admins": 1}),
    ],
)
def test_choices_that_cannot_be_read_are_told(rule, choices):
    with pytest.raises(wire.Malformed):
        wire.label_of({"rule": rule, "choices": choices}, "label")
