"""On a subnet that is used above its threshold, memory that grows reserves cycles, and memory given back does not."""

import pytest

from conformance.canisters import ic0
from conformance.canisters.scripted import call, ignore, memory_grow, program, reply
from properties.agreement.stage import ALICE, Stage
from properties.agreement.tests.books import SCRIPTED
from spec.state.request import Rejected, Replied
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import CanisterId, Principal, SnapshotId
from spec.values.quantities import WASM_PAGE, ByteCount, Cycles
from spec.values.rejects import RejectReason

CAPACITY = 2_199_023_255_552 // 4
"""Of a subnet, for one of four threads."""
THRESHOLD = 805_306_368_000 // 4
LARGE = 10**12
"""What another canister takes: more than the threshold."""
NOTHING = program(reply())


def changed(stage: Stage, canister: CanisterId, **settings: int) -> None:
    arguments = management.UpdateSettingsArguments(canister, management.SettingsArguments(**settings))
    assert isinstance(stage.manage("update_settings", arguments), Replied)


def crowded(stage: Stage) -> None:
    """Another canister takes so much memory that the subnet is used above its threshold."""
    other = stage.create(10**18)
    changed(stage, other, reserved_cycles_limit=10**18)
    changed(stage, other, memory_allocation=LARGE)


def on_a_full_subnet(start: bytes = b"", cycles: Cycles = 10**16) -> tuple[Stage, CanisterId]:
    """A canister on such a subnet, that may reserve as much as it needs."""
    stage = Stage()
    canister = stage.installed(SCRIPTED, start, cycles)
    changed(stage, canister, reserved_cycles_limit=10**16)
    crowded(stage)
    return stage, canister


def reserved(stage: Stage, canister: CanisterId) -> Cycles:
    return stage.canister(canister).reserved_balance


def usage(stage: Stage, canister: CanisterId) -> ByteCount:
    status = stage.control("canister_status", canister)
    assert isinstance(status, Replied)
    return management.decode_canister_status(status.data).memory_size


def in_all(used: ByteCount) -> Cycles:
    """What is reserved for the use of a thread's share: for the last byte, storage for 300 million seconds."""
    above = max(used - THRESHOLD, 0)
    seconds = 300_000_000 * above // (CAPACITY - THRESHOLD) // 2
    return above * 317_500 * seconds // 2**30


