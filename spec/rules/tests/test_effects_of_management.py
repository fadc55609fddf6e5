"""What management calls leave behind: versions, the history, messages that wait, and sizes that are told."""

import pytest
import wasmtime
from attrs import evolve

from spec.rules.management.status import encoded_status
from spec.rules.resources import memory_usage_of_history
from spec.rules.tests.services import rejection, sha256
from spec.rules.tests.worlds import (
    PROFILE,
    USER,
    A,
    a_call,
    asked,
    canister,
    fire,
    managing,
    module,
)
from spec.state.canister import Empty, Running, Stopping
from spec.state.history import CanisterHistory, Change, ChangeFromUser, CodeUninstall, ControllersChange, recorded
from spec.transition import Step
from spec.values import management
from spec.values.changes import ChangeFromCanister, CodeDeployment, CodeDeploymentMode
from spec.values.containers import List, Queue
from spec.values.management import (
    EcdsaCurve,
    EcdsaKeyId,
    SchnorrAlgorithm,
    SchnorrKeyId,
    VetkdCurve,
    VetkdKeyId,
)
from spec.values.rejects import RejectCode, RejectReason

TRANSPORT_KEY = bytes.fromhex(
    "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
)
"""The generator of the group in which transport keys are."""
CREATION = management.ProvisionalCreateArguments(settings=management.SettingsArguments(controllers=List.of(USER)))


def after(state, arguments, rule, **choices):
    """The state after one more management call of the user."""
    waiting = evolve(state, messages=Queue().append(asked(arguments)))
    return fire(waiting, rule, message_id=0, **choices).state


def created():
    """A state in which A was just created."""
    state = managing(call=asked(management.UninstallCodeArguments(A)))
    return after(state, CREATION, "provisional_create_canister_with_cycles", canister_id=A)


def installed(state, raw_module, mode=None, rule="install_code"):
    """The state after an installation in A."""
    fitting = management.InstallMode() if mode is None else mode
    return after(state, management.InstallCodeArguments(fitting, A, raw_module), rule)


def with_hooks(wat):
    """A module whose start function and hooks do something, or nothing, or are not there."""
    return bytes(wasmtime.wat2wasm(wat))


WORK = "(local $n i32) (loop (local.set $n (i32.add (local.get $n) (i32.const 1)))\
 (br_if 0 (i32.lt_u (local.get $n) (i32.const 1000))))"
BODIES = {"absent": None, "short": "", "long": WORK}


def hooked(start, init, before, afterwards):
    """A module with these bodies of its start function and its three hooks."""
    names = ("canister_init", "canister_pre_upgrade", "canister_post_upgrade")
    given = zip(names, (init, before, afterwards), strict=True)
    hooks = [f'(func (export "{name}") {BODIES[kind]})' for name, kind in given if kind != "absent"]
    begins = f"(func $start {BODIES[start]}) (start $start)" if start != "absent" else ""
    return with_hooks(f"(module {begins} {' '.join(hooks)})")


@pytest.mark.checklist("inv.version.monotone", "prod.canister_version.canister_version")
@pytest.mark.parametrize("start", BODIES)
@pytest.mark.parametrize("init", BODIES)
@pytest.mark.parametrize("before", BODIES)
@pytest.mark.parametrize("afterwards", BODIES)
def test_the_version_is_0_after_the_creation_and_rises_by_one_with_each_installation(start, init, before, afterwards):
    raw_module = hooked(start, init, before, afterwards)
    empty = created()
    first = installed(empty, raw_module)
    reinstalled = installed(first, raw_module, management.ReinstallMode())
    upgraded = installed(first, raw_module, management.UpgradeMode(), "upgrade_code")
    states = (empty, first, reinstalled, upgraded)
    assert [state.canisters[A].version for state in states] == [0, 1, 2, 2]
    told = [management.decode_canister_status(encoded_status(state, state.canisters[A])) for state in states]
    assert [status.version for status in told] == [0, 1, 2, 2]


def changes(state):
    """The version and details of all changes of A."""
    return [(change.canister_version, change.details) for change in state.canisters[A].history.recent_changes]


@pytest.mark.checklist("inv.version.history-is-version-after", "prod.canister_history.canister_history_tracks_upgrade")
def test_an_upgrade_is_the_third_change_of_a_canister_that_was_created_and_installed():
    old, new = module(), module()
    state = installed(installed(created(), old), new, management.UpgradeMode(), "upgrade_code")
    assert [version for version, _ in changes(state)] == [0, 1, 2]
    assert changes(state)[2][1] == CodeDeployment(CodeDeploymentMode.UPGRADE, sha256(new))


