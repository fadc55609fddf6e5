"""Balances of 2^128 - 1 cycles, which have no room for more."""

from typing import Final

from conformance.canisters import ic0
from conformance.canisters.expressions import bytes_
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
from conformance.judging.patterns import replies, replies_with
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.calls import amount
from conformance.suite.scenarios.management_calls import is_left
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId
from spec.values.quantities import MAXIMUM_CYCLES, Cycles

LARGEST: Final = amount(MAXIMUM_CYCLES)
"""The largest balance, as canisters see it."""


def top_up(canister_id: CanisterId, cycles: Cycles = MAXIMUM_CYCLES) -> management.ProvisionalTopUpArguments:
    """Adds cycles to the balance of a canister, by default more than there is room for."""
    return management.ProvisionalTopUpArguments(canister_id, cycles)


def filling(canister_id: CanisterId) -> Blob:
    """A program that fills the balance of another canister, and then replies."""
    return program(
        call(
            MANAGEMENT_CANISTER,
            "provisional_top_up_canister",
            management.encode_arguments(top_up(canister_id)),
            on_reply=program(reply()),
        )
    )


def fill(stage: Stage, canister_id: CanisterId) -> None:
    """Fills the balance of a canister."""
    stage.expect(stage.manage("provisional_top_up_canister", top_up(canister_id), canister_id), replies())


@scenario(
    "A balance holds 2^128 - 1 cycles and no more",
    covers=("inv.cycles.saturating", "rule.mgmt.provisional-top-up", "rule.mgmt.provisional-create"),
)
def largest_balance(stage: Stage) -> None:
    # Given
    canister_id = stage.create(MAXIMUM_CYCLES - 5)
    # When
    before = stage.balance(canister_id)
    topped_up = stage.manage("provisional_top_up_canister", top_up(canister_id, 6), canister_id)
    # Then
    stage.expect(topped_up, replies())
    stage.require(is_left(stage, before, MAXIMUM_CYCLES - 5), "there was room for five more cycles")
    stage.require(is_left(stage, stage.balance(canister_id), MAXIMUM_CYCLES), "there was no room for the sixth")


@scenario(
    "A deposit into a full balance succeeds, and nothing comes back",
    covers=("inv.cycles.saturating", "rule.mgmt.deposit-cycles"),
)
def deposit_into_full_balance(stage: Stage) -> None:
    # Given
    depositor, full = scripted(stage), stage.create(MAXIMUM_CYCLES)
    argument = management.encode_arguments(management.CanisterIdArguments(full))
    tell = program(reply(ic0.msg_cycles_refunded128()))
    # When
    deposit = program(call(MANAGEMENT_CANISTER, "deposit_cycles", argument, cycles=10**9, on_reply=tell))
    answer = stage.call(depositor, deposit)
    # Then
    stage.expect(answer, replies_with(amount(0)))
    stage.require(is_left(stage, stage.balance(full), MAXIMUM_CYCLES), "the balance is the largest one")
    stage.balance(depositor)


@scenario(
    "Cycles accepted into a full balance are lost, also for what the canister spends afterwards",
    covers=("inv.cycles.saturating", "api.msg-cycles-accept128", "api.canister-cycle-balance128"),
)
def accepting_into_full_balance(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    fill(stage, callee)
    balance = bytes_(ic0.canister_cycle_balance128())
    greedy = program(
        append_to_slot(0, ic0.msg_cycles_accept128(10**12)),
        append_to_slot(0, balance),
        ignore(ic0.cycles_burn128(7)),
        append_to_slot(0, balance),
        accept_cycles(5),
        append_to_slot(0, balance),
        append_to_slot(0, ic0.msg_cycles_available128()),
        reply(slot(0)),
    )
    # When
    answer = stage.call(caller, program(call(callee, "update", greedy, cycles=2 * 10**12, on_reply=RELAY_REPLY)))
    # Then
    seen = (10**12, MAXIMUM_CYCLES, MAXIMUM_CYCLES - 7, MAXIMUM_CYCLES - 2, 10**12 - 5)
    stage.expect(answer, replies_with(b"".join(amount(cycles) for cycles in seen)))
    stage.balance(caller)
    stage.balance(callee)


@scenario(
    "More than 2^64 cycles are burned at once, as many as are asked for and no more than there are",
    covers=("api.cycles-burn128", "api.canister-cycle-balance128"),
)
def burning_much(stage: Stage) -> None:
    # Given
    canister = scripted(stage, cycles=2**70)
    # When
    burned = stage.call(canister, program(reply(ic0.cycles_burn128(3 * 2**64 + 5))))
    # Then
    stage.expect(burned, replies_with(amount(3 * 2**64 + 5)))
    stage.balance(canister)
    # When
    stage.call(canister, program(append_to_slot(0, ic0.cycles_burn128(2**127)), reply(slot(0))))
    # Then
    stage.balance(canister)


@scenario(
    "A refund for which there is no room is told in full, and lost",
    covers=("inv.cycles.saturating", "api.msg-cycles-refunded128", "rule.callback-invocation.live-context"),
)
def refund_into_full_balance(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    tell = program(
        append_to_slot(0, ic0.msg_cycles_refunded128()),
        append_to_slot(0, bytes_(ic0.canister_cycle_balance128())),
        reply(slot(0)),
    )
    # When
    answer = stage.call(caller, program(call(callee, "update", filling(caller), cycles=10**12, on_reply=tell)))
    # Then
    stage.expect(answer, replies_with(amount(10**12) + LARGEST))
    stage.require(is_left(stage, stage.balance(caller), MAXIMUM_CYCLES), "the balance is the largest one")


@scenario(
    "What was set aside for executing a message is lost if the balance was filled by it",
    covers=("inv.cycles.saturating", "rule.message-execution.commit-effects"),
)
def unused_cycles_into_full_balance(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    fill(stage, callee)
    # When
    greedy = program(accept_cycles(10**12), reply())
    answer = stage.call(caller, program(call(callee, "update", greedy, cycles=10**12, on_reply=RELAY_REPLY)))
    # Then
    stage.expect(answer, replies())
    stage.require(
        is_left(stage, stage.balance(callee), MAXIMUM_CYCLES), "executing the message has cost the canister nothing"
    )
