"""What runs straight away does what it does when it is taken step by step, and waits where it cannot run."""

import pytest

from reference_impl.rounds.scheduler import Scheduler
from spec.state.message import CallbackInvocation, FuncMessage, PublicMethod
from spec.values.rejects import RejectReason


def asks(callee):
    return lambda entry: entry.returns(calls=[entry.call(callee, "answer", entry.argument)])


def relays(entry):
    return entry.returns(entry.response.data)


def answers(entry):
    return entry.returns(b"answer")


class Lacking:
    """A function for which this machine has no memory at first."""

    def __init__(self, function):
        self.function = function
        self.is_lacking = True

    def __call__(self, entry):
        if self.is_lacking:
            self.is_lacking = False
            raise MemoryError("this machine has too little memory")
        return self.function(entry)


def functions(stage):
    return [each for each in stage.engine.abstract().messages if isinstance(each, FuncMessage)]


@pytest.mark.parametrize("others", [0, 2])
def test_a_method_that_cannot_be_run_now_is_pending_and_runs_in_the_next_round(stage, script, others):
    canister = stage.create(script(updates={"go": Lacking(answers), "answer": answers}))
    request = stage.start(canister, "go", b"argument")
    for number in range(others):
        stage.start(canister, "answer", bytes([number]))
    with pytest.raises(MemoryError):
        stage.engine.round()
    (function,) = functions(stage)
    assert function.entry_point == PublicMethod("go", b"argument")
    stage.engine.drain()
    assert stage.answer(request) == b"answer"


def test_a_callback_that_cannot_be_run_now_is_pending_and_runs_in_the_next_round(stage, script):
    callee = stage.create(script(updates={"answer": answers}))
    caller = stage.create(script(updates={"go": asks(callee)}, callbacks={1: Lacking(relays)}))
    request = stage.start(caller, "go")
    with pytest.raises(MemoryError):
        stage.engine.drain()
    (function,) = functions(stage)
    assert isinstance(function.entry_point, CallbackInvocation)
    stage.engine.drain()
    assert stage.answer(request) == b"answer"


def run_alone(stage, script):
    """One request after another, each all there is to do; the steps and the state in the end."""
    callee = stage.create(script(updates={"answer": answers}))
    spoiled = script(
        updates={"go": asks(callee), "trap": lambda entry: entry.traps("planned"), "answer": answers},
        queries={"look": lambda entry: entry.returns(b"seen")},
        callbacks={1: relays},
    )
    caller = stage.create(spoiled)
    empty = stage.create()
    poor = stage.create(spoiled, cycles=10**12)
    told = [
        stage.call(*asked)
        for asked in ((caller, "go"), (caller, "trap"), (caller, "look"), (caller, "none"), (poor, "answer"))
    ]
    told.append(stage.submit(empty, "go").reject.reason)
    return told, stage.engine.explain(), stage.engine.abstract()


def test_a_request_that_is_taken_at_once_leaves_the_same_as_one_that_waits(new_stage, script, monkeypatch):
    taken = []
    at_once = Scheduler._take_request_at_once

    def noted(scheduler, request_id):
        taken.append(at_once(scheduler, request_id))
        return taken[-1]

    monkeypatch.setattr(Scheduler, "_take_request_at_once", noted)
    told, steps, state = run_alone(new_stage(), script)
    assert taken.count(True) >= 4
    assert told[0] == b"answer"
    assert told[-1] is RejectReason.CANISTER_HAS_NO_CODE
    monkeypatch.setattr(Scheduler, "_take_request_at_once", lambda scheduler, request_id: False)
    other_told, other_steps, other_state = run_alone(new_stage(), script)
    assert other_told == told
    assert other_steps == steps
    assert other_state == state
