"""Installing, reinstalling and upgrading: both sides keep and lose the same, and what is said here."""

import pytest
import wasmtime

from properties.agreement.stage import BOB, Stage
from spec.state.canister import Code, Empty
from spec.state.request import Rejected, Replied, RequestStatus
from spec.values import management
from spec.values.canister_terms import WasmMemoryPersistence
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId
from spec.values.management import CanisterInstallMode, ReinstallMode, UpgradeMode
from spec.values.rejects import RejectReason, Reply

IMPORTS = """(import "ic0" "msg_reply" (func $reply))
    (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
    (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
    (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
    (import "ic0" "stable64_read" (func $read (param i64 i64 i64)))
    (import "ic0" "trap" (func $trap (param i32 i32)))
    (memory 1)"""
READ = """(func (export "canister_query read") (call $append (i32.const 0) (i32.const 8)) (call $reply))
    (func (export "canister_query stable")
      (call $read (i64.const 100) (i64.const 0) (i64.const 8)) (call $append (i32.const 100) (i32.const 8))
      (call $reply))
    (func (export "canister_update count") (i32.store (i32.const 0) (i32.add (i32.const 1) (i32.load (i32.const 0))))
      (call $reply))
    (func (export "canister_update save") (call $write (i64.const 0) (i64.const 0) (i64.const 4)) (call $reply))
    (func (export "canister_update letters") (i32.store (i32.const 50) (i32.const 0x64636261))
      (call $write (i64.const 0) (i64.const 50) (i64.const 4)) (call $reply))"""
PAGE = "(drop (call $grow (i64.const 1)))"
TRAP = "(call $trap (i32.const 0) (i32.const 0))"
SPOIL = """(i64.store (i32.const 0) (i64.const -1)) (drop (call $grow (i64.const 1)))
    (call $write (i64.const 0) (i64.const 0) (i64.const 8))"""
"""Overwrites heap and stable memory."""


def hook(name: str, instructions: str) -> str:
    return f'(func (export "canister_{name}") {instructions})'


def starting(instructions: str) -> str:
    return f"(func $begin {instructions}) (start $begin)"


def module(*functions: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {IMPORTS} {READ} {' '.join(functions)})"))


PLAIN = module(hook("init", PAGE))
"""It has a page of stable memory, and its heap counts."""


