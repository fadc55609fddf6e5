"""The System API is available where the interface specification says, costs what the facts say, and does its work."""

import json
from pathlib import Path

import pytest
from attrs import evolve

from reference_impl.wasm.layout.fast_functions import MIDDLING_BLOB
from reference_impl.wasm.layout.system_functions import SYSTEM_API, Context
from reference_impl.wasm.system_api import costs
from reference_impl.wasm.system_api import functions as system_api
from spec.canister.environment import Caller
from spec.canister.outcome import Inspected, Returned, SystemRecord, Trapped, TrapReason
from spec.canister.wasm_state import WasmState
from spec.values.identifiers import Principal
from spec.values.memory import LinearMemory
from spec.values.quantities import MAXIMUM_CYCLES
from spec.values.rejects import Reject, RejectCode, Reply

LETTERS = {"I": "P", "i32": "i", "i64": "l"}


def checklist_rows(facts: Path):
    rows = json.loads((facts / "checklist.json").read_text())["system_api"]
    return [row for row in rows if "import_name" in row]


def test_all_functions_of_the_interface_specification_are_there_with_their_types(facts: Path) -> None:
    rows = checklist_rows(facts)
    assert {row["import_name"] for row in rows} == set(SYSTEM_API)
    for row in rows:
        function = SYSTEM_API[row["import_name"]]
        assert function.parameters == "".join(LETTERS[kind] for _, kind in row["params"]), row["id"]
        assert function.result == "".join(LETTERS[kind] for kind in row["results"]), row["id"]
        assert function.only_32_bit == (row["available_for"] == "i32 only"), row["id"]


def test_functions_are_available_where_the_interface_specification_says(facts: Path) -> None:
    for row in checklist_rows(facts):
        expected = {Context(letter) for letter, allowed in row["matrix"].items() if allowed}
        assert SYSTEM_API[row["import_name"]].contexts == expected, row["id"]


def test_fixed_costs_are_those_of_the_facts(facts: Path) -> None:
    told = json.loads((facts / "system_api_costs.json").read_text())["functions"]
    for function in SYSTEM_API.values():
        expected = told[f"ic0.{function.name}"]
        if not function.charges_itself:
            assert function.fixed_cost == expected["fixed_wasm32"], function.name
            assert (function.cost is None) == (expected["variable"] == "0"), function.name


def test_every_function_is_callable_with_zeroes_and_a_call_outside_its_contexts_traps(load, environment) -> None:
    for function in SYSTEM_API.values():
        kinds = {"P": "i32", "i": "i32", "l": "i64"}
        parameters = " ".join(kinds[letter] for letter in function.parameters)
        arguments = " ".join(f"({kinds[letter]}.const 0)" for letter in function.parameters)
        result = f"(result {kinds[function.result]})" if function.result else ""
        text = f"""(module (import "ic0" "{function.name}" (func $f (param {parameters}) {result})) (memory 1)
            (func (export "canister_update go") (call $f {arguments}) {"drop" if result else ""}))"""
        module = load(text)
        state = module.initial_state(Principal(b"self"))
        outcome = module.update("go", state, b"", Caller(), None, environment, 0)
        if Context.UPDATE not in function.contexts:
            static = 1 + 5 + len(parameters.split()) + (1 if result else 0)
            assert evolve(outcome, logs=()) == Trapped(static + function.fixed_cost, TrapReason.TRAPPED)
        needs_a_call = function.name.startswith("call_") and function.name != "call_new"
        needs_a_variable = function.name in ("env_var_value_size", "env_var_value_copy", "trap")
        returns = Context.UPDATE in function.contexts and not needs_a_call and not needs_a_variable
        assert isinstance(outcome, Returned) == returns, function.name


