"""Installing, reinstalling, upgrading and uninstalling code."""

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    RELAY_REPLY,
    append_to_slot,
    bytes_of_u64,
    call,
    concat,
    global_value,
    ignore,
    program,
    reject,
    reply,
    set_global,
    set_pre_upgrade,
    set_slot,
    slot,
    stable_append,
    stable_content,
    trap,
)
from conformance.judging.patterns import fails, refuses, replies, replies_where, replies_with
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.composite import asked
from conformance.suite.scenarios.management_calls import status_of
from conformance.suite.scenarios.preparations import controlled_by, scripted
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.canister_terms import WasmMemoryPersistence
from spec.values.identifiers import Blob
from spec.values.rejects import RejectReason

SCRIPTED = load("scripted")
REINSTALL, UPGRADE = management.ReinstallMode(), management.UpgradeMode()
DONE = replies_with(management.EMPTY_RESULT)

EMPTY_MODULE = bytes.fromhex("0061736d01000000")
"""The smallest WebAssembly module."""


MODULE_IMPORTING_MEMORY = EMPTY_MODULE + b"\x02\x0f\x01\x03foo\x06memory\x02\x00\x00"
"""A module whose memory would be given from outside."""


def module_importing(namespace: Blob, name: Blob) -> Blob:
    """A module that imports a function without parameters and results."""
    entry = bytes([len(namespace)]) + namespace + bytes([len(name)]) + name + b"\x00\x00"
    imports = b"\x01" + entry
    return EMPTY_MODULE + b"\x01\x04\x01\x60\x00\x00" + b"\x02" + bytes([len(imports)]) + imports


@scenario(
    "Installing runs canister_init with the argument, the installer as caller",
    covers=("rule.mgmt.install-code.effects", "rule.mgmt.install-code.env", "entry.init"),
)
def install_runs_init(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    init = program(set_slot(0, concat(ic0.msg_caller(), b" installed ", bytes_of_u64(ic0.canister_version()))))
    stage.expect(stage.install(canister, SCRIPTED, init), DONE)
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies())
    stage.about("canister_status", canister)


@scenario(
    "A canister that has code refuses to have more installed; reinstalling replaces everything",
    covers=("rule.mgmt.install-code.conditions", "error.canister-not-empty", "rule.mgmt.install-code.effects"),
)
def install_twice(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(set_slot(0, b"old heap"), stable_append(b"old stable memory")))
    # When
    again = stage.install(canister, SCRIPTED)
    kept = stage.call(canister, program(reply(slot(0))))
    replaced = stage.install(canister, SCRIPTED, mode=REINSTALL)
    # Then
    stage.expect(again, fails(RejectReason.CANISTER_NOT_EMPTY))
    stage.expect(kept, replies_with(b"old heap"))
    stage.expect(replaced, DONE)
    stage.expect(stage.call(canister, program(reply(concat(slot(0), stable_content())))), replies_with(b""))


@scenario(
    "Bytes that are no module, or not a module that canisters may have, cannot be installed",
    covers=(
        "module.encoding",
        "module.imports",
        "rule.mgmt.install-code.conditions",
        "prod.canister_manager.install_puts_canister_back_after_invalid_wasm",
    ),
)
def bad_modules(stage: Stage) -> None:
    # Given
    canister = stage.create()
    bad = (
        b"",
        b"no module at all",
        EMPTY_MODULE[:-1],
        SCRIPTED[:-10],
        SCRIPTED + b"\xff",
        module_importing(b"ic0", b"no_such_function"),
        module_importing(b"env", b"trap"),
        MODULE_IMPORTING_MEMORY,
    )
    # When
    answers = [stage.install(canister, module) for module in bad]
    # Then
    for answer in answers:
        stage.expect(answer, fails(RejectReason.INVALID_MODULE))
    stage.expect(stage.answer(stage.send(canister, "update", b"")), refuses(RejectReason.CANISTER_HAS_NO_CODE))
    stage.balance(canister)


