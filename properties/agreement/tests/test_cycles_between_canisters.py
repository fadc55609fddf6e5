"""Cycles that travel with calls: who has them after each way in which a call can end, to the last cycle."""

import pytest

from conformance.canisters import ic0
from conformance.canisters.expressions import bytes_
from conformance.canisters.scripted import (
    RELAY_REJECT,
    RELAY_REPLY,
    accept_cycles,
    append_to_slot,
    call,
    concat,
    program,
    reply,
    slot,
    trap,
)
from properties.agreement.stage import ALICE, Stage
from properties.agreement.tests.books import (
    RESERVED,
    SCRIPTED,
    Books,
    fee_of_update,
    reject_fee,
    reply_fee,
    take,
)
from spec.state.request import Rejected, Replied
from spec.transition import BurnReason
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import RejectCode, RejectReason

SENT = 500_000_000_000
HALF = SENT // 2
TELL_REFUND = program(reply(bytes_(ic0.msg_cycles_refunded128())))
"""Replies with the cycles that came back."""
NOTHING = program(reply())


EMPTY = bytes.fromhex("0061736d01000000")
"""A module with nothing in it, so that every callback traps."""


def canisters(count, cycles=10**14):
    stage = Stage()
    return stage, *(stage.installed(SCRIPTED, cycles=cycles) for _ in range(count))


def amount(status):
    assert isinstance(status, Replied), status
    return int.from_bytes(status.data, "little")


def begin(stage, canister, argument, *rules):
    """Submits a call and takes these rules only."""
    request_id, _ = stage.lockstep.submit(ALICE, canister, "update", argument)
    take(stage, "initiate_call", *rules)
    return lambda: stage.state.requests[request_id].status


# Accepting.


@pytest.mark.checklist("prod.hypervisor.cycles_cannot_be_accepted_after_response")
def test_cycles_cannot_be_accepted_after_the_response():
    stage, a, b, c = canisters(3)
    late = call(c, "update", NOTHING, on_reply=program(accept_cycles(HALF)))
    answering = program(reply(b"early"), late)
    books = Books(stage, a, b, c)
    status = stage.call(a, "update", program(call(b, "update", answering, cycles=SENT, on_reply=TELL_REFUND)))
    assert amount(status) == SENT
    assert books.spent(a) == books.executing(a) + fee_of_update(answering) + reply_fee(b"early")
    assert books.spent(b) == books.executing(b) + fee_of_update(NOTHING) + reply_fee(b"")
    assert books.spent(c) == books.executing(c)


@pytest.mark.checklist("prod.ee_tests.cannot_accept_cycles_after_replying")
def test_what_was_accepted_before_the_response_stays_and_nothing_is_added_to_it():
    stage, a, b, c = canisters(3)
    late = call(c, "update", NOTHING, on_reply=program(accept_cycles(500_000)))
    answering = program(accept_cycles(500_000), reply(), late)
    books = Books(stage, a, b)
    status = stage.call(a, "update", program(call(b, "update", answering, cycles=10**6, on_reply=TELL_REFUND)))
    assert amount(status) == 500_000
    assert books.spent(a) == books.executing(a) + fee_of_update(answering) + 500_000
    assert books.spent(b) == books.executing(b) + fee_of_update(NOTHING) - 500_000


@pytest.mark.checklist("prod.hypervisor.cycles_are_refunded_if_callee_traps")
def test_a_callee_that_accepts_and_replies_and_then_traps_has_accepted_nothing():
    stage, a, b = canisters(2)
    trapping = program(accept_cycles(HALF), reply(), trap(b"after all"))
    books = Books(stage, a, b)
    status = stage.call(a, "update", program(call(b, "update", trapping, cycles=SENT, on_reject=RELAY_REJECT)))
    assert isinstance(status, Rejected)
    assert books.spent(a) == books.executing(a) + fee_of_update(trapping) + reject_fee(status.reject.message)
    assert books.spent(b) == books.executing(b)


