"""The chunk store: modules too large for one message are uploaded in chunks."""

from attrs import evolve

from spec.rules.conditions import existing_canister
from spec.rules.hashes import hash_of_blob
from spec.rules.management.arguments import decoded, managed_call, management_call, replied, reply, require_controller
from spec.rules.management.payments import cost_for, paid
from spec.state.canister import Canister
from spec.state.message import CallMessage
from spec.state.state import State
from spec.transition import Burned, BurnReason, Step, opaque, require, require_present, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.containers import List, Map
from spec.values.identifiers import Blob, CanisterId, MessageId
from spec.values.rejects import RejectReason


@opaque
def upload_chunk_arguments(argument: Blob) -> management.UploadChunkArguments | None:
    """The argument of `upload_chunk`."""
    arguments = management.decode_arguments("upload_chunk", argument)
    return arguments if isinstance(arguments, management.UploadChunkArguments) else None


@opaque
def install_chunked_code_arguments(argument: Blob) -> management.InstallChunkedCodeArguments | None:
    """The argument of `install_chunked_code`."""
    arguments = management.decode_arguments("install_chunked_code", argument)
    return arguments if isinstance(arguments, management.InstallChunkedCodeArguments) else None


@opaque
def encoded_chunk_hash(chunk_hash: Blob) -> Blob:
    """The result of `upload_chunk`."""
    return management.encode_result("upload_chunk", chunk_hash)


@opaque
def encoded_chunk_hashes(chunk_store: Map[Blob, Blob]) -> Blob:
    """The result of `stored_chunks`: the hashes in increasing order."""
    return management.encode_result("stored_chunks", List(tuple(chunk_store.keys())))


@opaque
def assembled_module(chunk_store: Map[Blob, Blob], chunk_hashes: List[Blob]) -> Blob | None:
    """The chunks with these hashes, one after another; None if the store lacks one."""
    if not chunk_hashes.every(lambda chunk_hash: chunk_hash in chunk_store):
        return None
    return b"".join(chunk_store[chunk_hash] for chunk_hash in chunk_hashes)


@opaque
def installation_argument(arguments: management.InstallChunkedCodeArguments, raw_module: Blob) -> Blob:
    """The argument of `install_code` that means the same."""
    return management.encode_arguments(
        management.InstallCodeArguments(
            arguments.mode, arguments.target_canister, raw_module, arguments.arg, arguments.sender_canister_version
        )
    )


def require_controller_or_itself(call: CallMessage, canister_id: CanisterId, canister: Canister) -> None:
    """States that the caller is a controller of the canister or the canister itself."""
    require(
        canister.settings.controllers.contains(call.caller.principal) or call.caller.principal == canister_id,
        "the caller is a controller or the canister itself",
        RejectReason.NOT_AUTHORIZED,
    )


@transition(title="Upload Chunk", source="abstract-behavior#ic-management-canister-upload-chunk")
@defines("error.wasm-chunk-store")
def upload_chunk(state: State, *, message_id: MessageId) -> Step:
    """A chunk is stored under its hash."""
    # CONDITIONS
    call = management_call(state, message_id, "upload_chunk")
    arguments = decoded(upload_chunk_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    require_controller_or_itself(call, arguments.canister_id, canister)
    chunk_hash = hash_of_blob(arguments.chunk)
    stored = evolve(canister, chunk_store=with_chunk(state, canister.chunk_store, chunk_hash, arguments.chunk))
    used = cost_for(state, canister, state.profile.limits.upload_chunk_instructions)
    after = paid(state, arguments.canister_id, stored, used)

    # STATE AFTER
    return Step(
        evolve(
            replied(state, message_id, call, encoded_chunk_hash(chunk_hash)),
            canisters=state.canisters.set(arguments.canister_id, after),
        ),
        burned=(Burned(used, BurnReason.EXECUTION),),
    )


@defines("inv.chunk-store-bounded")
def with_chunk(state: State, chunk_store: Map[Blob, Blob], chunk_hash: Blob, chunk: Blob) -> Map[Blob, Blob]:
    """A chunk store with one more chunk, which must not be too large and for which there must be room."""
    limits = state.profile.limits
    require(len(chunk) <= limits.chunk_size, "the chunk is not too large", RejectReason.CHUNK_TOO_LARGE)
    require(
        chunk_hash in chunk_store or len(chunk_store) < limits.chunk_store,
        "the chunk store has room for the chunk",
        RejectReason.CHUNK_STORE_FULL,
    )
    return chunk_store.set(chunk_hash, chunk)


@transition(title="Clear chunk store", source="abstract-behavior#ic-management-canister-clear-chunk-store")
def clear_chunk_store(state: State, *, message_id: MessageId) -> Step:
    """All chunks are removed."""
    # CONDITIONS
    managed = managed_call(state, message_id, "clear_chunk_store")
    require_controller_or_itself(managed.call, managed.canister_id, managed.canister)

    # STATE AFTER
    return Step(
        evolve(
            replied(state, message_id, managed.call),
            canisters=state.canisters.set(managed.canister_id, evolve(managed.canister, chunk_store=Map())),
        )
    )


@transition(title="List stored chunks", source="abstract-behavior#ic-management-canister-list-stored-chunks")
def stored_chunks(state: State, *, message_id: MessageId) -> Step:
    """Who may upload chunks learns which there are."""
    # CONDITIONS
    managed = managed_call(state, message_id, "stored_chunks")
    require_controller_or_itself(managed.call, managed.canister_id, managed.canister)

    # STATE AFTER
    return reply(state, message_id, managed.call, encoded_chunk_hashes(managed.canister.chunk_store))


@transition(title="Install chunked code", source="abstract-behavior#ic-management-canister-install-chunked-code")
@defines("error.wasm-chunk-store")
def install_chunked_code(state: State, *, message_id: MessageId) -> Step:
    """Chunks are put together to a module; the call becomes one to `install_code`, at the same place."""
    # CONDITIONS
    call = management_call(state, message_id, "install_chunked_code")
    arguments = decoded(install_chunked_code_arguments(call.argument))
    target = existing_canister(state, arguments.target_canister)
    require_controller(call, target)
    store_id = arguments.target_canister if arguments.store_canister is None else arguments.store_canister
    store = existing_canister(state, store_id)
    require_controller_or_itself(call, store_id, store)
    require_same_subnet(target, store)
    require(
        len(arguments.chunk_hashes_list) <= state.profile.limits.chunks_in_module,
        "there are not too many chunks",
        RejectReason.INVALID_ARGUMENT,
    )
    raw_module = require_present(
        assembled_module(store.chunk_store, arguments.chunk_hashes_list),
        "all chunks are in the store",
        RejectReason.CHUNK_NOT_FOUND,
    )
    require(
        hash_of_blob(raw_module) == arguments.wasm_module_hash,
        "the module has the hash given",
        RejectReason.MODULE_HASH_MISMATCH,
    )

    # STATE AFTER
    installing = evolve(call, method_name="install_code", argument=installation_argument(arguments, raw_module))
    return Step(evolve(state, messages=state.messages.replace(message_id, installing)))


def require_same_subnet(one: Canister, other: Canister) -> None:
    """States that two canisters live on the same subnet."""
    require(
        one.subnet.subnet_id == other.subnet.subnet_id,
        "the canisters are on the same subnet",
        RejectReason.DIFFERENT_SUBNETS,
    )
