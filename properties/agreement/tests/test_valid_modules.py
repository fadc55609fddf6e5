"""Which modules are valid: both engines decide alike, and as is said here."""

import gzip
import resource

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import ModulePair, load_pair, running_canister
from spec.profile import load_profile
from spec.system_api.complexity import complexity
from spec.values.containers import Map

PROFILE = load_profile()
EMPTY = b"\0asm\x01\0\0\0"


def binary(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {text})"))


def is_valid(raw: bytes, **limits: int) -> bool:
    return load_pair(raw, evolve(PROFILE, limits=evolve(PROFILE.limits, **limits))) is not None


def taken(text: str) -> ModulePair:
    pair = load_pair(binary(text), PROFILE)
    assert pair is not None
    return pair


def section(name: str, content: bytes = b"") -> bytes:
    """A custom section; its parts must be short."""
    body = bytes([len(name)]) + name.encode() + content
    return b"\0" + bytes([len(body)]) + body


def case(name: str, text: str) -> object:
    """A module under a name."""
    return pytest.param(text, id=name)


def methods(*names: str) -> str:
    """A function that is exported under some names."""
    return "(func " + " ".join(f'(export "{name}")' for name in names) + ")"


def numbered(count: int) -> list[str]:
    kinds = ("update", "query", "composite_query")
    return [f"canister_{kinds[number % 3]} {number}" for number in range(count)]


def named(*sizes: int) -> list[str]:
    return [f"canister_update {letter * size}" for letter, size in zip("abc", sizes, strict=True)]


def imports(*lines: str) -> str:
    return " ".join(f'(import "ic0" "{line.split()[0]}" (func {line.partition(" ")[2]}))' for line in lines)


CYCLES = imports(
    "canister_cycle_balance (result i64)",
    "msg_cycles_available (result i64)",
    "msg_cycles_refunded (result i64)",
    "msg_cycles_accept (param i64) (result i64)",
    "call_cycles_add (param i64)",
)
WIDE_CYCLES = imports(
    "call_cycles_add128 (param i64 i64)",
    "canister_cycle_balance128 (param i32)",
    "msg_cycles_available128 (param i32)",
    "msg_cycles_refunded128 (param i32)",
    "msg_cycles_accept128 (param i64 i64 i32)",
)
WIDE_POINTERS = imports(
    "msg_arg_data_copy (param i64 i64 i64)",
    "msg_arg_data_size (result i64)",
    "msg_caller_copy (param i64 i64 i64)",
    "msg_caller_size (result i64)",
    "msg_method_name_copy (param i64 i64 i64)",
    "msg_method_name_size (result i64)",
    "msg_reject (param i64 i64)",
    "msg_reject_msg_copy (param i64 i64 i64)",
    "msg_reject_msg_size (result i64)",
    "msg_reply_data_append (param i64 i64)",
    "msg_cycles_available128 (param i64)",
    "msg_cycles_refunded128 (param i64)",
    "msg_cycles_accept128 (param i64 i64 i64)",
    "canister_cycle_balance128 (param i64)",
    "canister_self_copy (param i64 i64 i64)",
    "canister_self_size (result i64)",
    "call_new (param i64 i64 i64 i64 i64 i64 i64 i64)",
    "call_on_cleanup (param i64 i64)",
    "call_data_append (param i64 i64)",
    "certified_data_set (param i64 i64)",
    "data_certificate_copy (param i64 i64 i64)",
    "data_certificate_size (result i64)",
    "is_controller (param i64 i64) (result i32)",
    "subnet_self_copy (param i64 i64 i64)",
    "subnet_self_size (result i64)",
    "debug_print (param i64 i64)",
    "trap (param i64 i64)",
)
ADDITIONS = "(i32.const 1) " + "(i32.const 1) i32.add " * 20_000


