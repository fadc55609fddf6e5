"""Snapshots: copies of what a canister is made of, kept to be loaded later."""

from attrs import field, frozen

from spec.canister.wasm_state import WasmState
from spec.values.canister_terms import GlobalType, HookStatus
from spec.values.canister_terms import SnapshotSource as SnapshotSource
from spec.values.containers import List, Map
from spec.values.identifiers import Blob
from spec.values.quantities import CanisterVersion, Nanoseconds


@frozen
class Snapshot:
    """A snapshot of a canister. Source: abstract-behavior, the system state (`Snapshot`)."""

    source: SnapshotSource
    taken_at: Nanoseconds
    """The canister's time when the snapshot was created."""
    raw_module: Blob
    wasm_state: WasmState
    global_types: List[GlobalType]
    """The types of the globals of the state, in the same order."""
    canister_version: CanisterVersion
    """The canister's version when the snapshot was created."""
    certified_data: Blob
    global_timer: Nanoseconds | None
    """0 if the timer is not set; None if an uploaded snapshot does not say."""
    low_memory_hook: HookStatus | None
    """None if an uploaded snapshot does not say."""
    chunk_store: Map[Blob, Blob] = field(factory=Map)
    """Chunks by their SHA-256."""
