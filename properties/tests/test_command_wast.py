"""The verb `wast`: what it prints, writes and returns."""

import json

import pytest

from properties.commands.wast import main

GOOD = """(module (func (export "one") (result i32) i32.const 1))
(assert_return (invoke "one") (i32.const 1))
(module (memory 1) (memory 1))
"""


@pytest.fixture
def script(tmp_path):
    def write(text: str, name: str = "a.wast"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_a_passing_script_gives_zero_and_tells_what_was_skipped(script, tmp_path, capsys):
    report = tmp_path / "report.json"
    assert main([script(GOOD), "--json", str(report)]) == 0
    printed = capsys.readouterr().out
    assert "1 files: 2 passed, 0 failed, 1 skipped, 0 not applicable" in printed
    assert "more than one memory is not accepted: a.wast" in printed
    written = json.loads(report.read_text())
    assert (written["passed"], written["failed"], written["failures"]) == (2, 0, [])
    assert [entry["why"] for entry in written["skipped"]] == ["more than one memory is not accepted"]


def test_a_failing_script_gives_one_and_names_the_line(script, capsys):
    assert main([script(GOOD.replace("(i32.const 1))\n(module", "(i32.const 2))\n(module"))]) == 1
    assert "a.wast:2: assert_return: AssertionError: 0x1 instead of (i32.const 2)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(module", "line 1: a list is not closed"),
        ("(frobnicate)", "line 1: there is no command 'frobnicate'"),
        ("(assert_return)", "line 1"),
        ("(assert_return (invoke))", "line 1"),
        ('(module)(assert_return (invoke "none"))', None),
        ('(module (func (export "f") (param i32)))\n(assert_return (invoke "f" (i32.const x)))', "line 2"),
        ("words alone", "line 1: a list is expected, not words"),
        ('(module (func (export "f") (param v128)))(invoke "f" (v128.const i32x4 1))', "line 1"),
        ("", "there is no command"),
    ],
)
def test_bad_scripts_give_one_line(text, message, script, capsys):
    code = main([script(text)])
    errors = capsys.readouterr().err
    if message is None:
        assert code == 1
    else:
        assert code == 2
        assert message in errors and errors.count("\n") == 1


def test_a_file_that_is_not_there_gives_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "none.wast")]) == 2
    assert capsys.readouterr().err.endswith("none.wast: No such file or directory\n")
    assert main([str(tmp_path)]) == 2
    assert "there are no files" in capsys.readouterr().err


def test_a_run_that_ends_at_a_bad_script_leaves_its_report_as_it_was(tmp_path, capsys):
    new, old = tmp_path / "new.json", tmp_path / "old.json"
    old.write_text("kept")
    for report in (new, old):
        assert main([str(tmp_path / "absent.wast"), "--json", str(report)]) == 2
    assert not new.exists()
    assert old.read_text() == "kept"


def test_a_folder_stands_for_the_scripts_in_it(script, tmp_path, capsys):
    script(GOOD, "a.wast")
    script(GOOD, "b.wast")
    assert main([str(tmp_path), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"] == 4


REWRITTEN = r"""
(module $a
  (memory (export "memory") 1) (data (i32.const 3) "x")
  (table 2 funcref) (elem (i32.const 0) $deep)
  (global (export "g") (mut i64) (i64.const -2))
  (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "both") (param v128) (result v128 i32) (local.get 0) (i32.const 5))
  (func $deep (export "deep") (call $deep))
  (func (export "indirect") (param i32) (call_indirect (local.get 0)))
  (func (export "null") (param externref) (result i32) (ref.is_null (local.get 0)))
  (func (export "div") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0))))
(assert_return (invoke "byte" (i32.const 3)) (i32.const 120))
(assert_trap (invoke "byte" (i32.const 65536)) "out of bounds memory access")
(assert_return (invoke "both" (v128.const i32x4 1 2 3 4)) (v128.const i32x4 1 2 3 4) (i32.const 5))
(assert_exhaustion (invoke "deep") "call stack exhausted")
(assert_trap (invoke "indirect" (i32.const 1)) "uninitialized element")
(assert_trap (invoke "indirect" (i32.const 2)) "undefined element")
(assert_trap (invoke "div" (i32.const 0)) "integer divide by zero")
(assert_return (invoke "null" (ref.null extern)) (i32.const 1))
(assert_return (get "g") (i64.const -2))
(assert_invalid (module (func (result i32))) "type mismatch")
(assert_trap (module (memory 1) (data (i32.const 65536) "x")) "out of bounds memory access")
(register "a" $a)
(module $b (func $f (export "f") (import "a" "byte") (param i32) (result i32))
  (func (export "twice") (param i32) (result i32) (i32.add (call $f (local.get 0)) (call $f (local.get 0)))))
(assert_return (invoke $b "twice" (i32.const 3)) (i32.const 240))
(assert_unlinkable (module (func (import "a" "none"))) "unknown import")
(assert_unlinkable (module (func (import "a" "byte"))) "incompatible import type")
(module (memory (import "a" "memory") 1) (func (export "size") (result i32) (memory.size)))
(assert_return (invoke "size") (i32.const 1))
(module (global (export "r") funcref (ref.null func)))
(assert_return (get "r") (ref.null func))
"""


def test_scripts_run_on_what_the_reference_implementation_makes_of_modules(script, capsys):
    """Vectors, several results, traps of every kind, instances that call each other."""
    assert main(["--engine", "reference", script(REWRITTEN)]) == 0
    printed = capsys.readouterr().out
    assert "1 files: 19 passed, 0 failed, 1 skipped, 0 not applicable" in printed
    assert "globals that hold references cannot be read from outside" in printed


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(i32.const 120)", "(i32.const 121)"),
        ('65536)) "out of bounds memory access")', '65536)) "unreachable")'),
        ("(v128.const i32x4 1 2 3 4) (i32.const 5)", "(v128.const i32x4 1 2 3 5) (i32.const 5)"),
        ('"uninitialized element"', '"undefined element"'),
        ("(i32.const 240)", "(i32.const 120)"),
        ("(func (result i32))", "(func (result i32) (i32.const 1))"),
        ('"unknown import"', '"unknown import")(assert_return (invoke $b "twice" (i32.const 3)) (i32.const 1)'),
    ],
)
def test_a_wrong_expectation_fails_on_the_reference_implementation(right, wrong, script, capsys):
    """One failure, with its line."""
    assert REWRITTEN.count(right) == 1
    assert main(["--engine", "reference", script(REWRITTEN.replace(right, wrong))]) == 1
    assert " 1 failed" in capsys.readouterr().out
