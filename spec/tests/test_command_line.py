"""The command line finds its verbs and refuses others."""

import os
from importlib.metadata import EntryPoint, version

import pytest

from spec.tooling import command_line
from spec.tooling.command_arguments import USAGE_ERROR, VerbParser
from spec.tooling.command_line import main


def greet(arguments):
    """Greets somebody."""
    print("hello", *arguments)
    return 0


def talk(arguments):
    """Talks without end."""
    while True:
        print("and so on")


def interrupt(arguments):
    """Is interrupted."""
    raise KeyboardInterrupt


def ask_too_much(arguments):
    """Asks for more memory than there is."""
    raise MemoryError("no room for so much")


@pytest.fixture
def few_verbs(monkeypatch):
    class Loaded(EntryPoint):
        def load(self):
            return known[self.name]

    known = {"greet": greet, "interrupt": interrupt, "talk": talk, "ask": ask_too_much}
    found = {name: Loaded(name, f"nowhere:{name}", command_line.GROUP) for name in known}
    monkeypatch.setattr(command_line, "verbs", lambda: found)


@pytest.mark.usefixtures("few_verbs")
def test_a_verb_gets_the_remaining_arguments(capsys):
    assert main(["greet", "you", "--loudly"]) == 0
    assert capsys.readouterr().out == "hello you --loudly\n"


@pytest.mark.usefixtures("few_verbs")
def test_an_unknown_verb_gives_one_line_and_exit_code_two(capsys):
    assert main(["sing"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "icspec: there is no verb 'sing'; the verbs are greet, interrupt, talk, ask\n"


@pytest.mark.usefixtures("few_verbs")
def test_help_lists_every_verb_with_a_line(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert "  greet      Greets somebody.\n" in printed
    assert "  interrupt  Is interrupted.\n" in printed


@pytest.mark.usefixtures("few_verbs")
def test_no_verb_at_all_is_an_error_that_shows_the_help(capsys):
    assert main([]) == 2
    assert "usage: icspec VERB" in capsys.readouterr().out


@pytest.mark.usefixtures("few_verbs")
def test_an_interrupted_command_ends_quietly():
    assert main(["interrupt"]) == 130


@pytest.mark.usefixtures("few_verbs")
def test_too_little_memory_is_told_in_one_line(capsys):
    assert main(["ask"]) == 2
    assert capsys.readouterr().err == "icspec ask: no room for so much\n"


def test_every_registered_verb_says_what_it_does():
    for name, found in command_line.verbs().items():
        assert command_line.summary(found.load()), name


@pytest.mark.usefixtures("few_verbs")
def test_a_reader_that_goes_away_ends_the_command_quietly(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        monkeypatch.setattr("sys.stdout", output)
        assert main(["talk"]) == 141


def test_a_wrong_argument_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        VerbParser(prog="icspec verb").parse_args(["--wrong"])

    assert ended.value.code == USAGE_ERROR
    assert capsys.readouterr().err == "icspec verb: unrecognized arguments: --wrong (see icspec verb --help)\n"


def test_an_option_given_twice_is_refused_and_a_command_line_is_read_for_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each of two values could be the one that is meant; options that may be repeated collect theirs."""
    parser = VerbParser(prog="icspec verb")
    parser.add_argument("--json")
    parser.add_argument("--rule", action="append")
    parser.add_argument("--quiet", action="store_true")
    for _ in range(2):
        given = parser.parse_args(["--json", "a", "--rule", "x", "--rule", "y", "--quiet", "--quiet"])
        assert (given.json, given.rule, given.quiet) == ("a", ["x", "y"], True)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--json", "a", "--json=b"])

    assert ended.value.code == USAGE_ERROR
    assert capsys.readouterr().err == ("icspec verb: argument --json: it is given twice (see icspec verb --help)\n")


def test_the_version_is_that_of_the_package_and_of_the_interface_specification(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"icspec {version('icspec')}, interface specification 0.66.0\n"
