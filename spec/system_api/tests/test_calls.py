"""The assembling of calls."""

from collections.abc import Callable
from typing import Any

import pytest

from spec.canister.outcome import Callback, Closure, MethodCall, Returned, Trapped
from spec.fees import call_fee, cycles_per_response
from spec.profile import load_profile
from spec.values.rejects import Reply

Run = Callable[..., Any]

PROFILE = load_profile()
RESPONSE = cycles_per_response(PROFILE, False, 13)
NEW = """(call $call_new (i32.const 100) (i32.const 2) (i32.const 102) (i32.const 4)
    (i32.const 1) (i32.const 11) (i32.const 2) (i32.const 12))"""
DATA = '(data (i32.const 100) "idnameARGUMENT")'
APPEND = "(call $call_data_append (i32.const 106) (i32.const {}))"
PERFORM = "(drop (call $call_perform))"
ADD = "(call $call_cycles_add128 (i64.const 0) (i64.const {}))"
REPLY_BALANCE = "(call $canister_cycle_balance128 (i32.const 0)) (call $reply (i32.const 0) (i32.const 16))"
MEMORY = 65_536 + 32 + 1_234
STORAGE_OF_DAY = MEMORY * 317_500 * 86_400 // 2**30
FREEZING_LIMIT = STORAGE_OF_DAY * 30
LARGEST_RESPONSE = 144 + 2_097_152

BETWEEN = [
    "(call $call_on_cleanup (i32.const 0) (i32.const 0))",
    "(call $call_data_append (i32.const 0) (i32.const 0))",
    "(call $call_with_best_effort_response (i32.const 0))",
    "(call $call_cycles_add (i64.const 0))",
    "(call $call_cycles_add128 (i64.const 0) (i64.const 0))",
    PERFORM,
]


def fee(payload: int) -> int:
    return call_fee(PROFILE.fees, payload, 13)


