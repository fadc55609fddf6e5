"""A right implementation behind a proxy that corrupts frames gets the verdict that the corruption deserves, in time."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from conformance.protocol.interface import TimeLimits
from conformance.protocol.process import descendants
from conformance.protocol.serving import serve
from conformance.running.case import Case, Manner
from conformance.running.processes import Runner, Target
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios

PYTHON = (sys.executable, "-S", "-E")
"""Without what is installed, so it starts fast."""

PROXY = str(Path(__file__).parent / "corrupting" / "proxy.py")

WAYS = {
    way["name"]: way for way in json.loads(subprocess.run([*PYTHON, PROXY], capture_output=True, check=True).stdout)
}
"""What the proxy can do, and the verdict that each deserves."""

SCENARIO = next(chosen for chosen in all_scenarios() if chosen.id == "requests/anonymous_calls")

PATIENT = TimeLimits.uniform(60.0)
SECONDS = 1.5
"""The limit of a verb at which the proxy is silent."""


@pytest.fixture(scope="module")
def implementation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The specification, at a socket; one instance for each who comes."""
    path = tmp_path_factory.mktemp("proxy") / "socket"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def attend(one: socket.socket) -> None:
        # Reason: proxies die.
        with contextlib.suppress(OSError), one, one.makefile("rb") as requests, one.makefile("wb") as responses:
            serve(SpecificationImplementation(), requests, responses)

    def accept() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=attend, args=(one,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield path
    listening.close()


def judged(way: dict[str, Any], implementation: Path, times: int = 1) -> list[Case]:
    """The cases of a scenario that is run so many times."""
    limits = evolve(PATIENT, **dict.fromkeys(way["short"], SECONDS))
    command = (*PYTHON, PROXY, str(implementation), way["name"])
    runner = Runner(Target(command, Manner(black_box=not way["replayed"]), limits))
    try:
        return [runner.run(SCENARIO) for _ in range(times)]
    finally:
        runner.close()


@pytest.mark.parametrize("name", WAYS)
def test_the_verdict_is_what_the_corruption_deserves(name: str, implementation: Path) -> None:
    """It comes in time, and nothing is left behind."""
    way = WAYS[name]
    before = set(descendants(os.getpid()))
    began = time.monotonic()
    (case,) = judged(way, implementation)
    assert case.verdict.name == way["verdict"], case.verdict.why
    assert way["says"] in case.verdict.why
    assert len(case.verdict.why) < 3000
    assert time.monotonic() - began < 30
    assert set(descendants(os.getpid())) <= before


@pytest.mark.parametrize("name", ["no JSON", "silence", "death", "an answer twice", "another reply"])
def test_the_next_scenario_is_judged_on_its_own(name: str, implementation: Path) -> None:
    """The same happens again, and not what follows from what has happened."""
    first, second = judged(WAYS[name], implementation, 2)
    assert first.verdict == second.verdict


def test_there_are_many_ways_of_each_kind() -> None:
    """Harmless ones, too."""
    assert len(WAYS) >= 150
    assert sum(way["verdict"] == "pass" for way in WAYS.values()) >= 20
