"""Test scripts: what passes, what fails, what is skipped. The official scripts run in the deep selection."""

import tarfile

import pytest
import wasmtime

from spec.wasm.numerics_float import F32_FORMAT, F64_FORMAT
from spec.wasm.script import Report, run_script
from spec.wasm.script_text import ScriptError, floating, groups

SCRIPT = r"""
;; a comment (; and (; another ;) one ;)
(module $m
  (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
  (func (export "div") (param i32 i32) (result i32) local.get 0 local.get 1 i32.div_s)
  (func (export "nan") (result f32) f32.const 0 f32.const 0 f32.div)
  (global (export "g") i64 (i64.const -2)))
(assert_return (invoke "add" (i32.const 0x7fff_ffff) (i32.const 1)) (i32.const -2147483648))
(assert_return (invoke "nan") (f32.const nan:canonical))
(assert_return (get $m "g") (i64.const -2))
(assert_trap (invoke $m "div" (i32.const 1) (i32.const 0)) "integer divide by zero")
(assert_invalid (module (func (result i32))) "type mismatch")
(assert_malformed (module binary "\00asm" "\02\00\00\00") "unknown binary version")
(assert_malformed (module quote "(func") "unexpected token")
(register "m" $m)
(module (import "m" "add" (func $add (param i32 i32) (result i32)))
  (func (export "three") (result i32) i32.const 1 i32.const 2 call $add))
(assert_return (invoke "three") (i32.const 3))
(assert_unlinkable (module (import "m" "none" (func))) "unknown import")
(module (memory 1) (memory 1))
(assert_return (invoke "anything") (i32.const 3))
"""


def compile_text(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def report_on(text: str) -> Report:
    report = Report()
    run_script("a.wast", text, compile_text, report)
    return report


def test_a_script_is_run_and_what_cannot_be_judged_is_skipped():
    report = report_on(SCRIPT)
    assert report.failures == []
    assert report.passed == 10
    assert sum(report.skipped.values()) == 3
    assert report.as_json()["failed"] == 0


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(i32.const -2147483648)", "(i32.const 2147483647)"),
        ("nan:canonical", "0"),
        ('"integer divide by zero"', '"integer overflow"'),
        ("(module (func (result i32)))", "(module (func))"),
        ('"none" (func)', '"add" (func (param i32 i32) (result i32))'),
        ("(i64.const -2))", "(i64.const -2) (i64.const 1))"),
    ],
)
def test_a_wrong_expectation_fails(right, wrong):
    assert SCRIPT.count(right) >= 1
    head, _, tail = SCRIPT.rpartition(right)
    assert len(report_on(head + wrong + tail).failures) == 1


def test_text_that_is_no_script_is_refused():
    with pytest.raises(ScriptError, match="line 2: a list is not closed"):
        list(groups("\n(module"))
    with pytest.raises(ScriptError, match="unexpected"):
        list(groups("(module))"))


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("0", 0),
        ("-0", 0x80000000),
        ("1.5", 0x3FC00000),
        ("0x1p-149", 1),
        ("0x1.7p-150", 1),
        ("0x1p-150", 0),
        ("0x1.fffffep+127", 0x7F7FFFFF),
        ("0x1.ffffffp+127", 0x7F800000),
        ("1e-45", 1),
        ("16777217", 0x4B800000),
        ("16777219", 0x4B800002),
        ("-inf", 0xFF800000),
        ("nan:0x200000", 0x7FA00000),
    ],
)
def test_numbers_are_read_exactly(text, bits):
    assert floating(text, F32_FORMAT) == bits


def test_doubles_are_read_as_python_reads_them():
    for text in ("0.1", "1e308", "4.9e-324", "2.2250738585072011e-308", "9007199254740993", "123456.789e-5"):
        assert floating(text, F64_FORMAT) == F64_FORMAT.bits(float(text))


@pytest.mark.deep
def test_the_official_scripts_pass(shared):
    report = Report()
    with tarfile.open(shared / "wasm-testsuite.tar.gz") as archive:
        for member in archive.getmembers():
            if member.name.endswith(".wast") and "simd_" not in member.name and "relaxed" not in member.name:
                text = archive.extractfile(member).read().decode("utf-8", "surrogateescape")
                run_script(member.name, text, compile_text, report)
    assert report.failures == []
    assert report.passed > 35_000
