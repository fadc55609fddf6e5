"""Specification and reference implementation agree after every label of random schedules."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from properties.agreement import worlds
from spec.rules.management.rejection import METHODS

QUICK = settings(
    max_examples=25, stateful_step_count=35, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
DEEP = settings(max_examples=500, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


DRAWN = frozenset(
    {
        "canister_status",
        "create_canister",
        "deposit_cycles",
        "install_code",
        "provisional_create_canister_with_cycles",
        "provisional_top_up_canister",
        "raw_rand",
        "start_canister",
        "stop_canister",
        "uninstall_code",
        "update_settings",
    }
)
"""The management methods that random schedules call often enough."""

RARE = frozenset(
    {
        "call_expiry_of_stop_call",
        "canister_history_trimming",
        "canister_log_trimming",
        "canister_renaming",
        "delete_canister",
        "on_low_wasm_memory_context_creation",
        "outside_call_departure",
        "outside_call_failure",
        "payment_from_reserved_balance",
        "reject_call_with_insufficient_cycles",
        "start_stopping_canister",
    }
)
"""Rules that a run may miss; renaming needs two subnets, and cycles are reserved on large subnets only."""

NOT_DRAWN = RARE | {rule.name for method, rules in METHODS.items() if method not in DRAWN for rule in rules}
"""Rules that need not fire here. `test_services` runs the methods that random schedules do not call."""


@pytest.fixture
def done():
    """What the runs of one test did, as `worlds.summary` tells it."""
    worlds.forget()
    return worlds.summary


def test_they_agree_on_random_schedules_and_the_runs_are_not_trivial(done) -> None:
    run_state_machine_as_test(worlds.LockstepMachine, settings=QUICK)
    print(done())
    assert done()["labels"] > 2000
    assert done()["rules"]["message_execution"] > 100
    assert done()["rules"]["callback_invocation"] > 20
    assert len(done()["rules"]) > 20
    assert done()["failures"]["CANISTER_TRAPPED"] > 20


@pytest.mark.deep
def test_they_agree_on_many_random_schedules_in_which_every_rule_fires_that_can(done) -> None:
    run_state_machine_as_test(worlds.LockstepMachine, settings=DEEP)
    print(done())
    assert set(done()["never"]) <= NOT_DRAWN
    assert done()["failures"].keys() >= {"CANISTER_TRAPPED", "INSTRUCTION_LIMIT_EXCEEDED", "METHOD_NOT_FOUND"}
