"""
A process that speaks the protocol, held so that nothing it does can hold the judge.

Reading and writing are both under the time limit of the verb; what is kept of its output is bounded; whatever cannot be
read is an `ImplementationError` that quotes it; the process ends with all that it started.

What it started is found, on Linux, by its parents and by a mark in its environment, which children inherit: so also a
daemon that has left session and parent. Only one that was given another environment escapes as well. Elsewhere it is
the process group that ends, and who has left it escapes.
"""

import atexit
import contextlib
import json
import os
import select
import shlex
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakSet

from conformance.protocol.frames import MOST_BYTES, WireError, read_frame
from conformance.protocol.interface import (
    BrokeProtocol,
    CannotStart,
    Died,
    ImplementationError,
    InternalError,
    TimedOut,
    TimeLimits,
    Unsupported,
)
from conformance.protocol.quoting import quoted, shown
from conformance.protocol.wire import Fields, read_natural, read_optional, read_text
from conformance.protocol.wire_log import Direction, Listener, nobody

ERROR_KINDS: Final = ("malformed", "unsupported", "internal")
"""What an error response can be."""

USUAL: Final = frozenset({"id", "result"})
"""The fields of a response that is no error."""

CHUNK: Final = 2**16
"""So many bytes are read at once."""

KEPT_LOG: Final = 4_096
"""So many bytes of the end of standard error are kept; the last line of them is shown when the process dies."""

LOOK_EVERY: Final = 0.2
"""After so many seconds without a byte it is looked whether the process still lives."""

MILLISECONDS: Final = 1_000
"""In a second."""

FAREWELL: Final = 1.0
"""So many seconds a process has to end that has closed its output."""

Result = TypeVar("Result")

ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
"""Made once: every line is written with it."""

_running: "WeakSet[Process]" = WeakSet()
"""The processes that have not been ended."""


def end_all_processes() -> None:
    """Ends every process that was started here, and what they started."""
    for process in list(_running):
        process.kill()


atexit.register(end_all_processes)
# Reason: those of the parent are not the child's to end.
os.register_at_fork(after_in_child=_running.clear)


