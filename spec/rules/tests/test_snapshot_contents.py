"""Snapshots are read, and created by uploading what they hold."""

import pytest
from attrs import evolve

from spec.canister.wasm_state import WasmState
from spec.rules.tests.services import answer, rejection, reply_of, sha256
from spec.rules.tests.worlds import NOW, PROFILE, RICH, STRANGER, USER, A, asked, canister, fire, is_refused, managing
from spec.state.canister import HookStatus
from spec.state.snapshot import Snapshot, SnapshotSource
from spec.transition import Burned, BurnReason
from spec.values import management
from spec.values.canister_terms import GlobalType, Public
from spec.values.containers import List, Map
from spec.values.identifiers import SnapshotId
from spec.values.management import HeapPart, ModulePart, SnapshotGlobal, StableMemoryPart, StoredChunk
from spec.values.memory import LinearMemory
from spec.values.rejects import RejectReason, Reply

ID, OTHER = SnapshotId(b"snapshot"), SnapshotId(b"other")
READ_METADATA, READ_DATA = "read_canister_snapshot_metadata", "read_canister_snapshot_data"
UPLOAD_METADATA, UPLOAD_DATA = "upload_canister_snapshot_metadata", "upload_canister_snapshot_data"
PAGE = 65536
SLICE = 2_000_000
BASE, DATA_BASE, CHUNK_PRICE = 2_000_000_000, 5_000_000, 200_000_000


def numbered(size):
    """Bytes that tell where they are."""
    return bytes(index % 251 for index in range(size))


MODULE, HEAP, STABLE = numbered(100), numbered(PAGE), numbered(2 * PAGE)[::-1]
UPLOADED = Snapshot(
    source=SnapshotSource.METADATA_UPLOAD,
    taken_at=NOW - 9,
    raw_module=MODULE,
    wasm_state=WasmState(A, LinearMemory.from_bytes(HEAP), LinearMemory.from_bytes(STABLE), (2**32 - 1, 7)),
    global_types=List.of(GlobalType.I32, GlobalType.V128),
    canister_version=4,
    certified_data=b"certified",
    global_timer=0,
    low_memory_hook=None,
    chunk_store=Map.of([(sha256(b"chunk"), b"chunk")]),
)
TAKEN = evolve(UPLOADED, source=SnapshotSource.TAKEN_FROM_CANISTER)


def holding(arguments, method_name, caller=USER, snapshot=UPLOADED, **changes):
    """A state in which a canister with a snapshot is asked about it."""
    holder = canister(A, snapshots=Map.of([(ID, snapshot)]), **changes)
    return managing((A, holder), call=asked(arguments, method_name, caller))


def reading(kind, snapshot_id=ID, **changes):
    return holding(management.ReadSnapshotDataArguments(A, snapshot_id, kind), READ_DATA, **changes)


def writing(kind, chunk, snapshot_id=ID, **changes):
    return holding(management.UploadSnapshotDataArguments(A, snapshot_id, kind, chunk), UPLOAD_DATA, **changes)


@pytest.mark.checklist("rule.mgmt.read-snapshot-metadata", "mgmt.read-canister-snapshot-metadata")
def test_the_metadata_of_a_snapshot_tell_what_it_consists_of():
    after = fire(holding(management.SnapshotArguments(A, ID), READ_METADATA), READ_METADATA, message_id=0).state
    assert management.decode_result(READ_METADATA, reply_of(after)) == management.SnapshotMetadata(
        source=SnapshotSource.METADATA_UPLOAD,
        taken_at_timestamp=NOW - 9,
        wasm_module_size=100,
        globals=List.of(SnapshotGlobal(GlobalType.I32, 2**32 - 1), SnapshotGlobal(GlobalType.V128, 7)),
        wasm_memory_size=PAGE,
        stable_memory_size=2 * PAGE,
        wasm_chunk_store=List.of(sha256(b"chunk")),
        canister_version=4,
        certified_data=b"certified",
        global_timer=0,
        on_low_wasm_memory_hook_status=None,
    )


@pytest.mark.checklist(
    "rule.mgmt.read-snapshot-metadata", "rule.mgmt.read-snapshot-data", "setting.snapshot-visibility"
)
def test_strangers_read_snapshots_only_if_they_are_public():
    about = management.SnapshotArguments(A, ID)
    assert rejection(holding(about, READ_METADATA, STRANGER)) is RejectReason.NOT_AUTHORIZED
    assert rejection(reading(ModulePart(0, 1), caller=STRANGER)) is RejectReason.NOT_AUTHORIZED
    public = {"caller": STRANGER, "snapshot_visibility": Public()}
    assert fire(holding(about, READ_METADATA, **public), READ_METADATA, message_id=0)
    assert fire(reading(ModulePart(0, 1), **public), READ_DATA, message_id=0)


