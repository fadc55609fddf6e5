"""A snapshot that is downloaded and uploaded again is as it was, and a canister goes on from it."""

import hashlib

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.stage import Stage
from spec.state.request import Replied
from spec.state.snapshot import Snapshot
from spec.values import management
from spec.values.canister_terms import SnapshotSource
from spec.values.identifiers import Blob, CanisterId, SnapshotId
from spec.values.management import HeapPart, ModulePart, StableMemoryPart, StoredChunk
from spec.values.quantities import NANOSECONDS_PER_SECOND

SLICE = 2_000_000


def binary(memory: str, text: str, pages: int = 1) -> Blob:
    """A module with a memory."""
    return bytes(
        wasmtime.wat2wasm(f"""(module
        (import "ic0" "msg_reply" (func $reply))
        (import "ic0" "msg_reply_data_append" (func $append (param {memory} {memory})))
        (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
        (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
        (memory {"i64" if memory == "i64" else ""} {pages}) {text})""")
    )


def taken(stage: Stage, canister: CanisterId) -> SnapshotId:
    """The id of a new snapshot."""
    assert isinstance(stage.manage("take_canister_snapshot", management.TakeSnapshotArguments(canister)), Replied)
    return stage.canister(canister).snapshots.keys()[-1]


def read(stage: Stage, canister: CanisterId, snapshot: SnapshotId, part: type, size: int) -> Blob:
    """A part of a snapshot, slice by slice."""
    content = b""
    while len(content) < size:
        asked = part(len(content), min(SLICE, size - len(content)))
        status = stage.manage(
            "read_canister_snapshot_data", management.ReadSnapshotDataArguments(canister, snapshot, asked)
        )
        assert isinstance(status, Replied), status
        content += management.decode_result("read_canister_snapshot_data", status.data)
    return content


def write(stage: Stage, canister: CanisterId, snapshot: SnapshotId, part: type, content: Blob) -> None:
    """Uploads a part of a snapshot, slice by slice."""
    for offset in range(0, len(content), SLICE):
        chunk = content[offset : offset + SLICE]
        if any(chunk):
            upload(stage, canister, snapshot, part(offset), chunk)


def upload(stage: Stage, canister: CanisterId, snapshot: SnapshotId, kind: object, chunk: Blob) -> None:
    """Uploads some bytes."""
    arguments = management.UploadSnapshotDataArguments(canister, snapshot, kind, chunk)  # type: ignore[arg-type]
    assert isinstance(stage.manage("upload_canister_snapshot_data", arguments), Replied)


def copied(stage: Stage, canister: CanisterId, snapshot: SnapshotId) -> SnapshotId:
    """A snapshot that is downloaded, and uploaded as another one a minute later."""
    about = management.SnapshotArguments(canister, snapshot)
    status = stage.manage("read_canister_snapshot_metadata", about)
    assert isinstance(status, Replied), status
    metadata = management.decode_result("read_canister_snapshot_metadata", status.data)
    module = read(stage, canister, snapshot, ModulePart, metadata.wasm_module_size)
    heap = read(stage, canister, snapshot, HeapPart, metadata.wasm_memory_size)
    stable = read(stage, canister, snapshot, StableMemoryPart, metadata.stable_memory_size)
    chunks = []
    for name in metadata.wasm_chunk_store:
        asked = management.ReadSnapshotDataArguments(canister, snapshot, StoredChunk(name))
        status = stage.manage("read_canister_snapshot_data", asked)
        assert isinstance(status, Replied)
        chunks.append(management.decode_result("read_canister_snapshot_data", status.data))
    stage.lockstep.advance(60 * NANOSECONDS_PER_SECOND)
    arguments = management.UploadSnapshotMetadataArguments(
        canister_id=canister,
        replace_snapshot=None,
        wasm_module_size=metadata.wasm_module_size,
        globals=metadata.globals,
        wasm_memory_size=metadata.wasm_memory_size,
        stable_memory_size=metadata.stable_memory_size,
        certified_data=metadata.certified_data,
        global_timer=metadata.global_timer,
        on_low_wasm_memory_hook_status=metadata.on_low_wasm_memory_hook_status,
    )
    assert isinstance(stage.manage("upload_canister_snapshot_metadata", arguments), Replied)
    other = stage.canister(canister).snapshots.keys()[-1]
    for part, content in ((ModulePart, module), (HeapPart, heap), (StableMemoryPart, stable)):
        write(stage, canister, other, part, content)
    for chunk in chunks:
        upload(stage, canister, other, StoredChunk(), chunk)
    return other


