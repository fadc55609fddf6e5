"""Which bytes are modules that a canister may have."""

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from spec.canister.module import MalformedModule
from spec.profile import load_profile
from spec.system_api.compilation import instructions_to_compile
from spec.system_api.complexity import complexity
from spec.system_api.module import WasmCanisterModule, parse_module
from spec.values.containers import Map

Raw = Callable[[str], bytes]

PROFILE = load_profile()


def defect(raw: bytes, **limits: int) -> str | None:
    module = parse_module(raw, evolve(PROFILE, limits=evolve(PROFILE.limits, **limits)))
    return module.because if isinstance(module, MalformedModule) else None


def section(name: str, content: bytes = b"") -> bytes:
    """A custom section; its parts must be short."""
    body = bytes([len(name.encode())]) + name.encode() + content
    size = len(body)
    return b"\0" + bytes([size & 0x7F | 0x80, size >> 7]) + body


@pytest.mark.checklist("module.encoding")
def test_a_compressed_module_is_the_module(raw: Raw) -> None:
    binary = raw('(module (func (export "canister_update go")))')
    for compressed in (gzip.compress(binary), gzip.compress(binary[:20]) + gzip.compress(binary[20:])):
        module = parse_module(compressed, PROFILE)
        assert isinstance(module, WasmCanisterModule)
        assert module.update_methods == {"go"}


@pytest.mark.checklist("module.encoding")
def test_bad_compression_is_told(raw: Raw) -> None:
    compressed = gzip.compress(raw("(module)"))
    damaged = bytearray(compressed)
    damaged[-6] ^= 1
    for bad in (compressed[:-1], compressed[:12], compressed + b"rest", bytes(damaged), b"\x1f\x8b\x08"):
        assert "gzip" in (defect(bad) or "")


@pytest.mark.checklist("error.wasm-module-too-large")
def test_a_module_is_not_larger_than_allowed(raw: Raw) -> None:
    binary = raw("(module)") + section("filler", bytes(5000))
    assert defect(binary, module_size=len(binary)) is None
    assert defect(binary, module_size=len(binary) - 1) is not None
    assert defect(gzip.compress(binary), module_size=len(binary)) is None
    assert defect(gzip.compress(binary), module_size=len(binary) - 1) is not None


def test_decompression_stops_at_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert defect(bomb, module_size=1000) == "the module has more than 1000 bytes"
    assert zlib.decompress(bomb, 31)[:1] == b"\0"


@pytest.mark.parametrize("raw_module", [b"", b"nonsense", b"\0asm", b"\0asm\2\0\0\0", b"\0asm\1\0\0\0\x0b"])
def test_other_bytes_are_malformed(raw_module: bytes) -> None:
    assert "\n" not in (defect(raw_module) or "\n")


@pytest.mark.checklist(
    "module.imports",
    "module.pointer-width",
    "api-general.pointer-width",
    "module.lifecycle-export-types",
    "module.method-export-types",
    "module.start-function",
    "module.candid-section",
)
@pytest.mark.parametrize(
    "text",
    [
        '(import "ic0" "time" (func (result i64)))',
        '(import "ic0" "msg_arg_data_size" (func (result i32)))',
        '(import "ic0" "msg_arg_data_size" (func (result i32))) (memory 1)',
        '(import "ic0" "msg_arg_data_size" (func (result i64))) (memory i64 1)',
        '(import "ic0" "stable64_size" (func (result i64))) (memory i64 1)',
        '(func (export "canister_init"))',
        '(func (export "something") (param i32))',
        '(func (export "canister_update "))',
        '(func (export "canister_update a") (export "canister_query b") (export "canister_update  a"))',
        '(memory (export "canister_memory") 1)',
        '(global (export "canister_init") i32 (i32.const 0))',
        "(start 0) (func)",
        "(memory i64 1 98305)",
        "(global funcref (ref.null func))",
        '(memory 1) (data (i32.const 65533) "abc")',
    ],
)
def test_a_module_that_fulfils_the_requirements_is_taken(raw: Raw, text: str) -> None:
    assert defect(raw(f"(module {text})")) is None


