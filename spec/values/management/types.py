"""The Candid types of the management canister. Source: ic.did of the interface specification 0.66.0."""

from typing import Final

from spec.values.candid import BLOB, CandidType, Opt, Primitive, Record, Variant, Vec

NAT: Final[CandidType] = Primitive.NAT
NAT64: Final[CandidType] = Primitive.NAT64
BOOL: Final[CandidType] = Primitive.BOOL
TEXT: Final[CandidType] = Primitive.TEXT
NULL: Final[CandidType] = Primitive.NULL
PRINCIPAL: Final[CandidType] = Primitive.PRINCIPAL

SENDER_CANISTER_VERSION: Final[dict[str, CandidType]] = {"sender_canister_version": Opt(NAT64)}
"""The field in which a calling canister tells its own version."""

VISIBILITY: Final = Variant({"controllers": NULL, "public": NULL, "allowed_viewers": Vec(PRINCIPAL)})
"""The type of `log_visibility`, `snapshot_visibility` and `status_visibility`."""

DEFINITE_SETTINGS_FIELDS: Final[dict[str, CandidType]] = {
    "controllers": Vec(PRINCIPAL),
    "compute_allocation": NAT,
    "memory_allocation": NAT,
    "freezing_threshold": NAT,
    "reserved_cycles_limit": NAT,
    "minimum_incoming_canister_call_cycles": NAT,
    "log_visibility": VISIBILITY,
    "snapshot_visibility": VISIBILITY,
    "status_visibility": VISIBILITY,
    "wasm_memory_limit": NAT,
    "wasm_memory_threshold": NAT,
    "environment_variables": Vec(Record({"name": TEXT, "value": TEXT})),
}

DEFINITE_CANISTER_SETTINGS: Final = Record(DEFINITE_SETTINGS_FIELDS)

CANISTER_SETTINGS: Final = Record({name: Opt(of) for name, of in DEFINITE_SETTINGS_FIELDS.items()})

CREATE_CANISTER: Final = Record({"settings": Opt(CANISTER_SETTINGS), **SENDER_CANISTER_VERSION})

PROVISIONAL_CREATE_CANISTER_WITH_CYCLES: Final = Record(
    {
        "amount": Opt(NAT),
        "settings": Opt(CANISTER_SETTINGS),
        "specified_id": Opt(PRINCIPAL),
        **SENDER_CANISTER_VERSION,
    }
)

PROVISIONAL_TOP_UP_CANISTER: Final = Record({"canister_id": PRINCIPAL, "amount": NAT})

UPDATE_SETTINGS: Final = Record({"canister_id": PRINCIPAL, "settings": CANISTER_SETTINGS, **SENDER_CANISTER_VERSION})

UPGRADE_OPTIONS: Final = Record(
    {
        "skip_pre_upgrade": Opt(BOOL),
        "wasm_memory_persistence": Opt(Variant({"keep": NULL, "replace": NULL})),
    }
)

CANISTER_INSTALL_MODE: Final = Variant({"install": NULL, "reinstall": NULL, "upgrade": Opt(UPGRADE_OPTIONS)})

INSTALL_CODE: Final = Record(
    {
        "mode": CANISTER_INSTALL_MODE,
        "canister_id": PRINCIPAL,
        "wasm_module": BLOB,
        "arg": BLOB,
        **SENDER_CANISTER_VERSION,
    }
)

UNINSTALL_CODE: Final = Record({"canister_id": PRINCIPAL, **SENDER_CANISTER_VERSION})

CANISTER_ID: Final = Record({"canister_id": PRINCIPAL})
"""Argument of the methods that need nothing else, and result of those that create a canister."""

MEMORY_METRICS: Final = Record(
    {
        "wasm_memory_size": NAT,
        "stable_memory_size": NAT,
        "global_memory_size": NAT,
        "wasm_binary_size": NAT,
        "custom_sections_size": NAT,
        "canister_history_size": NAT,
        "wasm_chunk_store_size": NAT,
        "snapshots_size": NAT,
    }
)

QUERY_STATS: Final = Record(
    {
        "num_calls_total": NAT,
        "num_instructions_total": NAT,
        "request_payload_bytes_total": NAT,
        "response_payload_bytes_total": NAT,
    }
)

CANISTER_STATUS_RESULT: Final = Record(
    {
        "status": Variant({"running": NULL, "stopping": NULL, "stopped": NULL}),
        "ready_for_migration": BOOL,
        "version": NAT64,
        "settings": DEFINITE_CANISTER_SETTINGS,
        "module_hash": Opt(BLOB),
        "memory_size": NAT,
        "memory_metrics": MEMORY_METRICS,
        "cycles": NAT,
        "reserved_cycles": NAT,
        "idle_cycles_burned_per_day": NAT,
        "query_stats": QUERY_STATS,
    }
)
