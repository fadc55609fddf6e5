"""System functions, called by modules: both engines tell the same, and what is said here."""

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import SELF, USER, ModulePair, load_pair, running_canister
from spec.canister.environment import Environment, EnvironmentVariable
from spec.canister.outcome import Callback, Closure, Outcome, Returned, SystemRecord, Trapped
from spec.profile import load_profile
from spec.values.containers import List
from spec.values.identifiers import Principal, SubnetId
from spec.values.rejects import Reject, RejectCode, Reply

PROFILE = load_profile()
ENVIRONMENT = running_canister(PROFILE)
NAMES = {
    "msg_arg_data_size": "(result P)",
    "msg_arg_data_copy": "(param P P P)",
    "msg_caller_size": "(result P)",
    "msg_caller_copy": "(param P P P)",
    "msg_reject_msg_size": "(result P)",
    "msg_reject_msg_copy": "(param P P P)",
    "msg_method_name_size": "(result P)",
    "msg_method_name_copy": "(param P P P)",
    "msg_reply_data_append": "(param P P)",
    "msg_reply": "",
    "msg_reject": "(param P P)",
    "msg_cycles_accept128": "(param i64 i64 P)",
    "call_new": "(param P P P P P P P P)",
    "debug_print": "(param P P)",
    "trap": "(param P P)",
    "time": "(result i64)",
    "root_key_size": "(result P)",
    "root_key_copy": "(param P P P)",
    "canister_self_size": "(result P)",
    "canister_self_copy": "(param P P P)",
    "subnet_self_size": "(result P)",
    "subnet_self_copy": "(param P P P)",
    "is_controller": "(param P P) (result i32)",
    "in_replicated_execution": "(result i32)",
    "cost_sign_with_ecdsa": "(param P P i32 P) (result i32)",
    "cost_sign_with_schnorr": "(param P P i32 P) (result i32)",
    "cost_vetkd_derive_key": "(param P P i32 P) (result i32)",
    "env_var_count": "(result P)",
    "env_var_name_size": "(param P) (result P)",
    "env_var_name_copy": "(param P P P P)",
    "env_var_name_exists": "(param P P) (result i32)",
    "env_var_value_size": "(param P P) (result P)",
    "env_var_value_copy": "(param P P P P P)",
    "data_certificate_present": "(result i32)",
    "data_certificate_size": "(result P)",
    "data_certificate_copy": "(param P P P)",
    "certified_data_set": "(param P P)",
    "accept_message": "",
    "performance_counter": "(param i32) (result i64)",
}


def module(text: str, wide: bool = False) -> ModulePair:
    """A module with one page of memory; `P` stands for the type of addresses."""
    imports = " ".join(f'(import "ic0" "{name}" (func ${name} {kind}))' for name, kind in NAMES.items())
    text = f"(memory {'P' if wide else ''} 1) {text}"
    written = f"(module {imports} {text})".replace("(P.", "(i64." if wide else "(i32.")
    for place in (" P", "(memory P"):
        written = written.replace(place, place.replace("P", "i64" if wide else "i32"))
    pair = load_pair(bytes(wasmtime.wat2wasm(written)), PROFILE)
    assert pair is not None
    return pair


def update(
    instructions: str, more: str = "", argument: bytes = b"", wide: bool = False, environment: Environment = ENVIRONMENT
) -> Outcome:
    pair = module(f'(func (export "canister_update go") {instructions}) {more}', wide)
    return pair.update("go", pair.initial_state(), environment, argument)


def replied(outcome: Outcome) -> bytes:
    assert isinstance(outcome, Returned), outcome
    assert isinstance(outcome.response, Reply)
    return outcome.response.data


def fails(outcome: Outcome) -> bool:
    return isinstance(outcome, Trapped)


