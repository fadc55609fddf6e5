"""Test scripts: what passes, what fails, what is skipped. The official scripts run in the deep selection."""

import os
import tarfile
from pathlib import Path

import pytest
import wasmtime

from spec.tooling.wast.script import Report, run_script
from spec.tooling.wast.script_text import ScriptError, floating, groups
from spec.wasm.numerics_float import F32_FORMAT, F64_FORMAT

OFFICIAL = Path(os.environ.get("WASM_TESTSUITE") or Path(__file__).parents[4] / "shared" / "wasm-testsuite.tar.gz")
"""The scripts of WebAssembly/testsuite, as an archive."""

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
(module (type (struct)))
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
    assert report.skipped == {("a.wast", "garbage collection is not accepted"): 2}
    assert report.not_applicable == {("a.wast", "the text format is not part of the specification"): 1}
    assert report.as_json()["failed"] == 0


PARTLY_ACCEPTED = r"""
(module $m
  (memory $first 1) (memory $second 7)
  (data (memory $second) (i32.const 0) "x") (data (memory $first) (i32.const 0) "y")
  (func $other (export "other") (result i32) (memory.size $second))
  (func (export "calls other") (result i32) (call $other))
  (func (export "first") (result i32) (i32.add (memory.size $first) (i32.load8_u (i32.const 0))))
  (func (export "unreachable") (unreachable)))
(assert_return (invoke "first") (i32.const 122))
(assert_return (invoke "first") (i32.const 7))
(register "m" $m)
(module $n (func (export "imported") (import "m" "first") (result i32)))
(assert_return (invoke $n "imported") (i32.const 122))
(module $o (func (export "imported") (import "m" "other") (result i32)))
(assert_unlinkable (module (import "m" "first" (func)) (memory 1) (memory 1)) "incompatible import type")
(assert_return (invoke $o "imported") (i32.const 7))
(assert_trap (invoke $m "unreachable") "unreachable")
(assert_return (invoke $m "first") (i32.const 122))
"""


def test_of_a_module_only_what_is_not_accepted_is_left_out():
    """What does not come to it is judged; what does is skipped, and so is what follows, as nobody knows the state."""
    report = report_on(PARTLY_ACCEPTED)
    assert [(one.line, one.why) for one in report.failures] == [(10, "AssertionError: 0x7a instead of (i32.const 7)")]
    assert report.passed == 4
    assert report.skipped == {("a.wast", "more than one memory is not accepted"): 5}


@pytest.mark.parametrize(
    "fields",
    [
        "(memory 1) (memory 1) (start $s) (func $s (drop (memory.size 1)))",
        '(table 1 funcref) (elem (offset (i32.add (i32.const 0) (i32.const 0))) func $f) (func $f (export "f"))',
        '(type (struct)) (func (export "f"))',
    ],
)
def test_a_module_that_would_be_another_without_what_is_not_accepted_is_left_out(fields):
    """Its start function, the contents of what stays, or its types."""
    report = report_on(f'(module {fields}) (assert_return (invoke "f"))')
    assert (report.passed, report.failures, report.skipped.total()) == (0, [], 2)


SEVERAL_MEMORIES = r"""
(module $m
  (memory 1) (memory $kept (data "abc")) (memory $other 3)
  (data (memory $kept) (i32.const 5) "x") (data (memory 2) (i32.const 0) "y") (data $z "z")
  (func (export "i32.load") (param i32) (result i32) (i32.load8_u $kept (local.get 0)))
  (func (export "by number") (result i32) (memory.size 1))
  (func (export "init") (memory.init $kept $z (i32.const 9) (i32.const 0) (i32.const 1)))
  (func (export "first") (result i32) (i32.load8_u (i32.const 0)))
  (func (export "both") (memory.copy $kept $other (i32.const 0) (i32.const 0) (i32.const 1))))
(assert_return (invoke "i32.load" (i32.const 1)) (i32.const 98))
(assert_return (invoke "i32.load" (i32.const 5)) (i32.const 120))
(assert_return (invoke "by number") (i32.const 1))
(assert_return (invoke "init"))
(assert_return (invoke "i32.load" (i32.const 9)) (i32.const 122))
(assert_return (invoke "first") (i32.const 0))
(module $n
  (memory 1) (memory 1)
  (func (export "first") (result i32) (i32.load8_u (i32.const 0)))
  (func (export "both") (memory.copy 1 0 (i32.const 0) (i32.const 0) (i32.const 1))))
(assert_return (invoke "first") (i32.const 0))
(assert_return (invoke "both"))
(module
  (import "spectest" "memory" (memory 1)) (memory $own 1) (data (memory 0) (i32.const 0) "y")
  (func (export "f") (drop (i32.load8_u $own (i32.const 0))) (call $g)) (func $g (drop (memory.size $own))))
(assert_return (invoke "f"))
"""


