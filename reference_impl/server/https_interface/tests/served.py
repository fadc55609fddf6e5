"""A server in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from attrs import frozen

COMMAND = (sys.executable, "-m", "spec.tooling.command_line", "serve")
PATIENCE = 60


@frozen
class Served:
    """What a server was started with, and where it is."""

    process: subprocess.Popen
    port: int
    port_file: Path
    log_file: Path

    @classmethod
    @contextmanager
    def begun(cls, folder: Path, *arguments: str) -> Iterator["Served"]:
        """A server that ends when it is no longer needed."""
        port_file, log_file = folder / "port", folder / "log"
        with log_file.open("wb") as log:
            command = [*COMMAND, "--port-file", str(port_file), *arguments]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        try:
            yield cls(process, _port_in(port_file, process), port_file, log_file)
        finally:
            process.terminate()
            process.wait(PATIENCE)
            process.stdout.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self.log_file.read_text(encoding="utf-8")

    def connection(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def status(self) -> int:
        """Whether it still answers."""
        connection = self.connection()
        connection.request("GET", "/api/v2/status")
        answered = connection.getresponse()
        answered.read()
        connection.close()
        return answered.status


def _port_in(port_file: Path, process: subprocess.Popen) -> int:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        text = port_file.read_text() if port_file.exists() else ""
        if text.endswith("\n"):
            return int(text)
        time.sleep(0.05)
    raise AssertionError(f"the server did not start: {process.poll()}")