@pytest.mark.checklist("rule.mgmt.read-snapshot-data", "mgmt.read-canister-snapshot-data")
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ModulePart(10, 90), MODULE[10:]),
        (HeapPart(4090, 12), HEAP[4090:4102]),
        (HeapPart(PAGE, 0), b""),
        (StableMemoryPart(2 * PAGE - 5, 5), STABLE[-5:]),
        (StoredChunk(sha256(b"chunk")), b"chunk"),
    ],
)
def test_exactly_the_bytes_asked_for_are_read_and_paid_for(kind, expected):
    fired = fire(reading(kind), READ_DATA, message_id=0)
    price = DATA_BASE + len(expected)
    assert answer(fired.state) == (Reply(management.encode_result(READ_DATA, expected)), 1_000_000)
    assert fired.state.canisters[A].balance == RICH - price
    assert fired.burned == (Burned(price, BurnReason.EXECUTION),)


@pytest.mark.checklist("rule.mgmt.read-snapshot-data", "mgmt.read-canister-snapshot-data", "error.snapshot-not-found")
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (reading(ModulePart(10, 91)), RejectReason.OUT_OF_RANGE),
        (reading(HeapPart(PAGE, 1)), RejectReason.OUT_OF_RANGE),
        (reading(StableMemoryPart(2**63, 1)), RejectReason.OUT_OF_RANGE),
        (reading(HeapPart(0, SLICE + 1)), RejectReason.INVALID_ARGUMENT),
        (reading(StoredChunk(b"unknown")), RejectReason.CHUNK_NOT_FOUND),
        (reading(ModulePart(0, 1), snapshot_id=OTHER), RejectReason.SNAPSHOT_NOT_FOUND),
        (reading(ModulePart(0, 1), balance=DATA_BASE), RejectReason.CANISTER_OUT_OF_CYCLES),
    ],
)
def test_what_is_not_there_is_not_read(state, reason):
    assert rejection(state) is reason


NONE = Map()


def creating(replaced=None, snapshots=NONE, caller=USER, **given):
    sizes = {"wasm_module_size": 10, "wasm_memory_size": PAGE, "stable_memory_size": 2 * PAGE} | given
    arguments = management.UploadSnapshotMetadataArguments(
        canister_id=A,
        replace_snapshot=replaced,
        globals=sizes.pop("globals", List.of(SnapshotGlobal(GlobalType.I64, 5))),
        certified_data=sizes.pop("certified_data", b"c"),
        global_timer=77,
        on_low_wasm_memory_hook_status=HookStatus.READY,
        **sizes,
    )
    return managing((A, canister(A, snapshots=snapshots)), call=asked(arguments, UPLOAD_METADATA, caller))


CREATED = Snapshot(
    source=SnapshotSource.METADATA_UPLOAD,
    taken_at=NOW,
    raw_module=bytes(10),
    wasm_state=WasmState(A, LinearMemory(1), LinearMemory(2), (5,)),
    global_types=List.of(GlobalType.I64),
    canister_version=7,
    certified_data=b"c",
    global_timer=77,
    low_memory_hook=HookStatus.READY,
)


@pytest.mark.checklist("rule.mgmt.upload-snapshot-metadata", "mgmt.upload-canister-snapshot-metadata")
def test_uploaded_metadata_create_a_snapshot_of_zeros():
    before = creating()
    fired = fire(before, UPLOAD_METADATA, message_id=0, snapshot_id=ID)
    price = BASE + 3 * PAGE + 64 + 10 + 1
    expected = evolve(before.canisters[A], snapshots=Map.of([(ID, CREATED)]), balance=RICH - price)
    assert fired.state.canisters[A] == expected
    assert answer(fired.state) == (Reply(management.encode_result(UPLOAD_METADATA, ID)), 1_000_000)
    assert fired.state.used_snapshot_ids == List.of(ID)


@pytest.mark.checklist("rule.mgmt.upload-snapshot-metadata", "mgmt.upload-canister-snapshot-metadata")
def test_an_uploaded_snapshot_may_replace_another():
    after = fire(creating(OTHER, Map.of([(OTHER, TAKEN)])), UPLOAD_METADATA, message_id=0, snapshot_id=ID).state
    assert after.canisters[A].snapshots == Map.of([(ID, CREATED)])
    assert rejection(creating(OTHER)) is RejectReason.SNAPSHOT_NOT_FOUND
    full = Map.of((SnapshotId(bytes([number])), TAKEN) for number in range(10))
    assert rejection(creating(snapshots=full)) is RejectReason.SNAPSHOT_LIMIT_EXCEEDED


@pytest.mark.checklist("rule.mgmt.upload-snapshot-metadata")
@pytest.mark.parametrize(
    "given",
    [
        {"wasm_module_size": PROFILE.limits.module_size + 1},
        {"wasm_memory_size": PROFILE.limits.wasm_memory_64 + PAGE},
        {"wasm_memory_size": 1},
        {"stable_memory_size": PROFILE.limits.stable_memory + PAGE},
        {"stable_memory_size": PAGE + 1},
        {"certified_data": bytes(33)},
        {"globals": List((SnapshotGlobal(GlobalType.I32, 0),) * 1001)},
        {"globals": List.of(SnapshotGlobal(GlobalType.V128, 2**128))},
    ],
)
def test_a_snapshot_that_no_canister_could_have_is_refused(given):
    assert rejection(creating(**given)) is RejectReason.INVALID_ARGUMENT


