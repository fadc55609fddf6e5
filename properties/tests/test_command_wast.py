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
