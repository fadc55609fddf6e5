"""Whatever is wrong with what a verb is given, it says so in one line of standard error, and ends with code 2."""

import os
from pathlib import Path

import pytest

from spec.tooling.command_line import main, verbs
from spec.tooling.tests.bad_input import CASES, FILES

SUITE = Path(__file__).parents[3] / "conformance" / "suite" / "scenarios"

EACH = [(verb, arguments, complaint) for verb, cases in CASES.items() for arguments, complaint in cases]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the files, in which a verb is called."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(words: list[str]) -> object:
    """The code with which a command line ends."""
    try:
        return main(words)
    except SystemExit as left:
        return left.code


def test_every_verb_has_cases() -> None:
    """None is forgotten, and no case stands there twice."""
    assert CASES.keys() == verbs().keys()
    assert all(len(cases) >= 5 for cases in CASES.values())
    assert len({(verb, *arguments) for verb, arguments, _ in EACH}) == len(EACH)


@pytest.mark.parametrize(
    ("verb", "arguments", "complaint"),
    EACH,
    ids=[ascii(" ".join([verb, *arguments]))[1:-1][:70] for verb, arguments, _ in EACH],
)
def test_bad_input_is_told_in_one_line(
    verb: str, arguments: list[str], complaint: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is printable and begins with the verb; nothing is printed besides, and no file is left behind."""
    before = sorted(os.listdir(folder))
    code = ended([verb, *(each.replace("{suite}", str(SUITE)) for each in arguments)])
    printed = capfd.readouterr()
    assert code == 2, (printed.err, printed.out)
    assert printed.out == ""
    assert printed.err.endswith("\n")
    line = printed.err.removesuffix("\n")
    assert line.isprintable(), line
    assert line.startswith(f"icspec {verb}"), line
    assert complaint in line
    assert len(line) < 1_500
    assert sorted(os.listdir(folder)) == before
    assert os.listdir(folder / "folder") == []


def test_an_unknown_verb_is_told_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    """The line begins with the command."""
    assert ended(["no-such-verb"]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("icspec: ")
    assert printed.err.count("\n") == 1
    assert "no-such-verb" in printed.err
