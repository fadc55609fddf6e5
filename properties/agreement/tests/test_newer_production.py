"""Under the profile of newer production, both engines agree on what changed."""

import pytest
import wasmtime

from properties.agreement.stage import Stage
from spec.profile import load_profile
from spec.rules.resources import freezing_limit, idle_cycles_burned_per_day
from spec.state.request import Rejected, Replied
from spec.values import management
from spec.values.canister_terms import EnvironmentVariable
from spec.values.containers import List
from spec.values.quantities import SECONDS_PER_DAY
from spec.values.rejects import Reply

BASE = 10_000
LIQUID = bytes(
    wasmtime.wat2wasm("""(module
        (import "ic0" "canister_liquid_cycle_balance128" (func $liquid (param i32)))
        (import "ic0" "msg_reply_data_append" (func $append (param i32 i32))) (import "ic0" "msg_reply" (func $reply))
        (memory 1)
        (func (export "canister_query look")
          (call $liquid (i32.const 0)) (call $append (i32.const 0) (i32.const 16)) (call $reply)))""")
)


def test_every_canister_pays_for_being_there_and_must_hold_that_not_to_be_frozen() -> None:
    burned, limits, liquid = [], [], []
    for name in ("production", "production-2026-08"):
        stage = Stage(load_profile(name))
        canister_id = stage.installed(LIQUID)
        assert isinstance(stage.control("canister_status", canister_id), Replied)
        burned.append(idle_cycles_burned_per_day(stage.state.profile, stage.canister(canister_id)))
        canister = stage.canister(canister_id)
        limits.append(freezing_limit(stage.state.profile, canister))
        told = stage.query(canister_id, "look", b"")
        assert isinstance(told, Reply)
        liquid.append(canister.balance - int.from_bytes(told.data, "little"))
    assert burned[1] - burned[0] == BASE * SECONDS_PER_DAY
    assert limits[1] - limits[0] == liquid[1] - liquid[0] == BASE * 2_592_000


@pytest.mark.parametrize(("name", "largest"), [("production", 20), ("production-2026-08", 32)])
def test_so_many_environment_variables_and_no_more(name: str, largest: int) -> None:
    stage = Stage(load_profile(name))
    canister = stage.create()
    for count, answer in ((largest, Replied), (largest + 1, Rejected)):
        variables = List(tuple(EnvironmentVariable(f"v{number:02}", "x") for number in range(count)))
        settings = management.SettingsArguments(environment_variables=variables)
        changed = stage.manage("update_settings", management.UpdateSettingsArguments(canister, settings))
        assert isinstance(changed, answer)
