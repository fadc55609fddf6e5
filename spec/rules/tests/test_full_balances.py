"""Balances that have no room for the cycles that are added to them."""

from typing import Any

import pytest

from spec.canister.environment import Caller
from spec.invariants import INVARIANTS
from spec.rules.tests.worlds import (
    CALLBACK,
    RESERVED_FOR_RESPONSE,
    SET_ASIDE,
    STRANGER,
    USER,
    A,
    C,
    a_context,
    asked,
    canister,
    code,
    contexts,
    execution,
    fire,
    from_canister,
    managing,
    module,
    returns,
    traps,
    world,
)
from spec.state.message import CallbackInvocation, ResponseMessage
from spec.state.state import State
from spec.transition import BurnReason, Step
from spec.values import management
from spec.values.quantities import MAXIMUM_CYCLES, Credited, credited
from spec.values.rejects import Reply

FEW = 30
"""For how many cycles there is room in the balances here."""
NEARLY_FULL = MAXIMUM_CYCLES - FEW


def lost(fired: Step) -> int:
    """The cycles that were lost."""
    return sum(each.cycles for each in fired.burned if each.reason is BurnReason.LOST)


def is_full(fired: Step) -> bool:
    """A's balance is the largest one."""
    return fired.state.canisters[A].balance == MAXIMUM_CYCLES


@pytest.mark.checklist("inv.cycles.saturating")
def test_what_fits_is_credited_and_the_rest_is_lost() -> None:
    assert credited(5, 6) == Credited(11, 0)
    assert credited(NEARLY_FULL, FEW) == Credited(MAXIMUM_CYCLES, 0)
    assert credited(NEARLY_FULL, FEW + 1) == Credited(MAXIMUM_CYCLES, 1)
    assert credited(MAXIMUM_CYCLES, MAXIMUM_CYCLES) == Credited(MAXIMUM_CYCLES, MAXIMUM_CYCLES)
    assert credited(-7, 5) == Credited(-2, 0)


@pytest.mark.checklist("inv.cycles.saturating")
def test_a_deposit_fills_the_balance() -> None:
    state = managing(
        (A, canister(A, balance=NEARLY_FULL)),
        call=asked(management.CanisterIdArguments(A), "deposit_cycles", STRANGER),
    )
    fired = fire(state, "deposit_cycles", message_id=0)
    assert is_full(fired)
    assert lost(fired) == 1_000_000 - FEW
    assert fired.state.messages[1].refunded_cycles == 0  # type: ignore[union-attr]


@pytest.mark.checklist("inv.cycles.saturating")
def test_minted_cycles_fill_the_balance() -> None:
    managed = canister(A, balance=NEARLY_FULL)
    state = managing((A, managed), call=asked(management.ProvisionalTopUpArguments(A, FEW + 8)))
    fired = fire(state, "provisional_top_up_canister", message_id=0)
    assert is_full(fired)
    assert (fired.minted[0].cycles, lost(fired)) == (FEW + 8, 8)


@pytest.mark.checklist("inv.cycles.saturating")
def test_no_canister_is_created_with_more_than_the_largest_balance() -> None:
    given = management.ProvisionalCreateArguments(MAXIMUM_CYCLES + 9)
    fired = fire(managing(call=asked(given)), "provisional_create_canister_with_cycles", message_id=0, canister_id=A)
    assert is_full(fired)
    assert (fired.minted[0].cycles, lost(fired)) == (MAXIMUM_CYCLES + 9, 9)


def responding(deleted: bool) -> State:
    """A response with 70 cycles to a canister whose balance is nearly full."""
    return world(
        (A, canister(A, balance=NEARLY_FULL)),
        messages=(ResponseMessage(from_canister(), Reply(b""), 70),),
        call_contexts=contexts(a_context(A, deleted=deleted, needs_to_respond=not deleted)),
    )


@pytest.mark.checklist("inv.cycles.saturating")
def test_a_refund_fills_the_balance_and_the_callback_sees_all_of_it() -> None:
    fired = fire(responding(deleted=False), "callback_invocation", message_id=0)
    assert is_full(fired)
    assert lost(fired) == 70 - FEW
    assert fired.state.messages[0].entry_point == CallbackInvocation(CALLBACK, Reply(b""), 70)  # type: ignore[union-attr]


@pytest.mark.checklist("inv.cycles.saturating")
def test_a_refund_to_a_deleted_context_fills_the_balance() -> None:
    fired = fire(responding(deleted=True), "callback_of_deleted_context", message_id=0)
    assert is_full(fired)
    assert lost(fired) == 70 + RESERVED_FOR_RESPONSE - FEW


def executing(balance: int, outcome: Any, available: int = 0) -> Step:
    """The step in which a method with this outcome is executed."""
    running = canister(A, code(A, module(gives={"update go": outcome})), balance=balance)
    origin = from_canister(1, caller=USER)
    context = a_context(A, origin=origin, available_cycles=available)
    state = world(
        (A, running),
        (C, canister(C)),
        messages=(execution(A),),
        call_contexts=contexts(context, a_context(C, caller=Caller(USER))),
    )
    return fire(state, "message_execution", message_id=0)


@pytest.mark.checklist("inv.cycles.saturating")
@pytest.mark.parametrize("outcome", [traps(0), returns(0)])
def test_cycles_set_aside_for_an_execution_find_no_room_if_the_balance_was_filled_meanwhile(outcome: Any) -> None:
    fired = executing(MAXIMUM_CYCLES, outcome)
    assert is_full(fired)
    assert lost(fired) == SET_ASIDE - fired.burned[0].cycles


@pytest.mark.checklist("inv.cycles.saturating")
def test_what_an_execution_spends_makes_room_for_what_comes_back_after_it() -> None:
    fired = executing(MAXIMUM_CYCLES, returns(0, cycles_burned=SET_ASIDE))
    assert fired.state.canisters[A].balance == MAXIMUM_CYCLES - fired.burned[0].cycles
    assert lost(fired) == 0


@pytest.mark.checklist("inv.cycles.saturating")
def test_what_an_execution_has_lost_does_not_come_back_when_there_is_room() -> None:
    fired = executing(
        MAXIMUM_CYCLES, returns(0, cycles_accepted=50, cycles_lost=50, cycles_burned=2 * SET_ASIDE), available=50
    )
    assert fired.state.canisters[A].balance == MAXIMUM_CYCLES - SET_ASIDE - fired.burned[0].cycles
    assert lost(fired) == 50
    assert fired.state.call_contexts[0].available_cycles == 0


@pytest.mark.checklist("inv.cycles.saturating")
def test_a_state_with_a_larger_balance_is_found() -> None:
    holds = INVARIANTS["balances_fit_into_128_bits"].holds
    assert holds(world((A, canister(A, balance=MAXIMUM_CYCLES))))
    assert not holds(world((A, canister(A, balance=MAXIMUM_CYCLES + 1))))
