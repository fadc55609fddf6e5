"""Snapshots: reading and uploading."""

from conformance.canisters.library import load
from conformance.canisters.scripted import (
    program,
    reply,
    set_global,
    stable_append,
    stable_content,
)
from conformance.judging.patterns import replies, replies_with
from conformance.protocol.interface import Seen
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.chunks import digest, stored, upload
from conformance.suite.scenarios.management_calls import (
    DONE,
    REJECTED,
    asking,
    manage,
    result_of,
    status_of,
)
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.scenarios.snapshots import (
    PAGE,
    TINY,
    WRONG,
    Part,
    load_snapshot,
    metadata,
    read,
    refused_with,
    taken,
)
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.canister_terms import GlobalType, HookStatus, SnapshotSource
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, SnapshotId, Text
from spec.values.rejects import RejectReason

# Reading


@scenario(
    "The metadata of a snapshot tell its sizes, globals, chunks and version",
    covers=("rule.mgmt.read-snapshot-metadata", "mgmt.read-canister-snapshot-metadata"),
)
def reading_metadata(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(set_global(9), stable_append(b"stable")))
    upload(stage, canister, b"chunk")
    # When
    told = metadata(stage, canister, taken(stage, canister).id)
    # Then
    stage.require(told.source is SnapshotSource.TAKEN_FROM_CANISTER, "it was taken")
    stage.require(told.wasm_module_size == len(load("scripted")), "it has the module")
    stage.require(told.stable_memory_size == PAGE, "it has a page of stable memory")
    stage.require(told.wasm_chunk_store == List.of(digest(b"chunk")), "it has the chunk")
    stage.require(9 in {each.bits for each in told.globals}, "it has the global")


def _reads(name: Text, title: Text, kind: Part, expected: Blob | RejectReason | None) -> None:
    def script(stage: Stage) -> None:
        # Given
        canister = scripted(stage, program(stable_append(b"stable")))
        upload(stage, canister, b"chunk")
        snapshot = taken(stage, canister)
        # When
        answer = read(stage, canister, snapshot.id, kind)
        # Then
        if isinstance(expected, RejectReason):
            refused_with(expected)(stage, answer)
        elif expected is None:
            stage.expect(answer, replies())
        else:
            stage.expect(answer, replies_with(management.encode_result("read_canister_snapshot_data", expected)))
        stage.balance(canister)

    script.__name__ = name
    scenario(title, covers=("rule.mgmt.read-snapshot-data", "mgmt.read-canister-snapshot-data"))(script)


MODULE = load("scripted")
_reads("read_module", "The module in a snapshot can be read in parts", management.ModulePart(8, 100), MODULE[8:108])
_reads("read_heap", "The heap in a snapshot can be read", management.HeapPart(0, PAGE), None)
_reads(
    "read_stable",
    "The stable memory in a snapshot can be read",
    management.StableMemoryPart(0, 14),
    (6).to_bytes(8, "little") + b"stable",
)
_reads(
    "read_chunk",
    "The chunks in a snapshot can be read by their hashes",
    management.StoredChunk(digest(b"chunk")),
    b"chunk",
)
_reads("read_nothing", "Nothing can be read at the very end of a module", management.ModulePart(len(MODULE), 0), b"")
_reads(
    "read_beyond_module",
    "A module in a snapshot cannot be read beyond its end",
    management.ModulePart(len(MODULE) - 1, 2),
    RejectReason.OUT_OF_RANGE,
)
_reads(
    "read_beyond_heap",
    "A heap in a snapshot cannot be read beyond its end",
    management.HeapPart(2**40, 1),
    RejectReason.OUT_OF_RANGE,
)
_reads(
    "read_beyond_stable",
    "Stable memory in a snapshot cannot be read beyond its end",
    management.StableMemoryPart(PAGE, 1),
    RejectReason.OUT_OF_RANGE,
)
_reads(
    "read_much",
    "At most two million bytes of a snapshot are read at once",
    management.HeapPart(0, 2_000_001),
    RejectReason.INVALID_ARGUMENT,
)
_reads(
    "read_other_chunk",
    "A chunk that a snapshot does not have cannot be read",
    management.StoredChunk(digest(b"other")),
    RejectReason.CHUNK_NOT_FOUND,
)


