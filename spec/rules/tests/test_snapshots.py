"""Snapshots are taken, loaded, listed and deleted."""

import pytest
import wasmtime
from attrs import evolve

from spec.canister.wasm_state import WasmState
from spec.rules.resources import memory_usage, size_of_snapshot
from spec.rules.tests.services import answer, module_with_globals, rejection, reply_of
from spec.rules.tests.worlds import (
    NOW,
    PROFILE,
    RICH,
    STRANGER,
    SUBNET,
    USER,
    A,
    B,
    C,
    a_context,
    asked,
    canister,
    contexts,
    fire,
    from_canister,
    is_refused,
    managing,
)
from spec.state.canister import Code, Empty, HookStatus
from spec.state.history import Change, ChangeFromCanister, CodeUninstall, LoadSnapshot
from spec.state.snapshot import Snapshot, SnapshotSource
from spec.transition import Burned, BurnReason
from spec.values import management
from spec.values.canister_terms import AllowedViewers, GlobalType, Public
from spec.values.containers import List, Map, Queue
from spec.values.identifiers import Principal, SnapshotId
from spec.values.memory import LinearMemory
from spec.values.rejects import RejectCode, RejectReason, Reply, system_reject

ID, OTHER = SnapshotId(b"snapshot"), SnapshotId(b"other")
TAKE, TAKE_AND_UNINSTALL, LOAD = (
    "take_canister_snapshot",
    "take_canister_snapshot_and_uninstall",
    "load_canister_snapshot",
)
HEAP = LinearMemory.from_bytes(b"heap".ljust(65536, b"\0"))
STABLE = LinearMemory.from_bytes(b"stable".ljust(2 * 65536, b"\0"))
CHUNKS = Map.of([(b"hash", b"chunk")])
BASE = 2_000_000_000
FIXED = 5_000_000


def filled(canister_id=A, **changes):
    """A canister with something in each of its parts."""
    raw_module = module_with_globals(GlobalType.I64)
    parts = {
        "chunk_store": CHUNKS,
        "certified_data": b"certified",
        "global_timer": NOW + 9,
        "low_memory_hook": HookStatus.EXECUTED,
    }
    state = WasmState(canister_id, HEAP, STABLE, (5,))
    return canister(canister_id, Code(raw_module, state), **(parts | changes))


def snapshot_of(taken, **changes):
    plain = Snapshot(
        source=SnapshotSource.TAKEN_FROM_CANISTER,
        taken_at=NOW,
        raw_module=taken.code.raw_module,
        wasm_state=taken.code.wasm_state,
        global_types=List.of(GlobalType.I64),
        canister_version=7,
        certified_data=b"certified",
        global_timer=NOW + 9,
        low_memory_hook=HookStatus.EXECUTED,
        chunk_store=CHUNKS,
    )
    return evolve(plain, **changes)


def size(snapshot):
    return 3 * 65536 + 2 * 32 + len(snapshot.raw_module) + 2**20 + len(b"certified")


def taking(taken, replaced=None, uninstall=None, caller=USER, **changes):
    arguments = management.TakeSnapshotArguments(A, replaced, uninstall, 3)
    return managing((A, taken), call=asked(arguments, TAKE, caller), **changes)


@pytest.mark.checklist(
    "rule.mgmt.take-snapshot.keep-code",
    "mgmt.take-canister-snapshot",
    "unspec.fn.cycles-used-snapshots",
    "prod.ee_canister_snapshots.take_canister_snapshot_charges_canister_cycles",
    "prod.ee_canister_snapshots.canister_request_take_canister_snapshot_creates_new_snapshots",
)
@pytest.mark.parametrize("uninstall", [None, False])
def test_a_snapshot_is_a_copy_of_all_parts_and_is_paid_for(uninstall):
    taken = filled()
    fired = fire(taking(taken, uninstall=uninstall), TAKE, message_id=0, snapshot_id=ID)
    expected = snapshot_of(taken)
    price = BASE + size(expected)
    assert fired.state.canisters[A] == evolve(taken, snapshots=Map.of([(ID, expected)]), balance=RICH - price)
    assert fired.burned == (Burned(price, BurnReason.EXECUTION),)
    assert fired.state.used_snapshot_ids == List.of(ID)
    summary = management.SnapshotSummary(ID, NOW, size(expected))
    assert answer(fired.state) == (Reply(management.encode_result(TAKE, summary)), 1_000_000)


