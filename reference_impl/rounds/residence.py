"""
How much of the canisters' memories is in the memory of this process.

Pages that executions have written stay in memory until there are too many. Then those of canisters that have not
written for longest go to a file. What is told of the state stays the same: only where its pages are is another.
"""

import logging
import os
from collections import OrderedDict
from pathlib import Path
from typing import Final

from attrs import evolve

from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.subnet_instance import SubnetInstance
from reference_impl.wasm.instances.kept_instances import KEPT
from reference_impl.wasm.instances.stored_pages import PageFile, in_memory, stored
from reference_impl.wasm.instances.written_pages import WRITTEN
from spec.canister.wasm_state import WasmState
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId
from spec.values.memory import LinearMemory
from spec.values.quantities import ByteCount, Count

ON_DISK: Final = Path("/var/tmp")
"""The file is here, if there is such a directory, unless `TMPDIR` names another: `/tmp` may lie in memory."""
log = logging.getLogger("icspec.memory")


def bounded(memory: ByteCount) -> "Residence":
    """
    Instances take half of this memory at most, in this process, and pages beside them the other half.

    Raises `MemoryError` if there can be no file for the rest.
    """
    residence = Residence(memory // 2)
    KEPT.most_bytes = memory // 2
    return residence


def _page_file() -> PageFile:
    is_there = "TMPDIR" not in os.environ and ON_DISK.is_dir()
    try:
        return PageFile(ON_DISK if is_there else None)
    except OSError as problem:
        raise MemoryError(f"there can be no file for the memories of canisters: {problem.strerror}") from None


@defines("seed1.state-larger-than-ram", "seed1.ram-affects-latency-only")
class Residence:
    """Follows one instance."""

    def __init__(self, most: ByteCount) -> None:
        """Pages take no more than this. Raises `MemoryError` if there can be no file for the others."""
        self._most = most
        self.file = _page_file()
        """Where pages are that are not in memory."""
        self._sizes: OrderedDict[CanisterId, ByteCount] = OrderedDict()
        """What each canister has in memory; what has been written to latest is last."""
        self.bytes: ByteCount = 0
        """What pages take now."""
        self.evicted: Count = 0
        """How often the pages of a canister went to the file."""

    def look(self, instance: SubnetInstance) -> None:
        """Takes in what was written since it looked last, and stores what there is no room for."""
        written, instance.written = instance.written, {}
        for canister_id in written:
            self._set_size(canister_id, _size(instance.canisters.get(canister_id)))
        while self.bytes > self._most:
            canister_id = next(iter(self._sizes))
            # Reason: whoever keeps it holds the pages that are in memory until he looks.
            instance.to_keep[canister_id] = None
            try:
                self._store(instance.canisters[canister_id])
            except OSError as problem:
                # Reason: nothing is wrong with the state, so the canisters go on as long as there is memory.
                log.error("pages of canisters cannot be written to a file, and stay in memory: %s", problem.strerror)
                return
            self.evicted += 1
            self._set_size(canister_id, 0)

    def _set_size(self, canister_id: CanisterId, size: ByteCount) -> None:
        self.bytes += size - self._sizes.pop(canister_id, 0)
        if size:
            self._sizes[canister_id] = size

    def _store(self, canister: CanisterRecord) -> None:
        if canister.code is not None:
            canister.code.wasm_state = self._stored(canister.code.wasm_state)
        for snapshot_id, snapshot in canister.snapshots.items():
            canister.snapshots[snapshot_id] = evolve(snapshot, wasm_state=self._stored(snapshot.wasm_state))

    def _stored(self, state: WasmState) -> WasmState:
        heap, stable_memory = self._memory(state.wasm_memory), self._memory(state.stable_memory)
        return evolve(state, wasm_memory=heap, stable_memory=stable_memory)

    def _memory(self, before: LinearMemory) -> LinearMemory:
        now = stored(before, self.file)
        if now is not before:
            WRITTEN.note(before, now, ())
            KEPT.exchange(before, now)
        return now


def _size(canister: CanisterRecord | None) -> ByteCount:
    """What the pages of a canister take of this process's memory."""
    if canister is None:
        return 0
    states = [snapshot.wasm_state for snapshot in canister.snapshots.values()]
    if canister.code is not None:
        states.append(canister.code.wasm_state)
    return sum(in_memory(one.wasm_memory) + in_memory(one.stable_memory) for one in states)
