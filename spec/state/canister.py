"""A canister: code, settings, balances and status."""

from attrs import field, frozen

from spec.canister.environment import EnvironmentVariable, SimpleStatus
from spec.canister.wasm_state import WasmState
from spec.profile import Defaults
from spec.state.history import CanisterHistory
from spec.state.origin import CallOrigin
from spec.state.snapshot import Snapshot
from spec.values.canister_terms import AllowedViewers as AllowedViewers
from spec.values.canister_terms import Controllers as Controllers
from spec.values.canister_terms import HookStatus as HookStatus
from spec.values.canister_terms import Public as Public
from spec.values.canister_terms import Visibility as Visibility
from spec.values.checklist import defines
from spec.values.containers import List, Map
from spec.values.identifiers import Blob, Principal, SnapshotId, SubnetId
from spec.values.management.records import DefiniteSettings
from spec.values.quantities import ByteCount, CanisterVersion, Count, Cycles, Nanoseconds, Percent, Seconds


@frozen
class Empty:
    """The canister has no code (`EmptyCanister`)."""


@frozen
@defines("seed1.canister-is-code-and-memory", "seed2.module-stored")
class Code:
    """Installed code and its state. The module itself is a function of `raw_module`."""

    raw_module: Blob
    """The module as uploaded, compressed or not."""
    wasm_state: WasmState


CanisterCode = Empty | Code


@frozen
class Running:
    """The canister processes calls."""


@frozen
class StopCall:
    """A `stop_canister` call that waits for the canister to stop."""

    origin: CallOrigin
    cycles: Cycles
    """The cycles sent with it, to be refunded."""


@frozen
class Stopping:
    """The canister processes responses only."""

    stop_calls: List[StopCall] = field(factory=List)


@frozen
class Stopped:
    """The canister has no open call contexts and processes nothing."""


CanisterStatus = Running | Stopping | Stopped


@defines("def.simple-status")
def simple_status(status: CanisterStatus) -> SimpleStatus:
    """The status without the pending stop calls. Source: abstract-behavior, `simple_status`."""
    match status:
        case Running():
            return SimpleStatus.RUNNING
        case Stopping():
            return SimpleStatus.STOPPING
        case Stopped():
            return SimpleStatus.STOPPED


@frozen
class Subnet:
    """The subnet on which a canister lives."""

    subnet_id: SubnetId
    subnet_size: Count
    """The number of its nodes."""


@frozen
@defines("seed2.controllers-stored")
class Settings:
    """What controllers may set. Source: management-canister, `canister_settings`."""

    controllers: List[Principal]
    """Sorted and without repetition."""
    compute_allocation: Percent
    memory_allocation: ByteCount
    freezing_threshold: Seconds
    reserved_balance_limit: Cycles
    minimum_incoming_canister_call_cycles: Cycles
    wasm_memory_limit: ByteCount
    wasm_memory_threshold: ByteCount
    environment_variables: List[EnvironmentVariable]
    """Sorted by name."""
    log_visibility: Visibility
    snapshot_visibility: Visibility
    status_visibility: Visibility

    @staticmethod
    def of_creator(creator: Principal, defaults: Defaults) -> "Settings":
        """What a canister has whose creator says nothing."""
        return Settings(
            controllers=List.of(creator),
            compute_allocation=0,
            memory_allocation=0,
            freezing_threshold=defaults.freezing_threshold,
            reserved_balance_limit=defaults.reserved_cycles_limit,
            minimum_incoming_canister_call_cycles=0,
            wasm_memory_limit=defaults.wasm_memory_limit,
            wasm_memory_threshold=0,
            environment_variables=List(),
            log_visibility=Controllers(),
            snapshot_visibility=Controllers(),
            status_visibility=Controllers(),
        )

    def told(self) -> DefiniteSettings:
        """The settings as the management canister tells them."""
        return DefiniteSettings(
            controllers=self.controllers,
            compute_allocation=self.compute_allocation,
            memory_allocation=self.memory_allocation,
            freezing_threshold=self.freezing_threshold,
            reserved_cycles_limit=self.reserved_balance_limit,
            minimum_incoming_canister_call_cycles=self.minimum_incoming_canister_call_cycles,
            log_visibility=self.log_visibility,
            snapshot_visibility=self.snapshot_visibility,
            status_visibility=self.status_visibility,
            wasm_memory_limit=self.wasm_memory_limit,
            wasm_memory_threshold=self.wasm_memory_threshold,
            environment_variables=self.environment_variables,
        )


@frozen
class LogRecord:
    """One entry of a canister's log."""

    index: Count
    timestamp: Nanoseconds
    content: Blob


@frozen
@defines("seed2.components", "seed2.os-bookkeeping")
class Canister:
    """
    Everything that belongs to one canister id.

    The interface specification has a map from canister ids for each of these fields; all of them have the same domain,
    so they are fields of one record here.
    """

    code: CanisterCode
    settings: Settings
    status: CanisterStatus
    version: CanisterVersion
    subnet: Subnet
    time: Nanoseconds
    """The canister's own clock."""
    global_timer: Nanoseconds
    """When the timer is due; 0 if it is not set."""
    balance: Cycles
    reserved_balance: Cycles
    certified_data: Blob
    created_at: Nanoseconds
    installed_at: Nanoseconds | None
    """When code was last installed; None for an empty canister."""
    history: CanisterHistory
    low_memory_hook: HookStatus = HookStatus.CONDITION_NOT_SATISFIED
    chunk_store: Map[Blob, Blob] = field(factory=Map)
    """Chunks by their SHA-256."""
    logs: List[LogRecord] = field(factory=List)
    next_log_index: Count = 0
    """The number of the next log record. It counts on when logs are purged, so that no number is used twice."""
    snapshots: Map[SnapshotId, Snapshot] = field(factory=Map)
