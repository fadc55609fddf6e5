"""Canisters learn about canisters, nodes and subnets."""

import hashlib

import pytest
from attrs import evolve

from spec.rules.tests.services import answer, rejection, reply_of
from spec.rules.tests.worlds import (
    ADMIN,
    NOW,
    STRANGER,
    SUBNET,
    USER,
    A,
    asked,
    canister,
    code,
    fire,
    is_refused,
    managing,
    module,
)
from spec.state.canister import Empty
from spec.state.history import CanisterHistory, Change, ChangeFromUser, CodeUninstall, ControllersChange, Creation
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import Principal
from spec.values.rejects import RejectReason

CHANGES = (
    Change(NOW - 3, 0, ChangeFromUser(USER), Creation(List.of(USER), None)),
    Change(NOW - 2, 1, ChangeFromUser(USER), CodeUninstall()),
    Change(NOW - 1, 2, ChangeFromUser(USER), ControllersChange(List())),
)
DAY = 86_400 * 10**9
MIDNIGHT = NOW // DAY * DAY


def asking(arguments, method_name, caller=STRANGER, managed=None, **changes):
    canisters = () if managed is None else ((A, managed),)
    return managing(*canisters, call=asked(arguments, method_name, caller), **changes)


@pytest.mark.checklist("rule.mgmt.canister-info", "mgmt.canister-info", "prod.canister_history.canister_info_retrieval")
@pytest.mark.parametrize(("number", "shown"), [(None, 0), (0, 0), (2, 2), (3, 3), (90, 3)])
def test_anyone_learns_the_newest_changes_of_a_canister(number, shown):
    managed = canister(A, history=CanisterHistory(5, List(CHANGES)))
    state = asking(management.CanisterInfoArguments(A, number), "canister_info", managed=managed)
    after = fire(state, "canister_info", message_id=0).state
    assert management.decode_result("canister_info", reply_of(after)) == management.CanisterInfoResult(
        total_num_changes=5,
        recent_changes=List(CHANGES[3 - shown :]),
        module_hash=hashlib.sha256(managed.code.raw_module).digest(),
        controllers=List.of(USER),
    )
    assert answer(after)[1] == 1_000_000


@pytest.mark.checklist("rule.mgmt.canister-info", "error.canister-not-found")
def test_an_empty_canister_has_no_module_hash_and_a_missing_one_no_information():
    arguments = management.CanisterInfoArguments(A)
    after = fire(asking(arguments, "canister_info", managed=canister(A, Empty())), "canister_info", message_id=0).state
    assert management.decode_result("canister_info", reply_of(after)).module_hash is None
    assert rejection(asking(arguments, "canister_info")) is RejectReason.CANISTER_NOT_FOUND


def reading(name, caller=STRANGER, managed=None):
    sections = {
        "public_custom_sections": Map.of([("open", b"for all")]),
        "private_custom_sections": Map.of([("secret", b"for few")]),
    }
    known = canister(A, code(A, module(**sections))) if managed is None else managed
    return asking(management.CanisterMetadataArguments(A, name), "canister_metadata", caller, known)


@pytest.mark.checklist(
    "rule.mgmt.canister-metadata",
    "mgmt.canister-metadata",
    "prod.ee_tests.get_canister_metadata_private_section_succeeds_for_controller",
)
@pytest.mark.parametrize(
    ("name", "caller", "content"),
    [("open", STRANGER, b"for all"), ("open", USER, b"for all"), ("secret", USER, b"for few")],
)
def test_public_sections_are_for_all_and_private_ones_for_controllers(name, caller, content):
    after = fire(reading(name, caller), "canister_metadata", message_id=0).state
    assert management.decode_result("canister_metadata", reply_of(after)) == content


