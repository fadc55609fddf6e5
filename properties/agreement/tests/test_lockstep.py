"""Specification and reference implementation agree after every label of random schedules."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from properties.agreement import worlds

QUICK = settings(
    max_examples=25, stateful_step_count=35, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
DEEP = settings(max_examples=500, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


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
def test_they_agree_on_many_random_schedules_in_which_every_rule_fires(done) -> None:
    run_state_machine_as_test(worlds.LockstepMachine, settings=DEEP)
    print(done())
    assert done()["never"] == []
    assert done()["failures"].keys() >= {"CANISTER_TRAPPED", "INSTRUCTION_LIMIT_EXCEEDED", "METHOD_NOT_FOUND"}
