"""Snapshots: arguments and results. Source: management-canister, and ic.did for the types."""

import struct
from typing import Final

from attrs import field, frozen

from spec.values.candid import Case, Primitive, Variant
from spec.values.canister_terms import GlobalType, HookStatus, SnapshotSource
from spec.values.containers import List
from spec.values.float32 import bits_of_float32, float32
from spec.values.identifiers import Blob, CanisterId, SnapshotId
from spec.values.management.chunk_store import CHUNK_HASH
from spec.values.management.shapes import (
    BLOB_SHAPE,
    BOOL,
    NAT64,
    PRINCIPAL,
    Shape,
    empty_case,
    enumeration_shape,
    list_shape,
    optional_shape,
    record_shape,
    single_field,
    union_shape,
)
from spec.values.quantities import ByteCount, CanisterVersion, Nanoseconds


@frozen
class TakeSnapshotArguments:
    """Argument of `take_canister_snapshot`."""

    canister_id: CanisterId
    replace_snapshot: SnapshotId | None = None
    uninstall_code: bool | None = None
    sender_canister_version: CanisterVersion | None = None


@frozen
class LoadSnapshotArguments:
    """Argument of `load_canister_snapshot`."""

    canister_id: CanisterId
    """The canister that the snapshot is loaded onto."""
    snapshot_id: SnapshotId
    sender_canister_version: CanisterVersion | None = None


@frozen
class SnapshotArguments:
    """Argument of `delete_canister_snapshot` and `read_canister_snapshot_metadata`."""

    canister_id: CanisterId
    snapshot_id: SnapshotId


@frozen
class ModulePart:
    """Bytes of the module. `size` is None where the bytes themselves are given; likewise in the next two."""

    offset: ByteCount
    size: ByteCount | None = None


@frozen
class HeapPart:
    """Bytes of the heap."""

    offset: ByteCount
    size: ByteCount | None = None


@frozen
class StableMemoryPart:
    """Bytes of the stable memory."""

    offset: ByteCount
    size: ByteCount | None = None


@frozen
class StoredChunk:
    """A chunk of the chunk store. `hash` is None where the chunk itself is given."""

    hash: Blob | None = None


SnapshotPart = ModulePart | HeapPart | StableMemoryPart | StoredChunk


@frozen
class ReadSnapshotDataArguments:
    """Argument of `read_canister_snapshot_data`."""

    canister_id: CanisterId
    snapshot_id: SnapshotId
    kind: SnapshotPart


@frozen
class UploadSnapshotDataArguments:
    """Argument of `upload_canister_snapshot_data`."""

    canister_id: CanisterId
    snapshot_id: SnapshotId
    kind: SnapshotPart
    chunk: Blob


@frozen
class SnapshotGlobal:
    """The value of a global in a snapshot."""

    type: GlobalType
    bits: int
    """The bit pattern, as an unsigned integer. Candid also takes numbers for v128 that have too many bits."""


@frozen
class UploadSnapshotMetadataArguments:
    """Argument of `upload_canister_snapshot_metadata`."""

    canister_id: CanisterId
    wasm_module_size: ByteCount
    wasm_memory_size: ByteCount
    stable_memory_size: ByteCount
    replace_snapshot: SnapshotId | None = None
    globals: List[SnapshotGlobal] = field(factory=List)
    certified_data: Blob = b""
    global_timer: Nanoseconds | None = None
    """0 if it is not set; None to leave it as it is when the snapshot is loaded. The hook status likewise."""
    on_low_wasm_memory_hook_status: HookStatus | None = None


@frozen
class SnapshotSummary:
    """Result of `take_canister_snapshot`, and item of that of `list_canister_snapshots`."""

    id: SnapshotId
    taken_at_timestamp: Nanoseconds
    total_size: ByteCount


@frozen
class SnapshotMetadata:
    """Result of `read_canister_snapshot_metadata`."""

    source: SnapshotSource
    taken_at_timestamp: Nanoseconds
    wasm_module_size: ByteCount
    globals: List[SnapshotGlobal]
    wasm_memory_size: ByteCount
    stable_memory_size: ByteCount
    wasm_chunk_store: List[Blob]
    """The hashes of the chunks."""
    canister_version: CanisterVersion
    certified_data: Blob
    global_timer: Nanoseconds | None
    on_low_wasm_memory_hook_status: HookStatus | None


_FORMATS: Final = {
    GlobalType.I32: ("<I", "<i"),
    GlobalType.I64: ("<Q", "<q"),
    GlobalType.F64: ("<Q", "<d"),
}
"""How the bit pattern of a global is packed, and how Candid's value."""


def _read_global(case: Case) -> SnapshotGlobal:
    kind = GlobalType(case.label)
    if kind is GlobalType.V128:
        return SnapshotGlobal(kind, case.value)
    if kind is GlobalType.F32:
        return SnapshotGlobal(kind, bits_of_float32(case.value))
    bits, value = _FORMATS[kind]
    return SnapshotGlobal(kind, struct.unpack(bits, struct.pack(value, case.value))[0])


