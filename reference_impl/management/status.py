"""
What is told of a canister by `canister_status`, to calls and to queries.

An instance that tells newer fields adds two that later versions of the interface have than the one that the
specification is of. Whoever expects the older record does not see them, as Candid lets records have further fields;
clients that were made for the newer one read no status without them.
"""

from typing import Final

from reference_impl.subnet.canister_record import CanisterRecord, globals_size
from reference_impl.subnet.subnet_instance import SubnetInstance, heap_size
from spec.state.canister import simple_status
from spec.values.candid import CandidType, Primitive, Record, encode
from spec.values.identifiers import Blob
from spec.values.management import (
    CanisterStatusResult,
    MemoryMetrics,
    QueryStatistics,
    canister_status_value,
    encode_canister_status,
)
from spec.values.management.types import CANISTER_STATUS_RESULT, DEFINITE_CANISTER_SETTINGS, MEMORY_METRICS

LOG_LIMIT: Final = "log_memory_limit"
"""
The setting that says how much a log holds. No setting changes it here: it is the profile's.

Source: `DefiniteCanisterSettingsArgs` in `rs/types/management_canister_types/src/lib.rs` of dfinity/ic.
"""
LOG_SIZE: Final = "log_memory_store_size"
"""The metric of what a log takes, here its records. Source: `MemoryMetrics` in the same file."""


def _with(record: Record, **fields: CandidType) -> Record:
    """A record whose fields of these names have these types, whether it had them or not."""
    merged: dict[str | int, CandidType] = dict(record.fields)
    merged.update(fields)
    return Record(tuple(merged.items()))


_NEWER_STATUS: Final = _with(
    CANISTER_STATUS_RESULT,
    settings=_with(DEFINITE_CANISTER_SETTINGS, **{LOG_LIMIT: Primitive.NAT}),
    memory_metrics=_with(MEMORY_METRICS, **{LOG_SIZE: Primitive.NAT}),
)


def status_reply(instance: SubnetInstance, canister: CanisterRecord) -> Blob:
    """What `canister_status` replies, as Candid."""
    status = status_of(instance, canister)
    if not instance.tells_newer_fields:
        return encode_canister_status(status)
    value = canister_status_value(status)
    value["settings"][LOG_LIMIT] = instance.profile.limits.log_capacity
    value["memory_metrics"][LOG_SIZE] = canister.logs_size
    return encode((_NEWER_STATUS,), (value,))


def status_of(instance: SubnetInstance, canister: CanisterRecord) -> CanisterStatusResult:
    """What `canister_status` tells of a canister."""
    code, settings, usage = canister.code, canister.settings, canister.memory_usage()
    metrics = MemoryMetrics(
        wasm_memory_size=0 if code is None else heap_size(code.wasm_state),
        stable_memory_size=0 if code is None else code.wasm_state.stable_memory.size,
        global_memory_size=0 if code is None else globals_size(code.wasm_state),
        wasm_binary_size=0 if code is None else len(code.installed.raw_module),
        custom_sections_size=0 if code is None else code.installed.custom_sections_size,
        canister_history_size=canister.history.size,
        wasm_chunk_store_size=canister.chunk_store_size,
        snapshots_size=canister.snapshots_size,
    )
    return CanisterStatusResult(
        status=simple_status(canister.status),
        ready_for_migration=False,  # No promise is made: the flag may be false at any time.
        version=canister.version,
        settings=settings.told(),
        module_hash=None if code is None else code.installed.hash,
        memory_size=usage,
        memory_metrics=metrics,
        cycles=canister.balance,
        reserved_cycles=canister.reserved_balance,
        idle_cycles_burned_per_day=instance.ledger_of(canister).idle_per_day(
            settings.compute_allocation, settings.memory_allocation, usage
        ),
        query_stats=QueryStatistics(),
    )