@pytest.mark.checklist("rule.mgmt.uninstall-code", "prod.canister_history.canister_history_tracks_uninstall")
def test_the_removal_of_code_is_a_change_by_who_asked_for_it():
    state = after(installed(created(), module()), management.UninstallCodeArguments(A, 5), "uninstall_code")
    assert changes(state)[2:] == [(2, CodeUninstall())]
    assert state.canisters[A].history.recent_changes.items[2].origin == ChangeFromCanister(USER, 5)


@pytest.mark.checklist(
    "rule.mgmt.install-code.effects", "prod.canister_manager.reinstall_calls_canister_start_and_canister_init"
)
def test_a_reinstallation_runs_start_and_init_on_fresh_memory():
    raw_module = with_hooks(
        '(module (global $n (export "n") (mut i32) (i32.const 0))'
        " (func $start (global.set $n (i32.add (global.get $n) (i32.const 1)))) (start $start)"
        ' (func (export "canister_init") (global.set $n (i32.add (global.get $n) (i32.const 41)))))'
    )
    state = created()
    for _ in range(2):
        state = installed(state, raw_module, management.ReinstallMode())
        assert state.canisters[A].code.wasm_state.globals == (42,)


@pytest.mark.checklist("rule.mgmt.install-code.effects", "prod.canister_manager.install_code_preserves_messages")
def test_messages_that_wait_for_an_empty_canister_still_wait_after_an_installation():
    state = managing(
        (A, canister(A, Empty())), call=asked(management.InstallCodeArguments(management.InstallMode(), A, module()))
    )
    waiting = [a_call(A, argument=bytes([number])) for number in range(10)]
    state = evolve(state, messages=state.messages.append(*waiting))
    left = list(fire(state, "install_code", message_id=0).state.messages)
    assert left[:10] == waiting


@pytest.mark.checklist(
    "rule.mgmt.start-canister.stopping",
    "prod.canister_manager.start_a_stopping_canister_with_no_stop_contexts",
)
def test_a_stopping_canister_for_which_nobody_waits_is_started_and_nobody_is_rejected():
    call = asked(management.CanisterIdArguments(A), "start_canister")
    fired = fire(managing((A, canister(A, status=Stopping())), call=call), "start_stopping_canister", message_id=0)
    assert fired.state.canisters[A].status == Running()
    assert len(fired.state.messages) == 1, "the answer to the call alone"


FEW = 10_000
"""Instructions that an installation may take in these tests, beside what compiling takes."""


@pytest.mark.checklist(
    "error.instruction-limit",
    "rule.mgmt.upgrade.post-upgrade",
    "prod.upgrade.upgrade_fails_on_long_start_hits_instructions_limit",
    "prod.upgrade.upgrade_fails_on_start_resume_error",
)
@pytest.mark.parametrize("mode", [management.ReinstallMode(), management.UpgradeMode()])
def test_code_whose_start_function_reaches_the_limit_is_not_installed(mode):
    endless = with_hooks("(module (func $start (loop (br 0))) (start $start))")
    limits = evolve(PROFILE.limits, install_code_instructions=6_000 * len(endless) + FEW)
    state = installed(created(), module())
    state = evolve(state, profile=evolve(PROFILE, limits=limits))
    waiting = evolve(state, messages=Queue().append(asked(management.InstallCodeArguments(mode, A, endless))))
    assert rejection(waiting) is RejectReason.INSTRUCTION_LIMIT_EXCEEDED


@pytest.mark.checklist("seed1.upgrade-limit")
@pytest.mark.parametrize("hook", ["canister_pre_upgrade", "canister_post_upgrade"])
def test_an_upgrade_that_uses_more_than_its_limit_leaves_the_old_code_and_state(hook):
    endless = with_hooks(
        f'(module (memory 1) (func (export "{hook}") (i32.store (i32.const 0) (i32.const 1)) (loop (br 0))))'
    )
    limits = evolve(PROFILE.limits, install_code_instructions=6_000 * len(endless) + FEW)
    state = installed(created(), endless)
    before = state.canisters[A]
    upgrade = asked(management.InstallCodeArguments(management.UpgradeMode(), A, endless))
    waiting = evolve(state, profile=evolve(PROFILE, limits=limits), messages=Queue().append(upgrade))
    assert rejection(waiting) is RejectReason.INSTRUCTION_LIMIT_EXCEEDED
    fired = fire(waiting, "management_call_rejection", message_id=0, code=RejectCode.CANISTER_ERROR)
    assert fired.state.canisters[A] == before