def number(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


class Life:
    """A canister and what is done with its code."""

    def __init__(self, code: bytes | None = PLAIN) -> None:
        self.stage = Stage()
        self.canister: CanisterId = self.stage.create() if code is None else self.stage.installed(code)

    def change(self, code: bytes, mode: CanisterInstallMode | None = None) -> RequestStatus:
        return self.stage.install(self.canister, code, mode)

    def fails(self, code: bytes, mode: CanisterInstallMode | None, reason: RejectReason) -> None:
        """The change fails for the reason, and changes neither code nor memories."""
        before = self.stage.canister(self.canister).code
        status = self.change(code, mode)
        assert isinstance(status, Rejected)
        assert status.reject.reason is reason
        assert self.stage.canister(self.canister).code == before

    def works(self, code: bytes, mode: CanisterInstallMode | None = None) -> None:
        assert isinstance(self.change(code, mode), Replied)
        installed = self.stage.canister(self.canister).code
        assert isinstance(installed, Code)
        assert installed.raw_module == code

    def calls(self, *methods: str) -> None:
        for method in methods:
            assert isinstance(self.stage.call(self.canister, method, b""), Replied)

    def told(self, method: str = "read") -> bytes:
        answer = self.stage.query(self.canister, method, b"")
        assert isinstance(answer, Reply)
        return answer.data


@pytest.mark.checklist("prod.hypervisor.install_code_calls_canister_init_and_start")
def test_both_the_start_function_and_init_run() -> None:
    first = "(i32.store (i32.const 0) (i32.const 1))"
    life = Life(None)
    life.works(module(starting(first), hook("init", "(i32.store (i32.const 4) (i32.const 2))")))
    assert life.told() == number(1, 2)


@pytest.mark.checklist("prod.hypervisor.upgrade_calls_pre_and_post_upgrade")
def test_of_the_two_hooks_of_an_upgrade_only_the_second_changes_the_new_heap() -> None:
    code = module(
        hook(
            "pre_upgrade",
            f"(i32.store (i32.const 0) (i32.const 1)) {PAGE} (call $write (i64.const 0) (i64.const 0) (i64.const 4))",
        ),
        hook("post_upgrade", "(call $read (i64.const 4) (i64.const 0) (i64.const 4))"),
    )
    life = Life(code)
    life.works(code, UpgradeMode())
    assert life.told() == number(0, 1)


@pytest.mark.checklist("prod.canister_manager.persist_state_to_stable_memory_during_upgrade", "seed1.upgrade-transfer")
def test_the_hooks_carry_the_heap_over_in_stable_memory() -> None:
    code = module(
        hook("pre_upgrade", f"{PAGE} (call $write (i64.const 0) (i64.const 0) (i64.const 4))"),
        hook("post_upgrade", "(call $read (i64.const 0) (i64.const 0) (i64.const 4))"),
    )
    life = Life(code)
    life.calls("count", "count", "count")
    life.works(code, UpgradeMode())
    assert life.told() == number(3, 0)


@pytest.mark.checklist(
    "prod.hypervisor.upgrade_preserves_stable_memory",
    "prod.hypervisor.reinstall_clears_stable_memory",
    "seed1.large-state-in-stable",
)
def test_stable_memory_outlives_upgrades_and_not_a_reinstallation() -> None:
    life = Life()
    life.calls("letters")
    life.works(PLAIN, UpgradeMode())
    assert life.told("stable")[:4] == b"abcd"
    life.works(PLAIN, ReinstallMode())
    assert life.told("stable") == bytes(8)


@pytest.mark.checklist("prod.canister_manager.test_upgrade_preserves_stable_memory")
def test_what_stands_within_stable_memory_outlives_an_upgrade() -> None:
    life = Life(
        module(
            hook("init", f"{PAGE} (call $write (i64.const 42) (i64.const 50) (i64.const 4))"),
            '(data (i32.const 50) "here")',
        )
    )
    life.works(PLAIN, UpgradeMode())
    assert life.stage.wasm_state(life.canister).stable_memory.read(40, 8) == b"\0\0here\0\0"


@pytest.mark.checklist(
    "prod.execution_test.test_canister_upgrade_restart",
    "prod.execution_test.test_canister_stable_memory_upgrade_restart",
)
def test_a_counter_on_the_heap_starts_anew_after_an_upgrade_and_what_was_saved_does_not() -> None:
    life = Life()
    life.calls("count", "save")
    assert life.told() == number(1, 0)
    life.works(PLAIN, UpgradeMode())
    assert life.told() == bytes(8)
    assert life.told("stable") == number(1, 0)


@pytest.mark.checklist("prod.execution_test.test_canister_uninstall_restart")
def test_without_code_there_are_no_queries() -> None:
    life = Life()
    life.stage.control("uninstall_code", life.canister)
    answer = life.stage.query(life.canister, "read", b"")
    assert not isinstance(answer, Reply)
    assert answer.reason is RejectReason.CANISTER_HAS_NO_CODE


# What fails


@pytest.mark.checklist(
    "prod.hypervisor.changes_to_stable_memory_in_canister_init_are_rolled_back_on_failure",
)
@pytest.mark.parametrize("end", [TRAP, "unreachable"])
def test_a_canister_stays_empty_if_its_installation_traps(end: str) -> None:
    life = Life(None)
    life.fails(module(hook("init", SPOIL + end)), None, RejectReason.CANISTER_TRAPPED)
    life.fails(module(starting("unreachable")), None, RejectReason.CANISTER_TRAPPED)
    assert isinstance(life.stage.canister(life.canister).code, Empty)


@pytest.mark.checklist(
    "prod.hypervisor.changes_to_stable_memory_in_canister_pre_upgrade_are_rolled_back_on_failure",
    "prod.canister_manager.trap_during_pre_upgrade",
    "prod.upgrade.upgrade_fails_on_short_pre_upgrade_trap",
)
@pytest.mark.parametrize("end", [TRAP, "unreachable"])
def test_a_trap_before_an_upgrade_leaves_both_memories_as_they_were(end: str) -> None:
    life = Life(module(hook("init", PAGE), hook("pre_upgrade", SPOIL + end)))
    life.calls("count")
    life.fails(PLAIN, UpgradeMode(), RejectReason.CANISTER_TRAPPED)
    assert life.told() == number(1, 0)
    assert life.told("stable") == bytes(8)


@pytest.mark.checklist(
    "prod.canister_manager.trap_during_post_upgrade",
    "prod.upgrade.upgrade_fails_on_short_start_trap",
    "prod.upgrade.upgrade_fails_on_short_post_upgrade_trap",
)
@pytest.mark.parametrize("end", [TRAP, "unreachable"])
def test_a_trap_after_an_upgrade_undoes_what_was_done_before_it_too(end: str) -> None:
    life = Life(module(hook("init", PAGE), hook("pre_upgrade", SPOIL)))
    life.calls("count")
    life.fails(module(hook("post_upgrade", SPOIL + end)), UpgradeMode(), RejectReason.CANISTER_TRAPPED)
    life.fails(module(starting("unreachable")), UpgradeMode(), RejectReason.CANISTER_TRAPPED)
    assert life.told() == number(1, 0)
    assert life.told("stable") == bytes(8)


@pytest.mark.checklist(
    "prod.canister_manager.trap_during_reinstall", "prod.canister_manager.set_heap_and_stable_memory_during_reinstall"
)
def test_a_reinstallation_sets_both_memories_or_leaves_them_as_they_were() -> None:
    life = Life()
    life.calls("count")
    life.fails(module(hook("init", SPOIL + TRAP)), ReinstallMode(), RejectReason.CANISTER_TRAPPED)
    assert life.told() == number(1, 0)
    assert life.told("stable") == bytes(8)
    life.works(module(hook("init", SPOIL)), ReinstallMode())
    assert life.told() == life.told("stable") == b"\xff" * 8


@pytest.mark.checklist(
    "prod.hypervisor.upgrade_with_skip_pre_upgrade_preserves_stable_memory",
    "prod.canister_manager.test_upgrade_with_skip_pre_upgrade_preserves_stable_memory",
    "prod.upgrade.test_pre_upgrade_execution_with_canister_install_mode_v2",
)
@pytest.mark.parametrize("end", [TRAP, "unreachable"])
def test_a_hook_that_always_traps_can_be_skipped(end: str) -> None:
    code = module(hook("init", PAGE), hook("pre_upgrade", end))
    life = Life(code)
    life.calls("letters")
    for mode in (UpgradeMode(), UpgradeMode(False, WasmMemoryPersistence.REPLACE)):
        life.fails(code, mode, RejectReason.CANISTER_TRAPPED)
        assert life.told("stable")[:4] == b"abcd"
    life.works(code, UpgradeMode(skip_pre_upgrade=True))
    assert life.told("stable")[:4] == b"abcd"


@pytest.mark.checklist(
    "prod.canister_manager.upgrade_canister_with_no_wasm_fails", "prod.upgrade.upgrade_fails_on_no_execution_state"
)
def test_a_canister_without_code_is_not_upgraded() -> None:
    Life(None).fails(PLAIN, UpgradeMode(), RejectReason.CANISTER_HAS_NO_CODE)


@pytest.mark.checklist("prod.upgrade.upgrade_fails_on_invalid_new_canister")
def test_nothing_is_no_module_to_upgrade_to() -> None:
    Life().fails(b"", UpgradeMode(), RejectReason.INVALID_MODULE)


@pytest.mark.checklist("prod.upgrade.upgrade_fails_on_invalid_input")
def test_who_does_not_control_a_canister_does_not_upgrade_it() -> None:
    life = Life()
    arguments = management.InstallCodeArguments(UpgradeMode(), life.canister, PLAIN, b"")
    before = life.stage.canister(life.canister)
    refused = life.stage.refusal(MANAGEMENT_CANISTER, "install_code", management.encode_arguments(arguments), BOB)
    assert refused is not None
    assert refused.reason is RejectReason.NOT_AUTHORIZED
    assert life.stage.canister(life.canister) == before


# What works


@pytest.mark.checklist(
    "prod.upgrade.upgrade_ok_with_no_pre_upgrade",
    "prod.upgrade.upgrade_ok_with_no_start",
    "prod.upgrade.upgrade_ok_with_short_start",
    "prod.upgrade.upgrade_with_skip_pre_upgrade_ok_with_no_pre_upgrade",
    "prod.upgrade.test_install_and_reinstall_with_canister_install_mode_v2",
)
def test_an_upgrade_needs_no_hooks_and_runs_the_start_function_if_there_is_one() -> None:
    life = Life(None)
    life.works(PLAIN)
    life.works(PLAIN, ReinstallMode())
    for mode in (UpgradeMode(), UpgradeMode(skip_pre_upgrade=True)):
        life.works(module(), mode)
        assert life.told() == bytes(8)
        life.works(module(starting("(i32.store (i32.const 0) (i32.const 1))")), mode)
        assert life.told() == number(1, 0)


# Enhanced orthogonal persistence

ASKS = b"icp:private enhanced-orthogonal-persistence"
KEEP = UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.KEEP)
LARGE = bytes(
    wasmtime.wat2wasm("""(module (memory 140)
        (func (export "canister_init") (i32.store (i32.const 8500000) (i32.const 1234))
          (i32.store (i32.const 9000000) (i32.const 5678))))""")
)


