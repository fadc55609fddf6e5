"""Stories: what one act leaves behind is there when the next one comes; bugs that need several acts show in them."""

import random
from collections import Counter

import pytest

from conformance.fuzzing.drawing import SCRIPTED, SMALL, Drawing, Vocabulary
from conformance.fuzzing.expressions import Call, call, names_in
from conformance.fuzzing.programs import Programs
from conformance.fuzzing.stories import CLOSING, REPLACING, Stories
from conformance.fuzzing.tasks import scenario_of
from conformance.running.case import Manner
from conformance.running.run import judge
from conformance.served.specification import SpecificationImplementation
from conformance.tests.planted.bugs import PLANTED

NOTES = {"append_to_slot", "stable_append", "set_global"}
BLACK_BOX = Vocabulary(("production", SMALL), explains=False, schedules=False, has_generated_modules=False)


def story(seed: int) -> list[Call]:
    """The story of a seed; an act that stands alone is a settling."""
    chance = random.Random(seed)
    return Stories(chance, Programs(chance, may_be_endless=False), lambda: call("settle", 0), SCRIPTED).drawn()


def remembers(act: Call, number: int) -> bool:
    """The canister of this number leaves a note."""
    return act.name == "send" and act.arguments[0] == number and bool(NOTES & set(names_in(act)))


def test_code_is_replaced_where_something_is_remembered() -> None:
    """By an upgrade of each kind, or a reinstallation."""
    modes = Counter[str]()
    for seed in range(300):
        acts = story(seed)
        for place, act in enumerate(acts):
            if act.name == "install":
                assert any(remembers(before, act.arguments[0]) for before in acts[:place])
                modes[act.arguments[3]] += 1
    assert modes.keys() == set(REPLACING)


def test_what_is_closed_is_called() -> None:
    """After each way to close a canister, a canister calls it."""
    called = Counter[str]()
    for seed in range(400):
        acts = story(seed)
        for act, following in zip(acts, acts[1:], strict=False):
            if act.name == "manage" and act.arguments[0] in CLOSING and following.name == "send":
                (calling,) = following.arguments[2].arguments
                if calling.arguments[0] == call("MANAGEMENT_CANISTER"):
                    continue
                assert (calling.name, calling.arguments[0]) == ("call", call("canister", act.arguments[1]))
                called[act.arguments[0]] += 1
    assert called.keys() == set(CLOSING)


def test_methods_of_the_management_canister_follow_what_they_may_be_about() -> None:
    """A snapshot is there when what is done with snapshots is drawn, about the same canister."""
    followed: set[str] = set()
    for seed in range(2_000):
        acts = story(seed)
        if acts[0].name == "manage" and acts[0].arguments[0] == "take_canister_snapshot":
            followed |= {
                act.arguments[0]
                for act in acts[1:]
                if act.name == "manage" and act.arguments[1] == acts[0].arguments[1]
            }
    wanted = {"list_canister_snapshots", "delete_canister_snapshot", "read_canister_snapshot_metadata"}
    assert wanted | {"read_canister_snapshot_data", "load_canister_snapshot"} <= followed


def test_programs_fail_after_they_left_something_behind() -> None:
    """And a call of several has a note for each."""
    programs = Programs(random.Random(1), may_be_endless=False)
    for _ in range(50):
        failing = programs.failing(0)
        assert NOTES & set(names_in(failing.arguments[0]))
        assert failing.arguments[-1].name not in ("reply", "reject")
        asked = programs.calling_several(0).arguments
        assert len(asked) >= 2
        assert all(NOTES & set(names_in(each.arguments[2])) for each in asked)


MOST_DRAWN = 200
NEEDING_SEVERAL_ACTS = (
    "LosesACycleOnRefund",
    "ForgetsARefund",
    "MixesUpTheQueue",
    "DeliversResponsesTwice",
    "ForgetsRollback",
    "KeepsTheHeapOnUpgrade",
)


@pytest.mark.deep
@pytest.mark.parametrize("bug", NEEDING_SEVERAL_ACTS)
def test_bugs_that_need_several_acts_are_found_without_steering(bug: str) -> None:
    """Within two hundred scenarios, none of which fails without the bug."""
    wrong: SpecificationImplementation = PLANTED[bug]()
    manner = Manner(black_box=True, tells_all=False, seconds=2.0)
    for seed in range(MOST_DRAWN):
        chosen = scenario_of(Drawing(random.Random(seed), BLACK_BOX).new(), seed)
        if judge(chosen, wrong, manner).verdict.name == "fail":
            assert judge(chosen, PLANTED["BlackBox"](), manner).verdict.name != "fail"
            return
    pytest.fail(f"{bug} was not found", pytrace=False)
