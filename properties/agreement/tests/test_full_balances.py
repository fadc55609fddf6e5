"""Both sides agree on what becomes of cycles for which there is no room."""

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from conformance.canisters import ic0
from conformance.canisters.expressions import bytes_
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    RELAY_REPLY,
    accept_cycles,
    append_to_slot,
    call,
    ignore,
    program,
    reply,
    slot,
)
from properties.agreement import full_balances
from properties.agreement.stage import Stage
from spec.state.request import Replied
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import ProvisionalTopUpArguments, encode_arguments
from spec.values.quantities import MAXIMUM_CYCLES

QUICK = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
DEEP = settings(max_examples=300, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))

LOSERS = {
    "message_execution",
    "callback_invocation",
    "callback_of_deleted_context",
    "deposit_cycles",
    "provisional_top_up_canister",
    "provisional_create_canister_with_cycles",
}
"""The rules that lose cycles where there is no room for them."""

BALANCE = bytes_(ic0.canister_cycle_balance128())


USUAL_LOSERS = {"message_execution", "callback_invocation", "provisional_top_up_canister"}
"""The losers that a few random worlds reach."""


def run(machine_settings, machine=full_balances.FullBalancesMachine):
    run_state_machine_as_test(machine, settings=machine_settings)
    print(dict(full_balances.lost))
    return full_balances.lost


@pytest.mark.checklist("inv.cycles.saturating")
def test_they_agree_where_balances_are_nearly_full_and_cycles_are_lost():
    """Batches of random worlds until cycles were lost often enough: three to twelve, each of its own seed."""
    full_balances.lost.clear()
    for batch in range(12):
        lost = run(QUICK, seed(batch)(full_balances.FullBalancesMachine))
        often_enough = lost.keys() >= USUAL_LOSERS and sum(lost[name] for name in LOSERS) > 60
        if often_enough and batch >= 2:
            break
    assert often_enough


FILLED = program(
    accept_cycles(10**12),
    append_to_slot(0, BALANCE),
    ignore(ic0.cycles_burn128(7)),
    append_to_slot(0, BALANCE),
    accept_cycles(5),
    append_to_slot(0, BALANCE),
    reply(slot(0)),
)
"""Accepts cycles into a nearly full balance, makes room, and accepts more; tells the balance after each."""


def fill(stage, canister_id):
    stage.manage("provisional_top_up_canister", ProvisionalTopUpArguments(canister_id, MAXIMUM_CYCLES))
    assert stage.canister(canister_id).balance == MAXIMUM_CYCLES


def balances(data):
    return [int.from_bytes(data[start : start + 16], "little") for start in range(0, len(data), 16)]


@pytest.mark.checklist("inv.cycles.saturating", "api.canister-cycle-balance128")
def test_a_canister_sees_its_balance_full_and_what_did_not_fit_stays_lost():
    stage = Stage()
    caller, callee = (stage.installed(load("scripted")) for _ in range(2))
    fill(stage, callee)
    answer = stage.call(
        caller, "update", program(call(callee, "update", FILLED, cycles=2 * 10**12, on_reply=RELAY_REPLY))
    )
    assert isinstance(answer, Replied)
    assert balances(answer.data) == [MAXIMUM_CYCLES, MAXIMUM_CYCLES - 7, MAXIMUM_CYCLES - 2]
    assert stage.canister(callee).balance == MAXIMUM_CYCLES
    assert stage.lockstep.lost["message_execution"] == 1


@pytest.mark.checklist("inv.cycles.saturating", "api.msg-cycles-refunded128")
def test_a_refund_is_told_in_full_also_where_there_was_no_room_for_it():
    stage = Stage()
    caller, callee = (stage.installed(load("scripted")) for _ in range(2))
    filling = encode_arguments(ProvisionalTopUpArguments(caller, MAXIMUM_CYCLES))
    telling = program(reply(bytes_(ic0.msg_cycles_refunded128())))
    calls = (
        call(MANAGEMENT_CANISTER, "provisional_top_up_canister", filling),
        call(callee, "update", program(reply(b"")), cycles=10**12, on_reply=telling),
    )
    answer = stage.call(caller, "update", program(*calls))
    assert isinstance(answer, Replied)
    assert balances(answer.data) == [10**12]
    assert stage.canister(caller).balance == MAXIMUM_CYCLES
    assert stage.lockstep.lost["callback_invocation"] == 1


@pytest.mark.deep
def test_they_agree_on_many_schedules_in_which_every_rule_that_can_lose_cycles_does():
    full_balances.lost.clear()
    assert run(DEEP).keys() >= LOSERS
