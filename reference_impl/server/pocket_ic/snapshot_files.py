"""
Snapshots of canisters as files: taken out of an instance into a directory, and brought into one from there.

Both go through the management canister, as the sender that the client names, so the rules for snapshots hold. A folder
has `metadata.json`, `wasm_module.bin`, `wasm_memory.bin`, `stable_memory.bin`, and the chunks by their hashes.
"""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from reference_impl.durability.files import FILE_OF_OWNER, OWNER_ALONE, read_file
from reference_impl.server.pocket_ic.fields import (
    Fields,
    Json,
    Refused,
    base64_of,
    blob_of,
    fields_of,
    nested_principal_of,
    path_of,
)
from reference_impl.server.pocket_ic.ingress import Asked, Effective, awaited, message_of, submit
from reference_impl.server.pocket_ic.simulation import Simulation
from reference_impl.subnet.canister_record import CHUNK_SIZE
from spec.state.canister import HookStatus
from spec.values.canister_terms import GlobalType
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, Principal, SnapshotId, Text
from spec.values.management import (
    ReadSnapshotDataArguments,
    SnapshotArguments,
    UploadSnapshotDataArguments,
    UploadSnapshotMetadataArguments,
    decode_result,
    encode_arguments,
)
from spec.values.management.snapshots import (
    HeapPart,
    ModulePart,
    SnapshotGlobal,
    SnapshotMetadata,
    SnapshotPart,
    StableMemoryPart,
    StoredChunk,
)
from spec.values.quantities import ByteCount

METADATA: Final = "metadata.json"
CHUNKS: Final = "wasm_chunk_store"
PIECE: Final[ByteCount] = 1 << 20
"""So much is read or brought with one call."""
LARGEST_METADATA: Final[ByteCount] = 16 << 20

Part = Callable[[ByteCount, ByteCount | None], SnapshotPart]
PARTS: Final[tuple[tuple[Text, Text, Part], ...]] = (
    ("wasm_module.bin", "wasm_module_size", ModulePart),
    ("wasm_memory.bin", "wasm_memory_size", HeapPart),
    ("stable_memory.bin", "stable_memory_size", StableMemoryPart),
)
"""The files, the sizes that the metadata has of them, and how a piece of each is named."""


def _managed(simulation: Simulation, sender: Principal, method: Text, arguments: Any) -> Blob:
    """The reply of the management canister. Raises `Refused` with its reject."""
    asked = Asked(sender, MANAGEMENT_CANISTER, method, encode_arguments(arguments), Effective("None"))
    submitted = submit(simulation, asked)
    answer = awaited(simulation, message_of(submitted["Ok"])) if "Ok" in submitted else submitted
    if "Err" in answer:
        raise Refused(f'CanisterSnapshotError("{answer["Err"]["reject_message"]}")')
    return blob_of(answer, "Ok")


def _parties(fields: Fields) -> tuple[Principal, CanisterId, Path]:
    sender = nested_principal_of({"sender": fields.get("sender")}, "sender", "principal id")
    canister_id = CanisterId(nested_principal_of(fields, "canister_id"))
    directory = path_of(fields, "snapshot_dir")
    if not directory.is_absolute():
        raise Refused(f'InvalidCanisterSnapshotDirectory("{directory} is not an absolute path")')
    return sender, canister_id, directory


def download(simulation: Simulation, body: Json) -> Json:
    """A snapshot becomes files in a directory, which must be empty or not be there."""
    fields = fields_of(body)
    sender, canister_id, directory = _parties(fields)
    snapshot_id = SnapshotId(blob_of(fields, "snapshot_id"))
    about = SnapshotArguments(canister_id, snapshot_id)
    reply = _managed(simulation, sender, "read_canister_snapshot_metadata", about)
    metadata: SnapshotMetadata = decode_result("read_canister_snapshot_metadata", reply)

    def read(part: SnapshotPart) -> Blob:
        wanted = ReadSnapshotDataArguments(canister_id, snapshot_id, part)
        data = _managed(simulation, sender, "read_canister_snapshot_data", wanted)
        chunk: Blob = decode_result("read_canister_snapshot_data", data)
        return chunk

    try:
        directory.mkdir(mode=OWNER_ALONE, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise Refused(f'InvalidCanisterSnapshotDirectory("{directory} is not empty")')
        for name, size_name, part in PARTS:
            size = getattr(metadata, size_name)
            with _new_file(directory / name) as file:
                for offset in range(0, size, PIECE):
                    file.write(read(part(offset, min(PIECE, size - offset))))
        (directory / CHUNKS).mkdir(mode=OWNER_ALONE)
        for digest in metadata.wasm_chunk_store:
            with _new_file(directory / CHUNKS / f"{digest.hex()}.bin") as file:
                file.write(read(StoredChunk(digest)))
        with _new_file(directory / METADATA) as file:
            file.write(json.dumps(_told(metadata), indent=2).encode())
    except OSError as problem:
        raise Refused(f'InvalidCanisterSnapshotDirectory("{directory}: {problem.strerror}")') from None
    return None


def _new_file(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_OF_OWNER), "wb")


