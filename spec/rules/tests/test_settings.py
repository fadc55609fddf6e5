"""Settings are changed, and the status is told."""

import hashlib

import pytest
from attrs import evolve, fields

from spec.canister.environment import SimpleStatus
from spec.canister.wasm_state import WasmState
from spec.rules.tests.worlds import (
    ADMIN,
    NOW,
    RICH,
    STRANGER,
    SUBNET,
    USER,
    A,
    B,
    C,
    asked,
    canister,
    code,
    fire,
    managing,
    module,
    refusal,
)
from spec.state.canister import AllowedViewers, Code, Controllers, Empty, Public, Stopped, Stopping
from spec.state.history import Change, ChangeFromCanister, ControllersChange, Creation, recorded
from spec.state.message import ResponseMessage
from spec.transition import Step
from spec.values import management
from spec.values.canister_terms import EnvironmentVariable
from spec.values.containers import List, Map, Queue
from spec.values.memory import LinearMemory
from spec.values.rejects import RejectCode, RejectReason, Reply, system_reject

UPDATE = "update_settings"
ADMINS = Map.of([(SUBNET.subnet_id, List.of(ADMIN))])


def changing(managed=None, version=None, caller=USER, **settings):
    """A state in which a controller of A has called `update_settings`."""
    arguments = management.UpdateSettingsArguments(A, management.SettingsArguments(**settings), version)
    others = [] if managed is None else [(A, managed)]
    return managing(*others, call=asked(arguments, caller=caller), subnet_admins=ADMINS)


def after_change(managed, **settings):
    return fire(changing(managed, **settings), UPDATE, message_id=0).state.canisters[A]


def reason(state):
    return refusal(state, UPDATE, message_id=0).reject.reason


@pytest.mark.checklist("rule.mgmt.update-settings.effects", "mgmt.update-settings", "inv.version.monotone")
def test_changing_nothing_raises_the_version_and_refunds_all_cycles():
    managed = canister(A)
    state = changing(managed)
    fired = fire(state, UPDATE, message_id=0)
    response = ResponseMessage(state.messages[0].origin, Reply(management.EMPTY_RESULT), 1_000_000)
    assert fired == Step(
        evolve(
            state,
            canisters=state.canisters.set(A, evolve(managed, version=8)),
            messages=Queue(((1, response),), 2),
        )
    )


GIVEN = {
    "compute_allocation": 1,
    "memory_allocation": 2**20,
    "freezing_threshold": 9,
    "reserved_cycles_limit": 3,
    "minimum_incoming_canister_call_cycles": 4,
    "log_visibility": Public(),
    "snapshot_visibility": Public(),
    "status_visibility": AllowedViewers(List.of(B)),
    "wasm_memory_limit": 2**20,
    "wasm_memory_threshold": 6,
    "environment_variables": List.of(EnvironmentVariable("name", "value")),
}


@pytest.mark.checklist(
    "rule.mgmt.update-settings.effects",
    "mgmt.update-settings",
    "setting.environment-variables",
    "prod.canister_history.canister_history_tracking_env_vars_update_settings",
    "prod.canister_history.canister_history_no_change_during_update_settings",
    "prod.pocket_ic.test_update_canister_settings",
    "prod.hypervisor.wasm_memory_limit_cannot_exceed_256_tb",
    "seed2.settings",
)
@pytest.mark.parametrize("name", GIVEN)
def test_a_setting_that_is_given_replaces_the_old_one_and_all_others_stay(name):
    managed = canister(A)
    names = {"reserved_cycles_limit": "reserved_balance_limit"}
    settings = evolve(managed.settings, **{names.get(name, name): GIVEN[name]})
    assert after_change(managed, **{name: GIVEN[name]}) == evolve(managed, settings=settings, version=8)
    assert names.keys() | {one.name for one in fields(type(settings))} >= GIVEN.keys()


@pytest.mark.checklist(
    "rule.mgmt.update-settings.effects",
    "def.change-origin",
    "inv.version.history-is-version-after",
    "prod.canister_manager.duplicate_controllers",
)
def test_new_controllers_are_recorded_with_the_new_version():
    managed = canister(A)
    after = after_change(managed, version=5, controllers=List.of(USER, B, USER))
    controllers = List(tuple(sorted({USER, B})))
    change = Change(NOW, 8, ChangeFromCanister(USER, 5), ControllersChange(controllers))
    assert after == evolve(
        managed,
        settings=evolve(managed.settings, controllers=controllers),
        version=8,
        history=recorded(managed.history, change),
    )


