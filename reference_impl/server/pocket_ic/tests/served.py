"""`pocket-ic` in a process of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from attrs import frozen

COMMAND = (sys.executable, "-m", "reference_impl.server.pocket_ic.main")
EXECUTABLE = Path(sys.executable).with_name("pocket-ic")
PATIENCE = 60


def begun(*arguments: str, log: Any = subprocess.DEVNULL) -> subprocess.Popen:
    """A process that was just started."""
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=log)


def port_in(port_file: Path, process: subprocess.Popen) -> int:
    """The port in the file, as soon as there is one."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        text = port_file.read_text() if port_file.exists() else ""
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
    def started(cls, folder: Path, *arguments: str) -> Iterator["Served"]:
        """A server that ends when it is no longer needed."""
        port_file, log_file = folder / "port", folder / "log"
        with log_file.open("wb") as log:
            process = begun("--port-file", str(port_file), *arguments, log=log)
        try:
            yield cls(process, port_in(port_file, process), port_file, log_file)
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def connection(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def asked(self, method: str, path: str, body: Any = None, headers: Any = None) -> tuple[int, bytes]:
        """A status and a body."""
        connection = self.connection()
        sent = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
        connection.request(method, path, sent, {"content-type": "application/json", **(headers or {})})
        answered = connection.getresponse()
        told = answered.status, answered.read()
        connection.close()
        return told
