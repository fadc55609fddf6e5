"""The commands: what they print, write and return."""

import json
import re
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance.commands import conform as command_conform
from conformance.commands import run as command_run
from conformance.commands import stdio as command_stdio
from conformance.reporting.files import opened

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
        (["--only", "nothing is called that"], "no scenario matches 'nothing is called that'\n"),
        (["--only", "|".join(["^nothing$"] * 2_000)], "^nothing$|'… (19,999 characters)\n"),
        (
            ["--json", "/no/such/directory/report.json"],
            "--json: /no/such/directory/report.json: No such file",
        ),
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


def test_a_failure_tells_how_it_is_repeated_what_it_concerns_and_how_it_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that is told gives the same failure again."""
    path = tmp_path / "report.json"
    implementation = f"{PLANTED} MiscountsInstructions"
    arguments = ["--implementation", implementation, "--only", "a_canister_answers", "--time-limit", "50"]
    assert conform(*arguments, "--json", str(path)) == 1
    (case,) = json.loads(path.read_text())["cases"]
    printed = capsys.readouterr().out
    assert f"repeat: {case['repeat']}" in printed
    assert "rule install_code: docs/generated/rules/install_code.md; interface specification: abstract-beh" in printed
    assert [each["rule"] for each in case["concerns"]] == ["install_code"]
    assert case["transcript"][0]["actor"] == "alice"
    program, verb, *words = shlex.split(case["repeat"])
    assert (program, verb) == ("icspec", "conform")
    assert words[::2] == ["--implementation", "--time-limit", "--only"]
    assert shlex.split(words[1]) == shlex.split(implementation)
    assert words[3::2] == ["50", "^requests/a_canister_answers$"]
    assert command_conform.main([*words, "--json", str(path)]) == 1
    (again,) = json.loads(path.read_text())["cases"]
    assert [again[name] for name in ("id", "why", "allowed", "repeat", "transcript", "concerns")] == [
        case[name] for name in ("id", "why", "allowed", "repeat", "transcript", "concerns")
    ]


def test_failures_of_one_cause_are_told_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They differ in ids and numbers alone."""
    path = tmp_path / "report.json"
    only = "requests/(a_canister_answers|anonymous_calls|together)"
    assert conform("--implementation", f"{PLANTED} RejectsEverything", "--only", only, "--json", str(path)) == 1
    (cause,) = json.loads(path.read_text())["causes"]
    assert len(cause["cases"]) == 3
    printed = capsys.readouterr().out
    assert "3 failures, 1 cause:" in printed
    assert f"    3 × {cause['message']}" in printed