def go(imports: str, body: str, more: str = "") -> str:
    known = {
        "append": '"msg_reply_data_append" (func $append (param i32 i32))',
        "reply": '"msg_reply" (func $reply)',
        "reject": '"msg_reject" (func $reject (param i32 i32))',
        "size": '"msg_arg_data_size" (func $size (result i32))',
        "copy": '"msg_arg_data_copy" (func $copy (param i32 i32 i32))',
        "new": '"call_new" (func $new (param i32 i32 i32 i32 i32 i32 i32 i32))',
        "data": '"call_data_append" (func $data (param i32 i32))',
        "cleanup": '"call_on_cleanup" (func $cleanup (param i32 i32))',
        "timeout": '"call_with_best_effort_response" (func $timeout (param i32))',
        "add": '"call_cycles_add128" (func $add (param i64 i64))',
        "perform": '"call_perform" (func $perform (result i32))',
        "balance": '"canister_cycle_balance128" (func $balance (param i32))',
        "liquid": '"canister_liquid_cycle_balance128" (func $liquid (param i32))',
        "accept": '"msg_cycles_accept128" (func $accept (param i64 i64 i32))',
        "available": '"msg_cycles_available" (func $available (result i64))',
        "burn": '"cycles_burn128" (func $burn (param i64 i64 i32))',
        "cost": '"cost_call" (func $cost (param i64 i64 i32))',
        "timer": '"global_timer_set" (func $timer (param i64) (result i64))',
        "counter": '"performance_counter" (func $counter (param i32) (result i64))',
        "controller": '"is_controller" (func $controller (param i32 i32) (result i32))',
        "certify": '"certified_data_set" (func $certify (param i32 i32))',
        "print": '"debug_print" (func $print (param i32 i32))',
        "name_copy": '"env_var_name_copy" (func $name_copy (param i32 i32 i32 i32))',
        "value_copy": '"env_var_value_copy" (func $value_copy (param i32 i32 i32 i32 i32))',
        "grow": '"stable_grow" (func $grow (param i32) (result i32))',
        "write": '"stable_write" (func $write (param i32 i32 i32))',
        "read": '"stable_read" (func $read (param i32 i32 i32))',
        "grow64": '"stable64_grow" (func $grow64 (param i64) (result i64))',
        "size64": '"stable64_size" (func $size64 (result i64))',
    }
    lines = " ".join(f'(import "ic0" {known[name]})' for name in imports.split())
    return f"""(module {lines} (memory 1) (data (i32.const 0) "aaaaa-callee-method-data") {more}
        (func (export "canister_update go") {body}))"""


def numbers(outcome, *places):
    assert isinstance(outcome, Returned), outcome
    return [int.from_bytes(outcome.new_state.wasm_memory.read(place, 16), "little") for place in places]


def test_the_argument_is_replied(update) -> None:
    body = "(call $copy (i32.const 100) (i32.const 1) (i32.sub (call $size) (i32.const 1)))"
    body += "(call $append (i32.const 100) (i32.sub (call $size) (i32.const 1)))"
    body += "(call $append (i32.const 0) (i32.const 2)) call $reply"
    outcome = update(go("size copy append reply", body), b"hello")
    assert outcome.response == Reply(b"elloaa")


@pytest.mark.parametrize(
    "body",
    [
        "(call $copy (i32.const 0) (i32.const 3) (i32.const 3))",
        "(call $copy (i32.const 65533) (i32.const 0) (i32.const 4))",
        "(call $copy (i32.const -1) (i32.const 0) (i32.const 0))",
        "(call $copy (i32.const 0) (i32.const -1) (i32.const 2))",
        "(call $append (i32.const 65535) (i32.const 2))",
        "call $reply call $reply",
        "call $reply (call $append (i32.const 0) (i32.const 0))",
        "(i32.store (i32.const 0) (i32.const 0xff)) (call $reject (i32.const 0) (i32.const 1))",
        "(call $data (i32.const 0) (i32.const 0))",
        "(drop (call $perform))",
        "(call $certify (i32.const 0) (i32.const 33))",
        "(call $controller (i32.const 0) (i32.const 30)) drop",
        "(drop (call $counter (i32.const 2)))",
        "(call $name_copy (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call $value_copy (i32.const 1) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0))",
        f"(call $new (i32.const 0) (i32.const 30) {'(i32.const 0)' * 6})",
    ],
)
def test_a_violated_condition_traps_without_text(update, body) -> None:
    imports = "copy append reply reject data perform certify controller counter name_copy value_copy new"
    outcome = update(go(imports, body), b"hello")
    assert isinstance(outcome, Trapped)
    assert (outcome.reason, outcome.message) == (TrapReason.TRAPPED, "")