@pytest.mark.checklist("rule.mgmt.take-snapshot.keep-code", "mgmt.canister-status.memory-metrics")
def test_a_snapshot_counts_as_memory_of_its_canister():
    taken = filled()
    after = fire(taking(taken), TAKE, message_id=0, snapshot_id=ID).state.canisters[A]
    assert memory_usage(PROFILE, after) - memory_usage(PROFILE, taken) == size_of_snapshot(snapshot_of(taken))


@pytest.mark.checklist(
    "rule.mgmt.take-snapshot.keep-code",
    "inv.snapshot-count",
    "unspec.const.max-snapshots",
    "prod.ee_canister_snapshots.canister_request_take_canister_snapshot_creates_new_snapshots",
)
def test_a_canister_has_ten_snapshots_at_most_but_one_may_be_replaced():
    taken = filled()
    names = [SnapshotId(bytes([number])) for number in range(10)]
    full = evolve(taken, snapshots=Map.of((name, snapshot_of(taken)) for name in names))
    assert rejection(taking(full)) is RejectReason.SNAPSHOT_LIMIT_EXCEEDED
    after = fire(taking(full, names[3]), TAKE, message_id=0, snapshot_id=ID).state.canisters[A]
    assert set(after.snapshots.keys()) == {*names, ID} - {names[3]}


@pytest.mark.checklist("rule.mgmt.take-snapshot.keep-code", "error.snapshot-not-found")
@pytest.mark.parametrize(
    ("changes", "canister_changes", "reason"),
    [
        ({"caller": STRANGER}, {}, RejectReason.NOT_AUTHORIZED),
        ({"replaced": OTHER}, {}, RejectReason.SNAPSHOT_NOT_FOUND),
        ({}, {"balance": BASE}, RejectReason.CANISTER_OUT_OF_CYCLES),
        ({}, {"balance": 10**12, "freezing_threshold": 2**62}, RejectReason.CANISTER_OUT_OF_CYCLES),
        ({}, {"installed": Empty()}, RejectReason.CANISTER_HAS_NO_CODE),
    ],
)
def test_a_snapshot_that_cannot_be_taken_is_rejected(changes, canister_changes, reason):
    taken = canister(A, **canister_changes) if "installed" in canister_changes else filled(**canister_changes)
    assert rejection(taking(taken, **changes)) is reason


@pytest.mark.checklist("unspec.error.snapshot-of-empty-canister")
def test_an_empty_canister_has_no_snapshot_even_if_its_code_is_to_be_uninstalled():
    assert rejection(taking(canister(A, Empty()), uninstall=True)) is RejectReason.CANISTER_HAS_NO_CODE


@pytest.mark.checklist("rule.mgmt.take-snapshot.keep-code")
def test_snapshot_ids_are_never_used_again():
    state = taking(filled(), used_snapshot_ids=List.of(ID))
    assert is_refused(state, TAKE, "the snapshot id is fresh", message_id=0, snapshot_id=ID)
    assert fire(state, TAKE, message_id=0, snapshot_id=OTHER)


@pytest.mark.checklist(
    "rule.mgmt.take-snapshot.uninstall",
    "mgmt.take-canister-snapshot",
    "prod.canister_manager.take_canister_snapshot_and_uninstall_code_clears_canister_state",
)
def test_taking_a_snapshot_and_uninstalling_are_one_step():
    taken = filled()
    open_context = a_context(A, origin=from_canister(), available_cycles=50)
    state = taking(taken, uninstall=True, call_contexts=contexts(a_context(C), open_context))
    fired = fire(state, TAKE_AND_UNINSTALL, message_id=0, snapshot_id=ID)
    after, expected = fired.state.canisters[A], snapshot_of(taken)
    assert after == evolve(
        taken,
        code=Empty(),
        version=8,
        chunk_store=Map(),
        certified_data=b"",
        global_timer=0,
        installed_at=None,
        snapshots=Map.of([(ID, expected)]),
        balance=RICH - BASE - size(expected),
        low_memory_hook=after.low_memory_hook,
        history=after.history,
    )
    origin = ChangeFromCanister(USER, 3)
    assert after.history.recent_changes == List.of(Change(NOW, 8, origin, CodeUninstall()))
    assert isinstance(answer(fired.state, 1)[0], Reply)
    rejected = system_reject(RejectCode.CANISTER_REJECT, RejectReason.CODE_UNINSTALLED)
    assert answer(fired.state, 0) == (rejected, 50)
    assert fired.state.call_contexts[1] == evolve(
        open_context, deleted=True, needs_to_respond=False, available_cycles=0
    )


