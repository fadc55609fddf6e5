"""The canister and the system around it, prices, and debugging."""

from collections.abc import Callable
from typing import Any

import pytest

from spec.canister.environment import EnvironmentVariable
from spec.canister.outcome import Returned, SystemRecord, Trapped, TrapReason
from spec.fees import call_fee, cycles_per_response, http_request_fee
from spec.profile import load_profile
from spec.values.containers import List

Run = Callable[..., Any]

PROFILE = load_profile()
VARIABLES = List.of(EnvironmentVariable("zoo", "animals"), EnvironmentVariable("äb", "c"), EnvironmentVariable("a", ""))


def number(data: bytes) -> int:
    return int.from_bytes(data, "little")


@pytest.mark.checklist(
    "api.canister-self-size",
    "api.canister-self-copy",
    "api.subnet-self-size",
    "api.subnet-self-copy",
    "api.root-key-size",
    "api.root-key-copy",
    "unspec.fn.root-key-import",
)
@pytest.mark.parametrize(
    ("name", "expected"),
    [("canister_self", b"\0" * 7 + b"\x07\x01\x01"), ("subnet_self", b"subnet"), ("root_key", b"root key")],
)
def test_identities_are_copied(replied: Run, name: str, expected: bytes) -> None:
    copy = f"(call ${name}_copy (i32.const 0) (i32.const 0) (call ${name}_size))"
    assert replied(f"{copy} (call $reply (i32.const 0) (call ${name}_size))") == expected


@pytest.mark.checklist("api.canister-status", "api.canister-version", "api.time", "api.in-replicated-execution")
def test_status_version_time_and_mode_are_those_of_the_environment(replied: Run) -> None:
    assert number(replied("(call $reply_i32 (call $canister_status))")) == 2
    assert number(replied("(call $reply_i64 (call $canister_version))")) == 9
    assert number(replied("(call $reply_i64 (call $time))")) == 1_234
    assert number(replied("(call $reply_i32 (call $in_replicated_execution))")) == 1


@pytest.mark.checklist("api.is-controller")
def test_controllers_are_recognized(replied: Run, go: Run) -> None:
    ask = "(call $reply_i32 (call $is_controller (i32.const 100) (i32.const {})))"
    data = '(data (i32.const 100) "controller")'
    assert number(replied(ask.format(10), data)) == 1
    assert number(replied(ask.format(9), data)) == 0
    assert number(replied(ask.format(29), data)) == 0
    assert isinstance(go(ask.format(30), data), Trapped)


@pytest.mark.checklist("api.global-timer-set")
def test_setting_the_timer_gives_the_timer_before(replied: Run, go: Run) -> None:
    set_timer = "(call $global_timer_set (i64.const {}))"
    assert number(replied(f"(call $reply_i64 {set_timer.format(7)})")) == 55
    assert number(replied(f"(drop {set_timer.format(7)}) (call $reply_i64 {set_timer.format(8)})")) == 7
    switched_off = f"(drop {set_timer.format(7)}) (drop {set_timer.format(0)})"
    assert go(switched_off).new_global_timer == 0
    assert number(replied(f"{switched_off} (call $reply_i64 {set_timer.format(8)})")) == 0
    assert go("").new_global_timer is None


@pytest.mark.checklist("api.performance-counter", "unspec.fn.performance-counter")
def test_the_performance_counter_includes_its_own_call(replied: Run) -> None:
    counter = "(call $reply_i64 (call $performance_counter (i32.const {})))"
    assert number(replied(counter.format(0))) == 1 + 1 + 5 + 5 + 200
    assert number(replied(counter.format(1), call_context_instructions=1000)) == 1 + 1 + 5 + 5 + 200 + 1000


@pytest.mark.checklist("api.performance-counter")
def test_there_are_two_performance_counters(go: Run) -> None:
    assert isinstance(go("(drop (call $performance_counter (i32.const 2)))"), Trapped)


@pytest.mark.checklist("api.certified-data-set", "error.certified-data-too-large", "inv.certified-data-size")
def test_certified_data_is_at_most_32_bytes(go: Run) -> None:
    certify = "(call $certified_data_set (i32.const {}) (i32.const {}))"
    assert (
        go(certify.format(100, 2) + certify.format(100, 3), '(data (i32.const 100) "abc")').new_certified_data == b"abc"
    )
    assert go(certify.format(0, 32)).new_certified_data == bytes(32)
    assert isinstance(go(certify.format(0, 33)), Trapped)
    assert isinstance(go(certify.format(65_536, 1)), Trapped)


