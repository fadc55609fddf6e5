"""Specification and reference implementation agree after every label of random schedules."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from properties.agreement import worlds
from spec.transition import RULES

QUICK = settings(
    max_examples=60, stateful_step_count=35, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
DEEP = settings(max_examples=500, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


CHOICES = (
    "refused_calls",
    "refused_growths",
    "trapping_growths",
    "deadlines_in_seconds",
    "system_records",
    "keeps_logs",
)
"""The choices of message execution."""

AT_LEAST = 5
"""How often every rule fires in the deep run."""


def table(rules: dict[str, int]) -> str:
    """How often each rule fired, rare ones first."""
    return "\n".join(f"{rules.get(name, 0):6} {name}" for name in sorted(RULES, key=lambda one: rules.get(one, 0)))


@pytest.fixture
def done():
    """What the runs of one test did, as `worlds.summary` tells it."""
    worlds.forget()
    return worlds.summary


def test_they_agree_on_random_schedules_and_the_runs_are_not_trivial(done) -> None:
    run_state_machine_as_test(worlds.LockstepMachine, settings=QUICK)
    print(table(done()["rules"]), done()["failures"], sep="\n")
    assert done()["labels"] > 8000
    assert done()["rules"]["message_execution"] > 500
    assert done()["rules"]["callback_invocation"] > 100
    assert len(done()["rules"]) > len(RULES) * 3 // 4
    assert done()["failures"]["CANISTER_TRAPPED"] > 20
    assert min(done()["chosen"].get(name, 0) for name in CHOICES) > 10


@pytest.mark.deep
def test_they_agree_on_many_random_schedules_in_which_every_rule_fires(done) -> None:
    run_state_machine_as_test(worlds.LockstepMachine, settings=DEEP)
    print(table(done()["rules"]), done()["failures"], sep="\n")
    assert done()["never"] == []
    assert {name: count for name, count in done()["rules"].items() if count < AT_LEAST} == {}
    assert done()["failures"].keys() >= {"CANISTER_TRAPPED", "INSTRUCTION_LIMIT_EXCEEDED", "METHOD_NOT_FOUND"}
