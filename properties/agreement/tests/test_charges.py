"""What executions and installations are charged: both engines count alike, and as is worked out here."""

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import ModulePair, load_pair, running_canister
from properties.agreement.stage import Stage
from spec.canister.environment import Environment
from spec.canister.outcome import Outcome, Returned, Trapped, TrapReason
from spec.production.errors import ERRORS
from spec.profile import load_profile
from spec.state.request import Rejected, Replied
from spec.values.identifiers import CanisterId
from spec.values.management import UpgradeMode
from spec.values.rejects import RejectReason, Reply

PROFILE = load_profile()
ENVIRONMENT = running_canister(PROFILE)
FIXED = 5_000_000
"""Cycles that every execution costs; one more for each instruction."""
PAGE = 1_000
"""Instructions for a page of 4 KiB that was changed."""
FILL = "(memory.fill (i32.const 0) (i32.const 1) (i32.const 60000))"

IMPORTS = {
    "msg_arg_data_copy": "(param P P P)",
    "msg_reply_data_append": "(param P P)",
    "msg_reply": "",
    "msg_reject": "(param P P)",
    "call_data_append": "(param P P)",
    "debug_print": "(param P P)",
    "performance_counter": "(param i32) (result i64)",
}


def binary(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {text})"))


def loaded(text: str, wide: bool = False) -> ModulePair:
    pointer = "i64" if wide else "i32"
    imports = " ".join(
        f'(import "ic0" "{name}" (func ${name} {kind.replace("P", pointer)}))' for name, kind in IMPORTS.items()
    )
    pair = load_pair(binary(f"{imports} (memory {pointer if wide else ''} 1) {text}"), PROFILE)
    assert pair is not None
    return pair


def update(
    instructions: str, argument: bytes = b"", wide: bool = False, environment: Environment = ENVIRONMENT
) -> Outcome:
    pair = loaded(f'(func (export "canister_update go") {instructions})', wide)
    return pair.update("go", pair.initial_state(), environment, argument)


def limited(limit: int) -> Environment:
    return evolve(ENVIRONMENT, instruction_limit=limit)


# Limits


@pytest.mark.checklist(
    "prod.hypervisor.msg_reject_calls_fail_if_called_with_huge_size",
    "prod.hypervisor.call_data_append_calls_fail_if_called_with_huge_size",
    "prod.hypervisor.msg_reply_data_append_calls_fail_if_called_with_huge_size",
)
@pytest.mark.parametrize("name", ["msg_reject", "call_data_append", "msg_reply_data_append"])
def test_a_huge_size_is_charged_before_it_is_found_to_be_wrong(name: str) -> None:
    huge = update(f"(call ${name} (i32.const 0) (i32.const -1))")
    assert isinstance(huge, Trapped)
    assert huge.reason is TrapReason.SLICE_OVERRUN
    (error,) = ERRORS[RejectReason.SLICE_OVERRUN]
    assert error.name == "CanisterInstructionLimitExceeded"
    tight = update(f"(call ${name} (i32.const 0) (i32.const -1))", environment=limited(4_000_000_000))
    assert isinstance(tight, Trapped)
    assert tight.reason in (TrapReason.SLICE_OVERRUN, TrapReason.OUT_OF_INSTRUCTIONS)


@pytest.mark.checklist("prod.hypervisor.ic0_debug_print_with_large_memory_wasm64")
def test_a_huge_text_to_print_fails_nothing_and_a_long_loop_does() -> None:
    printing = f"(call $debug_print (i64.const 0) (i64.const {2**62}))"
    assert isinstance(update(printing, wide=True), Returned)
    outcome = update(f"{printing} (loop $again (br $again))", wide=True, environment=limited(50_000))
    assert isinstance(outcome, Trapped)
    assert outcome.reason is TrapReason.OUT_OF_INSTRUCTIONS