def limit_with_messages(*messages: int) -> int:
    """The freezing limit of a canister whose calls take so many bytes of message memory."""
    return (STORAGE_OF_DAY + sum(messages) * 317_500 * 86_400 // 2**30) * 30


def appended(size: int) -> str:
    """Appends so many bytes to the argument, in parts for which the heap is large enough."""
    parts = [65_536] * (size // 65_536) + [size % 65_536]
    return "".join(f"(call $call_data_append (i32.const 0) (i32.const {part}))" for part in parts)


def the_call(argument: bytes = b"", cycles: int = 0, cleanup: Closure | None = None, timeout: Any = None) -> MethodCall:
    return MethodCall(
        callee=b"id",  # type: ignore[arg-type]
        method_name="name",
        argument=argument,
        transferred_cycles=cycles,
        callback=Callback(Closure(1, 11), Closure(2, 12), cleanup, RESPONSE),
        fee=fee(4 + len(argument)),
        timeout=timeout,
    )


@pytest.mark.checklist(
    "api.call-new",
    "api.call-data-append",
    "api.call-cycles-add",
    "api.call-cycles-add128",
    "api.call-on-cleanup",
    "api.call-with-best-effort-response",
    "entry.closure",
    "entry.update",
    "seed2.actor-send",
)
def test_a_call_is_made_with_all_its_parts(go: Run) -> None:
    outcome = go(
        NEW
        + APPEND.format(3)
        + "(call $call_data_append (i32.const 109) (i32.const 5))"
        + ADD.format(20)
        + "(call $call_cycles_add (i64.const 3))"
        + "(call $call_on_cleanup (i32.const 3) (i32.const 13))"
        + "(call $call_with_best_effort_response (i32.const 20))"
        + PERFORM,
        DATA,
    )
    assert list(outcome.new_calls) == [the_call(b"ARGUMENT", 23, Closure(3, 13), 20)]


@pytest.mark.checklist("inv.order.calls-of-one-execution")
def test_calls_are_made_in_order(go: Run) -> None:
    outcome = go(NEW + PERFORM + NEW + APPEND.format(1) + PERFORM, DATA)
    assert list(outcome.new_calls) == [the_call(), the_call(b"A")]


@pytest.mark.checklist(
    "api.call-on-cleanup", "api.call-data-append", "api.call-cycles-add", "api.call-cycles-add128", "api.call-perform"
)
@pytest.mark.parametrize("function", BETWEEN)
def test_without_a_call_under_construction_it_traps(go: Run, function: str) -> None:
    assert isinstance(go(function, DATA), Trapped)
    assert isinstance(go(NEW + PERFORM + function, DATA), Trapped)
    assert isinstance(go(NEW + function, DATA), Returned)


@pytest.mark.checklist("api.call-on-cleanup", "api.call-with-best-effort-response")
def test_cleanup_and_time_out_are_set_once(go: Run) -> None:
    assert isinstance(go(NEW + BETWEEN[0] + BETWEEN[0], DATA), Trapped)
    assert isinstance(go(NEW + BETWEEN[2] + BETWEEN[2], DATA), Trapped)
    assert isinstance(go(NEW + BETWEEN[2] + NEW + BETWEEN[2] + PERFORM, DATA), Returned)


@pytest.mark.checklist(
    "error.timeout-too-long",
    "unspec.const.max-call-timeout",
    "module.numbers-unsigned",
    "prod.hypervisor.call_with_best_effort_response_timeout_is_bounded",
)
def test_a_long_time_out_is_cut(go: Run) -> None:
    outcome = go(NEW + "(call $call_with_best_effort_response (i32.const -1))" + PERFORM, DATA)
    assert list(outcome.new_calls) == [the_call(timeout=300)]


@pytest.mark.checklist("entry.pending-call-discarded", "api.call-new")
def test_a_call_that_is_not_performed_is_dropped_and_its_cycles_come_back(go: Run, replied: Run) -> None:
    outcome = go(NEW + ADD.format(20), DATA)
    assert isinstance(outcome, Returned)
    assert outcome.new_calls.is_empty()
    assert int.from_bytes(replied(NEW + ADD.format(20) + REPLY_BALANCE, DATA), "little") == 10**15 - 20
    assert int.from_bytes(replied(NEW + ADD.format(20) + NEW + REPLY_BALANCE, DATA), "little") == 10**15


@pytest.mark.checklist("unspec.const.max-cycles-per-response", "api.call-perform")
def test_a_performed_call_costs_cycles_fee_and_reserve_at_once(replied: Run) -> None:
    balance = int.from_bytes(replied(NEW + ADD.format(20) + PERFORM + REPLY_BALANCE, DATA), "little")
    assert balance == 10**15 - 20 - fee(4) - RESPONSE


@pytest.mark.checklist(
    "api.call-perform",
    "unspec.fn.system-cannot-call-now",
    "unspec.fn.call-perform-error-value",
    "inv.call-perform-zero-one-callback",
    "prod.system_api.call_perform_not_enough_cycles_does_not_trap",
)
def test_a_call_that_the_liquid_balance_does_not_cover_fails(replied: Run, go: Run) -> None:
    needed = limit_with_messages(LARGEST_RESPONSE) + 20 + fee(4) + RESPONSE
    perform = NEW + ADD.format(20) + "(call $reply_i32 (call $call_perform))"
    assert replied(perform, DATA, balance=needed) == bytes(4)
    assert replied(perform, DATA, balance=needed - 1) == b"\x02\0\0\0"
    assert replied(perform, DATA, balance=needed - 1, reserved_balance=1) == bytes(4)
    outcome = go(perform, DATA, balance=needed - 1)
    assert outcome.new_calls.is_empty()


def test_what_performed_calls_took_is_not_there_for_the_next(go: Run) -> None:
    needed = limit_with_messages(2 * LARGEST_RESPONSE) + 2 * (fee(4) + RESPONSE)
    outcome = go(NEW + PERFORM + NEW + PERFORM, DATA, balance=needed)
    assert len(outcome.new_calls) == 2
    outcome = go(NEW + PERFORM + NEW + PERFORM, DATA, balance=needed - 1)
    assert len(outcome.new_calls) == 1


@pytest.mark.checklist("error.insufficient-cycles-message-memory")
@pytest.mark.parametrize(
    ("bounded_wait", "argument", "memory"),
    [
        (False, 0, LARGEST_RESPONSE),
        (False, 2_097_116, LARGEST_RESPONSE),
        (False, 2_097_117, LARGEST_RESPONSE + 1),
        (False, 4_194_304, 176 + 4 + 4_194_304),
        (True, 0, 176 + 4),
        (True, 2_097_117, 176 + 4 + 2_097_117),
    ],
)
def test_a_call_whose_message_memory_cannot_be_paid_without_freezing_fails(
    go: Run, bounded_wait: bool, argument: int, memory: int
) -> None:
    wait = "(call $call_with_best_effort_response (i32.const 0))" if bounded_wait else ""
    perform = NEW + wait + appended(argument) + PERFORM
    needed = limit_with_messages(memory) + fee(4 + argument) + RESPONSE
    assert len(go(perform, DATA, balance=needed).new_calls) == 1
    assert len(go(perform, DATA, balance=needed - 1).new_calls) == 0


@pytest.mark.checklist("error.insufficient-cycles-message-memory")
def test_the_message_memory_of_an_execution_adds_up_over_the_calls_that_it_performed(go: Run) -> None:
    wait = "(call $call_with_best_effort_response (i32.const 9))"
    calls = NEW + wait + PERFORM + NEW + PERFORM + NEW + wait + appended(50) + PERFORM
    needed = limit_with_messages(180 + LARGEST_RESPONSE + 230) + 2 * fee(4) + fee(54) + 3 * RESPONSE
    assert len(go(calls, DATA, balance=needed).new_calls) == 3
    assert [call.timeout for call in go(calls, DATA, balance=needed - 1).new_calls] == [9, None]
    # The second is too large a call, takes no memory, and leaves enough for the third.
    enough_for_two = limit_with_messages(180 + 230) + fee(4) + fee(54) + 2 * RESPONSE
    assert [call.timeout for call in go(calls, DATA, balance=enough_for_two).new_calls] == [9, 9]
    assert [call.timeout for call in go(calls, DATA, balance=enough_for_two - 1).new_calls] == [9]


@pytest.mark.checklist("error.insufficient-cycles-message-memory")
def test_a_memory_allocation_does_not_cover_message_memory(go: Run) -> None:
    allocated = 2**30
    needed = (allocated + LARGEST_RESPONSE) * 317_500 * 86_400 // 2**30 * 30 + fee(4) + RESPONSE
    assert len(go(NEW + PERFORM, DATA, balance=needed, memory_allocation=allocated).new_calls) == 1
    assert len(go(NEW + PERFORM, DATA, balance=needed - 1, memory_allocation=allocated).new_calls) == 0


def test_message_memory_leaves_the_liquid_balance_and_the_cost_of_calls_as_they_are(replied: Run) -> None:
    liquid = "(call $canister_liquid_cycle_balance128 (i32.const 0)) (call $reply (i32.const 0) (i32.const 16))"
    balance = limit_with_messages(LARGEST_RESPONSE) + fee(4) + RESPONSE
    left = int.from_bytes(replied(NEW + PERFORM + liquid, DATA, balance=balance), "little")
    assert left == limit_with_messages(LARGEST_RESPONSE) - FREEZING_LIMIT
    cost = "(call $cost_call (i64.const 4) (i64.const 0) (i32.const 0)) (call $reply (i32.const 0) (i32.const 16))"
    assert int.from_bytes(replied(cost), "little") == fee(4) + RESPONSE


@pytest.mark.checklist("api.call-perform")
def test_a_failed_call_gives_its_cycles_back(replied: Run) -> None:
    balance = FREEZING_LIMIT + 50
    data = replied(NEW + ADD.format(20) + PERFORM + REPLY_BALANCE, DATA, balance=balance)
    assert int.from_bytes(data, "little") == balance


@pytest.mark.checklist("api.call-cycles-add128")
def test_no_more_cycles_are_added_than_are_liquid(go: Run) -> None:
    assert isinstance(go(NEW + ADD.format(30) + ADD.format(20), DATA, balance=FREEZING_LIMIT + 50), Returned)
    assert isinstance(go(NEW + ADD.format(30) + ADD.format(21), DATA, balance=FREEZING_LIMIT + 50), Trapped)


@pytest.mark.checklist("error.method-name-too-long", "api.call-new")
def test_callee_and_name_are_bounded(go: Run) -> None:
    new = """(call $call_new (i32.const 0) (i32.const {}) (i32.const 0) (i32.const {})
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))"""
    assert isinstance(go(new.format(29, 20_000)), Returned)
    assert isinstance(go(new.format(30, 0)), Trapped)
    assert isinstance(go(new.format(0, 20_001)), Trapped)


@pytest.mark.checklist("error.call-payload-too-large", "api.call-data-append", "unspec.const.message-size-limits")
def test_the_payload_is_bounded(go: Run) -> None:
    grow = "(drop (memory.grow (i32.const 200)))"
    append = "(call $call_data_append (i32.const 0) (i32.const {}))"
    assert isinstance(go(grow + NEW + append.format(10_485_756), DATA), Returned)
    assert isinstance(go(grow + NEW + append.format(10_485_757), DATA), Trapped)
    assert isinstance(go(grow + NEW + append.format(10_485_756) + append.format(1), DATA), Trapped)


def test_wide_modules_set_aside_more(go: Run) -> None:
    new = NEW.replace("i32", "i64")
    outcome = go(new + PERFORM, '(data (i64.const 100) "idname")', wasm64=True)
    assert next(iter(outcome.new_calls)).callback.reserved_cycles == cycles_per_response(PROFILE, True, 13)


def test_a_method_name_that_is_not_utf_8_is_patched(go: Run) -> None:
    outcome = go(NEW + PERFORM, '(data (i32.const 100) "idna\\ffe")')
    assert next(iter(outcome.new_calls)).method_name == "na\ufffde"
    assert next(iter(outcome.new_calls)).fee == fee(4)


@pytest.mark.checklist("prod.hypervisor.wasm64_ic0_call_perform_enqueues_request")
def test_a_wide_module_calls_and_replies(go: Run) -> None:
    new = NEW.replace("i32", "i64")
    append = "(call $call_data_append (i64.const 106) (i64.const 8))"
    outcome = go(new + append + PERFORM + "(call $msg_reply)", DATA.replace("i32", "i64"), wasm64=True)
    assert [(call.callee, call.method_name, call.argument) for call in outcome.new_calls] == [
        (b"id", "name", b"ARGUMENT")
    ]
    assert outcome.response == Reply(b"")
