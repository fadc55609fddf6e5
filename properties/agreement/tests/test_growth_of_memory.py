"""Where memory that grows meets the freezing threshold and the limit of the heap, and where it does not."""

import pytest
import wasmtime

from conformance.canisters import ic0
from conformance.canisters.expressions import Action
from conformance.canisters.scripted import (
    bytes_of_u32,
    bytes_of_u64,
    call,
    ignore,
    memory_grow,
    memory_size,
    program,
    reject,
    reply,
    set_global_timer_program,
    set_pre_upgrade,
)
from properties.agreement.stage import Stage
from properties.agreement.tests.books import SCRIPTED, take
from spec.state.request import Rejected, Replied
from spec.values import management
from spec.values.identifiers import CanisterId
from spec.values.quantities import NANOSECONDS_PER_SECOND, WASM_PAGE
from spec.values.rejects import RejectReason

PAGES = 10_000
UPGRADE = management.UpgradeMode()
THRESHOLD = 10**9
BALANCE = 1_400_000_000_000

HEAP_PAGES = 1_000
"""Fewer than by which stable memory grows, since a heap takes time; too many to be paid for all the same."""

HEAP = ignore(memory_grow(HEAP_PAGES))
STABLE = ignore(ic0.stable_grow(PAGES))
STABLE_64 = ignore(ic0.stable64_grow(PAGES))
NOTHING = program(reply())


def changed(stage: Stage, canister: CanisterId, **settings: int) -> None:
    arguments = management.UpdateSettingsArguments(canister, management.SettingsArguments(**settings))
    assert isinstance(stage.manage("update_settings", arguments), Replied)


def reason(status: object) -> RejectReason:
    assert isinstance(status, Rejected), status
    return status.reject.reason


# The freezing threshold.


def poor(threshold: int = THRESHOLD, start: bytes = b"") -> tuple[Stage, CanisterId]:
    """A canister that can pay for what it has for so long, and not for much more."""
    stage = Stage()
    canister = stage.installed(SCRIPTED, start, BALANCE)
    changed(stage, canister, freezing_threshold=threshold)
    return stage, canister


@pytest.mark.parametrize(
    "growing",
    [
        pytest.param(
            STABLE_64,
            marks=pytest.mark.checklist("prod.hypervisor.stable64_grow_checks_freezing_threshold_in_update"),
            id="stable memory",
        ),
        pytest.param(
            HEAP,
            marks=pytest.mark.checklist("prod.hypervisor.memory_grow_checks_freezing_threshold_in_update"),
            id="heap",
        ),
    ],
)
def test_an_update_does_not_grow_into_the_freezing_threshold(growing: Action) -> None:
    stage, canister = poor()
    assert reason(stage.call(canister, "update", program(growing, reply()))) is RejectReason.CANISTER_OUT_OF_CYCLES


@pytest.mark.parametrize(
    "growing",
    [
        pytest.param(
            STABLE,
            marks=pytest.mark.checklist("prod.hypervisor.stable_grow_does_not_check_freezing_threshold_in_query"),
            id="32 bits",
        ),
        pytest.param(
            STABLE_64,
            marks=pytest.mark.checklist("prod.hypervisor.stable64_grow_does_not_check_freezing_threshold_in_query"),
            id="64 bits",
        ),
        pytest.param(
            HEAP,
            marks=pytest.mark.checklist("prod.hypervisor.memory_grow_does_not_check_freezing_threshold_in_query"),
            id="heap",
        ),
    ],
)
def test_a_query_in_replicated_execution_grows_as_it_likes(growing: Action) -> None:
    stage, canister = poor()
    assert reason(stage.call(canister, "query", program(growing))) is RejectReason.CANISTER_DID_NOT_RESPOND


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            reply(),
            marks=pytest.mark.checklist("prod.hypervisor.stable_grow_does_not_check_freezing_threshold_in_reply"),
            id="reply",
        ),
        pytest.param(
            reject(b"no"),
            marks=pytest.mark.checklist("prod.hypervisor.stable_grow_does_not_check_freezing_threshold_in_reject"),
            id="reject",
        ),
    ],
)
def test_a_callback_grows_into_the_freezing_threshold(answer: Action) -> None:
    stage, canister = poor()
    callee = stage.installed(SCRIPTED)
    growing = program(STABLE, reply(bytes_of_u64(ic0.stable64_size())))
    calling = program(call(callee, "update", program(answer), on_reply=growing, on_reject=growing))
    assert stage.call(canister, "update", calling) == Replied(PAGES.to_bytes(8, "little"))
    assert stage.wasm_state(canister).stable_memory.wasm_pages == PAGES


