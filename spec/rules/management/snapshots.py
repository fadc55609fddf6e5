"""Taking snapshots, loading, listing and deleting them."""

from attrs import evolve

from spec.canister.module import CanisterModule
from spec.rules.conditions import existing_canister
from spec.rules.management.arguments import (
    change_origin,
    decoded,
    managed_call,
    management_call,
    replied,
    reply,
    require_controller,
)
from spec.rules.management.chunk_store import require_same_subnet
from spec.rules.management.deletion import deleted_context, rejects_of_contexts, uninstalled
from spec.rules.management.installation import well_formed
from spec.rules.management.payments import cost_for, paid
from spec.rules.management.status import require_visible
from spec.rules.messages.low_memory_hook import is_low_on_memory, with_hook_status
from spec.rules.modules import code_of, module_of
from spec.rules.resources import cycles_per_message, execution_cost, liquid_balance, size_of_snapshot
from spec.state.canister import Canister, Code, HookStatus
from spec.state.history import Change, ChangeOrigin, LoadSnapshot, recorded
from spec.state.message import CallMessage
from spec.state.snapshot import Snapshot, SnapshotSource
from spec.state.state import State
from spec.transition import Burned, BurnReason, Step, opaque, require, require_present, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.containers import List, Map
from spec.values.identifiers import Blob, CanisterId, MessageId, SnapshotId
from spec.values.quantities import CanisterVersion, Cycles
from spec.values.rejects import RejectCode, RejectReason


@opaque
def take_snapshot_arguments(argument: Blob) -> management.TakeSnapshotArguments | None:
    """The argument of `take_canister_snapshot`."""
    arguments = management.decode_arguments("take_canister_snapshot", argument)
    return arguments if isinstance(arguments, management.TakeSnapshotArguments) else None


@opaque
def load_snapshot_arguments(argument: Blob) -> management.LoadSnapshotArguments | None:
    """The argument of `load_canister_snapshot`."""
    arguments = management.decode_arguments("load_canister_snapshot", argument)
    return arguments if isinstance(arguments, management.LoadSnapshotArguments) else None


@opaque
def delete_snapshot_arguments(argument: Blob) -> management.SnapshotArguments | None:
    """The argument of `delete_canister_snapshot`."""
    arguments = management.decode_arguments("delete_canister_snapshot", argument)
    return arguments if isinstance(arguments, management.SnapshotArguments) else None


@opaque
def owner_of_snapshot(state: State, snapshot_id: SnapshotId) -> CanisterId | None:
    """The canister that has a snapshot, if there is one."""
    return next((owner for owner, canister in state.canisters.items() if snapshot_id in canister.snapshots), None)


@opaque
def code_of_missing_snapshot(state: State, snapshot_id: SnapshotId) -> RejectCode:
    """The code with which production says that a canister has no such snapshot: another one if another canister has."""
    is_foreign = owner_of_snapshot(state, snapshot_id) is not None
    return RejectCode.CANISTER_REJECT if is_foreign else RejectCode.DESTINATION_INVALID


def summary(snapshot_id: SnapshotId, snapshot: Snapshot) -> management.SnapshotSummary:
    """What is told about a snapshot when it is taken or listed."""
    return management.SnapshotSummary(snapshot_id, snapshot.taken_at, size_of_snapshot(snapshot))


@opaque
def encoded_summary(snapshot_id: SnapshotId, snapshot: Snapshot) -> Blob:
    """The result of `take_canister_snapshot`."""
    return management.encode_result("take_canister_snapshot", summary(snapshot_id, snapshot))


@opaque
def encoded_list(snapshots: Map[SnapshotId, Snapshot]) -> Blob:
    """The result of `list_canister_snapshots`, in increasing order of the ids."""
    listed = List(tuple(summary(snapshot_id, snapshot) for snapshot_id, snapshot in snapshots.items()))
    return management.encode_result("list_canister_snapshots", listed)


