"""Which calls about chunks, snapshots, information and the outside world users may make."""

import pytest
from attrs import evolve

from spec.rules.tests.worlds import ADMIN, STRANGER, SUBNET, USER, A, B, a_request, canister, fire, refusal, world
from spec.values import management
from spec.values.canister_terms import AllowedViewers
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, SnapshotId
from spec.values.management import EcdsaCurve, EcdsaKeyId, HttpRequestArguments
from spec.values.rejects import RejectReason

ID = SnapshotId(b"snapshot")
CONTROLLERS_ONLY = {
    "upload_chunk": management.UploadChunkArguments(A, b""),
    "clear_chunk_store": management.CanisterIdArguments(A),
    "stored_chunks": management.CanisterIdArguments(A),
    "install_chunked_code": management.InstallChunkedCodeArguments(management.InstallMode(), A, b"", B),
    "take_canister_snapshot": management.TakeSnapshotArguments(A),
    "load_canister_snapshot": management.LoadSnapshotArguments(A, ID),
    "delete_canister_snapshot": management.SnapshotArguments(A, ID),
    "upload_canister_snapshot_metadata": management.UploadSnapshotMetadataArguments(A, 0, 0, 0),
    "upload_canister_snapshot_data": management.UploadSnapshotDataArguments(A, ID, management.StoredChunk(), b""),
}
BY_VISIBILITY = {
    "list_canister_snapshots": management.CanisterIdArguments(A),
    "read_canister_snapshot_metadata": management.SnapshotArguments(A, ID),
    "read_canister_snapshot_data": management.ReadSnapshotDataArguments(A, ID, management.ModulePart(0, 0)),
}
CANISTERS_ONLY = {
    "canister_info": management.CanisterInfoArguments(A),
    "canister_metadata": management.CanisterMetadataArguments(A, "name"),
    "http_request": HttpRequestArguments("https://example.org"),
    "sign_with_ecdsa": management.SignWithEcdsaArguments(bytes(32), EcdsaKeyId(EcdsaCurve.SECP256K1, "key_1")),
    "subnet_info": management.SubnetInfoArguments(SUBNET.subnet_id),
}


def submitted(method_name, arguments, sender, **settings):
    """A state, and the choices with which a user submits a call."""
    state = world((A, canister(A, **settings)), subnet_admins=Map.of([(SUBNET.subnet_id, List.of(ADMIN))]))
    request = a_request(MANAGEMENT_CANISTER, method_name, management.encode_arguments(arguments))
    return state, {"request": evolve(request, sender=sender), "effective_id": A}


def is_taken_in(method_name, arguments, sender, **settings):
    """The call becomes known."""
    state, choices = submitted(method_name, arguments, sender, **settings)
    return bool(fire(state, "submit_management_request", **choices))


def is_refused_as_ingress(method_name, arguments, sender, **settings):
    """The call does not become known, because the user may not make it."""
    state, choices = submitted(method_name, arguments, sender, **settings)
    reject = refusal(state, "submit_management_request", **choices).reject
    return reject is not None and reject.reason is RejectReason.NOT_AUTHORIZED


@pytest.mark.checklist("rule.submit-call.mgmt-controller-methods")
@pytest.mark.parametrize("method_name", CONTROLLERS_ONLY)
def test_controllers_alone_change_chunks_and_snapshots(method_name):
    arguments = CONTROLLERS_ONLY[method_name]
    assert is_taken_in(method_name, arguments, USER)
    for sender in (ADMIN, STRANGER):
        assert is_refused_as_ingress(method_name, arguments, sender)


@pytest.mark.checklist("rule.submit-call.mgmt-controller-methods", "setting.snapshot-visibility")
@pytest.mark.parametrize("method_name", BY_VISIBILITY)
def test_snapshots_are_read_by_whom_their_visibility_admits(method_name):
    arguments, viewers = BY_VISIBILITY[method_name], AllowedViewers(List.of(ADMIN))
    assert is_taken_in(method_name, arguments, USER)
    assert is_refused_as_ingress(method_name, arguments, ADMIN)
    assert is_taken_in(method_name, arguments, ADMIN, snapshot_visibility=viewers)
    assert is_refused_as_ingress(method_name, arguments, STRANGER, snapshot_visibility=viewers)


@pytest.mark.checklist("rule.submit-call.mgmt-admin-methods")
def test_controllers_and_admins_ask_for_metrics():
    arguments = management.CanisterIdArguments(A)
    assert is_taken_in("canister_metrics", arguments, USER)
    assert is_taken_in("canister_metrics", arguments, ADMIN)
    assert is_refused_as_ingress("canister_metrics", arguments, STRANGER)


@pytest.mark.checklist("mgmt.canister-info", "mgmt.canister-metadata", "mgmt.http-request", "mgmt.sign-with-ecdsa")
@pytest.mark.parametrize("method_name", CANISTERS_ONLY)
def test_users_do_not_make_calls_that_are_for_canisters(method_name):
    assert is_refused_as_ingress(method_name, CANISTERS_ONLY[method_name], USER)
