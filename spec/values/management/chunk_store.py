"""The chunk store: arguments and results. Source: management-canister, and ic.did for the types."""

from typing import Final

from attrs import field, frozen

from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId
from spec.values.management import types
from spec.values.management.conversions import install_mode, install_mode_value
from spec.values.management.records import CanisterInstallMode
from spec.values.management.shapes import (
    BLOB_SHAPE,
    NAT64,
    PRINCIPAL,
    Shape,
    list_shape,
    optional_shape,
    record_shape,
    single_field,
)
from spec.values.quantities import CanisterVersion

CHUNK_HASH: Final = single_field("hash", BLOB_SHAPE)
"""`chunk_hash`: the SHA-256 of a chunk."""


@frozen
class UploadChunkArguments:
    """Argument of `upload_chunk`."""

    canister_id: CanisterId
    chunk: Blob


@frozen
class InstallChunkedCodeArguments:
    """Argument of `install_chunked_code`."""

    mode: CanisterInstallMode
    target_canister: CanisterId
    wasm_module_hash: Blob
    """SHA-256 of the module."""
    store_canister: CanisterId | None = None
    """The canister whose chunk store has the chunks; None for the target."""
    chunk_hashes_list: List[Blob] = field(factory=List)
    """The chunks of the module, in order."""
    arg: Blob = b""
    """Handed to `canister_init` or `canister_post_upgrade`."""
    sender_canister_version: CanisterVersion | None = None


UPLOAD_CHUNK: Final = record_shape(UploadChunkArguments, {"canister_id": PRINCIPAL, "chunk": BLOB_SHAPE})

INSTALL_CHUNKED_CODE: Final = record_shape(
    InstallChunkedCodeArguments,
    {
        "mode": Shape(types.CANISTER_INSTALL_MODE, install_mode, install_mode_value),
        "target_canister": PRINCIPAL,
        "store_canister": optional_shape(PRINCIPAL),
        "chunk_hashes_list": list_shape(CHUNK_HASH),
        "wasm_module_hash": BLOB_SHAPE,
        "arg": BLOB_SHAPE,
        "sender_canister_version": optional_shape(NAT64),
    },
)

ARGUMENTS: Final = {"upload_chunk": UPLOAD_CHUNK, "install_chunked_code": INSTALL_CHUNKED_CODE}

RESULTS: Final = {"upload_chunk": CHUNK_HASH, "stored_chunks": list_shape(CHUNK_HASH)}