def _told(metadata: SnapshotMetadata) -> Json:
    hook = metadata.on_low_wasm_memory_hook_status
    return {
        "wasm_module_size": metadata.wasm_module_size,
        "wasm_memory_size": metadata.wasm_memory_size,
        "stable_memory_size": metadata.stable_memory_size,
        "globals": [{"type": one.type.value, "bits": one.bits} for one in metadata.globals],
        "certified_data": metadata.certified_data.hex(),
        "global_timer": metadata.global_timer,
        "on_low_wasm_memory_hook_status": None if hook is None else hook.value,
        "wasm_chunk_store": [digest.hex() for digest in metadata.wasm_chunk_store],
    }


def upload(simulation: Simulation, body: Json) -> Json:
    """The files of a directory become a snapshot of a canister; its id."""
    fields = fields_of(body)
    sender, canister_id, directory = _parties(fields)
    replaced = fields.get("replace_snapshot")
    if replaced is not None:
        replaced = SnapshotId(blob_of(fields_of(replaced, "replace_snapshot"), "snapshot_id"))
    try:
        metadata = _metadata(directory, canister_id, replaced)
        contents = {name: _content(directory / name, getattr(metadata, size_name)) for name, size_name, _ in PARTS}
        chunks = _chunks(directory / CHUNKS)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise Refused(f'InvalidCanisterSnapshotDirectory("{directory}: {problem}")') from None
    reply = _managed(simulation, sender, "upload_canister_snapshot_metadata", metadata)
    snapshot_id: SnapshotId = decode_result("upload_canister_snapshot_metadata", reply)

    def bring(part: SnapshotPart, chunk: Blob) -> None:
        given = UploadSnapshotDataArguments(canister_id, snapshot_id, part, chunk)
        _managed(simulation, sender, "upload_canister_snapshot_data", given)

    for name, _, part in PARTS:
        for offset in range(0, len(contents[name]), PIECE):
            bring(part(offset, None), contents[name][offset : offset + PIECE])
    for chunk in chunks:
        bring(StoredChunk(), chunk)
    return {"snapshot_id": base64_of(snapshot_id)}


def _content(path: Path, size: ByteCount) -> Blob:
    # Reason: what is of another size is not read at all.
    if path.lstat().st_size != size and not path.is_symlink():
        raise Refused(f'InvalidCanisterSnapshotDirectory("{path.name} has not the size that {METADATA} tells")')
    return read_file(path, size)


def _chunks(directory: Path) -> list[Blob]:
    if directory.is_symlink():
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
    return [read_file(one, CHUNK_SIZE) for one in sorted(directory.glob("*.bin"))]


def _metadata(directory: Path, canister_id: CanisterId, replaced: SnapshotId | None) -> UploadSnapshotMetadataArguments:
    told = json.loads(read_file(directory / METADATA, LARGEST_METADATA))
    hook = told["on_low_wasm_memory_hook_status"]
    return UploadSnapshotMetadataArguments(
        canister_id,
        wasm_module_size=int(told["wasm_module_size"]),
        wasm_memory_size=int(told["wasm_memory_size"]),
        stable_memory_size=int(told["stable_memory_size"]),
        replace_snapshot=replaced,
        globals=List(tuple(SnapshotGlobal(GlobalType(one["type"]), int(one["bits"])) for one in told["globals"])),
        certified_data=bytes.fromhex(told["certified_data"]),
        global_timer=None if told["global_timer"] is None else int(told["global_timer"]),
        on_low_wasm_memory_hook_status=None if hook is None else HookStatus(hook),
    )