def _write_global(one: SnapshotGlobal) -> Case:
    if one.type is GlobalType.V128:
        return Case("v128", one.bits)
    if one.type is GlobalType.F32:
        return Case("f32", float32(one.bits))
    bits, value = _FORMATS[one.type]
    return Case(one.type.value, struct.unpack(value, struct.pack(bits, one.bits))[0])


GLOBAL: Final = Shape(
    Variant(
        {
            "i32": Primitive.INT32,
            "i64": Primitive.INT64,
            "f32": Primitive.FLOAT32,
            "f64": Primitive.FLOAT64,
            "v128": Primitive.NAT,
        }
    ),
    _read_global,
    _write_global,
)

TIMER: Final = Shape(
    Variant({"inactive": Primitive.NULL, "active": Primitive.NAT64}),
    lambda case: 0 if case.label == "inactive" else case.value,
    lambda time: Case("active", time) if time else Case("inactive"),
)

_STATE_FIELDS: Final = {
    "globals": list_shape(GLOBAL),
    "wasm_memory_size": NAT64,
    "stable_memory_size": NAT64,
    "certified_data": BLOB_SHAPE,
    "global_timer": optional_shape(TIMER),
    "on_low_wasm_memory_hook_status": optional_shape(enumeration_shape(HookStatus)),
}

SUMMARY: Final = record_shape(SnapshotSummary, {"id": BLOB_SHAPE, "taken_at_timestamp": NAT64, "total_size": NAT64})

SNAPSHOT: Final = {"canister_id": PRINCIPAL, "snapshot_id": BLOB_SHAPE}

_RANGE: Final = {"offset": NAT64, "size": NAT64}
_OFFSET: Final = {"offset": NAT64}

READ_PART: Final = union_shape(
    {
        "wasm_module": (ModulePart, record_shape(ModulePart, _RANGE)),
        "wasm_memory": (HeapPart, record_shape(HeapPart, _RANGE)),
        "stable_memory": (StableMemoryPart, record_shape(StableMemoryPart, _RANGE)),
        "wasm_chunk": (StoredChunk, record_shape(StoredChunk, {"hash": BLOB_SHAPE})),
    }
)

UPLOAD_PART: Final = union_shape(
    {
        "wasm_module": (ModulePart, record_shape(ModulePart, _OFFSET)),
        "wasm_memory": (HeapPart, record_shape(HeapPart, _OFFSET)),
        "stable_memory": (StableMemoryPart, record_shape(StableMemoryPart, _OFFSET)),
        "wasm_chunk": (StoredChunk, empty_case(StoredChunk)),
    }
)

ARGUMENTS: Final = {
    "take_canister_snapshot": record_shape(
        TakeSnapshotArguments,
        {
            "canister_id": PRINCIPAL,
            "replace_snapshot": optional_shape(BLOB_SHAPE),
            "uninstall_code": optional_shape(BOOL),
            "sender_canister_version": optional_shape(NAT64),
        },
    ),
    "load_canister_snapshot": record_shape(
        LoadSnapshotArguments, {**SNAPSHOT, "sender_canister_version": optional_shape(NAT64)}
    ),
    "delete_canister_snapshot": record_shape(SnapshotArguments, SNAPSHOT),
    "read_canister_snapshot_metadata": record_shape(SnapshotArguments, SNAPSHOT),
    "read_canister_snapshot_data": record_shape(ReadSnapshotDataArguments, {**SNAPSHOT, "kind": READ_PART}),
    "upload_canister_snapshot_data": record_shape(
        UploadSnapshotDataArguments, {**SNAPSHOT, "kind": UPLOAD_PART, "chunk": BLOB_SHAPE}
    ),
    "upload_canister_snapshot_metadata": record_shape(
        UploadSnapshotMetadataArguments,
        {
            "canister_id": PRINCIPAL,
            "replace_snapshot": optional_shape(BLOB_SHAPE),
            "wasm_module_size": NAT64,
            **_STATE_FIELDS,
        },
    ),
}

RESULTS: Final = {
    "take_canister_snapshot": SUMMARY,
    "list_canister_snapshots": list_shape(SUMMARY),
    "read_canister_snapshot_metadata": record_shape(
        SnapshotMetadata,
        {
            "source": enumeration_shape(SnapshotSource, Primitive.RESERVED),
            "taken_at_timestamp": NAT64,
            "wasm_module_size": NAT64,
            "wasm_chunk_store": list_shape(CHUNK_HASH),
            "canister_version": NAT64,
            **_STATE_FIELDS,
        },
    ),
    "read_canister_snapshot_data": single_field("chunk", BLOB_SHAPE),
    "upload_canister_snapshot_metadata": single_field("snapshot_id", BLOB_SHAPE),
}