def test_of_several_memories_that_one_is_left_that_most_functions_use_alone():
    """What uses two is left out, and a module that writes to one that others see is not changed if functions call."""
    report = report_on(SEVERAL_MEMORIES)
    assert report.failures == []
    assert report.passed == 7
    assert report.skipped == {("a.wast", "more than one memory is not accepted"): 5}


TAGS_AND_COMPUTED_GLOBALS = r"""
(module $m
  (tag (export "tag"))
  (global $a (export "a") i32 (i32.const 1))
  (global $sum (export "sum") i32 (i32.add (i32.const 1) (i32.const 1)))
  (global $b i32 (i32.const 3))
  (export "b by number" (global 2)) (export "b" (global $b)) (export "sum again" (global $sum))
  (func (export "f") (result i32) (global.get 2))
  (func (export "reads sum") (result i32) (global.get $sum))
  (func $traps (export "traps") unreachable)
  (func (export "calls one that traps") (call $traps))
  (func (export "throws") (throw 0)))
(assert_return (get "a") (i32.const 1))
(assert_return (get "b") (i32.const 3))
(assert_return (invoke "f") (i32.const 3))
(assert_return (invoke "reads sum") (i32.const 2))
(assert_return (invoke "f") (i32.const 3))
(register "m" $m)
(module (import "m" "a" (global i32)))
(module (import "m" "sum" (global i32)))
(assert_unlinkable (module (import "m" "a" (global i64))) "incompatible import type")
(assert_unlinkable (module (import "m" "sum" (global i64))) "incompatible import type")
(assert_unlinkable (module (import "m" "tag" (global i64))) "incompatible import type")
(assert_unlinkable (module (import "m" "nothing" (func))) "unknown import")
(assert_return (invoke $m "f") (i32.const 3))
(assert_trap (invoke $m "traps") "unreachable")
(assert_trap (invoke $m "calls one that traps") "integer")
(assert_return (invoke $m "f") (i32.const 3))
(assert_exception (invoke $m "throws"))
(assert_trap (invoke $m "throws") "unreachable")
(assert_return (invoke $m "f") (i32.const 3))
"""


def test_tags_and_globals_that_compute_are_left_out_and_others_keep_their_numbers():
    """
    Who reads such a global is skipped, and whatever imports it; a function that throws may have changed anything. A
    function that comes to none of them is judged, also if it traps.
    """
    report = report_on(TAGS_AND_COMPUTED_GLOBALS)
    assert [one.why for one in report.failures] == ["AssertionError: trap 'unreachable' instead of 'integer'"]
    assert report.passed == 10
    assert report.skipped == {("a.wast", "exceptions are not accepted"): 8}


SEVERAL_MEMORIES_APART = r"""
(module $m
  (memory $one (export "one") 1 4) (memory $two (export "two") 2)
  (data (memory $one) (i32.const 0) "a") (data (memory $two) (i32.const 0) "b")
  (func (export "first") (result i32) (i32.load8_u $one (i32.const 0)))
  (func (export "second") (result i32) (i32.load8_u $two (i32.const 0)))
  (func (export "grow") (result i32) (memory.grow $two (i32.const 1)))
  (func (export "copy") (memory.copy $one $two (i32.const 0) (i32.const 0) (i32.const 1))))
(register "m")
(assert_return (invoke "first") (i32.const 97))
(assert_return (invoke "second") (i32.const 98))
(assert_return (invoke "grow") (i32.const 2))
(assert_return (invoke "grow") (i32.const 2))
(module (memory (import "m" "two") 3) (func (export "size") (result i32) (memory.size)))
(assert_return (invoke "size") (i32.const 4))
(assert_unlinkable (module (import "m" "one" (memory 1)) (import "m" "two" (memory 9))) "incompatible import type")
(assert_unlinkable (module (import "m" "one" (memory 1)) (import "m" "two" (memory 1))) "incompatible import type")
(assert_trap (module (memory 0) (memory 1) (data (memory 0) (i32.const 0) "a")) "out of bounds memory access")
(assert_return (invoke $m "copy"))
(assert_return (invoke $m "first") (i32.const 98))
(assert_return (invoke $m "second") (i32.const 98))
"""


