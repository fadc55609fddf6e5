"""Which error production gives where a management call fails."""

import pytest
from attrs import evolve

from spec.production.errors import error_of, error_of_refusal
from spec.rules.management.rejection import first_reject
from spec.rules.tests.services import module_with_globals, sha256
from spec.rules.tests.worlds import (
    ADMIN,
    NOW,
    STRANGER,
    SUBNET,
    USER,
    A,
    B,
    C,
    asked,
    canister,
    code,
    managing,
    refusal,
)
from spec.state.canister import Empty, Stopped, Stopping
from spec.state.snapshot import Snapshot, SnapshotSource
from spec.values import management
from spec.values.canister_terms import EnvironmentVariable
from spec.values.containers import List, Map
from spec.values.identifiers import SnapshotId
from spec.values.rejects import RejectCode

ABOUT_A = management.CanisterIdArguments(A)
SNAPSHOT = SnapshotId(b"of A")
ADMINS = Map.of([(SUBNET.subnet_id, List.of(ADMIN))])
INSTALL, REINSTALL, UPGRADE = management.InstallMode(), management.ReinstallMode(), management.UpgradeMode()
VARIABLES = List(tuple(EnvironmentVariable(f"name {number}", "value") for number in range(21)))
FULL = (B, canister(B, memory_allocation=10**12))


def calling(method_name, arguments=ABOUT_A, caller=USER, managed=None, others=(), **changes):
    """A state in which a method is called about A, and the name of the method."""
    known = [(A, managed)] if managed is not None else []
    return managing(*known, *others, call=asked(arguments, method_name, caller), **changes)


def installing(mode=INSTALL, raw_module=b"no module", caller=USER, **changes):
    return calling("install_code", management.InstallCodeArguments(mode, A, raw_module), caller, **changes)


def changing(caller=USER, **settings):
    arguments = management.UpdateSettingsArguments(A, management.SettingsArguments(**settings))
    return calling("update_settings", arguments, caller, canister(A, Empty()))


def creating(cycles=10**16, others=(), **settings):
    arguments = management.CreateCanisterArguments(management.SettingsArguments(**settings))
    return managing(*others, call=asked(arguments, caller=C, transferred_cycles=cycles))


def from_chunks(stored, listed, whole):
    arguments = management.InstallChunkedCodeArguments(INSTALL, A, sha256(whole), None, List.of(sha256(listed)), b"")
    store = canister(A, Empty(), chunk_store=Map.of([(sha256(stored), stored)]))
    return calling("install_chunked_code", arguments, managed=store)


def full_of_snapshots():
    own = canister(A, code(A, module_with_globals()))
    snapshot = snapshot_of(own, own.code.raw_module)
    return evolve(own, snapshots=Map.of((SnapshotId(bytes([number])), snapshot) for number in range(10)))


def snapshot_of(own, raw_module):
    return Snapshot(
        source=SnapshotSource.METADATA_UPLOAD,
        taken_at=NOW,
        raw_module=raw_module,
        wasm_state=own.code.wasm_state,
        global_types=List(),
        canister_version=1,
        certified_data=b"",
        global_timer=None,
        low_memory_hook=None,
        chunk_store=Map(),
    )


def with_snapshot(raw_module):
    own = canister(A)
    return evolve(own, snapshots=Map.of([(SNAPSHOT, snapshot_of(own, raw_module))]))


TAKING = {"snapshot_id": SnapshotId(b"new")}
CREATING = {"canister_id": A}
LOADING = management.LoadSnapshotArguments(A, SNAPSHOT)
DELETING = management.SnapshotArguments(A, SNAPSHOT)
WITHOUT_CODE = canister(A, Empty())


