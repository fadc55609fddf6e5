"""Both sides agree on what the hooks of installations see of the balance, and what comes first."""

import pytest
import wasmtime

from properties.agreement.stage import Stage
from spec.state.request import Rejected, Replied
from spec.values.management import ProvisionalTopUpArguments, UpgradeMode
from spec.values.rejects import RejectReason

BURN = """
  (module (import "ic0" "cycles_burn128" (func $burn (param i64 i64 i32)))
          (import "ic0" "canister_cycle_balance128" (func $balance (param i32)))
          (import "ic0" "debug_print" (func $print (param i32 i32)))
          (memory 1)
          (func $go (call $balance (i32.const 0)) (call $burn (i64.const 1) (i64.const 0) (i32.const 16))
                    (call $print (i32.const 0) (i32.const 32)))
          (export "canister_init" (func $go))
          (export "canister_pre_upgrade" (func $go))
          (export "canister_post_upgrade" (func $go)))
"""
"""Every hook burns as many cycles as it can, and logs its balance before and how many they were."""

TRAP = '(module (func (export "canister_pre_upgrade") unreachable))'
ASKS = b"icp:private enhanced-orthogonal-persistence"

PRICE = 300_005_000_000
"""Of the largest installation."""


def compiled(text):
    return bytes(wasmtime.wat2wasm(text))


def numbers(stage, canister):
    return [
        tuple(int.from_bytes(record.content[start : start + 16], "little") for start in (0, 16))
        for record in stage.canister(canister).logs
    ]


@pytest.mark.checklist("api.cycles-burn128", "rule.mgmt.install-code.env", "rule.mgmt.upgrade.post-upgrade")
def test_hooks_cannot_burn_what_their_installation_costs_nor_the_same_cycles_twice():
    stage, module = Stage(), compiled(BURN)
    canister = stage.create(10**13)
    assert isinstance(stage.install(canister, module), Replied)
    ((seen, burned),) = numbers(stage, canister)
    assert seen == 10**13 - PRICE
    assert 0 < burned < seen
    stage.manage("provisional_top_up_canister", ProvisionalTopUpArguments(canister, 10**13))
    before = stage.canister(canister).balance
    assert isinstance(stage.install(canister, module, mode=UpgradeMode()), Replied)
    first, second = numbers(stage, canister)[1:]
    assert first[0] == before - PRICE
    assert second[0] == first[0] - first[1]
    assert second[1] < first[1] or first[1] == second[1] == 0


@pytest.mark.checklist("rule.mgmt.upgrade.persistence-options", "rule.mgmt.upgrade.pre-upgrade")
def test_the_hook_of_the_old_code_comes_before_the_question_whether_the_heap_is_kept():
    stage = Stage()
    module = compiled(TRAP) + bytes([0, len(ASKS) + 1, len(ASKS)]) + ASKS
    status = stage.install(stage.installed(module), module)
    assert isinstance(status, Rejected) and status.reject.reason is RejectReason.CANISTER_NOT_EMPTY
    status = stage.install(stage.installed(module), module, mode=UpgradeMode())
    assert isinstance(status, Rejected) and status.reject.reason is RejectReason.CANISTER_TRAPPED