def keeping(code: bytes) -> bytes:
    return code + bytes([0, len(ASKS) + 1, len(ASKS)]) + ASKS


@pytest.mark.checklist("prod.canister_manager.test_enhanced_orthogonal_persistence_upgrade_preserves_main_memory")
def test_the_heap_is_kept_on_request() -> None:
    life = Life(keeping(LARGE))
    life.works(keeping(LARGE), KEEP)
    heap = life.stage.wasm_state(life.canister).wasm_memory
    assert heap.read(8_500_000, 4) + heap.read(9_000_000, 4) == number(1234, 5678)


@pytest.mark.checklist(
    "prod.canister_manager.fails_with_missing_main_memory_option_for_enhanced_orthogonal_persistence",
    "prod.canister_manager.fails_with_missing_upgrade_option_for_enhanced_orthogonal_persistence",
    "prod.canister_manager.test_invalid_wasm_with_enhanced_orthogonal_persistence",
)
def test_such_an_upgrade_needs_a_choice_and_a_valid_module() -> None:
    life = Life(keeping(LARGE))
    for undecided in (UpgradeMode(), UpgradeMode(skip_pre_upgrade=True)):
        life.fails(keeping(LARGE), undecided, RejectReason.PERSISTENCE_OPTION_NEEDED)
    life.fails(keeping(LARGE[:-1]), KEEP, RejectReason.INVALID_MODULE)


