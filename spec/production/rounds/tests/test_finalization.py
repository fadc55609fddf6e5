"""The end of a round: payments over time, answers that are forgotten."""

import pytest
from attrs import evolve

from spec import fees
from spec.production.rounds import RoundState, is_quiet
from spec.production.rounds.tests.playing import SLICE, Played, asking, busy, doing
from spec.rules.resources import memory_usage
from spec.rules.tests.worlds import (
    PROFILE,
    A,
    B,
    a_call,
    a_context,
    canister,
    code,
    contexts,
    execution,
    from_canister,
    module,
    returns,
    world,
)
from spec.state.canister import Code, Empty, Subnet
from spec.state.message import ResponseMessage
from spec.state.request import Rejected
from spec.values.identifiers import Principal
from spec.values.rejects import Reply


def price_of_ten_seconds(played):
    """What canister A pays for ten seconds."""
    usage = memory_usage(PROFILE, played.state.canisters[A])
    allocation = played.state.canisters[A].settings.compute_allocation
    return fees.memory_cost(PROFILE.fees, usage, 10, 13) + fees.compute_cost(PROFILE.fees, allocation, 10, 13)


@pytest.mark.checklist(
    "unspec.spont.resource-payments",
    "rule.resource-payment.main-balance",
    "prod.sched_charging.only_charge_for_allocation_after_specified_duration",
    "seed1.memory-charge",
)
def test_canisters_pay_for_storage_and_compute_every_ten_seconds():
    played = Played(world((A, canister(A, compute_allocation=3))))
    before, price = played.state.canisters[A].balance, price_of_ten_seconds(played)
    assert price >= 3 * 10 * 10_000_000
    played = played.round(seconds=9)
    assert played.state.canisters[A].balance == before
    played = played.round(seconds=1)
    assert played.state.canisters[A].balance == before - price
    assert played.round(seconds=9).state.canisters[A].balance == before - price


@pytest.mark.checklist("rule.resource-payment.reserved-balance")
def test_reserved_cycles_pay_first():
    played = Played(world((A, canister(A, compute_allocation=1, reserved_balance=40_000_000)))).round(seconds=10)
    paid = [rule for rule in played.rules() if rule.startswith("payment")]
    assert paid == ["payment_from_reserved_balance", "payment_from_main_balance"]
    assert played.state.canisters[A].reserved_balance == 0


@pytest.mark.checklist("unspec.spont.out-of-cycles", "inv.deallocated-canister-kept")
def test_a_canister_that_cannot_pay_loses_its_code_once():
    played = Played(world((A, canister(A, compute_allocation=1, balance=99_999_999)))).round(seconds=10)
    assert played.rules() == ["payment_from_main_balance", "canister_out_of_cycles"]
    assert isinstance(played.state.canisters[A].code, Empty)
    assert played.round(seconds=10).rules() == []


def test_a_canister_that_can_just_pay_keeps_its_code():
    rich = canister(A, compute_allocation=1)
    price = price_of_ten_seconds(Played(world((A, rich))))
    for balance, kind in ((price, Code), (price - 1, Empty)):
        after = Played(world((A, evolve(rich, balance=balance)))).round(seconds=10).state.canisters[A]
        assert (after.balance, type(after.code)) == (0, kind)


@pytest.mark.checklist("rule.request-cleanup.delete", "unspec.spont.request-cleanup")
def test_an_answer_is_kept_for_five_minutes_after_it_was_given():
    played = busy(A).round(asking(A))
    assert isinstance(played.status(asking(A).request), Rejected)
    played = played.round(seconds=300)
    assert played.status(asking(A).request) is not None
    played = played.round(seconds=1)
    assert played.status(asking(A).request) is None


def test_a_round_finishes_the_execution_that_another_policy_has_begun():
    state = world(
        doing(A, go=returns(response=Reply(b""))), messages=(execution(A),), call_contexts=contexts(a_context(A))
    )
    assert Played(state).round().rules()[0] == "message_execution"


def test_it_is_quiet_when_nothing_is_left_to_do():
    played = busy(A, instructions=SLICE + 1)
    assert is_quiet(played.state, played.rounds)
    played = played.round(asking(A))
    assert not is_quiet(played.state, played.rounds)
    played = played.round()
    assert is_quiet(played.state, played.rounds)


@pytest.mark.parametrize(
    "message", [a_call(A, B, origin=from_canister(0)), ResponseMessage(from_canister(0), Reply(b""), 0)]
)
def test_it_is_not_quiet_while_messages_wait(message):
    state = world((A, canister(A)), (B, canister(B)), messages=(message,), call_contexts=contexts(a_context(B)))
    assert not is_quiet(state, RoundState())


def test_heartbeats_alone_are_quiet_and_a_timer_that_is_due_is_not():
    assert is_quiet(world(doing(A, heartbeat=returns())), RoundState())
    assert not is_quiet(world(doing(A, global_timer=returns(), settings={"global_timer": 1})), RoundState())


def test_canisters_of_another_subnet_are_left_alone():
    far = canister(B, code(B, module(gives={"heartbeat": returns()})), subnet=Subnet(Principal(b"far"), 13))
    played = Played(world((A, canister(A)), (B, far))).round(seconds=20)
    assert played.state.canisters[B] == far
    assert played.rounds.records.keys() == [A]
