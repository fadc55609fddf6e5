"""System functions that the reference implementation runs inside the module do what the specification's do."""

from itertools import product
from math import prod
from random import Random

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import load_pair, running_canister
from reference_impl.wasm.layout.fast_functions import FAST, LONG_BLOB, MOST_CONTROLLERS
from reference_impl.wasm.layout.system_functions import SYSTEM_API, Context
from spec.canister.environment import EnvironmentVariable
from spec.canister.outcome import Callback, Closure, Returned, TrapReason
from spec.profile import load_profile
from spec.values.containers import List
from spec.values.identifiers import Principal
from spec.values.rejects import Reject, RejectCode, Reply

PROFILE = load_profile()
ENVIRONMENT = evolve(
    running_canister(PROFILE),
    call_context_instructions=12345,
    time=2**63 + 5,
    canister_version=2**40,
    environment_variables=List.of(EnvironmentVariable("", "nothing")),
)
NUMBERS = {
    "P": (0, 1, 5, 29, 30, 65536, 131071, 131072, -1),
    "i": (0, 1, 2, -1),
    "l": (0, 1, 4097, 65536, -1),
}
MOST_CASES = 60
CALL_FIRST = (
    "call_on_cleanup call_data_append call_with_best_effort_response call_cycles_add call_cycles_add128 call_perform"
)
"""These functions trap unless a call is under construction."""


def typed(letters: str, pointer: str) -> list[str]:
    return [{"P": pointer, "i": "i32", "l": "i64"}[letter] for letter in letters]


def cases(name: str) -> list[tuple[int, ...]]:
    """Parameters of a function, the zeroes first."""
    choices = [NUMBERS[letter] for letter in SYSTEM_API[name].parameters]
    if prod(map(len, choices)) <= MOST_CASES:
        return list(product(*choices))
    chance = Random(name)
    # Small numbers come more often, or nothing would ever return.
    return [
        tuple(chance.choice((0, 1, chance.choice(choice))) if turn else 0 for choice in choices)
        for turn in range(MOST_CASES)
    ]


def program(name: str, is_64_bit: bool, export: str) -> str:
    """Calls a function with the parameters of one of the cases, which the number in the method's name gives."""
    function, pointer = SYSTEM_API[name], "i64" if is_64_bit else "i32"
    parameters, results = typed(function.parameters, pointer), typed(function.result, pointer)
    signature = f"(param {' '.join(parameters)}) (result {' '.join(results)})"
    start = f'(module (import "ic0" "{name}" (func $f {signature}))'
    first = ""
    if name in CALL_FIRST.split():
        start += f'(import "ic0" "call_new" (func $call_new (param {" ".join([pointer] * 8)})))'
        first = f"(call $call_new {' '.join([f'({pointer}.const 1)'] * 8)})"
    bodies = []
    for index, case in enumerate(cases(name)):
        given = " ".join(f"({kind}.const {value})" for kind, value in zip(parameters, case, strict=True))
        call = f"(call $f {given})"
        if results:
            call = f"({results[0]}.store ({pointer}.const 70000) {call})"
        bodies.append(f'(func (export "{export} {index}") {first} {call})')
    memory = f'(memory {"i64" if is_64_bit else ""} 2) (data ({pointer}.const 65536) "some data")'
    return f"{start} {memory} {' '.join(bodies)})"


