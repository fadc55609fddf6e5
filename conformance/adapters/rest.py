"""Requests over HTTP, with JSON or CBOR in their bodies. Everything here raises `ImplementationError`."""

import json
import time
from base64 import b64encode
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import quote, urlsplit

import cbor2
from attrs import frozen

from conformance.protocol.interface import BrokeProtocol, Died, InternalError, TimedOut
from conformance.protocol.quoting import shown
from spec.values.identifiers import Blob, Text

SECONDS: Final = 100.0
"""So long an answer may take."""
POLLING_SECONDS: Final = 0.01
STARTED, BUSY = 202, 409


@frozen
class Answered:
    """A status and a body."""

    status: int
    body: Blob
    server: Text = ""
    """What the server calls itself, in one line; nothing if it does not say."""

    @property
    def text(self) -> Text:
        """The body as text, in one line."""
        return shown(self.body.decode(errors="replace"))

    def json(self, what: Text) -> Any:
        """The value in the body."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise BrokeProtocol(f"{what}: the answer is no JSON: {self.text}") from None

    def cbor(self, what: Text) -> Mapping[Text, Any]:
        """The map in the body, with or without the tag that says that it is CBOR."""
        try:
            fields = cbor2.loads(self.body)
        except Exception as problem:
            raise BrokeProtocol(f"{what}: the answer is no CBOR: {shown(str(problem))}") from None
        if isinstance(fields, cbor2.CBORTag):
            fields = fields.value
        if not isinstance(fields, Mapping):
            raise BrokeProtocol(f"{what}: the answer is no map")
        return fields


class Rest:
    """A server, asked on one connection that is kept."""

    def __init__(self, url: Text, seconds: float = SECONDS) -> None:
        parts = urlsplit(url)
        self._url, self._prefix = url, parts.path.rstrip("/")
        self._connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=seconds)
        self._seconds = seconds

    def close(self) -> None:
        """No more requests."""
        self._connection.close()

    def asked(self, method: Text, path: Text, body: Blob | None = None, kind: Text = "application/json") -> Answered:
        """What the server answers."""
        headers = {"content-type": kind, "processing-timeout-ms": str(int(self._seconds * 1000))}
        try:
            self._connection.request(method, self._prefix + path, body, headers)
            answered = self._connection.getresponse()
            return Answered(answered.status, answered.read(), shown(answered.getheader("server", "")))
        except TimeoutError:
            self._connection.close()
            raise TimedOut(f"{path}: no answer within {self._seconds:g} seconds") from None
        except (OSError, HTTPException) as problem:
            self._connection.close()
            raise Died(f"{self._url} does not answer: {shown(str(problem) or type(problem).__name__)}") from None

    def operation(self, method: Text, path: Text, value: Any = None) -> Answered:
        """The answer to an operation in JSON, once it has ended."""
        body = None if method == "GET" else json.dumps(value).encode()
        until = time.monotonic() + self._seconds
        answered = self.asked(method, path, body)
        while answered.status == BUSY and time.monotonic() < until:
            time.sleep(POLLING_SECONDS)
            answered = self.asked(method, path, body)
        if answered.status != STARTED:
            return answered
        started = answered.json(path)
        ended = f"/read_graph/{started['state_label']}/{quote(started['op_id'], safe='')}"
        while (answered := self.asked("GET", ended)).status == 404 and time.monotonic() < until:
            time.sleep(POLLING_SECONDS)
        return answered

    def value(self, method: Text, path: Text, value: Any = None) -> Any:
        """What an operation gives that must succeed."""
        answered = self.operation(method, path, value)
        if answered.status not in (200, 201):
            raise InternalError(f"{path}: status {answered.status}: {answered.text}")
        return answered.json(path)


def base64(blob: Blob) -> Text:
    """A blob as JSON has it."""
    return b64encode(blob).decode()