@pytest.mark.checklist("prod.hypervisor.memory_fill_can_trigger_out_of_instructions")
def test_a_start_function_that_fills_too_much_reaches_the_limit() -> None:
    pair = loaded("(func $fill (memory.fill (i32.const 0) (i32.const 1) (i32.const -1))) (start $fill)")
    outcome = pair.install(b"", limited(4_000_000_000))
    assert isinstance(outcome, Trapped)
    reasons = {TrapReason.OUT_OF_INSTRUCTIONS: RejectReason.INSTRUCTION_LIMIT_EXCEEDED}
    reasons[TrapReason.SLICE_OVERRUN] = RejectReason.SLICE_OVERRUN
    assert ERRORS[reasons[outcome.reason]][0].name == "CanisterInstructionLimitExceeded"


@pytest.mark.checklist("prod.wasmtime_embedder.instruction_limit_traps")
def test_copying_an_argument_may_reach_the_limit() -> None:
    copy = "(call $msg_arg_data_copy (i32.const 0) (i32.const 0) (i32.const 1024))"
    outcome = update(copy, bytes(1_024), environment=limited(1_000))
    assert isinstance(outcome, Trapped)
    assert (outcome.reason, outcome.instructions_used) == (TrapReason.OUT_OF_INSTRUCTIONS, 1_000)


@pytest.mark.checklist("prod.hypervisor.can_use_more_instructions_during_install_code")
def test_an_upgrade_may_do_what_is_too_much_for_a_message() -> None:
    work = FILL * 17
    code = binary(f"""(import "ic0" "msg_reply" (func $reply)) (memory 1)
        (func (export "canister_update go") {work} (call $reply))
        (func (export "canister_pre_upgrade") {work})""")
    stage = Stage(evolve(PROFILE, limits=evolve(PROFILE.limits, message_instructions=1_000_000)))
    canister = stage.installed(code)
    status = stage.call(canister, "go", b"")
    assert isinstance(status, Rejected)
    assert status.reject.reason is RejectReason.INSTRUCTION_LIMIT_EXCEEDED
    assert isinstance(stage.install(canister, code, UpgradeMode()), Replied)


@pytest.mark.checklist("prod.execution_test.large_ipc_call_fails")
def test_two_gibibytes_of_arguments_in_many_calls_reach_the_limit() -> None:
    """Each of 205 calls has 10 MiB, at 50 instructions a byte. Three of them are within the limit."""
    text = f"""(import "ic0" "call_new" (func $new (param {"i32 " * 8})))
        (import "ic0" "call_data_append" (func $append (param i32 i32))) (memory 160)
        (func (export "canister_update go") (local $i i32) (local.set $i (i32.const CALLS))
          (loop $next
            (call $new {"(i32.const 0) " * 8}) (call $append (i32.const 0) (i32.const {10 * 2**20}))
            (br_if $next (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))"""
    limit = 4_000_000_000
    for calls, kind in ((3, Returned), (205, Trapped)):
        pair = load_pair(binary(text.replace("CALLS", str(calls))), PROFILE)
        assert pair is not None
        outcome = pair.update("go", pair.initial_state(), limited(limit))
        assert isinstance(outcome, kind)
    assert isinstance(outcome, Trapped)
    assert (outcome.reason, outcome.instructions_used) == (TrapReason.OUT_OF_INSTRUCTIONS, limit)


# Counts


@pytest.mark.checklist("prod.hypervisor.charge_for_dirty_pages")
def test_one_more_changed_page_costs_one_page_more_and_is_forgiven_at_the_limit() -> None:
    def touching(place: int) -> str:
        return f"(i32.store8 (i32.const 0) (i32.const 1)) (i32.store8 (i32.const {place}) (i32.const 1))"

    one, two = update(touching(1)), update(touching(4_096))
    assert isinstance(one, Returned)
    assert isinstance(two, Returned)
    assert two.instructions_used - one.instructions_used == PAGE
    short = two.instructions_used - PAGE // 2
    outcome = update(touching(4_096), environment=limited(short))
    assert isinstance(outcome, Returned)
    assert outcome.instructions_used == short