@pytest.mark.checklist(
    "prod.ee_compilation.execution_tests::compilation_of_repeated_instructions_succeeds",
    "prod.hypervisor.install_gzip_compressed_module",
    "prod.validation.can_validate_many_exported_functions",
    "prod.validation.can_validate_large_sum_exported_function_name_lengths",
    "prod.validation.can_validate_valid_data_section",
    "prod.validation.can_validate_module_with_import_func",
    "prod.validation.can_validate_module_cycles_related_imports",
    "prod.validation.can_validate_module_cycles_u128_related_imports",
    "prod.validation.can_validate_performance_counter_import",
    "prod.wasmtime_embedder.wasm64_import_system_api_functions",
)
@pytest.mark.parametrize(
    "text",
    [
        case("many instructions", f"(func {ADDITIONS} drop)"),
        case("a thousand methods", methods(*numbered(1_000))),
        case("long names", methods(*named(6_666, 6_667, 6_667))),
        case("data", '(memory 1) (data (i32.const 2) "a")'),
        case("an import", imports("msg_reply")),
        case("cycles", CYCLES),
        case("cycles in 128 bits", WIDE_CYCLES),
        case("the performance counter", imports("performance_counter (param i32) (result i64)")),
        case("pointers of 64 bits", WIDE_POINTERS + "(memory i64 1)"),
    ],
)
def test_a_valid_module_is_taken(text: str) -> None:
    assert is_valid(binary(text))
    assert is_valid(gzip.compress(binary(text)))


@pytest.mark.checklist(
    "prod.hypervisor.declare_memory_beyond_max_size_1",
    "prod.hypervisor.declare_memory_beyond_max_size_2",
    "prod.hypervisor.declare_memory_beyond_max_size_64_bit",
    "prod.validation.can_validate_import_section_with_invalid_table_import",
    "prod.validation.can_validate_import_section_with_invalid_imported_function",
    "prod.validation.can_validate_valid_export_section_with_no_space_after_canister_query",
    "prod.validation.can_validate_canister_init_with_invalid_params",
    "prod.validation.can_validate_canister_heartbeat_with_invalid_return",
    "prod.validation.can_validate_canister_global_timer_with_invalid_return",
    "prod.validation.can_validate_canister_heartbeat_with_invalid_params",
    "prod.validation.can_validate_canister_global_timer_with_invalid_params",
    "prod.validation.can_validate_canister_pre_upgrade_with_invalid_return",
    "prod.validation.can_validate_canister_pre_upgrade_with_invalid_params",
    "prod.validation.can_validate_canister_post_upgrade_with_invalid_return",
    "prod.validation.can_validate_invalid_canister_query",
    "prod.validation.can_validate_invalid_canister_composite_query",
    "prod.validation.can_validate_duplicate_update_and_composite_query_methods",
    "prod.validation.can_validate_duplicate_query_and_composite_query_methods",
    "prod.validation.can_validate_too_many_exported_functions",
    "prod.validation.can_validate_too_large_sum_exported_function_name_lengths",
    "prod.validation.can_validate_invalid_offset_expression_in_data_section",
    "prod.validation.can_validate_module_with_not_allowed_import_func",
    "prod.validation.can_validate_module_with_wrong_import_module_for_func",
    "prod.validation.reject_wasm_that_imports_global",
    "prod.validation.can_reject_wasm_with_invalid_global_access",
    "prod.validation.function_with_result_is_invalid",
    "prod.instrumentation.table_modifications_are_unsupported_for_wasm64",
)
@pytest.mark.parametrize(
    "text",
    [
        case("a memory that starts too large", "(memory 65537)"),
        case("a memory that may grow too large", "(memory 1 65537)"),
        case("a memory of 64 bits that starts too large", "(memory i64 98305)"),
        case("an imported table", '(import "foo" "table" (table 33 33 funcref))'),
        case("an import with parameters that it has not", imports("msg_reply (param i64 i32)")),
        case("no name of a method", methods("canister_query")),
        case("init with a parameter", '(func (export "canister_init") (param i32))'),
        *(
            case(f"{name} with {words}", f'(func (export "canister_{name}") {kind})')
            for name in ("heartbeat", "global_timer", "pre_upgrade", "post_upgrade")
            for words, kind in (("a parameter", "(param i32)"), ("a result", "(result i32) (i32.const 0)"))
        ),
        *(
            case(f"{kind} that takes and gives", f'(func (export "canister_{kind} read") (param i64) {result})')
            for kind in ("query", "composite_query")
            for result in ("(result i32) (i32.const 0)",)
        ),
        case("update and composite query", methods("canister_update read", "canister_composite_query read")),
        case("query and composite query", methods("canister_query read", "canister_composite_query read")),
        case("more than a thousand methods", methods(*numbered(1_001))),
        case("names that are too long", methods(*named(6_667, 6_667, 6_667))),
        case(
            "data at an imported global",
            '(import "env" "at" (global $at i32)) (memory 1) (data (global.get $at) "a")',
        ),
        case("an import from msg", '(import "msg" "reply" (func))'),
        case("an import from foo", '(import "foo" "msg_reply" (func))'),
        case("an imported global", '(import "env" "g" (global i32))'),
        case("update with a result", '(func (export "canister_update f") (result i64) (i64.const 0))'),
        case("table.grow", "(table i64 1 funcref) (func (drop (table.grow (ref.null func) (i64.const 1))))"),
        case("table.set", "(table i64 1 funcref) (func (table.set (i64.const 0) (ref.null func)))"),
        case("table.fill", "(table i64 1 funcref) (func (table.fill (i64.const 0) (ref.null func) (i64.const 1)))"),
        case("table.copy", "(table i64 1 funcref) (func (table.copy (i64.const 0) (i64.const 0) (i64.const 1)))"),
        case(
            "table.init",
            "(table i64 1 funcref) (elem func) (func i64.const 0 i32.const 0 i32.const 1 table.init 0)",
        ),
        case("a global that is not there", "(global (mut i32) (i32.const 0)) (func (drop (global.get 1)))"),
    ],
)
def test_a_module_that_is_not_valid_is_refused(text: str) -> None:
    assert not is_valid(binary(text))