@transition(title="Take canister snapshot", source="abstract-behavior#ic-management-canister-take-canister-snapshot")
@defines("rule.mgmt.take-snapshot.keep-code")
def take_canister_snapshot(state: State, *, message_id: MessageId, snapshot_id: SnapshotId) -> Step:
    """A controller keeps a copy of what a canister is made of."""
    # CONDITIONS
    call, arguments, canister = taking_call(state, message_id)
    require(arguments.uninstall_code is None or not arguments.uninstall_code, "the code stays")
    require_fresh_id(state, snapshot_id)
    snapshot = snapshot_of(state, canister)
    require_room(state, canister, arguments.replace_snapshot)
    kept = with_snapshot(canister, arguments.replace_snapshot, snapshot_id, snapshot)
    used = cost_of_snapshot(state, canister, snapshot)
    after = paid(state, arguments.canister_id, kept, used)

    # STATE AFTER
    return Step(
        evolve(
            replied(state, message_id, call, encoded_summary(snapshot_id, snapshot)),
            canisters=state.canisters.set(arguments.canister_id, after),
            used_snapshot_ids=state.used_snapshot_ids.append(snapshot_id),
        ),
        burned=(Burned(used, BurnReason.EXECUTION),),
    )


@transition(
    title="Take canister snapshot and uninstall the code",
    source="abstract-behavior#ic-management-canister-take-canister-snapshot",
)
@defines("rule.mgmt.take-snapshot.uninstall")
def take_canister_snapshot_and_uninstall(state: State, *, message_id: MessageId, snapshot_id: SnapshotId) -> Step:
    """A snapshot is taken and the code uninstalled in one step, so that the canister does not grow in between."""
    # CONDITIONS
    call, arguments, canister = taking_call(state, message_id)
    require(arguments.uninstall_code is not None and arguments.uninstall_code, "the code is uninstalled")
    require_fresh_id(state, snapshot_id)
    snapshot = snapshot_of(state, canister)
    require_room(state, canister, arguments.replace_snapshot)
    kept = with_snapshot(canister, arguments.replace_snapshot, snapshot_id, snapshot)
    used = cost_of_snapshot(state, canister, snapshot)
    origin = change_origin(call, arguments.sender_canister_version)
    after = paid(state, arguments.canister_id, uninstalled(kept, origin), used)
    answer = replied(state, message_id, call, encoded_summary(snapshot_id, snapshot))

    # STATE AFTER
    return Step(
        evolve(
            answer,
            canisters=state.canisters.set(arguments.canister_id, after),
            used_snapshot_ids=state.used_snapshot_ids.append(snapshot_id),
            messages=answer.messages.extend(rejects_of_contexts(state, arguments.canister_id)),
            call_contexts=state.call_contexts.change_where(
                lambda _, context: context.canister == arguments.canister_id, deleted_context
            ),
        ),
        burned=(Burned(used, BurnReason.EXECUTION),),
    )


