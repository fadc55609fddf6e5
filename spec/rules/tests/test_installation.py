"""Code is installed, reinstalled and upgraded."""

import hashlib

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.canister.outcome import TrapReason
from spec.canister.wasm_state import WasmState
from spec.rules.tests.worlds import (
    ADMIN,
    FAKES,
    NOW,
    PROFILE,
    RICH,
    STRANGER,
    SUBNET,
    USER,
    A,
    B,
    C,
    a_context,
    asked,
    canister,
    contexts,
    fire,
    managing,
    module,
    refusal,
    returns,
    traps,
)
from spec.state.canister import Code, Empty, LogRecord, Stopped, Stopping
from spec.state.history import Change, ChangeFromCanister, CodeDeployment, CodeDeploymentMode, recorded
from spec.state.message import ResponseMessage
from spec.transition import Burned, BurnReason, Executed, Step
from spec.values import management
from spec.values.canister_terms import WasmMemoryPersistence
from spec.values.containers import List, Map, Queue
from spec.values.memory import LinearMemory
from spec.values.rejects import RejectCode, RejectReason, Reply, system_reject

INSTALL, UPGRADE = "install_code", "upgrade_code"
PLAIN, AGAIN = management.InstallMode(), management.ReinstallMode()
BUDGET = 300_005_000_000
FIXED = 5_000_000
KEEPING = Map.of([("enhanced-orthogonal-persistence", b"")])


def installing(raw_module, mode=PLAIN, managed=None, caller=USER, argument=b"arg", **changes):
    """A state in which a controller of A has called `install_code`."""
    arguments = management.InstallCodeArguments(mode, A, raw_module, argument, 5)
    given = canister(A, Empty()) if managed is None else managed
    return managing((A, given), call=asked(arguments, caller=caller), **changes)


def filled(raw_module=None, **changes):
    """A canister with code, heap, stable memory, globals and logs."""
    state = WasmState(
        A, LinearMemory.from_bytes(b"heap".ljust(65536)), LinearMemory.from_bytes(bytes(65535) + b"s"), (1,)
    )
    given = {"certified_data": b"old", "global_timer": NOW + 9, "logs": List.of(LogRecord(3, NOW - 1, b"old"))}
    return canister(A, Code(module() if raw_module is None else raw_module, state), **(given | changes))


def reason(state, rule=INSTALL):
    return refusal(state, rule, message_id=0).reject.reason


def deployed(managed, raw_module, mode, **changes):
    """The canister with other code."""
    change = Change(NOW, 8, ChangeFromCanister(USER, 5), CodeDeployment(mode, hashlib.sha256(raw_module).digest()))
    plain = {"version": 8, "installed_at": NOW, "global_timer": 0, "history": recorded(managed.history, change)}
    return evolve(managed, **(plain | changes))


def answered(state):
    response = ResponseMessage(state.messages[0].origin, Reply(management.EMPTY_RESULT), 1_000_000)
    return Queue(((1, response),), 2)


@pytest.mark.checklist(
    "rule.mgmt.install-code.effects",
    "mgmt.install-code",
    "inv.version.history-is-version-after",
    "def.change-origin",
    "prod.canister_manager.install_code_preserves_system_state_and_scheduler_state",
    "prod.canister_manager.cycles_correct_if_install_succeeds",
)
def test_installed_code_starts_with_an_empty_state_and_the_canister_pays():
    raw_module = module(
        gives={"init": returns(2_000, heap=b"new", logs=(b"hello",), cycles_burned=30)}, instructions_to_compile=500
    )
    managed = canister(A, Empty(), certified_data=b"", logs=List.of(LogRecord(3, NOW, b"old")))
    state = installing(raw_module, managed=managed)
    fired = fire(state, INSTALL, message_id=0)
    heap = LinearMemory.from_bytes(b"new".ljust(65536, b"\0"))
    expected = deployed(
        managed,
        raw_module,
        CodeDeploymentMode.INSTALL,
        code=Code(raw_module, WasmState(A, heap)),
        balance=RICH - FIXED - 2_500 - 30,
        logs=List.of(LogRecord(4, NOW, b"hello")),
        next_log_index=5,
    )
    assert fired == Step(
        evolve(state, canisters=state.canisters.set(A, expected), messages=answered(state)),
        outputs=(Executed(A, 2_500, None),),
        burned=(Burned(FIXED + 2_500, BurnReason.EXECUTION), Burned(30, BurnReason.REQUESTED)),
    )


