"""A server in a process of its own."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Self

import pytest
from attrs import frozen

SERVE = (sys.executable, "-m", "spec.tooling.command_line", "serve")
POCKET_IC = (sys.executable, "-m", "reference_impl.server.pocket_ic.main")
PATIENCE = 60
"""Seconds that a server may take to begin, to answer, and to end."""


def port_in(port_file: Path, process: subprocess.Popen) -> int:
    """The port in the file, as soon as there is one."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            text = port_file.read_text()
        except FileNotFoundError:
            # Reason: a server makes sure that it can write the file, and takes it away again.
            text = ""
        if text.endswith("\n"):
            return int(text)
        time.sleep(0.02)
    raise AssertionError(f"the server did not start: {process.poll()}")


@frozen
class Served:
    """A server, and where it is."""

    process: subprocess.Popen
    port: int
    port_file: Path
    log_file: Path

    @classmethod
    @contextmanager
    def begun(cls, folder: Path, command: Sequence[str], *arguments: str) -> Iterator[Self]:
        """A server that ends when it is no longer needed."""
        port_file, log_file = folder / "port", folder / "log"
        with log_file.open("wb") as log:
            whole = [*command, "--port-file", str(port_file), *arguments]
            process = subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=log)
        try:
            yield cls(process, port_in(port_file, process), port_file, log_file)
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

    def asked(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """A status and a body."""
        connection = self.connection()
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answered = connection.getresponse()
        told = answered.status, answered.read()
        connection.close()
        return told

    def require_refused_elsewhere(self) -> None:
        """Nothing listens at any other address of this machine. On Linux all that begin with 127 are its own."""
        own = socket.gethostbyname(socket.gethostname())
        for address in {own, "127.0.0.2"} - {"127.0.0.1"}:
            with pytest.raises(OSError):
                socket.create_connection((address, self.port), 2).close()