def test_functions_that_share_nothing_but_memories_run_where_the_one_is_that_they_use():
    """One that uses two is skipped, and what follows; that a module can be linked is not known of a part of it."""
    report = report_on(SEVERAL_MEMORIES_APART)
    assert [(one.line, one.why) for one in report.failures] == [(13, "AssertionError: 0x3 instead of (i32.const 2)")]
    assert report.passed == 7
    assert report.skipped == {("a.wast", "more than one memory is not accepted"): 5}


SHARING = r"""
(module $a
  (table (export "table") 2 4 funcref)
  (memory (export "memory") 1 3)
  (global $g (export "global") (mut i64) (i64.const 1))
  (elem (i32.const 0) $one)
  (func $one (result i32) i32.const 1)
  (func (export "call") (param i32) (result i32) local.get 0 call_indirect (result i32))
  (func (export "byte") (param i32) (result i32) local.get 0 i32.load8_u)
  (func (export "get") (result i64) global.get $g))
(register "a" $a)
(module
  (import "a" "table" (table 2 funcref))
  (import "a" "memory" (memory 1))
  (import "a" "global" (global $g (mut i64)))
  (import "spectest" "global_i32" (global $place i32))
  (func $two (result i32) i32.const 2)
  (elem (i32.const 1) $two)
  (data (global.get $place) "x")
  (start $set)
  (func $set global.get $g i64.const 41 i64.add global.set $g)
  (func (export "swap") i32.const 0 i32.const 1 table.get 0 table.set 0 i32.const 1 memory.grow drop))
(assert_return (invoke $a "call" (i32.const 1)) (i32.const 2))
(assert_return (invoke $a "byte" (i32.const 666)) (i32.const 120))
(assert_return (invoke $a "get") (i64.const 42))
(assert_return (get $a "global") (i64.const 42))
(invoke "swap")
(assert_return (invoke $a "call" (i32.const 0)) (i32.const 2))
(assert_return (invoke $a "byte" (i32.const 65536)) (i32.const 0))
(module (import "a" "memory" (memory 2 3)))
(assert_unlinkable (module (import "a" "memory" (memory 3))) "incompatible import type")
(assert_unlinkable (module (import "a" "global" (global i64))) "incompatible import type")
(assert_trap
  (module (import "a" "table" (table 2 funcref)) (func $f) (elem (i32.const 0) $f) (elem (i32.const 2) $f))
  "out of bounds table access")
(assert_trap (invoke $a "call" (i32.const 0)) "indirect call type mismatch")
"""


def test_modules_of_a_script_share_memories_tables_and_globals():
    """What a failed instantiation wrote before it trapped stays."""
    report = report_on(SHARING)
    assert report.failures == [] and report.skipped == {}
    assert report.passed == 14


def test_vectors_are_compared_lane_by_lane():
    text = """(module (func (export "f") (result v128) v128.const f32x4 1 nan -0 4))
      (assert_return (invoke "f") (v128.const f32x4 1 nan:canonical -0 4))
      (assert_return (invoke "f") (v128.const i32x4 0x3f800000 0x7fc00000 0x80000000 0x40800000))
      (assert_return (invoke "f") (v128.const f32x4 1 nan:canonical 0 4))"""
    report = report_on(text)
    assert (report.passed, [failure.line for failure in report.failures]) == (3, [4])


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


def test_the_interpreter_tells_elements_that_are_not_there_from_places_outside_of_a_table():
    """Other engines need not."""
    calling = '(module (table 1 funcref) (func (export "f") (call_indirect (i32.const 1))))'
    assert report_on(f'{calling}(assert_trap (invoke "f") "undefined element")').failures == []
    assert report_on(f'{calling}(assert_trap (invoke "f") "out of bounds table access")').failures != []


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
@pytest.mark.skipif(not OFFICIAL.is_file(), reason="WASM_TESTSUITE names no archive")
def test_the_official_scripts_pass():
    report = Report()
    with tarfile.open(OFFICIAL) as archive:
        for member in archive.getmembers():
            if member.name.endswith(".wast"):
                text = archive.extractfile(member).read().decode("utf-8", "surrogateescape")
                run_script(member.name, text, compile_text, report)
    assert report.failures == []
    assert report.passed == 62_431
    reasons = {why for _, why in report.skipped}
    assert all("not accepted" in why or "bulk operation" in why for why in reasons), reasons