@pytest.mark.checklist(
    "rule.mgmt.install-code.effects",
    "inv.certified-data-size",
    "inv.logs-replicated-only",
    "prod.canister_manager.install_code_preserves_system_state_and_scheduler_state",
)
def test_reinstalled_code_drops_all_memory_certified_data_timer_and_logs_but_no_call_context():
    raw_module, managed = module(), filled(status=Stopping(), chunk_store=Map.of([(b"hash", b"chunk")]))
    open_contexts = contexts(a_context(C), a_context(A))
    state = installing(raw_module, AGAIN, managed, call_contexts=open_contexts)
    fired = fire(state, INSTALL, message_id=0)
    assert fired.state == evolve(
        state,
        canisters=state.canisters.set(
            A,
            deployed(
                managed,
                raw_module,
                CodeDeploymentMode.REINSTALL,
                code=Code(raw_module, WasmState(A)),
                balance=RICH - FIXED,
                certified_data=b"",
                logs=List(),
            ),
        ),
        messages=answered(state),
    )


@pytest.mark.checklist("rule.mgmt.install-code.effects")
def test_certified_data_and_timer_are_those_of_the_init_hook():
    raw_module = module(gives={"init": returns(new_certified_data=b"data", new_global_timer=NOW + 1)})
    after = fire(installing(raw_module), INSTALL, message_id=0).state.canisters[A]
    assert (after.certified_data, after.global_timer) == (b"data", NOW + 1)


@pytest.mark.checklist("rule.mgmt.install-code.env")
def test_the_init_hook_sees_the_canister_as_it_will_be():
    raw_module = module(instructions_to_compile=500)
    managed = filled(status=Stopped(), reserved_balance=4)
    fire(installing(raw_module, AGAIN, managed, argument=b"given"), INSTALL, message_id=0)
    ((name, seen),) = FAKES[raw_module].seen
    environment = seen.pop("environment")
    assert (name, seen) == (
        "init",
        {"wasm_state": WasmState(A), "argument": b"given", "caller": Caller(USER)},
    )
    assert environment == evolve(
        environment,
        time=NOW,
        global_timer=0,
        canister_version=8,
        balance=RICH - BUDGET,
        reserved_balance=4,
        memory_usage_raw_module=len(raw_module),
        memory_usage_canister_history=184,
        certificate=None,
        instruction_limit=PROFILE.limits.install_code_instructions - 500,
    )


@pytest.mark.checklist("rule.mgmt.install-code.conditions", "error.canister-not-empty", "mgmt.install-code")
def test_code_is_installed_into_empty_canisters_only_and_reinstalled_into_any():
    assert reason(installing(module(), PLAIN, filled())) == RejectReason.CANISTER_NOT_EMPTY
    fire(installing(module(), AGAIN, filled()), INSTALL, message_id=0)
    fire(installing(module(), AGAIN), INSTALL, message_id=0)
    for status in (Stopping(), Stopped()):
        fire(installing(module(), PLAIN, canister(A, Empty(), status=status)), INSTALL, message_id=0)


@pytest.mark.checklist(
    "rule.mgmt.install-code.conditions",
    "error.invalid-controller",
    "mgmt-general.subnet-admins",
    "seed2.controllers-only",
)
@pytest.mark.parametrize("caller", [STRANGER, ADMIN, A])
@pytest.mark.parametrize(("rule", "mode"), [(INSTALL, PLAIN), (INSTALL, AGAIN), (UPGRADE, management.UpgradeMode())])
def test_only_controllers_install_code(rule, mode, caller):
    admins = Map.of([(SUBNET.subnet_id, List.of(ADMIN))])
    managed = filled() if rule == UPGRADE else None
    state = installing(module(), mode, managed, caller, subnet_admins=admins)
    assert reason(state, rule) == RejectReason.NOT_AUTHORIZED


MODES = [(INSTALL, PLAIN, "init"), (INSTALL, AGAIN, "init"), (UPGRADE, management.UpgradeMode(), "post_upgrade")]


