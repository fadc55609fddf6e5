"""The invariants are named, have sources, and hold at the beginning."""

import json
from pathlib import Path

import pytest

from spec.invariants import INVARIANTS, STEP_INVARIANTS
from spec.machine import initial_state
from spec.profile import load_profile
from spec.state.canister import Subnet
from spec.transition import Step
from spec.values.identifiers import Principal

BEGINNING = initial_state(load_profile(), Subnet(Principal(b"\x01"), 13), 0)


@pytest.mark.parametrize("name", INVARIANTS)
def test_an_invariant_holds_at_the_beginning(name: str) -> None:
    assert INVARIANTS[name].holds(BEGINNING)


@pytest.mark.parametrize("name", STEP_INVARIANTS)
def test_a_step_that_changes_nothing_is_allowed(name: str) -> None:
    assert STEP_INVARIANTS[name].holds(BEGINNING, Step(BEGINNING))


def test_every_source_is_a_row_of_the_checklist() -> None:
    path = Path(__file__).parents[2] / "docs" / "facts" / "checklist.json"
    lists = json.loads(path.read_text())
    rows = {row["id"] for name, listed in lists.items() if name != "meta" for row in listed}
    named = {source for each in (*INVARIANTS.values(), *STEP_INVARIANTS.values()) for source in each.sources}
    assert named - rows == set()
    assert all(each.sources for each in (*INVARIANTS.values(), *STEP_INVARIANTS.values()))
