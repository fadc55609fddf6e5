"""Both sides agree on every outcome of an execution that the text leaves open."""

import pytest

from conformance.canisters import ic0
from conformance.canisters import scripted as s
from conformance.canisters.library import load
from conformance.canisters.scripted import call, program, reply
from properties.agreement.lockstep import START
from properties.agreement.stage import ALICE, Stage
from properties.agreement.tests.test_logs import told
from spec.state.label import Label
from spec.state.message import FuncMessage
from spec.state.origin import Deadline, FromCanister
from spec.state.request import Replied

MODULE = load("scripted")


def about_to_run(argument, stage=None, canister=None):
    """A stage on which a canister is about to run a program, and the id of the message."""
    stage = stage or Stage()
    canister = canister or stage.installed(MODULE)
    request_id, _ = stage.lockstep.submit(ALICE, canister, "update", argument)
    assert stage.lockstep.take(Label("initiate_call", {"request_id": request_id}))
    (message_id,) = stage.state.messages.ids()
    assert stage.lockstep.take(Label("call_context_creation", {"message_id": message_id, "context_id": 10_000}))
    return stage, canister, request_id


def execute(stage, **choices):
    """Executes the pending message with these choices; whether they fit."""
    (message_id,) = (one for one, message in stage.state.messages.entries if isinstance(message, FuncMessage))
    return stage.lockstep.take(Label("message_execution", {"message_id": message_id, **choices}))


def contents(stage, canister):
    return [record.content for record in told(stage, canister)]


@pytest.mark.checklist("unspec.fn.logs", "api.trap")
def test_records_of_traps():
    trapping = program(ic0.debug_print(b"before"), ic0.trap(b"why"))
    for choices, log in [
        ({}, [b"before", b"why"]),
        ({"system_records": (b"[TRAP]: why",)}, [b"before", b"[TRAP]: why"]),
        ({"keeps_logs": False}, []),
        ({"keeps_logs": False, "system_records": (b"",)}, [b""]),
    ]:
        stage, canister, _ = about_to_run(trapping)
        assert execute(stage, **choices)
        assert contents(stage, canister) == log


@pytest.mark.checklist("unspec.fn.logs")
def test_records_that_have_no_place_fit_on_neither_side():
    stage, canister, _ = about_to_run(program(ic0.debug_print(b"one"), reply(b"")))
    assert not execute(stage, system_records=(b"mine",))
    assert execute(stage)
    stage, canister, _ = about_to_run(program(ic0.trap(b"why")))
    assert not execute(stage, system_records=(b"mine", None))
    assert not execute(stage, system_records=(bytes(4_097),))
    assert execute(stage, system_records=(bytes(4_000),))
    assert contents(stage, canister) == [bytes(4_000)]


@pytest.mark.checklist("unspec.fn.system-cannot-call-now", "api.call-perform")
def test_calls_that_the_system_refuses_come_back_with_their_cycles():
    stage = Stage()
    canister, other = stage.installed(MODULE), stage.installed(MODULE)
    one = call(other, "update", program(reply(b"")), cycles=1_000, if_refused=s.add_to_counter(1))
    _, _, request_id = about_to_run(program(*[one] * 5, s.reply(s.bytes_of_u64(s.counter(1)))), stage, canister)
    assert execute(stage, refused_calls=(1, 3, 9))
    made = [message for message in stage.state.messages if isinstance(message.origin, FromCanister)]
    assert [message.transferred_cycles for message in made] == [1_000] * 3
    stage.lockstep.settle()
    assert stage.state.requests[request_id].status == Replied((2).to_bytes(8, "little"))


@pytest.mark.checklist("unspec.fn.system-cannot-call-now")
def test_an_execution_all_of_whose_calls_are_refused_goes_on():
    stage, canister, request_id = about_to_run(program(call(b"\0", "go", b"", if_refused=reply(b"alone"))))
    assert execute(stage, refused_calls=(0,))
    stage.lockstep.settle()
    assert stage.state.requests[request_id].status == Replied(b"alone")


@pytest.mark.checklist("api.msg-deadline")
@pytest.mark.parametrize(("in_seconds", "after"), [(False, 5 * 10**9 + 123), (True, 5 * 10**9)])
def test_deadlines_in_nanoseconds_and_in_seconds(in_seconds, after):
    stage = Stage()
    canister = stage.installed(MODULE)
    stage.lockstep.advance(123)
    about_to_run(program(call(canister, "update", program(reply(b"")), timeout_seconds=5), reply(b"")), stage, canister)
    assert execute(stage, deadlines_in_seconds=in_seconds)
    (origin,) = (message.origin for message in stage.state.messages if isinstance(message.origin, FromCanister))
    assert origin.deadline == Deadline(START + after)
    stage.lockstep.settle()