def number(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


def call(name: str, *values: int) -> str:
    """Calls a function with numbers."""
    kinds = NAMES[name].partition("(param ")[2].partition(")")[0].split()
    return f"(call ${name} {' '.join(f'({kind}.const {value})' for kind, value in zip(kinds, values, strict=True))})"


def answer(size: int, place: int = 0) -> str:
    return f"{call('msg_reply_data_append', place, size)} (call $msg_reply)"


def tells(instructions: str) -> str:
    """Replies with a number of 32 bits."""
    return f"(i32.store (P.const 0) {instructions}) {answer(4)}"


def tells_64(instructions: str) -> str:
    return f"(i64.store (P.const 0) {instructions}) {answer(8)}"


# The message


@pytest.mark.checklist(
    "prod.hypervisor.ic0_msg_arg_data_size_works",
    "prod.hypervisor.ic0_msg_arg_data_copy_works",
    "prod.wasmtime_embedder.wasm64_msg_arg_data_copy",
)
@pytest.mark.parametrize("wide", [False, True])
def test_the_argument_is_as_long_as_it_is_and_is_copied(wide: bool) -> None:
    size = tells_64("(call $msg_arg_data_size)") if wide else tells("(call $msg_arg_data_size)")
    assert int.from_bytes(replied(update(size, argument=bytes((0, 1, 2, 3)), wide=wide)), "little") == 4
    copied = update(
        call("msg_arg_data_copy", 4, 0, 4) + answer(8), '(data (P.const 0) "xxxxabcd")', argument=b"yyyy", wide=wide
    )
    assert replied(copied) == b"xxxxyyyy"


CALLBACKS = (Closure(0, 0), Closure(1, 0), Closure(2, 0))
REJECT = Reject(RejectCode.CANISTER_REJECT, "error")


def called_back(instructions: str, response: Reply | Reject, cleanup: str | None = None, wide: bool = False) -> Outcome:
    """Does something in the callback of a response, and something in the cleanup if there is to be one."""
    pair = module(
        f"""(table funcref (elem $go $go $clean))
        (func $go (param P) {instructions}) (func $clean (param P) {cleanup or ""})""",
        wide,
    )
    reply, reject, clean = CALLBACKS
    callback = Callback(reply, reject) if cleanup is None else Callback(reply, reject, clean)
    return pair.callback(callback, response, pair.initial_state(), ENVIRONMENT)


@pytest.mark.checklist(
    "prod.hypervisor.ic0_msg_arg_data_size_is_not_available_in_reject_callback",
    "prod.hypervisor.ic0_msg_arg_data_copy_is_not_available_in_reject_callback",
)
def test_a_reject_callback_has_no_argument() -> None:
    for instructions in ("(drop (call $msg_arg_data_size))", call("msg_arg_data_copy", 0, 0, 0)):
        assert not fails(called_back(instructions, Reply(b"")))
        assert fails(called_back(instructions, REJECT))


@pytest.mark.checklist(
    "prod.hypervisor.ic0_msg_reject_msg_size_is_not_available_outside_reject_callback",
    "prod.hypervisor.ic0_msg_reject_msg_copy_is_not_available_outside_reject_callback",
)
def test_only_a_reject_callback_has_the_text_of_a_reject() -> None:
    for instructions in ("(drop (call $msg_reject_msg_size))", call("msg_reject_msg_copy", 0, 0, 0)):
        assert not fails(called_back(instructions, REJECT))
        assert fails(update(instructions))


@pytest.mark.checklist(
    "prod.hypervisor.ic0_msg_reject_msg_copy_called_with_length_that_exceeds_message_length",
    "prod.wasmtime_embedder.wasm64_reject_msg_copy",
)
@pytest.mark.parametrize("wide", [False, True])
def test_the_text_of_a_reject_is_copied_and_nothing_behind_it(wide: bool) -> None:
    copies = "(call $msg_reject_msg_copy (P.const 0) (P.const 0) {}) " + answer(5)
    assert replied(called_back(copies.format("(call $msg_reject_msg_size)"), REJECT, wide=wide)) == b"error"
    assert fails(called_back(copies.format("(P.const 8)"), REJECT, wide=wide))


@pytest.mark.checklist("prod.response.cleanup_callback_cannot_accept_cycles")
@pytest.mark.checklist("prod.response.cleanup_callback_cannot_make_calls")
def test_a_cleanup_neither_accepts_cycles_nor_makes_calls() -> None:
    cleaned = called_back("unreachable", Reply(b""), cleanup="nop")
    assert isinstance(cleaned, Returned)
    assert cleaned.cleaned_up_after is not None
    for cleanup in (call("msg_cycles_accept128", 0, 1, 0), call("call_new", *[0] * 8)):
        assert fails(called_back("unreachable", Reply(b""), cleanup=cleanup))


@pytest.mark.checklist("prod.wasmtime_embedder.wasm64_msg_reply_data_append")
def test_a_wide_module_replies_with_a_part_of_its_memory() -> None:
    assert replied(update(answer(5, place=1), '(data (P.const 0) "xhellox")', wide=True)) == b"hello"


@pytest.mark.checklist("prod.wasmtime_embedder.wasm64_msg_reject")
def test_a_wide_module_rejects_with_a_part_of_its_memory() -> None:
    outcome = update(call("msg_reject", 0, 6), '(data (P.const 0) "goaway")', wide=True)
    assert isinstance(outcome, Returned)
    assert outcome.response == Reject(RejectCode.CANISTER_REJECT, "goaway")


@pytest.mark.checklist("prod.wasmtime_embedder.wasm64_msg_method_name_copy")
def test_a_wide_module_is_told_the_method_that_it_inspects() -> None:
    """It accepts the method whose name it writes into its memory, and no other one."""
    copy = "(call $msg_method_name_copy (P.const 0) (P.const 0) (call $msg_method_name_size))"
    is_test = "(i64.eq (i64.load (P.const 0)) (i64.const 0x74736574))"
    pair = module(
        f'(func (export "canister_inspect_message") {copy} (if {is_test} (then (call $accept_message))))', True
    )
    for side in (pair.specification, pair.reference):
        state = side.initial_state(SELF)
        assert side.inspect_message("test", state, b"", USER, ENVIRONMENT).accepts
        assert not side.inspect_message("rest", state, b"", USER, ENVIRONMENT).accepts
        assert not side.inspect_message("testing", state, b"", USER, ENVIRONMENT).accepts


@pytest.mark.checklist("prod.wasmtime_embedder.wasm64_trap")
def test_a_wide_module_traps_with_a_text() -> None:
    outcome = update(call("trap", 10, 5), '(data (P.const 10) "Hello")', wide=True)
    assert isinstance(outcome, Trapped)
    assert [record.otherwise for record in outcome.logs if isinstance(record, SystemRecord)] == [b"Hello"]


@pytest.mark.checklist("prod.hypervisor.ic0_debug_print_out_of_bounds_works")
def test_printing_what_lies_outside_of_the_memory_fails_nothing() -> None:
    assert replied(update(call("debug_print", 2**31 - 1, 1) + answer(0))) == b""


@pytest.mark.checklist("prod.system_api.test_save_log_message_adds_canister_log_records")
def test_every_text_that_is_printed_is_a_record_even_an_empty_one() -> None:
    prints = "".join(call("debug_print", place, size) for place, size in ((0, 3), (0, 0), (3, 4)))
    assert update(prints, '(data (P.const 0) "onefour")').logs == (b"one", b"", b"four")


@pytest.mark.checklist("prod.execution_test.test_malicious_input")
def test_queries_reach_neither_beyond_the_memory_nor_beyond_their_argument_nor_into_another_query() -> None:
    pair = module(f"""
        (func (export "canister_query whole") {answer(65_536)})
        (func (export "canister_query more") {answer(65_537)})
        (func (export "canister_query beyond") {answer(10, place=65_536)})
        (func (export "canister_query write") (i32.store (P.const 0) (i32.const 42)) {answer(10)})
        (func (export "canister_query read") {answer(10)})
        (func (export "canister_query argument") {call("msg_arg_data_copy", 0, 0, 10)} {answer(0)})
        (func (export "canister_query there") {call("msg_arg_data_copy", 65_536, 0, 10)} {answer(0)})""")
    environment = evolve(ENVIRONMENT, replicated=False)

    def ask(method: str, argument: bytes = b"") -> Outcome:
        return pair.query(method, pair.initial_state(), environment, argument)

    assert replied(ask("whole")) == bytes(65_536)
    assert fails(ask("more"))
    assert fails(ask("beyond"))
    assert replied(ask("write")) == number(42) + bytes(6)
    assert replied(ask("read")) == bytes(10)
    assert replied(ask("argument", bytes(10))) == b""
    assert fails(ask("argument"))
    assert fails(ask("there", bytes(10)))


# The canister and what is around it


@pytest.mark.checklist("prod.hypervisor.time_with_5_nanoseconds", "prod.hypervisor.ic0_time_with_5_seconds")
@pytest.mark.parametrize("time", [5, 5_000_000_000])
def test_the_time_is_told_in_nanoseconds(time: int) -> None:
    outcome = update(tells_64("(call $time)"), environment=evolve(ENVIRONMENT, time=time))
    assert int.from_bytes(replied(outcome), "little") == time


ROOT_KEY = bytes(range(100))


@pytest.mark.checklist(
    "prod.hypervisor.ic0_root_key_works_on_nns_subnet", "prod.hypervisor.ic0_root_key_works_on_non_nns_subnet"
)
@pytest.mark.parametrize("subnet", [b"the root subnet", b"another one"])
def test_the_root_key_is_the_same_on_every_subnet(subnet: bytes) -> None:
    environment = evolve(ENVIRONMENT, root_key=ROOT_KEY, subnet_id=SubnetId(subnet))
    copy = call("root_key_copy", 0, 0, 100)
    assert replied(update(tells("(call $root_key_size)"), environment=environment)) == number(100)
    assert replied(update(copy + answer(100), environment=environment)) == ROOT_KEY


@pytest.mark.checklist(
    "prod.hypervisor.ic0_canister_self_size_works",
    "prod.hypervisor.ic0_canister_self_copy_works",
    "prod.hypervisor.ic0_canister_self_size_and_copy_work_in_init",
    "prod.wasmtime_embedder.wasm64_canister_self_copy",
)
@pytest.mark.parametrize("wide", [False, True])
def test_a_canister_reads_its_id_in_pieces(wide: bool) -> None:
    assert len(SELF) == 10
    pieces = call("canister_self_copy", 0, 0, 4) + call("canister_self_copy", 4, 4, 6)
    size = "(i64.store8 (P.const 20) (call $canister_self_size))" if wide else ""
    size = size or "(i32.store8 (P.const 20) (call $canister_self_size))"
    assert replied(update(pieces + size + answer(21), wide=wide)) == SELF + bytes(10) + b"\x0a"
    pair = module(f'(func (export "canister_init") {pieces} {size})', wide)
    outcome = pair.install(b"", ENVIRONMENT)
    assert isinstance(outcome, Returned)
    assert outcome.new_state.wasm_memory.read(0, 21) == SELF + bytes(10) + b"\x0a"


@pytest.mark.checklist(
    "prod.hypervisor.ic0_subnet_self_size_works",
    "prod.hypervisor.ic0_subnet_self_copy_works",
    "prod.wasmtime_embedder.wasm64_subnet_self_size",
    "prod.wasmtime_embedder.wasm64_subnet_self_copy",
)
@pytest.mark.parametrize("wide", [False, True])
def test_a_canister_reads_the_id_of_its_subnet_in_pieces(wide: bool) -> None:
    environment = evolve(ENVIRONMENT, subnet_id=SubnetId(b"a subnet's id"))
    pieces = call("subnet_self_copy", 0, 0, 4) + call("subnet_self_copy", 4, 4, 9)
    size = "(i64.store8 (P.const 20) (call $subnet_self_size))" if wide else ""
    size = size or "(i32.store8 (P.const 20) (call $subnet_self_size))"
    told = replied(update(pieces + size + answer(21), wide=wide, environment=environment))
    assert told == b"a subnet's id" + bytes(7) + b"\x0d"


@pytest.mark.checklist("prod.hypervisor.ic0_is_controller")
def test_a_controller_is_known_nobody_is_none_and_30_bytes_are_no_principal() -> None:
    environment = evolve(ENVIRONMENT, controllers=List.of(Principal(b"controller")))
    data = '(data (P.const 100) "controller")'
    asked = [update(tells(call("is_controller", 100, size)), data, environment=environment) for size in (10, 0, 30)]
    assert [replied(one) for one in asked[:2]] == [number(1), number(0)]
    assert fails(asked[2])


@pytest.mark.checklist(
    "prod.hypervisor.cost_sign_with_ecdsa_fails_bad_curve",
    "prod.hypervisor.cost_sign_with_schnorr_fails_bad_curve",
    "prod.hypervisor.cost_vetkd_derive_key_fails_bad_curve",
    "prod.hypervisor.cost_sign_with_schnorr_fails_bad_key_name",
    "prod.hypervisor.cost_vetkd_derive_key_fails_bad_key_name",
)
@pytest.mark.parametrize("name", ["cost_sign_with_ecdsa", "cost_sign_with_schnorr", "cost_vetkd_derive_key"])
def test_there_is_no_price_for_a_curve_or_key_that_does_not_exist(name: str) -> None:
    for curve, key, code in ((0, "key_1", 0), (10, "key_1", 1), (0, "no_such_key", 2)):
        asked = update(tells(call(name, 100, len(key), curve, 200)), f'(data (P.const 100) "{key}")')
        assert replied(asked) == number(code)


# Replicated execution


@pytest.mark.checklist("prod.system_api.in_replicated_execution_works_correctly")
def test_code_knows_whether_its_execution_is_replicated() -> None:
    store = "(i32.store8 (P.const 8) (i32.add (i32.const 5) (call $in_replicated_execution)))"
    pair = module(f"""(table funcref (elem $call_back))
        (global $started (mut i32) (i32.const 0))
        (func $start (global.set $started (i32.add (i32.const 5) (call $in_replicated_execution)))) (start $start)
        (func $go {store} {tells("(i32.load8_u (P.const 8))")})
        (func $store {store})
        (func $call_back (param i32) {store})
        (func (export "canister_inspect_message")
          (if (i32.eqz (call $in_replicated_execution)) (then (call $accept_message))))
        (export "canister_update go" (func $go)) (export "canister_query ask" (func $go))
        (export "canister_composite_query look" (func $go))
        (export "canister_init" (func $store)) (export "canister_pre_upgrade" (func $store))
        (export "canister_heartbeat" (func $store))""")
    alone = evolve(ENVIRONMENT, replicated=False)
    callback = Callback(Closure(0, 0), Closure(0, 0))
    for side in (pair.specification, pair.reference):
        state = side.initial_state(SELF)
        installed = side.init(state, b"", USER, ENVIRONMENT)
        assert isinstance(installed, Returned)
        assert installed.new_state.globals == (6,)
        replicated = (
            installed,
            side.pre_upgrade(state, USER, ENVIRONMENT),
            side.heartbeat(state, ENVIRONMENT),
            side.update("go", state, b"", USER, None, ENVIRONMENT, 0),
            side.callback(callback, Reply(b""), 0, state, USER, None, ENVIRONMENT, 0, True),
            side.callback(callback, REJECT, 0, state, USER, None, ENVIRONMENT, 0, True),
        )
        assert [one.new_state.wasm_memory.read(8, 1) for one in replicated if isinstance(one, Returned)] == [b"\6"] * 6
        assert replied(side.query("ask", state, b"", USER, ENVIRONMENT, 0)) == number(6)
        assert replied(side.query("ask", state, b"", USER, alone, 0)) == number(5)
        assert replied(side.composite_query("look", state, b"", USER, alone)) == number(5)
        for response in (Reply(b""), REJECT):
            one = side.composite_callback(callback, response, state, USER, alone, True)
            assert isinstance(one, Returned)
            assert one.new_state.wasm_memory.read(8, 1) == b"\5"
        assert side.inspect_message("go", state, b"", USER, alone).accepts


# Environment variables

VARIABLES = List.of(EnvironmentVariable("second", "2"), EnvironmentVariable("first", ""))
WITH_VARIABLES = evolve(ENVIRONMENT, environment_variables=VARIABLES)
TEXTS = f'(data (P.const 100) "firstsecondthird\\ff") (data (P.const 1000) "{"n" * 200}")'


def of_variables(instructions: str, environment: Environment = WITH_VARIABLES) -> Outcome:
    return update(instructions, TEXTS, environment=environment)


@pytest.mark.checklist("prod.system_api.test_env_var_name_operations")
def test_names_of_variables_are_counted_found_and_listed_in_order() -> None:
    assert replied(of_variables(tells("(call $env_var_count)"))) == number(2)
    places = ((100, 5, 1), (105, 6, 1), (111, 5, 0))
    for place, size, exists in places:
        assert replied(of_variables(tells(call("env_var_name_exists", place, size)))) == number(exists)
    for index, name in enumerate((b"first", b"second")):
        assert replied(of_variables(tells(call("env_var_name_size", index)))) == number(len(name))
        copy = call("env_var_name_copy", index, 0, 0, len(name))
        assert replied(of_variables(copy + answer(len(name)))) == name
    assert fails(of_variables(tells(call("env_var_name_size", 2))))
    for impossible in ((2, 0, 0, 0), (0, 0, 0, 6), (0, 0, 6, 0), (0, 65_535, 0, 2)):
        assert fails(of_variables(call("env_var_name_copy", *impossible)))


@pytest.mark.checklist("prod.system_api.test_env_var_value_operations")
def test_values_of_variables_are_read_by_name() -> None:
    for place, size, value in ((100, 5, b""), (105, 6, b"2")):
        assert replied(of_variables(tells(call("env_var_value_size", place, size)))) == number(len(value))
        copy = call("env_var_value_copy", place, size, 0, 0, len(value))
        assert replied(of_variables(copy + answer(len(value)))) == value
    unknown, no_text, too_long = (111, 5), (116, 1), (1_000, 129)
    for place, size in (unknown, no_text, too_long):
        assert fails(of_variables(tells(call("env_var_value_size", place, size))))
        assert fails(of_variables(call("env_var_value_copy", place, size, 0, 0, 0)))


@pytest.mark.checklist("prod.system_api.test_env_variables_empty")
def test_without_variables_there_are_no_names() -> None:
    assert replied(of_variables(tells("(call $env_var_count)"), ENVIRONMENT)) == number(0)
    assert fails(of_variables(tells(call("env_var_name_size", 0)), ENVIRONMENT))
    assert fails(of_variables(call("env_var_name_copy", 0, 0, 0, 0), ENVIRONMENT))


# Certified data


@pytest.mark.checklist("prod.hypervisor.ic0_certified_data_present")
def test_there_is_no_certificate_in_updates_and_replicated_queries() -> None:
    parts = (tells("(call $data_certificate_present)"), "(drop (call $data_certificate_size))")
    parts = (*parts, call("data_certificate_copy", 0, 0, 0))
    exports = ("present", "size", "copy")
    pair = module(
        " ".join(
            f'(func (export "canister_update {name}") {part}) (func (export "canister_query ask {name}") {part})'
            for name, part in zip(exports, parts, strict=True)
        )
    )
    state = pair.initial_state()
    assert replied(pair.update("present", state, ENVIRONMENT)) == number(0)
    assert replied(pair.query("ask present", state, ENVIRONMENT)) == number(0)
    for name in ("size", "copy"):
        assert fails(pair.update(name, state, ENVIRONMENT))
        assert fails(pair.query(f"ask {name}", state, ENVIRONMENT))


@pytest.mark.checklist("prod.system_api.certified_data_set")
def test_32_bytes_are_certified_and_no_more_and_nothing_behind_the_memory() -> None:
    outcome = update(call("certified_data_set", 0, 32), f'(data (P.const 0) "{"c" * 32}")')
    assert isinstance(outcome, Returned)
    assert outcome.new_certified_data == b"c" * 32
    assert fails(update(call("certified_data_set", 0, 33)))
    assert fails(update(call("certified_data_set", 65_530, 10)))


@pytest.mark.checklist("prod.system_api.data_certificate_copy")
def test_a_part_of_a_certificate_is_copied_and_nothing_behind_it() -> None:
    environment = evolve(ENVIRONMENT, replicated=False, certificate=b"proven")

    def copied(*operands: int) -> Outcome:
        pair = module(f'(func (export "canister_query go") {call("data_certificate_copy", *operands)} {answer(10)})')
        return pair.query("go", pair.initial_state(), environment)

    assert replied(copied(0, 0, 6)) == b"proven\0\0\0\0"
    assert replied(copied(2, 3, 3)) == b"\0\0ven" + bytes(5)
    for operands in ((0, 0, 7), (0, 6, 1), (0, 7, 0), (65_530, 0, 6 + 1), (65_531, 0, 6)):
        assert fails(copied(*operands))