@pytest.mark.checklist(
    "module.imports",
    "module.pointer-width",
    "api-general.pointer-width",
    "module.one-memory",
    "module.lifecycle-export-types",
    "module.method-export-types",
    "module.unique-methods",
    "module.reserved-export-prefix",
    "error.duplicate-exports",
)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('(import "ic0" "unknown" (func))', "no system function ic0.unknown"),
        ('(import "env" "time" (func (result i64)))', "no system function env.time"),
        ('(import "ic0" "time" (func (result i32)))', "ic0.time has type"),
        ('(import "ic0" "msg_arg_data_size" (func (result i64)))', "ic0.msg_arg_data_size has type"),
        ('(import "ic0" "msg_arg_data_size" (func (result i32))) (memory i64 1)', "has type"),
        ('(import "ic0" "canister_cycle_balance" (func (result i64))) (memory i64 1)', "does not exist"),
        ('(import "ic0" "time" (global i64))', "is not a function"),
        ('(import "env" "memory" (memory 1))', "is not a function"),
        ('(func (export "canister_init") (param i32))', "has parameters or results"),
        ('(func (export "canister_query go") (result i32) i32.const 0)', "has parameters or results"),
        ('(func (export "canister_other"))', "is not an entry point"),
        ('(func (export "canister_update"))', "is not an entry point"),
        pytest.param(
            '(func (export "canister_query"))',
            "'canister_query' is not an entry point",
            marks=pytest.mark.checklist(
                "prod.validation.can_validate_valid_export_section_with_no_space_after_canister_query"
            ),
        ),
        ('(func (export "canister_update_go"))', "is not an entry point"),
        ('(func (export "canister_update a") (export "canister_query a"))', "more than once"),
        ('(func (export "canister_composite_query a") (export "canister_query a"))', "more than once"),
        ("(table 2 2 funcref) (func (table.copy (i32.const 0) (i32.const 0) (i32.const 0)))", "table.copy"),
        ('(memory 1) (data (i32.const 65534) "abc")', "cannot be instantiated"),
        ("(table 0 funcref) (elem (i32.const 0) 0) (func)", "cannot be instantiated"),
        ("(memory 1) (memory 1)", "more than one memory"),
        ("(memory i64 98305)", "starts with more than 98304 pages"),
        pytest.param(
            "(func " + " ".join(f'(export "canister_update {letter * 6_667}")' for letter in "abc") + ")",
            "20001 bytes of method names; 20000 are allowed",
            marks=pytest.mark.checklist("prod.validation.can_validate_too_large_sum_exported_function_name_lengths"),
        ),
        ("(global (mut funcref) (ref.null func))", "holds a reference"),
        ('(global (export "f") funcref (ref.null func))', "holds a reference"),
    ],
)
def test_a_module_that_does_not_is_told_why(raw: Raw, text: str, told: str) -> None:
    assert told in (defect(raw(f"(module {text})")) or "taken")


@pytest.mark.checklist("unspec.env.interface-outlook")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('(import "ic" "msg_reply" (func (param externref)))', "no system function ic.msg_reply"),
        ('(import "ic0" "msg_reply" (func (param externref)))', "ic0.msg_reply has type"),
        ('(import "ic0" "msg_caller" (func (result externref)))', "no system function ic0.msg_caller"),
        ('(func (export "canister_init") (param externref))', "has parameters or results"),
        ('(func (export "canister_update go") (param externref))', "has parameters or results"),
    ],
)
def test_nothing_of_the_later_interface_with_host_references_is_there_yet(raw: Raw, text: str, told: str) -> None:
    assert told in (defect(raw(f"(module {text})")) or "taken")


@pytest.mark.checklist("module.candid-section")
def test_custom_sections_are_public_or_private(raw: Raw) -> None:
    module = parse_module(
        raw("(module)") + section("icp:public a b", b"one") + section("icp:private c", b"two") + section("other"),
        PROFILE,
    )
    assert isinstance(module, WasmCanisterModule)
    assert module.public_custom_sections == Map.of([("a b", b"one")])
    assert module.private_custom_sections == Map.of([("c", b"two")])