def test_a_call_that_needs_no_response_cannot_be_answered(update) -> None:
    assert isinstance(update(go("reply", "call $reply"), needs_to_respond=False), Trapped)


def test_a_reject_carries_its_message_and_ends_the_available_cycles(update) -> None:
    outcome = update(
        go(
            "reject accept available",
            """(call $accept (i64.const 0) (i64.const 5) (i32.const 100))
        (i64.store (i32.const 120) (call $available)) (call $reject (i32.const 0) (i32.const 5))
        (i64.store (i32.const 140) (call $available)) (call $accept (i64.const 1) (i64.const 0) (i32.const 160))""",
        ),
        available_cycles=12,
    )
    assert outcome.response == Reject(RejectCode.CANISTER_REJECT, "aaaaa")
    assert (numbers(outcome, 100, 120, 140, 160), outcome.cycles_accepted) == ([5, 7, 0, 0], 5)


NEW = """(call $new (i32.const 6) (i32.const 6) (i32.const 13) (i32.const 6)
    (i32.const 1) (i32.const 11) (i32.const 2) (i32.const 22))"""


def test_a_performed_call_is_recorded_with_its_price(update, environment) -> None:
    body = (
        NEW
        + """(call $data (i32.const 20) (i32.const 4)) (call $cleanup (i32.const 3) (i32.const 33))
        (call $timeout (i32.const 1000)) (call $add (i64.const 0) (i64.const 500)) (call $balance (i32.const 100))
        (i32.store (i32.const 120) (call $perform)) (call $balance (i32.const 140))
        (call $cost (i64.const 6) (i64.const 4) (i32.const 160))"""
    )
    outcome = update(go("new data cleanup timeout add perform balance cost", body))
    (call,) = outcome.new_calls
    assert (call.callee, call.method_name, call.argument) == (b"callee", "method", b"data")
    assert (call.transferred_cycles, call.timeout) == (500, 300)
    reserve = 1000 * 2_097_152 + 5_000_000 + 40_000_000_000
    assert (call.fee, call.callback.reserved_cycles) == (260_000 + 10_000, reserve)
    closures = call.callback.on_reply, call.callback.on_reject, call.callback.on_cleanup
    assert [(one.function, one.argument) for one in closures] == [(1, 11), (2, 22), (3, 33)]
    price = call.fee + reserve
    balance = environment.balance
    assert numbers(outcome, 100, 120, 140, 160) == [balance - 500, 0, balance - 500 - price, price]


def test_a_call_that_would_freeze_the_canister_is_not_performed_and_gives_its_cycles_back(update, environment) -> None:
    body = (
        NEW
        + """(call $add (i64.const 0) (i64.const 500)) (i32.store (i32.const 120) (call $perform))
        (call $balance (i32.const 140))"""
    )
    text = go("new add perform balance", body)
    price = 260_000 + 6_000 + 1000 * 2_097_152 + 5_000_000 + 40_000_000_000
    needed = price + 500 + costs.freezing_limit(65536 + 32, 2_097_152 + 144, environment)
    enough = update(text, balance=needed)
    assert (numbers(enough, 120), len(enough.new_calls)) == ([0], 1)
    short = update(text, balance=needed - 1)
    assert (numbers(short, 120, 140), len(short.new_calls)) == ([2, needed - 1], 0)


