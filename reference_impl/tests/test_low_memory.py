"""The low-memory hook: when it is due, what waits for it, and what it costs."""

from attrs import evolve

from spec.state.canister import HookStatus
from spec.values.management import ProvisionalTopUpArguments, SettingsArguments, UpdateSettingsArguments

PAGE = 65536
GROWS = {"grow": lambda entry: entry.returns(b"", pages=entry.argument[0])}
COUNTS = {"on_low_wasm_memory": lambda entry: entry.returns(number=entry.number + 1)}
LIMIT = SettingsArguments(wasm_memory_limit=4 * PAGE, wasm_memory_threshold=2 * PAGE)


def limited(stage, module):
    canister = stage.create(module)
    stage.manage("update_settings", UpdateSettingsArguments(canister, LIMIT))
    return canister


def hook(stage, canister):
    return stage.canister(canister).low_memory_hook


def test_the_hook_runs_once_when_less_than_the_threshold_is_left(stage, script):
    canister = limited(stage, script(updates=GROWS, hooks=COUNTS))
    stage.call(canister, "grow", bytes([2]))
    assert (hook(stage, canister), stage.number(canister)) == (HookStatus.CONDITION_NOT_SATISFIED, 0)
    stage.call(canister, "grow", bytes([3]))
    assert (hook(stage, canister), stage.number(canister)) == (HookStatus.EXECUTED, 1)
    stage.call(canister, "grow", bytes([4]))
    assert (hook(stage, canister), stage.number(canister)) == (HookStatus.EXECUTED, 1)


def test_settings_make_the_hook_due_and_not_due(stage, script):
    canister = limited(stage, script(updates=GROWS, hooks=COUNTS))
    wide, narrow = (SettingsArguments(wasm_memory_threshold=pages * PAGE) for pages in (0, 5))
    for given, status, runs in [(narrow, "EXECUTED", 1), (wide, "CONDITION_NOT_SATISFIED", 1), (narrow, "EXECUTED", 2)]:
        stage.manage("update_settings", UpdateSettingsArguments(canister, given))
        assert (hook(stage, canister).name, stage.number(canister)) == (status, runs)


def test_without_a_limit_the_heap_ends_where_its_addresses_do(stage, script):
    settings = SettingsArguments(wasm_memory_limit=0, wasm_memory_threshold=2**32)
    for is_64_bit, status in [(False, HookStatus.EXECUTED), (True, HookStatus.CONDITION_NOT_SATISFIED)]:
        module = evolve(script(updates=GROWS, hooks=COUNTS), has_64_bit_memory=is_64_bit)
        canister = stage.create(module, cycles=10**15)
        stage.manage("update_settings", UpdateSettingsArguments(canister, settings))
        stage.call(canister, "grow", bytes([1]))
        assert hook(stage, canister) is status


def test_a_hook_that_is_not_exported_costs_nothing_and_counts_as_run(stage, script):
    canister = limited(stage, script(updates=GROWS))
    stage.engine.explain()
    stage.call(canister, "grow", bytes([4]))
    assert hook(stage, canister) is HookStatus.EXECUTED
    steps = [step for step in stage.engine.explain() if step.label.rule == "message_execution"]
    assert [bool(step.observed.burned) for step in steps] == [True, False]


def test_calls_wait_for_a_hook_that_cannot_run(stage, script):
    """A query needs fewer cycles than the hook; with an amount in between, it waits, and the engine says so."""
    queries = {"ask": lambda entry: entry.returns(b"told")}
    canister = limited(stage, script(updates=GROWS, queries=queries, hooks=COUNTS))
    stage.manage("update_settings", UpdateSettingsArguments(canister, SettingsArguments(freezing_threshold=0)))
    request = stage.start(canister, "grow", bytes([4]))
    assert stage.take("initiate_call", request_id=request)
    message = stage.engine.instance.messages.next_id - 1
    assert stage.take("call_context_creation", message_id=message, context_id=100)
    assert stage.take("message_execution", message_id=message)
    assert hook(stage, canister) is HookStatus.READY
    assert stage.take("payment_from_main_balance", canister_id=canister, balance=10**10)
    asked = stage.start(canister, "ask")
    stage.engine.drain()
    assert stage.engine.is_quiescent
    assert type(stage.answer(asked)).__name__ == "Processing"
    (waits,) = stage.engine.instance.messages.eligible_calls(canister)
    assert not stage.take("call_context_creation", message_id=waits, context_id=200)
    stage.manage("provisional_top_up_canister", ProvisionalTopUpArguments(canister, 10**14))
    assert (stage.answer(asked), stage.number(canister)) == (b"told", 1)
