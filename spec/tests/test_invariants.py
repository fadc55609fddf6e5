"""The invariants are named, have sources, and hold at the beginning."""

import json
from pathlib import Path

import pytest
from attrs import evolve

from spec.canister.wasm_state import WasmState
from spec.invariants import INVARIANTS, STEP_INVARIANTS
from spec.machine import initial_state
from spec.profile import load_profile
from spec.rules.tests.worlds import A, B, canister, world
from spec.state.canister import Canister, Code, Empty, Subnet
from spec.state.history import CanisterHistory
from spec.transition import Executed, Step
from spec.values.identifiers import Principal
from spec.values.memory import LinearMemory
from spec.values.quantities import WASM_PAGE

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


def installed(canister: Canister, heap: bytes, raw_module: bytes) -> Canister:
    memory = LinearMemory.from_bytes(heap.ljust(WASM_PAGE, b"\0"))
    return evolve(canister, code=Code(raw_module, WasmState(A, memory)))


ONE = installed(canister(A), b"one", b"module")
"""A canister with code, which has been installed for a while."""
RECORDED = CanisterHistory(ONE.history.total_changes + 1)
EXECUTED = Executed(A, 5, None)


@pytest.mark.checklist("seed1.code-changes-by-install", "seed1.state-changes-by-messages", "seed2.tamper-proof")
@pytest.mark.parametrize(
    ("after", "outputs", "broken"),
    [
        (installed(ONE, b"two", b"module"), (EXECUTED,), set()),
        (installed(ONE, b"two", b"module"), (), {"memories_change_by_execution"}),
        (installed(ONE, b"two", b"module"), (Executed(B, 5, None),), {"memories_change_by_execution"}),
        (installed(ONE, b"one", b"other"), (EXECUTED,), {"modules_change_by_installation"}),
        (evolve(ONE, code=Empty()), (EXECUTED,), {"modules_change_by_installation"}),
        (evolve(installed(ONE, b"two", b"other"), history=RECORDED, installed_at=ONE.time), (), set()),
        (
            evolve(installed(ONE, b"two", b"other"), history=RECORDED),
            (),
            {"modules_change_by_installation", "memories_change_by_execution"},
        ),
        (evolve(ONE, code=Empty(), history=RECORDED), (), set()),
        (evolve(ONE, code=Empty(), balance=0), (), set()),
        (ONE, (EXECUTED, Executed(B, 5, None)), {"a_step_runs_one_execution"}),
    ],
)
def test_code_and_memory_change_for_a_reason(after, outputs, broken) -> None:
    names = ("modules_change_by_installation", "memories_change_by_execution", "a_step_runs_one_execution")
    before = world((A, ONE), (B, canister(B)))
    step = Step(evolve(before, canisters=before.canisters.set(A, after)), outputs)
    assert {name for name in names if not STEP_INVARIANTS[name].holds(before, step)} == broken