@pytest.mark.checklist("setting.controllers", "rule.mgmt.update-settings.effects")
def test_a_canister_may_lose_all_its_controllers():
    assert after_change(canister(A), controllers=List()).settings.controllers == List()


@pytest.mark.checklist(
    "rule.mgmt.update-settings.conditions", "error.invalid-controller", "mgmt-general.subnet-admins", "seed2.settings"
)
@pytest.mark.parametrize("caller", [ADMIN, STRANGER, A])
def test_only_controllers_change_settings(caller):
    assert reason(changing(canister(A), caller=caller)) == RejectReason.NOT_AUTHORIZED


@pytest.mark.checklist("rule.mgmt.update-settings.conditions", "error.canister-not-found")
def test_settings_of_a_missing_canister_and_settings_that_do_not_decode_are_refused():
    found = refusal(changing(), UPDATE, message_id=0)
    assert found.reject == system_reject(RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)
    assert reason(managing((A, canister(A)), call=asked(b"rubbish", UPDATE))) == RejectReason.INVALID_ARGUMENT


@pytest.mark.checklist("rule.mgmt.update-settings.conditions", "setting.wasm-memory-limit")
def test_the_limit_of_the_heap_is_not_set_below_its_size():
    heap = Code(module(), WasmState(A, LinearMemory(2)))
    after_change(canister(A, heap), wasm_memory_limit=2 * 65536)
    after_change(canister(A, heap), wasm_memory_limit=0)
    assert reason(changing(canister(A, heap), wasm_memory_limit=2 * 65536 - 1)) == RejectReason.INVALID_SETTINGS
    after_change(canister(A, Empty()), wasm_memory_limit=1)


@pytest.mark.checklist("rule.mgmt.update-settings.conditions", "error.reserved-limit-too-low")
def test_the_limit_of_reserved_cycles_is_not_set_below_what_is_reserved():
    managed = canister(A, reserved_balance=100)
    after_change(managed, reserved_cycles_limit=100)
    assert reason(changing(managed, reserved_cycles_limit=99)) == RejectReason.RESERVATION_LIMIT_EXCEEDED


@pytest.mark.checklist(
    "rule.mgmt.update-settings.conditions",
    "error.insufficient-cycles-compute-allocation",
    "error.insufficient-cycles-memory-allocation",
    "setting.freezing-threshold",
    "prod.canister_manager.update_settings_checks_freezing_threshold_for_memory_allocation",
)
def test_more_resources_need_cycles_but_less_of_them_and_a_longer_threshold_do_not():
    poor = canister(A, balance=10**6, compute_allocation=10)
    for more in ({"compute_allocation": 11}, {"memory_allocation": 2**40}):
        assert reason(changing(poor, **more)) == RejectReason.CANISTER_OUT_OF_CYCLES
    for harmless in ({"compute_allocation": 9}, {"compute_allocation": 10}, {"freezing_threshold": 2**63}):
        after_change(poor, **harmless)


@pytest.mark.checklist(
    "rule.mgmt.update-settings.effects", "inv.cycles.reserved-one-way", "unspec.fn.cycles-to-reserve"
)
def test_more_memory_on_a_full_subnet_moves_cycles_to_the_reserved_balance():
    arguments = management.UpdateSettingsArguments(A, management.SettingsArguments(memory_allocation=2**26))
    state = managing(
        (A, canister(A, balance=10**16)), (B, canister(B, memory_allocation=10**12)), call=asked(arguments)
    )
    after = fire(state, UPDATE, message_id=0).state.canisters[A]
    assert after.reserved_balance > 0
    assert after.balance + after.reserved_balance == 10**16


# Status.


def status_call(managed, caller=USER, **changes):
    call = asked(management.CanisterIdArguments(A), "canister_status", caller=caller)
    return managing((A, managed), call=call, **({"subnet_admins": ADMINS} | changes))