NOT_IN_INIT = (reply(b"no caller"), reject(b"no caller"), call(b"", "raw_rand", b"DIDL\0\0"))
"""What canister_init may not do."""


@scenario(
    "If canister_init traps, or does what it may not do, nothing is installed",
    covers=(
        "inv.atomic.install-code",
        "entry.init",
        "entry.trap-discards",
        "prod.canister_manager.install_does_not_change_canister_if_init_traps",
    ),
)
def init_traps(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    answer = stage.install(canister, SCRIPTED, program(stable_append(b"lost"), trap(b"no")))
    forbidden = [stage.install(canister, SCRIPTED, program(action)) for action in NOT_IN_INIT]
    # Then
    stage.expect(answer, fails(RejectReason.CANISTER_TRAPPED))
    for each in forbidden:
        stage.expect(each, fails())
    stage.require(status_of(stage, canister).module_hash is None, "nothing is installed")
    stage.expect(stage.answer(stage.send(canister, "update", b"")), refuses(RejectReason.CANISTER_HAS_NO_CODE))
    stage.balance(canister)


@scenario(
    "What the hooks of a failed installation wrote to the log is kept or dropped",
    covers=("unspec.fn.logs", "inv.atomic.install-code", "inv.atomic.upgrade", "mgmt.fetch-canister-logs"),
)
def logs_of_failed_installations(stage: Stage) -> None:
    # Given
    saving = program(ic0.debug_print(b"before"))
    canister = scripted(stage, program(ic0.debug_print(b"installed"), set_pre_upgrade(saving)))
    # When
    failing = program(ic0.debug_print(b"after"), trap(b"no"))
    answer = stage.install(canister, SCRIPTED, failing, UPGRADE)
    stage.expect(stage.call(canister, program(ic0.debug_print(b"goes on"), reply())), replies())
    # Then
    stage.expect(answer, fails(RejectReason.CANISTER_TRAPPED))
    told = asked(stage, canister, "fetch_canister_logs")
    stage.expect(told, replies_where("with the others", lambda data: b"insta" in data and b"goes " in data))
    stage.balance(canister)


@scenario(
    "Memories can grow while code is installed and upgraded, unless the system refuses it",
    covers=("unspec.fn.stable-grow", "entry.init", "entry.pre-upgrade", "entry.post-upgrade", "inv.atomic.upgrade"),
)
def memories_grow_in_hooks(stage: Stage) -> None:
    # Given
    grows = [ignore(ic0.stable64_grow(1)), ignore(ic0.stable64_grow(2))]
    canister = stage.create()
    # When
    installed = stage.install(canister, SCRIPTED, program(*grows, set_pre_upgrade(program(*grows))))
    upgraded = stage.install(canister, SCRIPTED, program(*grows), UPGRADE)
    size = stage.call(canister, program(reply(bytes_of_u64(ic0.stable64_size()))))
    # Then
    stage.expect(installed, DONE)
    stage.expect(upgraded, DONE)
    stage.expect(size, replies_with((9).to_bytes(8, "little")))
    stage.balance(canister)


@scenario(
    "A canister that cannot pay for the installation gets no code",
    covers=("error.install-code-not-enough-cycles", "rule.mgmt.install-code.conditions"),
)
def too_poor_to_install(stage: Stage) -> None:
    # Given
    canister = stage.create(cycles=10**9)
    # When
    answer = stage.install(canister, SCRIPTED)
    # Then
    stage.expect(answer, fails(RejectReason.CANISTER_OUT_OF_CYCLES))
    stage.balance(canister)


@scenario(
    "An upgrade keeps stable memory and clears the heap",
    covers=(
        "rule.mgmt.upgrade.persisted-state",
        "rule.mgmt.upgrade.effects",
        "seed1.upgrade-clears-heap",
        "seed1.heap-and-stable",
        "seed2.upgrade-memories",
    ),
)
def upgrade_clears_heap(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(set_slot(0, b"on the heap"), set_global(9), stable_append(b"in stable memory")))
    # When
    stage.expect(stage.install(canister, SCRIPTED, mode=UPGRADE), DONE)
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))
    stage.expect(stage.call(canister, program(reply(bytes_of_u64(global_value())))), replies_with(bytes(8)))
    stage.expect(stage.call(canister, program(reply(stable_content()))), replies_with(b"in stable memory"))
    stage.about("canister_status", canister)


