"""The page that leads implementers to their first verdict is true: each of its commands is executed."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "first-verdict.md"
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"(?P<command>.+?)    # (?P<seconds>\d+) s(?:, ends with (?P<code>\d+))?")
MINUTES = 15


def commands() -> list[tuple[str, int, int]]:
    """The commands of the page, each with its exit code and the seconds that stand beside it."""
    found = []
    for block in SHELL.findall(PAGE.read_text()):
        for line in block.strip().splitlines():
            parts = COMMAND.fullmatch(line)
            assert parts is not None, f"beside {line!r} stands how long it takes"
            found.append((parts["command"], int(parts["code"] or 0), int(parts["seconds"])))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder, in which the program of the page was saved."""
    made = tmp_path_factory.mktemp("first")
    [program] = PYTHON.findall(PAGE.read_text())
    (made / "mine.py").write_text(program)
    scripts = made / "commands"
    scripts.mkdir()
    words = f'#!/bin/sh\nexec "{sys.executable}" -m spec.tooling.command_line "$@"\n'
    (scripts / "icspec").write_text(words)
    (scripts / "icspec").chmod(0o755)
    (scripts / "python3").symlink_to(sys.executable)
    return made


def test_all_commands_together_take_less_than_fifteen_minutes() -> None:
    """With two minutes for the installation, and the rest for reading."""
    assert len(commands()) >= 5
    assert sum(seconds for _, _, seconds in commands()) <= (MINUTES - 10) * 60


def test_every_command_of_the_page_does_what_the_page_says(folder: Path) -> None:
    """In their order, with the exit codes that stand beside them."""
    environment = {**os.environ, "PATH": f"{folder / 'commands'}:{os.environ['PATH']}"}
    told = {}
    for command, code, _ in commands():
        started = time.monotonic()
        ended = subprocess.run(
            command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert ended.returncode == code, (command, time.monotonic() - started, ended.stdout, ended.stderr)
        told[command] = ended.stdout
    first, described, verdict, _, wire, fuzzed = told.values()
    assert "1 pass" in first
    assert '"name": "mine"' in described
    assert "'provisional_create_canister_with_cycles' was refused, which the specification does not allow" in verdict
    assert "allowed: accepted under the id 0x" in verdict
    assert "repeat: icspec conform" in verdict
    assert "provisional_create_canister_with_cycles" in wire
    assert "icspec run fuzz.failures/failure_" in fuzzed