# Uploading


def upload_metadata(stage: Stage, canister: CanisterId, **fields: object) -> Seen:
    """The metadata of a snapshot are uploaded."""
    given = {"wasm_module_size": len(TINY), "wasm_memory_size": 0, "stable_memory_size": 0} | fields
    arguments = management.UploadSnapshotMetadataArguments(canister, **given)  # type: ignore[arg-type]
    return manage(stage, canister, "upload_canister_snapshot_metadata", arguments)


def upload_data(stage: Stage, canister: CanisterId, snapshot: SnapshotId, kind: Part, chunk: Blob) -> Seen:
    """Data of a snapshot are uploaded."""
    arguments = management.UploadSnapshotDataArguments(canister, snapshot, kind, chunk)
    return manage(stage, canister, "upload_canister_snapshot_data", arguments)


def uploaded(stage: Stage, canister: CanisterId, **fields: object) -> SnapshotId:
    """A snapshot of which only the metadata are there."""
    snapshot: SnapshotId = result_of("upload_canister_snapshot_metadata", upload_metadata(stage, canister, **fields))
    return snapshot


@scenario(
    "A snapshot that is uploaded in parts can be loaded",
    covers=(
        "rule.mgmt.upload-snapshot-metadata",
        "mgmt.upload-canister-snapshot-metadata",
        "rule.mgmt.upload-snapshot-data",
        "mgmt.upload-canister-snapshot-data",
    ),
)
def copy_by_upload(stage: Stage) -> None:
    # Given
    source, target = scripted(stage, program(stable_append(b"carried over"))), stage.create()
    told = metadata(stage, source, taken(stage, source).id)
    snapshot = uploaded(
        stage,
        target,
        wasm_module_size=told.wasm_module_size,
        wasm_memory_size=told.wasm_memory_size,
        stable_memory_size=told.stable_memory_size,
        globals=told.globals,
    )
    # When
    original = taken(stage, source).id
    parts = (
        (management.ModulePart(0), management.ModulePart(0, told.wasm_module_size)),
        (management.HeapPart(0), management.HeapPart(0, told.wasm_memory_size)),
        (management.StableMemoryPart(0), management.StableMemoryPart(0, told.stable_memory_size)),
    )
    for to, whence in parts:
        content = result_of("read_canister_snapshot_data", read(stage, source, original, whence))
        stage.expect(upload_data(stage, target, snapshot, to, content), DONE)
    stage.expect(load_snapshot(stage, target, snapshot), DONE)
    # Then
    stage.expect(stage.call(target, program(reply(stable_content()))), replies_with(b"carried over"))
    stage.balance(target)


@scenario(
    "A chunk uploaded into a snapshot is in the chunk store once the snapshot is loaded",
    covers=("rule.mgmt.upload-snapshot-data", "rule.mgmt.load-snapshot.effects"),
)
def upload_chunk_of_snapshot(stage: Stage) -> None:
    # Given
    canister = stage.create()
    snapshot = uploaded(stage, canister)
    # When
    stage.expect(upload_data(stage, canister, snapshot, management.ModulePart(0), TINY), DONE)
    stage.expect(upload_data(stage, canister, snapshot, management.StoredChunk(), b"chunk"), DONE)
    stage.expect(load_snapshot(stage, canister, snapshot), DONE)
    # Then
    stage.require(stored(stage, canister) == List.of(digest(b"chunk")), "the chunk is stored")