def plain(snapshot: Snapshot) -> Snapshot:
    """What two copies have in common: not their source, time and version."""
    return evolve(snapshot, source=SnapshotSource.TAKEN_FROM_CANISTER, taken_at=0, canister_version=0)


def load(stage: Stage, canister: CanisterId, snapshot: SnapshotId) -> None:
    """Loads a snapshot."""
    assert isinstance(
        stage.manage("load_canister_snapshot", management.LoadSnapshotArguments(canister, snapshot)), Replied
    )


@pytest.mark.checklist("prod.canister_snapshots.take_download_upload_load_snapshot_roundtrip_no_globals")
@pytest.mark.parametrize("memory", ["i32", "i64"])
def test_a_snapshot_of_a_module_without_globals_is_copied_and_loaded(memory: str) -> None:
    stage = Stage()
    zero, eight = f"({memory}.const 0)", f"({memory}.const 8)"
    counting = f"(i64.store {zero} (i64.add (i64.load {zero}) (i64.const 1)))"
    text = f"""(func (export "canister_update go") {counting} (call $append {zero} {eight}) (call $reply))"""
    canister = stage.installed(binary(memory, text))
    assert stage.call(canister, "go", b"") == Replied((1).to_bytes(8, "little"))
    first = taken(stage, canister)
    second = copied(stage, canister, first)
    snapshots = stage.canister(canister).snapshots
    assert plain(snapshots[first]) == plain(snapshots[second])
    assert snapshots[first] != snapshots[second]
    assert len(snapshots[first].global_types) == 0
    assert stage.call(canister, "go", b"again") == Replied((2).to_bytes(8, "little"))
    for snapshot in (first, second):
        load(stage, canister, snapshot)
        assert stage.call(canister, "go", bytes(snapshot)) == Replied((2).to_bytes(8, "little"))


@pytest.mark.checklist("prod.canister_snapshots.upload_snapshot_with_checkpoint")
def test_a_large_snapshot_with_chunks_is_restored_from_what_was_uploaded() -> None:
    """Of 80 pages of stable memory, heap, module and two chunks; a state has no checkpoints that could change it."""
    stage = Stage()
    text = """(func (export "canister_update go")
        (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const 1)))
        (if (i64.eq (i64.load (i32.const 0)) (i64.const 1)) (then
          (drop (call $grow (i64.const 80))) (memory.fill (i32.const 8) (i32.const 7) (i32.const 60000))
          (call $write (i64.const 5000000) (i64.const 8) (i64.const 60000))))
        (call $append (i32.const 0) (i32.const 8)) (call $reply))"""
    canister = stage.installed(binary("i32", text))
    chunks = [b"one chunk", b"another chunk"]
    for chunk in chunks:
        assert isinstance(stage.manage("upload_chunk", management.UploadChunkArguments(canister, chunk)), Replied)
    assert stage.call(canister, "go", b"") == Replied((1).to_bytes(8, "little"))
    before = stage.wasm_state(canister)
    snapshot = copied(stage, canister, taken(stage, canister))
    assert isinstance(stage.control("clear_chunk_store", canister), Replied)
    assert isinstance(stage.install(canister, binary("i32", ""), management.ReinstallMode()), Replied)
    load(stage, canister, snapshot)
    after = stage.wasm_state(canister)
    assert after.stable_memory == before.stable_memory
    assert (after.stable_memory.wasm_pages, after.wasm_memory.wasm_pages) == (80, 1)
    assert set(stage.canister(canister).chunk_store.keys()) == {hashlib.sha256(chunk).digest() for chunk in chunks}
    assert stage.call(canister, "go", b"again") == Replied((2).to_bytes(8, "little"))