def loading(owner, target=None, caller=USER, snapshot_id=ID, owner_id=B):
    """A state in which a snapshot of B, or of A itself, is to be loaded onto A."""
    arguments = management.LoadSnapshotArguments(A, snapshot_id, 3)
    others = () if target is None else ((A, target),)
    return managing(*others, (owner_id, owner), call=asked(arguments, LOAD, caller))


def owner_with(canister_id=B, hook=None, timer=None, uploaded=False, **changes):
    """A canister with a snapshot."""
    owner = filled(canister_id)
    snapshot = snapshot_of(owner)
    if uploaded:
        snapshot = evolve(snapshot, source=SnapshotSource.METADATA_UPLOAD, low_memory_hook=hook, global_timer=timer)
    snapshot = evolve(snapshot, **{name: changes.pop(name) for name in list(changes) if hasattr(snapshot, name)})
    return evolve(owner, snapshots=Map.of([(ID, snapshot)])), snapshot


@pytest.mark.checklist(
    "rule.mgmt.load-snapshot.effects",
    "rule.mgmt.load-snapshot.conditions",
    "mgmt.load-canister-snapshot",
    "prod.ee_canister_snapshots.load_canister_snapshot_succeeds",
    "prod.canister_snapshots.take_load_snapshot_global_timer_on_low_wasm_memory",
)
def test_loading_a_snapshot_makes_a_canister_what_the_snapshot_holds():
    owner, snapshot = owner_with(canister_version=2, taken_at=NOW - 50)
    target = canister(A, Empty(), global_timer=NOW + 1, logs=List())
    fired = fire(loading(owner, target), LOAD, message_id=0)
    after = fired.state.canisters[A]
    price = FIXED + BASE + size(snapshot)
    assert after == evolve(
        target,
        code=Code(snapshot.raw_module, evolve(snapshot.wasm_state, self_id=A)),
        chunk_store=CHUNKS,
        certified_data=b"certified",
        version=8,
        installed_at=NOW,
        balance=RICH - price,
        history=after.history,
    )
    details = LoadSnapshot(B, ID, 2, NOW - 50, SnapshotSource.TAKEN_FROM_CANISTER)
    assert after.history.recent_changes == List.of(Change(NOW, 8, ChangeFromCanister(USER, 3), details))
    assert fired.burned == (Burned(price, BurnReason.EXECUTION),)
    assert fired.state.canisters[B] == owner
    assert answer(fired.state) == (Reply(management.EMPTY_RESULT), 1_000_000)


@pytest.mark.checklist("rule.mgmt.load-snapshot.effects")
def test_a_snapshot_of_the_canister_itself_is_recorded_without_its_id():
    owner, _ = owner_with(A)
    after = fire(loading(owner, owner_id=A), LOAD, message_id=0).state.canisters[A]
    assert after.history.recent_changes.items[-1].details.from_canister_id is None
    assert after.version == owner.version + 1


@pytest.mark.checklist(
    "rule.mgmt.load-snapshot.effects",
    "prod.canister_snapshots.download_upload_load_snapshot_global_timer_on_low_wasm_memory",
    "prod.canister_snapshots.take_load_snapshot_global_timer_on_low_wasm_memory",
)
@pytest.mark.parametrize(("uploaded", "given", "expected"), [(False, 5, NOW + 1), (True, 5, 5), (True, None, NOW + 1)])
def test_only_an_uploaded_snapshot_sets_the_timer(uploaded, given, expected):
    owner, _ = owner_with(uploaded=uploaded, timer=given)
    target = canister(A, Empty(), global_timer=NOW + 1)
    assert fire(loading(owner, target), LOAD, message_id=0).state.canisters[A].global_timer == expected