@scenario(
    "An upgrade runs canister_pre_upgrade of the old code and canister_post_upgrade of the new",
    covers=("entry.pre-upgrade", "entry.post-upgrade", "rule.mgmt.upgrade.pre-upgrade", "seed1.upgrade-transfer"),
)
def upgrade_hooks(stage: Stage) -> None:
    # Given
    saving = program(stable_append(concat(b"saved: ", slot(0))))
    canister = scripted(stage, program(set_slot(0, b"precious"), set_pre_upgrade(saving)))
    # When
    restoring = program(set_slot(1, stable_content()), stable_append(b", restored"))
    stage.expect(stage.install(canister, SCRIPTED, restoring, UPGRADE), DONE)
    # Then
    stage.expect(stage.call(canister, program(reply(slot(1)))), replies_with(b"saved: precious"))
    stage.expect(stage.call(canister, program(reply(stable_content()))), replies_with(b"saved: precious, restored"))


@scenario(
    "If a hook of an upgrade traps, the upgrade is undone",
    covers=("inv.atomic.upgrade", "rule.mgmt.upgrade.pre-upgrade", "rule.mgmt.upgrade.post-upgrade"),
)
def upgrade_traps(stage: Stage) -> None:
    # Given
    trapping = program(stable_append(b"lost"), trap(b"in pre_upgrade"))
    canister = scripted(stage, program(set_slot(0, b"heap"), stable_append(b"stable")))
    # When
    after = stage.install(canister, SCRIPTED, program(stable_append(b"lost"), trap(b"in post_upgrade")), UPGRADE)
    stage.call(canister, program(set_pre_upgrade(trapping), reply()))
    before = stage.install(canister, SCRIPTED, mode=UPGRADE)
    # Then
    for answer in (after, before):
        stage.expect(answer, fails(RejectReason.CANISTER_TRAPPED))
    stage.expect(stage.call(canister, program(reply(concat(slot(0), stable_content())))), replies_with(b"heapstable"))


@scenario(
    "An upgrade can skip canister_pre_upgrade",
    covers=("rule.mgmt.upgrade.pre-upgrade", "mgmt.install-code"),
)
def skip_pre_upgrade(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(set_pre_upgrade(trap(b"never").code), stable_append(b"kept")))
    # When
    answer = stage.install(canister, SCRIPTED, mode=management.UpgradeMode(skip_pre_upgrade=True))
    # Then
    stage.expect(answer, DONE)
    stage.expect(stage.call(canister, program(reply(stable_content()))), replies_with(b"kept"))


@scenario(
    "A canister without code cannot be upgraded",
    covers=("rule.mgmt.upgrade.pre-upgrade", "error.wasm-module-not-found"),
)
def upgrade_of_empty(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    answer = stage.install(canister, SCRIPTED, mode=UPGRADE)
    # Then
    stage.expect(answer, fails(RejectReason.CANISTER_HAS_NO_CODE))


@scenario(
    "A canister with enhanced orthogonal persistence keeps its heap over an upgrade that asks for it",
    covers=("rule.mgmt.upgrade.persistence-options", "rule.mgmt.upgrade.persisted-state"),
)
def upgrade_keeps_heap(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(set_slot(0, b"on the heap")), name="scripted_keep")
    keep = management.UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.KEEP)
    # When
    stage.expect(stage.install(canister, load("scripted_keep"), mode=keep), DONE)
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"on the heap"))


