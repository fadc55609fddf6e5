"""What canisters take of the memory of their subnet, and give back: both engines count the same."""

import pytest
import wasmtime

from properties.agreement.stage import ALICE, Stage
from properties.agreement.tests.test_what_messages_leave import method, task
from spec.production.capacities.room import free_memory, free_message_memory
from spec.state.label import Label
from spec.state.request import Rejected, Replied
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import CanisterId, Principal
from spec.values.management import SettingsArguments, UpdateSettingsArguments, UpgradeMode
from spec.values.quantities import WASM_PAGE, ByteCount

ENTRY = 184
"""What an entry of the history takes that lists no controllers."""
IMPORTS = """(import "ic0" "msg_reply" (func $reply))
    (import "ic0" "trap" (func $trap (param i32 i32)))
    (import "ic0" "global_timer_set" (func $timer (param i64) (result i64)))
    (import "ic0" "stable64_grow" (func $stable (param i64) (result i64)))
    (memory 1)"""
GROWS = "(drop (memory.grow (i32.const 10)))"
GROWS_STABLE = "(drop (call $stable (i64.const 10)))"


def binary(text: str) -> bytes:
    """A module that may grow its memories."""
    return bytes(wasmtime.wat2wasm(f"(module {IMPORTS} {text})"))


def hook(name: str, instructions: str) -> str:
    """A hook of a module."""
    return f'(func (export "canister_{name}") {instructions})'


