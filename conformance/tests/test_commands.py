"""The commands: what they print, write and return."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance.commands import conform as command_conform
from conformance.commands import run as command_run
from conformance.commands import stdio as command_stdio

SPECIFICATION = f'"{sys.executable}" -m conformance.served.specification'
PLANTED = f'"{sys.executable}" -m conformance.tests.planted.bugs'
ONE = "a_canister_answers|anonymous_calls"


def conform(*arguments: str) -> int:
    """`icspec conform` with one worker."""
    return command_conform.main(["--workers", "1", *arguments])


def test_conform_passes_the_specification_and_writes_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON, JUnit and HTML say the same as the last line."""
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "junit", "html")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert conform("--implementation", SPECIFICATION, "--only", ONE, *options) == 0
    assert "2 pass, 0 fail, 0 inconclusive, 0 not applicable" in capsys.readouterr().out
    report = json.loads(files["json"].read_text())
    assert report["counts"] == {"pass": 2, "fail": 0, "inconclusive": 0, "not_applicable": 0}
    assert [(case["id"], case["verdict"]) for case in report["cases"]] == [
        ("requests/a_canister_answers", "pass"),
        ("requests/anonymous_calls", "pass"),
    ]
    suite = ElementTree.parse(files["junit"]).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "0")
    assert "requests/anonymous_calls" in files["html"].read_text()


def test_conform_fails_an_implementation_with_a_bug(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what would have been allowed, and returns 1."""
    path = tmp_path / "report.json"
    only = ["--only", "upgrade_clears_heap", "--json", str(path)]
    assert conform("--implementation", f"{PLANTED} KeepsTheHeapOnUpgrade", *only) == 1
    printed = capsys.readouterr().out
    assert "0 pass, 1 fail" in printed
    assert "allowed: " in printed
    (case,) = json.loads(path.read_text())["cases"]
    assert case["verdict"] == "fail"
    assert case["allowed"]


def test_conform_is_no_success_without_a_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """All scenarios not applicable: returns 1."""
    assert conform("--implementation", f"{PLANTED} BlackBox", "--only", "spontaneous/request_rejected") == 1
    assert "0 pass, 0 fail, 0 inconclusive, 1 not applicable" in capsys.readouterr().out


def test_conform_gives_the_same_with_several_workers(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has a process of the implementation."""
    assert command_conform.main(["--workers", "2", "--implementation", SPECIFICATION, "--only", "starvation"]) == 0
    assert "6 pass, 0 fail" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--implementation", "no-such-command-here"], "cannot start no-such-command-here"),
        (["--only", "nothing is called that"], "no scenario matches"),
        (["--json", "/no/such/directory/report.json"], "there is no directory"),
    ],
)
def test_conform_tells_bad_input_in_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And does not return 0."""
    assert conform(*arguments) != 0
    printed = capsys.readouterr().err
    assert complaint in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "("],
        ["--workers", "0"],
        ["--environment", "stormy"],
        ["--profile", "none"],
        ["--implementation", '"'],
    ],
)
def test_conform_refuses_bad_options(arguments: list[str]) -> None:
    """Exit code 2, as for any command line that makes no sense."""
    with pytest.raises(SystemExit) as left:
        command_conform.main(arguments)
    assert left.value.code == 2


def test_conform_lists_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    """Id and title, and nothing is run."""
    assert command_conform.main(["--list", "--only", "starvation"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6


SCENARIO = """
from conformance import Stage, library, program, replies_with, scenario, scripted


@scenario("A canister of mine replies", covers=())
def mine(stage: Stage) -> None:
    canister = stage.create_with_code(library.load("scripted"))
    stage.expect(stage.call(canister, program(scripted.reply(b"mine"))), replies_with(b"REPLY"))
"""


def test_run_plays_a_file_of_ones_own_and_prints_the_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Users' actions, transitions, and the verdicts on both sides."""
    path = tmp_path / "mine_passes.py"
    path.write_text(SCENARIO.replace("REPLY", "mine"))
    assert command_run.main([str(path), "--implementation", SPECIFICATION]) == 0
    printed = capsys.readouterr().out
    assert "call_context_creation(context_id=0" in printed
    assert "the system answers update: reply 'mine'" in printed
    assert "the specification: pass" in printed
    assert "the implementation: pass" in printed


def test_run_fails_if_a_scenario_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The expectation is shown."""
    path = tmp_path / "mine_fails.py"
    path.write_text(SCENARIO.replace("REPLY", "yours"))
    assert command_run.main([str(path), "--spec-only"]) == 1
    assert "an answer that is the reply 'yours'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("missing.py", None, "there is no such file"),
        ("notes.txt", "", "a scenario file is a Python file"),
        ("empty.py", "", "no function in it is marked"),
        ("broken.py", "def broken(:", "broken.py:1: SyntaxError"),
    ],
)
def test_run_tells_a_bad_file_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | None, complaint: str
) -> None:
    """With its name."""
    if content is not None:
        (tmp_path / name).write_text(content)
    assert command_run.main([str(tmp_path / name)]) == 2
    printed = capsys.readouterr().err
    assert complaint in printed
    assert printed.count("\n") == 1


def test_stdio_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    """With an example."""
    assert command_stdio.main(["--help"]) == 0
    assert "example" in capsys.readouterr().out
