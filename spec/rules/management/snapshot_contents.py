"""Reading what snapshots hold, and creating snapshots by uploading it."""

from attrs import evolve, frozen

from spec.canister.wasm_state import WasmState
from spec.profile import Profile
from spec.rules.conditions import existing_canister
from spec.rules.hashes import hash_of_blob
from spec.rules.management.arguments import decoded, management_call, replied, reply, require_controller
from spec.rules.management.chunk_store import with_chunk
from spec.rules.management.payments import cost_for, paid
from spec.rules.management.snapshots import (
    cost_of_snapshot,
    delete_snapshot_arguments,
    existing_snapshot,
    require_fresh_id,
    require_room,
    with_snapshot,
)
from spec.rules.management.status import require_visible
from spec.state.canister import Canister
from spec.state.snapshot import Snapshot, SnapshotSource
from spec.state.state import State
from spec.transition import Burned, BurnReason, Step, opaque, require, require_present, transition
from spec.values import management
from spec.values.containers import Map
from spec.values.identifiers import Blob, CanisterId, MessageId, SnapshotId
from spec.values.memory import LinearMemory
from spec.values.quantities import WASM_PAGE, ByteCount, Instructions
from spec.values.rejects import RejectCode, RejectReason

LONGEST_GLOBAL = 128
"""The bits of a v128."""


@opaque
def read_metadata_arguments(argument: Blob) -> management.SnapshotArguments | None:
    """The argument of `read_canister_snapshot_metadata`."""
    return delete_snapshot_arguments(argument)


@opaque
def read_data_arguments(argument: Blob) -> management.ReadSnapshotDataArguments | None:
    """The argument of `read_canister_snapshot_data`."""
    arguments = management.decode_arguments("read_canister_snapshot_data", argument)
    return arguments if isinstance(arguments, management.ReadSnapshotDataArguments) else None


@opaque
def upload_metadata_arguments(argument: Blob) -> management.UploadSnapshotMetadataArguments | None:
    """The argument of `upload_canister_snapshot_metadata`."""
    arguments = management.decode_arguments("upload_canister_snapshot_metadata", argument)
    return arguments if isinstance(arguments, management.UploadSnapshotMetadataArguments) else None


@opaque
def upload_data_arguments(argument: Blob) -> management.UploadSnapshotDataArguments | None:
    """The argument of `upload_canister_snapshot_data`."""
    arguments = management.decode_arguments("upload_canister_snapshot_data", argument)
    return arguments if isinstance(arguments, management.UploadSnapshotDataArguments) else None


@opaque
def encoded_metadata(snapshot: Snapshot) -> Blob:
    """The result of `read_canister_snapshot_metadata`."""
    return management.encode_result("read_canister_snapshot_metadata", snapshot.metadata())


@opaque
def encoded_data(content: Blob) -> Blob:
    """The result of `read_canister_snapshot_data`."""
    return management.encode_result("read_canister_snapshot_data", content)


@opaque
def encoded_snapshot_id(snapshot_id: SnapshotId) -> Blob:
    """The result of `upload_canister_snapshot_metadata`."""
    return management.encode_result("upload_canister_snapshot_metadata", snapshot_id)


@opaque
def is_uploadable(profile: Profile, arguments: management.UploadSnapshotMetadataArguments) -> bool:
    """The sizes are whole pages, and nothing is larger than a canister may have it."""
    limits = profile.limits
    return (
        arguments.wasm_module_size <= limits.module_size
        and arguments.wasm_memory_size <= limits.wasm_memory_64
        and arguments.wasm_memory_size % WASM_PAGE == 0
        and arguments.stable_memory_size <= limits.stable_memory
        and arguments.stable_memory_size % WASM_PAGE == 0
        and len(arguments.certified_data) <= limits.certified_data
        and len(arguments.globals) <= limits.globals
        and arguments.globals.every(lambda one: one.bits < 2**LONGEST_GLOBAL)
    )


