"""Snapshots: taking, loading, listing and deleting them."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen

from reference_impl.management.payment import Payment, affordable, affordable_instructions, pay
from reference_impl.management.uninstallation import forget_code, reject_open_calls, uninstall_change
from reference_impl.management.verdicts import (
    Applies,
    DoesNotFit,
    ManagementCall,
    Verdict,
    change_origin,
    controlled_canister,
    existing_canister,
    finish,
    rejection,
)
from reference_impl.messages.requests import admits
from reference_impl.subnet.canister_record import (
    CHUNK_SIZE,
    CanisterRecord,
    InstalledCode,
    InstalledModule,
    change_size,
    snapshot_size,
    wasm_state_size,
)
from reference_impl.subnet.low_memory import is_low_on_memory, look_at_hook
from reference_impl.subnet.subnet_instance import SubnetInstance, heap_size
from spec.canister.module import MalformedModule
from spec.state.canister import HookStatus
from spec.state.history import Change, LoadSnapshot
from spec.state.snapshot import Snapshot, SnapshotSource
from spec.values.containers import List, Map
from spec.values.identifiers import CanisterId, MethodName, SnapshotId, Text
from spec.values.management import (
    CanisterIdArguments,
    LoadSnapshotArguments,
    SnapshotArguments,
    SnapshotSummary,
    TakeSnapshotArguments,
    encode_result,
)
from spec.values.quantities import WASM_PAGE, ByteCount
from spec.values.rejects import Reject, RejectCode, RejectReason


def new_id(instance: SubnetInstance, call: ManagementCall, canister_id: CanisterId) -> SnapshotId | DoesNotFit:
    """The id for a new snapshot: the one chosen if it is fresh, or one of the engine's."""
    if not call.choices:
        return instance.next_snapshot_id(canister_id)
    chosen = SnapshotId(call.choices["snapshot_id"])
    return DoesNotFit("the snapshot id was used before") if chosen in instance.used_snapshot_ids else chosen


def missing_snapshot(instance: SubnetInstance, snapshot_id: SnapshotId) -> Reject:
    """The canister has no such snapshot; if another one has, the error is CanisterRejectedMessage, 406."""
    is_foreign = _owner_of(instance, snapshot_id) is not None
    return rejection(RejectReason.SNAPSHOT_NOT_FOUND, RejectCode.CANISTER_REJECT if is_foreign else None)


def refused_replacement(
    instance: SubnetInstance, canister: CanisterRecord, replaced: SnapshotId | None
) -> Reject | None:
    """Why there is no place for a new snapshot."""
    if replaced is not None:
        return None if replaced in canister.snapshots else missing_snapshot(instance, replaced)
    if len(canister.snapshots) >= instance.profile.limits.snapshots:
        return rejection(RejectReason.SNAPSHOT_LIMIT_EXCEEDED)
    return None


def size_without(canister: CanisterRecord, replaced: SnapshotId | None) -> ByteCount:
    """What the other snapshots take."""
    return canister.snapshots_size - (0 if replaced is None else snapshot_size(canister.snapshots[replaced]))


def keep_snapshot(
    instance: SubnetInstance,
    canister: CanisterRecord,
    snapshot_id: SnapshotId,
    snapshot: Snapshot,
    replaced: SnapshotId | None,
) -> None:
    """The canister has a new snapshot, in place of another one if so."""
    if replaced is not None:
        del canister.snapshots[replaced]
    canister.snapshots[snapshot_id] = snapshot
    instance.used_snapshot_ids[snapshot_id] = None


def summary(snapshot_id: SnapshotId, snapshot: Snapshot) -> SnapshotSummary:
    """What lists of snapshots tell."""
    return SnapshotSummary(snapshot_id, snapshot.taken_at, snapshot_size(snapshot))


def visible_canister(
    instance: SubnetInstance, call: ManagementCall, canister_id: CanisterId
) -> CanisterRecord | Reject:
    """The canister, if it exists and the caller may see its snapshots."""
    canister = existing_canister(instance, canister_id)
    if isinstance(canister, Reject):
        return canister
    if not admits(canister.settings.snapshot_visibility, canister, call.caller):
        return rejection(RejectReason.NOT_AUTHORIZED)
    return canister


