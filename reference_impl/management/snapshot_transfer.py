"""Snapshots piece by piece: reading them out, and making new ones of what is uploaded."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from reference_impl.management.payment import affordable_instructions, pay
from reference_impl.management.snapshots import (
    keep_snapshot,
    missing_snapshot,
    new_id,
    refused_replacement,
    size_without,
    visible_canister,
)
from reference_impl.management.verdicts import (
    Applies,
    DoesNotFit,
    ManagementCall,
    Verdict,
    controlled_canister,
    finish,
    rejection,
)
from reference_impl.subnet.canister_record import CHUNK_SIZE, CanisterRecord, snapshot_size
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.wasm_state import WasmState
from spec.profile import Limits
from spec.state.snapshot import Snapshot, SnapshotSource
from spec.values.identifiers import Blob, MethodName, Text
from spec.values.management import (
    HeapPart,
    ModulePart,
    ReadSnapshotDataArguments,
    SnapshotArguments,
    StableMemoryPart,
    StoredChunk,
    UploadSnapshotDataArguments,
    UploadSnapshotMetadataArguments,
    encode_result,
)
from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, WASM_PAGE, ByteCount
from spec.values.rejects import Reject, RejectCode, RejectReason


def _found(
    instance: SubnetInstance, canister: CanisterRecord | Reject, arguments: Any
) -> tuple[CanisterRecord, Snapshot] | Reject:
    """The canister, if there is no reject yet, and its snapshot."""
    if isinstance(canister, Reject):
        return canister
    snapshot = canister.snapshots.get(arguments.snapshot_id)
    return missing_snapshot(instance, arguments.snapshot_id) if snapshot is None else (canister, snapshot)


def _read_metadata(instance: SubnetInstance, call: ManagementCall, arguments: SnapshotArguments) -> Verdict:
    found = _found(instance, visible_canister(instance, call, arguments.canister_id), arguments)
    if isinstance(found, Reject):
        return found
    reply = encode_result("read_canister_snapshot_metadata", found[1].metadata())
    return Applies("read_canister_snapshot_metadata", lambda: finish(instance, call, reply))


def _read_part(limits: Limits, snapshot: Snapshot, arguments: ReadSnapshotDataArguments) -> Blob | Reject:
    match arguments.kind:
        case StoredChunk(hash=chunk_hash):
            assert chunk_hash is not None, "decoded arguments name the chunk"
            if chunk_hash not in snapshot.chunk_store:
                return rejection(RejectReason.CHUNK_NOT_FOUND)
            return snapshot.chunk_store[chunk_hash]
        case ModulePart() | HeapPart() | StableMemoryPart() as part:
            assert part.size is not None, "decoded arguments give the size"
            if part.size > limits.snapshot_slice:
                return rejection(RejectReason.INVALID_ARGUMENT)
            if part.offset + part.size > _whole_size(snapshot, part):
                return rejection(RejectReason.OUT_OF_RANGE)
            if isinstance(part, ModulePart):
                return snapshot.raw_module[part.offset : part.offset + part.size]
            return _memory(snapshot, part).read(part.offset, part.size)


def _memory(snapshot: Snapshot, part: HeapPart | StableMemoryPart) -> LinearMemory:
    state = snapshot.wasm_state
    return state.wasm_memory if isinstance(part, HeapPart) else state.stable_memory


def _whole_size(snapshot: Snapshot, part: ModulePart | HeapPart | StableMemoryPart) -> ByteCount:
    return len(snapshot.raw_module) if isinstance(part, ModulePart) else _memory(snapshot, part).size


def _read_data(instance: SubnetInstance, call: ManagementCall, arguments: ReadSnapshotDataArguments) -> Verdict:
    found = _found(instance, visible_canister(instance, call, arguments.canister_id), arguments)
    if isinstance(found, Reject):
        return found
    canister, snapshot = found
    limits = instance.profile.limits
    part = _read_part(limits, snapshot, arguments)
    if isinstance(part, Reject):
        return part
    instructions = limits.snapshot_data_instructions + len(part)
    payment = affordable_instructions(instance, canister, instructions, canister.memory_usage())
    if isinstance(payment, Reject):
        return payment

    def apply() -> None:
        pay(instance, canister, payment)
        finish(instance, call, encode_result("read_canister_snapshot_data", part))

    return Applies("read_canister_snapshot_data", apply)


def _sizes_fit(limits: Limits, arguments: UploadSnapshotMetadataArguments) -> bool:
    return (
        arguments.wasm_memory_size % WASM_PAGE == 0
        and arguments.stable_memory_size % WASM_PAGE == 0
        and arguments.wasm_memory_size <= limits.wasm_memory_64
        and arguments.stable_memory_size <= limits.stable_memory
        and arguments.wasm_module_size <= limits.module_size
        and len(arguments.certified_data) <= limits.certified_data
        and len(arguments.globals) <= limits.globals
        and all(one.bits.bit_length() <= 128 for one in arguments.globals)
    )


def _blank_snapshot(canister: CanisterRecord, arguments: UploadSnapshotMetadataArguments) -> Snapshot:
    return Snapshot(
        source=SnapshotSource.METADATA_UPLOAD,
        taken_at=canister.time,
        raw_module=bytes(arguments.wasm_module_size),
        wasm_state=WasmState(
            self_id=arguments.canister_id,
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


def _upload_metadata(
    instance: SubnetInstance, call: ManagementCall, arguments: UploadSnapshotMetadataArguments
) -> Verdict:
    canister = controlled_canister(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    snapshot_id = new_id(instance, call, arguments.canister_id)
    if isinstance(snapshot_id, DoesNotFit):
        return snapshot_id
    limits, replaced = instance.profile.limits, arguments.replace_snapshot
    if not _sizes_fit(limits, arguments):
        return rejection(RejectReason.INVALID_ARGUMENT, RejectCode.CANISTER_ERROR)
    refusal = refused_replacement(instance, canister, replaced)
    if refusal is not None:
        return refusal
    snapshot = _blank_snapshot(canister, arguments)
    size = snapshot_size(snapshot)
    usage = canister.memory_usage() - canister.snapshots_size + size_without(canister, replaced) + size
    payment = affordable_instructions(instance, canister, limits.snapshot_instructions + size, usage)
    if isinstance(payment, Reject):
        return payment

    def apply() -> None:
        keep_snapshot(instance, canister, snapshot_id, snapshot, replaced)
        pay(instance, canister, payment)
        instance.recount_memory(canister)
        finish(instance, call, encode_result("upload_canister_snapshot_metadata", snapshot_id))

    return Applies("upload_canister_snapshot_metadata", apply, (("snapshot_id", snapshot_id),))


def overwritten(memory: LinearMemory, offset: ByteCount, content: Blob) -> LinearMemory:
    """The memory with other bytes from an offset on. They must lie inside."""
    end, changed = offset + len(content), []
    for number in range(offset // OS_PAGE, (end + OS_PAGE - 1) // OS_PAGE):
        start = number * OS_PAGE
        first, last = max(offset, start), min(end, start + OS_PAGE)
        page = bytearray(memory.page(number))
        page[first - start : last - start] = content[first - offset : last - offset]
        changed.append((number, bytes(page)))
    return memory.with_pages(memory.wasm_pages, changed)


def _with_part(limits: Limits, snapshot: Snapshot, arguments: UploadSnapshotDataArguments) -> Snapshot | Reject:
    chunk = arguments.chunk
    match arguments.kind:
        case StoredChunk():
            if len(chunk) > limits.chunk_size:
                return rejection(RejectReason.CHUNK_TOO_LARGE)
            chunks = snapshot.chunk_store.set(hashlib.sha256(chunk).digest(), chunk)
            if len(chunks) > limits.chunk_store:
                return rejection(RejectReason.CHUNK_STORE_FULL)
            return evolve(snapshot, chunk_store=chunks)
        case ModulePart() | HeapPart() | StableMemoryPart() as part:
            if len(chunk) > limits.snapshot_slice:
                return rejection(RejectReason.INVALID_ARGUMENT)
            if part.offset + len(chunk) > _whole_size(snapshot, part):
                return rejection(RejectReason.OUT_OF_RANGE)
            if isinstance(part, ModulePart):
                module = snapshot.raw_module
                written = module[: part.offset] + chunk + module[part.offset + len(chunk) :]
                return evolve(snapshot, raw_module=written)
            memory = overwritten(_memory(snapshot, part), part.offset, chunk)
            state = snapshot.wasm_state
            if isinstance(part, HeapPart):
                return evolve(snapshot, wasm_state=evolve(state, wasm_memory=memory))
            return evolve(snapshot, wasm_state=evolve(state, stable_memory=memory))


def _upload_data(instance: SubnetInstance, call: ManagementCall, arguments: UploadSnapshotDataArguments) -> Verdict:
    found = _found(instance, controlled_canister(instance, call, arguments.canister_id), arguments)
    if isinstance(found, Reject):
        return found
    canister, snapshot = found
    if snapshot.source is not SnapshotSource.METADATA_UPLOAD:
        return rejection(RejectReason.SNAPSHOT_NOT_UPLOADED)
    limits = instance.profile.limits
    written = _with_part(limits, snapshot, arguments)
    if isinstance(written, Reject):
        return written
    grown = CHUNK_SIZE * (len(written.chunk_store) - len(snapshot.chunk_store))
    is_chunk = isinstance(arguments.kind, StoredChunk)
    instructions = limits.upload_chunk_instructions if is_chunk else len(arguments.chunk)
    payment = affordable_instructions(instance, canister, instructions, canister.memory_usage() + grown)
    if isinstance(payment, Reject):
        return payment

    def apply() -> None:
        canister.snapshots[arguments.snapshot_id] = written
        pay(instance, canister, payment)
        instance.recount_memory(canister)
        finish(instance, call)

    return Applies("upload_canister_snapshot_data", apply)


METHODS: Mapping[MethodName, Callable[[SubnetInstance, ManagementCall, Any], Verdict]] = {
    "read_canister_snapshot_metadata": _read_metadata,
    "read_canister_snapshot_data": _read_data,
    "upload_canister_snapshot_metadata": _upload_metadata,
    "upload_canister_snapshot_data": _upload_data,
}
"""The methods about the content of snapshots."""

CHOICES: Mapping[Text, tuple[Text, ...]] = {"upload_canister_snapshot_metadata": ("snapshot_id",)}