CODE = EMPTY + b"\x01\x04\x01\x60\0\0\x03\x02\x01\0"
FUNCTION = b"\x0a\x04\x01\x02\0\x0b"


@pytest.mark.checklist(
    "prod.hypervisor.broken_wasm_results_in_compilation_error",
    "prod.validation.incorrect_wasm_code_size_is_invalid",
    "prod.validation.wasm_with_multiple_code_sections_is_invalid",
)
def test_bytes_that_are_no_module_are_refused() -> None:
    assert is_valid(CODE + FUNCTION)
    assert not is_valid(bytes.fromhex("cafebabe"))
    for size in (3, 5, 100):
        assert not is_valid(CODE + FUNCTION[:1] + bytes([size]) + FUNCTION[2:])
    assert not is_valid(CODE + FUNCTION + FUNCTION)


@pytest.mark.checklist("prod.validation.can_validate_valid_export_section")
def test_all_kinds_of_exports_are_valid_and_an_empty_function_counts_as_one_instruction() -> None:
    hooks = ("init", "heartbeat", "global_timer", "pre_upgrade", "post_upgrade", "query read", "composite_query look")
    text = methods(*(f"canister_{hook}" for hook in hooks), "other")
    assert is_valid(binary(text), function_instructions=1, function_complexity=1)
    assert not is_valid(binary(text), function_instructions=0)
    assert complexity(taken(text).specification.module.functions[0]) == 1


@pytest.mark.checklist("prod.validation.complex_function_rejected")
def test_a_function_of_20001_empty_loops_is_too_complex() -> None:
    raw = binary("(func) (func " + "(loop) " * 20_001 + ")")
    assert not is_valid(raw)
    assert not is_valid(raw, function_complexity=1_020_051)
    pair = load_pair(raw, evolve(PROFILE, limits=evolve(PROFILE.limits, function_complexity=1_020_052)))
    assert pair is not None
    assert complexity(pair.specification.module.functions[1]) == 1_020_052


@pytest.mark.checklist("prod.validation.large_wasm_with_small_code_accepted")
def test_a_module_may_have_much_data_beside_a_little_code() -> None:
    letters = "a" * (20 * 2**20)
    assert is_valid(binary(f'(memory 321) (func {"nop " * 1_000}) (data (i32.const 0) "{letters}")'))


@pytest.mark.checklist("prod.execution_test.no_critical_error_on_empty_data_segment")
def test_an_empty_segment_must_not_lie_behind_the_end_of_the_memory() -> None:
    assert is_valid(binary('(memory i64 0) (data (i64.const 0) "")'))
    assert not is_valid(binary('(memory i64 0) (data (i64.const 1) "")'))


@pytest.mark.checklist(
    "prod.hypervisor.can_extract_exported_functions", "prod.hypervisor.wasm32_correct_execution_state"
)
def test_what_is_exported_is_known() -> None:
    pair = taken("""(memory (export "memory") 1)
        (func (export "canister_update write")) (func (export "canister_query read"))""")
    assert pair.reference.update_methods == {"write"}
    assert pair.reference.query_methods == {"read"}
    assert pair.reference.composite_query_methods == set()
    assert not pair.reference.has_64_bit_memory
    assert taken("(memory i64 1)").reference.has_64_bit_memory


