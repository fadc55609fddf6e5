"""A canister takes the id of one on another subnet."""

import pytest
from attrs import evolve

from reference_impl.engine import Engine
from reference_impl.subnet.observations import NotTaken
from spec.profile import load_profile
from spec.state.canister import Canister, Code, Empty, Running, Settings, Stopped, Subnet
from spec.state.history import CanisterHistory, Change, ChangeFromUser, CodeUninstall, RenameCanister, RenameTarget
from spec.state.label import Label
from spec.values.containers import List
from spec.values.identifiers import Principal

HERE, THERE = Subnet(Principal(b"here"), 13), Subnet(Principal(b"there"), 34)
MOVING, REPLACED, ORCHESTRATOR, USER = (Principal(name) for name in (b"moving", b"replaced", b"orchestrator", b"user"))
PROFILE = load_profile()
UNINSTALLED = Change(5, 0, ChangeFromUser(USER), CodeUninstall())


def stopped(subnet, **more):
    canister = Canister(
        code=Empty(),
        settings=evolve(Settings.of_creator(USER, PROFILE.defaults), controllers=List.of(ORCHESTRATOR, USER)),
        status=Stopped(),
        version=3,
        subnet=subnet,
        time=50,
        global_timer=0,
        balance=1000,
        reserved_balance=0,
        certified_data=b"",
        created_at=1,
        installed_at=None,
        history=CanisterHistory(9, List.of(UNINSTALLED)),
    )
    return evolve(canister, **more)


def engine(moving, replaced):
    return Engine(PROFILE, HERE, 50, b"", canisters={MOVING: moving, REPLACED: replaced})


def rename(instance, **more):
    choices = {
        "canister_id": MOVING,
        "new_canister_id": REPLACED,
        "orchestrator": ORCHESTRATOR,
        "orchestrator_version": 7,
        "caller": USER,
    }
    return instance.take(Label("canister_renaming", {**choices, **more}))


@pytest.mark.parametrize(("ours", "theirs"), [(HERE, THERE), (THERE, HERE)])
def test_it_keeps_everything_but_its_id_and_the_other_one_is_gone(ours, theirs):
    other = stopped(theirs, version=8, balance=70, reserved_balance=30, history=CanisterHistory(4, List()))
    instance = engine(stopped(ours), other)

    assert rename(instance) is None

    state = instance.abstract()
    assert state.canisters.keys() == [REPLACED]
    assert state.deleted_canisters == List.of(MOVING)
    renamed = state.canisters[REPLACED]
    assert (renamed.subnet, renamed.balance, renamed.version) == (ours, 1000, 9)
    assert renamed.history.total_changes == 5
    first, last = renamed.history.recent_changes
    assert first == UNINSTALLED
    assert last.canister_version == 9
    assert last.details == RenameCanister(MOVING, 9, RenameTarget(REPLACED, 8, 4), USER)
    (step,) = instance.explain()
    assert [cycles for _, cycles in step.observed.burned] == [100]
    assert instance.instance.memory_in_use[theirs.subnet_id] == 0


@pytest.mark.parametrize(
    ("moving", "replaced", "choices"),
    [
        (stopped(HERE), stopped(HERE), {}),
        (stopped(HERE, status=Running()), stopped(THERE), {}),
        (stopped(HERE), stopped(THERE, status=Running()), {}),
        (stopped(HERE), stopped(THERE), {"caller": MOVING}),
        (stopped(HERE), stopped(THERE), {"orchestrator": MOVING}),
        (stopped(HERE), stopped(THERE), {"new_canister_id": USER}),
    ],
)
def test_it_keeps_its_id_otherwise(moving, replaced, choices):
    instance = engine(moving, replaced)
    before = instance.abstract()

    assert isinstance(rename(instance, **choices), NotTaken)

    assert instance.abstract() == before


def test_an_instance_begins_with_canisters_without_code_only():
    with pytest.raises(ValueError, match="is not one that an instance can begin with"):
        engine(stopped(HERE, code=Code(b"", None)), stopped(THERE))