@pytest.mark.parametrize(
    ("rule", "choices", "state", "name"),
    [
        pytest.param(
            "update_settings",
            {},
            lambda: changing(wasm_memory_limit=2**48 + 1),
            "CanisterContractViolation",
            marks=pytest.mark.checklist("prod.hypervisor.wasm_memory_limit_cannot_exceed_256_tb"),
        ),
        pytest.param(
            "update_settings",
            {},
            lambda: changing(STRANGER, controllers=List.of(STRANGER)),
            "CanisterInvalidController",
            marks=pytest.mark.checklist("prod.canister_manager.set_controller_with_incorrect_controller"),
        ),
        pytest.param(
            "stop_running_canister",
            {},
            lambda: calling("stop_canister", caller=STRANGER, managed=canister(A)),
            "CanisterInvalidController",
            marks=pytest.mark.checklist(
                "prod.ee_tests.stopping_a_canister_with_incorrect_controller_fails",
                "prod.canister_manager.stop_a_canister_with_incorrect_controller_fails",
            ),
        ),
        pytest.param(
            "start_canister",
            {},
            lambda: calling("start_canister", caller=STRANGER, managed=canister(A)),
            "CanisterInvalidController",
            marks=pytest.mark.checklist("prod.canister_manager.start_a_canister_with_incorrect_controller_fails"),
        ),
        pytest.param(
            "uninstall_code",
            {},
            lambda: calling("uninstall_code", management.UninstallCodeArguments(A), STRANGER, canister(A)),
            "CanisterInvalidController",
            marks=pytest.mark.checklist("prod.canister_manager.uninstall_code_with_wrong_controller_fails"),
        ),
        pytest.param(
            "install_code",
            {},
            lambda: installing(caller=STRANGER, managed=WITHOUT_CODE),
            "CanisterInvalidController",
            marks=pytest.mark.checklist("prod.install_code.install_code_validate_input_controller"),
        ),
        pytest.param(
            "start_canister",
            {},
            lambda: calling("start_canister"),
            "CanisterNotFound",
            marks=pytest.mark.checklist("prod.ee_tests.start_a_non_existing_canister"),
        ),
        pytest.param(
            "canister_status",
            {},
            lambda: calling("canister_status"),
            "CanisterNotFound",
            marks=pytest.mark.checklist(
                "prod.ee_tests.get_canister_status_of_nonexisting_canister",
                "prod.canister_manager.canister_status_of_deleted_canister",
            ),
        ),
        pytest.param(
            "install_code",
            {},
            lambda: installing(),
            "CanisterNotFound",
            marks=pytest.mark.checklist("prod.canister_manager.install_code_on_non_existing_canister_fails"),
        ),
        pytest.param(
            "upgrade_code",
            {},
            lambda: installing(UPGRADE),
            "CanisterNotFound",
            marks=pytest.mark.checklist("prod.canister_manager.install_code_on_non_existing_canister_fails"),
        ),
        pytest.param(
            "delete_canister",
            {},
            lambda: calling("delete_canister", deleted_canisters=List.of(A)),
            "CanisterNotFound",
            marks=pytest.mark.checklist(
                "prod.canister_manager.delete_non_existing_canister_fails",
                "prod.canister_manager.deleting_already_deleted_canister",
            ),
        ),
        pytest.param(
            "delete_canister",
            {},
            lambda: calling("delete_canister", managed=canister(A)),
            "CanisterNotStopped",
            marks=pytest.mark.checklist("prod.canister_manager.delete_running_canister_fails"),
        ),
        pytest.param(
            "delete_canister",
            {},
            lambda: calling("delete_canister", managed=canister(A, status=Stopping())),
            "CanisterNotStopped",
            marks=pytest.mark.checklist("prod.canister_manager.delete_stopping_canister_fails"),
        ),
        pytest.param(
            "install_code",
            {},
            lambda: installing(managed=canister(A)),
            "CanisterNonEmpty",
            marks=pytest.mark.checklist(
                "prod.canister_manager.cannot_install_non_empty_canister",
                "prod.install_code.install_code_validates_execution_state",
            ),
        ),
        pytest.param(
            "install_code",
            {},
            lambda: calling("install_code", b"\x01\x02\x03", managed=WITHOUT_CODE),
            "InvalidManagementPayload",
            marks=pytest.mark.checklist("prod.ee_tests.subnet_canister_request_bad_candid_payload"),
        ),
        pytest.param(
            "take_canister_snapshot",
            TAKING,
            lambda: calling("take_canister_snapshot", b"DIDL\0\0", managed=canister(A)),
            "InvalidManagementPayload",
            marks=pytest.mark.checklist(
                "prod.ee_canister_snapshots.snapshot_request_rejected_because_decode_args_fail"
            ),
        ),
        pytest.param(
            "take_canister_snapshot",
            TAKING,
            lambda: calling("take_canister_snapshot", management.TakeSnapshotArguments(A), STRANGER, canister(A)),
            "CanisterInvalidController",
            marks=pytest.mark.checklist("prod.ee_canister_snapshots.take_canister_snapshot_fails_invalid_controller"),
        ),
        pytest.param(
            "load_canister_snapshot",
            {},
            lambda: calling("load_canister_snapshot", LOADING, STRANGER, canister(A)),
            "CanisterInvalidController",
            marks=pytest.mark.checklist("prod.ee_canister_snapshots.load_canister_snapshot_fails_invalid_controller"),
        ),
        pytest.param(
            "list_canister_snapshots",
            {},
            lambda: calling("list_canister_snapshots", caller=STRANGER, managed=canister(A)),
            "CanisterInvalidController",
            marks=pytest.mark.checklist("prod.ee_canister_snapshots.list_canister_snapshot_fails_invalid_controller"),
        ),
        pytest.param(
            "delete_canister_snapshot",
            {},
            lambda: calling("delete_canister_snapshot", DELETING),
            "CanisterNotFound",
            marks=pytest.mark.checklist("prod.ee_canister_snapshots.delete_canister_snapshot_fails_canister_not_found"),
        ),
        pytest.param(
            "take_canister_snapshot",
            TAKING,
            lambda: calling("take_canister_snapshot", management.TakeSnapshotArguments(A), managed=WITHOUT_CODE),
            "CanisterRejectedMessage",
            marks=pytest.mark.checklist(
                "prod.ee_canister_snapshots."
                "take_canister_snapshot_does_not_reduce_subnet_available_memory_when_failing_to_create_snapshot"
            ),
        ),
        pytest.param(
            "take_canister_snapshot",
            TAKING,
            lambda: calling("take_canister_snapshot", management.TakeSnapshotArguments(A), managed=full_of_snapshots()),
            "CanisterRejectedMessage",
            marks=pytest.mark.checklist(
                "prod.ee_canister_snapshots.canister_request_take_canister_snapshot_fails_when_limit_is_reached"
            ),
        ),
        pytest.param(
            "load_canister_snapshot",
            {},
            lambda: calling("load_canister_snapshot", LOADING, managed=with_snapshot(bytes(42))),
            "CanisterInvalidWasm",
            marks=pytest.mark.checklist("prod.canister_snapshots.upload_and_load_snapshot_with_invalid_wasm"),
        ),
        pytest.param(
            "canister_metadata",
            {},
            lambda: calling("canister_metadata", management.CanisterMetadataArguments(A, "x"), managed=WITHOUT_CODE),
            "CanisterRejectedMessage",
            marks=pytest.mark.checklist("prod.ee_tests.get_canister_metadata_no_execution_state_fails"),
        ),
        pytest.param(
            "upload_chunk",
            {},
            lambda: calling("upload_chunk", management.UploadChunkArguments(A, bytes(1_048_577)), managed=canister(A)),
            "CanisterContractViolation",
            marks=pytest.mark.checklist("prod.canister_manager.upload_chunk_fails_when_it_exceeds_chunk_size"),
        ),
        pytest.param(
            "install_chunked_code",
            {},
            lambda: from_chunks(b"stored", b"other", b"other"),
            "CanisterContractViolation",
            marks=pytest.mark.checklist("prod.install_code.install_chunked_fails_with_wrong_chunk_hash"),
        ),
        pytest.param(
            "install_chunked_code",
            {},
            lambda: from_chunks(b"stored", b"stored", b"other"),
            "CanisterContractViolation",
            marks=pytest.mark.checklist("prod.install_code.install_chunked_fails_with_wrong_wasm_hash"),
        ),
        pytest.param(
            "create_canister",
            CREATING,
            lambda: creating(memory_allocation=2**30, reserved_cycles_limit=0, others=(FULL,)),
            "ReservedCyclesLimitExceededInMemoryAllocation",
            marks=pytest.mark.checklist("prod.canister_manager.create_canister_reverts_round_limits_on_failure"),
        ),
        pytest.param(
            "update_settings",
            {},
            lambda: changing(environment_variables=VARIABLES),
            "InvalidManagementPayload",
            marks=pytest.mark.checklist(
                "prod.canister_manager.test_environment_variables_are_not_set_when_too_many_keys"
            ),
        ),
        pytest.param(
            "update_settings",
            {},
            lambda: changing(environment_variables=List.of(EnvironmentVariable("name", "v" * 129))),
            "InvalidManagementPayload",
            marks=pytest.mark.checklist(
                "prod.canister_manager.test_environment_variables_are_not_set_when_value_is_too_long"
            ),
        ),
        pytest.param(
            "provisional_create_canister_with_cycles",
            CREATING,
            lambda: calling(
                "provisional_create_canister_with_cycles",
                management.ProvisionalCreateArguments(specified_id=A),
                managed=canister(A),
            ),
            "CanisterAlreadyInstalled",
            marks=pytest.mark.checklist("prod.ee_tests.can_create_canister_with_specified_id"),
        ),
    ],
)
def test_a_call_that_fails_has_the_error_of_production(rule, choices, state, name):
    error = error_of_refusal(refusal(state(), rule, message_id=0, **choices), has_admins=False)
    assert error is not None
    assert error.name == name


