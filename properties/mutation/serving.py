"""A mutant as an implementation: in a forked process, behind pipes, as any other that speaks the protocol."""

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from conformance.protocol.interface import DEFAULT_TIME_LIMITS, Died, TimedOut, TimeLimits
from conformance.protocol.process import Process
from conformance.protocol.stdio import StdioImplementation
from conformance.protocol.wire_log import nobody
from reference_impl.server.service import Service
from reference_impl.server.stdio import respond, serve

CHUNK: Final = 2**20

IDLE: Final = 20
"""A process that does nothing is waited for so many times as long as one that works."""

LOOK_EVERY: Final = 0.5
"""In seconds."""


class _InThisProcess(Process):
    """The right implementation, here; it keeps what was asked and answered."""

    def __init__(self) -> None:
        # Reason: nothing is started, so nothing of what the parent prepares for a process is there.
        self._last_id = 0
        self._is_over = False
        self._listener = nobody
        self._service = Service()
        self.exchanged: list[tuple[str, bytes, bytes]] = []

    def exchange(self, verb: str, request: bytes) -> bytes:
        """Answers a line."""
        if self._is_over:
            raise Died(f"{verb}: the process has ended")
        response, is_last = respond(self._service, request)
        self._is_over = is_last
        line = json.dumps(response).encode()
        self.exchanged.append((verb, request, line))
        return line

    def kill(self) -> None:
        """It answers no more."""
        self._is_over = True

    def expect_end(self, verb: str) -> None:
        """It ends when it is told."""


class Patience:
    """How long a forked process is waited for: so many seconds of its own work, on however busy a machine."""

    def __init__(self, child: int, seconds: float) -> None:
        self._child = child
        self._most = processor_seconds(child) + seconds
        self._end = time.monotonic() + IDLE * seconds

    def has_come(self, pipe: int) -> bool:
        """Something can be read, or the process has closed the pipe; false if that took too long."""
        while not select.select([pipe], [], [], LOOK_EVERY)[0]:
            if processor_seconds(self._child) > self._most or time.monotonic() > self._end:
                return False
        return True


def processor_seconds(process: int) -> float:
    """How long a process has worked; 0 if it is not there any more."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Forked(Process):
    """A process that serves a copy of this one, made other by `prepare`."""

    def __init__(self, prepare: Callable[[], None], limits: TimeLimits) -> None:
        self._last_id = 0
        self._is_over = False
        self._listener = nobody
        self._time_limits = limits
        their_input, self._input = os.pipe()
        self._output, their_output = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            with only_this():
                os.close(self._input)
                os.close(self._output)
                prepare()
                with open(their_input, "rb") as requests, open(their_output, "wb") as responses:
                    serve(requests, responses, Service())
        os.close(their_input)
        os.close(their_output)

    def exchange(self, verb: str, request: bytes) -> bytes:
        """Writes a line and reads the line that answers it, within the time limit of the verb."""
        if self._is_over:
            raise Died(f"{verb}: the process has ended")
        limit = self._time_limits.of(verb)
        patience = Patience(self._child, limit)
        try:
            while request:
                request = request[os.write(self._input, request) :]
        except OSError:
            self.kill()
            raise Died(f"{verb}: the process ended") from None
        line = b""
        while not line.endswith(b"\n"):
            if not patience.has_come(self._output):
                self.kill()
                raise TimedOut(f"{verb}: no response within {limit:g} seconds")
            chunk = os.read(self._output, CHUNK)
            if not chunk:
                self.kill()
                raise Died(f"{verb}: the process ended")
            line += chunk
        return line[:-1]

    def kill(self) -> None:
        """Ends the process."""
        if not self._is_over:
            self._is_over = True
            end(self._child)
            os.close(self._input)
            os.close(self._output)

    def expect_end(self, verb: str) -> None:
        """Whether it ends as it should is not asked: a mutant has the right end."""
        self.kill()


def end(child: int) -> None:
    """Ends a process that was forked here."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)


class only_this(contextlib.AbstractContextManager[None]):
    """What is inside is all that a forked process does; it ends without a word, whatever happens."""

    def __exit__(self, *problem: object) -> None:
        os._exit(0 if problem[0] is None else 1)


class RightImplementation(StdioImplementation):
    """The reference implementation as it is, in this process."""

    def __init__(self) -> None:
        self._process = self.here = _InThisProcess()
        self._description = None
        self._time = None


class ForkedImplementation(StdioImplementation):
    """The reference implementation in a forked process, made other by `prepare`."""

    def __init__(self, prepare: Callable[[], None], limits: TimeLimits = DEFAULT_TIME_LIMITS) -> None:
        self._process = _Forked(prepare, limits)
        self._description = None
        self._time = None