@pytest.mark.checklist(
    "prod.hypervisor.cycles_are_refunded_even_if_response_callback_traps",
    "prod.response.cycles_correct_if_response_fails",
)
def test_a_refund_stays_with_the_caller_whose_callback_traps():
    stage, a, b = canisters(2)
    accepting = program(accept_cycles(HALF), reply(b"four"))
    books = Books(stage, a, b)
    failing = call(b, "update", accepting, cycles=SENT, on_reply=program(trap(b"in the callback")))
    status = stage.call(a, "update", program(failing))
    assert isinstance(status, Rejected) and status.reject.reason is RejectReason.CANISTER_TRAPPED
    assert status.reject.message.endswith("in the callback")
    assert books.spent(a) == books.executing(a) + fee_of_update(accepting) + reply_fee(b"four") + HALF
    assert books.spent(b) == books.executing(b) - HALF


@pytest.mark.checklist("prod.response.cycles_correct_if_cleanup_fails")
def test_a_refund_stays_with_the_caller_whose_cleanup_traps_too():
    stage, a, b = canisters(2)
    accepting = program(accept_cycles(HALF), reply(b"four"))
    books = Books(stage, a, b)
    traps = {"on_reply": program(trap(b"first")), "on_cleanup": program(trap(b"second"))}
    status = stage.call(a, "update", program(call(b, "update", accepting, cycles=SENT, **traps)))
    assert isinstance(status, Rejected) and status.reject.reason is RejectReason.CANISTER_TRAPPED
    assert books.spent(a) == books.executing(a) + fee_of_update(accepting) + reply_fee(b"four") + HALF
    assert books.spent(b) == books.executing(b) - HALF


@pytest.mark.checklist(
    "prod.response.execute_response_refunds_cycles",
    "prod.hypervisor.ic0_call_cycles_add_deducts_cycles",
)
def test_a_caller_pays_at_once_for_the_largest_response_and_gets_back_what_was_not_used():
    stage, a, b = canisters(2, 301_000_000_000 + 10**12)
    accepting = program(accept_cycles(10**10), reply(b"twelve bytes"))
    books = Books(stage, a, b)
    tell = program(reply(b""))
    status = begin(
        stage, a, program(call(b, "update", accepting, cycles=10**10, on_reply=tell)), "call_context_creation"
    )
    assert books.spent(a) == books.executing(a) + fee_of_update(accepting) + RESERVED + 10**10
    stage.lockstep.settle()
    assert isinstance(status(), Replied)
    fees = fee_of_update(accepting) + reply_fee(b"twelve bytes")
    assert books.spent(a) == books.executing(a) + fees + 10**10
    assert books.spent(b) == books.executing(b) - 10**10


@pytest.mark.checklist("prod.hypervisor.ic0_call_cycles_add_has_no_effect_without_ic0_call_perform")
def test_cycles_of_a_call_that_is_not_performed_stay():
    stage, a, b = canisters(2)
    books = Books(stage, a)
    begun = ic0.call_new(b, b"update", b"", b"", b"") + ic0.call_cycles_add128(10**10)
    status = stage.call(a, "update", program(begun))
    assert isinstance(status, Rejected) and status.reject.reason is RejectReason.CANISTER_DID_NOT_RESPOND
    assert books.spent(a) == books.executing(a)
    assert [one.canister_id for one in stage.lockstep.executions][-1] == a


# Query methods in replicated execution.


@pytest.mark.checklist("prod.ee_tests.replicated_query_can_accept_cycles")
def test_a_replicated_query_keeps_the_cycles_that_it_accepts_and_nothing_else():
    stage, a, b = canisters(2)
    accepting = program(append_to_slot(0, b"dropped"), accept_cycles(10**6), reply())
    books = Books(stage, b)
    status = stage.call(a, "update", program(call(b, "query", accepting, cycles=10**6, on_reply=TELL_REFUND)))
    assert amount(status) == 0
    assert books.spent(b) == books.executing(b) - 10**6
    assert stage.call(b, "update", program(reply(slot(0)))) == Replied(b"")