LOW, ENOUGH = {"wasm_memory_limit": 65536, "wasm_memory_threshold": 1}, {"wasm_memory_limit": 65537}


@pytest.mark.checklist(
    "rule.mgmt.load-snapshot.conditions",
    "rule.mgmt.load-snapshot.effects",
    "prod.canister_snapshots.download_upload_load_snapshot_global_timer_on_low_wasm_memory",
)
@pytest.mark.parametrize(
    ("settings", "given", "expected"),
    [
        (LOW, HookStatus.EXECUTED, HookStatus.EXECUTED),
        (LOW, HookStatus.READY, HookStatus.READY),
        (LOW, HookStatus.CONDITION_NOT_SATISFIED, None),
        (LOW, None, HookStatus.READY),
        (ENOUGH, HookStatus.CONDITION_NOT_SATISFIED, HookStatus.CONDITION_NOT_SATISFIED),
        (ENOUGH, HookStatus.EXECUTED, None),
        (ENOUGH, None, HookStatus.CONDITION_NOT_SATISFIED),
    ],
)
def test_an_uploaded_hook_status_must_fit_the_settings_of_the_target(settings, given, expected):
    owner, _ = owner_with(uploaded=True, hook=given)
    state = loading(owner, canister(A, Empty(), **settings))
    if expected is None:
        assert rejection(state) is RejectReason.SNAPSHOT_NOT_LOADABLE
    else:
        assert fire(state, LOAD, message_id=0).state.canisters[A].low_memory_hook == expected


@pytest.mark.checklist(
    "rule.mgmt.load-snapshot.conditions",
    "error.snapshot-not-found",
    "error.snapshot-not-controller",
    "error.snapshot-not-loadable",
)
@pytest.mark.parametrize(
    ("snapshot_changes", "owner_changes", "target_changes", "call_changes", "reason"),
    [
        ({}, {}, {}, {"caller": STRANGER}, RejectReason.NOT_AUTHORIZED),
        ({}, {}, {}, {"snapshot_id": OTHER}, RejectReason.SNAPSHOT_NOT_FOUND),
        ({}, {"subnet": evolve(SUBNET, subnet_id=Principal(b"o"))}, {}, {}, RejectReason.DIFFERENT_SUBNETS),
        ({"raw_module": b"no module"}, {}, {}, {}, RejectReason.INVALID_MODULE),
        ({"global_types": List.of(GlobalType.I32)}, {}, {}, {}, RejectReason.SNAPSHOT_NOT_LOADABLE),
        ({"global_types": List()}, {}, {}, {}, RejectReason.SNAPSHOT_NOT_LOADABLE),
        ({}, {}, {"balance": 300_004_999_999}, {}, RejectReason.CANISTER_OUT_OF_CYCLES),
    ],
)
def test_a_snapshot_that_cannot_be_loaded_is_rejected(
    snapshot_changes, owner_changes, target_changes, call_changes, reason
):
    owner, _ = owner_with(**snapshot_changes)
    state = loading(evolve(owner, **owner_changes), canister(A, Empty(), **target_changes), **call_changes)
    assert rejection(state) is reason


@pytest.mark.checklist("rule.mgmt.load-snapshot.conditions", "error.snapshot-not-controller")
def test_the_caller_must_control_the_owner_of_the_snapshot_too():
    owner, _ = owner_with()
    owner = evolve(owner, settings=evolve(owner.settings, controllers=List.of(STRANGER)))
    assert rejection(loading(owner, canister(A))) is RejectReason.NOT_AUTHORIZED


@pytest.mark.checklist("rule.mgmt.load-snapshot.conditions")
def test_a_module_that_admits_no_such_heap_is_not_loaded():
    owner, snapshot = owner_with(raw_module=module_with_globals(GlobalType.I64, largest_heap=0))
    assert rejection(loading(owner, canister(A))) is RejectReason.SNAPSHOT_NOT_LOADABLE