@pytest.mark.checklist(
    "rule.mgmt.install-code.conditions",
    "rule.mgmt.upgrade.effects",
    "rule.mgmt.upgrade.post-upgrade",
    "inv.atomic.install-code",
    "error.install-code-not-enough-cycles",
    "setting.wasm-memory-limit",
    "inv.cycles.reserved-limit",
    "error.wasm-memory-limit",
    "error.insufficient-cycles-memory-grow",
    "prod.canister_manager.installing_a_canister_with_not_enough_cycles_fails",
    "prod.pocket_ic.test_install_canister_with_no_cycles",
    "prod.hypervisor.wasm_memory_limit_is_enforced_in_init",
)
@pytest.mark.parametrize(("rule", "mode", "hook"), MODES)
@pytest.mark.parametrize(
    ("outcome", "changes", "reject"),
    [
        (traps(message="ouch"), {}, RejectReason.CANISTER_TRAPPED),
        (traps(1, TrapReason.OUT_OF_INSTRUCTIONS), {}, RejectReason.INSTRUCTION_LIMIT_EXCEEDED),
        (returns(), {"balance": BUDGET - 1, "freezing_threshold": 0}, RejectReason.CANISTER_OUT_OF_CYCLES),
        (returns(cycles_burned=RICH), {}, RejectReason.CANISTER_OUT_OF_CYCLES),
        (returns(heap=b"x"), {"wasm_memory_limit": 65535}, RejectReason.MEMORY_LIMIT_EXCEEDED),
    ],
)
def test_what_goes_wrong_in_an_installation_has_a_reason(rule, mode, hook, outcome, changes, reject):
    managed = filled(**changes) if rule == UPGRADE else canister(A, Empty(), **changes)
    assert reason(installing(module(gives={hook: outcome}), mode, managed), rule) == reject


@pytest.mark.checklist("rule.mgmt.install-code.conditions", "rule.mgmt.upgrade.effects")
@pytest.mark.parametrize(("rule", "mode", "hook"), MODES)
def test_the_price_of_the_limit_of_an_installation_is_enough(rule, mode, hook):
    managed = filled() if rule == UPGRADE else canister(A, Empty())
    settings = evolve(managed.settings, freezing_threshold=0)
    managed = evolve(managed, balance=BUDGET, settings=settings)
    gives = {hook: returns(PROFILE.limits.install_code_instructions)}
    after = fire(installing(module(gives=gives), mode, managed), rule, message_id=0).state.canisters[A]
    assert after.balance == 0


@pytest.mark.checklist("rule.mgmt.install-code.conditions", "inv.cycles.reserved-limit")
def test_memory_that_code_takes_on_a_full_subnet_is_reserved_for():
    raw_module = module(gives={"init": returns(heap=b"x")})
    full = (B, canister(B, memory_allocation=10**12))
    state = installing(raw_module)
    state = evolve(state, canisters=state.canisters.set(*full))
    after = fire(state, INSTALL, message_id=0).state.canisters[A]
    assert after.reserved_balance > 1
    assert after.balance + after.reserved_balance == RICH - FIXED - 1_000
    limited = installing(raw_module, managed=canister(A, Empty(), reserved_balance_limit=1))
    limited = evolve(limited, canisters=limited.canisters.set(*full))
    assert reason(limited) == RejectReason.RESERVATION_LIMIT_EXCEEDED


@pytest.mark.checklist(
    "rule.mgmt.install-code.conditions",
    "inv.method-names-disjoint",
    "def.canister-module-functions",
    "unspec.fn.module-parsing",
)
@pytest.mark.parametrize(
    "wat",
    [
        b"no module",
        '(module (func (export "canister_update go")) (func (export "canister_query go")))',
        '(module (func (export "canister_query go")) (func (export "canister_composite_query go")))',
    ],
)
def test_a_module_that_does_not_parse_or_uses_a_name_twice_is_refused(wat):
    import wasmtime

    raw_module = wat if isinstance(wat, bytes) else bytes(wasmtime.wat2wasm(wat))
    assert reason(installing(raw_module)) == RejectReason.INVALID_MODULE
    assert reason(installing(raw_module, management.UpgradeMode(), filled()), UPGRADE) == RejectReason.INVALID_MODULE


@pytest.mark.checklist("rule.mgmt.install-code.conditions", "error.canister-not-found")
def test_code_is_not_installed_into_missing_canisters_or_with_arguments_that_do_not_decode():
    arguments = management.InstallCodeArguments(PLAIN, A, module())
    missing = managing(call=asked(arguments))
    found = refusal(missing, INSTALL, message_id=0)
    assert found.reject == system_reject(RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)
    assert reason(managing(call=asked(b"rubbish", INSTALL))) == RejectReason.INVALID_ARGUMENT


# Upgrades.


def upgrading(new=None, old=None, mode=None, **changes):
    """A state in which the code of A is upgraded, from and to these modules."""
    fitting = management.UpgradeMode() if mode is None else mode
    return installing(module() if new is None else new, fitting, filled(old, **changes))


def upgraded(*arguments, **changes):
    return fire(upgrading(*arguments, **changes), UPGRADE, message_id=0).state.canisters[A]