@pytest.mark.checklist("prod.hypervisor.stable_grow_checks_freezing_threshold_in_pre_upgrade")
def test_canister_pre_upgrade_does_not_grow_into_the_freezing_threshold() -> None:
    stage, canister = poor(start=program(set_pre_upgrade(program(STABLE))))
    assert reason(stage.install(canister, SCRIPTED, UPGRADE)) is RejectReason.CANISTER_OUT_OF_CYCLES


def starting_with(grow: str) -> bytes:
    """A module whose start function grows a memory."""
    return bytes(
        wasmtime.wat2wasm(f"""(module (import "ic0" "stable64_grow" (func $stable64_grow (param i64) (result i64)))
            (memory 1) (func $start (drop {grow})) (start $start))""")
    )


@pytest.mark.parametrize(
    "grow",
    [
        pytest.param(
            f"(call $stable64_grow (i64.const {PAGES}))",
            marks=pytest.mark.checklist("prod.hypervisor.stable_grow_checks_freezing_threshold_in_start"),
            id="stable memory",
        ),
        pytest.param(
            f"(memory.grow (i32.const {HEAP_PAGES}))",
            marks=pytest.mark.checklist("prod.hypervisor.memory_grow_checks_freezing_threshold_in_start"),
            id="heap",
        ),
    ],
)
def test_a_start_function_does_not_grow_into_the_freezing_threshold(grow: str) -> None:
    stage, canister = poor()
    assert reason(stage.install(canister, starting_with(grow), UPGRADE)) is RejectReason.CANISTER_OUT_OF_CYCLES


@pytest.mark.parametrize(
    "growing",
    [
        pytest.param(
            STABLE,
            marks=pytest.mark.checklist("prod.hypervisor.stable_grow_checks_freezing_threshold_in_init"),
            id="stable memory",
        ),
        pytest.param(
            HEAP,
            marks=pytest.mark.checklist("prod.hypervisor.memory_grow_checks_freezing_threshold_in_init"),
            id="heap",
        ),
    ],
)
def test_canister_init_does_not_grow_into_the_freezing_threshold(growing: Action) -> None:
    stage = Stage()
    canister = stage.create(10**12)
    changed(stage, canister, freezing_threshold=THRESHOLD)
    status = stage.install(canister, SCRIPTED, argument=program(growing))
    assert reason(status) is RejectReason.CANISTER_OUT_OF_CYCLES