@pytest.mark.parametrize(
    ("name", "is_64_bit"),
    [(name, wide) for name in FAST for wide in (False, True) if not (wide and SYSTEM_API[name].only_32_bit)],
)
def test_a_call_has_the_same_outcome_whatever_its_parameters_and_limit(name: str, is_64_bit: bool) -> None:
    pair = load_pair(bytes(wasmtime.wat2wasm(program(name, is_64_bit, "canister_update"))), PROFILE)
    assert pair is not None
    state = pair.initial_state()
    outcomes = []
    for index in range(len(cases(name))):
        outcome = pair.update(str(index), state, ENVIRONMENT, b"an argument", 10**6)
        outcomes.append(outcome)
        used, for_page = outcome.instructions_used, 4000 if is_64_bit else 1000
        for limit in (used - 1, used - for_page - 1, used // 2):
            environment = evolve(ENVIRONMENT, instruction_limit=max(0, limit))
            outcomes.append(pair.update(str(index), state, environment, b"an argument", 10**6))
    returns = Context.UPDATE in SYSTEM_API[name].contexts and name != "trap"
    assert any(isinstance(outcome, Returned) for outcome in outcomes) == returns
    assert any(getattr(outcome, "reason", None) is TrapReason.OUT_OF_INSTRUCTIONS for outcome in outcomes)


def test_all_functions_have_code_in_the_module() -> None:
    assert set(SYSTEM_API) == set(FAST)


@pytest.mark.parametrize("name", FAST)
def test_a_call_from_elsewhere_has_the_same_outcome(name: str) -> None:
    pair = load_pair(bytes(wasmtime.wat2wasm(program(name, False, "canister_query"))), PROFILE)
    assert pair is not None
    for replicated in (True, False):
        environment = evolve(ENVIRONMENT, replicated=replicated)
        pair.query("0", pair.initial_state(), environment, b"an argument")
    text = program(name, False, "canister_query").replace('"canister_query 0"', '"canister_init"')
    installed = load_pair(bytes(wasmtime.wat2wasm(text)), PROFILE)
    assert installed is not None
    installed.install(b"an argument", ENVIRONMENT)
    text = (
        program(name, False, "canister_query")
        .replace('(export "canister_query 0")', "$start")
        .replace("(memory ", "(start $start) (memory ")
    )
    started = load_pair(bytes(wasmtime.wat2wasm(text)), PROFILE)
    assert started is not None
    started.install(b"", ENVIRONMENT)


REPLIES = """(module
    (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
    (import "ic0" "msg_reply" (func $reply))
    (import "ic0" "msg_reject" (func $reject (param i32 i32)))
    (import "ic0" "msg_arg_data_size" (func $size (result i32)))
    (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
    (memory 40)
    (func $all (call $copy (i32.const 0) (i32.const 0) (call $size)))
    (func (export "canister_update echo") (call $all) (call $append (i32.const 0) (call $size)) (call $reply))
    (func (export "canister_update bytes") (local $i i32) (call $all)
      (loop $next (call $append (local.get $i) (i32.const 1000))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1000))) (call $size))))
      (call $reply))
    (func (export "canister_update late") (call $reply) (call $append (i32.const 0) (i32.const 1)))
    (func (export "canister_update rejected") (call $reject (i32.const 0) (i32.const 1))
      (call $append (i32.const 0) (i32.const 0)))
    (func (export "canister_update unanswered") (call $append (i32.const 0) (i32.const 70)))
    (func (export "canister_query bytes of a query") (local $i i32)
      (loop $next (call $append (local.get $i) (i32.const 1000000))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (call $size))))
      (call $reply)))"""


@pytest.mark.parametrize("method", ["echo", "bytes", "late", "rejected", "unanswered"])
@pytest.mark.parametrize("size", [0, 1, LONG_BLOB - 1, LONG_BLOB, LONG_BLOB + 1, 2_000_000])
def test_replies_and_arguments_of_every_size_are_the_same(method: str, size: int) -> None:
    pair = load_pair(bytes(wasmtime.wat2wasm(REPLIES)), PROFILE)
    assert pair is not None
    argument = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    outcome = pair.update(method, pair.initial_state(), ENVIRONMENT, argument)
    if method == "echo":
        assert isinstance(outcome, Returned)
        assert outcome.response == Reply(argument)


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
def test_a_reply_has_the_same_largest_size(turns: int) -> None:
    pair = load_pair(bytes(wasmtime.wat2wasm(REPLIES)), PROFILE)
    assert pair is not None
    for replicated in (True, False):
        environment = evolve(ENVIRONMENT, replicated=replicated)
        pair.query("bytes of a query", pair.initial_state(), environment, b"x" * turns)


def test_a_call_through_the_table_is_the_same_as_a_direct_one() -> None:
    text = """(module (type $t (func (result i32)))
        (import "ic0" "msg_arg_data_size" (func $size (type $t)))
        (memory 1) (table funcref (elem $size))
        (func (export "canister_update go")
          (i32.store (i32.const 0) (call_indirect (type $t) (i32.const 0)))
          (i32.store (i32.const 8) (call $size))))"""
    pair = load_pair(bytes(wasmtime.wat2wasm(text)), PROFILE)
    assert pair is not None
    outcome = pair.update("go", pair.initial_state(), ENVIRONMENT, b"abc")
    assert isinstance(outcome, Returned)
    assert outcome.new_state.wasm_memory.read(0, 9) == b"\3\0\0\0\0\0\0\0\3"


IS_CONTROLLER = """(module
    (import "ic0" "is_controller" (func $is (param i32 i32) (result i32)))
    (import "ic0" "msg_arg_data_size" (func $size (result i32)))
    (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
    (memory 1)
    (func (export "canister_update go")
      (call $copy (i32.const 100) (i32.const 0) (call $size))
      (i32.store (i32.const 0) (i32.add (i32.const 1) (call $is (i32.const 100) (call $size))))))"""


@pytest.mark.parametrize("number", [0, 1, 10, MOST_CONTROLLERS, MOST_CONTROLLERS + 1])
def test_a_principal_is_a_controller_if_it_is_one_of_them_to_the_last_byte(number: int) -> None:
    pair = load_pair(bytes(wasmtime.wat2wasm(IS_CONTROLLER)), PROFILE)
    assert pair is not None
    controllers = [Principal(bytes([place]) * (29 - place)) for place in range(number)]
    environment = evolve(ENVIRONMENT, controllers=List.of(*controllers))
    known = controllers[:2] + controllers[-1:]
    others = [other for one in known for other in (one + b"\0", one[:-1], bytes(len(one)), b"\1" + one[1:])]
    for principal in [*known, *others, b"", b"\0"]:
        outcome = pair.update("go", pair.initial_state(), environment, principal)
        if len(principal) > 29:
            assert not isinstance(outcome, Returned)
        else:
            assert isinstance(outcome, Returned)
            assert outcome.new_state.wasm_memory.read(0, 1) == bytes([1 + (principal in controllers)])


REJECTED = """(module
    (import "ic0" "msg_reject_msg_size" (func $size (result i32)))
    (import "ic0" "msg_reject_msg_copy" (func $copy (param i32 i32 i32)))
    (memory 3) (table funcref (elem $rejected))
    (func $rejected (param $more i32)
      (call $copy (i32.const 8) (i32.const 0) (call $size))
      (i32.store (i32.const 0) (call $size))
      (call $copy (i32.const 0) (i32.const 1) (i32.add (call $size) (local.get $more)))))"""


@pytest.mark.parametrize("size", [0, 1, 100, LONG_BLOB - 2, LONG_BLOB, LONG_BLOB + 1, 100_000])
def test_the_message_of_a_reject_is_copied_whatever_its_size(size: int) -> None:
    pair = load_pair(bytes(wasmtime.wat2wasm(REJECTED)), PROFILE)
    assert pair is not None
    reject = Reject(RejectCode.CANISTER_REJECT, ("\u00e9" * size).encode()[:size].decode(errors="ignore"))
    for more in (0, -1, -2):
        callback = Callback(Closure(0, 0), Closure(0, more % 2**32))
        outcome = pair.callback(callback, reject, pair.initial_state(), ENVIRONMENT)
        assert isinstance(outcome, Returned) == (
            0 <= len(reject.message.encode()) + more < len(reject.message.encode())
        )


def test_a_call_costs_what_its_sizes_say_however_large_they_are() -> None:
    text = """(module (import "ic0" "cost_call" (func $cost (param i64 i64 i32)))
        (import "ic0" "cost_create_canister" (func $create (param i32))) (memory 1)
        (func (export "canister_update go") %s (call $create (i32.const 8))))"""
    sizes = (0, 1, 12, 2**22, 2**22 + 1, 2**40, 2**63, 2**64 - 1)
    calls = "".join(
        f"(call $cost (i64.const {name}) (i64.const {argument}) (i32.const {place * 160 + other * 16 + 32}))"
        for place, name in enumerate(sizes)
        for other, argument in enumerate(sizes)
    )
    pair = load_pair(bytes(wasmtime.wat2wasm(text % calls)), PROFILE)
    assert pair is not None
    for nodes in (1, 13, 34):
        assert isinstance(pair.update("go", pair.initial_state(), evolve(ENVIRONMENT, subnet_size=nodes)), Returned)
