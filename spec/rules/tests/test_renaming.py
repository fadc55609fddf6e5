"""A canister takes the id of another one on another subnet."""

import pytest
from attrs import evolve

from spec.machine import enabled, initial_state, step
from spec.profile import load_profile
from spec.rules.management.settings import default_settings
from spec.state.canister import Canister, Empty, Running, Stopped, Subnet
from spec.state.history import (
    CanisterHistory,
    Change,
    ChangeFromCanister,
    ChangeFromUser,
    CodeUninstall,
    RenameCanister,
    RenameTarget,
)
from spec.state.label import Label
from spec.state.state import State, total_cycles
from spec.transition import NotEnabled, Step
from spec.values.containers import List, Map
from spec.values.identifiers import Principal

SOURCE, TARGET, ORCHESTRATOR, CALLER = (Principal(name) for name in (b"source", b"target", b"orch", b"user"))
HOME, AWAY = Subnet(Principal(b"home"), 13), Subnet(Principal(b"away"), 13)
PROFILE = load_profile()


def canister(subnet: Subnet, **more) -> Canister:
    settings = evolve(default_settings(PROFILE, CALLER), controllers=List.of(ORCHESTRATOR, CALLER))
    given = {
        "code": Empty(),
        "settings": settings,
        "status": Stopped(),
        "version": 3,
        "subnet": subnet,
        "time": 50,
        "global_timer": 0,
        "balance": 100,
        "reserved_balance": 0,
        "certified_data": b"",
        "created_at": 1,
        "installed_at": None,
        "history": CanisterHistory(5, List()),
    }
    return Canister(**{**given, **more})


def world(source: Canister, target: Canister) -> State:
    state = initial_state(PROFILE, HOME, 10, b"")
    return evolve(state, canisters=Map.of([(SOURCE, source), (TARGET, target)]))


def label(**more) -> Label:
    choices = {
        "canister_id": SOURCE,
        "new_canister_id": TARGET,
        "orchestrator": ORCHESTRATOR,
        "orchestrator_version": 9,
        "caller": CALLER,
    }
    return Label("canister_renaming", {**choices, **more})


@pytest.mark.checklist(
    "rule.canister-renaming.effects", "unspec.spont.renaming", "prod.canister_manager.can_rename_canister"
)
def test_everything_of_the_source_moves_to_the_other_id() -> None:
    before = world(canister(HOME), canister(AWAY, version=7, balance=30, history=CanisterHistory(11, List())))

    taken = step(before, label())

    assert isinstance(taken, Step)
    assert taken.state.canisters.keys() == [TARGET]
    renamed = taken.state.canisters[TARGET]
    (change,) = renamed.history.recent_changes
    assert renamed.subnet == HOME
    assert renamed.balance == 100
    assert renamed.version == 8
    assert renamed.history.total_changes == 12
    assert change.origin == ChangeFromCanister(ORCHESTRATOR, 9)
    assert change.details == RenameCanister(SOURCE, 5, RenameTarget(TARGET, 7, 11), CALLER)
    assert total_cycles(before) == total_cycles(taken.state) + sum(burned.cycles for burned in taken.burned)
    assert isinstance(step(taken.state, label()), NotEnabled), "the id that vanished is not renamed again"


OLD_CHANGE = Change(1, 1, ChangeFromUser(CALLER), CodeUninstall())


@pytest.mark.checklist("rule.canister-renaming.effects", "inv.history-total")
@pytest.mark.parametrize(
    ("listed", "source_total", "target_total", "total"),
    [
        pytest.param(2, 50, 11, 12, id="that of the destination and one more, though the source had more"),
        pytest.param(3, 3, 2, 4, id="as many as are listed, where that is more"),
        pytest.param(3, 3, 3, 4, id="both alike"),
    ],
)
def test_the_total_of_changes_goes_on_from_the_destination_but_counts_what_is_listed(
    listed: int, source_total: int, target_total: int, total: int
) -> None:
    history = CanisterHistory(source_total, List((OLD_CHANGE,) * listed))
    taken = step(
        world(canister(HOME, history=history), canister(AWAY, history=CanisterHistory(target_total, List()))), label()
    )
    assert isinstance(taken, Step)
    after = taken.state.canisters[TARGET].history
    assert (after.total_changes, len(after.recent_changes)) == (total, listed + 1)


@pytest.mark.checklist(
    "rule.canister-renaming.conditions",
    "prod.canister_manager.cannot_rename_if_target_exists",
    "prod.canister_manager.cannot_rename_running_canister",
    "prod.canister_manager.cannot_rename_with_snapshots",
    "prod.canister_manager.only_controllers_can_rename",
)
@pytest.mark.parametrize(
    ("source", "target", "choices"),
    [
        (canister(HOME), canister(HOME), {}),
        (canister(HOME, status=Running()), canister(AWAY), {}),
        (canister(HOME), canister(AWAY, status=Running()), {}),
        (canister(HOME), canister(AWAY), {"caller": Principal(b"other")}),
        (canister(HOME), canister(AWAY), {"orchestrator": Principal(b"other")}),
        (canister(HOME, snapshots=Map.of([(b"one", None)])), canister(AWAY), {}),
    ],
)
def test_renaming_needs_every_condition(source: Canister, target: Canister, choices: dict) -> None:
    assert isinstance(step(world(source, target), label(**choices)), NotEnabled)


def test_renaming_is_listed_as_enabled_where_it_fires() -> None:
    orchestrating = evolve(
        world(canister(HOME), canister(AWAY)),
        canisters=Map.of(
            [(SOURCE, canister(HOME)), (TARGET, canister(AWAY)), (ORCHESTRATOR, canister(HOME, status=Running()))]
        ),
    )

    assert label(orchestrator_version=0) in enabled(orchestrating, spontaneous=True)
