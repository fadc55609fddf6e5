"""Servers that ask another one and may change what it answers."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def servers_between(program: Path, behind: str) -> Iterator[Callable[[str], str]]:
    """Begins such servers by their faults, and gives their addresses; they end together."""
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    started = []

    def begun(fault: str) -> str:
        process = subprocess.Popen(["node", str(program), behind, fault], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return f"http://127.0.0.1:{int(process.stdout.readline())}"

    yield begun
    for process in started:
        process.terminate()
        process.wait(20)
        process.stdout.close()