def descendants(process_id: int) -> Iterator[int]:
    """The processes that a process started, and those that they started; none where the system does not tell."""
    for listing in Path(f"/proc/{process_id}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, listing.read_text().split()):
                yield child
                yield from descendants(child)


def marked(mark: str) -> Iterator[int]:
    """The processes in whose environment there is such a variable; none where the system does not tell."""
    for place in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{mark}=".encode() in place.read_bytes():
                yield int(place.parent.name)


class Process:
    """One process that speaks the protocol, on its standard input and output."""

    def __init__(self, command: Sequence[str], time_limits: TimeLimits, listener: Listener = nobody) -> None:
        """Starts the command. Raises `CannotStart` if that is impossible."""
        self._listener = listener
        self._time_limits = time_limits
        self._last_id = 0
        self._unread = bytearray()
        self._log = b""
        self._mark = f"ICSPEC_JUDGED_{uuid.uuid4().hex}"
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env={**os.environ, self._mark: "1"},
            )
        except (OSError, ValueError) as problem:
            why = getattr(problem, "strerror", None) or problem
            raise CannotStart(f"cannot start {shown(shlex.join(command))}: {why}") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._is_over = False
        _running.add(self)
        os.set_blocking(self._input, False)
        os.set_blocking(self._output, False)
        self._ready = select.poll()
        self._ready.register(self._output, select.POLLIN)
        self._log_reader = threading.Thread(target=self._read_log, daemon=True)
        self._log_reader.start()

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while chunk := self._process.stderr.read(CHUNK):
                self._log = (self._log + chunk)[-KEPT_LOG:]

    @property
    def is_over(self) -> bool:
        """The process was ended, so it answers nothing more."""
        return self._is_over

    def kill(self) -> None:
        """Ends the process and all that it started, also what has left its session or its parent."""
        if self._is_over:
            return
        self._is_over = True
        if self._unread:
            self._listener(Direction.RESPONSE, bytes(self._unread))
        others = list(descendants(self._process.pid))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for other in others:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(other, signal.SIGKILL)
        self._process.wait()
        for other in marked(self._mark):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(other, signal.SIGKILL)
        self._log_reader.join(timeout=FAREWELL)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            # Reason: somebody may still hold the other end of the log; its reader waits for it and does no harm.
            if stream is not None and not (stream is self._process.stderr and self._log_reader.is_alive()):
                with contextlib.suppress(OSError):
                    stream.close()
        _running.discard(self)

    # Requests

    def request(self, verb: str, arguments: dict[str, Any], read: Callable[[Any], Result]) -> Result:
        """Sends a request and reads the result of its response. Raises `ImplementationError`."""
        self._last_id += 1
        frame = ENCODER.encode({"id": self._last_id, "verb": verb, "arguments": arguments})
        line = self.exchange(verb, frame.encode() + b"\n")
        try:
            return read(self._result(verb, read_frame(line)))
        except WireError as problem:
            raise BrokeProtocol(
                f"{verb}: the response does not follow the protocol: {problem}; it is {quoted(line)}"
            ) from None

    def _result(self, verb: str, frame: Any) -> Any:
        if type(frame) is dict and frame.keys() == USUAL and type(frame["id"]) is int and frame["id"] == self._last_id:
            return frame["result"]
        fields = Fields(frame, "response")
        answered = fields.take("id", lambda value, place: read_optional(value, place, read_natural))
        error = _read_error(fields.take("error", Fields), verb) if fields.has("error") else None
        result = fields.take("result", lambda value, _: value) if error is None else None
        fields.close()
        is_unread = error is not None and error[0] == "malformed" and answered is None
        if answered != self._last_id and not is_unread:
            raise WireError(f"response.id: it is for request {answered}, not for {self._last_id}")
        if error is not None:
            raise error[1]
        return result

    def exchange_raw(self, frame: Callable[[int], bytes]) -> tuple[int, Any]:
        """Sends a line as it is, made from the id of the request; gives the id, and the frame that answers."""
        self._last_id += 1
        line = self.exchange("a line", frame(self._last_id) + b"\n")
        try:
            return self._last_id, read_frame(line)
        except WireError as problem:
            raise BrokeProtocol(
                f"the response to a line does not follow the protocol: {problem}; it is {quoted(line)}"
            ) from None

    def exchange(self, verb: str, request: bytes) -> bytes:
        """Writes a line and reads the line that answers it, both within the time limit of the verb."""
        limit = self._time_limits.of(verb)
        deadline = time.monotonic() + limit
        self._expect_silence(verb)
        self._listener(Direction.REQUEST, request)
        unsent = self._write(request)
        if unsent:
            self._ready.register(self._input, select.POLLOUT)
        try:
            has_line = False
            while not has_line:
                left = deadline - time.monotonic()
                if left <= 0:
                    what = "the process does not read the request" if unsent else "no response"
                    raise self._ended(TimedOut(f"{verb}: {what} within {limit:g} seconds"))
                ready = dict(self._ready.poll(min(left, LOOK_EVERY) * MILLISECONDS))
                if self._input in ready:
                    unsent = self._write(unsent)
                    if not unsent:
                        self._ready.unregister(self._input)
                if self._output in ready:
                    has_line = self._read(verb)
                elif not ready and self._process.poll() is not None:
                    raise self._died(verb)
        finally:
            if unsent and not self._is_over:
                self._ready.unregister(self._input)
        line, _, more = bytes(self._unread).partition(b"\n")
        if more:
            both = quoted(bytes(self._unread))
            raise self._ended(BrokeProtocol(f"{verb}: more than one line answers: {both}"))
        self._unread.clear()
        self._listener(Direction.RESPONSE, line)
        return line

    def expect_end(self, verb: str) -> None:
        """Waits until the process has ended with code 0, silently, within the time limit of the verb."""
        limit = self._time_limits.of(verb)
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > 0:
            if self._ready.poll(min(left, LOOK_EVERY) * MILLISECONDS):
                chunk = os.read(self._output, CHUNK)
                if chunk:
                    raise self._ended(BrokeProtocol(f"{verb}: more comes after the response: {quoted(chunk)}"))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(max(left, 0.0))
            if self._process.poll() is not None:
                self.kill()
                if self._process.returncode != 0:
                    raise BrokeProtocol(f"{verb}: {self._ending()}, not with code 0")
                return
        raise self._ended(TimedOut(f"{verb}: the process has not ended within {limit:g} seconds"))

    def _write(self, unsent: bytes) -> bytes:
        """Writes what can be written now; gives what is left."""
        try:
            return unsent[os.write(self._input, unsent) :]
        except BlockingIOError:
            return unsent
        except OSError:
            # Reason: the process has closed its input; what it says, or how it has ended, tells more.
            return b""

    def _read(self, verb: str) -> bool:
        """Reads what there is; whether a line ends in it. Raises `Died` at the end, `BrokeProtocol` if no line ends."""
        chunk = os.read(self._output, CHUNK)
        if not chunk:
            raise self._died(verb)
        self._unread += chunk
        if len(self._unread) > MOST_BYTES:
            line = quoted(bytes(self._unread))
            raise self._ended(BrokeProtocol(f"{verb}: the response has more than {MOST_BYTES:,} bytes: {line}"))
        return b"\n" in chunk

    def _expect_silence(self, verb: str) -> None:
        """Nothing was written since the last response."""
        if self._is_over:
            raise Died(f"{verb}: the process has ended")
        if self._ready.poll(0):
            self._unread += os.read(self._output, CHUNK)
        if self._unread:
            raise self._ended(BrokeProtocol(f"{verb}: before the request there comes {quoted(bytes(self._unread))}"))

    # Endings

    def _ended(self, problem: ImplementationError) -> ImplementationError:
        self.kill()
        return problem

    def _died(self, verb: str) -> Died:
        has_ended = True
        try:
            self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            has_ended = False
        self.kill()
        what = self._ending() if has_ended else "the process has closed its output"
        middle = f", in the middle of the line {quoted(bytes(self._unread))}" if self._unread else ""
        lines = self._log.strip().splitlines()
        return Died(f"{verb}: {what}{middle}" + (f": {shown(lines[-1])}" if lines else ""))

    def _ending(self) -> str:
        code = self._process.returncode
        if code >= 0:
            return f"the process ended with code {code}"
        try:
            return f"the process was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"the process was ended by signal {-code}"


def _read_error(error: Fields, verb: str) -> tuple[str, ImplementationError]:
    kind, text = error.take("kind", read_text), error.take("text", read_text)
    error.close()
    if kind not in ERROR_KINDS:
        raise WireError(f"response.error.kind: {quoted(kind)} is none of {', '.join(ERROR_KINDS)}")
    error_type = Unsupported if kind == "unsupported" else InternalError
    return kind, error_type(f"{verb}: {kind}: {shown(text)}")