@pytest.mark.checklist(
    "rule.mgmt.canister-status.update",
    "def.canister-status-record",
    "mgmt.canister-status",
    "mgmt.canister-status.memory-metrics",
    "inv.migration-flag",
    "unspec.fn.total-memory-and-metrics",
    "unspec.fn.query-stats-noise",
    "unspec.value.ready-for-migration",
    "prod.ee_tests.get_canister_status_from_another_canister_when_memory_low",
    "prod.ee_tests.get_canister_status_memory_metrics_global_memory_size",
    "prod.ee_tests.get_canister_status_memory_metrics_wasm_binary_size",
    "prod.canister_manager.get_canister_status_of_stopping_canister",
)
def test_the_status_tells_everything_about_a_canister_and_changes_nothing():
    raw_module = module()
    memories = WasmState(A, LinearMemory(2), LinearMemory(3), (1, 2))
    history = recorded(canister(A).history, Change(NOW, 1, ChangeFromCanister(C, None), Creation(List.of(C), None)))
    managed = canister(
        A,
        Code(raw_module, memories),
        status=Stopping(),
        reserved_balance=9,
        history=history,
        chunk_store=Map.of([(b"hash", b"chunk")]),
        environment_variables=List.of(EnvironmentVariable("name", "value")),
    )
    state = status_call(managed)
    fired = fire(state, "canister_status", message_id=0)
    (response,) = fired.state.messages
    assert (response.origin, response.refunded_cycles) == (state.messages[0].origin, 1_000_000)
    told = management.decode_canister_status(response.response.data)
    settings = managed.settings
    metrics = management.MemoryMetrics(
        wasm_memory_size=2 * 65536,
        stable_memory_size=3 * 65536,
        global_memory_size=32 * 3,
        wasm_binary_size=len(raw_module),
        custom_sections_size=0,
        canister_history_size=184 + 30,
        wasm_chunk_store_size=2**20,
        snapshots_size=0,
    )
    usage = 5 * 65536 + 96 + len(raw_module) + 214 + 2**20
    assert told == management.CanisterStatusResult(
        status=SimpleStatus.STOPPING,
        ready_for_migration=False,
        version=7,
        settings=management.DefiniteSettings(
            controllers=List.of(USER),
            compute_allocation=0,
            memory_allocation=0,
            freezing_threshold=settings.freezing_threshold,
            reserved_cycles_limit=settings.reserved_balance_limit,
            minimum_incoming_canister_call_cycles=0,
            log_visibility=Controllers(),
            snapshot_visibility=Controllers(),
            status_visibility=Controllers(),
            wasm_memory_limit=0,
            wasm_memory_threshold=0,
            environment_variables=settings.environment_variables,
        ),
        module_hash=hashlib.sha256(raw_module).digest(),
        memory_size=usage,
        memory_metrics=metrics,
        cycles=RICH,
        reserved_cycles=9,
        idle_cycles_burned_per_day=usage * 317_500 * 86_400 // 2**30,
        query_stats=management.QueryStatistics(),
    )


@pytest.mark.checklist("def.canister-status-record", "def.simple-status")
def test_the_status_of_an_empty_stopped_canister_has_no_module_hash():
    fired = fire(status_call(canister(A, Empty(), status=Stopped())), "canister_status", message_id=0)
    (response,) = fired.state.messages
    told = management.decode_canister_status(response.response.data)
    assert (told.status, told.module_hash, told.memory_size) == (SimpleStatus.STOPPED, None, 0)


@pytest.mark.checklist("rule.mgmt.canister-status.update", "mgmt-general.visibility", "setting.status-visibility")
@pytest.mark.parametrize(
    ("visibility", "admitted"),
    [
        (Controllers(), [USER, ADMIN, A]),
        (Public(), [USER, ADMIN, A, B, STRANGER]),
        (AllowedViewers(List.of(B)), [USER, ADMIN, A, B]),
    ],
)
def test_the_status_is_told_to_the_canister_admins_and_whom_the_visibility_admits(visibility, admitted):
    managed = canister(A, status_visibility=visibility)
    for caller in (USER, ADMIN, A, B, STRANGER):
        state = status_call(managed, caller)
        if caller in admitted:
            fire(state, "canister_status", message_id=0)
        else:
            found = refusal(state, "canister_status", message_id=0)
            assert found.reject == system_reject(RejectCode.CANISTER_ERROR, RejectReason.NOT_AUTHORIZED)


@pytest.mark.checklist("mgmt-general.facade")
@pytest.mark.parametrize("installed", [Empty(), None])
@pytest.mark.parametrize("status", [Stopping(), Stopped()])
def test_management_calls_are_processed_in_every_status_of_the_canister(installed, status):
    managed = canister(A, installed if installed is not None else code(A), status=status)
    fire(status_call(managed), "canister_status", message_id=0)
    assert after_change(managed, freezing_threshold=1).status == status