def test_the_freezing_limit_follows_the_formula(environment) -> None:
    usage = 65536 + 1000 + 100
    per_day = usage * 317_500 * 86400 // 2**30
    assert costs.freezing_limit(65536, 0, environment) == per_day * 2_592_000 // 86400
    allocated = evolve(environment, compute_allocation=2, subnet_size=34, memory_allocation=2**30)
    per_day = 317_500 * 86400 * 34 // 13 + 10_000_000 * 86400 * 2 * 34 // 13
    assert costs.freezing_limit(65536, 0, allocated) == per_day * 2_592_000 // 86400
    per_day += 317_500 * 86400 // 1024 * 34 // 13
    assert costs.freezing_limit(65536, 2**20, allocated) == per_day * 2_592_000 // 86400


@pytest.mark.checklist("error.insufficient-cycles-message-memory")
def test_calls_hold_room_in_queues_for_the_longer_of_request_and_response(environment) -> None:
    sizes = [0, 6, 2_097_120, 2_097_121, 10_485_760]
    guaranteed = [costs.room_for_call(size, False, environment) for size in sizes]
    assert guaranteed == [2_097_296, 2_097_296, 2_097_296, 2_097_297, 10_485_936]
    assert [costs.room_for_call(size, True, environment) for size in sizes] == [size + 176 for size in sizes]


def test_the_room_of_performed_calls_counts_for_the_next_only(update, environment) -> None:
    price = 260_000 + 6_000 + 1000 * 2_097_152 + 5_000_000 + 40_000_000_000
    room = 2_097_296 + 182
    needed = 2 * price + costs.freezing_limit(65536 + 32, room, environment)
    body = f"(drop (call $perform)) {NEW} (call $timeout (i32.const 1)) (i32.store (i32.const 120) (call $perform))"
    text = go("new timeout perform liquid", NEW + body + "(call $liquid (i32.const 140))")
    messages = needed - 2 * price - costs.freezing_limit(65536 + 32, 0, environment)
    assert numbers(update(text, balance=needed), 120, 140) == [0, messages]
    assert numbers(update(text, balance=needed - 1), 120, 140) == [2, messages + price - 1]


def test_cycles_above_the_freezing_limit_can_be_spent_and_no_others(update, environment) -> None:
    limit = costs.freezing_limit(65536 + 32, 0, environment)
    text = go(
        "liquid burn balance",
        """(call $liquid (i32.const 100)) (call $burn (i64.const 1) (i64.const 0) (i32.const 120))
        (call $balance (i32.const 140))""",
    )
    outcome = update(text, balance=limit + 10)
    assert (numbers(outcome, 100, 120, 140), outcome.cycles_burned) == ([10, 10, limit], 10)
    reserved = update(text, balance=limit + 10, reserved_balance=limit + 5)
    assert (numbers(reserved, 100), reserved.cycles_burned) == ([limit + 10], limit + 10)
    frozen = update(text, balance=limit - 1)
    assert (numbers(frozen, 100, 120), frozen.cycles_burned) == ([0, 0], 0)
    attached = go("new add", NEW + "(call $add (i64.const 0) (i64.const 11))")
    assert isinstance(update(attached, balance=limit + 10), Trapped)
    assert isinstance(update(attached, balance=limit + 11), Returned)


def test_a_new_call_and_a_return_drop_the_one_under_construction(update, environment) -> None:
    body = NEW + "(call $add (i64.const 0) (i64.const 500))" + NEW + "(call $balance (i32.const 100))"
    outcome = update(go("new add balance", body))
    assert (numbers(outcome, 100), len(outcome.new_calls)) == ([environment.balance], 0)


ACCEPT_50 = "(call $accept (i64.const 0) (i64.const 50) (i32.const 100))"


def test_cycles_accepted_into_a_full_balance_are_taken_from_the_call_and_lost(update) -> None:
    body = ACCEPT_50 + "(call $burn (i64.const 0) (i64.const 5) (i32.const 120)) (call $balance (i32.const 140))"
    outcome = update(go("accept burn balance", body), balance=MAXIMUM_CYCLES - 20, available_cycles=60)
    assert numbers(outcome, 100, 120, 140) == [50, 5, MAXIMUM_CYCLES - 5]
    assert (outcome.cycles_accepted, outcome.cycles_lost) == (50, 30)


