"""Heartbeats and global timers in rounds, and clocks."""

from spec.state.label import Label
from spec.values.management import CanisterIdArguments


def test_a_heartbeat_beats_once_at_each_time(stage, script):
    canister = stage.create(script(hooks={"heartbeat": lambda entry: entry.returns(number=entry.number + 1)}))
    stage.engine.drain()
    assert stage.number(canister) == 1
    stage.engine.drain()
    assert stage.number(canister) == 1
    stage.engine.advance(10**9)
    stage.engine.drain()
    assert stage.number(canister) == 2


def test_a_timer_fires_once_when_it_is_due(stage, script):
    start = stage.engine.instance.system_time
    canister = stage.create(
        script(
            updates={"set": lambda entry: entry.returns(b"", new_global_timer=start + 10**9)},
            hooks={"global_timer": lambda entry: entry.returns(number=entry.number + 1)},
        )
    )
    stage.call(canister, "set")
    assert (stage.canister(canister).global_timer, stage.number(canister)) == (start + 10**9, 0)
    stage.engine.advance(10**9)
    stage.engine.drain()
    assert (stage.canister(canister).global_timer, stage.number(canister)) == (0, 1)
    stage.engine.advance(10**9)
    stage.engine.drain()
    assert stage.number(canister) == 1


def test_a_timer_that_traps_stays_off(stage, script):
    canister = stage.create(
        script(
            updates={"set": lambda entry: entry.returns(b"", new_global_timer=1)},
            hooks={"global_timer": lambda entry: entry.traps()},
        )
    )
    stage.call(canister, "set")
    assert stage.canister(canister).global_timer == 0


def test_stopped_canisters_run_no_tasks(stage, script):
    canister = stage.create(script(hooks={"heartbeat": lambda entry: entry.returns(number=entry.number + 1)}))
    stage.manage("stop_canister", CanisterIdArguments(canister))
    beats = stage.number(canister)
    stage.engine.advance(10**9)
    stage.engine.drain()
    assert stage.number(canister) == beats
    assert stage.engine.is_quiescent


def test_advancing_moves_all_clocks_to_the_same_time(stage, counter):
    canister = stage.create(counter)
    stage.engine.advance(7)
    assert stage.canister(canister).time == stage.engine.instance.system_time


def test_a_round_goes_on_from_wherever_chosen_transitions_led(stage, script):
    canister = stage.create(script(hooks={"heartbeat": lambda entry: entry.returns(number=entry.number + 1)}))
    stage.engine.drain()
    beat = {"canister_id": canister, "context_id": 77}
    assert stage.engine.take(Label("heartbeat_context_creation", beat)) is None
    assert not stage.engine.is_quiescent
    time = stage.engine.instance.system_time
    stage.engine.advance(0)
    assert stage.number(canister) == 2
    assert stage.engine.instance.system_time == time
    stage.engine.drain()
    assert stage.engine.take(Label("heartbeat_context_creation", {**beat, "context_id": 78})) is None
    pending = stage.engine.instance.messages.pending_function
    assert stage.engine.take(Label("message_execution", {"message_id": pending})) is None
    assert not stage.engine.is_quiescent
    stage.engine.drain()
    assert len(stage.engine.abstract().call_contexts) == 0
