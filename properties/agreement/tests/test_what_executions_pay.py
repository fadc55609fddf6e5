"""What executions take from a balance, and what they leave alone."""

import random

import pytest
import wasmtime
from attrs import evolve

from conformance.canisters.scripted import (
    accept_cycles,
    call,
    ignore,
    memory_grow,
    memory_read,
    memory_write,
    program,
    reply,
)
from properties.agreement.modules import load_pair, running_canister
from properties.agreement.stage import ALICE, Stage
from properties.agreement.tests.books import SCRIPTED, Books, fee_of_update, reply_fee, take
from spec.canister.outcome import Returned
from spec.profile import load_profile
from spec.rules.resources import freezing_limit, idle_cycles_burned_per_day, size_of_snapshot
from spec.state.request import Rejected, Replied
from spec.transition import BurnReason
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.quantities import SECONDS_PER_DAY, WASM_PAGE
from spec.values.rejects import RejectCode, RejectReason

PROFILE = load_profile()
BASE_OF_SNAPSHOT = 2_000_000_000


@pytest.mark.checklist("prod.ee_tests.ingress_deducts_execution_cost_from_canister_balance")
def test_a_request_that_is_answered_costs_its_execution():
    stage = Stage()
    canister = stage.installed(SCRIPTED)
    books = Books(stage, canister)
    assert stage.call(canister, "update", program(reply(b"MONOLORD"))) == Replied(b"MONOLORD")
    assert books.spent(canister) == books.executing(canister) > 1_000


@pytest.mark.checklist(
    "prod.cam.withdraw_execution_cycles_consumes_cycles", "prod.cam.withdraw_for_transfer_does_not_consume_cycles"
)
def test_executions_and_transmission_are_burned_and_what_is_sent_is_not():
    stage = Stage()
    a, b = (stage.installed(SCRIPTED) for _ in range(2))
    books = Books(stage, a, b)
    accepting = program(accept_cycles(10**9), reply())
    stage.call(a, "update", program(call(b, "update", accepting, cycles=10**10, on_reply=program(reply()))))
    burned = sum(books.burned(reason) for reason in BurnReason)
    assert burned == books.executing(a) + books.executing(b) + fee_of_update(accepting) + reply_fee(b"")
    assert books.spent(a) + books.spent(b) == burned


@pytest.mark.checklist("prod.cam.consume_cycles_for_execution_does_not_drain_reserved_balance")
def test_an_execution_leaves_the_reserved_balance_alone():
    stage = Stage()
    canister = stage.installed(SCRIPTED, cycles=10**17)
    other = stage.create(10**18)
    for one, memory in ((other, 10**12), (canister, 10**10)):
        settings = management.SettingsArguments(reserved_cycles_limit=10**18, memory_allocation=memory)
        assert isinstance(stage.manage("update_settings", management.UpdateSettingsArguments(one, settings)), Replied)
    reserved = stage.canister(canister).reserved_balance
    books = Books(stage, canister)
    stage.call(canister, "update", program(reply()))
    assert stage.canister(canister).reserved_balance == reserved > 0
    assert books.spent(canister) == books.executing(canister)


@pytest.mark.checklist("prod.ee_canister_task.global_timer_produces_transient_error_on_out_of_cycles")
def test_without_cycles_nothing_is_installed_and_the_error_is_transient():
    stage = Stage()
    arguments = management.InstallCodeArguments(management.InstallMode(), stage.create(0), SCRIPTED)
    refused = stage.refusal(MANAGEMENT_CANISTER, "install_code", management.encode_arguments(arguments))
    assert refused is not None and refused.code is RejectCode.SYS_TRANSIENT


@pytest.mark.checklist("prod.ee_canister_snapshots.take_canister_snapshot_fails_when_canister_would_be_frozen")
def test_a_snapshot_that_would_freeze_its_canister_is_not_taken():
    stage = Stage()
    canister = stage.installed(SCRIPTED)
    price = BASE_OF_SNAPSHOT + snapshot_size(stage)
    before = stage.canister(canister)
    idle = idle_cycles_burned_per_day(PROFILE, before)
    threshold = (before.balance - price - 1_000) * SECONDS_PER_DAY // idle
    settings = management.SettingsArguments(freezing_threshold=threshold)
    stage.manage("update_settings", management.UpdateSettingsArguments(canister, settings))
    spare = before.balance - freezing_limit(PROFILE, stage.canister(canister)) - price
    assert 1_000 <= spare < 1_000 + idle // SECONDS_PER_DAY + 2
    status = stage.manage("take_canister_snapshot", management.TakeSnapshotArguments(canister))
    assert isinstance(status, Rejected)
    assert status.reject.reason is RejectReason.CANISTER_OUT_OF_CYCLES
    assert stage.canister(canister).snapshots.keys() == []


def snapshot_size(stage):
    """Of a snapshot of a scripted canister that has done nothing."""
    other = stage.installed(SCRIPTED)
    stage.manage("take_canister_snapshot", management.TakeSnapshotArguments(other))
    ((_, one),) = stage.canister(other).snapshots.items()
    return size_of_snapshot(one)


@pytest.mark.checklist("prod.ee_canister_snapshots.load_canister_snapshot_charges_canister_cycles")
def test_loading_a_snapshot_costs_more_than_copying_it():
    stage = Stage()
    canister = stage.installed(SCRIPTED)
    stage.manage("take_canister_snapshot", management.TakeSnapshotArguments(canister))
    ((name, one),) = stage.canister(canister).snapshots.items()
    books = Books(stage, canister)
    stage.manage("load_canister_snapshot", management.LoadSnapshotArguments(canister, name))
    assert books.spent(canister) > BASE_OF_SNAPSHOT + size_of_snapshot(one)