# Logs


def printing(label: str, *hooks: str) -> bytes:
    """A module that prints in its functions: the function's name and the label."""
    names = ("start", *hooks, "update")
    texts = [f"{name}_{label}" for name in names]
    functions = "".join(
        f"""(data (i32.const {100 * index}) "{text}")
        (func ${names[index]} (call $print (i32.const {100 * index}) (i32.const {len(text)})))"""
        for index, text in enumerate(texts)
    )
    exports = "".join(f'(export "canister_{name}" (func ${name}))' for name in hooks)
    return bytes(
        wasmtime.wat2wasm(f"""(module (import "ic0" "debug_print" (func $print (param i32 i32))) (memory 1)
        {functions} {exports} (start $start) (export "canister_update go" (func $update)))""")
    )


@pytest.mark.checklist("prod.canister_logging.test_logging_debug_print_persists_over_upgrade")
def test_the_log_goes_on_over_an_upgrade() -> None:
    life = Life(printing("1", "init", "pre_upgrade"))
    life.stage.call(life.canister, "go", b"")
    life.works(printing("2", "post_upgrade"), UpgradeMode())
    life.stage.call(life.canister, "go", b"")
    texts = ("start_1", "init_1", "update_1", "pre_upgrade_1", "start_2", "post_upgrade_2", "update_2")
    assert [(one.index, one.content.decode()) for one in life.stage.canister(life.canister).logs] == list(
        enumerate(texts)
    )