def about_snapshots(arguments, method_name, caller=USER, **changes):
    owner, snapshot = owner_with(A)
    settings = evolve(owner.settings, **changes)
    return managing((A, evolve(owner, settings=settings)), call=asked(arguments, method_name, caller)), snapshot


@pytest.mark.checklist("rule.mgmt.list-snapshots", "mgmt.list-canister-snapshots", "setting.snapshot-visibility")
@pytest.mark.parametrize(
    ("visibility", "caller", "may_see"),
    [
        (None, USER, True),
        (None, STRANGER, False),
        (Public(), STRANGER, True),
        (AllowedViewers(List.of(STRANGER)), STRANGER, True),
        (AllowedViewers(List()), STRANGER, False),
        (AllowedViewers(List()), USER, True),
    ],
)
def test_the_visibility_of_snapshots_says_who_may_list_them(visibility, caller, may_see):
    changes = {} if visibility is None else {"snapshot_visibility": visibility}
    arguments = management.CanisterIdArguments(A)
    state, snapshot = about_snapshots(arguments, "list_canister_snapshots", caller, **changes)
    if not may_see:
        assert rejection(state) is RejectReason.NOT_AUTHORIZED
        return
    after = fire(state, "list_canister_snapshots", message_id=0).state
    listed = management.decode_result("list_canister_snapshots", reply_of(after))
    assert listed == List.of(management.SnapshotSummary(ID, NOW, size(snapshot)))


@pytest.mark.checklist(
    "rule.mgmt.delete-snapshot",
    "mgmt.delete-canister-snapshot",
    "error.snapshot-not-found",
    "prod.ee_canister_snapshots.delete_canister_snapshot_succeeds",
)
def test_a_controller_deletes_a_snapshot():
    method = "delete_canister_snapshot"
    state, _ = about_snapshots(management.SnapshotArguments(A, ID), method)
    after = fire(state, method, message_id=0).state
    assert after.canisters[A] == evolve(state.canisters[A], snapshots=Map())
    assert rejection(about_snapshots(management.SnapshotArguments(A, OTHER), method)[0]) is (
        RejectReason.SNAPSHOT_NOT_FOUND
    )
    public = about_snapshots(management.SnapshotArguments(A, ID), method, STRANGER, snapshot_visibility=Public())[0]
    assert rejection(public) is RejectReason.NOT_AUTHORIZED


def binary(text):
    """A module from its text."""
    return bytes(wasmtime.wat2wasm(text))


def with_user_command(state, arguments, method_name):
    """The state after a management call of the user."""
    call = asked(arguments, method_name)
    waiting = evolve(state, messages=Queue().append(call))
    choices = {"snapshot_id": ID} if method_name == TAKE else {}
    return fire(waiting, method_name, message_id=0, **choices).state


@pytest.mark.checklist("rule.mgmt.load-snapshot.effects", "rule.mgmt.take-snapshot.keep-code")
def test_a_real_canister_gets_back_the_heap_that_a_snapshot_kept():
    raw_module = binary(
        '(module (memory 1) (global (export "number") (mut i32) (i32.const 7)) (data (i32.const 0) "first")'
        ' (func (export "canister_pre_upgrade")))'
    )
    state = managing((A, canister(A, Empty())), call=asked(management.CanisterIdArguments(A), "canister_status"))
    install = management.InstallCodeArguments(management.InstallMode(), A, raw_module)
    state = with_user_command(state, install, "install_code")
    state = with_user_command(state, management.TakeSnapshotArguments(A), TAKE)
    taken = state.canisters[A].code
    other = binary('(module (memory 1) (data (i32.const 0) "other"))')
    again = management.InstallCodeArguments(management.ReinstallMode(), A, other)
    state = with_user_command(state, again, "install_code")
    assert state.canisters[A].code.wasm_state.wasm_memory.read(0, 5) == b"other"
    state = with_user_command(state, management.LoadSnapshotArguments(A, ID), LOAD)
    assert state.canisters[A].code == taken
    assert taken.wasm_state.wasm_memory.read(0, 5) == b"first" and taken.wasm_state.globals == (7,)
