"""A canister moves away from its old id: it gets that of a canister on another subnet, which is gone then."""

from attrs import evolve

from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.observations import NotTaken, Purpose
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.canister import Stopped
from spec.state.history import Change, ChangeFromCanister, RenameCanister, RenameTarget
from spec.values.identifiers import CanisterId, Principal
from spec.values.quantities import CanisterVersion


def canister_renaming(
    instance: SubnetInstance,
    canister_id: CanisterId,
    new_canister_id: CanisterId,
    orchestrator: CanisterId,
    orchestrator_version: CanisterVersion,
    caller: Principal,
) -> NotTaken | None:
    """The migration orchestrator, asked by a user, renames a canister. Source: abstract-behavior, canister renaming."""
    moving, replaced = instance.canisters.get(canister_id), instance.canisters.get(new_canister_id)
    if moving is None or replaced is None:
        return NotTaken("there is no such canister")
    refusal = _refusal(moving, replaced, (caller, orchestrator))
    if refusal is not None:
        return refusal
    version = 1 + max(moving.version, replaced.version)
    total = max(replaced.history.total, len(moving.history.changes))
    place = RenameTarget(new_canister_id, replaced.version, replaced.history.total)
    details = RenameCanister(canister_id, moving.history.total, place, caller)
    moving.history.record(Change(moving.time, version, ChangeFromCanister(orchestrator, orchestrator_version), details))
    # The total goes on from that of the canister that is replaced, but counts at least what is listed.
    moving.history.total = 1 + total
    moving.version = version
    instance.recorder.burned(replaced.balance + replaced.reserved_balance, Purpose.LOST)
    _take_place(instance, moving, replaced)
    return None


def _refusal(moving: CanisterRecord, replaced: CanisterRecord, askers: tuple[Principal, ...]) -> NotTaken | None:
    if moving.subnet.subnet_id == replaced.subnet.subnet_id:
        return NotTaken("both canisters live on the same subnet")
    if not all(canister.is_controlled_by(asker) for canister in (moving, replaced) for asker in askers):
        return NotTaken("the orchestrator or its caller does not control both canisters")
    if not (isinstance(moving.status, Stopped) and isinstance(replaced.status, Stopped)):
        return NotTaken("one of the canisters has not stopped")
    if moving.snapshots:
        return NotTaken("the canister has snapshots")
    return None


def _take_place(instance: SubnetInstance, moving: CanisterRecord, replaced: CanisterRecord) -> None:
    """Only the old id of the canister that moves is used up."""
    instance.delete_canister(replaced)
    instance.delete_canister(moving)
    del instance.deleted_canisters[replaced.canister_id]
    moving.canister_id = replaced.canister_id
    if moving.code is not None:
        moving.code.wasm_state = evolve(moving.code.wasm_state, self_id=moving.canister_id)
    instance.add_canister(moving)