@pytest.mark.checklist("rule.mgmt.upload-snapshot-metadata")
def test_only_controllers_create_snapshots_and_ids_are_fresh():
    assert rejection(creating(caller=STRANGER)) is RejectReason.NOT_AUTHORIZED
    used = evolve(creating(), used_snapshot_ids=List.of(ID))
    assert is_refused(used, UPLOAD_METADATA, "the snapshot id is fresh", message_id=0, snapshot_id=ID)


@pytest.mark.checklist("rule.mgmt.upload-snapshot-data", "mgmt.upload-canister-snapshot-data")
@pytest.mark.parametrize(
    ("kind", "part", "offset"),
    [
        (ModulePart(95), MODULE, 95),
        (HeapPart(4094), HEAP, 4094),
        (HeapPart(0), HEAP, 0),
        (StableMemoryPart(2 * PAGE - 5), STABLE, 2 * PAGE - 5),
    ],
)
def test_uploaded_bytes_replace_those_at_their_place(kind, part, offset):
    fired = fire(writing(kind, b"12345"), UPLOAD_DATA, message_id=0)
    snapshot = fired.state.canisters[A].snapshots[ID]
    expected = part[:offset] + b"12345" + part[offset + 5 :]
    contents = {
        ModulePart: snapshot.raw_module,
        HeapPart: snapshot.wasm_state.wasm_memory.to_bytes(),
        StableMemoryPart: snapshot.wasm_state.stable_memory.to_bytes(),
    }
    before = {ModulePart: MODULE, HeapPart: HEAP, StableMemoryPart: STABLE}
    assert contents == before | {type(kind): expected}
    assert fired.burned == (Burned(5, BurnReason.EXECUTION),)
    assert answer(fired.state) == (Reply(management.EMPTY_RESULT), 1_000_000)


@pytest.mark.checklist("rule.mgmt.upload-snapshot-data", "mgmt.upload-canister-snapshot-data")
def test_an_uploaded_chunk_is_added_under_its_hash():
    fired = fire(writing(StoredChunk(), b"new"), UPLOAD_DATA, message_id=0)
    expected = evolve(UPLOADED, chunk_store=UPLOADED.chunk_store.set(sha256(b"new"), b"new"))
    assert fired.state.canisters[A].snapshots == Map.of([(ID, expected)])
    assert fired.burned == (Burned(CHUNK_PRICE, BurnReason.EXECUTION),)


@pytest.mark.checklist("rule.mgmt.upload-snapshot-data", "mgmt.upload-canister-snapshot-data")
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (writing(ModulePart(98), b"123"), RejectReason.OUT_OF_RANGE),
        (writing(HeapPart(PAGE), b"1"), RejectReason.OUT_OF_RANGE),
        (writing(StableMemoryPart(2**60), b"1"), RejectReason.OUT_OF_RANGE),
        (writing(HeapPart(0), bytes(SLICE + 1)), RejectReason.INVALID_ARGUMENT),
        (writing(StoredChunk(), bytes(2**20 + 1)), RejectReason.CHUNK_TOO_LARGE),
        (writing(HeapPart(0), b"1", snapshot=TAKEN), RejectReason.SNAPSHOT_NOT_UPLOADED),
        (writing(HeapPart(0), b"1", snapshot_id=OTHER), RejectReason.SNAPSHOT_NOT_FOUND),
        (writing(HeapPart(0), b"1", caller=STRANGER), RejectReason.NOT_AUTHORIZED),
        (
            writing(
                StoredChunk(),
                b"one more",
                snapshot=evolve(
                    UPLOADED, chunk_store=Map.of((sha256(bytes([number])), bytes([number])) for number in range(100))
                ),
            ),
            RejectReason.CHUNK_STORE_FULL,
        ),
    ],
)
def test_bytes_that_have_no_place_are_refused(state, reason):
    assert rejection(state) is reason


@pytest.mark.checklist(
    "rule.mgmt.upload-snapshot-data",
    "rule.mgmt.read-snapshot-data",
    "prod.canister_snapshots.upload_snapshot_module_with_checkpoint",
)
def test_a_module_of_ten_megabytes_that_is_uploaded_in_slices_is_read_back_unchanged():
    megabyte, whole = 1_000_000, numbered(10_000_000)
    snapshot = evolve(UPLOADED, raw_module=bytes(len(whole)))
    for offset in range(0, len(whole), megabyte):
        state = writing(ModulePart(offset), whole[offset : offset + megabyte], snapshot=snapshot)
        snapshot = fire(state, UPLOAD_DATA, message_id=0).state.canisters[A].snapshots[ID]
    told = [
        fire(reading(ModulePart(offset, megabyte), snapshot=snapshot), READ_DATA, message_id=0).state
        for offset in range(0, len(whole), megabyte)
    ]
    assert b"".join(management.decode_result(READ_DATA, reply_of(state)) for state in told) == whole
