"""Rules that random schedules seldom reach, on both sides."""

import pytest

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import RELAY_REPLY, call, ignore, program, recurse_forever, reply
from properties.agreement.stage import ALICE, MUCH, Stage
from spec.machine import enabled
from spec.state.canister import Running, Stopped, Stopping
from spec.state.label import Label
from spec.state.request import Processing, Rejected, Replied
from spec.values import management
from spec.values.candid import Primitive, Record, decode
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.management import SettingsArguments, UpdateSettingsArguments
from spec.values.rejects import RejectCode, RejectReason


def submit(stage, canister_id, method, argument):
    request_id, known = stage.lockstep.submit(ALICE, canister_id, method, argument)
    assert known
    return request_id


def start_call(stage, canister_id, method, argument):
    """The call leaves the request; what can be done about it at once is done, and no more."""
    request_id = submit(stage, canister_id, method, argument)
    message_id = stage.state.messages.next_id
    assert stage.lockstep.take(Label("initiate_call", {"request_id": request_id}))
    about_it = [label for label in enabled(stage.state) if label.arguments().get("message_id") == message_id]
    assert about_it
    assert stage.lockstep.take(about_it[0])
    stage.lockstep.finish_execution()
    return request_id


def start_management(stage, method, canister_id):
    argument = management.encode_arguments(management.CanisterIdArguments(canister_id))
    return start_call(stage, MANAGEMENT_CANISTER, method, argument)


def status(stage, request_id):
    return stage.state.requests[request_id].status


@pytest.fixture
def waiting():
    """A canister with an open call context, since it waits for the answer of another one."""
    stage = Stage()
    caller, callee = (stage.installed(load("scripted")) for _ in range(2))
    request_id = start_call(
        stage, caller, "update", program(call(callee, "update", program(reply(b"late")), on_reply=RELAY_REPLY))
    )
    return stage, caller, request_id


def test_a_second_stop_waits_with_the_first_and_both_are_answered(waiting):
    stage, caller, request_id = waiting
    first = start_management(stage, "stop_canister", caller)
    second = start_management(stage, "stop_canister", caller)
    assert len(stage.canister(caller).status.stop_calls) == 2
    assert stage.lockstep.fired["stop_stopping_canister"] == 1
    stage.lockstep.settle()
    assert stage.canister(caller).status == Stopped()
    assert status(stage, request_id) == Replied(b"late")
    assert all(isinstance(status(stage, one), Replied) for one in (first, second))
    third = start_management(stage, "stop_canister", caller)
    stage.lockstep.settle()
    assert stage.lockstep.fired["stop_stopped_canister"] == 1
    assert isinstance(status(stage, third), Replied)


def test_starting_a_stopping_canister_rejects_the_stops_that_wait(waiting):
    stage, caller, request_id = waiting
    stops = [start_management(stage, "stop_canister", caller) for _ in range(2)]
    start = start_management(stage, "start_canister", caller)
    assert stage.canister(caller).status == Running()
    assert stage.lockstep.fired["start_stopping_canister"] == 1
    stage.lockstep.settle()
    assert isinstance(status(stage, start), Replied)
    for stop in stops:
        assert status(stage, stop).reject.reason == RejectReason.CANISTER_RESTARTED
    assert status(stage, request_id) == Replied(b"late")


def test_a_stop_that_waits_can_be_given_up_by_the_system(waiting):
    stage, caller, _ = waiting
    stop = start_management(stage, "stop_canister", caller)
    (label,) = [one for one in enabled(stage.state, spontaneous=True) if one.rule == "stop_call_rejection"]
    assert stage.lockstep.take(label)
    assert isinstance(stage.canister(caller).status, Stopping)
    stage.lockstep.settle()
    assert isinstance(status(stage, stop), Rejected)


def test_a_call_of_a_canister_whose_code_is_uninstalled_meanwhile_comes_back_to_nobody(waiting):
    stage, caller, request_id = waiting
    arguments = management.encode_arguments(management.UninstallCodeArguments(caller))
    start_call(stage, MANAGEMENT_CANISTER, "uninstall_code", arguments)
    assert status(stage, request_id) == Processing()
    stage.lockstep.settle()
    assert stage.lockstep.fired["callback_of_deleted_context"] == 1
    assert status(stage, request_id).reject.reason == RejectReason.CODE_UNINSTALLED
    assert not len(stage.state.call_contexts)