@defines("unspec.error.snapshot-of-empty-canister")
def taking_call(state: State, message_id: MessageId) -> tuple[CallMessage, management.TakeSnapshotArguments, Canister]:
    """A call to `take_canister_snapshot`, its argument, and the canister that it is about."""
    call = management_call(state, message_id, "take_canister_snapshot")
    arguments = decoded(take_snapshot_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    require_controller(call, canister)
    return call, arguments, canister


def require_fresh_id(state: State, snapshot_id: SnapshotId) -> None:
    """States that no snapshot ever had this id."""
    require(not state.used_snapshot_ids.contains(snapshot_id), "the snapshot id is fresh")


@defines("inv.snapshot-count", "error.snapshot-not-found")
def require_room(state: State, canister: Canister, replaced: SnapshotId | None) -> None:
    """States that the snapshot to be replaced exists, or that there may be one more."""
    if replaced is None:
        require(
            len(canister.snapshots) < state.profile.limits.snapshots,
            "there may be one more snapshot",
            RejectReason.SNAPSHOT_LIMIT_EXCEEDED,
        )
    else:
        existing_snapshot(state, canister, replaced)


@defines("error.snapshot-not-found", "error.snapshot-invalid-ownership")
def existing_snapshot(state: State, canister: Canister, snapshot_id: SnapshotId) -> Snapshot:
    """The snapshot of this canister with this id."""
    require(
        snapshot_id in canister.snapshots,
        "the canister has the snapshot",
        RejectReason.SNAPSHOT_NOT_FOUND,
        code_of_missing_snapshot(state, snapshot_id),
    )
    return canister.snapshots[snapshot_id]


def snapshot_of(state: State, canister: Canister) -> Snapshot:
    """A snapshot of a canister as it is. It must have code."""
    code = code_of(canister, RejectCode.CANISTER_REJECT)
    return Snapshot(
        source=SnapshotSource.TAKEN_FROM_CANISTER,
        taken_at=canister.time,
        raw_module=code.raw_module,
        wasm_state=code.wasm_state,
        global_types=module_of(state.profile, code).global_types,
        canister_version=canister.version,
        certified_data=canister.certified_data,
        global_timer=canister.global_timer,
        low_memory_hook=canister.low_memory_hook,
        chunk_store=canister.chunk_store,
    )


def with_snapshot(
    canister: Canister, replaced: SnapshotId | None, snapshot_id: SnapshotId, snapshot: Snapshot
) -> Canister:
    """The canister with one more snapshot, maybe in place of another."""
    others = canister.snapshots if replaced is None else canister.snapshots.remove(replaced)
    return evolve(canister, snapshots=others.set(snapshot_id, snapshot))


@defines("unspec.fn.cycles-used-snapshots")
def cost_of_snapshot(state: State, canister: Canister, snapshot: Snapshot) -> Cycles:
    """What creating a snapshot costs the canister."""
    return cost_for(state, canister, state.profile.limits.snapshot_instructions + size_of_snapshot(snapshot))


@transition(title="Load canister snapshot", source="abstract-behavior#ic-management-canister-load-canister-snapshot")
@defines("error.snapshot-not-controller")
def load_canister_snapshot(state: State, *, message_id: MessageId) -> Step:
    """A canister becomes what a snapshot holds, of itself or of another canister on its subnet."""
    # CONDITIONS
    call = management_call(state, message_id, "load_canister_snapshot")
    arguments = decoded(load_snapshot_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    require_controller(call, canister)
    owner_id = require_present(
        owner_of_snapshot(state, arguments.snapshot_id),
        "a canister has the snapshot",
        RejectReason.SNAPSHOT_NOT_FOUND,
    )
    owner = existing_canister(state, owner_id)
    snapshot = existing_snapshot(state, owner, arguments.snapshot_id)
    require_same_subnet(canister, owner)
    require_controller(call, owner, RejectCode.CANISTER_REJECT)
    module = well_formed(state, snapshot.raw_module)
    require_fitting_state(module, snapshot)
    details = LoadSnapshot(
        None if owner_id == arguments.canister_id else owner_id,
        arguments.snapshot_id,
        snapshot.canister_version,
        snapshot.taken_at,
        snapshot.source,
    )
    origin = change_origin(call, arguments.sender_canister_version)
    loaded = with_loaded_snapshot(canister, arguments.canister_id, snapshot, origin, details)
    require_fitting_hook_status(state, loaded, snapshot)
    used = cost_of_loading(state, canister, module, snapshot)
    after = paid(state, arguments.canister_id, loaded, used)

    # STATE AFTER
    return Step(
        evolve(
            replied(state, message_id, call),
            canisters=state.canisters.set(arguments.canister_id, with_hook_status(state.profile, after)),
        ),
        burned=(Burned(used, BurnReason.EXECUTION),),
    )


@defines("error.snapshot-not-loadable")
def require_fitting_state(module: CanisterModule, snapshot: Snapshot) -> None:
    """States that the state in a snapshot can be one of its module."""
    require(
        snapshot.global_types == module.global_types,
        "the globals are those of the module",
        RejectReason.SNAPSHOT_NOT_LOADABLE,
    )
    require(
        module.admits_heap(snapshot.wasm_state.wasm_memory.wasm_pages),
        "the module admits the size of the heap",
        RejectReason.SNAPSHOT_NOT_LOADABLE,
    )


def require_fitting_hook_status(state: State, loaded: Canister, snapshot: Snapshot) -> None:
    """States that an uploaded snapshot tells the truth about the low-memory hook, if it tells anything."""
    require(
        snapshot.source != SnapshotSource.METADATA_UPLOAD
        or snapshot.low_memory_hook is None
        or (snapshot.low_memory_hook != HookStatus.CONDITION_NOT_SATISFIED) == is_low_on_memory(state.profile, loaded),
        "the status of the low-memory hook fits the heap",
        RejectReason.SNAPSHOT_NOT_LOADABLE,
    )


def with_loaded_snapshot(
    canister: Canister, canister_id: CanisterId, snapshot: Snapshot, origin: ChangeOrigin, details: LoadSnapshot
) -> Canister:
    """The canister made of what the snapshot holds. Only uploaded snapshots set timer and hook status."""
    is_uploaded = snapshot.source == SnapshotSource.METADATA_UPLOAD
    version: CanisterVersion = canister.version + 1
    return evolve(
        canister,
        code=Code(snapshot.raw_module, evolve(snapshot.wasm_state, self_id=canister_id)),
        chunk_store=snapshot.chunk_store,
        certified_data=snapshot.certified_data,
        global_timer=(
            snapshot.global_timer if is_uploaded and snapshot.global_timer is not None else canister.global_timer
        ),
        low_memory_hook=(
            snapshot.low_memory_hook
            if is_uploaded and snapshot.low_memory_hook is not None
            else canister.low_memory_hook
        ),
        version=version,
        installed_at=canister.time,
        history=recorded(canister.history, Change(canister.time, version, origin, details)),
    )


def cost_of_loading(state: State, canister: Canister, module: CanisterModule, snapshot: Snapshot) -> Cycles:
    """What loading a snapshot costs, with compiling its module; the largest installation must be affordable."""
    profile, size = state.profile, canister.subnet.subnet_size
    limit = profile.limits.install_code_instructions
    require(
        liquid_balance(profile, canister) >= cycles_per_message(profile, module, limit, size),
        "the cycles for the largest execution are there",
        RejectReason.CANISTER_OUT_OF_CYCLES,
        RejectCode.SYS_TRANSIENT,
    )
    work = profile.limits.snapshot_instructions + size_of_snapshot(snapshot) + module.instructions_to_compile
    return execution_cost(profile, module, limit, work, size)


@transition(title="List canister snapshots", source="abstract-behavior#ic-management-canister-list-canister-snapshots")
def list_canister_snapshots(state: State, *, message_id: MessageId) -> Step:
    """Whom the snapshot visibility admits learns which snapshots a canister has."""
    # CONDITIONS
    managed = managed_call(state, message_id, "list_canister_snapshots")
    require_visible(managed.call, managed.canister, managed.canister.settings.snapshot_visibility)

    # STATE AFTER
    return reply(state, message_id, managed.call, encoded_list(managed.canister.snapshots))


@transition(
    title="Delete canister snapshot", source="abstract-behavior#ic-management-canister-delete-canister-snapshot"
)
def delete_canister_snapshot(state: State, *, message_id: MessageId) -> Step:
    """A controller removes a snapshot."""
    # CONDITIONS
    call = management_call(state, message_id, "delete_canister_snapshot")
    arguments = decoded(delete_snapshot_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    require_controller(call, canister)
    existing_snapshot(state, canister, arguments.snapshot_id)
    after = evolve(canister, snapshots=canister.snapshots.remove(arguments.snapshot_id))

    # STATE AFTER
    return Step(evolve(replied(state, message_id, call), canisters=state.canisters.set(arguments.canister_id, after)))