@pytest.mark.checklist(
    "rule.mgmt.upgrade.effects",
    "rule.mgmt.upgrade.persisted-state",
    "mgmt.install-code",
    "prod.canister_manager.install_code_preserves_system_state_and_scheduler_state",
    "prod.canister_manager.cycles_correct_if_upgrade_succeeds",
)
def test_an_upgrade_keeps_stable_memory_certified_data_and_logs_and_drops_heap_globals_and_timer():
    new, old = module(instructions_to_compile=70), module(gives={"pre_upgrade": returns(1_000, logs=(b"bye",))})
    FAKES[new].gives["post_upgrade"] = returns(2_000, logs=(b"hello",), cycles_burned=9)
    state = upgrading(new, old)
    managed = state.canisters[A]
    fired = fire(state, UPGRADE, message_id=0)
    logs = (*managed.logs, LogRecord(4, NOW, b"bye"), LogRecord(5, NOW, b"hello"))
    stable = managed.code.wasm_state.stable_memory
    expected = deployed(
        managed,
        new,
        CodeDeploymentMode.UPGRADE,
        code=Code(new, WasmState(A, LinearMemory(), stable)),
        balance=RICH - FIXED - 3_070 - 9,
        logs=List(logs),
        next_log_index=6,
    )
    assert fired == Step(
        evolve(state, canisters=state.canisters.set(A, expected), messages=answered(state)),
        outputs=(Executed(A, 3_070, None),),
        burned=(Burned(FIXED + 3_070, BurnReason.EXECUTION), Burned(9, BurnReason.REQUESTED)),
    )


KEEP = management.UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.KEEP)
REPLACE = management.UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.REPLACE)


@pytest.mark.checklist("rule.mgmt.upgrade.persisted-state", "rule.mgmt.upgrade.persistence-options")
def test_the_heap_is_kept_only_if_the_upgrade_says_so():
    keeping = module(private_custom_sections=KEEPING)
    for mode, kept in ((KEEP, True), (REPLACE, False)):
        heap = upgraded(keeping, keeping, mode).code.wasm_state.wasm_memory
        assert (heap.size > 0) == kept


@pytest.mark.checklist(
    "rule.mgmt.upgrade.persistence-options", "error.missing-upgrade-option", "error.invalid-upgrade-option"
)
def test_a_module_that_keeps_its_heap_is_upgraded_on_purpose_only():
    plain, keeping = module(), module(private_custom_sections=KEEPING)
    null = management.UpgradeMode()
    allowed = [(keeping, plain, null), (plain, plain, REPLACE), (plain, keeping, REPLACE), (keeping, plain, KEEP)]
    for new, old, mode in allowed:
        upgraded(new, old, mode)
    for new, old, mode in (
        (keeping, keeping, null),
        (plain, keeping, null),
        (plain, keeping, KEEP),
        (plain, plain, KEEP),
    ):
        assert reason(upgrading(new, old, mode), UPGRADE) == RejectReason.PERSISTENCE_OPTION_NEEDED


@pytest.mark.checklist("rule.mgmt.upgrade.persisted-state")
@pytest.mark.parametrize(("pages", "fits"), [(1, True), (0, False)])
def test_a_heap_is_kept_only_if_the_new_module_admits_it(pages, fits):
    old, keeping = module(), module(private_custom_sections=KEEPING, largest_heap=pages)
    upgraded(keeping, old, REPLACE)
    if fits:
        upgraded(keeping, old, KEEP)
    else:
        assert reason(upgrading(keeping, old, KEEP), UPGRADE) == RejectReason.PERSISTENCE_OPTION_NEEDED


@pytest.mark.checklist("rule.mgmt.upgrade.persistence-options", "rule.mgmt.upgrade.pre-upgrade")
def test_the_hook_of_the_old_code_comes_before_the_question_whether_the_heap_is_kept():
    old = module(gives={"pre_upgrade": traps()}, private_custom_sections=KEEPING)
    assert reason(upgrading(module(), old), UPGRADE) == RejectReason.CANISTER_TRAPPED


@pytest.mark.checklist(
    "error.install-code-not-enough-cycles",
    "rule.mgmt.install-code.conditions",
    "prod.upgrade.upgrade_fails_on_not_enough_cycles",
)
@pytest.mark.parametrize(("rule", "mode", "hook"), MODES)
def test_no_hook_runs_if_the_cycles_for_the_largest_installation_are_not_there(rule, mode, hook):
    new, old = module(gives={hook: traps()}), module(gives={"pre_upgrade": traps()})
    poor = {"balance": BUDGET - 1, "freezing_threshold": 0}
    managed = canister(A, Code(old, WasmState(A)) if rule == UPGRADE else Empty(), **poor)
    assert reason(installing(new, mode, managed), rule) == RejectReason.CANISTER_OUT_OF_CYCLES
    assert FAKES[new].seen == [] == FAKES[old].seen