@pytest.mark.checklist("module.custom-section-conflict", "module.custom-section-prefix")
@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["icp:public a", "icp:private a"], "there is more than one custom section 'a'"),
        (["icp:public a", "icp:public a"], "there is more than one custom section 'a'"),
        (["icp:other a"], "the custom section 'icp:other a' is neither public nor private"),
        (["icp:public"], "the custom section 'icp:public' is neither public nor private"),
        pytest.param(
            ["icp:public custom1", "icp:dummy custom3"],
            "the custom section 'icp:dummy custom3' is neither public nor private",
            marks=pytest.mark.checklist("prod.validation.can_reject_module_with_invalid_custom_sections"),
        ),
    ],
)
def test_conflicting_or_unknown_sections_are_refused(raw: Raw, names: list[str], told: str) -> None:
    assert told in (defect(raw("(module)") + b"".join(map(section, names))) or "")


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        pytest.param(
            {"custom_sections": 1},
            "2 custom sections; 1 are allowed",
            marks=pytest.mark.checklist("prod.validation.can_reject_module_with_too_many_custom_sections"),
        ),
        pytest.param(
            {"custom_sections_size": 14},
            "34 bytes of custom sections; 14 are allowed",
            marks=pytest.mark.checklist("prod.validation.can_reject_module_with_custom_sections_too_big"),
        ),
    ],
)
def test_too_much_in_custom_sections_is_told_in_numbers(raw: Raw, limits: dict[str, int], told: str) -> None:
    """Names count without their beginnings, and other sections not at all."""
    two = section("icp:private custom1", bytes(10)) + section("icp:public custom2", bytes(10)) + section("other")
    assert told in (defect(raw("(module)") + two, **limits) or "taken")


@pytest.mark.checklist(
    "module.limit.functions",
    "module.limit.globals",
    "module.limit.custom-sections",
    "module.limit.methods",
    "module.limit.method-name-length",
    "module.limit.custom-section-size",
    "error.too-many-methods",
    "error.method-name-sum",
    "error.too-many-functions",
    "error.too-many-globals",
    "error.function-complexity",
    "error.function-too-large",
    "error.function-name-too-large",
    "error.code-section-too-large",
    "unspec.error.module-limits",
)
def test_the_limits_are_the_largest_allowed_values(raw: Raw) -> None:
    binary = raw("""(module (global i32 (i32.const 0)) (global i32 (i32.const 0))
        (func (export "canister_update abc") (export "canister_query d") nop nop (drop (i32.const 0))) (func))""")
    binary += section("icp:public ab", b"xyz") + section("icp:private c")
    largest: dict[str, Any] = {
        "functions": 2,
        "globals": 2,
        "exported_methods": 2,
        "exported_method_names": 4,
        "function_name": len("canister_update abc"),
        "custom_sections": 2,
        "custom_sections_size": 6,
        "function_instructions": 5,
        "function_complexity": 5,
        "code_section_size": 12,
    }
    assert defect(binary, **largest) is None
    for name, limit in largest.items():
        assert str(limit - 1) in (defect(binary, **{name: limit - 1}) or ""), name


def test_complexity_adds_up(raw: Raw) -> None:
    module = parse_module(
        raw("""(module (memory 1) (func (param f32) (local i32)
            loop (local.set 1 (i32.trunc_f32_s (f32.neg (local.get 0)))) end
            (drop (select (i32.load (i32.const 0)) (i32.const 1) (f64.eq (f64.const 0) (f64.const 0))))))"""),
        PROFILE,
    )
    assert isinstance(module, WasmCanisterModule)
    points = 50 + (1 + 5 + 4 + 1) + 1 + (1 + 2 + 3 + 1 + 1 + 3 + 1 + 1) + 1
    assert complexity(module.module.functions[0]) == points


def test_compiling_is_charged_by_the_instrumented_module(raw: Raw) -> None:
    def charge(text: str) -> int:
        module = parse_module(raw(f"(module {text})"), PROFILE)
        assert isinstance(module, WasmCanisterModule)
        assert module.instructions_to_compile == instructions_to_compile(module.module)
        return (module.instructions_to_compile - 20_000_000) // 6_000

    empty = charge("")
    assert empty == 20 + 46 + 2 * 3
    assert charge("(func)") == empty + 1 + 10
    assert charge("(global i32 (i32.const 0)) (func)") == empty + 1 + 10 + 2
    assert charge("(func (if (i32.const 1) (then nop)))") == empty + (1 + 1 + 1 + 1 + 1) + 10 + 4
    assert charge("(func loop br 0 end)") == empty + 4 + 10 + 10
    fill = "(func (memory.fill ({0}.const 0) (i32.const 0) ({0}.const 0)) (drop (memory.grow ({0}.const 0))))"
    assert charge("(memory 1)" + fill.format("i32")) == empty + 8 + 10 + 3 + 3
    assert charge("(memory i64 1)" + fill.format("i64")) == empty + 8 + 10 + 1 + 3
