"""The comparison itself: an engine that differs in one thing is found out."""

import pytest
import wasmtime
from attrs import evolve
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import RELAY_REPLY, call, ignore, program, reply
from properties.agreement import worlds
from properties.agreement.generated import play
from properties.agreement.lockstep import Disagreement
from properties.agreement.modules import Differ
from properties.agreement.stage import NO_VALUES, Stage
from reference_impl.subnet.ledger import Ledger
from reference_impl.subnet.queues import MessageQueues
from reference_impl.wasm.rewriting import code_rewriting
from reference_impl.wasm.running.module import WasmtimeModule
from spec.profile import load_profile
from spec.state.message import ResponseMessage
from spec.values.management import UpgradeMode

FEW = settings(
    max_examples=5,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
    phases=[Phase.generate],
)
I32_ADD = 0x6A


def adding_module(number: int) -> bytes:
    """A module that no other test uses, since compiled modules are kept."""
    text = f"(drop (i32.add (i32.const {number}) (i32.const 1)))"
    return bytes(wasmtime.wat2wasm(f'(module (func (export "canister_update go") {text}))'))


def messages_between_two(stage: Stage) -> None:
    """One canister calls another twice with cycles, of which half are accepted."""
    caller, callee = (stage.installed(load("scripted")) for _ in range(2))
    taking = program(ignore(ic0.msg_cycles_accept128(500)), reply(b"taken"))
    calls = [call(callee, "update", taking, cycles=1000, on_reply=RELAY_REPLY) for _ in range(2)]
    stage.call(caller, "update", program(*calls))


WRITING = bytes(
    wasmtime.wat2wasm(
        '(module (memory 1) (func (export "canister_update write") (i32.store (i32.const 8) (i32.const 42))))'
    )
)
"""Has no code that runs in an upgrade."""


def an_upgrade_that_drops_the_heap(stage: Stage) -> None:
    canister_id = stage.installed(WRITING)
    stage.call(canister_id, "write", b"")
    stage.install(canister_id, WRITING, UpgradeMode())


def test_without_a_difference_nothing_is_found():
    stage = Stage()
    messages_between_two(stage)
    an_upgrade_that_drops_the_heap(stage)
    play(adding_module(1), load_profile())


def test_a_weight_that_is_off_by_one_is_found(monkeypatch):
    true_weights = code_rewriting.weights_of_bytes

    def weights(is_64_bit):
        return [weight + (byte == I32_ADD) for byte, weight in enumerate(true_weights(is_64_bit))]

    monkeypatch.setattr(code_rewriting, "weights_of_bytes", weights)
    with pytest.raises(Differ, match="instructions_used"):
        play(adding_module(2), load_profile())


def test_an_execution_that_costs_one_cycle_more_is_found(monkeypatch):
    charge = Ledger.execution_charge
    monkeypatch.setattr(Ledger, "execution_charge", lambda *arguments: charge(*arguments) + 1)
    stage = Stage()
    with pytest.raises(Disagreement, match="cycles"):
        stage.installed(load("counter"), NO_VALUES)


def test_a_lost_refund_is_found(monkeypatch):
    append = MessageQueues.append

    def losing(queues, message):
        if isinstance(message, ResponseMessage):
            message = evolve(message, refunded_cycles=0)
        return append(queues, message)

    monkeypatch.setattr(MessageQueues, "append", losing)
    with pytest.raises(Disagreement, match="refunded_cycles"):
        messages_between_two(Stage())


def test_responses_in_another_order_are_found(monkeypatch):
    append = MessageQueues.append

    def overtaking(queues, message):
        return queues.prepend(message) if isinstance(message, ResponseMessage) else append(queues, message)

    monkeypatch.setattr(MessageQueues, "append", overtaking)
    with pytest.raises(Disagreement, match=r"messages\[0\]"):
        messages_between_two(Stage())


def test_a_heap_that_an_upgrade_keeps_is_found(monkeypatch):
    upgraded = WasmtimeModule.upgraded_state
    monkeypatch.setattr(WasmtimeModule, "upgraded_state", lambda module, before, _: upgraded(module, before, True))
    with pytest.raises(Disagreement, match="wasm_memory"):
        an_upgrade_that_drops_the_heap(Stage())


def test_random_schedules_find_a_cycle_that_is_charged_too_much(monkeypatch):
    charge = Ledger.execution_charge
    monkeypatch.setattr(Ledger, "execution_charge", lambda *arguments: charge(*arguments) + 1)
    with pytest.raises((Disagreement, BaseExceptionGroup)):
        run_state_machine_as_test(worlds.LockstepMachine, settings=FEW)
