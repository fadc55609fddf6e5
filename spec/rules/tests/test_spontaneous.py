"""What nobody asks for: payments, running out of cycles, versions, admins, trimming, the low-memory hook."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.canister.wasm_state import WasmState
from spec.rules.tests.worlds import (
    ADMIN,
    NOW,
    RICH,
    SET_ASIDE,
    SUBNET,
    USER,
    A,
    B,
    C,
    a_context,
    canister,
    contexts,
    execution,
    fire,
    from_canister,
    is_refused,
    module,
    returns,
    world,
)
from spec.state.call_context import CallContext
from spec.state.canister import Code, Empty, HookStatus, LogRecord, Stopped, Stopping
from spec.state.history import CanisterHistory, Change, ChangeFromUser, CodeUninstall
from spec.state.message import Between, FuncMessage, Heartbeat, OnLowWasmMemory, ResponseMessage
from spec.state.origin import FromSystemTask
from spec.state.snapshot import Snapshot, SnapshotSource
from spec.transition import RULES, Burned, BurnReason, NotEnabled, Step
from spec.values.containers import List, Map, Queue
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.memory import LinearMemory
from spec.values.rejects import RejectCode, RejectReason, system_reject


def only(changed_canister):
    return world((A, changed_canister))


def after(state, **changes):
    return evolve(state, canisters=state.canisters.set(A, evolve(state.canisters[A], **changes)))


@pytest.mark.checklist(
    "rule.resource-payment.reserved-balance", "inv.cycles.reserved-one-way", "unspec.spont.resource-payments"
)
@pytest.mark.parametrize("left", [0, 1, 99])
def test_resources_are_paid_for_out_of_the_reserved_balance(left):
    state = only(canister(A, reserved_balance=100))
    fired = fire(state, "payment_from_reserved_balance", canister_id=A, balance=left)
    burned = (Burned(100 - left, BurnReason.RESOURCES),)
    assert fired == Step(after(state, reserved_balance=left), burned=burned)


@pytest.mark.checklist("rule.resource-payment.main-balance", "inv.cycles.reserved-one-way")
@pytest.mark.parametrize("left", [0, RICH - 1])
def test_resources_are_paid_for_out_of_the_balance_if_nothing_is_reserved(left):
    state = only(canister(A))
    fired = fire(state, "payment_from_main_balance", canister_id=A, balance=left)
    assert fired == Step(after(state, balance=left), burned=(Burned(RICH - left, BurnReason.RESOURCES),))


@pytest.mark.checklist(
    "rule.resource-payment.reserved-balance", "rule.resource-payment.main-balance", "inv.cycles.non-negative"
)
def test_payments_make_balances_smaller_and_never_negative():
    reserved, main = "payment_from_reserved_balance", "payment_from_main_balance"
    state = only(canister(A, reserved_balance=100))
    assert is_refused(state, main, "there are no reserved cycles", canister_id=A, balance=1)
    assert is_refused(state, reserved, "the reserved balance gets smaller", canister_id=A, balance=100)
    unreserved = only(canister(A))
    assert is_refused(unreserved, main, "the balance gets smaller", canister_id=A, balance=RICH)
    for rule, given in ((reserved, state), (main, unreserved)):
        negative = RULES[rule](given, canister_id=A, balance=-1)
        assert negative == NotEnabled("the new balance is not negative")
        assert is_refused(given, rule, "the canister exists", canister_id=B, balance=0)


@pytest.mark.checklist(
    "rule.canister-out-of-cycles",
    "inv.deallocated-canister-kept",
    "inv.version.monotone",
    "inv.timer-fires-once",
    "unspec.spont.out-of-cycles",
    "prod.sched_charging.canisters_with_insufficient_cycles_are_uninstalled",
    "prod.sched_charging.snapshot_is_deleted_when_canister_is_out_of_cycles",
    "prod.canister_history.canister_history_cleared_if_canister_out_of_cycles",
)
@pytest.mark.parametrize("status", [None, Stopping()])
def test_a_canister_without_cycles_loses_code_snapshots_allocations_and_changes(status):
    change = Change(NOW, 1, ChangeFromUser(USER), CodeUninstall())
    broke = canister(
        A,
        balance=0,
        memory_allocation=5,
        compute_allocation=6,
        freezing_threshold=7,
        certified_data=b"data",
        global_timer=NOW,
        history=CanisterHistory(4, List.of(change)),
        logs=List.of(LogRecord(0, NOW, b"log")),
        **({} if status is None else {"status": status}),
    )
    module_of_snapshot = module()
    snapshot = Snapshot(
        SnapshotSource.TAKEN_FROM_CANISTER, NOW, module_of_snapshot, WasmState(A), List(), 1, b"", 0, None
    )
    broke = evolve(broke, snapshots=Map.of([(b"snapshot", snapshot)]))
    open_context = a_context(A, from_canister(0), available_cycles=9)
    task = a_context(A, FromSystemTask(), needs_to_respond=False)
    state = world((A, broke), (C, canister(C)), call_contexts=contexts(a_context(C), open_context, task))
    fired = fire(state, "canister_out_of_cycles", canister_id=A)
    reject = system_reject(RejectCode.CANISTER_REJECT, RejectReason.CODE_UNINSTALLED)
    deleted = evolve(open_context, deleted=True, needs_to_respond=False, available_cycles=0)
    expected = after(
        state,
        code=Empty(),
        installed_at=None,
        certified_data=b"",
        history=CanisterHistory(4, List()),
        logs=List(),
        version=8,
        global_timer=0,
        snapshots=Map(),
        settings=evolve(broke.settings, memory_allocation=0, compute_allocation=0),
    )
    assert fired == Step(
        evolve(
            expected,
            messages=Queue(((0, ResponseMessage(open_context.origin, reject, 9)),), 1),
            call_contexts=contexts(a_context(C), deleted, evolve(task, deleted=True)),
        )
    )


@pytest.mark.checklist("rule.canister-out-of-cycles")
def test_a_canister_with_any_cycles_keeps_its_code():
    rule = "canister_out_of_cycles"
    assert is_refused(only(canister(A, balance=1)), rule, "the balance is zero", canister_id=A)
    reserved = only(canister(A, balance=0, reserved_balance=1))
    assert is_refused(reserved, rule, "there are no reserved cycles", canister_id=A)
    assert is_refused(reserved, rule, "the canister exists", canister_id=B)


@pytest.mark.checklist("rule.version-increment", "unspec.spont.version", "inv.version.monotone")
def test_the_version_may_rise_at_any_time_by_any_amount():
    state = only(canister(A))
    for version in (8, 1_000):
        fired = fire(state, "canister_version_increment", canister_id=A, version=version)
        assert fired == Step(after(state, version=version))
    for version in (7, 6):
        because = "the version is higher than before"
        assert is_refused(state, "canister_version_increment", because, canister_id=A, version=version)


@pytest.mark.checklist("rule.subnet-admins-change", "unspec.spont.subnet-admins")
def test_the_admins_of_a_subnet_may_become_others():
    subnet_id, rule = SUBNET.subnet_id, "subnet_admins_change"
    state = world()
    fired = fire(state, rule, subnet_id=subnet_id, admins=List.of(ADMIN))
    assert fired == Step(evolve(state, subnet_admins=Map.of([(subnet_id, List.of(ADMIN))])))
    because = "the admins are others than before"
    assert is_refused(fired.state, rule, because, subnet_id=subnet_id, admins=List.of(ADMIN))
    assert fire(fired.state, rule, subnet_id=subnet_id, admins=List()).state.subnet_admins == Map()


@pytest.mark.checklist(
    "rule.trim-history",
    "inv.history-total",
    "unspec.spont.history-trimming",
    "prod.canister_history.canister_history_tracks_controllers_change_as_controllers_change",
)
def test_old_changes_are_dropped_and_the_newest_twenty_stay():
    changes = tuple(Change(NOW, version, ChangeFromUser(USER), CodeUninstall()) for version in range(25))
    state, rule = only(canister(A, history=CanisterHistory(30, List(changes)))), "canister_history_trimming"
    for kept in (20, 24):
        fired = fire(state, rule, canister_id=A, kept=kept)
        assert fired == Step(after(state, history=CanisterHistory(30, List(changes[-kept:]))))
    assert is_refused(state, rule, "at least 20 changes stay", canister_id=A, kept=19)
    assert is_refused(state, rule, "there are more changes than stay", canister_id=A, kept=25)


@pytest.mark.checklist("rule.trim-logs", "inv.log-sequence", "unspec.spont.log-trimming")
def test_old_records_of_a_long_log_are_dropped_and_numbers_go_on():
    records = tuple(LogRecord(number, NOW, bytes(1_400)) for number in range(3))
    state, rule = only(canister(A, logs=List(records))), "canister_log_trimming"
    for kept in (0, 1, 2):
        assert fire(state, rule, canister_id=A, kept=kept) == Step(after(state, logs=List(records[3 - kept :])))
    for kept in (-1, 3):
        assert RULES[rule](state, canister_id=A, kept=kept) == NotEnabled("there are more records than stay")
    short = only(canister(A, logs=List((LogRecord(0, NOW, bytes(2_008)), LogRecord(1, NOW, bytes(2_008))))))
    assert is_refused(short, rule, "the log is larger than 4 KiB", canister_id=A, kept=1)


@pytest.mark.checklist("rule.trim-logs")
@pytest.mark.parametrize(("count", "is_trimmed"), [(102, False), (103, True)])
def test_a_record_counts_up_to_40_bytes_beside_its_content(count, is_trimmed):
    state = only(canister(A, logs=List(tuple(LogRecord(number, NOW, b"") for number in range(count)))))
    fired = RULES["canister_log_trimming"](state, canister_id=A, kept=1)
    assert isinstance(fired, Step) is is_trimmed


# The low-memory hook.

HOOK = "on_low_wasm_memory_context_creation"
HOOKED = {"on_low_wasm_memory": returns(), "update go": returns()}


def near_the_limit(pages, status, **changes):
    """A canister whose heap may have three pages, and is near that limit with more than one."""
    installed = Code(module(gives=HOOKED), WasmState(A, LinearMemory(pages)))
    limits = {"wasm_memory_limit": 3 * 65536, "wasm_memory_threshold": 2 * 65536}
    return canister(A, installed, low_memory_hook=status, **(limits | changes))


@pytest.mark.checklist(
    "rule.call-context-creation.on-low-wasm-memory",
    "inv.low-memory-hook-once",
    "unspec.spont.low-memory-hook",
    "entry.on-low-wasm-memory",
    "rule.message-execution.on-low-wasm-memory",
)
def test_a_hook_that_is_due_runs_once_in_front_of_all_messages():
    due = near_the_limit(2, HookStatus.READY)
    state = only(due)
    fired = fire(state, HOOK, canister_id=A, context_id=0)
    system = Caller(MANAGEMENT_CANISTER)
    function = FuncMessage(0, system, A, OnLowWasmMemory(), Between(MANAGEMENT_CANISTER, A), SET_ASIDE)
    assert fired == Step(
        evolve(
            after(state, low_memory_hook=HookStatus.EXECUTED, balance=RICH - SET_ASIDE),
            messages=Queue(((0, function),), 1),
            call_contexts=contexts(CallContext(A, FromSystemTask(), system, False, False, 0)),
        )
    )
    executed = fire(fired.state, "message_execution", message_id=0).state.canisters[A]
    assert (executed.version, executed.low_memory_hook) == (8, HookStatus.EXECUTED)


@pytest.mark.checklist(
    "rule.call-context-creation.on-low-wasm-memory",
    "inv.stopping-processes-responses",
    "unspec.spont.low-memory-hook",
    "unspec.error.low-memory-hook-empty",
)
@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"low_memory_hook": HookStatus.EXECUTED}, "the low-memory hook is due"),
        ({"low_memory_hook": HookStatus.CONDITION_NOT_SATISFIED}, "the low-memory hook is due"),
        ({"code": Empty()}, "the canister has code"),
        ({"status": Stopped()}, "the canister is running"),
        ({"balance": SET_ASIDE - 1}, "the canister can set aside the cycles for the execution"),
    ],
)
def test_a_hook_runs_only_if_it_is_due_at_a_running_canister_with_code_and_cycles(changes, because):
    due = near_the_limit(2, HookStatus.READY, freezing_threshold=0)
    assert is_refused(only(evolve(due, **changes)), HOOK, because, canister_id=A, context_id=0)


@pytest.mark.checklist("rule.low-wasm-memory-scheduling", "inv.low-memory-hook-once", "setting.wasm-memory-threshold")
@pytest.mark.parametrize(
    ("pages", "before", "expected"),
    [
        (1, HookStatus.CONDITION_NOT_SATISFIED, HookStatus.CONDITION_NOT_SATISFIED),
        (1, HookStatus.EXECUTED, HookStatus.CONDITION_NOT_SATISFIED),
        (2, HookStatus.CONDITION_NOT_SATISFIED, HookStatus.READY),
        (2, HookStatus.EXECUTED, HookStatus.EXECUTED),
    ],
)
def test_after_an_execution_the_hook_is_due_if_the_heap_has_come_near_its_limit(pages, before, expected):
    state = world(
        (A, near_the_limit(pages, before)),
        messages=(execution(A, context_id=0),),
        call_contexts=contexts(a_context(A)),
    )
    assert fire(state, "message_execution", message_id=0).state.canisters[A].low_memory_hook == expected


@pytest.mark.checklist("rule.low-wasm-memory-scheduling", "setting.wasm-memory-threshold")
@pytest.mark.parametrize(
    ("pages", "limit_in_pages", "threshold_in_pages", "is_due"),
    [
        (1, 0, 0, False),
        (1, 0, 1, False),
        (65_535, 0, 1, False),
        (65_535, 0, 2, True),
        (3, 3, 0, False),
        (4, 3, 0, True),
    ],
)
def test_without_a_limit_the_largest_heap_counts_and_without_a_threshold_only_what_is_beyond_the_limit(
    pages, limit_in_pages, threshold_in_pages, is_due
):
    settings = {"wasm_memory_limit": limit_in_pages * 65536, "wasm_memory_threshold": threshold_in_pages * 65536}
    hooked = Code(module(gives=HOOKED | {"heartbeat": returns()}), WasmState(A, LinearMemory(pages)))
    state = world(
        (A, canister(A, hooked, freezing_threshold=0, **settings)),
        messages=(execution(A, Heartbeat(), context_id=0),),
        call_contexts=contexts(a_context(A, FromSystemTask(), needs_to_respond=False)),
    )
    after_heartbeat = fire(state, "message_execution", message_id=0).state.canisters[A]
    assert (after_heartbeat.low_memory_hook == HookStatus.READY) == is_due