@pytest.mark.checklist(
    "prod.hypervisor.memory_grow_succeeds_in_post_upgrade_if_the_same_amount_is_dropped_after_pre_upgrade"
)
def test_the_heap_that_an_upgrade_drops_does_not_count_beside_the_new_one() -> None:
    of_one_heap = HEAP_PAGES * WASM_PAGE * 317_500 * THRESHOLD // 2**30
    stage = Stage()
    canister = stage.create(of_one_heap * 3 // 2)
    changed(stage, canister, freezing_threshold=THRESHOLD)
    for mode in (management.InstallMode(), UPGRADE):
        assert isinstance(stage.install(canister, SCRIPTED, mode, program(HEAP)), Replied)


@pytest.mark.checklist("prod.hypervisor.call_perform_checks_freezing_threshold_in_update")
def test_an_update_makes_no_call_below_the_freezing_threshold() -> None:
    stage, canister = poor(1_500_000_000, program(ignore(memory_grow(16))))
    refused = reply(b"refused")
    calling = call(canister, "update", NOTHING, on_reply=program(reply(b"made")), if_refused=refused)
    assert stage.call(canister, "update", program(calling)) == Replied(b"refused")
    assert reason(stage.call(canister, "update", program(call(canister, "update")))) is RejectReason.CANISTER_TRAPPED


# The limit of the heap.

FIVE_MEGABYTES = 5 * 10**6
TEN_MEGABYTES = 160
"""In pages, rounded up."""
LARGE = ignore(memory_grow(TEN_MEGABYTES))


def limited() -> tuple[Stage, CanisterId]:
    """A canister whose heap may grow by five megabytes."""
    stage = Stage()
    canister = stage.installed(SCRIPTED)
    changed(stage, canister, wasm_memory_limit=stage.wasm_state(canister).wasm_memory.size + FIVE_MEGABYTES)
    return stage, canister


@pytest.mark.checklist("prod.hypervisor.wasm_memory_limit_is_enforced_in_updates")
def test_an_update_keeps_within_the_limit_of_the_heap() -> None:
    stage, canister = limited()
    assert stage.call(canister, "update", NOTHING) == Replied(b"")
    assert reason(stage.call(canister, "update", program(LARGE, reply()))) is RejectReason.MEMORY_LIMIT_EXCEEDED


def beyond_the_limit() -> tuple[Stage, CanisterId]:
    """A canister whose heap a callback has made larger than its limit."""
    stage, canister = limited()
    growing = program(LARGE, reply(bytes_of_u32(memory_size())))
    calling = program(call(canister, "update", NOTHING, on_reply=growing))
    pages = stage.wasm_state(canister).wasm_memory.wasm_pages + TEN_MEGABYTES
    assert stage.call(canister, "update", calling) == Replied(pages.to_bytes(4, "little"))
    return stage, canister


@pytest.mark.checklist("prod.hypervisor.wasm_memory_limit_is_not_enforced_in_response_callback")
def test_a_callback_grows_beyond_the_limit_of_the_heap() -> None:
    stage, canister = beyond_the_limit()
    size = stage.wasm_state(canister).wasm_memory.size
    assert size > stage.canister(canister).settings.wasm_memory_limit


@pytest.mark.checklist(
    "prod.hypervisor.wasm_memory_limit_is_enforced_at_start_of_update",
    "prod.hypervisor.wasm_memory_limit_zero_means_unlimited",
    "prod.execution_test.set_wasm_memory_limit_to_zero",
)
def test_with_a_heap_beyond_its_limit_every_update_fails_until_there_is_no_limit() -> None:
    stage, canister = beyond_the_limit()
    assert reason(stage.call(canister, "update", NOTHING)) is RejectReason.MEMORY_LIMIT_EXCEEDED
    changed(stage, canister, wasm_memory_limit=0)
    assert stage.call(canister, "update", program(LARGE, reply(b"no limit"))) == Replied(b"no limit")
    status = stage.control("canister_status", canister)
    assert isinstance(status, Replied)
    assert management.decode_canister_status(status.data).settings.wasm_memory_limit == 0


@pytest.mark.checklist("prod.hypervisor.wasm_memory_limit_is_not_enforced_in_timer")
def test_a_timer_grows_beyond_the_limit_of_the_heap() -> None:
    stage, canister = limited()
    before = stage.wasm_state(canister).wasm_memory.wasm_pages
    timed = program(set_global_timer_program(program(LARGE)), ignore(ic0.global_timer_set(1)), reply())
    assert isinstance(stage.call(canister, "update", timed), Replied)
    stage.lockstep.advance(NANOSECONDS_PER_SECOND)
    take(stage, "global_timer_context_creation")
    assert stage.wasm_state(canister).wasm_memory.wasm_pages == before + TEN_MEGABYTES


def declaring(pages: int, hook: str = "") -> bytes:
    """A module with a heap of so many pages."""
    return bytes(wasmtime.wat2wasm(f"(module (memory {pages}) {hook})"))


@pytest.mark.checklist("prod.hypervisor.wasm_memory_limit_is_not_enforced_in_pre_upgrade")
def test_canister_pre_upgrade_grows_beyond_the_limit_of_the_heap() -> None:
    stage = Stage()
    growing = """(func (export "canister_pre_upgrade")
        (if (i32.eq (memory.grow (i32.const 10)) (i32.const -1)) (then unreachable)))"""
    canister = stage.installed(declaring(0, growing))
    changed(stage, canister, wasm_memory_limit=1)
    assert isinstance(stage.install(canister, declaring(0), UPGRADE), Replied)


@pytest.mark.checklist("prod.hypervisor.wasm_memory_limit_is_enforced_with_static_memory_in_init")
def test_a_heap_that_is_declared_beyond_the_limit_is_not_installed() -> None:
    stage = Stage()
    canister = stage.create()
    changed(stage, canister, wasm_memory_limit=1)
    assert reason(stage.install(canister, declaring(10))) is RejectReason.MEMORY_LIMIT_EXCEEDED


@pytest.mark.checklist("prod.hypervisor.wasm_memory_limit_is_enforced_with_static_memory_in_post_upgrade")
def test_a_heap_that_is_declared_beyond_the_limit_is_no_upgrade() -> None:
    stage = Stage()
    canister = stage.installed(declaring(0))
    changed(stage, canister, wasm_memory_limit=1)
    new = declaring(10, '(func (export "canister_post_upgrade"))')
    assert reason(stage.install(canister, new, UPGRADE)) is RejectReason.MEMORY_LIMIT_EXCEEDED
