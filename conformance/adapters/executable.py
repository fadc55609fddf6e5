"""A server of PocketIC that is started for a run, as its clients start it, and ended after it."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from conformance.adapters.rest import Rest
from conformance.protocol.interface import CannotStart, ImplementationError
from conformance.protocol.quoting import shown
from spec.values.identifiers import Text

STARTING_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 600
"""A server that nobody asks for so long ends by itself."""
ENDING_SECONDS: Final = 20.0


STATUS: Final = "/api/v2/status"
"""Where every server of the HTTPS interface answers."""

ADAPTERS: Final[Mapping[Text, Text]] = {
    "pocketic": "conformance.adapters.pocket_ic",
    "http": "conformance.adapters.https",
}
"""The module that speaks the protocol for a server, by the option that names the server."""


def is_url(text: Text) -> bool:
    """A server that runs is named, and not an executable."""
    return text.startswith("http://")


def speaking_for(url: Text, interface: Text, profiles: tuple[Text, ...] = ()) -> tuple[Text, ...]:
    """The command that speaks the protocol for a server of an interface, which is said to follow these profiles."""
    return (sys.executable, "-m", ADAPTERS[interface], url, *profiles)


@contextmanager
def server_at(place: Text) -> Iterator[Text]:
    """The address of a server: the one that is named, or that of an executable. Raises `CannotStart`."""
    if is_url(place):
        require_answer(place)
        yield place
        return
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        command = [place, "--port-file", str(port_file), "--ttl", str(IDLE_SECONDS)]
        try:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError as problem:
            raise CannotStart(f"cannot start {shown(place)}: {problem.strerror}") from None
        try:
            yield f"http://127.0.0.1:{_port(port_file, process, place)}"
        finally:
            process.terminate()
            try:
                process.wait(ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def require_answer(url: Text, path: Text = "/status") -> None:
    """A server is there. Raises `CannotStart`."""
    if not is_url(url):
        raise CannotStart(f"{shown(url)} is no address of a server: it does not begin with http://")
    server = Rest(url, STARTING_SECONDS)
    try:
        server.asked("GET", path)
    except (ImplementationError, ValueError) as problem:
        raise CannotStart(str(problem)) from None
    finally:
        server.close()


def _port(port_file: Path, process: "subprocess.Popen[bytes]", place: Text) -> int:
    until = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < until:
        text = port_file.read_text() if port_file.exists() else ""
        if text.endswith("\n") and text.strip().isdecimal():
            return int(text)
        if process.poll() is not None:
            raise CannotStart(f"{shown(place)} ended with code {process.returncode} and told no port")
        time.sleep(0.05)
    raise CannotStart(f"{shown(place)} told no port within {STARTING_SECONDS:g} seconds")