class Meter:
    """What is taken of the memory of a subnet from some moment on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._free = free_memory(stage.state)
        self._messages = free_message_memory(stage.state)

    def taken(self) -> ByteCount:
        """By how much less is free; the reference implementation counts the same."""
        state, instance = self._stage.state, self._stage.lockstep.engine.instance
        capacity = state.profile.limits.subnet_memory - state.profile.capacities.memory_for_callbacks
        assert capacity - instance.memory_in_use[instance.subnet.subnet_id] == free_memory(state)
        assert free_message_memory(state) == self._messages
        return self._free - free_memory(state)


def usage(stage: Stage, canister: CanisterId) -> ByteCount:
    """What the status of a canister tells."""
    status = stage.control("canister_status", canister)
    assert isinstance(status, Replied)
    return management.decode_canister_status(status.data).memory_size


def ready(text: str) -> tuple[Stage, CanisterId, Meter]:
    """A canister with such a module."""
    stage = Stage()
    canister = stage.installed(binary(text))
    return stage, canister, Meter(stage)


# Executions.


@pytest.mark.checklist("prod.hypervisor.subnet_available_memory_is_updated")
def test_an_update_that_grows_its_heap_takes_memory_even_without_a_reply() -> None:
    stage, canister, meter = ready(method("go", GROWS))
    assert isinstance(stage.call(canister, "go", b""), Rejected)
    assert meter.taken() == 10 * WASM_PAGE


@pytest.mark.checklist("prod.hypervisor.subnet_available_memory_is_updated_in_heartbeat")
def test_a_heartbeat_that_grows_its_heap_takes_memory() -> None:
    stage, canister, meter = ready(hook("heartbeat", GROWS))
    assert task(stage, "heartbeat", canister)
    stage.lockstep.finish_execution()
    assert stage.wasm_state(canister).wasm_memory.wasm_pages == 11
    assert meter.taken() == 10 * WASM_PAGE


@pytest.mark.checklist("prod.hypervisor.subnet_available_memory_is_updated_in_global_timer")
def test_a_timer_that_grows_its_heap_takes_memory() -> None:
    set_timer = method("set", "(drop (call $timer (i64.const 1))) (call $reply)")
    stage, canister, meter = ready(hook("global_timer", GROWS) + set_timer)
    assert isinstance(stage.call(canister, "set", b""), Replied)
    assert task(stage, "global_timer", canister)
    stage.lockstep.finish_execution()
    assert stage.wasm_state(canister).wasm_memory.wasm_pages == 11
    assert meter.taken() == 10 * WASM_PAGE


@pytest.mark.checklist("prod.hypervisor.subnet_available_memory_is_not_updated_in_query")
def test_a_query_method_executed_as_an_update_takes_no_memory() -> None:
    stage, canister, meter = ready(method("go", GROWS + "(call $reply)", "query"))
    assert isinstance(stage.call(canister, "go", b""), Replied)
    assert meter.taken() == 0


@pytest.mark.checklist("prod.hypervisor.subnet_available_memory_does_not_change_after_failed_execution")
def test_an_update_that_traps_gives_back_all_memory() -> None:
    stage, canister, meter = ready(method("go", "(drop (memory.grow (i32.const 1))) unreachable"))
    assert isinstance(stage.call(canister, "go", b""), Rejected)
    assert meter.taken() == 0


# Installations.


@pytest.mark.checklist("prod.hypervisor.subnet_available_memory_is_updated_by_canister_init")
def test_an_installation_takes_what_the_canister_uses_more() -> None:
    stage = Stage()
    canister = stage.create()
    before, meter = usage(stage, canister), Meter(stage)
    assert isinstance(stage.install(canister, binary(hook("init", GROWS))), Replied)
    assert meter.taken() == usage(stage, canister) - before > 10 * WASM_PAGE


@pytest.mark.checklist("prod.hypervisor.subnet_available_memory_is_updated_by_canister_start")
def test_after_an_upgrade_to_the_same_heap_an_entry_of_the_history_is_taken_more() -> None:
    text = f"(func $begin {GROWS}) (start $begin)"
    stage, canister, meter = ready(text)
    assert stage.wasm_state(canister).wasm_memory.wasm_pages == 11
    assert isinstance(stage.install(canister, binary(text), UpgradeMode()), Replied)
    assert stage.wasm_state(canister).wasm_memory.wasm_pages == 11
    assert meter.taken() == ENTRY


@pytest.mark.checklist("prod.hypervisor.subnet_available_memory_is_updated_by_canister_pre_upgrade")
def test_stable_memory_that_grows_in_pre_upgrade_is_taken() -> None:
    text = hook("pre_upgrade", GROWS_STABLE)
    stage, canister, meter = ready(text)
    assert isinstance(stage.install(canister, binary(text), UpgradeMode()), Replied)
    assert meter.taken() == 10 * WASM_PAGE + ENTRY


@pytest.mark.checklist("prod.hypervisor.subnet_available_memory_is_updated_by_canister_post_upgrade")
def test_an_upgrade_takes_the_difference_of_the_heaps() -> None:
    """With a hundredth of the 16,384 and 32,768 pages."""
    old, new = (f"(drop (memory.grow (i32.const {pages})))" for pages in (163, 327))
    stage, canister, meter = ready(hook("init", old))
    assert isinstance(stage.install(canister, binary(hook("post_upgrade", new)), UpgradeMode()), Replied)
    sizes = len(binary(hook("post_upgrade", new))) - len(binary(hook("init", old)))
    assert meter.taken() == (327 - 163) * WASM_PAGE + ENTRY + sizes


# Life.


@pytest.mark.checklist("prod.canister_manager.uninstall_code_on_empty_canister_updates_subnet_available_memory")
def test_uninstalling_an_empty_canister_takes_an_entry_of_the_history() -> None:
    stage = Stage()
    canister = stage.create()
    before, meter = usage(stage, canister), Meter(stage)
    assert isinstance(stage.control("uninstall_code", canister), Replied)
    assert meter.taken() == usage(stage, canister) - before == ENTRY


@pytest.mark.checklist("prod.canister_manager.delete_canister_updates_subnet_available_memory")
@pytest.mark.parametrize("allocation", [0, 6 * 2**30])
def test_a_deleted_canister_gives_back_what_it_used_or_had_allocated(allocation: ByteCount) -> None:
    stage = Stage()
    before = Meter(stage)
    canister = stage.installed(binary(method("go", "(drop (call $stable (i64.const 16384))) (call $reply)")))
    assert isinstance(stage.call(canister, "go", b""), Replied)
    assert isinstance(stage.manage("take_canister_snapshot", management.TakeSnapshotArguments(canister)), Replied)
    settings = SettingsArguments(memory_allocation=allocation)
    assert isinstance(stage.manage("update_settings", UpdateSettingsArguments(canister, settings)), Replied)
    taken = usage(stage, canister)
    assert taken > 2**31
    assert before.taken() == max(taken, allocation)
    assert isinstance(stage.control("stop_canister", canister), Replied)
    assert isinstance(stage.control("delete_canister", canister), Replied)
    assert before.taken() == 0


@pytest.mark.checklist("prod.canister_manager.create_canister_updates_subnet_available_memory_for_memory_allocation")
def test_a_canister_that_is_created_with_an_allocation_takes_just_that() -> None:
    stage = Stage()
    meter = Meter(stage)
    arguments = management.ProvisionalCreateArguments(10**14, SettingsArguments(memory_allocation=10 * 2**30))
    assert isinstance(stage.manage("provisional_create_canister_with_cycles", arguments), Replied)
    assert meter.taken() == 10 * 2**30


@pytest.mark.checklist("prod.canister_history.subnet_available_memory")
def test_the_memory_that_is_taken_is_always_what_the_canister_uses() -> None:
    stage = Stage()
    meter = Meter(stage)
    canister = stage.create()
    module = binary(hook("post_upgrade", GROWS) + method("go", GROWS_STABLE + "(call $reply)"))

    def controllers(count: int) -> None:
        others = tuple(Principal(bytes([number])) for number in range(1, count))
        ids = SettingsArguments(controllers=List.of(*sorted((ALICE, *others))))
        assert isinstance(stage.manage("update_settings", UpdateSettingsArguments(canister, ids)), Replied)
        stage.lockstep.take(Label("canister_history_trimming", {"canister_id": canister, "kept": 20}))

    def still() -> ByteCount:
        used = usage(stage, canister)
        assert meter.taken() == used
        return used

    still()
    assert isinstance(stage.install(canister, module), Replied)
    still()
    taken = stage.manage("take_canister_snapshot", management.TakeSnapshotArguments(canister))
    assert isinstance(taken, Replied)
    (snapshot,) = stage.canister(canister).snapshots.keys()
    still()
    assert isinstance(stage.install(canister, module, UpgradeMode()), Replied)
    still()
    assert isinstance(stage.control("uninstall_code", canister), Replied)
    still()
    assert isinstance(stage.install(canister, module), Replied)
    still()
    load = management.LoadSnapshotArguments(canister, snapshot)
    assert isinstance(stage.manage("load_canister_snapshot", load), Replied)
    sizes = [still()]
    for count in [10] * 20 + [1] * 20:
        controllers(count)
        sizes.append(still())
    assert sizes[20] > sizes[0]
    assert sizes[40] == sizes[20] - 20 * 9 * 30
