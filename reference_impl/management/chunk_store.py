"""The chunk store: modules that come in pieces."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from reference_impl.management.payment import affordable_instructions, pay
from reference_impl.management.verdicts import (
    Applies,
    ManagementCall,
    Verdict,
    controlled_canister,
    existing_canister,
    finish,
    rejection,
)
from reference_impl.subnet.canister_record import CHUNK_SIZE, CanisterRecord
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.message import CallMessage
from spec.values.containers import List
from spec.values.identifiers import CanisterId, MethodName
from spec.values.management import (
    CanisterIdArguments,
    InstallChunkedCodeArguments,
    InstallCodeArguments,
    UploadChunkArguments,
    encode_arguments,
    encode_result,
)
from spec.values.rejects import Reject, RejectReason


def _with_own_store(instance: SubnetInstance, call: ManagementCall, canister_id: CanisterId) -> CanisterRecord | Reject:
    """The canister, if it exists and the caller controls it or is it."""
    canister = existing_canister(instance, canister_id)
    if isinstance(canister, Reject):
        return canister
    if call.caller != canister_id and not canister.is_controlled_by(call.caller):
        return rejection(RejectReason.NOT_AUTHORIZED)
    return canister


def _upload_chunk(instance: SubnetInstance, call: ManagementCall, arguments: UploadChunkArguments) -> Verdict:
    canister = _with_own_store(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    limits, chunk = instance.profile.limits, arguments.chunk
    if len(chunk) > limits.chunk_size:
        return rejection(RejectReason.CHUNK_TOO_LARGE)
    chunk_hash = hashlib.sha256(chunk).digest()
    is_new = chunk_hash not in canister.chunk_store
    if len(canister.chunk_store) + is_new > limits.chunk_store:
        return rejection(RejectReason.CHUNK_STORE_FULL)
    usage = canister.memory_usage() + (CHUNK_SIZE if is_new else 0)
    payment = affordable_instructions(instance, canister, limits.upload_chunk_instructions, usage)
    if isinstance(payment, Reject):
        return payment

    def apply() -> None:
        canister.chunk_store[chunk_hash] = chunk
        pay(instance, canister, payment)
        instance.recount_memory(canister)
        finish(instance, call, encode_result("upload_chunk", chunk_hash))

    return Applies("upload_chunk", apply)


def _clear_chunk_store(instance: SubnetInstance, call: ManagementCall, arguments: CanisterIdArguments) -> Verdict:
    canister = _with_own_store(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister

    def apply() -> None:
        canister.chunk_store.clear()
        instance.recount_memory(canister)
        finish(instance, call)

    return Applies("clear_chunk_store", apply)


def _stored_chunks(instance: SubnetInstance, call: ManagementCall, arguments: CanisterIdArguments) -> Verdict:
    canister = _with_own_store(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    hashes = List(tuple(sorted(canister.chunk_store)))
    return Applies("stored_chunks", lambda: finish(instance, call, encode_result("stored_chunks", hashes)))


def _install_chunked_code(
    instance: SubnetInstance, call: ManagementCall, arguments: InstallChunkedCodeArguments
) -> Verdict:
    target = controlled_canister(instance, call, arguments.target_canister)
    if isinstance(target, Reject):
        return target
    given = arguments.store_canister
    store = _with_own_store(instance, call, arguments.target_canister if given is None else given)
    if isinstance(store, Reject):
        return store
    if store.subnet.subnet_id != target.subnet.subnet_id:
        return rejection(RejectReason.DIFFERENT_SUBNETS)
    if len(arguments.chunk_hashes_list) > instance.profile.limits.chunks_in_module:
        return rejection(RejectReason.INVALID_ARGUMENT)
    if not all(chunk_hash in store.chunk_store for chunk_hash in arguments.chunk_hashes_list):
        return rejection(RejectReason.CHUNK_NOT_FOUND)
    raw_module = b"".join(store.chunk_store[chunk_hash] for chunk_hash in arguments.chunk_hashes_list)
    if hashlib.sha256(raw_module).digest() != arguments.wasm_module_hash:
        return rejection(RejectReason.MODULE_HASH_MISMATCH)
    whole = InstallCodeArguments(
        mode=arguments.mode,
        canister_id=arguments.target_canister,
        wasm_module=raw_module,
        arg=arguments.arg,
        sender_canister_version=arguments.sender_canister_version,
    )
    return Applies("install_chunked_code", lambda: _become_install_code(instance, call, whole))


def _become_install_code(instance: SubnetInstance, call: ManagementCall, whole: InstallCodeArguments) -> None:
    old = call.message
    instance.messages.replace(
        call.message_id,
        CallMessage(
            origin=old.origin,
            caller=old.caller,
            callee=old.callee,
            method_name="install_code",
            argument=encode_arguments(whole),
            transferred_cycles=old.transferred_cycles,
            queue=old.queue,
        ),
    )


METHODS: Mapping[MethodName, Callable[[SubnetInstance, ManagementCall, Any], Verdict]] = {
    "upload_chunk": _upload_chunk,
    "clear_chunk_store": _clear_chunk_store,
    "stored_chunks": _stored_chunks,
    "install_chunked_code": _install_chunked_code,
}
"""The methods about chunk stores."""
