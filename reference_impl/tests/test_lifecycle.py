"""Stopping, starting, uninstalling, deleting, installing."""

import pytest

from spec.state.canister import Empty, Running, Stopped, Stopping
from spec.state.request import Processing
from spec.values.canister_terms import WasmMemoryPersistence
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.management import (
    CanisterIdArguments,
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    ProvisionalTopUpArguments,
    ReinstallMode,
    SettingsArguments,
    UninstallCodeArguments,
    UpdateSettingsArguments,
    UpgradeMode,
    decode_canister_status,
    encode_arguments,
)
from spec.values.rejects import RejectCode, RejectReason

EMPTY_REPLY = b"DIDL\0\0"
KEEPING = Map.of([("enhanced-orthogonal-persistence", b"")])


@pytest.fixture
def waiting(stage, script):
    """A canister that waits for another one, which waits for itself in turn until it is told to answer."""
    ids = []

    def ask(entry):
        return entry.returns(calls=[entry.call(ids[1], "slow", cycles=10**9)])

    def slow(entry):
        return entry.returns(calls=[entry.call(ids[1], "wait")])

    def wait(entry):
        again = [entry.call(ids[1], "wait", on_reply=1)]
        return entry.returns(b"go on") if entry.number else entry.returns(calls=again)

    module = script(
        updates={"ask": ask, "slow": slow, "wait": wait, "release": lambda entry: entry.returns(b"", number=1)},
        callbacks={
            1: lambda entry: entry.returns(b"answered") if entry.needs_to_respond else entry.returns(),
            2: lambda entry: entry.returns(entry.response.message.encode() + b" %d" % entry.refunded),
        },
    )
    ids.extend([stage.create(module), stage.create(module)])
    return ids


def test_stopping_waits_for_open_contexts(stage, waiting):
    asking, slow = waiting
    request = stage.start(asking, "ask")
    stage.engine.drain(5)
    assert stage.manage("stop_canister", CanisterIdArguments(asking), drains=False) is not None
    stage.engine.drain(5)
    assert isinstance(stage.canister(asking).status, Stopping)
    assert stage.answer(request) == Processing()
    stage.call(slow, "release")
    assert stage.answer(request) == b"answered"
    assert stage.canister(asking).status == Stopped()


def test_starting_a_stopping_canister_rejects_who_waits(stage, waiting):
    asking, _ = waiting
    stage.start(asking, "ask")
    stage.engine.drain(3)
    arguments = CanisterIdArguments(asking)
    stop = stage.manage("stop_canister", arguments, drains=False)
    assert not isinstance(stop, bytes)
    stage.engine.drain(3)
    request_ids = [one for one, _ in stage.engine.abstract().requests.items()]
    stage.manage("start_canister", arguments, drains=False)
    stage.engine.drain(3)
    answers = [stage.answer(request_id) for request_id in request_ids]
    restarted = [one for one in answers if getattr(one, "reason", None) is RejectReason.CANISTER_RESTARTED]
    assert len(restarted) == 1
    assert stage.canister(asking).status == Running()


def test_uninstalling_rejects_open_calls_and_later_responses_run_no_code(stage, waiting):
    asking, slow = waiting
    request = stage.start(asking, "ask")
    stage.engine.drain(5)
    stage.manage("uninstall_code", UninstallCodeArguments(asking), drains=False)
    stage.engine.drain(3)
    assert stage.answer(request).reason is RejectReason.CODE_UNINSTALLED
    assert stage.answer(request).code is RejectCode.CANISTER_REJECT
    before = stage.canister(asking)
    assert before.code == Empty()
    assert [context.deleted for _, context in stage.engine.abstract().call_contexts.items()].count(True) == 1
    stage.call(slow, "release")
    after = stage.canister(asking)
    assert after.balance == before.balance + 10**9 + 10**10
    assert len(stage.engine.abstract().call_contexts) == 0


def test_the_callee_of_an_uninstalled_canister_gives_its_cycles_back(stage, waiting):
    asking, slow = waiting
    request = stage.start(asking, "ask")
    stage.engine.drain(5)
    stage.manage("uninstall_code", UninstallCodeArguments(slow), drains=False)
    stage.engine.drain()
    assert stage.answer(request) == RejectReason.CODE_UNINSTALLED.value.encode() + b" 1000000000"


def test_a_stopped_canister_takes_no_requests_and_can_be_deleted_once(stage, counter):
    canister = stage.create(counter)
    arguments = CanisterIdArguments(canister)
    assert stage.manage("delete_canister", arguments).reason is RejectReason.CANISTER_NOT_STOPPED
    assert stage.manage("stop_canister", arguments) == EMPTY_REPLY
    assert stage.refusal(canister, "increment").reject.reason is RejectReason.CANISTER_STOPPED
    stage.engine.explain()
    held = stage.canister(canister).balance
    assert stage.manage("delete_canister", arguments) == EMPTY_REPLY
    lost = [amount for step in stage.engine.explain() for _, amount in step.observed.burned]
    assert lost == [held]
    assert stage.refusal(canister, "increment").reject.reason is RejectReason.CANISTER_NOT_FOUND
    arguments = ProvisionalCreateArguments(specified_id=canister)
    assert stage.manage("provisional_create_canister_with_cycles", arguments).reason is RejectReason.CANISTER_ID_TAKEN
    assert stage.create() != canister


