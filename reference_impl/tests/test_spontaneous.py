"""What the system does to canisters at any time."""

import pytest

from reference_impl.subnet.observations import Purpose
from spec.state.canister import Empty, LogRecord
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import (
    CanisterIdArguments,
    InstallCodeArguments,
    InstallMode,
    SettingsArguments,
    TakeSnapshotArguments,
    UpdateSettingsArguments,
    encode_arguments,
)


def test_resources_are_paid_from_the_main_balance_once_nothing_is_reserved(stage, counter):
    canister = stage.create(counter)
    balance = stage.canister(canister).balance
    stage.engine.explain()
    assert not stage.take("payment_from_reserved_balance", canister_id=canister, balance=0)
    assert not stage.take("payment_from_main_balance", canister_id=canister, balance=balance)
    assert stage.take("payment_from_main_balance", canister_id=canister, balance=balance - 5)
    assert stage.engine.explain()[-1].observed.burned == ((Purpose.RESOURCES, 5),)
    stage.engine.instance.canisters[canister].reserved_balance = 9
    assert not stage.take("payment_from_main_balance", canister_id=canister, balance=0)
    assert stage.take("payment_from_reserved_balance", canister_id=canister, balance=2)
    assert stage.canister(canister).reserved_balance == 2


def test_a_canister_without_cycles_loses_its_code_but_not_its_chunks(stage, counter):
    canister = stage.create(counter)
    stage.manage("take_canister_snapshot", TakeSnapshotArguments(canister))
    stage.engine.instance.canisters[canister].chunk_store[b"hash"] = b"chunk"
    assert not stage.take("canister_out_of_cycles", canister_id=canister)
    assert stage.take("payment_from_main_balance", canister_id=canister, balance=0)
    before = stage.canister(canister)
    assert stage.take("canister_out_of_cycles", canister_id=canister)
    after = stage.canister(canister)
    assert (after.code, len(after.snapshots), len(after.chunk_store)) == (Empty(), 0, 1)
    assert (after.version, after.history.total_changes) == (before.version + 1, before.history.total_changes)
    assert after.history.recent_changes.is_empty()
    assert stage.engine.instance.memory_in_use.total() == 2**20


def test_versions_only_grow(stage, counter):
    canister = stage.create(counter)
    version = stage.canister(canister).version
    assert not stage.take("canister_version_increment", canister_id=canister, version=version)
    assert stage.take("canister_version_increment", canister_id=canister, version=version + 7)
    assert stage.canister(canister).version == version + 7


def test_at_least_twenty_changes_are_kept(stage):
    canister = stage.create()
    settings = SettingsArguments(controllers=stage.canister(canister).settings.controllers)
    for _ in range(24):
        stage.manage("update_settings", UpdateSettingsArguments(canister, settings))
    changes = stage.canister(canister).history.recent_changes
    assert len(changes) == 25
    outcomes = [stage.take("canister_history_trimming", canister_id=canister, kept=kept) for kept in (19, 25, 21, 20)]
    assert outcomes == [False, False, True, True]
    history = stage.canister(canister).history
    assert (history.recent_changes.items, history.total_changes) == (changes.items[-20:], 25)
    record = stage.engine.instance.canisters[canister]
    assert record.history.size == 20 * (184 + 30)
    assert stage.engine.instance.memory_in_use.total() == record.history.size


def test_only_logs_that_are_too_long_are_trimmed(stage, script):
    canister = stage.create(script())
    record = stage.engine.instance.canisters[canister]
    entries = [LogRecord(index, 0, bytes(1024)) for index in range(5)]
    record.logs = entries[:3]
    assert not stage.take("canister_log_trimming", canister_id=canister, kept=1)
    record.logs = list(entries)
    assert not stage.take("canister_log_trimming", canister_id=canister, kept=5)
    assert stage.take("canister_log_trimming", canister_id=canister, kept=2)
    assert [entry.index for entry in stage.canister(canister).logs] == [3, 4]
    record.logs = list(entries)
    assert stage.take("canister_log_trimming", canister_id=canister, kept=0)
    assert stage.canister(canister).logs.is_empty()


def test_rounds_keep_as_much_of_a_log_as_production_does(stage, script):
    canister = stage.create(script(updates={"log": lambda entry: entry.returns(b"", logs=(bytes(1024),))}))
    for _ in range(5):
        stage.call(canister, "log")
    assert [entry.index for entry in stage.canister(canister).logs] == [2, 3, 4]


@pytest.mark.parametrize("goes_at_once", [True, False])
def test_logs_that_a_chosen_transition_leaves_are_not_for_rounds_to_trim(stage, script, goes_at_once):
    hooks = {"init": lambda entry: entry.returns(logs=(bytes(1024),) * 5)}
    canister = stage.create()
    arguments = CanisterIdArguments(canister)
    assert stage.manage("stop_canister", arguments) == b"DIDL\0\0"
    module = stage.module_of(script(hooks=hooks))
    install = InstallCodeArguments(InstallMode(), canister, module, b"")
    request_id = stage.start(MANAGEMENT_CANISTER, "install_code", encode_arguments(install), effective_id=canister)
    assert stage.take("initiate_call", request_id=request_id)
    assert stage.take("install_code", message_id=stage.engine.instance.messages.next_call(MANAGEMENT_CANISTER))
    if not goes_at_once:
        stage.create(script())
    assert len(stage.canister(canister).logs) == 5
    assert stage.manage("delete_canister", arguments) == b"DIDL\0\0"


def test_admins_of_a_subnet_come_and_go(stage):
    subnet = stage.engine.instance.subnet.subnet_id
    canister = stage.create()
    given = [List(), List.of(b"admin"), List.of(b"admin"), List()]
    assert [stage.take("subnet_admins_change", subnet_id=subnet, admins=admins) for admins in given] == [
        False,
        True,
        False,
        True,
    ]
    assert len(stage.engine.abstract().subnet_admins) == 0
    assert stage.refusal(
        b"", "canister_metrics", encode_arguments(CanisterIdArguments(canister)), sender=b"admin", effective_id=canister
    )
