"""System functions that the reference implementation runs inside the module do what the specification's do."""

from itertools import product

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import load_pair, running_canister
from reference_impl.wasm.fast_functions import FAST, LONG_BLOB
from reference_impl.wasm.system_api_table import SYSTEM_API
from spec.canister.outcome import Returned, Trapped, TrapReason
from spec.profile import load_profile
from spec.values.rejects import Reply

PROFILE = load_profile()
ENVIRONMENT = evolve(running_canister(PROFILE), call_context_instructions=12345, time=2**63 + 5, canister_version=2**40)
NUMBERS = {
    "P": (0, 1, 5, 29, 30, 65535, 65536, 131071, 131072, -1),
    "i": (0, 1, 2, -1),
}


def typed(letters: str, pointer: str) -> list[str]:
    return [{"P": pointer, "i": "i32", "l": "i64"}[letter] for letter in letters]


def program(name: str, is_64_bit: bool, export: str) -> str:
    """Calls a function with parameters that the argument's place gives as an index into a list of cases."""
    function, pointer = SYSTEM_API[name], "i64" if is_64_bit else "i32"
    parameters, results = typed(function.parameters, pointer), typed(function.result, pointer)
    signature = f"(param {' '.join(parameters)}) (result {' '.join(results)})"
    start = f'(module (import "ic0" "{name}" (func $f {signature})) (memory {"i64" if is_64_bit else ""} 2)'
    bodies = []
    cases = list(product(*(NUMBERS[letter] for letter in function.parameters)))
    for index, case in enumerate(cases):
        given = " ".join(f"({kind}.const {value})" for kind, value in zip(parameters, case, strict=True))
        call = f"(call $f {given})"
        if results:
            call = f"({results[0]}.store ({pointer}.const 70000) {call})"
        bodies.append(f'(func (export "{export} {index}") {call})')
    return f'{start} (data ({pointer}.const 65536) "some data") {" ".join(bodies)})'


def cases(name: str) -> int:
    return len(list(product(*(NUMBERS[letter] for letter in SYSTEM_API[name].parameters))))


@pytest.mark.parametrize("is_64_bit", [False, True], ids=["wasm32", "wasm64"])
@pytest.mark.parametrize("name", FAST)
def test_a_call_has_the_same_outcome_whatever_its_parameters_and_limit(name: str, is_64_bit: bool) -> None:
    pair = load_pair(bytes(wasmtime.wat2wasm(program(name, is_64_bit, "canister_update"))), PROFILE)
    assert pair is not None
    state = pair.initial_state()
    outcomes = []
    for index in range(0, cases(name), 1 if cases(name) < 200 else 7):
        for limit in (40_000_000_000, 150, 203, 510, 535, 560):
            environment = evolve(ENVIRONMENT, instruction_limit=limit)
            outcomes.append(pair.update(str(index), state, environment, b"an argument"))
    assert any(isinstance(outcome, Returned) for outcome in outcomes)
    if SYSTEM_API[name].parameters:
        assert any(isinstance(outcome, Trapped) for outcome in outcomes)
        assert any(getattr(outcome, "reason", None) is TrapReason.OUT_OF_INSTRUCTIONS for outcome in outcomes)


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
