"""Canisters of subnets on which nothing is charged: both engines agree, and balances stay."""

import pytest
from attrs import evolve

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import ignore, program, reply
from properties.agreement.stage import Stage
from spec.production.capacities.schedules import of_system_subnet, on_free_schedule
from spec.profile import load_profile
from spec.state.request import Replied
from spec.values import management
from spec.values.management import SettingsArguments, UpdateSettingsArguments
from spec.values.rejects import Reply

MODULE = load("scripted")
PRODUCTION = load_profile()
FREE, SYSTEM = on_free_schedule(PRODUCTION), of_system_subnet(PRODUCTION)
TRILLION = 10**12


@pytest.mark.checklist("prod.execution_test.can_query_cycle_balance_and_top_up_canisters")
def test_a_canister_reads_its_balance_before_and_after_it_is_topped_up() -> None:
    stage = Stage(FREE)
    canister = stage.installed(MODULE, cycles=0)
    reading = program(reply(ic0.canister_cycle_balance128()))
    assert stage.query(canister, "query", reading) == Reply(bytes(16))
    topped = management.ProvisionalTopUpArguments(canister, 1_000_000)
    assert isinstance(stage.manage("provisional_top_up_canister", topped), Replied)
    assert stage.query(canister, "query", reading) == Reply((1_000_000).to_bytes(16, "little"))


@pytest.mark.checklist(
    "prod.cam.verify_no_cycles_charged_for_message_execution_on_free_schedule",
    "prod.cam.verify_no_cycles_charged_for_message_execution_on_system_subnets",
)
@pytest.mark.parametrize("profile", [FREE, SYSTEM])
def test_creation_installation_and_executions_leave_the_balance(profile) -> None:
    stage = Stage(profile)
    canister = stage.installed(MODULE, cycles=TRILLION)
    assert isinstance(stage.call(canister, "update", program(reply(b"done"))), Replied)
    assert stage.canister(canister).balance == TRILLION


@pytest.mark.checklist(
    "prod.canister_manager.system_subnet_does_not_check_for_freezing_threshold_on_allocation_changes"
)
@pytest.mark.parametrize("settings", [{"compute_allocation": 50}, {"memory_allocation": 10 * 2**30}])
def test_a_canister_of_a_system_subnet_may_allocate_what_it_could_not_pay(settings) -> None:
    """Elsewhere a trillion cycles are too few for thirty days."""
    given = SettingsArguments(**settings)
    for profile, succeeds in ((SYSTEM, True), (PRODUCTION, False)):
        stage = Stage(profile)
        creating = management.ProvisionalCreateArguments(TRILLION, given)
        assert isinstance(stage.manage("provisional_create_canister_with_cycles", creating), Replied) == succeeds
        changing = UpdateSettingsArguments(stage.create(TRILLION), given)
        assert isinstance(stage.manage("update_settings", changing), Replied) == succeeds


@pytest.mark.checklist("prod.canister_manager.install_does_not_reserve_cycles_on_system_subnet")
def test_memory_above_the_threshold_is_installed_without_cycles_being_reserved() -> None:
    growing = program(ignore(ic0.stable_grow(10_000)))
    for profile, is_free in ((SYSTEM, True), (PRODUCTION, False)):
        stage = Stage(evolve(profile, limits=evolve(profile.limits, subnet_memory_threshold=0)))
        canister = stage.installed(MODULE, growing, cycles=100 * TRILLION)
        assert (stage.canister(canister).reserved_balance == 0) == is_free
        assert (100 * TRILLION - stage.canister(canister).balance < 10**9) == is_free