@pytest.mark.checklist("prod.wasmtime_embedder.correctly_report_performance_counter")
def test_the_counter_has_the_whole_block_and_the_calls_up_to_it() -> None:
    """
    The block weighs 37: 1, twice 8 for a look at the counter, 8 for the copy, and 12 for the answer. A look costs 200,
    the copy 500 and a byte each.
    """
    outcome = update(
        """(i64.store (i32.const 8) (call $performance_counter (i32.const 0)))
        (call $msg_arg_data_copy (i32.const 0) (i32.const 0) (i32.const 8))
        (i64.store (i32.const 16) (call $performance_counter (i32.const 0)))
        (call $msg_reply_data_append (i32.const 8) (i32.const 16)) (call $msg_reply)""",
        bytes(8),
    )
    assert isinstance(outcome, Returned)
    assert outcome.response == Reply((237).to_bytes(8, "little") + (237 + 508 + 200).to_bytes(8, "little"))


@pytest.mark.checklist("prod.wasmtime_embedder.wasm_canister_logging_instructions_charging")
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("size", [0, 1, 10, 100, 1_000, 10_000])
def test_printing_costs_52_a_byte_that_fits_into_the_log(size: int, wide: bool) -> None:
    pointer = "i64" if wide else "i32"
    outcome = update(f"(call $debug_print ({pointer}.const 0) ({pointer}.const {size}))", wide=wide)
    assert outcome.instructions_used == 1 + 2 + 5 + 100 + 52 * min(size, 4_096)


@pytest.mark.checklist("prod.wasmtime_embedder.wasm_logging_new_records_after_exceeding_log_size_limit")
def test_of_ten_long_texts_only_the_first_costs_what_goes_into_the_log() -> None:
    outcome = update("(call $debug_print (i32.const 0) (i32.const 10000))" * 10)
    assert len(outcome.logs) == 10
    assert outcome.instructions_used == 1 + 10 * (2 + 5 + 100) + 50 * 4_096 + 10 * 2 * 4_096


# Installations


def compiling(code: bytes) -> int:
    """What compiling takes: 20 million, and 6,000 for each instruction of the module as it will run."""
    pair = load_pair(code, PROFILE)
    assert pair is not None
    instructions = pair.reference.instructions_to_compile
    assert instructions > 20_000_000
    assert (instructions - 20_000_000) % 6_000 == 0
    return instructions


def price(stage: Stage, code: bytes, mode: UpgradeMode | None = None, canister: CanisterId | None = None) -> int:
    """The cycles that an installation costs."""
    target = stage.create() if canister is None else canister
    before = stage.canister(target).balance
    assert isinstance(stage.install(target, code, mode), Replied)
    return before - stage.canister(target).balance


EMPTY = binary("")


@pytest.mark.checklist(
    "prod.hypervisor.install_code_without_canister_init_and_start_succeeds",
    "prod.ee_compilation.execution_tests::compilation_cost_charged_when_state_is_cleared",
    "prod.ee_compilation.state_machine_tests::compilation_cost_charged_after_checkpoint_between_installs",
)
def test_an_empty_module_costs_its_compilation_each_time_that_it_is_installed() -> None:
    stage = Stage()
    assert compiling(EMPTY) == 20_000_000 + 6_000 * 72
    assert [price(stage, EMPTY) for _ in range(2)] == [FIXED + compiling(EMPTY)] * 2


@pytest.mark.checklist("prod.hypervisor.upgrade_without_pre_and_post_upgrade_succeeds")
def test_an_upgrade_without_hooks_costs_its_compilation() -> None:
    stage = Stage()
    canister = stage.create()
    prices = [price(stage, EMPTY, mode, canister=canister) for mode in (None, UpgradeMode())]
    assert sum(prices) == 2 * (FIXED + compiling(EMPTY))


@pytest.mark.checklist("prod.hypervisor.install_code_calls_canister_init_and_start")
def test_start_and_init_cost_a_page_each_if_both_change_one() -> None:
    code = binary("""(memory 1)
        (func $begin (i32.store (i32.const 0) (i32.const 1))) (start $begin)
        (func (export "canister_init") (i32.store (i32.const 4) (i32.const 2)))""")
    assert price(Stage(), code) == FIXED + compiling(code) + 8 + 2 * PAGE
