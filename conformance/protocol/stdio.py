"""Reaches an implementation that is a process: newline-delimited JSON on its standard input and output."""

import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from conformance.protocol.interface import (
    DEFAULT_TIME_LIMITS,
    PROTOCOL_VERSION,
    Accepted,
    Advanced,
    Answer,
    BrokeProtocol,
    Capability,
    Claim,
    Description,
    Died,
    Instance,
    InstanceKind,
    InternalError,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Rejected,
    Replied,
    Scheduled,
    TimedOut,
    TimeLimits,
    Unsupported,
    Values,
)
from conformance.protocol.wire import (
    Fields,
    WireError,
    read_answer,
    read_blob,
    read_claim,
    read_list,
    read_natural,
    read_optional,
    read_output,
    read_principal,
    read_refused,
    read_request_id,
    read_seen_reject,
    read_text,
    read_truth,
    write_blob,
    write_integer,
    write_label,
    write_request,
)
from spec.state.label import Label
from spec.state.request import Endpoint, Request
from spec.transition import Output
from spec.values.identifiers import Blob, Principal, RequestId, Text
from spec.values.quantities import Count, Nanoseconds

KEPT_LOG_LINES: Final[int] = 1
"""How many of the last lines of standard error are shown when the process dies."""

Result = TypeVar("Result")