def test_the_log_has_every_line_of_the_wire(tmp_path: Path) -> None:
    """In order, with its direction, its time and its case, also if several processes write."""
    path = tmp_path / "wire.ndjson"
    path.write_text("what was there before\n")
    only = ["--only", ONE, "--log", str(path)]
    assert command_conform.main(["--workers", "2", "--implementation", SPECIFICATION, *only]) == 0
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert {entry["case"] for entry in entries} == {"requests/a_canister_answers", "requests/anonymous_calls"}
    for process in {entry["process"] for entry in entries}:
        mine = [entry for entry in entries if entry["process"] == process]
        assert [entry["direction"] for entry in mine] == ["request", "response"] * (len(mine) // 2)
        assert json.loads(mine[0]["line"])["verb"] == "describe"
        assert [entry["time"] for entry in mine] == sorted(entry["time"] for entry in mine)
        for request, response in zip(mine[::2], mine[1::2], strict=True):
            assert json.loads(request["line"])["id"] == json.loads(response["line"])["id"]
        assert json.loads(mine[0]["line"])["verb"] == "describe"


def test_a_run_ends_at_the_first_failure_if_it_is_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are counted as not run."""
    assert conform("--implementation", f"{PLANTED} RejectsEverything", "--only", "requests/a", "--fail-fast") == 1
    printed = capsys.readouterr().out
    assert "0 pass, 1 fail" in printed
    assert re.search(r"; [1-9]\d* not run after the first failure;", printed)


EXPECTED = """
[[expected]]
id = "installation/upgrade_clears_heap"
reason = "our heap stays"

[[expected]]
matches = "^requests/anonymous"
reason = "nobody is anonymous here"
"""


def test_an_expected_failure_does_not_fail_the_run_and_an_unexpected_pass_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are told, with the reason that the file gives."""
    path, report = tmp_path / "expected.toml", tmp_path / "report.json"
    path.write_text(EXPECTED)
    common = ["--implementation", f"{PLANTED} KeepsTheHeapOnUpgrade", "--expected-failures", str(path)]
    assert conform(*common, "--only", "upgrade_clears_heap", "--fail-fast") == 0
    assert "is expected to fail: our heap stays" in capsys.readouterr().out
    junit = tmp_path / "report.xml"
    both = ["--only", "upgrade_clears_heap|anonymous_calls", "--json", str(report), "--junit", str(junit)]
    assert conform(*common, *both) == 1
    printed = capsys.readouterr().out
    assert "requests/anonymous_calls passes unexpectedly; it was expected to fail: nobody is anonymous here" in printed
    assert "1 failed as expected, 1 passed unexpectedly" in printed
    read = json.loads(report.read_text())
    assert read["counts"] == {"pass": 1, "fail": 1, "inconclusive": 0, "not_applicable": 0}
    assert read["expected_failures"] == {"failed": 1, "passed": ["requests/anonymous_calls"]}
    assert not read["success"]
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "1")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[[expected]]\nid = 'no/such'\nreason = 'x'", "entry 1: no scenario has the id 'no/such'"),
        ("[[expected]]\nmatches = '^nothing'\nreason = 'x'", "entry 1: no scenario matches '^nothing'"),
        ("[[expected]]\nmatches = '('\nreason = 'x'", "entry 1: '(' is not a regular expression"),
        ("[[expected]]\nid = 'requests/together'", "entry 1: it has a reason, and either id or matches"),
        ("[[expected]]\nid = 'a'\nmatches = 'b'\nreason = 'x'", "entry 1: it has a reason, and either id or matches"),
        ("[[expected]]\nid = 'a'\nreason = ' '", "entry 1: it has a reason"),
        ("[[expected]]\nid = 5\nreason = 'x'", "entry 1: it is a table of texts"),
        ("expected = 5", "it has [[expected]] tables and nothing else"),
        ("other = 5", "nothing else, not other"),
        ("[[", "expected.toml: "),
        (None, "expected.toml: No such file or directory"),
    ],
)
def test_a_file_of_expected_failures_that_makes_no_sense_is_told_in_one_line(
    tmp_path: Path, content: str | None, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the entry."""
    path = tmp_path / "expected.toml"
    if content is not None:
        path.write_text(content)
    assert conform("--expected-failures", str(path)) == 2
    printed = capsys.readouterr().err
    assert complaint in printed
    assert printed.count("\n") == 1


def test_files_are_not_written_over_one_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor over one that is read; nothing is run, nothing is lost, no file is left behind."""
    path, link = tmp_path / "report", tmp_path / "link"
    link.symlink_to(path)
    for options in (["--json", str(path), "--junit", str(path)], ["--html", str(path), "--log", str(link)]):
        assert conform(*options) == 2
        assert "it is the file of" in capsys.readouterr().err
        assert not path.exists()
    path.write_text(EXPECTED)
    assert conform("--expected-failures", str(path), "--json", str(path)) == 2
    assert "--json" in capsys.readouterr().err
    assert path.read_text() == EXPECTED


def test_nothing_is_left_behind_if_nothing_was_judged(tmp_path: Path) -> None:
    """No empty report says that there was a run."""
    names = [word for kind in ("json", "junit", "html", "log") for word in (f"--{kind}", str(tmp_path / kind))]
    assert conform("--implementation", "no-such-command-here", *names) == 2
    assert list(tmp_path.iterdir()) == []


OLD = "from an earlier run"


def test_an_old_report_stays_until_there_is_a_new_one(tmp_path: Path) -> None:
    """An implementation that cannot start leaves it; a report that can be made takes its place, with its mode."""
    files = {kind: tmp_path / kind for kind in ("json", "junit", "html", "log")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    for path in files.values():
        path.write_text(OLD)
        path.chmod(0o640)
    for command in ("no-such-command-here", "false"):
        assert conform("--implementation", command, *options) == 2
        assert [path.read_text() for path in files.values()] == [OLD] * 4
    assert conform("--implementation", SPECIFICATION, "--only", "anonymous_calls", *options) == 0
    assert all(OLD not in path.read_text() and path.stat().st_size for path in files.values())
    assert [path.stat().st_mode & 0o777 for path in files.values()] == [0o640] * 4
    assert sorted(tmp_path.iterdir()) == sorted(files.values())


def test_a_report_that_breaks_off_leaves_the_old_one(tmp_path: Path) -> None:
    """Nothing else is left beside it; a link stays a link."""
    path, link = tmp_path / "report", tmp_path / "link"
    path.write_text(OLD)
    link.symlink_to(path)
    with opened({"--json": link}, {}) as files:
        with pytest.raises(KeyboardInterrupt), files["--json"].writing() as file:
            file.write("the first half")
            raise KeyboardInterrupt
        assert path.read_text() == OLD
        with files["--json"].writing() as file:
            file.write("all of it")
    assert (path.read_text(), link.is_symlink(), len(list(tmp_path.iterdir()))) == ("all of it", True, 2)


@pytest.mark.parametrize("option", ["--json", "--junit", "--html", "--log"])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_run(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and a report that was there stays as it was."""
    other = tmp_path / "other"
    other.write_text("from an earlier run")
    another = "--html" if option == "--json" else "--json"
    assert conform(another, str(other), option, str(tmp_path)) == 2
    printed = capsys.readouterr()
    assert printed.err == f"icspec conform: {option}: {tmp_path}: Is a directory\n"
    assert printed.out == ""
    assert other.read_text() == "from an earlier run"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_cannot_be_written_ends_the_run(workers: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A device without space: nothing of that is held against the implementation."""
    chosen = ["--workers", workers, "--only", "lifecycle/(new_canister|top_up)"]
    assert command_conform.main([*chosen, "--implementation", SPECIFICATION, "--log", "/dev/full"]) == 2
    printed = capsys.readouterr()
    assert printed.err == "icspec conform: --log: /dev/full: No space left on device\n"
    assert "fail" not in printed.out


@pytest.mark.parametrize("option", ["--json", "--junit", "--html"])
def test_a_report_that_cannot_be_finished_is_told_in_one_line(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A device without space."""
    assert conform("--implementation", SPECIFICATION, "--only", "anonymous_calls", option, "/dev/full") == 2
    assert capsys.readouterr().err == f"icspec conform: {option}: /dev/full: No space left on device\n"


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
