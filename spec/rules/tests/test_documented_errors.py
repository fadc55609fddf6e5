"""Errors that the documentation of production lists, and what they are in the interface specification."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.rules.tests.services import module_with_globals
from spec.rules.tests.worlds import (
    NOW,
    USER,
    A,
    B,
    a_context,
    asked,
    canister,
    code,
    fire,
    from_canister,
    managing,
    refusal,
)
from spec.state.canister import Running, Stopped, Stopping
from spec.state.message import ResponseMessage
from spec.state.origin import Expired
from spec.transition import Step
from spec.values import management
from spec.values.containers import List, Queue
from spec.values.identifiers import SnapshotId
from spec.values.rejects import RejectCode, RejectReason, system_reject

OVERSUBSCRIBED = management.SettingsArguments(compute_allocation=50)
TOO_MUCH_MEMORY = management.SettingsArguments(memory_allocation=2**40)
INSTALLATION = management.InstallCodeArguments(management.InstallMode(), A, b"", b"")
TAKING = management.TakeSnapshotArguments(A)
SNAPSHOT = SnapshotId(b"of B")
LOADING = management.LoadSnapshotArguments(A, SnapshotId(b"id"))


@pytest.mark.checklist("unspec.error.capacity")
@pytest.mark.parametrize(
    ("method_name", "arguments"),
    [
        pytest.param("install_code", INSTALLATION, marks=pytest.mark.checklist("error.install-rate-limited")),
        pytest.param(
            "install_code", INSTALLATION, marks=pytest.mark.checklist("error.subnet-custom-section-oversubscribed")
        ),
        pytest.param(
            "update_settings",
            management.UpdateSettingsArguments(A, OVERSUBSCRIBED),
            marks=pytest.mark.checklist("error.subnet-compute-oversubscribed"),
        ),
        pytest.param(
            "update_settings",
            management.UpdateSettingsArguments(A, TOO_MUCH_MEMORY),
            marks=pytest.mark.checklist("error.subnet-memory-oversubscribed"),
        ),
        pytest.param(
            "create_canister",
            management.CreateCanisterArguments(),
            marks=pytest.mark.checklist("error.subnet-out-of-ids", "error.subnet-max-canisters"),
        ),
        pytest.param("take_canister_snapshot", TAKING, marks=pytest.mark.checklist("error.snapshot-heap-delta")),
        pytest.param("load_canister_snapshot", LOADING, marks=pytest.mark.checklist("error.snapshot-long-execution")),
        pytest.param(
            "delete_canister",
            management.CanisterIdArguments(A),
            marks=pytest.mark.checklist("error.delete-queue-not-empty"),
        ),
    ],
)
def test_a_call_for_which_there_is_no_capacity_is_rejected_and_changes_nothing(method_name, arguments):
    state = managing((A, canister(A)), call=asked(arguments, method_name))
    fired = fire(state, "spontaneous_call_rejection", message_id=0, code=RejectCode.SYS_TRANSIENT)
    reject = system_reject(RejectCode.SYS_TRANSIENT, RejectReason.SYSTEM_OVERLOADED)
    response = ResponseMessage(state.messages[0].origin, reject, state.messages[0].transferred_cycles)
    assert fired == Step(evolve(state, messages=Queue(((1, response),), 2)))


@pytest.mark.checklist("error.delete-self")
@pytest.mark.parametrize("status", [Running(), Stopping()])
def test_a_canister_cannot_delete_itself_as_it_is_not_stopped_while_it_waits_for_the_answer(status):
    call = asked(management.CanisterIdArguments(A), "delete_canister", A, origin=from_canister(1))
    state = managing((A, canister(A, controllers=List.of(A), status=status)), call=call)
    state = evolve(state, call_contexts=state.call_contexts.set(1, a_context(A)))
    found = refusal(state, "delete_canister", message_id=0)
    assert found.reject == system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_NOT_STOPPED)
    refusal(state, "stop_completion", canister_id=A)


@pytest.mark.checklist("error.delete-self")
def test_a_canister_that_no_longer_waits_for_the_answer_and_is_stopped_cannot_delete_itself_either():
    origin = evolve(from_canister(1), deadline=Expired(NOW))
    call = asked(management.CanisterIdArguments(A), "delete_canister", A, origin=origin)
    state = managing((A, canister(A, controllers=List.of(A, USER), status=Stopped())), call=call)
    found = refusal(state, "delete_canister", message_id=0)
    assert found.reject == system_reject(RejectCode.CANISTER_ERROR, RejectReason.NOT_AUTHORIZED)
    others = evolve(state, messages=Queue().append(evolve(call, caller=Caller(USER))))
    assert A not in fire(others, "delete_canister", message_id=0).state.canisters


@pytest.mark.checklist(
    "error.snapshot-invalid-ownership",
    "prod.ee_canister_snapshots.take_canister_snapshot_fails_canister_does_not_own_replace_snapshot",
    "prod.ee_canister_snapshots.delete_canister_snapshot_fails_snapshot_does_not_belong_to_canister",
)
@pytest.mark.parametrize(
    ("method_name", "arguments", "choices"),
    [
        (
            "take_canister_snapshot",
            management.TakeSnapshotArguments(A, SNAPSHOT),
            {"snapshot_id": SnapshotId(b"fresh")},
        ),
        ("delete_canister_snapshot", management.SnapshotArguments(A, SNAPSHOT), {}),
        ("read_canister_snapshot_metadata", management.SnapshotArguments(A, SNAPSHOT), {}),
    ],
)
def test_a_snapshot_of_another_canister_counts_as_missing(method_name, arguments, choices):
    one, other = (canister(name, code(name, module_with_globals())) for name in (A, B))
    taken = fire(
        managing((B, other), call=asked(management.TakeSnapshotArguments(B), "take_canister_snapshot")),
        "take_canister_snapshot",
        message_id=0,
        snapshot_id=SNAPSHOT,
    ).state.canisters[B]
    state = managing((A, one), (B, taken), call=asked(arguments, method_name))
    found = refusal(state, method_name, message_id=0, **choices)
    assert found.reject == system_reject(RejectCode.CANISTER_REJECT, RejectReason.SNAPSHOT_NOT_FOUND)
    nowhere = refusal(managing((A, one), call=asked(arguments, method_name)), method_name, message_id=0, **choices)
    assert nowhere.reject == system_reject(RejectCode.DESTINATION_INVALID, RejectReason.SNAPSHOT_NOT_FOUND)
    own = managing((A, evolve(one, snapshots=taken.snapshots)), call=asked(arguments, method_name))
    fire(own, method_name, message_id=0, **choices)
