"""Snapshots: copies of what a canister is made of, kept to be loaded later."""

from attrs import field, frozen

from spec.canister.wasm_state import WasmState
from spec.values.canister_terms import GlobalType, HookStatus
from spec.values.canister_terms import SnapshotSource as SnapshotSource
from spec.values.containers import List, Map
from spec.values.identifiers import Blob
from spec.values.management.snapshots import SnapshotGlobal, SnapshotMetadata
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

    def metadata(self) -> SnapshotMetadata:
        """What it consists of, as `read_canister_snapshot_metadata` tells it."""
        pairs = zip(self.global_types, self.wasm_state.globals, strict=True)
        return SnapshotMetadata(
            source=self.source,
            taken_at_timestamp=self.taken_at,
            wasm_module_size=len(self.raw_module),
            globals=List(tuple(SnapshotGlobal(kind, bits) for kind, bits in pairs)),
            wasm_memory_size=self.wasm_state.wasm_memory.size,
            stable_memory_size=self.wasm_state.stable_memory.size,
            wasm_chunk_store=List(tuple(self.chunk_store.keys())),
            canister_version=self.canister_version,
            certified_data=self.certified_data,
            global_timer=self.global_timer,
            on_low_wasm_memory_hook_status=self.low_memory_hook,
        )
