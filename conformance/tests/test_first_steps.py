"""The tour is true: beside each of its commands stands how long it takes, and each does what the tour says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide" / "first-steps.md"
COMMAND = re.compile(r" {4}(?P<command>\S.*?) {4,}(?P<duration>\d+ (?:s|min).*?)(?:, ends with (?P<code>\d+))?")
WHOLE = ("make conform", "icspec stdio --spec")
"""What runs the whole suite, which is a test of its own."""
SCREEN = 50
"""So many lines are seen at once."""
RULE = Path("spec", "rules", "messages", "call_context_end.py")
RIGHT, BROKEN = "reject_of(context), context.available_cycles", "reject_of(context), 0"


def commands() -> list[tuple[str, int]]:
    """The commands of the tour in their order, each with its exit code."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("    ")]
    found = [COMMAND.fullmatch(line) for line in lines]
    assert None not in found, [line for line, each in zip(lines, found, strict=True) if each is None]
    return [(each["command"], int(each["code"] or 0)) for each in found if each is not None]


def ended(command: str, code: int, folder: Path) -> str:
    """What a command prints that ends with this code, in a folder that holds the project."""
    own = command.replace(".venv/bin/icspec", "PYTHON -m spec.tooling.command_line")
    words = own.replace(".venv/bin/python", "PYTHON").replace("PYTHON", f'"{sys.executable}"')
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        words, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=1_000, check=False
    )
    assert done.returncode == code, (command, done.stdout[-2_000:], done.stderr[-2_000:])
    return done.stdout + done.stderr


def test_beside_each_command_stands_how_long_it_takes() -> None:
    """And what breaks something comes after the rest."""
    codes = [code for _, code in commands()]
    assert len(codes) == 10
    assert codes == sorted(codes)


def test_what_is_run_on_the_rules_as_they_are_does_what_the_tour_says() -> None:
    told = [
        ended(command, code, ROOT)
        for command, code in commands()
        if code == 0 and not any(each in command for each in WHOLE)
    ]
    chain, rounds, counted, proved = told
    assert "initiate_call" in chain
    assert "round 1" in rounds
    assert counted.count("returns") == 2
    assert counted.count(" 5,343") == 2
    assert "0 failed, 0 unknown" in proved


@pytest.mark.deep
def test_four_tools_notice_what_the_tour_breaks(tmp_path: Path) -> None:
    """Each tells it on one screen, the suite by its first failure."""
    folder = tmp_path / "a copy"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    rule = (folder / RULE).read_text()
    assert rule.count(RIGHT) == 1
    (folder / RULE).write_text(rule.replace(RIGHT, BROKEN))
    told = [ended(command, code, folder) for command, code in commands() if code]
    proved, explored, played, judged = told
    assert "failed: cycles are conserved" in proved
    assert "cycles are not conserved" in explored
    assert re.search(r"the first label of \d+ that differs is number \d+: call_context_starvation", played)
    assert "1 fail" in judged
    assert all(len(each.splitlines()) <= SCREEN for each in (proved, explored, played))
