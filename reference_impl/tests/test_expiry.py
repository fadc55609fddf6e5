"""Bounded-wait calls that take too long."""

import pytest

from reference_impl.subnet.observations import Purpose
from spec.state.canister import Stopping
from spec.values.management import EMPTY_RESULT, CanisterIdArguments, encode_arguments
from spec.values.rejects import RejectCode, RejectReason

SECOND = 10**9


@pytest.fixture
def waiting(stage, script):
    """A canister whose call to another one waits for ten seconds at most; the answers it gets are noted."""
    heard = []

    def note(entry):
        heard.append((entry.response, entry.refunded))
        return entry.returns(b"done")

    callee = stage.create(script(updates={"work": lambda entry: entry.returns(b"late", cycles_accepted=3)}))
    caller = stage.create(
        script(
            updates={
                "go": lambda entry: entry.returns(calls=[entry.call(callee, "work", cycles=10, timeout=10)]),
            },
            callbacks={1: note, 2: note},
        )
    )
    request = stage.start(caller, "go")
    assert stage.take("initiate_call", request_id=request)
    message = stage.engine.instance.messages.next_id - 1
    assert stage.take("call_context_creation", message_id=message, context_id=0)
    assert stage.take("message_execution", message_id=message)
    return stage, request, message + 1, heard


def burned(stage):
    return [pair for step in stage.engine.explain() for pair in step.observed.burned]


def test_a_call_that_did_not_start_in_time_is_dropped_and_its_cycles_come_back(waiting):
    stage, request, message, heard = waiting
    stage.engine.explain()
    total = stage.total_cycles()
    stage.engine.advance(10 * SECOND)
    assert stage.total_cycles() == total
    assert not any(purpose is Purpose.LOST and cycles for purpose, cycles in burned(stage))
    stage.engine.drain()
    (response, refunded) = heard[0]
    assert (response.code, response.reason) == (RejectCode.SYS_UNKNOWN, RejectReason.CALL_TIMED_OUT)
    assert (len(heard), refunded, stage.answer(request)) == (1, 0, b"done")


def test_before_the_deadline_nothing_expires(waiting):
    stage, request, message, heard = waiting
    stage.engine.advance(10 * SECOND - 1)
    stage.engine.drain()
    assert [response.data for response, _ in heard] == [b"late"]


def test_an_expired_call_may_still_run_and_its_response_is_dropped(waiting):
    stage, request, message, heard = waiting
    total = stage.total_cycles()
    assert stage.take("call_expiry_of_message", message_id=message)
    assert stage.total_cycles() == total
    assert not stage.take("call_expiry_of_message", message_id=message)
    stage.engine.drain()
    assert [type(response).__name__ for response, _ in heard] == ["Reject"]
    rules = [step.label.rule for step in stage.engine.explain()]
    assert "drop_expired_message" in rules
    assert stage.engine.is_quiescent and not stage.engine.abstract().messages.ids()


def test_a_response_that_is_not_delivered_in_time_is_dropped(waiting):
    stage, request, message, heard = waiting
    assert stage.take("call_context_creation", message_id=message, context_id=1)
    assert stage.take("message_execution", message_id=message)
    response = message + 1
    assert not stage.take("drop_expired_message", message_id=response)
    assert stage.take("call_expiry_of_message", message_id=response)
    assert not stage.take("callback_invocation", message_id=response)
    assert stage.take("drop_expired_message", message_id=response)
    stage.engine.drain()
    assert [type(one).__name__ for one, _ in heard] == ["Reject"]


def test_a_call_that_is_being_processed_expires_and_keeps_its_context(stage, script):
    """The context in the middle waits for its own call; the one who called it waits no longer."""
    last = stage.create(script(updates={"work": lambda entry: entry.returns(b"deep")}))
    relays = {1: lambda entry: entry.returns(b"late")}
    middle = stage.create(
        script(updates={"work": lambda entry: entry.returns(calls=[entry.call(last, "work")])}, callbacks=relays)
    )
    told = {2: lambda entry: entry.returns(b"told")}
    first = stage.create(
        script(
            updates={"go": lambda entry: entry.returns(calls=[entry.call(middle, "work", cycles=10, timeout=1)])},
            callbacks=told,
        )
    )
    request = stage.start(first, "go")
    stage.take("initiate_call", request_id=request)
    message = stage.engine.instance.messages.next_id - 1
    for number, pending in enumerate((message, message + 1)):
        assert stage.take("call_context_creation", message_id=pending, context_id=number)
        assert stage.take("message_execution", message_id=pending)
    stage.engine.advance(2 * SECOND)
    assert "call_expiry_of_call_context" in [step.label.rule for step in stage.engine.explain()]
    stage.engine.drain()
    assert stage.answer(request) == b"told"
    assert stage.engine.is_quiescent and not list(stage.engine.abstract().call_contexts.keys())


def test_a_call_waits_for_a_canister_to_stop_no_longer_than_five_minutes(stage, script):
    never = stage.create(script(updates={"work": lambda entry: entry.returns()}))
    waits = stage.create(script(updates={"go": lambda entry: entry.returns(calls=[entry.call(never, "work")])}))
    request = stage.start(waits, "go")
    stage.take("initiate_call", request_id=request)
    message = stage.engine.instance.messages.next_id - 1
    stage.take("call_context_creation", message_id=message, context_id=0)
    stage.take("message_execution", message_id=message)
    stop = stage.start(b"", "stop_canister", effective_id=waits, argument=encode_arguments(CanisterIdArguments(waits)))
    stage.take("initiate_call", request_id=stop)
    stage.take("stop_running_canister", message_id=stage.engine.instance.messages.next_id - 1)
    assert isinstance(stage.canister(waits).status, Stopping)
    stage.engine.advance(300 * SECOND - 1)
    assert stage.engine.instance.canisters[waits].status.stop_calls
    stage.engine.advance(1)
    stage.engine.drain()
    assert stage.answer(stop).reason is RejectReason.CALL_TIMED_OUT
    assert stage.manage("stop_canister", CanisterIdArguments(waits)) == EMPTY_RESULT