class Process:
    """One process that speaks the protocol. Every failure ends it."""

    def __init__(self, command: Sequence[str], time_limits: TimeLimits = DEFAULT_TIME_LIMITS) -> None:
        """Starts the command. Raises `Died` if that is impossible."""
        self._time_limits = time_limits
        self._last_id = 0
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._log: deque[str] = deque(maxlen=KEPT_LOG_LINES)
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as problem:
            raise Died(f"cannot start {shlex.join(command)}: {problem.strerror or problem}") from None
        self._threads = [threading.Thread(target=read, daemon=True) for read in (self._read_lines, self._read_log)]
        for thread in self._threads:
            thread.start()

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(line.decode(errors="replace").rstrip())

    def kill(self) -> None:
        """Ends the process and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for thread in self._threads:
            thread.join(timeout=1.0)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()

    def request(self, verb: str, arguments: dict[str, Any]) -> Any:
        """Sends a request and gives the result of its response. Raises `ImplementationError`."""
        self._last_id += 1
        frame = json.dumps({"id": self._last_id, "verb": verb, "arguments": arguments}, separators=(",", ":"))
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(frame.encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._died(verb) from None
        limit = self._time_limits.of(verb)
        try:
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            self.kill()
            raise TimedOut(f"{verb}: no response within {limit:g} seconds") from None
        if line is None:
            raise self._died(verb)
        return self._result(verb, line)

    def _died(self, verb: str) -> Died:
        self.kill()
        log = "; ".join(self._log)
        return Died(f"{verb}: the process ended with code {self._process.returncode}" + (f": {log}" if log else ""))

    def _result(self, verb: str, line: bytes) -> Any:
        try:
            fields = Fields(json.loads(line), verb)
            answered = fields.take("id", lambda value, place: read_optional(value, place, read_natural))
            if fields.has("error"):
                error = fields.take("error", Fields)
                kind, text = error.take("kind", read_text), error.take("text", read_text)
                error.close()
                fields.close()
                raise (Unsupported if kind == "unsupported" else InternalError)(f"{verb}: {kind}: {text}")
            result = fields.take("result", lambda value, _: value)
            fields.close()
        except (WireError, UnicodeDecodeError, json.JSONDecodeError) as problem:
            raise BrokeProtocol(f"{verb}: the response does not follow the protocol: {problem}") from None
        if answered != self._last_id:
            raise BrokeProtocol(f"{verb}: the response is for request {answered}, not for {self._last_id}")
        return result


def _read_capability(value: Any, place: str) -> Capability:
    try:
        return Capability(read_text(value, place))
    except ValueError:
        raise WireError(f"{place}: {value!r} is not a capability") from None


def _read_instance_kind(value: Any, place: str) -> InstanceKind:
    try:
        return InstanceKind(read_text(value, place))
    except ValueError:
        raise WireError(f"{place}: {value!r} is not a kind of instance") from None


def _read_replied(value: Any, place: str) -> Replied:
    fields = Fields(value, place)
    replied = Replied(fields.take("data", read_blob))
    fields.close()
    return replied


def _read_accepted(value: Any, place: str) -> Accepted:
    fields = Fields(value, place)
    accepted = Accepted(fields.take("request_id", read_request_id))
    fields.close()
    return accepted


def _read_values(value: Any, place: str) -> Values:
    return Values(read_list(value, place, lambda each, where: read_optional(each, where, read_blob)))


def _read_outputs(value: Any, place: str) -> tuple[Output, ...]:
    return read_list(value, place, read_output)


class StdioImplementation:
    """An implementation behind a process; see `conformance.protocol.interface.Implementation` for the methods."""

    def __init__(self, command: Sequence[str], time_limits: TimeLimits = DEFAULT_TIME_LIMITS) -> None:
        self._process = Process(command, time_limits)

    def close(self) -> None:
        """Ends the process without a farewell."""
        self._process.kill()

    def _request(self, verb: str, arguments: dict[str, Any], read: Callable[[Fields], Result]) -> Result:
        result = self._process.request(verb, arguments)
        try:
            fields = Fields(result, verb)
            value = read(fields)
            fields.close()
        except WireError as problem:
            raise BrokeProtocol(f"the response does not follow the protocol: {problem}") from None
        return value

    def describe(self) -> Description:
        def read(fields: Fields) -> Description:
            version = fields.take("protocol", read_natural)
            if version != PROTOCOL_VERSION:
                raise WireError(f"describe.protocol: version {version}, but {PROTOCOL_VERSION} was asked for")
            return Description(
                name=fields.take("name", read_text),
                version=fields.take("version", read_text),
                interface_specification=fields.take("interface_specification", read_text),
                profiles=fields.take("profiles", lambda value, place: read_list(value, place, read_text)),
                capabilities=frozenset(
                    fields.take("capabilities", lambda value, place: read_list(value, place, _read_capability))
                ),
                instance=fields.take("instance", _read_instance_kind),
            )

        return self._request("describe", {"protocol": PROTOCOL_VERSION}, read)

    def reset(
        self, profile: Text, subnet_size: Count, system_time: Nanoseconds, subnet_admins: Sequence[Principal]
    ) -> Instance:
        arguments = {
            "profile": profile,
            "subnet_size": subnet_size,
            "system_time": write_integer(system_time),
            "subnet_admins": [write_blob(principal) for principal in subnet_admins],
        }
        return self._request(
            "reset",
            arguments,
            lambda fields: Instance(
                subnet_id=fields.take("subnet_id", read_principal),
                root_key=fields.take("root_key", read_blob),
                system_time=fields.take("system_time", read_natural),
            ),
        )

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        arguments: dict[str, object] = {"request": write_request(request), "effective_id": write_blob(effective_id)}
        if endpoint is not Endpoint.CANISTER:
            arguments["endpoint"] = endpoint.value
        return self._request(
            "submit",
            arguments,
            lambda fields: (
                fields.take("refused", read_refused)
                if fields.has("refused")
                else fields.take("accepted", _read_accepted)
            ),
        )

    def answer(self, request_id: RequestId) -> Answer:
        result = self._process.request("answer", {"request_id": write_blob(request_id)})
        try:
            return read_answer(result, "answer")
        except WireError as problem:
            raise BrokeProtocol(f"the response does not follow the protocol: {problem}") from None

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        content = {
            "nonce": write_blob(query.nonce),
            "ingress_expiry": write_integer(query.ingress_expiry),
            "sender": write_blob(query.sender),
            "canister_id": write_blob(query.canister_id),
            "method_name": query.method_name,
            "argument": write_blob(query.argument),
        }

        def read(fields: Fields) -> QueryAnswer:
            if fields.has("refused"):
                return fields.take("refused", read_refused)
            if fields.has("rejected"):
                return Rejected(fields.take("rejected", read_seen_reject))
            return fields.take("replied", _read_replied)

        return self._request("query", {"query": content, "effective_id": write_blob(effective_id)}, read)

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        arguments = {
            "sender": write_blob(sender),
            "effective_id": write_blob(effective_id),
            "paths": [[write_blob(label) for label in path] for path in paths],
        }

        def read(fields: Fields) -> Values | Refused:
            if fields.has("refused"):
                return fields.take("refused", read_refused)
            values = fields.take("values", _read_values)
            if len(values.values) != len(paths):
                raise WireError(f"read.values: {len(values.values)} values for {len(paths)} paths")
            return values

        return self._request("read", arguments, read)

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        return self._request(
            "advance",
            {"rounds": rounds, "nanoseconds": write_integer(nanoseconds)},
            lambda fields: Advanced(
                rounds=fields.take("rounds", read_natural),
                is_quiescent=fields.take("quiescent", read_truth),
                system_time=fields.take("system_time", read_natural),
            ),
        )

    def stop(self) -> None:
        self._request("stop", {}, lambda fields: None)
        self._process.kill()

    def explain(self) -> Sequence[Claim]:
        return self._request(
            "explain",
            {},
            lambda fields: fields.take("labels", lambda value, place: read_list(value, place, read_claim)),
        )

    def state(self) -> Blob:
        return self._request("state", {}, lambda fields: fields.take("digest", read_blob))

    def schedule(self, labels: Sequence[Label]) -> Scheduled:
        def read(fields: Fields) -> Scheduled:
            taken = fields.take("taken", read_natural)
            outputs = fields.take("outputs", lambda value, place: read_list(value, place, _read_outputs))
            if len(outputs) != taken:
                raise WireError(f"schedule.outputs: {len(outputs)} entries for {taken} transitions")
            return Scheduled(outputs, fields.take_optional("stopped_by", read_text))

        return self._request("schedule", {"labels": [write_label(label) for label in labels]}, read)
