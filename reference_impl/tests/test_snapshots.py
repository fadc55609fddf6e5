"""Chunk stores and snapshots, from upload to installation."""

import hashlib

import pytest

from reference_impl.management.snapshot_transfer import overwritten
from spec.state.canister import Empty
from spec.state.history import LoadSnapshot
from spec.values.canister_terms import GlobalType, HookStatus
from spec.values.containers import List
from spec.values.management import (
    EMPTY_RESULT,
    CanisterIdArguments,
    HeapPart,
    InstallChunkedCodeArguments,
    InstallMode,
    LoadSnapshotArguments,
    ModulePart,
    ReadSnapshotDataArguments,
    SnapshotArguments,
    SnapshotGlobal,
    StoredChunk,
    TakeSnapshotArguments,
    UploadChunkArguments,
    UploadSnapshotDataArguments,
    UploadSnapshotMetadataArguments,
    decode_result,
)
from spec.values.memory import LinearMemory
from spec.values.rejects import RejectReason


def sha(blob):
    return hashlib.sha256(blob).digest()


def result(stage, method, arguments):
    reply = stage.manage(method, arguments)
    assert isinstance(reply, bytes), reply
    return decode_result(method, reply)


@pytest.fixture
def counting(stage, counter):
    """A canister that has counted to two."""
    canister = stage.create(counter)
    for _ in range(2):
        stage.call(canister, "increment")
    return canister


def test_a_module_is_installed_from_its_chunks(stage, counter):
    canister = stage.create()
    module = stage.module_of(counter)
    for chunk in (module[:3], module[3:]):
        assert result(stage, "upload_chunk", UploadChunkArguments(canister, chunk)) == sha(chunk)
    hashes = List.of(sha(module[:3]), sha(module[3:]))
    assert result(stage, "stored_chunks", CanisterIdArguments(canister)) == List(tuple(sorted(hashes)))
    other = InstallChunkedCodeArguments(InstallMode(), canister, sha(b"other"), None, hashes)
    assert stage.manage("install_chunked_code", other).reason is RejectReason.MODULE_HASH_MISMATCH
    arguments = InstallChunkedCodeArguments(InstallMode(), canister, sha(module), None, hashes)
    assert stage.manage("install_chunked_code", arguments) == EMPTY_RESULT
    assert stage.call(canister, "increment") == b"1"
    rules = [step.label.rule for step in stage.engine.explain()]
    assert rules.count("install_chunked_code") == rules.count("install_code") == 1
    assert stage.manage("clear_chunk_store", CanisterIdArguments(canister)) == EMPTY_RESULT
    assert stage.manage("install_chunked_code", arguments).reason is RejectReason.CHUNK_NOT_FOUND


def test_a_snapshot_brings_the_state_back(stage, counting):
    taken = result(stage, "take_canister_snapshot", TakeSnapshotArguments(counting))
    assert taken.id == bytes(8) + counting
    stage.call(counting, "increment")
    version = stage.canister(counting).version
    assert stage.manage("load_canister_snapshot", LoadSnapshotArguments(counting, taken.id)) == EMPTY_RESULT
    after = stage.canister(counting)
    assert (stage.number(counting), after.version) == (2, version + 1)
    assert isinstance(after.history.recent_changes.items[-1].details, LoadSnapshot)
    listed = result(stage, "list_canister_snapshots", CanisterIdArguments(counting))
    assert listed == List.of(taken)
    assert stage.manage("delete_canister_snapshot", SnapshotArguments(counting, taken.id)) == EMPTY_RESULT
    assert stage.manage("load_canister_snapshot", LoadSnapshotArguments(counting, taken.id)).reason is (
        RejectReason.SNAPSHOT_NOT_FOUND
    )
    assert result(stage, "take_canister_snapshot", TakeSnapshotArguments(counting)).id != taken.id


def test_a_snapshot_is_part_of_the_memory_of_its_canister(stage, counting):
    before = stage.engine.instance.memory_in_use.total()
    taken = result(stage, "take_canister_snapshot", TakeSnapshotArguments(counting))
    assert stage.engine.instance.memory_in_use.total() == before + taken.total_size
    again = TakeSnapshotArguments(counting, replace_snapshot=taken.id)
    assert result(stage, "take_canister_snapshot", again).total_size == taken.total_size
    assert stage.engine.instance.memory_in_use.total() == before + taken.total_size
    assert len(stage.canister(counting).snapshots) == 1


def test_on_a_full_subnet_a_chunk_reserves_cycles(stage, counting):
    stage.engine.explain()
    stage.engine.instance.memory_in_use[stage.engine.instance.subnet.subnet_id] = 10**12
    total, before = stage.total_cycles(), stage.canister(counting)
    result(stage, "upload_chunk", UploadChunkArguments(counting, b"chunk"))
    after = stage.canister(counting)
    burned = sum(amount for step in stage.engine.explain() for _, amount in step.observed.burned)
    assert after.reserved_balance > 0
    assert before.balance - after.balance == burned + after.reserved_balance
    assert total - stage.total_cycles() == burned == 200_000_000


