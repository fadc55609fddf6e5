"""Specification and reference implementation agree after every label of random schedules."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from properties.agreement import worlds

QUICK = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
DEEP = settings(max_examples=2000, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


def test_they_agree_on_random_schedules_and_the_runs_are_not_trivial() -> None:
    run_state_machine_as_test(worlds.LockstepMachine, settings=QUICK)
    done = worlds.summary()
    assert done["labels"] > 2000
    assert done["rules"]["message_execution"] > 300
    assert done["rules"]["callback_invocation"] > 20


@pytest.mark.deep
def test_they_agree_on_many_random_schedules_in_which_every_rule_fires() -> None:
    run_state_machine_as_test(worlds.LockstepMachine, settings=DEEP)