def _uploading_fails(name: Text, title: Text, kind: Part, chunk: Blob, reason: RejectReason) -> None:
    def script(stage: Stage) -> None:
        # Given
        canister = stage.create()
        snapshot = uploaded(stage, canister, wasm_memory_size=PAGE, stable_memory_size=PAGE)
        # Then
        refused_with(reason)(stage, upload_data(stage, canister, snapshot, kind, chunk))

    script.__name__ = name
    scenario(title, covers=("rule.mgmt.upload-snapshot-data", "mgmt.upload-canister-snapshot-data"))(script)


OUT = RejectReason.OUT_OF_RANGE
_uploading_fails(
    "upload_beyond_module", "A module is not uploaded beyond its size", management.ModulePart(8), b"x", OUT
)
_uploading_fails("upload_beyond_heap", "A heap is not uploaded beyond its size", management.HeapPart(PAGE), b"x", OUT)
_uploading_fails(
    "upload_beyond_stable",
    "Stable memory is not uploaded beyond its size",
    management.StableMemoryPart(PAGE - 1),
    b"xy",
    OUT,
)
_uploading_fails(
    "upload_large_part",
    "At most two million bytes of a snapshot are uploaded at once",
    management.HeapPart(0),
    bytes(2_000_001),
    RejectReason.INVALID_ARGUMENT,
)
_uploading_fails(
    "upload_large_chunk",
    "A chunk of more than 1 MiB is not uploaded into a snapshot",
    management.StoredChunk(),
    bytes(2**20 + 1),
    RejectReason.CHUNK_TOO_LARGE,
)