@pytest.mark.checklist("prod.ee_tests.replicated_query_does_not_accept_cycles_on_trap")
def test_a_replicated_query_that_traps_keeps_no_cycles():
    stage, a, b = canisters(2)
    trapping = program(accept_cycles(10**6), reply(), trap(b"no"))
    books = Books(stage, b)
    status = stage.call(a, "update", program(call(b, "query", trapping, cycles=10**6, on_reject=TELL_REFUND)))
    assert amount(status) == 10**6
    assert books.spent(b) == books.executing(b)


@pytest.mark.checklist("prod.ee_tests.replicated_query_can_burn_cycles")
def test_a_replicated_query_burns_cycles():
    stage, a = canisters(1)
    books = Books(stage, a)
    status = stage.call(a, "query", program(reply(ic0.cycles_burn128(10**7))))
    assert amount(status) == 10**7
    assert books.spent(a) == books.executing(a) + 10**7
    assert books.burned(BurnReason.REQUESTED) == 10**7


# Code that is gone.


@pytest.mark.checklist("prod.hypervisor.cycles_are_refunded_if_callee_is_uninstalled_before_execution")
def test_a_canister_that_was_uninstalled_gets_no_cycles_and_pays_nothing():
    stage, a, b = canisters(2)
    stage.control("uninstall_code", b)
    books = Books(stage, a, b)
    status = stage.call(a, "update", program(call(b, "update", NOTHING, cycles=SENT, on_reject=RELAY_REJECT)))
    assert isinstance(status, Rejected)
    assert books.spent(a) == books.executing(a) + fee_of_update(NOTHING) + reject_fee(status.reject.message)
    assert books.spent(b) == 0


def waiting_for_a_third(stage, a, b, c):
    """A has sent cycles to B, which accepted half and waits for C, to which it sent some of them."""
    taking = program(accept_cycles(10**9), reply())
    accepting = program(accept_cycles(HALF), call(c, "update", taking, cycles=10**10, on_reply=RELAY_REPLY))
    told = program(reply(concat(bytes_(ic0.msg_cycles_refunded128()), ic0.msg_reject_msg())))
    first = program(call(b, "update", accepting, cycles=SENT, on_reply=NOTHING, on_reject=told))
    return fee_of_update(taking), begin(stage, a, first, "call_context_creation", "call_context_creation")


@pytest.mark.checklist("prod.hypervisor.cycles_are_refunded_if_callee_is_uninstalled_after_execution")
def test_a_canister_that_is_uninstalled_while_it_waits_keeps_what_it_accepted_and_gets_its_own_refund():
    stage, a, b, c = canisters(3)
    books = Books(stage, b, c)
    fee, status = waiting_for_a_third(stage, a, b, c)
    stage.lockstep.submit(
        ALICE, MANAGEMENT_CANISTER, "uninstall_code", management.encode_arguments(management.UninstallCodeArguments(b))
    )
    take(stage, "initiate_call", "uninstall_code")
    stage.lockstep.settle()
    answer = status()
    assert isinstance(answer, Replied)
    assert int.from_bytes(answer.data[:16], "little") == SENT - HALF
    assert books.spent(b) == books.executing(b) - HALF + fee + 10**9
    assert books.spent(c) == books.executing(c) - 10**9
    assert len(books.executions(b)) == 1, "no callback ran"