@pytest.mark.checklist("rule.mgmt.upgrade.pre-upgrade", "rule.mgmt.upgrade.post-upgrade")
def test_the_hooks_of_an_upgrade_see_the_canister_before_and_after():
    given = {"pre_upgrade": returns(1_000, heap=b"changed", cycles_burned=9)}
    new, old = module(instructions_to_compile=70), module(gives=given)
    state = upgrading(new, old)
    managed = state.canisters[A]
    fire(state, UPGRADE, message_id=0)
    ((before, seen_before),), ((after, seen_after),) = FAKES[old].seen, FAKES[new].seen
    environments = seen_before.pop("environment"), seen_after.pop("environment")
    assert (before, seen_before) == (
        "pre_upgrade",
        {"wasm_state": managed.code.wasm_state, "caller": Caller(USER)},
    )
    stable = managed.code.wasm_state.stable_memory
    assert (after, seen_after) == (
        "post_upgrade",
        {"wasm_state": WasmState(A, LinearMemory(), stable), "argument": b"arg", "caller": Caller(USER)},
    )
    limit = PROFILE.limits.install_code_instructions
    assert [one.balance for one in environments] == [RICH - BUDGET, RICH - BUDGET - 9]
    shown = [
        (
            one.global_timer,
            one.canister_version,
            one.memory_usage_raw_module,
            one.memory_usage_canister_history,
            one.instruction_limit,
        )
        for one in environments
    ]
    assert shown == [(NOW + 9, 7, len(old), 0, limit - 70), (0, 8, len(new), 184, limit - 1_070)]


@pytest.mark.checklist("rule.mgmt.upgrade.pre-upgrade")
def test_the_hook_of_the_old_code_may_be_skipped():
    old = module(gives={"pre_upgrade": traps()})
    assert reason(upgrading(None, old), UPGRADE) == RejectReason.CANISTER_TRAPPED
    after = upgraded(None, old, management.UpgradeMode(skip_pre_upgrade=True))
    assert (FAKES[old].seen[1:], after.balance) == ([], RICH - FIXED)


@pytest.mark.checklist("rule.mgmt.upgrade.effects", "rule.mgmt.upgrade.pre-upgrade")
@pytest.mark.parametrize(
    ("before", "after", "certified", "timer"),
    [
        ({}, {}, b"old", 0),
        ({"new_certified_data": b"one", "new_global_timer": NOW + 1}, {}, b"one", 0),
        ({"new_certified_data": b"one"}, {"new_certified_data": b"two", "new_global_timer": NOW + 2}, b"two", NOW + 2),
    ],
)
def test_certified_data_is_that_of_the_last_hook_and_the_timer_that_of_the_new_code(before, after, certified, timer):
    old, new = module(gives={"pre_upgrade": returns(**before)}), module(gives={"post_upgrade": returns(**after)})
    result = upgraded(new, old)
    assert (result.certified_data, result.global_timer) == (certified, timer)


@pytest.mark.checklist("rule.mgmt.upgrade.pre-upgrade", "mgmt.install-code")
def test_an_empty_canister_is_not_upgraded():
    state = installing(module(), management.UpgradeMode())
    assert reason(state, UPGRADE) == RejectReason.CANISTER_HAS_NO_CODE


def test_each_of_the_two_rules_takes_only_its_own_modes():
    assert refusal(upgrading(), INSTALL, message_id=0).reject is None
    assert refusal(installing(module()), UPGRADE, message_id=0).reject is None


@pytest.mark.checklist("rule.mgmt.install-code.conditions", "setting.wasm-memory-limit", "inv.cycles.reserved-limit")
def test_limits_of_memory_and_of_reserved_cycles_may_be_reached_exactly():
    raw_module = module(gives={"init": returns(heap=b"x")})
    full = (B, canister(B, memory_allocation=10**12))

    def installed(**settings):
        state = installing(raw_module, managed=canister(A, Empty(), **settings))
        crowded = evolve(state, canisters=state.canisters.set(*full))
        return fire(crowded, INSTALL, message_id=0).state.canisters[A]

    reserved = installed(wasm_memory_limit=65536).reserved_balance
    assert installed(reserved_balance_limit=reserved).reserved_balance == reserved