def _snapshot_of(canister: CanisterRecord, code: InstalledCode) -> Snapshot:
    return Snapshot(
        source=SnapshotSource.TAKEN_FROM_CANISTER,
        taken_at=canister.time,
        raw_module=code.installed.raw_module,
        wasm_state=code.wasm_state,
        global_types=code.installed.module.global_types,
        canister_version=canister.version,
        certified_data=canister.certified_data,
        global_timer=canister.global_timer,
        low_memory_hook=canister.low_memory_hook,
        chunk_store=Map.of(canister.chunk_store.items()),
    )


def _take_snapshot(instance: SubnetInstance, call: ManagementCall, arguments: TakeSnapshotArguments) -> Verdict:
    canister = controlled_canister(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    snapshot_id = new_id(instance, call, arguments.canister_id)
    if isinstance(snapshot_id, DoesNotFit):
        return snapshot_id
    if canister.code is None:
        return rejection(RejectReason.CANISTER_HAS_NO_CODE, RejectCode.CANISTER_REJECT)
    replaced = arguments.replace_snapshot
    refusal = refused_replacement(instance, canister, replaced)
    if refusal is not None:
        return refusal
    snapshot = _snapshot_of(canister, canister.code)
    size = snapshot_size(snapshot)
    kept = size_without(canister, replaced) + size
    change = uninstall_change(call, canister, arguments.sender_canister_version) if arguments.uninstall_code else None
    history_growth = 0 if change is None else change_size(change)
    if change is None:
        usage = canister.memory_usage() - canister.snapshots_size + kept
    else:
        usage = canister.history.size + history_growth + kept
    instructions = instance.profile.limits.snapshot_instructions + size
    payment = affordable_instructions(instance, canister, instructions, usage, history_growth)
    if isinstance(payment, Reject):
        return payment

    def apply() -> None:
        keep_snapshot(instance, canister, snapshot_id, snapshot, replaced)
        pay(instance, canister, payment)
        if change is not None:
            _uninstall(instance, canister, change)
        instance.recount_memory(canister)
        finish(instance, call, encode_result("take_canister_snapshot", summary(snapshot_id, snapshot)))
        if change is not None:
            reject_open_calls(instance, canister)

    rule = "take_canister_snapshot" if change is None else "take_canister_snapshot_and_uninstall"
    return Applies(rule, apply, (("snapshot_id", snapshot_id),))


def _uninstall(instance: SubnetInstance, canister: CanisterRecord, change: Change) -> None:
    canister.history.record(change)
    canister.version += 1
    forget_code(instance, canister)
    canister.chunk_store.clear()
    look_at_hook(instance, canister)


@frozen
class _Loading:
    """A snapshot that is about to be loaded."""

    target: CanisterRecord
    owner: CanisterRecord
    snapshot_id: SnapshotId
    snapshot: Snapshot
    installed: InstalledModule


def _owner_of(instance: SubnetInstance, snapshot_id: SnapshotId) -> CanisterRecord | None:
    return next((one for one in instance.canisters.values() if snapshot_id in one.snapshots), None)


def _fits(instance: SubnetInstance, loading: _Loading) -> bool:
    """The module can continue in the state of the snapshot, and the hook is in the status that belongs to it."""
    snapshot, module = loading.snapshot, loading.installed.module
    if module.global_types != snapshot.global_types:
        return False
    if not module.admits_heap(heap_size(snapshot.wasm_state) // WASM_PAGE):
        return False
    if snapshot.source is SnapshotSource.TAKEN_FROM_CANISTER or snapshot.low_memory_hook is None:
        return True
    is_low = is_low_on_memory(instance, loading.target, module, snapshot.wasm_state)
    return is_low == (snapshot.low_memory_hook is not HookStatus.CONDITION_NOT_SATISFIED)


def _find(instance: SubnetInstance, call: ManagementCall, arguments: LoadSnapshotArguments) -> _Loading | Reject:
    target = controlled_canister(instance, call, arguments.canister_id)
    if isinstance(target, Reject):
        return target
    owner = _owner_of(instance, arguments.snapshot_id)
    if owner is None:
        return rejection(RejectReason.SNAPSHOT_NOT_FOUND)
    if owner.subnet.subnet_id != target.subnet.subnet_id:
        return rejection(RejectReason.DIFFERENT_SUBNETS)
    if not owner.is_controlled_by(call.caller):
        return rejection(RejectReason.NOT_AUTHORIZED, RejectCode.CANISTER_REJECT)
    snapshot = owner.snapshots[arguments.snapshot_id]
    installed = instance.load(snapshot.raw_module)
    if isinstance(installed, MalformedModule):
        return rejection(RejectReason.INVALID_MODULE)
    return _Loading(target, owner, arguments.snapshot_id, snapshot, installed)


def _load_payment(instance: SubnetInstance, loading: _Loading, change: Change) -> Payment | Reject:
    target, snapshot, installed = loading.target, loading.snapshot, loading.installed
    limits, is_64_bit = instance.profile.limits, installed.module.has_64_bit_memory
    limit = limits.install_code_instructions
    if instance.liquid(target) < instance.ledger_of(target).execution(limit, is_64_bit):
        return rejection(RejectReason.CANISTER_OUT_OF_CYCLES, RejectCode.SYS_TRANSIENT)
    instructions = limits.snapshot_instructions + snapshot_size(snapshot) + installed.module.instructions_to_compile
    usage = wasm_state_size(snapshot.wasm_state) + installed.size + CHUNK_SIZE * len(snapshot.chunk_store)
    usage += target.history.size + change_size(change) + target.snapshots_size
    price = instance.ledger_of(target).execution_charge(limit, instructions, is_64_bit)
    return affordable(instance, target, price, usage, change_size(change))


def _load_snapshot(instance: SubnetInstance, call: ManagementCall, arguments: LoadSnapshotArguments) -> Verdict:
    loading = _find(instance, call, arguments)
    if isinstance(loading, Reject):
        return loading
    if not _fits(instance, loading):
        return rejection(RejectReason.SNAPSHOT_NOT_LOADABLE)
    target, snapshot = loading.target, loading.snapshot
    details = LoadSnapshot(
        from_canister_id=None if loading.owner is target else loading.owner.canister_id,
        snapshot_id=loading.snapshot_id,
        canister_version=snapshot.canister_version,
        taken_at=snapshot.taken_at,
        source=snapshot.source,
    )
    origin = change_origin(call, arguments.sender_canister_version)
    change = Change(target.time, target.version + 1, origin, details)
    payment = _load_payment(instance, loading, change)
    if isinstance(payment, Reject):
        return payment

    def apply() -> None:
        pay(instance, target, payment)
        _restore(instance, loading)
        target.history.record(change)
        target.version += 1
        instance.recount_memory(target)
        look_at_hook(instance, target)
        finish(instance, call)

    return Applies("load_canister_snapshot", apply)


def _restore(instance: SubnetInstance, loading: _Loading) -> None:
    target, snapshot = loading.target, loading.snapshot
    wasm_state = evolve(snapshot.wasm_state, self_id=target.canister_id)
    instance.set_code(target, InstalledCode(loading.installed, wasm_state))
    target.installed_at = target.time
    target.certified_data = snapshot.certified_data
    target.chunk_store = dict(snapshot.chunk_store.items())
    if snapshot.source is SnapshotSource.METADATA_UPLOAD:
        if snapshot.global_timer is not None:
            target.global_timer = snapshot.global_timer
        if snapshot.low_memory_hook is not None:
            instance.set_hook(target, snapshot.low_memory_hook)


def _list_snapshots(instance: SubnetInstance, call: ManagementCall, arguments: CanisterIdArguments) -> Verdict:
    canister = visible_canister(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    listed = List(tuple(summary(one, canister.snapshots[one]) for one in sorted(canister.snapshots)))
    reply = encode_result("list_canister_snapshots", listed)
    return Applies("list_canister_snapshots", lambda: finish(instance, call, reply))


def _delete_snapshot(instance: SubnetInstance, call: ManagementCall, arguments: SnapshotArguments) -> Verdict:
    canister = controlled_canister(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    if arguments.snapshot_id not in canister.snapshots:
        return missing_snapshot(instance, arguments.snapshot_id)

    def apply() -> None:
        del canister.snapshots[arguments.snapshot_id]
        instance.recount_memory(canister)
        finish(instance, call)

    return Applies("delete_canister_snapshot", apply)


METHODS: Mapping[MethodName, Callable[[SubnetInstance, ManagementCall, Any], Verdict]] = {
    "take_canister_snapshot": _take_snapshot,
    "load_canister_snapshot": _load_snapshot,
    "list_canister_snapshots": _list_snapshots,
    "delete_canister_snapshot": _delete_snapshot,
}
"""The methods about whole snapshots."""

CHOICES: Mapping[Text, tuple[Text, ...]] = {
    "take_canister_snapshot": ("snapshot_id",),
    "take_canister_snapshot_and_uninstall": ("snapshot_id",),
}