@pytest.mark.parametrize("dropped_by", [NEW, ""], ids=["another call", "the end"])
def test_the_cycles_of_a_dropped_call_are_lost_if_others_took_their_room(update, dropped_by) -> None:
    body = NEW + "(call $add (i64.const 0) (i64.const 40))" + ACCEPT_50 + dropped_by
    outcome = update(go("new add accept", body), balance=MAXIMUM_CYCLES, available_cycles=50)
    assert (outcome.cycles_accepted, outcome.cycles_lost) == (50, 10 + 40)


def test_a_call_carries_what_128_bits_hold(update) -> None:
    attach = "(call $add (i64.const -2) (i64.const 0))"
    accept = "(call $accept (i64.const -1) (i64.const -1) (i32.const 100))"
    body = NEW + attach + accept + attach + "(drop (call $perform))"
    outcome = update(go("new add accept perform", body), balance=MAXIMUM_CYCLES, available_cycles=MAXIMUM_CYCLES)
    attached = (2**64 - 2) * 2**64
    assert [call.transferred_cycles for call in outcome.new_calls] == [MAXIMUM_CYCLES]
    assert outcome.cycles_lost == MAXIMUM_CYCLES - attached + 2 * attached - MAXIMUM_CYCLES


def test_the_timer_gives_the_one_before_and_data_is_certified(update) -> None:
    body = """(i64.store (i32.const 100) (call $timer (i64.const 5)))
        (i64.store (i32.const 120) (call $timer (i64.const 0))) (call $certify (i32.const 0) (i32.const 3))"""
    outcome = update(go("timer certify", body))
    assert (numbers(outcome, 100, 120), outcome.new_global_timer, outcome.new_certified_data) == ([77, 5], 0, b"aaa")


def test_the_performance_counters_count_the_segment_they_stand_in(update) -> None:
    body = "(i64.store (i32.const 100) (call $counter (i32.const 0)))"
    body += "(i64.store (i32.const 120) (call $counter (i32.const 1)))"
    outcome = update(go("counter", body), call_context_instructions=1000)
    static = 1 + 2 * (1 + 1 + 5 + 1)
    assert numbers(outcome, 100, 120) == [static + 200, static + 400 + 1000]


def test_environment_variables_come_in_the_order_of_their_names(update) -> None:
    body = """(call $name_copy (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 1))
        (call $value_copy (i32.const 0) (i32.const 1) (i32.const 120) (i32.const 1) (i32.const 4))"""
    outcome = update(go("name_copy value_copy", body))
    assert outcome.new_state.wasm_memory.read(100, 1) == b"a"
    assert outcome.new_state.wasm_memory.read(120, 4) == b"irst"


def test_printing_outside_of_the_memory_does_not_trap(update) -> None:
    outcome = update(
        go("print", "(call $print (i32.const 0) (i32.const 5)) (call $print (i32.const -1) (i32.const 5))")
    )
    assert (outcome.logs[0], len(outcome.logs)) == (b"aaaaa", 2)


def test_stable_memory_is_written_and_read(update) -> None:
    body = """(i32.store (i32.const 200) (call $grow (i32.const 2)))
        (call $write (i32.const 65530) (i32.const 0) (i32.const 12))
        (call $read (i32.const 100) (i32.const 65535) (i32.const 6)) (i64.store (i32.const 220) (call $size64))"""
    outcome = update(go("grow write read size64", body))
    assert (numbers(outcome, 200, 220), outcome.new_state.wasm_memory.read(100, 6)) == ([0, 2], b"-calle")
    assert outcome.new_state.stable_memory.read(65530, 12) == b"aaaaa-callee"


