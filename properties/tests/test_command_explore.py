"""`icspec explore`: what it prints and returns."""

import json

import pytest

from properties.commands.explore import main


def test_a_world_that_was_visited_as_a_whole_is_a_success(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0."""
    assert main(["--world", "two-callers", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["worlds"]
    assert row["exhausted"]


@pytest.mark.parametrize("limit", [["--depth", "3"], ["--most-states", "5"], ["--depth", "3", "--most-states", "5"]])
def test_what_was_not_finished_is_no_success(limit: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever ended it; exit code 1, and one line says so."""
    assert main(["--world", "two-callers", "--json", *limit]) == 1
    printed = capsys.readouterr()
    assert not json.loads(printed.out)["worlds"][0]["exhausted"]
    assert printed.err == "icspec explore: not all states were visited of two-callers\n"


@pytest.mark.parametrize(
    "arguments",
    [["--depth", "-1"], ["--depth", "x"], ["--most-states", "0"], ["--most-states", "-5"], ["--depth", "\u00b2"]],
)
def test_numbers_that_make_no_sense_are_told_in_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2."""
    with pytest.raises(SystemExit) as left:
        main(["--world", "two-callers", *arguments])
    assert left.value.code == 2
    assert "is no number of at least" in capsys.readouterr().err
