"""Arguments and results of management methods as records. Source: management-canister, and ic.did for the types."""

from attrs import field, frozen

from spec.values.canister_terms import EnvironmentVariable, SimpleStatus, Visibility, WasmMemoryPersistence
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Principal
from spec.values.quantities import ByteCount, CanisterVersion, Count, Cycles, Instructions, Percent, Seconds


@frozen
class SettingsArguments:
    """`canister_settings`: the settings to change. None leaves a setting as it is, or at its default."""

    controllers: List[Principal] | None = None
    compute_allocation: Percent | None = None
    memory_allocation: ByteCount | None = None
    freezing_threshold: Seconds | None = None
    reserved_cycles_limit: Cycles | None = None
    minimum_incoming_canister_call_cycles: Cycles | None = None
    log_visibility: Visibility | None = None
    snapshot_visibility: Visibility | None = None
    status_visibility: Visibility | None = None
    wasm_memory_limit: ByteCount | None = None
    wasm_memory_threshold: ByteCount | None = None
    environment_variables: List[EnvironmentVariable] | None = None


@frozen
class DefiniteSettings:
    """`definite_canister_settings`: all settings as they are."""

    controllers: List[Principal]
    compute_allocation: Percent
    memory_allocation: ByteCount
    freezing_threshold: Seconds
    reserved_cycles_limit: Cycles
    minimum_incoming_canister_call_cycles: Cycles
    log_visibility: Visibility
    snapshot_visibility: Visibility
    status_visibility: Visibility
    wasm_memory_limit: ByteCount
    wasm_memory_threshold: ByteCount
    environment_variables: List[EnvironmentVariable]


@frozen
class CreateCanisterArguments:
    """Argument of `create_canister`."""

    settings: SettingsArguments = field(factory=SettingsArguments)
    """Absent settings are all None."""
    sender_canister_version: CanisterVersion | None = None


@frozen
class ProvisionalCreateArguments:
    """Argument of `provisional_create_canister_with_cycles`."""

    amount: Cycles | None = None
    """The first balance; None leaves it to the system."""
    settings: SettingsArguments = field(factory=SettingsArguments)
    specified_id: CanisterId | None = None
    sender_canister_version: CanisterVersion | None = None


@frozen
class ProvisionalTopUpArguments:
    """Argument of `provisional_top_up_canister`."""

    canister_id: CanisterId
    amount: Cycles


@frozen
class UpdateSettingsArguments:
    """Argument of `update_settings`."""

    canister_id: CanisterId
    settings: SettingsArguments
    sender_canister_version: CanisterVersion | None = None


@frozen
class InstallMode:
    """Mode `install`: the canister must be empty."""


@frozen
class ReinstallMode:
    """Mode `reinstall`: what the canister had is dropped."""


@frozen
class UpgradeMode:
    """Mode `upgrade`: stable memory is kept. Absent options are the same as none given."""

    skip_pre_upgrade: bool = False
    wasm_memory_persistence: WasmMemoryPersistence | None = None
    """None replaces the heap, but is refused for modules that ask for a choice."""


CanisterInstallMode = InstallMode | ReinstallMode | UpgradeMode


@frozen
class InstallCodeArguments:
    """Argument of `install_code`."""

    mode: CanisterInstallMode
    canister_id: CanisterId
    wasm_module: Blob
    arg: Blob = b""
    """Handed to `canister_init` or `canister_post_upgrade`."""
    sender_canister_version: CanisterVersion | None = None


@frozen
class UninstallCodeArguments:
    """Argument of `uninstall_code`."""

    canister_id: CanisterId
    sender_canister_version: CanisterVersion | None = None


@frozen
class CanisterIdArguments:
    """Argument of the methods that take the id of a canister and nothing else."""

    canister_id: CanisterId


@frozen
class RawRandArguments:
    """Argument of `raw_rand`: nothing."""


ManagementArguments = (
    CreateCanisterArguments
    | ProvisionalCreateArguments
    | ProvisionalTopUpArguments
    | UpdateSettingsArguments
    | InstallCodeArguments
    | UninstallCodeArguments
    | CanisterIdArguments
    | RawRandArguments
)


@frozen
class MemoryMetrics:
    """What the memory of a canister is used for."""

    wasm_memory_size: ByteCount = 0
    stable_memory_size: ByteCount = 0
    global_memory_size: ByteCount = 0
    wasm_binary_size: ByteCount = 0
    custom_sections_size: ByteCount = 0
    canister_history_size: ByteCount = 0
    wasm_chunk_store_size: ByteCount = 0
    snapshots_size: ByteCount = 0


@frozen
class QueryStatistics:
    """Totals over the query calls to a canister, late and inexact."""

    num_calls_total: Count = 0
    num_instructions_total: Instructions = 0
    request_payload_bytes_total: ByteCount = 0
    response_payload_bytes_total: ByteCount = 0


@frozen
class CanisterStatusResult:
    """Result of `canister_status`."""

    status: SimpleStatus
    ready_for_migration: bool
    version: CanisterVersion
    settings: DefiniteSettings
    module_hash: Blob | None
    """SHA-256 of the module as uploaded; None for an empty canister."""
    memory_size: ByteCount
    memory_metrics: MemoryMetrics
    cycles: Cycles
    reserved_cycles: Cycles
    idle_cycles_burned_per_day: Cycles
    query_stats: QueryStatistics
