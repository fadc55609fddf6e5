"""Bad input on both sides: the same reject, the one that the specification states, and nothing half-done."""

import gzip

import pytest
import wasmtime
from attrs import evolve

from conformance.canisters.expressions import bytes_
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    NOTHING,
    Hook,
    append_to_slot,
    loop_forever,
    program,
    reply,
    set_hook,
    slot,
    trap,
)
from properties.agreement.stage import ALICE, BOB, MUCH, NO_VALUES, Stage
from spec.machine import submission_label
from spec.profile import load_profile
from spec.state.label import Label
from spec.state.request import Rejected, Replied, Request
from spec.system_api.module import parse_module
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Principal
from spec.values.management import (
    CanisterIdArguments,
    InstallCodeArguments,
    InstallMode,
    ReinstallMode,
    SettingsArguments,
    UpdateSettingsArguments,
    UpgradeMode,
    encode_arguments,
)
from spec.values.rejects import RejectCode, RejectReason, Reply

MISSING = Principal(b"\x00\x00\x00\x00\x00\x00\x00\x63\x01\x01")
HEADER = b"\x00asm\x01\x00\x00\x00"


def wat(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


BAD_MODULES = {
    "nothing": b"",
    "no WebAssembly": b"hello",
    "another version": b"\x00asm\x02\x00\x00\x00",
    "cut in a section": HEADER + b"\x01\x7f",
    "an unknown section": HEADER + b"\x63\x00",
    "cut in its middle": load("counter")[:50_000],
    "a type error": HEADER + b"\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a\x05\x01\x03\x00\x6a\x0b",
    "no gzip stream": b"\x1f\x8b\x08 no gzip stream",
    "a gzip stream that ends too early": gzip.compress(load("scripted"))[:-9],
    "an unknown function": wat('(module (import "ic0" "no_such_function" (func)))'),
    "a function of another module": wat('(module (import "env" "msg_reply" (func)))'),
    "a function of the wrong type": wat('(module (import "ic0" "msg_reply" (func (param i32))))'),
    "an imported memory": wat('(module (import "ic0" "memory" (memory 1)))'),
    "an unknown entry point": wat('(module (func (export "canister_start")))'),
    "an entry point with a parameter": wat('(module (func (export "canister_update go") (param i32)))'),
    "a method that is exported twice": wat(
        '(module (func $go) (export "canister_update go" (func $go)) (export "canister_query go" (func $go)))'
    ),
    "two memories": HEADER + b"\x05\x05\x02\x00\x01\x00\x01",
    "too much memory": wat("(module (memory i64 0x200000))"),
    "a custom section with a reserved name": HEADER + b"\x00\x09\x08icp:what",
}


def code_and_reason(status):
    assert isinstance(status, Rejected), status
    return status.reject.code, status.reject.reason


INVALID_MODULE = (RejectCode.CANISTER_ERROR, RejectReason.INVALID_MODULE)


def but_for_cycles(canister):
    """What a canister is apart from what it has paid."""
    return evolve(canister, balance=0)


# Modules


@pytest.mark.parametrize("name", BAD_MODULES)
def test_what_is_no_canister_module_is_not_installed(name):
    stage = Stage()
    canister_id = stage.create()
    before = but_for_cycles(stage.canister(canister_id))
    assert code_and_reason(stage.install(canister_id, BAD_MODULES[name])) == INVALID_MODULE
    assert but_for_cycles(stage.canister(canister_id)) == before


@pytest.mark.parametrize("mode", [ReinstallMode(), UpgradeMode()])
def test_a_bad_module_leaves_the_code_that_is_there(mode):
    stage = Stage()
    canister_id = stage.installed(load("scripted"), program(append_to_slot(0, b"kept")))
    before = but_for_cycles(stage.canister(canister_id))
    for module in BAD_MODULES.values():
        assert code_and_reason(stage.install(canister_id, module, mode)) == INVALID_MODULE
        assert but_for_cycles(stage.canister(canister_id)) == before
    assert stage.call(canister_id, "update", program(reply(slot(0)))) == Replied(b"kept")


@pytest.mark.checklist("module.encoding")
def test_a_compressed_module_is_installed_as_it_is():
    stage = Stage()
    packed = gzip.compress(load("scripted"))
    canister_id = stage.installed(packed)
    assert stage.canister(canister_id).code.raw_module == packed


@pytest.mark.parametrize("failure", [trap(b"not now"), loop_forever()])
@pytest.mark.parametrize("mode", [InstallMode(), ReinstallMode(), UpgradeMode()])
def test_a_hook_that_fails_takes_the_installation_back(mode, failure):
    stage = Stage(with_little_left_for_hooks(load("scripted_tasks")))
    if mode == InstallMode():
        canister_id = stage.create()
    else:
        canister_id = stage.installed(load("scripted"), program(append_to_slot(0, b"kept")))
    before = but_for_cycles(stage.canister(canister_id))
    status = stage.install(canister_id, load("scripted_tasks"), mode, program(append_to_slot(0, b"lost"), failure))
    expected = RejectReason.CANISTER_TRAPPED if failure.code == trap(b"not now").code else None
    expected = expected or RejectReason.INSTRUCTION_LIMIT_EXCEEDED
    assert code_and_reason(status) == (RejectCode.CANISTER_ERROR, expected)
    after = stage.canister(canister_id)
    assert evolve(but_for_cycles(after), logs=before.logs) == before


def with_little_left_for_hooks(module):
    """A profile in which an endless loop in a hook of the module ends soon."""
    profile = load_profile("small-world")
    instructions = parse_module(module, profile).instructions_to_compile + 200_000
    return evolve(profile, limits=evolve(profile.limits, install_code_instructions=instructions))


# Calls


def test_a_method_that_does_not_exist_is_rejected():
    stage = Stage()
    canister_id = stage.installed(load("scripted"))
    before = stage.wasm_state(canister_id)
    not_found = (RejectCode.CANISTER_ERROR, RejectReason.METHOD_NOT_FOUND)
    for method in ("missing", "", "canister_update update", "init", "x" * 20_000):
        assert code_and_reason(stage.call(canister_id, method, b"")) == not_found
        answer = stage.query(canister_id, method, b"")
        assert (answer.code, answer.reason) == not_found
    answer = stage.query(canister_id, "update", program(reply(b"")))
    assert (answer.code, answer.reason) == not_found
    assert stage.wasm_state(canister_id) == before


def test_a_canister_that_does_not_exist_is_not_called():
    stage = Stage()
    stage.installed(load("scripted"))
    refused = stage.refusal(MISSING, "update", b"")
    assert (refused.code, refused.reason) == (RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)
    answer = stage.query(MISSING, "query", b"")
    assert (answer.code, answer.reason) == (RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)


def test_a_canister_without_code_is_not_called():
    stage = Stage()
    canister_id = stage.create()
    refused = stage.refusal(canister_id, "update", b"")
    assert (refused.code, refused.reason) == (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_HAS_NO_CODE)
    answer = stage.query(canister_id, "query", b"")
    assert (answer.code, answer.reason) == (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_HAS_NO_CODE)


def test_a_frozen_canister_is_not_called():
    stage = Stage()
    canister_id = stage.installed(load("scripted"))
    settings = SettingsArguments(freezing_threshold=2**50)
    stage.manage("update_settings", UpdateSettingsArguments(canister_id, settings))
    refused = stage.refusal(canister_id, "update", b"")
    assert (refused.code, refused.reason) == (RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN)
    answer = stage.query(canister_id, "query", b"")
    assert (answer.code, answer.reason) == (RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN)


def test_a_change_of_settings_unfreezes_a_canister_if_the_system_takes_it():
    stage = Stage()
    canister_id = stage.installed(load("scripted"))
    stage.manage("update_settings", UpdateSettingsArguments(canister_id, SettingsArguments(freezing_threshold=2**50)))
    request = Request(
        nonce=b"unfreeze",
        ingress_expiry=stage.state.system_time + 1,
        sender=ALICE,
        canister_id=MANAGEMENT_CANISTER,
        method_name="update_settings",
        argument=encode_arguments(UpdateSettingsArguments(canister_id, SettingsArguments(freezing_threshold=0))),
    )
    label = submission_label(request, canister_id)
    assert not stage.lockstep.take(label)
    assert stage.lockstep.take(Label(label.rule, {**label.arguments(), "may_unfreeze": True}))
    stage.lockstep.settle()
    assert stage.canister(canister_id).settings.freezing_threshold == 0


def test_a_message_that_the_canister_does_not_accept_is_refused():
    stage = Stage()
    canister_id = stage.installed(load("scripted"), program(set_hook(Hook.INSPECT_MESSAGE, program(NOTHING))))
    refused = stage.refusal(canister_id, "update", program(reply(b"")))
    assert (refused.code, refused.reason) == (RejectCode.CANISTER_REJECT, RejectReason.NOT_AUTHORIZED)


def test_a_program_that_is_none_traps_and_the_cycles_for_it_are_gone():
    stage = Stage()
    canister_id = stage.installed(load("scripted"))
    before = stage.canister(canister_id)
    status = stage.call(canister_id, "update", b"\xff\xff\xff")
    assert code_and_reason(status) == (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED)
    after = stage.canister(canister_id)
    assert after.code == before.code
    assert after.balance < before.balance


def test_a_request_that_is_too_old_is_refused():
    stage = Stage()
    canister_id = stage.installed(load("scripted"))
    stage.lockstep.advance(241 * 10**9)
    refused = stage.refusal(canister_id, "update", program(reply(b"")))
    assert (refused.code, refused.reason) == (RejectCode.SYS_TRANSIENT, RejectReason.REQUEST_EXPIRED)


# The management canister


@pytest.mark.parametrize("sender", [BOB, ANONYMOUS])
@pytest.mark.parametrize(
    "method", ["start_canister", "stop_canister", "delete_canister", "canister_status", "uninstall_code"]
)
def test_who_is_no_controller_manages_nothing(method, sender):
    stage = Stage()
    canister_id = stage.installed(load("scripted"))
    argument = encode_arguments(CanisterIdArguments(canister_id))
    assert stage.refusal(MANAGEMENT_CANISTER, method, argument, sender).reason == RejectReason.NOT_AUTHORIZED


@pytest.mark.parametrize("mode", [InstallMode(), ReinstallMode(), UpgradeMode()])
def test_who_is_no_controller_installs_nothing(mode):
    stage = Stage()
    canister_id = stage.installed(load("scripted"))
    argument = encode_arguments(InstallCodeArguments(mode, canister_id, load("scripted")))
    refused = stage.refusal(MANAGEMENT_CANISTER, "install_code", argument, BOB)
    assert refused.reason == RejectReason.NOT_AUTHORIZED
    changed = encode_arguments(UpdateSettingsArguments(canister_id, SettingsArguments(freezing_threshold=0)))
    refused = stage.refusal(MANAGEMENT_CANISTER, "update_settings", changed, BOB)
    assert refused.reason == RejectReason.NOT_AUTHORIZED


def test_a_controller_who_gives_control_away_has_none():
    stage = Stage()
    canister_id = stage.installed(load("scripted"))
    given = SettingsArguments(controllers=type(stage.canister(canister_id).settings.controllers)((BOB,)))
    assert isinstance(stage.manage("update_settings", UpdateSettingsArguments(canister_id, given)), Replied)
    argument = encode_arguments(CanisterIdArguments(canister_id))
    refused = stage.refusal(MANAGEMENT_CANISTER, "stop_canister", argument, ALICE)
    assert refused.reason == RejectReason.NOT_AUTHORIZED
    assert isinstance(stage.control("stop_canister", canister_id, BOB), Replied)


def test_arguments_that_do_not_decode_and_methods_that_do_not_exist_are_refused():
    stage = Stage()
    stage.installed(load("scripted"))
    for method in ("install_code", "canister_status", "update_settings", "raw_rand", "no_such_method", ""):
        for argument in (
            b"",
            b"DIDL",
            NO_VALUES,
            b"DIDL\x00\x01\x7d\x05",
            encode_arguments(CanisterIdArguments(MISSING)),
        ):
            assert stage.refusal(MANAGEMENT_CANISTER, method, argument).reason == RejectReason.NOT_AUTHORIZED


def test_a_canister_that_does_not_exist_cannot_be_managed():
    stage = Stage()
    stage.installed(load("scripted"))
    for method in ("start_canister", "stop_canister", "delete_canister", "canister_status"):
        argument = encode_arguments(CanisterIdArguments(MISSING))
        assert stage.refusal(MANAGEMENT_CANISTER, method, argument).reason == RejectReason.NOT_AUTHORIZED


def test_settings_beyond_the_limits_are_rejected_and_change_nothing():
    stage = Stage()
    canister_id = stage.installed(load("scripted"))
    before = but_for_cycles(stage.canister(canister_id))
    for settings in (
        SettingsArguments(compute_allocation=101),
        SettingsArguments(memory_allocation=2**60),
        SettingsArguments(freezing_threshold=2**64),
        SettingsArguments(wasm_memory_limit=2**63),
    ):
        status = stage.manage("update_settings", UpdateSettingsArguments(canister_id, settings))
        assert isinstance(status, Rejected), settings
        assert but_for_cycles(stage.canister(canister_id)) == before


def test_a_query_that_traps_or_runs_on_is_rejected_and_nobody_pays():
    stage = Stage(load_profile("small-world"))
    canister_id = stage.installed(load("scripted"))
    before = stage.canister(canister_id)
    failures = {
        trap(b"no"): RejectReason.CANISTER_TRAPPED,
        loop_forever(): RejectReason.INSTRUCTION_LIMIT_EXCEEDED,
        NOTHING: RejectReason.CANISTER_DID_NOT_RESPOND,
    }
    for failure, reason in failures.items():
        answer = stage.query(canister_id, "query", program(failure))
        assert (answer.code, answer.reason) == (RejectCode.CANISTER_ERROR, reason)
    assert isinstance(stage.query(canister_id, "query", program(reply(bytes_(b"yes")))), Reply)
    assert stage.canister(canister_id) == before
    assert before.balance < MUCH