# Sizes that are told.


@pytest.mark.checklist(
    "mgmt.canister-status.memory-metrics",
    "prod.ee_tests.get_canister_status_memory_metrics_custom_sections_size",
)
def test_custom_sections_count_their_names_their_contents_and_a_byte_for_their_visibility():
    sections = '(@custom "icp:public open" "for all") (@custom "icp:private own" "few") (@custom "other" "ignored")'
    state = installed(created(), with_hooks(f"(module {sections})"))
    told = management.decode_canister_status(encoded_status(state, state.canisters[A]))
    assert told.memory_metrics.custom_sections_size == (4 + 7 + 1) + (3 + 3 + 1)


SIZE_OF_A_CHANGE, SIZE_OF_A_PRINCIPAL = 184, 30
"""Of production's types `CanisterChange` and `PrincipalId`."""


@pytest.mark.checklist(
    "mgmt.canister-status.memory-metrics",
    "prod.ee_tests.get_canister_status_memory_metrics_canister_history_size",
)
def test_a_change_to_one_controller_makes_the_history_larger_by_the_change_and_a_principal():
    before = CanisterHistory()
    change = Change(1, 1, ChangeFromUser(USER), ControllersChange(List.of(USER)))
    grown = memory_usage_of_history(recorded(before, change)) - memory_usage_of_history(before)
    assert grown == SIZE_OF_A_CHANGE + SIZE_OF_A_PRINCIPAL


# Keys.

KNOWN, UNKNOWN = "key_1", "some_key"


def key_calls(name):
    """A call to each method about keys, with the key of this name."""
    ecdsa = EcdsaKeyId(EcdsaCurve.SECP256K1, name)
    schnorr = SchnorrKeyId(SchnorrAlgorithm.ED25519, name)
    vetkd = VetkdKeyId(VetkdCurve.BLS12_381_G2, name)
    point = {"public_key": b"\x03" + bytes(32), "chain_code": bytes(32)}
    return {
        "ecdsa_public_key": (management.EcdsaPublicKeyArguments(ecdsa), point),
        "sign_with_ecdsa": (management.SignWithEcdsaArguments(bytes(32), ecdsa), {"signature": bytes(64)}),
        "schnorr_public_key": (
            management.SchnorrPublicKeyArguments(schnorr),
            {"public_key": bytes(32), "chain_code": bytes(32)},
        ),
        "sign_with_schnorr": (management.SignWithSchnorrArguments(b"message", schnorr), {"signature": bytes(64)}),
        "vetkd_public_key": (management.VetkdPublicKeyArguments(vetkd), {"public_key": bytes(96)}),
        "vetkd_derive_key": (
            management.VetkdDeriveKeyArguments(b"input", TRANSPORT_KEY, vetkd),
            {"encrypted_key": bytes(192)},
        ),
    }


@pytest.mark.parametrize(
    "method_name",
    [
        pytest.param("ecdsa_public_key", marks=pytest.mark.checklist("prod.pocket_ic.test_ecdsa_disabled")),
        pytest.param("sign_with_ecdsa", marks=pytest.mark.checklist("prod.pocket_ic.test_ecdsa_disabled")),
        pytest.param(
            "schnorr_public_key", marks=pytest.mark.checklist("prod.ee_tests.test_schnorr_public_key_api_is_enabled")
        ),
        pytest.param(
            "sign_with_schnorr", marks=pytest.mark.checklist("prod.ee_tests.test_sign_with_schnorr_api_is_enabled")
        ),
        pytest.param(
            "vetkd_public_key", marks=pytest.mark.checklist("prod.ee_tests.test_vetkd_public_key_api_is_enabled")
        ),
        pytest.param(
            "vetkd_derive_key",
            marks=pytest.mark.checklist("prod.ee_tests.test_vetkd_derive_key_api_is_disabled_without_key"),
        ),
    ],
)
def test_a_call_about_a_key_is_answered_if_there_is_one_of_the_name(method_name):
    def calling(name):
        arguments, choices = key_calls(name)[method_name]
        call = asked(arguments, method_name, A, transferred_cycles=100_000_000_000)
        return managing((A, canister(A)), call=call), choices

    state, choices = calling(KNOWN)
    fired = fire(state, method_name, message_id=0, **choices)
    assert isinstance(fired, Step)
    state, _ = calling(UNKNOWN)
    assert rejection(state) is RejectReason.UNKNOWN_KEY