@pytest.mark.checklist("prod.ee_canister_snapshots.list_canister_snapshot_fails_invalid_controller")
def test_who_lists_snapshots_without_being_a_controller_is_told_who_may():
    state = calling("list_canister_snapshots", caller=STRANGER, managed=canister(A))
    error = error_of_refusal(refusal(state, "list_canister_snapshots", message_id=0), has_admins=False)
    assert error is not None
    assert error.code is RejectCode.CANISTER_ERROR
    assert error.text.startswith("Only the controllers of the canister {canister_id} can control it.")


@pytest.mark.checklist(
    "mgmt-general.subnet-admins",
    "prod.canister_manager.non_controller_and_non_subnet_admin_cannot_perform_subnet_admin_actions_on_canister",
)
@pytest.mark.parametrize(
    ("rule", "method_name", "changes"),
    [
        ("stop_running_canister", "stop_canister", {}),
        ("start_canister", "start_canister", {}),
        ("canister_metrics", "canister_metrics", {}),
        ("uninstall_code", "uninstall_code", {}),
        ("delete_canister", "delete_canister", {"status": Stopped()}),
        ("canister_status", "canister_status", {}),
    ],
)
def test_on_a_subnet_with_admins_strangers_have_errors_of_their_own(rule, method_name, changes):
    arguments = management.UninstallCodeArguments(A) if method_name == "uninstall_code" else ABOUT_A
    state = calling(method_name, arguments, STRANGER, canister(A, **changes), subnet_admins=ADMINS)
    choices = {"metrics": management.CyclesConsumed()} if rule == "canister_metrics" else {}
    error = error_of_refusal(refusal(state, rule, message_id=0, **choices), has_admins=True)
    assert error is not None
    of_status = rule == "canister_status"
    assert error.name == ("CanisterStatusAccessDenied" if of_status else "CanisterInvalidControllerOrSubnetAdmin")


@pytest.mark.checklist("mgmt-general.facade", "prod.ee_tests.subnet_canister_request_unknown_method")
def test_a_call_to_a_method_that_there_is_not_says_so_with_its_name():
    reject = first_reject(calling("unknown", b"DIDL\0\0"), 0, "unknown")
    assert reject is not None
    error = error_of(reject)
    assert error is not None
    assert (error.name, error.shown) == ("CanisterMethodNotFound", "IC0536")
    assert error.text.format(method_name="unknown") == "Management canister has no method 'unknown'"