def test_only_controllers_manage_a_canister(stage, counter):
    canister = stage.create(counter)
    other = Principal(b"somebody else")
    for method, arguments in [
        ("stop_canister", CanisterIdArguments(canister)),
        ("uninstall_code", UninstallCodeArguments(canister)),
        ("install_code", InstallCodeArguments(ReinstallMode(), canister, b"")),
        ("canister_status", CanisterIdArguments(canister)),
    ]:
        refusal = stage.refusal(
            MANAGEMENT_CANISTER, method, encode_arguments(arguments), sender=other, effective_id=canister
        )
        assert refusal.reject.reason is RejectReason.NOT_AUTHORIZED


def test_installing_needs_an_empty_canister_and_upgrading_one_with_code(stage, counter):
    canister = stage.create()
    assert stage.install(canister, counter, UpgradeMode()).reason is RejectReason.CANISTER_HAS_NO_CODE
    assert stage.install(canister, counter) == EMPTY_REPLY
    assert stage.install(canister, counter).reason is RejectReason.CANISTER_NOT_EMPTY
    stage.call(canister, "increment")
    assert stage.install(canister, counter, ReinstallMode()) == EMPTY_REPLY
    assert stage.number(canister) == 0


def test_a_hook_that_traps_leaves_everything_as_it_was(stage, script, counter):
    canister = stage.create(counter)
    stage.call(canister, "increment")
    before = stage.canister(canister)
    broken = script(hooks={"init": lambda entry: entry.traps("no"), "post_upgrade": lambda entry: entry.traps("no")})
    for mode in (ReinstallMode(), UpgradeMode()):
        assert stage.install(canister, broken, mode).reason is RejectReason.CANISTER_TRAPPED
        assert stage.canister(canister) == before


def test_a_module_that_is_none_is_rejected(stage):
    canister = stage.create()
    before = stage.canister(canister)
    arguments = InstallCodeArguments(InstallMode(), canister, b"not a module")
    assert stage.manage("install_code", arguments).reason is RejectReason.INVALID_MODULE
    assert stage.canister(canister) == before


def test_an_upgrade_runs_both_hooks_unless_the_first_is_skipped(stage, script):
    ran = []

    def hook(name):
        def run(entry):
            ran.append((name, entry.environment.canister_version, entry.environment.global_timer))
            return entry.returns()

        return run

    module = script(hooks={"pre_upgrade": hook("pre"), "post_upgrade": hook("post")})
    canister = stage.create(module)
    version = stage.canister(canister).version
    assert stage.install(canister, module, UpgradeMode()) == EMPTY_REPLY
    assert ran == [("pre", version, 0), ("post", version + 1, 0)]
    ran.clear()
    assert stage.install(canister, module, UpgradeMode(skip_pre_upgrade=True)) == EMPTY_REPLY
    assert ran == [("post", version + 2, 0)]


@pytest.mark.parametrize(
    ("old", "new", "option", "is_allowed"),
    [
        (Map(), Map(), None, True),
        (KEEPING, KEEPING, None, False),
        (KEEPING, KEEPING, WasmMemoryPersistence.KEEP, True),
        (KEEPING, Map(), WasmMemoryPersistence.KEEP, False),
        (KEEPING, Map(), WasmMemoryPersistence.REPLACE, True),
        (Map(), KEEPING, WasmMemoryPersistence.KEEP, True),
    ],
)
def test_the_choice_about_the_heap_must_fit_both_modules(stage, script, old, new, option, is_allowed):
    canister = stage.create(script(private_custom_sections=old))
    answer = stage.install(canister, script(private_custom_sections=new), UpgradeMode(wasm_memory_persistence=option))
    if is_allowed:
        assert answer == EMPTY_REPLY
    else:
        assert answer.reason is RejectReason.PERSISTENCE_OPTION_NEEDED


@pytest.mark.checklist("seed2.os-bookkeeping")
def test_calls_in_flight_survive_a_reinstallation(stage, waiting, script):
    asking, slow = waiting
    request = stage.start(asking, "ask")
    stage.engine.drain(5)
    stage.manage(
        "install_code",
        InstallCodeArguments(
            ReinstallMode(), asking, stage.module_of(script(callbacks={1: lambda entry: entry.returns(b"new code")}))
        ),
        drains=False,
    )
    stage.engine.drain(3)
    stage.call(slow, "release")
    assert stage.answer(request) == b"new code"


def test_settings_are_changed_or_rejected_as_a_whole(stage, counter):
    canister = stage.create(counter)
    good = SettingsArguments(controllers=List.of(canister), freezing_threshold=5)
    bad = SettingsArguments(compute_allocation=101, freezing_threshold=7)
    before = stage.canister(canister)
    assert (
        stage.manage("update_settings", UpdateSettingsArguments(canister, bad)).reason is RejectReason.INVALID_SETTINGS
    )
    assert stage.canister(canister) == before
    assert stage.manage("update_settings", UpdateSettingsArguments(canister, good)) == EMPTY_REPLY
    after = stage.canister(canister)
    assert after.settings.controllers == List.of(canister)
    assert after.settings.freezing_threshold == 5
    assert after.version == before.version + 1


def test_a_compute_allocation_that_cannot_be_paid_is_rejected(stage):
    canister = stage.create(cycles=10**12)
    arguments = UpdateSettingsArguments(canister, SettingsArguments(compute_allocation=100))
    assert stage.manage("update_settings", arguments).reason is RejectReason.CANISTER_OUT_OF_CYCLES


def test_the_status_tells_balance_and_module(stage, counter):
    canister = stage.create(counter, cycles=10**13)
    stage.manage("provisional_top_up_canister", ProvisionalTopUpArguments(canister, 5))
    status = decode_canister_status(stage.manage("canister_status", CanisterIdArguments(canister)))
    held = stage.canister(canister)
    assert status.cycles == held.balance
    assert status.version == held.version
    assert status.module_hash is not None
    assert status.memory_size == stage.engine.instance.canisters[canister].memory_usage()