@scenario(
    "Such a canister is not upgraded without a choice, and loses its heap if that is the choice",
    covers=("rule.mgmt.upgrade.persistence-options", "error.missing-upgrade-option"),
)
def upgrade_needs_a_choice(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(set_slot(0, b"on the heap")), name="scripted_keep")
    replace = management.UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.REPLACE)
    # When
    undecided = stage.install(canister, load("scripted_keep"), mode=UPGRADE)
    kept = stage.call(canister, program(reply(slot(0))))
    replaced = stage.install(canister, load("scripted_keep"), mode=replace)
    # Then
    stage.expect(undecided, fails(RejectReason.PERSISTENCE_OPTION_NEEDED))
    stage.expect(kept, replies_with(b"on the heap"))
    stage.expect(replaced, DONE)
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))


@scenario(
    "Keeping the heap needs a module that says it can",
    covers=("rule.mgmt.upgrade.persistence-options", "error.invalid-upgrade-option"),
)
def keep_needs_support(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(set_slot(0, b"on the heap")))
    keep = management.UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.KEEP)
    # When
    answer = stage.install(canister, SCRIPTED, mode=keep)
    # Then
    stage.expect(answer, fails())
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"on the heap"))


@scenario(
    "A callback that arrives after an upgrade runs on the new heap",
    covers=("rule.mgmt.upgrade.effects", "inv.call-perform-zero-one-callback"),
)
def callback_after_upgrade(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    called = stage.send(
        caller,
        "update",
        program(
            append_to_slot(0, b"before"),
            call(callee, "update", program(reply(b"answer")), cycles=1_000, on_reply=RELAY_REPLY),
        ),
    )
    upgraded = stage.send_managed("install_code", management.InstallCodeArguments(UPGRADE, caller, SCRIPTED), caller)
    stage.settle()
    # Then
    stage.expect(stage.answer(upgraded), DONE)
    stage.require(stage.answer(called) is not None, "the call was answered")
    stage.balance(caller)


@scenario(
    "Uninstalling removes code and state, and keeps the cycles",
    covers=("rule.mgmt.uninstall-code", "mgmt.uninstall-code", "prod.pocket_ic.test_uninstall_canister"),
)
def uninstall(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(set_slot(0, b"heap"), stable_append(b"stable")))
    installed = status_of(stage, canister).module_hash
    # When
    arguments = management.UninstallCodeArguments(canister)
    stage.expect(stage.manage("uninstall_code", arguments, canister), DONE)
    # Then
    stage.require((installed is None, status_of(stage, canister).module_hash) == (False, None), "the module is gone")
    stage.expect(stage.answer(stage.send(canister, "update", b"")), refuses(RejectReason.CANISTER_HAS_NO_CODE))
    stage.balance(canister)
    stage.expect(stage.install(canister, SCRIPTED), DONE)
    stage.expect(stage.call(canister, program(reply(concat(slot(0), stable_content())))), replies_with(b""))


@scenario(
    "A canister that controls another one installs code there",
    covers=("rule.mgmt.install-code.conditions", "seed2.controllers-kinds", "def.change-origin"),
)
def canister_installs(stage: Stage) -> None:
    # Given
    parent = scripted(stage)
    child = stage.create(settings=controlled_by(parent))
    # When
    install = management.encode_arguments(
        management.InstallCodeArguments(
            management.InstallMode(), child, SCRIPTED, program(set_slot(0, ic0.msg_caller()))
        )
    )
    answer = stage.call(parent, program(call(b"", "install_code", install, cycles=500, on_reply=RELAY_REPLY)))
    # Then
    stage.expect(answer, DONE)
    stage.expect(stage.call(child, program(reply(slot(0)))), replies_with(parent))
    stage.balance(parent)
