"""The command line finds its verbs and refuses others."""

from importlib.metadata import EntryPoint

import pytest

from spec import command_line
from spec.command_line import main


def greet(arguments):
    """Greets somebody."""
    print("hello", *arguments)
    return 0


def interrupt(arguments):
    """Is interrupted."""
    raise KeyboardInterrupt


@pytest.fixture
def two_verbs(monkeypatch):
    class Loaded(EntryPoint):
        def load(self):
            return {"greet": greet, "interrupt": interrupt}[self.name]

    found = {name: Loaded(name, f"nowhere:{name}", command_line.GROUP) for name in ("greet", "interrupt")}
    monkeypatch.setattr(command_line, "verbs", lambda: found)


@pytest.mark.usefixtures("two_verbs")
def test_a_verb_gets_the_remaining_arguments(capsys):
    assert main(["greet", "you", "--loudly"]) == 0
    assert capsys.readouterr().out == "hello you --loudly\n"


@pytest.mark.usefixtures("two_verbs")
def test_an_unknown_verb_gives_one_line_and_exit_code_two(capsys):
    assert main(["sing"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "icspec: there is no verb 'sing'; the verbs are greet, interrupt\n"


@pytest.mark.usefixtures("two_verbs")
def test_help_lists_every_verb_with_a_line(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert "  greet      Greets somebody.\n" in printed
    assert "  interrupt  Is interrupted.\n" in printed


@pytest.mark.usefixtures("two_verbs")
def test_no_verb_at_all_is_an_error_that_shows_the_help(capsys):
    assert main([]) == 2
    assert "usage: icspec VERB" in capsys.readouterr().out


@pytest.mark.usefixtures("two_verbs")
def test_an_interrupted_command_ends_quietly():
    assert main(["interrupt"]) == 130


def test_every_registered_verb_says_what_it_does():
    for name, found in command_line.verbs().items():
        assert command_line.summary(found.load()), name