@pytest.mark.checklist("seed2.actor-create", "seed2.system-apis")
def test_a_canister_creates_another_one_with_its_own_cycles():
    stage = Stage()
    creator = stage.installed(load("scripted"))
    argument = management.encode_arguments(management.CreateCanisterArguments())
    wanted = program(call(MANAGEMENT_CANISTER, "create_canister", argument, cycles=2 * 10**12, on_reply=RELAY_REPLY))
    answer = stage.call(creator, "update", wanted)
    assert isinstance(answer, Replied)
    (created,) = decode([Record({"canister_id": Primitive.PRINCIPAL})], answer.data)
    new = stage.canister(Principal(created["canister_id"]))
    assert new.balance == 2 * 10**12 - 500_000_000_000
    assert new.settings.controllers.items == (creator,)
    assert stage.lockstep.fired["create_canister"] == 1


def frozen(stage, canister_id):
    settings = SettingsArguments(freezing_threshold=2**50)
    stage.manage("update_settings", UpdateSettingsArguments(canister_id, settings))


def stopped(stage, canister_id):
    stage.control("stop_canister", canister_id)


def emptied(stage, canister_id):
    stage.control("uninstall_code", canister_id)


def demanding(stage, canister_id):
    settings = SettingsArguments(minimum_incoming_canister_call_cycles=10**9)
    stage.manage("update_settings", UpdateSettingsArguments(canister_id, settings))


def poor(stage, canister_id):
    settings = SettingsArguments(freezing_threshold=0)
    stage.manage("update_settings", UpdateSettingsArguments(canister_id, settings))
    stage.call(canister_id, "update", program(ignore(ic0.cycles_burn128(2**100)), reply(b"")))


CALLEES = {
    frozen: ("reject_call_to_frozen_canister", RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN),
    stopped: ("reject_call_to_stopped_canister", RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPED),
    emptied: ("reject_call_to_empty_canister", RejectCode.CANISTER_ERROR, RejectReason.CANISTER_HAS_NO_CODE),
    demanding: (
        "reject_call_with_insufficient_cycles",
        RejectCode.CANISTER_ERROR,
        RejectReason.INSUFFICIENT_CYCLES_ATTACHED,
    ),
    poor: ("reject_call_to_canister_out_of_cycles", RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_OUT_OF_CYCLES),
}


@pytest.mark.parametrize("become", CALLEES)
def test_a_call_that_the_callee_cannot_take_is_rejected_and_its_cycles_come_back(become):
    stage = Stage()
    caller, callee = (stage.installed(load("scripted")) for _ in range(2))
    become(stage, callee)
    rule, code, reason = CALLEES[become]
    wanted = program(call(callee, "update", program(reply(b"")), cycles=5 * 10**8))
    start_call(stage, caller, "update", wanted)
    rejection, *_ = [label for label in enabled(stage.state) if label.rule == rule]
    assert stage.lockstep.take(rejection)
    (message,) = stage.state.messages
    assert (message.response.code, message.response.reason) == (code, reason)
    assert message.refunded_cycles == 5 * 10**8
    stage.lockstep.settle()


def test_unbounded_recursion_traps_on_both_sides_at_the_same_count():
    stage = Stage()
    canister_id = stage.installed(load("scripted"))
    before = stage.canister(canister_id).balance
    answer = stage.call(canister_id, "update", program(recurse_forever()))
    assert answer.reject.reason == RejectReason.CANISTER_TRAPPED
    assert 0 < before - stage.canister(canister_id).balance < MUCH // 1000


def test_an_answer_to_a_call_of_another_method_is_refused_by_both():
    stage = Stage()
    argument = management.encode_arguments(management.ProvisionalCreateArguments(amount=1))
    message_id = stage.state.messages.next_id
    request_id = submit(stage, MANAGEMENT_CANISTER, "provisional_create_canister_with_cycles", argument)
    assert stage.lockstep.take(Label("initiate_call", {"request_id": request_id}))
    for rule, choices in (("raw_rand", {"randomness": bytes(32)}), ("bitcoin_get_balance", {"satoshi": 5})):
        assert not stage.lockstep.take(Label(rule, {"message_id": message_id, **choices}))
    stage.lockstep.settle()
    assert isinstance(status(stage, request_id), Replied)


def test_the_cycles_sent_to_a_canister_that_traps_come_back():
    """The context that will not answer gives them all back."""
    stage = Stage()
    caller, callee = (stage.installed(load("scripted")) for _ in range(2))
    tell = program(reply(ic0.msg_cycles_refunded128()))
    sending = call(callee, "update", program(ic0.trap(b"no")), cycles=1_000, on_reject=tell)
    request_id = submit(stage, caller, "update", program(sending))
    stage.lockstep.settle()
    assert stage.lockstep.fired["call_context_starvation"] == 1
    assert status(stage, request_id) == Replied((1_000).to_bytes(16, "little"))