@opaque
def uploaded_snapshot(
    canister: Canister, canister_id: CanisterId, arguments: management.UploadSnapshotMetadataArguments
) -> Snapshot:
    """A snapshot with these metadata, created now, without chunks. Its module and its memories hold zeros only."""
    return Snapshot(
        source=SnapshotSource.METADATA_UPLOAD,
        taken_at=canister.time,
        raw_module=bytes(arguments.wasm_module_size),
        wasm_state=WasmState(
            self_id=canister_id,
            wasm_memory=LinearMemory(arguments.wasm_memory_size // WASM_PAGE),
            stable_memory=LinearMemory(arguments.stable_memory_size // WASM_PAGE),
            globals=tuple(one.bits for one in arguments.globals),
        ),
        global_types=arguments.globals.map(lambda one: one.type),
        canister_version=canister.version,
        certified_data=arguments.certified_data,
        global_timer=arguments.global_timer,
        low_memory_hook=arguments.on_low_wasm_memory_hook_status,
    )


@opaque
def size_of_part(kind: management.SnapshotPart) -> ByteCount:
    """How many bytes of module or memory are asked for; 0 for a chunk."""
    return 0 if isinstance(kind, management.StoredChunk) else kind.size or 0


@opaque
def part_of(snapshot: Snapshot, kind: management.SnapshotPart) -> Blob | None:
    """The bytes asked for; None if they are not all there."""
    match kind:
        case management.StoredChunk():
            if kind.hash is None or kind.hash not in snapshot.chunk_store:
                return None
            return snapshot.chunk_store[kind.hash]
        case management.ModulePart():
            end = kind.offset + (kind.size or 0)
            return snapshot.raw_module[kind.offset : end] if end <= len(snapshot.raw_module) else None
        case management.HeapPart():
            memory = snapshot.wasm_state.wasm_memory
        case management.StableMemoryPart():
            memory = snapshot.wasm_state.stable_memory
    size = kind.size or 0
    return memory.read(kind.offset, size) if kind.offset + size <= memory.size else None


@frozen
class ModuleAndState:
    """What may be uploaded byte by byte."""

    raw_module: Blob
    wasm_state: WasmState


@opaque
def with_bytes(snapshot: Snapshot, kind: management.SnapshotPart, content: Blob) -> ModuleAndState | None:
    """Module and state of a snapshot with other bytes in the module or a memory; None if they do not lie inside."""
    raw, state = snapshot.raw_module, snapshot.wasm_state
    if isinstance(kind, management.StoredChunk):
        return None
    end = kind.offset + len(content)
    match kind:
        case management.ModulePart() if end <= len(raw):
            return ModuleAndState(raw[: kind.offset] + content + raw[end:], state)
        case management.HeapPart() if end <= state.wasm_memory.size:
            heap = state.wasm_memory.with_bytes(kind.offset, content)
            return ModuleAndState(raw, evolve(state, wasm_memory=heap))
        case management.StableMemoryPart() if end <= state.stable_memory.size:
            stable = state.stable_memory.with_bytes(kind.offset, content)
            return ModuleAndState(raw, evolve(state, stable_memory=stable))
        case _:
            return None


@transition(title="Read snapshot metadata", source="abstract-behavior#ic-management-canister-read-snapshot-metadata")
def read_canister_snapshot_metadata(state: State, *, message_id: MessageId) -> Step:
    """Whom the snapshot visibility admits learns what a snapshot consists of."""
    # CONDITIONS
    call = management_call(state, message_id, "read_canister_snapshot_metadata")
    arguments = decoded(read_metadata_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    require_visible(call, canister, canister.settings.snapshot_visibility)
    snapshot = existing_snapshot(state, canister, arguments.snapshot_id)

    # STATE AFTER
    return reply(state, message_id, call, encoded_metadata(snapshot))


@transition(title="Read snapshot data", source="abstract-behavior#ic-management-canister-read-snapshot-data")
def read_canister_snapshot_data(state: State, *, message_id: MessageId) -> Step:
    """Whom the snapshot visibility admits reads bytes of a snapshot; the canister pays."""
    # CONDITIONS
    call = management_call(state, message_id, "read_canister_snapshot_data")
    arguments = decoded(read_data_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    require_visible(call, canister, canister.settings.snapshot_visibility)
    snapshot = existing_snapshot(state, canister, arguments.snapshot_id)
    require(
        size_of_part(arguments.kind) <= state.profile.limits.snapshot_slice,
        "not too much is read at once",
        RejectReason.INVALID_ARGUMENT,
    )
    content = part_of(snapshot, arguments.kind)
    require(
        content is not None or not isinstance(arguments.kind, management.StoredChunk),
        "the chunk is in the snapshot",
        RejectReason.CHUNK_NOT_FOUND,
    )
    read = require_present(content, "the range is inside", RejectReason.OUT_OF_RANGE)
    used = cost_for(state, canister, state.profile.limits.snapshot_data_instructions + len(read))
    after = paid(state, arguments.canister_id, canister, used)

    # STATE AFTER
    return Step(
        evolve(
            replied(state, message_id, call, encoded_data(read)),
            canisters=state.canisters.set(arguments.canister_id, after),
        ),
        burned=(Burned(used, BurnReason.EXECUTION),),
    )


@transition(
    title="Upload canister snapshot metadata",
    source="abstract-behavior#ic-management-canister-upload-canister-snapshot-metadata",
)
def upload_canister_snapshot_metadata(state: State, *, message_id: MessageId, snapshot_id: SnapshotId) -> Step:
    """A controller creates a snapshot whose module and memories are filled later."""
    # CONDITIONS
    call = management_call(state, message_id, "upload_canister_snapshot_metadata")
    arguments = decoded(upload_metadata_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    require_controller(call, canister)
    require_fresh_id(state, snapshot_id)
    require(
        is_uploadable(state.profile, arguments),
        "the sizes are possible",
        RejectReason.INVALID_ARGUMENT,
        RejectCode.CANISTER_ERROR,
    )
    require_room(state, canister, arguments.replace_snapshot)
    snapshot = evolve(uploaded_snapshot(canister, arguments.canister_id, arguments), chunk_store=Map())
    kept = with_snapshot(canister, arguments.replace_snapshot, snapshot_id, snapshot)
    used = cost_of_snapshot(state, canister, snapshot)
    after = paid(state, arguments.canister_id, kept, used)

    # STATE AFTER
    return Step(
        evolve(
            replied(state, message_id, call, encoded_snapshot_id(snapshot_id)),
            canisters=state.canisters.set(arguments.canister_id, after),
            used_snapshot_ids=state.used_snapshot_ids.append(snapshot_id),
        ),
        burned=(Burned(used, BurnReason.EXECUTION),),
    )


@transition(
    title="Upload canister snapshot data",
    source="abstract-behavior#ic-management-canister-upload-canister-snapshot-data",
)
def upload_canister_snapshot_data(state: State, *, message_id: MessageId) -> Step:
    """A controller fills a part of a snapshot that was created by uploading."""
    # CONDITIONS
    call = management_call(state, message_id, "upload_canister_snapshot_data")
    arguments = decoded(upload_data_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    require_controller(call, canister)
    snapshot = existing_snapshot(state, canister, arguments.snapshot_id)
    require(
        snapshot.source == SnapshotSource.METADATA_UPLOAD,
        "the snapshot was created by uploading",
        RejectReason.SNAPSHOT_NOT_UPLOADED,
    )
    filled = filled_snapshot(state, snapshot, arguments)
    kept = evolve(canister, snapshots=canister.snapshots.set(arguments.snapshot_id, filled))
    used = cost_for(state, canister, instructions_to_upload(state, arguments))
    after = paid(state, arguments.canister_id, kept, used)

    # STATE AFTER
    return Step(
        evolve(replied(state, message_id, call), canisters=state.canisters.set(arguments.canister_id, after)),
        burned=(Burned(used, BurnReason.EXECUTION),),
    )


def filled_snapshot(state: State, snapshot: Snapshot, arguments: management.UploadSnapshotDataArguments) -> Snapshot:
    """The snapshot with the uploaded bytes at their place, or with one more chunk."""
    if isinstance(arguments.kind, management.StoredChunk):
        chunk_hash = hash_of_blob(arguments.chunk)
        return evolve(snapshot, chunk_store=with_chunk(state, snapshot.chunk_store, chunk_hash, arguments.chunk))
    require(
        len(arguments.chunk) <= state.profile.limits.snapshot_slice,
        "not too much is written at once",
        RejectReason.INVALID_ARGUMENT,
    )
    filled = require_present(
        with_bytes(snapshot, arguments.kind, arguments.chunk), "the range is inside", RejectReason.OUT_OF_RANGE
    )
    return evolve(snapshot, raw_module=filled.raw_module, wasm_state=filled.wasm_state)


def instructions_to_upload(state: State, arguments: management.UploadSnapshotDataArguments) -> Instructions:
    """What uploading is charged for: the bytes, or what storing a chunk is charged for."""
    if isinstance(arguments.kind, management.StoredChunk):
        return state.profile.limits.upload_chunk_instructions
    return len(arguments.chunk)