@pytest.mark.checklist(
    "rule.mgmt.canister-metadata",
    "error.metadata-section-not-found",
    "error.metadata-no-module",
    "prod.ee_tests.get_canister_metadata_private_section_fails",
)
def test_missing_and_hidden_sections_cannot_be_told_apart():
    assert rejection(reading("secret")) is RejectReason.METADATA_NOT_FOUND
    assert rejection(reading("absent")) is RejectReason.METADATA_NOT_FOUND
    assert rejection(reading("open", managed=canister(A, Empty()))) is RejectReason.CANISTER_HAS_NO_CODE


@pytest.mark.checklist(
    "rule.mgmt.canister-metrics.update",
    "mgmt.canister-metrics",
    "unspec.value.canister-metrics",
    "prod.canister_manager.can_retrieve_canister_metrics_for_canister_normal_schedule",
)
@pytest.mark.parametrize("caller", [USER, ADMIN])
def test_controllers_and_admins_see_metrics(caller):
    admins = Map.of([(SUBNET.subnet_id, List.of(ADMIN))])
    state = asking(management.CanisterIdArguments(A), "canister_metrics", caller, canister(A), subnet_admins=admins)
    metrics = management.CyclesConsumed(memory=5, burned_cycles=6)
    after = fire(state, "canister_metrics", message_id=0, metrics=metrics).state
    assert management.decode_result("canister_metrics", reply_of(after)) == metrics
    negative = evolve(metrics, uninstall=-1)
    assert is_refused(state, "canister_metrics", "no number is negative", message_id=0, metrics=negative)


@pytest.mark.checklist("rule.mgmt.canister-metrics.update")
def test_others_do_not_see_metrics():
    state = asking(management.CanisterIdArguments(A), "canister_metrics", managed=canister(A))
    assert rejection(state) is RejectReason.NOT_AUTHORIZED


def sample(time):
    return management.NodeMetricsSample(time, List.of(management.NodeMetrics(Principal(b"node"), 4, 1)))


HISTORY = management.NodeMetricsHistoryArguments(SUBNET.subnet_id, MIDNIGHT)


@pytest.mark.checklist("rule.mgmt.node-metrics-history", "mgmt.node-metrics-history", "unspec.value.node-metrics")
@pytest.mark.parametrize(
    ("times", "is_admitted"),
    [
        ((), True),
        ((MIDNIGHT,), True),
        ((MIDNIGHT + DAY - 1, MIDNIGHT + DAY), True),
        ((MIDNIGHT - 1,), False),
        ((MIDNIGHT + 1, MIDNIGHT + 2), False),
        ((MIDNIGHT + DAY, MIDNIGHT), False),
        (tuple(MIDNIGHT + number * DAY for number in range(60)), True),
        (tuple(MIDNIGHT + number * DAY for number in range(61)), False),
    ],
)
def test_node_metrics_have_one_sample_a_day_from_the_start_on(times, is_admitted):
    samples = List(tuple(map(sample, times)))
    state = asking(HISTORY, "node_metrics_history")
    if is_admitted:
        after = fire(state, "node_metrics_history", message_id=0, samples=samples).state
        assert management.decode_result("node_metrics_history", reply_of(after)) == samples
    else:
        because = "the samples keep within the limits"
        assert is_refused(state, "node_metrics_history", because, message_id=0, samples=samples)


@pytest.mark.checklist("rule.mgmt.subnet-info", "mgmt.subnet-info", "unspec.value.subnet-info")
def test_a_subnet_tells_its_versions():
    state = asking(management.SubnetInfoArguments(SUBNET.subnet_id), "subnet_info")
    after = fire(state, "subnet_info", message_id=0, replica_version="abc", registry_version=9).state
    assert management.decode_result("subnet_info", reply_of(after)) == management.SubnetInfoResult("abc", 9)


@pytest.mark.parametrize("method_name", ["canister_info", "canister_metadata", "node_metrics_history", "subnet_info"])
def test_an_argument_that_does_not_decode_is_rejected(method_name):
    assert rejection(asking(b"DIDL", method_name)) is RejectReason.INVALID_ARGUMENT