@scenario(
    "Data of a snapshot that was taken cannot be replaced by an upload",
    covers=("rule.mgmt.upload-snapshot-data", "error.snapshot-invalid-ownership"),
)
def upload_into_taken(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    snapshot = taken(stage, canister)
    # Then
    answer = upload_data(stage, canister, snapshot.id, management.ModulePart(0), b"x")
    refused_with(RejectReason.SNAPSHOT_NOT_UPLOADED)(stage, answer)


@scenario(
    "An uploaded snapshot keeps globals of every type as they were given",
    covers=("rule.mgmt.upload-snapshot-metadata", "mgmt.read-canister-snapshot-metadata"),
)
def globals_of_every_type(stage: Stage) -> None:
    # Given
    canister = stage.create()
    given = List.of(
        management.SnapshotGlobal(GlobalType.I32, 2**32 - 1),
        management.SnapshotGlobal(GlobalType.I64, 2**63 + 1),
        management.SnapshotGlobal(GlobalType.F32, 0xC020_0000),
        management.SnapshotGlobal(GlobalType.F64, 0x4008_0000_0000_0001),
        management.SnapshotGlobal(GlobalType.V128, 2**127 + 5),
    )
    # When
    snapshot = uploaded(stage, canister, globals=given)
    # Then
    stage.require(metadata(stage, canister, snapshot).globals == given, "they are told as they were given")


def _metadata_refused(name: Text, title: Text, **fields: object) -> None:
    def script(stage: Stage) -> None:
        # Given
        canister = stage.create()
        # Then
        refused_with(RejectReason.INVALID_ARGUMENT)(stage, upload_metadata(stage, canister, **fields))

    script.__name__ = name
    scenario(title, covers=("rule.mgmt.upload-snapshot-metadata", "mgmt.upload-canister-snapshot-metadata"))(script)


_metadata_refused("heap_in_pages", "The heap of an uploaded snapshot is made of whole pages", wasm_memory_size=1)
_metadata_refused(
    "stable_in_pages", "The stable memory of an uploaded snapshot is made of whole pages", stable_memory_size=9
)
_metadata_refused("heap_size", "The heap of an uploaded snapshot has at most 6 GiB", wasm_memory_size=6 * 2**30 + PAGE)
_metadata_refused(
    "stable_size",
    "The stable memory of an uploaded snapshot has at most 500 GiB",
    stable_memory_size=500 * 2**30 + PAGE,
)
_metadata_refused(
    "module_size", "The module of an uploaded snapshot has at most 100 MiB", wasm_module_size=100 * 2**20 + 1
)
_metadata_refused(
    "certified_data_size", "An uploaded snapshot has at most 32 bytes of certified data", certified_data=bytes(33)
)
_metadata_refused(
    "number_of_globals",
    "An uploaded snapshot has at most a thousand globals",
    globals=List(tuple([management.SnapshotGlobal(GlobalType.I32, 0)] * 1_001)),
)


def _not_loadable(name: Text, title: Text, reason: RejectReason, module: Blob, **fields: object) -> None:
    def script(stage: Stage) -> None:
        # Given
        canister = stage.create()
        snapshot = uploaded(stage, canister, wasm_module_size=len(module), **fields)
        upload_data(stage, canister, snapshot, management.ModulePart(0), module)
        # Then
        refused_with(reason)(stage, load_snapshot(stage, canister, snapshot))
        stage.require(status_of(stage, canister).module_hash is None, "nothing was loaded")

    script.__name__ = name
    scenario(title, covers=("rule.mgmt.load-snapshot.conditions", "error.snapshot-not-loadable"))(script)


_not_loadable("load_no_module", "A snapshot whose module is none is not loaded", RejectReason.INVALID_MODULE, bytes(8))
_not_loadable(
    "load_other_globals",
    "A snapshot is not loaded if its globals are not those of the module",
    RejectReason.SNAPSHOT_NOT_LOADABLE,
    TINY,
    globals=List.of(management.SnapshotGlobal(GlobalType.I32, 7)),
)
_not_loadable(
    "load_other_heap",
    "A snapshot is not loaded if the module cannot have such a heap",
    RejectReason.SNAPSHOT_NOT_LOADABLE,
    TINY,
    wasm_memory_size=PAGE,
)
_not_loadable(
    "load_hook_ready",
    "A snapshot is not loaded if it calls memory low that is not",
    RejectReason.SNAPSHOT_NOT_LOADABLE,
    TINY,
    on_low_wasm_memory_hook_status=HookStatus.READY,
)


@scenario(
    "A canister without the cycles for an installation loads no snapshot",
    covers=("rule.mgmt.load-snapshot.conditions", "error.install-code-not-enough-cycles"),
)
def load_unpaid(stage: Stage) -> None:
    # Given
    source, poor = scripted(stage), stage.create(cycles=10**10)
    snapshot = taken(stage, source)
    # Then
    refused_with(RejectReason.CANISTER_OUT_OF_CYCLES)(stage, load_snapshot(stage, poor, snapshot.id))


@scenario(
    "Methods about snapshots of a canister that does not exist are rejected",
    covers=("error.canister-not-found", "rule.mgmt.take-snapshot.keep-code"),
)
def snapshots_of_nobody(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    asked: tuple[tuple[Text, management.AnyArguments], ...] = (
        ("take_canister_snapshot", management.TakeSnapshotArguments(NOBODY)),
        ("load_canister_snapshot", management.LoadSnapshotArguments(NOBODY, WRONG)),
        ("list_canister_snapshots", management.CanisterIdArguments(NOBODY)),
        ("delete_canister_snapshot", management.SnapshotArguments(NOBODY, WRONG)),
        ("read_canister_snapshot_metadata", management.SnapshotArguments(NOBODY, WRONG)),
        ("upload_canister_snapshot_metadata", management.UploadSnapshotMetadataArguments(NOBODY, 8, 0, 0)),
    )
    # Then
    for method_name, arguments in asked:
        stage.expect(stage.call(canister, asking(method_name, arguments)), REJECTED)


@scenario(
    "Deleting a canister deletes its snapshots",
    covers=("rule.mgmt.delete-canister", "error.snapshot-not-found"),
)
def deleted_owner(stage: Stage) -> None:
    # Given
    source, target = scripted(stage), scripted(stage)
    snapshot = taken(stage, source)
    # When
    stage.about("stop_canister", source)
    stage.expect(stage.about("delete_canister", source), DONE)
    # Then
    refused_with(RejectReason.SNAPSHOT_NOT_FOUND)(stage, load_snapshot(stage, target, snapshot.id))