@pytest.mark.checklist("api.data-certificate-present", "api.data-certificate-size", "api.data-certificate-copy")
def test_a_certificate_is_there_only_where_one_is_given(canister: Run) -> None:
    body = """
        (func (export "canister_query present") (call $reply_i32 (call $data_certificate_present)))
        (func (export "canister_query go")
          (call $data_certificate_copy (i32.const 0) (i32.const 0) (call $data_certificate_size))
          (call $reply (i32.const 0) (call $data_certificate_size)))"""
    one = canister(body)
    assert one.query(replicated=False, certificate=b"certificate").response.data == b"certificate"
    assert number(one.query("present", replicated=False, certificate=b"certificate").response.data) == 1
    assert number(one.query("present", replicated=False).response.data) == 0
    assert isinstance(one.query(replicated=False), Trapped)


@pytest.mark.checklist("api.env-var-count", "api.env-var-name-size", "api.env-var-name-copy")
def test_environment_variables_are_ordered_by_name(replied: Run) -> None:
    copy = """(call $env_var_name_copy
        (i32.const {0}) (i32.const 0) (i32.const 0) (call $env_var_name_size (i32.const {0})))"""
    reply = "(call $reply (i32.const 0) (call $env_var_name_size (i32.const {})))"
    names = [
        replied(copy.format(index) + reply.format(index), environment_variables=VARIABLES).decode()
        for index in range(3)
    ]
    assert names == ["a", "zoo", "äb"]
    assert number(replied("(call $reply_i32 (call $env_var_count))", environment_variables=VARIABLES)) == 3


@pytest.mark.checklist(
    "api.env-var-name-exists", "api.env-var-value-size", "api.env-var-value-copy", "api.env-var-name-size"
)
def test_environment_variables_are_found_by_name(replied: Run, go: Run) -> None:
    data = '(data (i32.const 100) "zoo\\ff")'
    exists = "(call $reply_i32 (call $env_var_name_exists (i32.const 100) (i32.const {})))"
    copy = """(call $env_var_value_copy (i32.const 100) (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 3))
        (call $reply (i32.const 0) (i32.const 3))"""
    size = "(call $reply_i32 (call $env_var_value_size (i32.const 100) (i32.const {})))"
    given: dict[str, Any] = {"environment_variables": VARIABLES}
    assert number(replied(exists.format(3), data, **given)) == 1
    assert number(replied(exists.format(2), data, **given)) == 0
    assert isinstance(go(exists.format(4), data, **given), Trapped)
    assert isinstance(go(exists.format(101), data, **given), Trapped)
    assert replied(copy, data, **given) == b"nim"
    assert number(replied(size.format(3), data, **given)) == 7
    assert isinstance(go(size.format(2), data, **given), Trapped)
    assert isinstance(go("(drop (call $env_var_name_size (i32.const 3)))", **given), Trapped)


@pytest.mark.checklist("api.cost-call", "unspec.fn.cost-functions")
def test_cost_call_is_what_a_call_needs(replied: Run) -> None:
    cost = "(call $cost_call (i64.const 60) (i64.const 40) (i32.const 0)) (call $reply (i32.const 0) (i32.const 16))"
    assert number(replied(cost)) == call_fee(PROFILE.fees, 100, 13) + cycles_per_response(PROFILE, False, 13)
    assert number(replied(cost)) == 42_102_512_000


@pytest.mark.checklist("api.cost-create-canister", "api.cost-http-request")
def test_other_prices_are_those_of_the_fees(replied: Run) -> None:
    reply = "(call $reply (i32.const 0) (i32.const 16))"
    assert number(replied(f"(call $cost_create_canister (i32.const 0)) {reply}", subnet_size=34)) == 1_307_692_307_692
    cost = f"(call $cost_http_request (i64.const 1000) (i64.const 10000) (i32.const 0)) {reply}"
    assert number(replied(cost)) == http_request_fee(PROFILE.fees, 1000, 10_000, 13) == 158_340_000


