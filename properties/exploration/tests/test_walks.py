"""Random walks violate no invariant."""

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from properties.agreement import worlds
from properties.agreement.lockstep import Disagreement
from properties.exploration.walks import WalkMachine, disagreement_about
from spec import machine
from spec.machine import enabled
from spec.state.label import Label
from spec.state.message import FuncMessage
from spec.transition import RULES, Rule

CHECKS = list(HealthCheck)
QUICK = settings(max_examples=8, stateful_step_count=30, deadline=None, suppress_health_check=CHECKS, derandomize=True)


def begin(walking: WalkMachine) -> None:
    walking.begin((10**14,) * 5, (0,) * 3, (*worlds.MODULES, worlds.MODULES[0]), b"", False)


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

    with pytest.raises(Disagreement, match="cycles are not conserved"):
        begin(WalkMachine())


def test_a_walk_notices_a_label_that_fires_and_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "METHOD_OF", {"install_code": "update_settings"})
    walking = WalkMachine()
    begin(walking)
    waiting = walking.lockstep.state.messages.ids()[0]

    with pytest.raises(Disagreement, match="fires, but `enabled` does not list it"):
        walking.lockstep.take(Label("install_code", {"message_id": waiting}))


def test_listed_labels_and_labels_that_fire_are_the_same() -> None:
    walking = WalkMachine()
    begin(walking)
    state = walking.lockstep.state
    label = enabled(state, spontaneous=True)[0]
    other = Label("callback_invocation", {"message_id": 10**6})

    assert disagreement_about(state, label, fires=True) is None
    assert "is listed but does not fire" in disagreement_about(state, label, fires=False)
    assert disagreement_about(state, other, fires=False) is None
    assert "does not list it" in disagreement_about(state, other, fires=True)


def test_a_choice_with_a_default_is_listed_by_it():
    walking = WalkMachine()
    begin(walking)
    walking.lockstep.submit(worlds.USERS[0], worlds.CANISTERS[0], "update", b"")
    lockstep = walking.lockstep
    while not (
        waiting := [one for one, message in lockstep.state.messages.entries if isinstance(message, FuncMessage)]
    ):
        assert lockstep.take(enabled(lockstep.state)[0])
    chosen = Label("message_execution", {"message_id": waiting[0], "deadlines_in_seconds": True})

    assert disagreement_about(lockstep.state, chosen, fires=True) is None
    assert "does not list it" in disagreement_about(
        lockstep.state, Label("message_execution", {"message_id": 10**6, "deadlines_in_seconds": True}), fires=True
    )


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
