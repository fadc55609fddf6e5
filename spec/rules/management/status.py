"""Canister status."""

from spec.rules.hashes import hash_of_blob
from spec.rules.management.arguments import is_subnet_admin, managed_call, reply
from spec.rules.resources import (
    idle_cycles_burned_per_day,
    memory_usage,
    memory_usage_of_chunk_store,
    memory_usage_of_history,
    memory_usage_of_raw_module,
    memory_usage_of_snapshots,
    memory_usage_of_wasm_state,
)
from spec.state.canister import AllowedViewers, Canister, Code, Controllers, Public, Visibility, simple_status
from spec.state.message import CallMessage
from spec.state.state import State
from spec.transition import Step, opaque, require, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.identifiers import Blob, MessageId, Principal
from spec.values.rejects import RejectReason


@transition(title="Canister status", source="abstract-behavior#ic-management-canister-canister-status")
@defines("rule.mgmt.canister-status.update")
def canister_status(state: State, *, message_id: MessageId) -> Step:
    """The canister itself, an admin of its subnet, or whom its status visibility admits learns about a canister."""
    # CONDITIONS
    managed = managed_call(state, message_id, "canister_status")
    caller = managed.call.caller.principal
    require(
        caller == managed.canister_id
        or is_subnet_admin(state, managed.canister, caller)
        or is_admitted(managed.canister, managed.canister.settings.status_visibility, caller),
        "the caller may see the status",
        RejectReason.NOT_AUTHORIZED,
    )

    # STATE AFTER
    return reply(state, message_id, managed.call, encoded_status(state, managed.canister))


def require_visible(call: CallMessage, canister: Canister, visibility: Visibility) -> None:
    """States that a visibility setting of the canister admits the caller."""
    require(
        is_admitted(canister, visibility, call.caller.principal),
        "the caller may see this",
        RejectReason.NOT_AUTHORIZED,
    )


@defines(
    "mgmt-general.visibility", "setting.status-visibility", "setting.log-visibility", "setting.snapshot-visibility"
)
def is_admitted(canister: Canister, visibility: Visibility, principal: Principal) -> bool:
    """A visibility setting of the canister admits the principal."""
    match visibility:
        case Public():
            return True
        case Controllers():
            return canister.settings.controllers.contains(principal)
        case AllowedViewers(viewers):
            return canister.settings.controllers.contains(principal) or viewers.contains(principal)


@opaque
def encoded_status(state: State, canister: Canister) -> Blob:
    """The status record as Candid."""
    return management.encode_canister_status(status_record(state, canister))


@defines(
    "def.canister-status-record",
    "unspec.fn.query-stats-noise",
    "inv.migration-flag",
    "unspec.value.ready-for-migration",
)
def status_record(state: State, canister: Canister) -> management.CanisterStatusResult:
    """What is told about a canister. Source: abstract-behavior, canister status; ic.did."""
    return management.CanisterStatusResult(
        status=simple_status(canister.status),
        ready_for_migration=False,
        version=canister.version,
        settings=canister.settings.told(),
        module_hash=hash_of_blob(canister.code.raw_module) if isinstance(canister.code, Code) else None,
        memory_size=memory_usage(state.profile, canister),
        memory_metrics=memory_metrics(state, canister),
        cycles=canister.balance,
        reserved_cycles=canister.reserved_balance,
        idle_cycles_burned_per_day=idle_cycles_burned_per_day(state.profile, canister),
        query_stats=management.QueryStatistics(),
    )


@defines("mgmt.canister-status.memory-metrics", "unspec.fn.total-memory-and-metrics")
def memory_metrics(state: State, canister: Canister) -> management.MemoryMetrics:
    """What the memory of a canister is used for."""
    history = memory_usage_of_history(canister.history)
    chunks = memory_usage_of_chunk_store(canister.chunk_store)
    snapshots = memory_usage_of_snapshots(canister.snapshots)
    if not isinstance(canister.code, Code):
        return management.MemoryMetrics(
            canister_history_size=history, wasm_chunk_store_size=chunks, snapshots_size=snapshots
        )
    wasm_state, raw_module = canister.code.wasm_state, canister.code.raw_module
    heap, stable = wasm_state.wasm_memory.size, wasm_state.stable_memory.size
    return management.MemoryMetrics(
        wasm_memory_size=heap,
        stable_memory_size=stable,
        global_memory_size=memory_usage_of_wasm_state(wasm_state) - heap - stable,
        wasm_binary_size=len(raw_module),
        custom_sections_size=memory_usage_of_raw_module(state.profile, raw_module) - len(raw_module),
        canister_history_size=history,
        wasm_chunk_store_size=chunks,
        snapshots_size=snapshots,
    )