def test_stable_memory_has_its_bounds(update, profile) -> None:
    state = WasmState(Principal(b"self"), LinearMemory(1), LinearMemory(1))
    for body in (
        "(call $write (i32.const 65535) (i32.const 0) (i32.const 2))",
        "(call $write (i32.const 0) (i32.const 65535) (i32.const 2))",
        "(call $read (i32.const 65535) (i32.const 0) (i32.const 2))",
        "(call $read (i32.const 0) (i32.const -1) (i32.const 2))",
    ):
        assert isinstance(update(go("write read", body), state=state), Trapped)
    large = evolve(state, stable_memory=LinearMemory(65537))
    assert isinstance(
        update(go("read", "(call $read (i32.const 0) (i32.const 0) (i32.const 0))"), state=large), Trapped
    )
    most = profile.limits.stable_memory // 65536
    body = "(i64.store (i32.const 0) (call $grow64 (i64.const %d)))"
    grown = update(go("grow64", body % (most - 1)), state=state)
    assert (numbers(grown, 0), grown.new_state.stable_memory.wasm_pages) == ([1], most)
    assert numbers(update(go("grow64", body % most), state=state), 0) == [2**64 - 1]
    body = "(i32.store (i32.const 0) (call $grow (i32.const 65536)))"
    assert numbers(update(go("grow", body), state=state), 0) == [2**32 - 1]


def test_a_charge_that_does_not_fit_runs_out(update, profile) -> None:
    body = go("append", "(call $append (i32.const 0) (i32.const -1))")
    one_slice = profile.rounds.slice_instructions
    assert update(body) == Trapped(40_000_000_000, TrapReason.SLICE_OVERRUN, logs=(SystemRecord(),))
    assert update(body, instruction_limit=one_slice) == Trapped(
        one_slice, TrapReason.OUT_OF_INSTRUCTIONS, logs=(SystemRecord(),)
    )


def test_the_families_fill_the_table() -> None:
    assert len(SYSTEM_API) > 70
    assert {function.implementation.__module__ for function in SYSTEM_API.values()} == {
        family.__name__ for family in system_api.FAMILIES
    }


def test_an_inspection_accepts_once(load, environment) -> None:
    text = """(module (import "ic0" "accept_message" (func $accept))
        (import "ic0" "msg_method_name_size" (func $size (result i32)))
        (func (export "canister_inspect_message") (if (i32.ge_u (call $size) (i32.const 1)) (then call $accept))
          (if (i32.ge_u (call $size) (i32.const 2)) (then call $accept))))"""
    module = load(text)
    state = module.initial_state(Principal(b"self"))
    verdicts = [module.inspect_message(name, state, b"", Caller(), environment) for name in ("", "a", "bb")]
    assert verdicts == [Inspected(False), Inspected(True), Inspected(False, traps=True)]


@pytest.mark.parametrize("size", [1, MIDDLING_BLOB, MIDDLING_BLOB + 1, 20_000])
def test_an_inspection_reads_the_name_of_the_method_whatever_its_size(load, environment, size) -> None:
    text = """(module (import "ic0" "accept_message" (func $accept))
        (import "ic0" "msg_method_name_size" (func $size (result i32)))
        (import "ic0" "msg_method_name_copy" (func $copy (param i32 i32 i32))) (memory 1)
        (func (export "canister_inspect_message")
          (call $copy (i32.const 0) (i32.const 0) (call $size))
          (if (i32.eq (i32.load8_u (i32.sub (call $size) (i32.const 1))) (i32.const 122)) (then call $accept))
          (call $copy (i32.const 0) (i32.const 1) (i32.sub (call $size) (i32.load8_u offset=30000 (i32.const 0))))))"""
    module = load(text)
    state = module.initial_state(Principal(b"self"))
    verdicts = [
        module.inspect_message("a" * (size - 1) + last, before, b"", Caller(), environment)
        for last in "yz"
        for before in (state, state_with(state, 30000, b"\1"))
    ]
    assert verdicts == [Inspected(False, traps=True), Inspected(False), Inspected(False, traps=True), Inspected(True)]


def state_with(state: WasmState, place: int, content: bytes) -> WasmState:
    """The state with some bytes in the heap."""
    return evolve(state, wasm_memory=state.wasm_memory.with_bytes(place, content))