@pytest.mark.checklist("prod.hypervisor.cycles_are_refunded_if_callee_is_reinstalled")
def test_a_callback_of_reinstalled_code_that_has_no_such_function_traps_and_the_cycles_come_back_all_the_same():
    stage, a, b, c = canisters(3)
    _, status = waiting_for_a_third(stage, a, b, c)
    arguments = management.InstallCodeArguments(management.ReinstallMode(), b, EMPTY)
    stage.lockstep.submit(ALICE, MANAGEMENT_CANISTER, "install_code", management.encode_arguments(arguments))
    take(stage, "initiate_call", "install_code")
    books = Books(stage, b, c)
    stage.lockstep.settle()
    answer = status()
    assert isinstance(answer, Replied)
    assert int.from_bytes(answer.data[:16], "little") == SENT - HALF
    failure = books.executions(b)[-1].failure
    assert failure is not None and failure.reason is RejectReason.CANISTER_TRAPPED
    refund = 10**10 - 10**9
    assert books.spent(b) == books.executing(b) + reply_fee(b"") - RESERVED - refund
    assert books.spent(c) == books.executing(c) - 10**9


@pytest.mark.checklist("prod.canister_manager.delete_canister_via_inter_canister_call")
def test_who_deletes_a_canister_gets_back_the_cycles_sent_and_none_of_those_deleted():
    stage, a, b = canisters(2, 2**62)
    settings = management.SettingsArguments(controllers=List.of(*sorted((ALICE, a))))
    stage.manage("update_settings", management.UpdateSettingsArguments(b, settings))
    stage.control("stop_canister", b)
    argument = management.encode_arguments(management.CanisterIdArguments(b))
    books = Books(stage, a)
    deleting = call(MANAGEMENT_CANISTER, "delete_canister", argument, cycles=2**61, on_reply=TELL_REFUND)
    status = stage.call(a, "update", program(deleting))
    assert amount(status) == 2**61
    fee = 260_000 + 1_000 * (len("delete_canister") + len(argument))
    assert books.spent(a) == books.executing(a) + fee + reply_fee(management.EMPTY_RESULT)
    assert b not in stage.state.canisters


@pytest.mark.checklist("prod.canister_manager.deposit_cycles_succeeds_with_enough_cycles")
def test_a_deposit_arrives_in_full():
    stage, a, b = canisters(2, 2**62)
    argument = management.encode_arguments(management.CanisterIdArguments(b))
    books = Books(stage, a, b)
    depositing = call(MANAGEMENT_CANISTER, "deposit_cycles", argument, cycles=2**61, on_reply=TELL_REFUND)
    assert amount(stage.call(a, "update", program(depositing))) == 0
    assert books.spent(b) == -(2**61)
    assert 2**61 < books.spent(a) < 2**61 + 100 * 10**9


# Large amounts.


@pytest.mark.checklist("prod.hypervisor.send_too_many_cycles")
def test_more_cycles_than_a_canister_has_cannot_be_sent():
    stage, a, b = canisters(2, 2**60)
    books = Books(stage, a, b)
    status = stage.call(a, "update", program(call(b, "update", NOTHING, cycles=2**62)))
    assert isinstance(status, Rejected)
    assert (status.reject.code, status.reject.reason) == (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED)
    assert (books.spent(a), books.spent(b)) == (books.executing(a), 0)


@pytest.mark.parametrize(
    "accepted",
    [
        pytest.param(2**61, marks=pytest.mark.checklist("prod.hypervisor.send_and_accept_cycles")),
        pytest.param(2**60, marks=pytest.mark.checklist("prod.hypervisor.send_and_accept_cycles_with_partial_refund")),
    ],
)
def test_large_amounts_are_accepted_in_full_or_in_part(accepted):
    stage, a, b = canisters(2, 2**62)
    accepting = program(accept_cycles(accepted), reply())
    books = Books(stage, a, b)
    status = stage.call(a, "update", program(call(b, "update", accepting, cycles=2**61, on_reply=TELL_REFUND)))
    assert amount(status) == 2**61 - accepted
    assert books.spent(a) == books.executing(a) + fee_of_update(accepting) + accepted
    assert books.spent(b) == books.executing(b) - accepted


