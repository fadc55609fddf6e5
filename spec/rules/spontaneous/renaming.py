"""Canisters move to another subnet by taking the id of a canister there."""

from attrs import evolve

from spec.rules.conditions import existing_canister
from spec.state.canister import Canister, CanisterCode, Code, Empty, Stopped
from spec.state.history import CanisterHistory, Change, ChangeFromCanister, RenameCanister, RenameTarget
from spec.state.state import State, cycles_of_canister
from spec.transition import Burned, BurnReason, Step, require, transition
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId, Principal
from spec.values.quantities import CanisterVersion


@transition(title="Canister renaming", source="abstract-behavior#canister-renaming")
@defines("rule.canister-renaming.conditions", "rule.canister-renaming.effects", "unspec.spont.renaming")
def canister_renaming(
    state: State,
    *,
    canister_id: CanisterId,
    new_canister_id: CanisterId,
    orchestrator: CanisterId,
    orchestrator_version: CanisterVersion,
    caller: Principal,
) -> Step:
    """
    The migration orchestrator gives a stopped canister the id of another stopped one on another subnet.

    The other one is gone then, and so are its cycles.
    """
    # CONDITIONS
    source = existing_canister(state, canister_id)
    target = existing_canister(state, new_canister_id)
    require(source.subnet.subnet_id != target.subnet.subnet_id, "the canisters are on different subnets")
    require_control(source, target, caller)
    require_control(source, target, orchestrator)
    require(isinstance(source.status, Stopped), "the canister is stopped")
    require(isinstance(target.status, Stopped), "the canister whose id it gets is stopped")
    require(source.snapshots.none(lambda _, __: True), "the canister has no snapshots")
    version = larger(source.version, target.version) + 1
    details = RenameCanister(
        canister_id,
        source.history.total_changes,
        RenameTarget(new_canister_id, target.version, target.history.total_changes),
        caller,
    )
    change = Change(source.time, version, ChangeFromCanister(orchestrator, orchestrator_version), details)
    # The text has the destination's total, which may be smaller than the number of changes that are listed.
    total = larger(target.history.total_changes, len(source.history.recent_changes)) + 1
    history = CanisterHistory(total, source.history.recent_changes.append(change))
    renamed = evolve(source, code=with_new_id(source, new_canister_id), version=version, history=history)

    # STATE AFTER
    return Step(
        evolve(
            state,
            canisters=state.canisters.remove(canister_id).set(new_canister_id, renamed),
            deleted_canisters=state.deleted_canisters.append(canister_id),
        ),
        burned=(Burned(cycles_of_canister(target), BurnReason.LOST),),
    )


def require_control(source: Canister, target: Canister, principal: Principal) -> None:
    """States that a principal controls both canisters."""
    require(
        source.settings.controllers.contains(principal) and target.settings.controllers.contains(principal),
        "the caller and the orchestrator control both canisters",
    )


def larger(left: int, right: int) -> int:
    """The larger of two numbers."""
    return left if left >= right else right


def with_new_id(canister: Canister, canister_id: CanisterId) -> CanisterCode:
    """The code of a canister that knows its new id."""
    match canister.code:
        case Code(raw_module, wasm_state):
            return Code(raw_module, evolve(wasm_state, self_id=canister_id))
        case Empty():
            return canister.code