# Memory over many calls.


@pytest.mark.checklist("prod.ee_orthogonal_persistence.test_orthogonal_persistence")
def test_the_heap_is_after_every_call_what_was_written_into_it():
    choose = random.Random(5)
    stage = Stage()
    canister = stage.installed(SCRIPTED, program(ignore(memory_grow(32))))
    start = stage.wasm_state(canister).wasm_memory.size - 32 * WASM_PAGE
    expected = bytearray(32 * WASM_PAGE)
    for _ in range(20):
        content = choose.randbytes(choose.randint(1, 127))
        place = choose.randrange(len(expected) - len(content))
        expected[place : place + len(content)] = content
        stage.call(canister, "update", program(memory_write(start + place, content), reply()))
        half = len(expected) // 2
        for part in (0, half):
            read = program(reply(memory_read(start + part, half)))
            assert stage.call(canister, "query", read) == Replied(bytes(expected[part : part + half]))


@pytest.mark.checklist("prod.stable_grow.random_stable_grows")
def test_a_thousand_growths_of_stable_memory_by_any_number_of_pages_never_trap():
    choose = random.Random(7)
    growths = "".join(
        f"(drop (call $grow (i32.const {choose.getrandbits(32)})))"
        if choose.random() < 0.5
        else f"(drop (call $grow64 (i64.const {choose.getrandbits(64)})))"
        for _ in range(1_000)
    )
    text = f"""(module (import "ic0" "stable_grow" (func $grow (param i32) (result i32)))
        (import "ic0" "stable64_grow" (func $grow64 (param i64) (result i64)))
        (import "ic0" "msg_reply" (func $reply))
        (func (export "canister_update go") {growths} (call $reply)))"""
    pair = load_pair(bytes(wasmtime.wat2wasm(text)), PROFILE)
    assert pair is not None
    assert isinstance(pair.update("go", pair.initial_state(), running_canister(PROFILE)), Returned)


@pytest.mark.checklist("prod.canister_manager.check_install_code_in_wasm64_mode_is_charged_correctly")
def test_installing_a_module_with_addresses_of_64_bits_costs_what_the_same_with_32_bits_costs():
    def cost(memory):
        stage = Stage()
        canister = stage.create()
        before = stage.canister(canister).balance
        module = bytes(wasmtime.wat2wasm(f"""(module (memory {memory} 1) (func (export "canister_update go")))"""))
        assert isinstance(stage.install(canister, module), Replied)
        return before - stage.canister(canister).balance

    assert cost("i64") == cost("i32") > 20_000_000


@pytest.mark.checklist("prod.canister_manager.check_update_call_canister_in_wasm64_mode_is_charged_correctly")
def test_an_update_on_a_module_with_wider_addresses_costs_more() -> None:
    def spent(width: str) -> tuple[int, int]:
        stage = Stage()
        text = f"""(module (import "ic0" "msg_reply" (func $reply)) (memory {width} 1)
          (func (export "canister_update go") (local i32)
            (loop $again (br_if $again (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 1000))))
            (call $reply)))"""
        canister = stage.installed(bytes(wasmtime.wat2wasm(text)))
        books = Books(stage, canister)
        assert isinstance(stage.call(canister, "go", b""), Replied)
        (executed,) = books.executions(canister)
        return books.spent(canister), executed.instructions

    (narrow, instructions), (wide, same) = spent("i32"), spent("i64")
    assert instructions == same > 1_000
    assert wide - narrow == instructions, "each instruction costs two cycles in place of one"


def test_a_callback_on_a_module_with_wider_addresses_succeeds_whatever_it_costs() -> None:
    """What is set aside is fixed at the call; as in production no more than that is kept."""
    profile = load_profile()
    few = evolve(profile.limits, message_instructions=10_000_000, inter_canister_payload=1_000)
    stage = Stage(evolve(profile, limits=few))
    text = """(module
      (import "ic0" "call_new" (func $new (param {0} {0} {0} {0} {0} {0} {0} {0})))
      (import "ic0" "call_perform" (func $perform (result i32)))
      (import "ic0" "msg_reply" (func $reply))
      (import "ic0" "canister_self_copy" (func $self (param {0} {0} {0})))
      (memory {0} 14) (data ({0}.const 16) "done")
      (table funcref (elem $works))
      (func $works (param {0}) (local i32)
        (loop $again
          (memory.fill ({0}.const 0) (i32.const 0) ({0}.const 900000))
          (br_if $again (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 10))))
        (call $reply))
      (func (export "canister_update done") (call $reply))
      (func (export "canister_update go")
        (call $self ({0}.const 48) ({0}.const 0) ({0}.const 10))
        (call $new ({0}.const 48) ({0}.const 10) ({0}.const 16) ({0}.const 4)
          ({0}.const 0) ({0}.const 0) ({0}.const 0) ({0}.const 0))
        (drop (call $perform))))"""
    narrow, wide = (bytes(wasmtime.wat2wasm(text.format(width))) for width in ("i32", "i64"))
    canister = stage.installed(narrow)
    assert stage.call(canister, "go", b"") == Replied(b"")
    request_id, _ = stage.lockstep.submit(ALICE, canister, "go", b"")
    assert request_id is not None
    take(stage, "initiate_call")
    take(stage, "call_context_creation")
    arguments = management.InstallCodeArguments(management.UpgradeMode(), canister, wide, b"")
    upgrade = management.encode_arguments(arguments)
    assert stage.lockstep.submit(ALICE, MANAGEMENT_CANISTER, "install_code", upgrade)[1]
    take(stage, "initiate_call")
    take(stage, "upgrade_code")
    stage.lockstep.settle()
    assert stage.state.requests[request_id].status == Replied(b"")