def reservation(used_before: ByteCount, growth: ByteCount) -> Cycles:
    """What growth reserves, if all canisters use so much before."""
    return in_all(used_before // 4 + growth) - in_all(used_before // 4)


def snapshot(stage: Stage, canister: CanisterId, replaced: SnapshotId | None = None) -> SnapshotId:
    answer = stage.manage("take_canister_snapshot", management.TakeSnapshotArguments(canister, replaced))
    assert isinstance(answer, Replied), answer
    return stage.canister(canister).snapshots.keys()[-1]


# Growing.


@pytest.mark.checklist("prod.storage_reservation.test_storage_reservation_not_triggered")
def test_an_update_that_does_not_grow_reserves_nothing() -> None:
    stage, canister = on_a_full_subnet()
    before = stage.canister(canister).balance
    assert isinstance(stage.call(canister, "update", NOTHING), Replied)
    assert stage.canister(canister).balance < before
    assert reserved(stage, canister) == 0


@pytest.mark.checklist("prod.storage_reservation.test_storage_reservation_triggered_in_update_by_stable_grow")
def test_stable_memory_that_grows_in_an_update_is_reserved_for() -> None:
    stage, canister = on_a_full_subnet()
    before = usage(stage, canister)
    assert isinstance(stage.call(canister, "update", program(ignore(ic0.stable_grow(1_000)), reply())), Replied)
    assert reserved(stage, canister) == reservation(LARGE + before, 1_000 * WASM_PAGE) > 0


@pytest.mark.checklist("prod.storage_reservation.test_storage_reservation_triggered_in_response")
def test_stable_memory_that_grows_in_a_callback_is_reserved_for() -> None:
    stage, canister = on_a_full_subnet()
    growing = program(ignore(ic0.stable_grow(1_000)), reply())
    calling = program(call(canister, "update", NOTHING, on_reply=growing))
    assert isinstance(stage.call(canister, "update", calling), Replied)
    assert reserved(stage, canister) > 0


@pytest.mark.checklist(
    "prod.storage_reservation.test_storage_reservation_triggered_in_take_canister_snapshot_with_enough_cycles_available",
    "prod.ee_canister_snapshots.canister_request_take_canister_cycles_reserved_for_app_and_verified_app_subnets",
    "prod.ee_canister_snapshots.canister_snapshot_reserves_cycles_difference",
)
def test_a_snapshot_is_reserved_for_and_one_that_replaces_it_is_not() -> None:
    stage, canister = on_a_full_subnet()
    before = usage(stage, canister)
    first = snapshot(stage, canister)
    of_first = reserved(stage, canister)
    assert of_first == reservation(LARGE + before, usage(stage, canister) - before) > 0
    second = snapshot(stage, canister, first)
    assert reserved(stage, canister) == of_first
    stage.manage("delete_canister_snapshot", management.SnapshotArguments(canister, second))
    assert reserved(stage, canister) == of_first
    snapshot(stage, canister)
    assert reserved(stage, canister) > of_first


@pytest.mark.checklist(
    "prod.storage_reservation.test_storage_reservation_triggered_in_take_canister_snapshot_without_enough_cycles_available"
)
def test_without_cycles_to_reserve_no_snapshot_is_taken() -> None:
    stage, canister = on_a_full_subnet(program(ignore(ic0.stable_grow(10_000))), 2 * 10**12)
    status = stage.manage("take_canister_snapshot", management.TakeSnapshotArguments(canister))
    assert isinstance(status, Rejected)
    assert status.reject.reason is RejectReason.CANISTER_OUT_OF_CYCLES
    assert stage.canister(canister).snapshots.keys() == []


# Giving back.


def stingy() -> tuple[Stage, CanisterId]:
    """A canister with much memory on a full subnet, that may not reserve a single cycle."""
    stage = Stage()
    canister = stage.installed(SCRIPTED, cycles=10**15)
    stage.manage("upload_chunk", management.UploadChunkArguments(canister, b"a chunk"))
    snapshot(stage, canister)
    growing = program(ignore(ic0.stable_grow(300)), ignore(memory_grow(20)), reply())
    assert isinstance(stage.call(canister, "update", growing), Replied)
    changed(stage, canister, reserved_cycles_limit=0)
    crowded(stage)
    refused = stage.call(canister, "update", growing)
    assert isinstance(refused, Rejected) and refused.reject.reason is RejectReason.RESERVATION_LIMIT_EXCEEDED
    return stage, canister


def falls(stage: Stage, canister: CanisterId, method: str, arguments: management.ManagementArguments) -> None:
    """The call succeeds, less memory is used after it, and nothing is reserved."""
    before = usage(stage, canister)
    assert isinstance(stage.manage(method, arguments), Replied)
    assert usage(stage, canister) < before
    assert reserved(stage, canister) == 0


@pytest.mark.checklist("prod.memory_matrix.test_memory_suite_delete_snapshot")
def test_deleting_a_snapshot_gives_memory_back() -> None:
    stage, canister = stingy()
    (one,) = stage.canister(canister).snapshots.keys()
    falls(stage, canister, "delete_canister_snapshot", management.SnapshotArguments(canister, one))


@pytest.mark.checklist("prod.memory_matrix.test_memory_suite_load_snapshot_shrinking_memory_usage")
def test_loading_a_small_snapshot_gives_memory_back() -> None:
    stage, canister = stingy()
    (one,) = stage.canister(canister).snapshots.keys()
    falls(stage, canister, "load_canister_snapshot", management.LoadSnapshotArguments(canister, one))


@pytest.mark.checklist("prod.memory_matrix.test_memory_suite_reinstall_code_and_shrink_memory")
def test_reinstalling_gives_memory_back() -> None:
    stage, canister = stingy()
    falls(
        stage, canister, "install_code", management.InstallCodeArguments(management.ReinstallMode(), canister, SCRIPTED)
    )


@pytest.mark.checklist("prod.memory_matrix.test_memory_suite_uninstall_code")
def test_uninstalling_gives_memory_back() -> None:
    stage, canister = stingy()
    falls(stage, canister, "uninstall_code", management.UninstallCodeArguments(canister))


@pytest.mark.checklist("prod.memory_matrix.test_memory_suite_clear_chunk_store")
def test_clearing_the_chunk_store_gives_memory_back() -> None:
    stage, canister = stingy()
    falls(stage, canister, "clear_chunk_store", management.CanisterIdArguments(canister))


@pytest.mark.checklist("prod.memory_matrix.test_memory_suite_upload_chunk_idempotent")
def test_a_chunk_that_is_uploaded_again_takes_no_memory() -> None:
    stage, canister = stingy()
    before = usage(stage, canister)
    assert isinstance(stage.manage("upload_chunk", management.UploadChunkArguments(canister, b"a chunk")), Replied)
    assert (usage(stage, canister), reserved(stage, canister)) == (before, 0)
    other = stage.manage("upload_chunk", management.UploadChunkArguments(canister, b"another chunk"))
    assert isinstance(other, Rejected)


@pytest.mark.checklist("prod.memory_matrix.test_memory_suite_take_snapshot_and_uninstall_code")
def test_a_snapshot_whose_canister_is_uninstalled_takes_the_place_of_the_one_before() -> None:
    stage, canister = stingy()
    (one,) = stage.canister(canister).snapshots.keys()
    changed(stage, canister, reserved_cycles_limit=10**15)
    second = snapshot(stage, canister, one)
    before, kept = usage(stage, canister), reserved(stage, canister)
    changed(stage, canister, reserved_cycles_limit=kept)
    arguments = management.TakeSnapshotArguments(canister, second, True)
    assert isinstance(stage.manage("take_canister_snapshot", arguments), Replied)
    assert usage(stage, canister) < before
    assert reserved(stage, canister) == kept


# Creating, and snapshots that are uploaded.


@pytest.mark.checklist(
    "prod.canister_manager.create_canister_reserves_cycles_for_memory_allocation",
    "prod.canister_manager.resource_saturation_scaling_works_in_create_canister",
    "prod.canister_manager.canister_status_contains_reserved_cycles",
)
def test_the_memory_with_which_a_canister_is_created_is_reserved_for_out_of_its_balance() -> None:
    stage = Stage()
    crowded(stage)
    before = set(stage.state.canisters.keys())
    settings = management.SettingsArguments(memory_allocation=10**9, reserved_cycles_limit=10**16)
    arguments = management.ProvisionalCreateArguments(amount=10**16, settings=settings)
    assert isinstance(stage.manage("provisional_create_canister_with_cycles", arguments), Replied)
    (created,) = set(stage.state.canisters.keys()) - before
    price = reservation(LARGE, 10**9)
    status = stage.control("canister_status", created)
    assert isinstance(status, Replied)
    told = management.decode_canister_status(status.data)
    assert told.reserved_cycles == price > 0
    assert told.cycles == 10**16 - price


@pytest.mark.checklist(
    "prod.storage_reservation.test_storage_reservation_triggered_in_upload_and_load_canister_snapshot_with_enough_cycles_available",
    "prod.memory_matrix.test_memory_suite_upload_canister_snapshot_data_wasm_module",
)
def test_an_uploaded_snapshot_is_reserved_for_as_a_whole_and_its_data_are_not() -> None:
    stage, canister = on_a_full_subnet()
    one = snapshot(stage, canister)
    answer = stage.manage("read_canister_snapshot_metadata", management.SnapshotArguments(canister, one))
    assert isinstance(answer, Replied)
    so_far = reserved(stage, canister)
    told = management.decode_result("read_canister_snapshot_metadata", answer.data)
    arguments = management.UploadSnapshotMetadataArguments(
        canister_id=canister,
        replace_snapshot=None,
        wasm_module_size=told.wasm_module_size,
        globals=told.globals,
        wasm_memory_size=told.wasm_memory_size,
        stable_memory_size=1_000 * WASM_PAGE,
        certified_data=told.certified_data,
        global_timer=told.global_timer,
        on_low_wasm_memory_hook_status=told.on_low_wasm_memory_hook_status,
    )
    assert isinstance(stage.manage("upload_canister_snapshot_metadata", arguments), Replied)
    with_metadata, used = reserved(stage, canister), usage(stage, canister)
    assert with_metadata > so_far
    (uploaded,) = set(stage.canister(canister).snapshots.keys()) - {one}
    data = management.UploadSnapshotDataArguments(canister, uploaded, management.ModulePart(0), SCRIPTED)
    assert isinstance(stage.manage("upload_canister_snapshot_data", data), Replied)
    assert (reserved(stage, canister), usage(stage, canister)) == (with_metadata, used)
    assert isinstance(
        stage.manage("load_canister_snapshot", management.LoadSnapshotArguments(canister, uploaded)), Replied
    )
    assert reserved(stage, canister) > with_metadata


@pytest.mark.checklist("prod.memory_matrix.test_memory_suite_upload_canister_snapshot_metadata_shrinking_memory_usage")
def test_a_small_snapshot_that_is_uploaded_in_place_of_a_large_one_gives_memory_back() -> None:
    stage, canister = stingy()
    (one,) = stage.canister(canister).snapshots.keys()
    small = management.UploadSnapshotMetadataArguments(canister, 10, 0, 0, replace_snapshot=one)
    falls(stage, canister, "upload_canister_snapshot_metadata", small)
    assert one not in stage.canister(canister).snapshots


# History.


@pytest.mark.checklist(
    "prod.storage_reservation.test_storage_reservation_not_triggered_with_reserved_memory_allocation",
    "unspec.fn.cycles-to-reserve",
)
def test_a_history_that_grows_beyond_what_is_allocated_reserves_nothing() -> None:
    stage, canister = on_a_full_subnet()
    changed(stage, canister, memory_allocation=usage(stage, canister))
    before = reserved(stage, canister)
    for number in range(3):
        controllers = management.SettingsArguments(controllers=List.of(*sorted((ALICE, Principal(bytes([number]))))))
        stage.manage("update_settings", management.UpdateSettingsArguments(canister, controllers))
    assert usage(stage, canister) > stage.canister(canister).settings.memory_allocation
    assert reserved(stage, canister) == before
    other = stage.create(10**16)
    assert reserved(stage, other) == 0 < usage(stage, other)