def test_code_may_be_uninstalled_with_the_snapshot(stage, counting):
    version = stage.canister(counting).version
    taken = result(stage, "take_canister_snapshot", TakeSnapshotArguments(counting, uninstall_code=True))
    after = stage.canister(counting)
    assert (after.code, after.version, after.installed_at) == (Empty(), version + 1, None)
    assert after.snapshots[taken.id].canister_version == version
    other = stage.create()
    assert stage.manage("load_canister_snapshot", LoadSnapshotArguments(other, taken.id)) == EMPTY_RESULT
    assert (stage.number(other), stage.canister(other).code.wasm_state.self_id) == (2, other)
    assert stage.canister(other).history.recent_changes.items[-1].details.from_canister_id == counting


def test_there_are_ten_snapshots_at_most(stage, counting):
    for _ in range(10):
        assert isinstance(stage.manage("take_canister_snapshot", TakeSnapshotArguments(counting)), bytes)
    full = stage.manage("take_canister_snapshot", TakeSnapshotArguments(counting))
    assert full.reason is RejectReason.SNAPSHOT_LIMIT_EXCEEDED


def test_a_snapshot_can_be_read_out_and_uploaded_again(stage, counting):
    taken = result(stage, "take_canister_snapshot", TakeSnapshotArguments(counting))
    told = result(stage, "read_canister_snapshot_metadata", SnapshotArguments(counting, taken.id))
    module = result(
        stage,
        "read_canister_snapshot_data",
        ReadSnapshotDataArguments(counting, taken.id, ModulePart(0, told.wasm_module_size)),
    )
    other = stage.create()
    uploaded = result(
        stage,
        "upload_canister_snapshot_metadata",
        UploadSnapshotMetadataArguments(
            other,
            told.wasm_module_size,
            told.wasm_memory_size,
            told.stable_memory_size,
            globals=told.globals,
            global_timer=77,
            on_low_wasm_memory_hook_status=HookStatus.CONDITION_NOT_SATISFIED,
        ),
    )
    written = UploadSnapshotDataArguments(other, uploaded, ModulePart(0), module)
    assert stage.manage("upload_canister_snapshot_data", written) == EMPTY_RESULT
    assert stage.manage("load_canister_snapshot", LoadSnapshotArguments(other, uploaded)) == EMPTY_RESULT
    assert (stage.number(other), stage.canister(other).global_timer) == (2, 77)


def test_a_snapshot_that_does_not_fit_its_module_is_not_loaded(stage, counter):
    canister = stage.create()
    module = stage.module_of(counter)
    reasons = []
    for kind, hook in [(GlobalType.F64, None), (GlobalType.I64, HookStatus.READY), (GlobalType.I64, None)]:
        blank = UploadSnapshotMetadataArguments(
            canister,
            len(module),
            0,
            0,
            globals=List.of(SnapshotGlobal(kind, 5)),
            on_low_wasm_memory_hook_status=hook,
        )
        snapshot = result(stage, "upload_canister_snapshot_metadata", blank)
        empty = stage.manage("load_canister_snapshot", LoadSnapshotArguments(canister, snapshot))
        stage.manage(
            "upload_canister_snapshot_data", UploadSnapshotDataArguments(canister, snapshot, ModulePart(0), module)
        )
        loaded = stage.manage("load_canister_snapshot", LoadSnapshotArguments(canister, snapshot))
        reasons.append((empty.reason.name, getattr(loaded, "reason", loaded)))
    misfit = ("INVALID_MODULE", RejectReason.SNAPSHOT_NOT_LOADABLE)
    assert reasons == [misfit, misfit, ("INVALID_MODULE", EMPTY_RESULT)]
    assert stage.number(canister) == 5


def test_ranges_and_kinds_of_uploads_are_checked(stage, counting):
    taken = result(stage, "take_canister_snapshot", TakeSnapshotArguments(counting))
    blank = result(stage, "upload_canister_snapshot_metadata", UploadSnapshotMetadataArguments(counting, 9, 65536, 0))

    def uploads(snapshot, kind, chunk):
        arguments = UploadSnapshotDataArguments(counting, snapshot, kind, chunk)
        return getattr(stage.manage("upload_canister_snapshot_data", arguments), "reason", None)

    assert uploads(taken.id, ModulePart(0), b"") is RejectReason.SNAPSHOT_NOT_UPLOADED
    assert uploads(blank, ModulePart(1), bytes(9)) is RejectReason.OUT_OF_RANGE
    assert uploads(blank, HeapPart(65535), b"ab") is RejectReason.OUT_OF_RANGE
    assert uploads(blank, HeapPart(65534), b"ab") is None
    assert uploads(blank, StoredChunk(), bytes(2**20 + 1)) is RejectReason.CHUNK_TOO_LARGE
    assert uploads(blank, StoredChunk(), b"chunk") is None
    size = stage.canister(counting).snapshots[blank]
    assert (size.wasm_state.wasm_memory.read(65533, 3), size.chunk_store.keys()) == (b"\0ab", [sha(b"chunk")])


@pytest.mark.parametrize("offset", [0, 1, 4095, 4096, 5000, 65535])
@pytest.mark.parametrize("length", [0, 1, 4096, 9000])
def test_overwriting_changes_these_bytes_and_no_others(offset, length):
    before = LinearMemory.from_bytes(bytes(range(256)) * 512)
    content = b"\xaa" * length
    expected = bytearray(before.to_bytes())
    expected[offset : offset + length] = content
    assert overwritten(before, offset, content) == LinearMemory.from_bytes(bytes(expected))
