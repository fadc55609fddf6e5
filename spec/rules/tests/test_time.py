"""Time passes."""

import pytest
from attrs import evolve

from spec.machine import enabled
from spec.rules.tests.worlds import NOW, A, B, canister, fire, is_refused, world
from spec.state.canister import Empty
from spec.transition import Step


@pytest.mark.checklist("rule.time-progress.canister", "inv.time.monotone", "unspec.spont.canister-time")
def test_the_clock_of_one_canister_moves_forward_by_any_amount():
    state = world((A, canister(A)), (B, canister(B)))
    fired = fire(state, "canister_time_progress", canister_id=A, time=NOW + 1)
    later = evolve(state.canisters[A], time=NOW + 1)
    assert fired == Step(evolve(state, canisters=state.canisters.set(A, later)))


@pytest.mark.checklist("rule.time-progress.system", "inv.system-time.monotone", "unspec.spont.system-time")
def test_the_clock_of_the_system_moves_forward_by_any_amount():
    state = world((A, canister(A)))
    assert fire(state, "system_time_progress", time=NOW + 5) == Step(evolve(state, system_time=NOW + 5))


@pytest.mark.checklist(
    "rule.time-progress.canister",
    "rule.time-progress.system",
    "inv.time.monotone",
    "unspec.spont.canister-time",
    "unspec.spont.system-time",
)
@pytest.mark.parametrize("time", [NOW, NOW - 1])
def test_no_clock_stands_still_or_goes_back(time):
    state, because = world((A, canister(A))), "the time is later than before"
    assert is_refused(state, "system_time_progress", because, time=time)
    assert is_refused(state, "canister_time_progress", because, canister_id=A, time=time)
    assert is_refused(state, "canister_time_progress", "the canister exists", canister_id=B, time=NOW + 1)


@pytest.mark.checklist("unspec.env.after-ten-years", "inv.deallocated-canister-kept")
def test_a_canister_without_code_and_cycles_is_still_there_after_eleven_years_and_has_its_id_and_its_controllers():
    state = world((A, canister(A, Empty(), balance=0)))
    later = NOW + 11 * 366 * 24 * 3600 * 10**9
    moved = fire(state, "canister_time_progress", canister_id=A, time=later).state
    moved = fire(moved, "system_time_progress", time=later).state

    assert enabled(moved) == []
    assert moved.canisters == state.canisters.set(A, evolve(state.canisters[A], time=later))