@pytest.mark.checklist(
    "prod.hypervisor.can_extract_exported_custom_sections", "prod.validation.can_extract_custom_section_name"
)
def test_metadata_are_public_or_private_and_other_sections_are_none() -> None:
    raw = (
        binary("")
        + section("name")
        + section("icp:public candid:service", b"1")
        + section("icp:private candid:args", b"2")
        + section("icp:private motoko:stable-types", b"3")
        + section("icp:private    x", b"4")
    )
    pair = load_pair(raw, PROFILE)
    assert pair is not None
    assert pair.reference.public_custom_sections == Map.of([("candid:service", b"1")])
    assert pair.reference.private_custom_sections == Map.of(
        [("candid:args", b"2"), ("motoko:stable-types", b"3"), ("   x", b"4")]
    )
    assert not is_valid(binary("") + section("icp:x y"))


@pytest.mark.checklist(
    "prod.validation.can_reject_module_with_too_many_custom_sections",
    "prod.validation.can_reject_module_with_custom_sections_too_big",
    "prod.validation.can_reject_module_with_duplicate_custom_sections",
    "prod.validation.can_reject_module_with_invalid_custom_sections",
)
def test_metadata_are_few_small_and_named_once() -> None:
    two = binary("") + section("icp:private custom1", bytes(10)) + section("icp:public custom2", bytes(10))
    assert is_valid(two + section("other"), custom_sections=2, custom_sections_size=34)
    assert not is_valid(two, custom_sections=1)
    assert not is_valid(two, custom_sections_size=33)
    assert not is_valid(two, custom_sections_size=14)
    assert not is_valid(binary("") + section("icp:private custom1") + section("icp:public custom1"))
    assert not is_valid(binary("") + section("icp:dummy custom3"))


# How large the parts of a module may be. Source: errata, sizes of modules.


def unsigned(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + unsigned(high) if high else bytes([low])


def part(number: int, content: bytes) -> bytes:
    return bytes([number]) + unsigned(len(content)) + content


def function(code: bytes) -> bytes:
    """A module of one function that is the method `go`."""
    body = b"\0" + code + b"\x0b"
    name = b"canister_update go"
    export = b"\x01" + bytes([len(name)]) + name + b"\0\0"
    return CODE + part(7, export) + part(10, b"\x01" + unsigned(len(body)) + body)


TABLES = "(table 5000000 funcref) (table {} funcref)"


@pytest.mark.parametrize(
    ("largest", "too_large"),
    [
        (binary(TABLES.format(5_000_000)), binary(TABLES.format(5_000_001))),
        (EMPTY + section("") * 100_000, EMPTY + section("") * 100_001),
        (
            function(b"\x41\0\x0e" + unsigned(65_520) + bytes(65_521)),
            function(b"\x41\0\x0e" + unsigned(65_521) + bytes(65_522)),
        ),
    ],
    ids=["elements in tables", "custom sections", "targets of a branch table"],
)
def test_parts_of_a_module_are_so_large_and_no_larger(largest: bytes, too_large: bytes) -> None:
    assert is_valid(largest)
    assert not is_valid(too_large)


@pytest.mark.deep
def test_a_module_has_no_more_than_900_000_types() -> None:
    assert is_valid(EMPTY + part(1, unsigned(900_000) + b"\x60\0\0" * 900_000))
    assert not is_valid(EMPTY + part(1, unsigned(900_001) + b"\x60\0\0" * 900_001))


@pytest.mark.parametrize(
    "instruction", [b"\0", b"\x0f", b"\x02\x40\0\x0b" + b"\1" * 60], ids=["unreachable", "return", "blocks"]
)
def test_code_that_control_never_comes_to_may_be_long(instruction: bytes) -> None:
    pair = load_pair(function(b"\x0f" + instruction * (240_000 // len(instruction))), PROFILE)
    assert pair is not None
    assert pair.update("go", pair.initial_state(), running_canister(PROFILE)).instructions_used == 2


def test_a_passive_segment_of_many_elements_takes_little_memory() -> None:
    """The engine would take two kilobytes for each element."""
    segment = part(9, b"\x01\x01\0" + unsigned(500_000) + bytes(500_000))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert is_valid(CODE + segment + FUNCTION)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 400_000
