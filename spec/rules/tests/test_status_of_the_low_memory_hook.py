"""When the low-memory hook becomes due, and when it is due no more."""

import pytest

from spec.canister.wasm_state import WasmState
from spec.rules.tests.worlds import (
    USER,
    A,
    a_context,
    asked,
    canister,
    contexts,
    execution,
    fire,
    managing,
    module,
    returns,
    world,
)
from spec.state.canister import Code, HookStatus
from spec.values import management
from spec.values.memory import LinearMemory
from spec.values.quantities import WASM_PAGE

NOT_LOW, READY, EXECUTED = HookStatus.CONDITION_NOT_SATISFIED, HookStatus.READY, HookStatus.EXECUTED
USED = 2 * WASM_PAGE
GIBIBYTE = 2**30


def hooked(pages, status, **settings):
    """A canister with the hook and a heap of so many pages."""
    gives = {"on_low_wasm_memory": returns(), "update go": returns()}
    installed = Code(module(gives=gives), WasmState(A, LinearMemory(pages)))
    return canister(A, installed, low_memory_hook=status, **settings)


def after_change(status, before, change):
    """The status of the hook after a change of settings, with two pages of heap."""
    arguments = management.UpdateSettingsArguments(A, management.SettingsArguments(**change))
    state = managing((A, hooked(2, status, **before)), call=asked(arguments, caller=USER))
    return fire(state, "update_settings", message_id=0).state.canisters[A].low_memory_hook


@pytest.mark.parametrize(
    ("status", "before", "after", "expected"),
    [
        pytest.param(
            READY,
            150,
            50,
            NOT_LOW,
            marks=pytest.mark.checklist(
                "prod.canister_manager.update_wasm_memory_threshold_updates_hook_status_ready_to_not_satisfied"
            ),
        ),
        pytest.param(
            NOT_LOW,
            50,
            150,
            READY,
            marks=pytest.mark.checklist(
                "prod.canister_manager.update_wasm_memory_threshold_updates_hook_status_not_satisfied_to_ready"
            ),
        ),
        pytest.param(
            EXECUTED,
            150,
            50,
            NOT_LOW,
            marks=pytest.mark.checklist(
                "prod.canister_manager.update_wasm_memory_threshold_updates_hook_status_executed_to_not_satisfied"
            ),
        ),
        pytest.param(
            EXECUTED,
            150,
            149,
            EXECUTED,
            marks=pytest.mark.checklist(
                "prod.canister_manager.update_wasm_memory_threshold_updates_hook_status_executed_is_remembered"
            ),
        ),
    ],
)
def test_a_threshold_that_changes_may_make_the_hook_due_or_not(status, before, after, expected):
    """A hundred bytes are left."""
    settings = {"wasm_memory_limit": USED + 100, "wasm_memory_threshold": before}
    assert after_change(status, settings, {"wasm_memory_threshold": after}) is expected


@pytest.mark.parametrize(
    ("status", "before", "after", "expected"),
    [
        pytest.param(
            NOT_LOW,
            150,
            50,
            READY,
            marks=pytest.mark.checklist(
                "prod.canister_manager.update_wasm_memory_limit_updates_hook_status_not_satisfied_to_ready"
            ),
        ),
        pytest.param(
            READY,
            50,
            150,
            NOT_LOW,
            marks=pytest.mark.checklist(
                "prod.canister_manager.update_wasm_memory_limit_updates_hook_status_ready_to_not_satisfied"
            ),
        ),
    ],
)
def test_a_limit_that_changes_may_make_the_hook_due_or_not(status, before, after, expected):
    """The threshold is a hundred bytes, and so many are left before and after."""
    settings = {"wasm_memory_limit": USED + before, "wasm_memory_threshold": 100}
    assert after_change(status, settings, {"wasm_memory_limit": USED + after}) is expected


@pytest.mark.checklist("prod.system_api.test_on_low_wasm_memory_grow_wasm_memory_all_status_changes")
@pytest.mark.parametrize("status", [NOT_LOW, READY, EXECUTED])
@pytest.mark.parametrize(("more", "is_low"), [(0, False), (1, True)])
def test_above_two_of_three_gibibytes_the_hook_is_due_unless_it_has_run(status, more, is_low):
    """Of a limit of three gibibytes, less than a threshold of one is left above two. A hook that is due waits first."""
    pages = 2 * GIBIBYTE // WASM_PAGE + more
    limits = {"wasm_memory_limit": 3 * GIBIBYTE, "wasm_memory_threshold": GIBIBYTE, "freezing_threshold": 0}
    arguments = management.UpdateSettingsArguments(A, management.SettingsArguments())
    state = managing((A, hooked(pages, status, **limits)), call=asked(arguments, caller=USER))
    by_settings = fire(state, "update_settings", message_id=0).state.canisters[A].low_memory_hook
    expected = NOT_LOW if not is_low else EXECUTED if status is EXECUTED else READY
    assert by_settings is expected
    if status is not READY:
        running = world(
            (A, hooked(pages, status, **limits)),
            messages=(execution(A, context_id=0),),
            call_contexts=contexts(a_context(A)),
        )
        assert fire(running, "message_execution", message_id=0).state.canisters[A].low_memory_hook is expected