@pytest.mark.checklist("api.cost-sign-with-ecdsa", "api.cost-sign-with-schnorr", "api.cost-vetkd-derive-key")
@pytest.mark.parametrize(
    ("name", "known"), [("cost_sign_with_ecdsa", 1), ("cost_sign_with_schnorr", 2), ("cost_vetkd_derive_key", 1)]
)
def test_prices_of_keys_say_what_is_unknown(replied: Run, go: Run, name: str, known: int) -> None:
    data = '(data (i32.const 100) "key_1")'
    cost = f"(call ${name} (i32.const 100) (i32.const {{}}) (i32.const {{}}) (i32.const {{}}))"
    for algorithm in range(known):
        price = f"(drop {cost.format(5, algorithm, 0)}) (call $reply (i32.const 0) (i32.const 16))"
        assert number(replied(price, data, subnet_size=34)) == 26_153_846_153
        assert number(replied(f"(call $reply_i32 {cost.format(5, algorithm, 16)})", data)) == 0
        assert number(replied(f"(call $reply_i32 {cost.format(4, algorithm, 16)})", data)) == 2
    assert number(replied(f"(call $reply_i32 {cost.format(4, known, 16)})", data)) == 1
    assert isinstance(go(f"(drop {cost.format(5, known, 65_521)})", data), Trapped)


@pytest.mark.checklist("api.debug-print")
def test_printing_writes_to_the_log(go: Run) -> None:
    print_hello = "(call $debug_print (i32.const 100) (i32.const 5))"
    outcome = go(print_hello * 2, '(data (i32.const 100) "hello")')
    assert outcome.logs == (b"hello", b"hello")


@pytest.mark.checklist("api.debug-print")
def test_printing_never_traps(go: Run) -> None:
    outcome = go("(call $debug_print (i32.const 65536) (i32.const 5))")
    assert isinstance(outcome, Returned)
    assert outcome.logs == (SystemRecord(b"(the bytes to print lie outside of the memory)"),)


@pytest.mark.checklist("api.debug-print", "inv.logs-replicated-only")
def test_only_replicated_executions_have_logs(canister: Run) -> None:
    body = '(func (export "canister_query go") (call $debug_print (i32.const 0) (i32.const 5)))'
    assert canister(body).query(replicated=True).logs == (bytes(5),)
    assert canister(body).query(replicated=False).logs == ()


@pytest.mark.checklist("api.trap", "error.trapped-explicitly")
def test_a_trap_says_what_it_was_given_without_what_is_not_utf_8(go: Run) -> None:
    outcome = go("(call $trap (i32.const 100) (i32.const 5))", '(data (i32.const 100) "he\\ffll")')
    cost = 1 + 2 + 5 + 500 + 5 + 2 * 5 + 50 * 5
    assert outcome == Trapped(cost, TrapReason.TRAPPED, "hell", (SystemRecord(b"he\xffll"),))
    outside = go("(call $trap (i32.const -1) (i32.const 5))")
    assert outside.message == ""
    assert outside.logs == (SystemRecord(b"(the bytes to print lie outside of the memory)"),)


@pytest.mark.checklist("unspec.fn.logs")
def test_logs_of_an_execution_that_trapped_are_kept(go: Run) -> None:
    outcome = go("(call $debug_print (i32.const 0) (i32.const 1)) unreachable")
    assert outcome.logs == (b"\0", SystemRecord())


@pytest.mark.parametrize(
    ("size", "cost"), [(0, 108), (1, 160), (10, 628), (100, 5308), (1000, 52_108), (10_000, 213_100)]
)
def test_printing_costs_what_goes_into_the_log(go: Run, size: int, cost: int) -> None:
    assert go(f"(call $debug_print (i32.const 0) (i32.const {size}))").instructions_used == cost


def test_printing_to_a_full_log_costs_less(go: Run) -> None:
    outcome = go("(call $debug_print (i32.const 0) (i32.const 10000))" * 2)
    assert outcome.instructions_used == 213_100 + 2 + 5 + 100 + 2 * 4096


def test_the_oldest_records_make_room_in_the_log(go: Run) -> None:
    outcome = go("".join(f"(call $debug_print (i32.const 0) (i32.const {size}))" for size in (4000, 200, 100)))
    first, second, third = 52 * 4000, 2 * 200 + 50 * (4096 - 4040), 52 * 100
    assert outcome.instructions_used == 1 + 3 * (2 + 5 + 100) + first + second + third


@pytest.mark.checklist("prod.system_api.test_save_log_message_trims_long_message", "unspec.fn.logs", "api.debug-print")
def test_a_text_is_cut_to_what_the_log_has_room_for(go: Run) -> None:
    printed = [go(f"(call $debug_print (i32.const 0) (i32.const {size}))").logs for size in (4_056, 4_057, 65_536)]
    assert [[len(text) for text in logs] for logs in printed] == [[4_056]] * 3
