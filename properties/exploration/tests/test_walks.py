"""Random walks violate no invariant."""

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from properties.agreement import worlds
from properties.agreement.lockstep import Disagreement
from properties.exploration.walks import WalkMachine
from spec.transition import RULES, Rule

CHECKS = list(HealthCheck)
QUICK = settings(max_examples=8, stateful_step_count=30, deadline=None, suppress_health_check=CHECKS, derandomize=True)


def test_short_random_walks_violate_no_invariant() -> None:
    worlds.forget()

    run_state_machine_as_test(WalkMachine, settings=QUICK)

    assert worlds.summary()["labels"] > 500


def test_a_walk_notices_a_rule_that_creates_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    right = RULES["initiate_call"]

    def wrong(state, **choices):  # type: ignore[no-untyped-def]
        taken = right.body(state, **choices)
        canisters = taken.state.canisters.change_where(
            lambda _, __: True, lambda canister: evolve(canister, balance=canister.balance + 1)
        )
        return evolve(taken, state=evolve(taken.state, canisters=canisters))

    monkeypatch.setattr(wrong, "__signature__", __import__("inspect").signature(right.body), raising=False)
    monkeypatch.setattr(wrong, "__annotations__", right.body.__annotations__)
    monkeypatch.setitem(RULES, "initiate_call", Rule(right.name, right.title, right.source, wrong, False))
    machine = WalkMachine()

    with pytest.raises(Disagreement, match="cycles are not conserved"):
        machine.begin((10**14,) * 5, (0,) * 3, (*worlds.MODULES, worlds.MODULES[0]), b"", False)


@pytest.mark.deep
def test_two_hundred_thousand_labels_violate_no_invariant() -> None:
    worlds.forget()
    rounds = 0
    while worlds.summary()["labels"] < 200_000:
        rounds += 1
        run_state_machine_as_test(
            WalkMachine,
            settings=settings(max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=CHECKS),
        )
    print(rounds, worlds.summary())
    assert worlds.summary()["labels"] >= 200_000