@pytest.mark.checklist("prod.hypervisor.ic0_msg_cycles_refunded128")
def test_a_refund_of_more_than_64_bits_is_told_in_128():
    stage, a, b = canisters(2, 2**65)
    books = Books(stage, a, b)
    status = stage.call(a, "update", program(call(b, "update", NOTHING, cycles=2**64, on_reply=TELL_REFUND)))
    assert amount(status) == 2**64
    assert books.spent(a) == books.executing(a) + fee_of_update(NOTHING)
    assert books.spent(b) == books.executing(b)


@pytest.mark.checklist("prod.hypervisor.call_cycles_not_in_balance")
def test_the_cycles_of_a_call_to_oneself_are_not_in_the_balance_until_they_come_back():
    stage, a = canisters(1, 2**62)
    telling = program(reply(bytes_(ic0.canister_cycle_balance128())))
    books = Books(stage, a)
    seen = amount(stage.call(a, "update", program(call(a, "update", telling, cycles=2**61, on_reply=RELAY_REPLY))))
    assert 2**61 - 2 * 10**12 < seen < 2**61
    assert books.spent(a) == books.executing(a) + fee_of_update(telling) + reply_fee(bytes(16))


@pytest.mark.checklist("prod.hypervisor.relay_before_accept_traps")
def test_cycles_cannot_be_passed_on_before_they_are_accepted():
    stage, a, b, c = canisters(3, 2**61)
    relaying = program(call(c, "update", NOTHING, cycles=2**61), accept_cycles(2**60))
    books = Books(stage, a, b, c)
    status = stage.call(a, "update", program(call(b, "update", relaying, cycles=2**60, on_reject=TELL_REFUND)))
    assert amount(status) == 2**60
    assert books.spent(b) == books.executing(b)
    assert books.spent(c) == books.executing(c) == 0
    assert books.spent(a) < 10**9


@pytest.mark.checklist("prod.hypervisor.relay_after_accept_works")
def test_cycles_can_be_passed_on_after_they_were_accepted():
    stage, a, b, c = canisters(3, 2**62)
    accepting = program(accept_cycles(2**62 + 2**60), reply())
    passed_on = call(c, "update", accepting, cycles=2**62 + 2**60, on_reply=NOTHING)
    relaying = program(accept_cycles(2**61), passed_on)
    books = Books(stage, a, b, c)
    status = stage.call(a, "update", program(call(b, "update", relaying, cycles=2**61, on_reply=NOTHING)))
    assert isinstance(status, Replied)
    assert books.spent(a) == books.executing(a) + fee_of_update(relaying) + 2**61
    assert books.spent(b) == books.executing(b) + fee_of_update(accepting) + 2**61 + 2**60
    assert books.spent(c) == books.executing(c) - 2**62 - 2**60


@pytest.mark.checklist("prod.hypervisor.aborting_call_resets_balance")
def test_the_cycles_of_a_call_that_another_one_replaces_are_back_at_once():
    stage, a = canisters(1, 2**62)
    new = ic0.call_new(a, b"update", b"", b"", b"")
    balance = append_to_slot(0, bytes_(ic0.canister_cycle_balance128()))
    status = stage.call(
        a, "update", program(balance, new, ic0.call_cycles_add128(2**61), balance, new, balance, reply(slot(0)))
    )
    assert isinstance(status, Replied)
    first, second, third = (int.from_bytes(status.data[at : at + 16], "little") for at in (0, 16, 32))
    assert (second, third) == (first - 2**61, first)


@pytest.mark.checklist("prod.hypervisor.get_balance_twice", "prod.hypervisor.can_accept_zero_cycles")
def test_the_balance_does_not_move_within_a_message():
    stage, a = canisters(1, 2**62)
    both = concat(bytes_(ic0.canister_cycle_balance128()), bytes_(ic0.msg_cycles_accept128(0)))
    books = Books(stage, a)
    status = stage.call(a, "update", program(append_to_slot(0, both), append_to_slot(0, both), reply(slot(0))))
    assert isinstance(status, Replied)
    assert status.data[:16] == status.data[32:48]
    assert status.data[16:32] == status.data[48:] == bytes(16)
    assert books.spent(a) == books.executing(a)
