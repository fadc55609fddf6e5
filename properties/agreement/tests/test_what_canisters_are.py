"""What belongs to a canister, who talks to it, and what is its own: the same on both sides."""

import pytest
import wasmtime

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    RELAY_REPLY,
    append_to_slot,
    call,
    concat,
    program,
    reply,
    set_global,
    set_slot,
    slot,
    spin,
    stable_append,
    stable_content,
)
from properties.agreement.stage import ALICE, BOB, Stage
from properties.agreement.tests.books import SCRIPTED, Books, take
from spec.settling import next_label
from spec.state.canister import Code
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import FromCanister, FromUser
from spec.state.request import Rejected, Replied
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, WASM_PAGE
from spec.values.rejects import RejectReason, Reply

MUCH = 10**14
NOTE = program(append_to_slot(0, ic0.msg_caller()), reply())
"""Notes who called."""


def scripted(stage, **given):
    return stage.installed(SCRIPTED, cycles=MUCH, **given)


def settings(stage, canister, sender=ALICE, **given):
    arguments = management.UpdateSettingsArguments(canister, management.SettingsArguments(**given))
    return stage.manage("update_settings", arguments, sender)


# Parts.


@pytest.mark.checklist("seed1.canister-is-code-and-memory", "seed2.two-memories")
def test_a_canister_has_the_module_that_was_installed_and_two_memories_in_pages():
    module = bytes(
        wasmtime.wat2wasm("""(module
        (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
        (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
        (memory 3) (data (i32.const 70000) "heap")
        (func (export "canister_init") (drop (call $grow (i64.const 2)))
          (call $write (i64.const 131000) (i64.const 70000) (i64.const 4))))""")
    )
    stage = Stage()
    canister = stage.installed(module)
    code = stage.canister(canister).code
    heap, stable = LinearMemory(3), LinearMemory(2)
    assert isinstance(code, Code)
    assert code.raw_module == module
    assert code.wasm_state.wasm_memory == heap.with_bytes(70_000, b"heap")
    assert code.wasm_state.stable_memory == stable.with_bytes(131_000, b"heap")
    assert (code.wasm_state.wasm_memory.size, code.wasm_state.stable_memory.size) == (3 * WASM_PAGE, 2 * WASM_PAGE)
    assert code.wasm_state.wasm_memory.page(70_000 // OS_PAGE)[70_000 % OS_PAGE :][:4] == b"heap"


@pytest.mark.checklist("seed2.components", "seed2.os-bookkeeping")
def test_a_canister_has_an_id_messages_for_it_and_of_it_cycles_controllers_and_settings():
    stage = Stage()
    caller, callee = scripted(stage), scripted(stage)
    settings(stage, callee, controllers=List.of(ALICE, BOB), freezing_threshold=77)
    before = stage.canister(caller).balance
    asking = program(call(callee, "update", NOTE, cycles=5_000, on_reply=RELAY_REPLY))
    stage.lockstep.submit(ALICE, caller, "update", asking)
    # The canister calls: one message for the callee, and one call that the system waits for on the caller's behalf.
    take(stage, "initiate_call", "call_context_creation")
    (sent,) = stage.state.messages
    assert isinstance(sent, CallMessage)
    assert (sent.callee, sent.caller.principal, sent.transferred_cycles) == (callee, caller, 5_000)
    ((context_id, context),) = stage.state.call_contexts.items()
    assert context.canister == caller and isinstance(context.origin, FromUser)
    assert isinstance(sent.origin, FromCanister) and sent.origin.calling_context == context_id
    assert stage.canister(caller).balance < before - 5_000
    told = stage.canister(callee).settings
    assert (set(told.controllers), told.freezing_threshold) == ({ALICE, BOB}, 77)


@pytest.mark.checklist("seed2.call-is-two-messages", "seed2.later-delivery")
def test_a_call_is_a_request_to_the_callee_and_a_response_back():
    stage = Stage()
    caller, callee = scripted(stage), scripted(stage)
    seen = []
    asking = program(call(callee, "update", program(reply(b"answer")), on_reply=RELAY_REPLY))
    request_id, _ = stage.lockstep.submit(ALICE, caller, "update", asking)
    while (taken := next_label(stage.state)) is not None:
        assert stage.lockstep.take(taken[0])
        for message in stage.state.messages:
            if isinstance(message, CallMessage | ResponseMessage) and isinstance(message.origin, FromCanister):
                seen.append((type(message), message.origin.maker, message.origin.callee))
    assert list(dict.fromkeys(seen)) == [(CallMessage, caller, callee), (ResponseMessage, caller, callee)]
    assert stage.state.requests[request_id].status == Replied(b"answer")


# Who talks to it.


@pytest.mark.checklist("seed2.communication", "seed2.controllers-kinds", "seed2.system-apis")
def test_users_and_canisters_call_a_canister_and_manage_it():
    stage = Stage()
    canister, other = scripted(stage), scripted(stage)
    settings(stage, canister, controllers=List.of(*sorted((ALICE, other))))
    assert isinstance(stage.call(canister, "update", NOTE), Replied)
    assert isinstance(
        stage.call(other, "update", program(call(canister, "update", NOTE, on_reply=RELAY_REPLY))), Replied
    )
    assert stage.query(canister, "query", program(reply(slot(0)))) == Reply(ALICE + other)
    about = management.encode_arguments(management.CanisterIdArguments(canister))
    stopping = program(call(MANAGEMENT_CANISTER, "stop_canister", about, on_reply=RELAY_REPLY))
    assert isinstance(stage.call(other, "update", stopping), Replied)
    assert isinstance(stage.control("start_canister", canister), Replied)


@pytest.mark.checklist("seed2.freezing-threshold")
def test_a_canister_that_is_low_on_cycles_executes_nothing_until_it_is_topped_up():
    stage = Stage()
    caller, canister = stage.installed(SCRIPTED, cycles=10**22), scripted(stage)
    settings(stage, canister, freezing_threshold=2**50)
    refused = stage.refusal(canister, "update", NOTE)
    assert refused is not None and refused.reason is RejectReason.CANISTER_FROZEN
    asking = program(call(canister, "update", NOTE, on_reply=RELAY_REPLY))
    assert isinstance(stage.call(caller, "update", asking), Rejected)
    about = management.encode_arguments(management.CanisterIdArguments(canister))
    topping = program(call(MANAGEMENT_CANISTER, "deposit_cycles", about, cycles=10**21, on_reply=RELAY_REPLY))
    assert isinstance(stage.call(caller, "update", topping), Replied)
    assert isinstance(stage.call(canister, "update", NOTE), Replied)
    assert isinstance(stage.call(caller, "update", asking), Replied)
    assert stage.query(canister, "query", program(reply(slot(0)))) == Reply(ALICE + caller)


# What is its own.


@pytest.mark.checklist("seed1.isolation", "seed2.actor-state", "seed2.wasm-instance")
def test_canisters_with_one_module_have_memories_of_their_own():
    stage = Stage()
    first, second = scripted(stage), scripted(stage)
    writing = program(set_slot(0, b"mine"), set_global(7), stable_append(b"kept"), reply())
    untouched = stage.canister(second)
    assert isinstance(stage.call(first, "update", writing), Replied)
    assert stage.canister(second) == untouched
    reading = program(reply(concat(slot(0), stable_content())))
    assert stage.query(first, "query", reading) == Reply(b"minekept")
    assert stage.query(second, "query", reading) == Reply(b"")
    assert stage.wasm_state(first).globals != stage.wasm_state(second).globals


@pytest.mark.checklist("seed2.no-direct-balance-change")
def test_whatever_code_writes_its_balance_falls_by_what_executing_costs():
    stage = Stage()
    canister = scripted(stage)
    books = Books(stage, canister)
    lines = (
        set_slot(0, b"\xff" * 16),
        set_global(2**64 - 1),
        stable_append(b"\xff" * 16),
        ic0.certified_data_set(b"\xff" * 16),
        spin(1_000),
        reply(ic0.canister_cycle_balance128()),
    )
    before = stage.canister(canister).balance
    status = stage.call(canister, "update", program(*lines))
    assert isinstance(status, Replied)
    assert int.from_bytes(status.data, "little") < before, "what is set aside for the execution is not in the balance"
    assert books.spent(canister) == books.executing(canister) > 0


@pytest.mark.checklist("seed2.stable-access")
def test_no_instruction_reaches_stable_memory():
    """All of the heap is overwritten by stores and bulk operations; stable memory changes by its function alone."""
    module = bytes(
        wasmtime.wat2wasm("""(module
        (import "ic0" "msg_reply" (func $reply))
        (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
        (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
        (memory 1 1)
        (func (export "canister_init") (drop (call $grow (i64.const 1))))
        (func (export "canister_update heap")
          (memory.fill (i32.const 0) (i32.const 255) (i32.const 65536))
          (memory.copy (i32.const 0) (i32.const 100) (i32.const 65000))
          (i64.store (i32.const 65528) (i64.const -1)) (call $reply))
        (func (export "canister_update stable")
          (call $write (i64.const 0) (i64.const 0) (i64.const 65536)) (call $reply)))""")
    )
    stage = Stage()
    canister = stage.installed(module)
    assert isinstance(stage.call(canister, "heap", b""), Replied)
    assert stage.wasm_state(canister).stable_memory == LinearMemory(1)
    assert isinstance(stage.call(canister, "stable", b""), Replied)
    assert stage.wasm_state(canister).stable_memory == LinearMemory.from_bytes(b"\xff" * WASM_PAGE)
