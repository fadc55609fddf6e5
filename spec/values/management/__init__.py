"""
The interface of the management canister: arguments and results of its methods as typed records.

Both engines and every tool read and write them here. Source: management-canister and ic.did.
"""

from spec.values.canister_terms import WasmMemoryPersistence
from spec.values.management.arguments import MANAGEMENT_METHODS, decode_arguments, encode_arguments
from spec.values.management.records import (
    CanisterIdArguments,
    CanisterInstallMode,
    CanisterStatusResult,
    CreateCanisterArguments,
    DefiniteSettings,
    InstallCodeArguments,
    InstallMode,
    ManagementArguments,
    MemoryMetrics,
    ProvisionalCreateArguments,
    ProvisionalTopUpArguments,
    QueryStatistics,
    RawRandArguments,
    ReinstallMode,
    SettingsArguments,
    UninstallCodeArguments,
    UpdateSettingsArguments,
    UpgradeMode,
)
from spec.values.management.results import (
    EMPTY_RESULT,
    decode_blob_result,
    decode_canister_id_result,
    decode_canister_status,
    encode_blob_result,
    encode_canister_id_result,
    encode_canister_status,
)

__all__ = [
    "EMPTY_RESULT",
    "MANAGEMENT_METHODS",
    "CanisterIdArguments",
    "CanisterInstallMode",
    "CanisterStatusResult",
    "CreateCanisterArguments",
    "DefiniteSettings",
    "InstallCodeArguments",
    "InstallMode",
    "ManagementArguments",
    "MemoryMetrics",
    "ProvisionalCreateArguments",
    "ProvisionalTopUpArguments",
    "QueryStatistics",
    "RawRandArguments",
    "ReinstallMode",
    "SettingsArguments",
    "UninstallCodeArguments",
    "UpdateSettingsArguments",
    "UpgradeMode",
    "WasmMemoryPersistence",
    "decode_arguments",
    "decode_blob_result",
    "decode_canister_id_result",
    "decode_canister_status",
    "encode_arguments",
    "encode_blob_result",
    "encode_canister_id_result",
    "encode_canister_status",
]
