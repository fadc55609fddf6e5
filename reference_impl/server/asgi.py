"""
What applications over HTTP have in common: bodies are read within limits, every request is answered and logged.

Source: the ASGI specification, version 3. Pages of any origin may ask for what is of the HTTPS interface, as in
production.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final

from reference_impl.server.https_interface.answers import (
    CONTENT_TOO_LARGE,
    NO_CONTENT,
    REQUEST_TIMEOUT,
    SERVER_ERROR,
    Answer,
    error,
)
from spec.values.identifiers import Blob, Text
from spec.values.quantities import ByteCount

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

READ_ANYWAY: Final[ByteCount] = 64 << 20
"""So much of a body that is too large is still read, so that the client comes to hear of it."""
RECEIVE_SECONDS: Final = 60.0
"""So long a body may take to come in."""
API: Final = "/api/"
"""Where the HTTPS interface is."""
CLOSE: Final = ((b"connection", b"close"),)
WITHOUT_BODY: Final = (NO_CONTENT, 304)
"""Statuses whose answers have no body, and no length of one."""
CROSS_ORIGIN: Final = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"Accept, Authorization, Content-Type"),
)
PREFLIGHT: Final = Answer(NO_CONTENT, headers=((b"access-control-max-age", b"86400"),))
"""What browsers are told that ask whether they may ask."""

log = logging.getLogger("icspec.serve")


class _HungUp(Exception):
    """The client went away before its request was complete."""


class _TooLarge(Exception):
    """The body is over the limit."""


class HttpApplication(ABC):
    """An application that answers requests. It runs from the startup of the server to its shutdown."""

    def __init__(self, *, body_limit: ByteCount, receive_seconds: float = RECEIVE_SECONDS) -> None:
        self._body_limit = body_limit
        self._receive_seconds = receive_seconds

    async def start(self) -> None:  # noqa: B027
        """The server begins."""

    async def stop(self) -> None:  # noqa: B027
        """The server ends; every request has been answered."""

    def answered(self, path: Text, outcome: Text, seconds: float) -> None:  # noqa: B027
        """A request came to its end: the status that was answered, or what became of it else."""

    def is_open_to_pages(self, path: Text) -> bool:
        """Pages of any origin may ask for this path."""
        return True

    @abstractmethod
    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """The answer to a request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's request, or the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            raise ValueError(f"there is no {scope['type']} here")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        try:
            answer = await self.answer(scope, receive)
        except _HungUp:
            self._end(scope, "hung up", 0, began)
            return
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            answer = error(SERVER_ERROR, "The server failed.")
        headers = list(_headers(answer, is_open=self.is_open_to_pages(scope["path"])))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        is_body_wanted = scope["method"] != "HEAD" and answer.status not in WITHOUT_BODY
        await send({"type": "http.response.body", "body": answer.body if is_body_wanted else b""})
        self._end(scope, str(answer.status), len(answer.body), began)

    def _end(self, scope: Scope, outcome: Text, size: ByteCount, began: float) -> None:
        seconds = time.perf_counter() - began
        self.answered(scope["path"], outcome, seconds)
        _log(scope, outcome, size, seconds)

    async def received(self, receive: Receive) -> Blob | Answer:
        """The body of a request, or the answer to one that is too large or too slow."""
        try:
            async with asyncio.timeout(self._receive_seconds):
                return await self._body(receive)
        except TimeoutError:
            return _closing(error(REQUEST_TIMEOUT, f"The body took longer than {self._receive_seconds:g} seconds."))
        except _TooLarge:
            return _closing(error(CONTENT_TOO_LARGE, f"The body is larger than {self._body_limit} bytes."))

    async def _body(self, receive: Receive) -> Blob:
        pieces: list[Blob] = []
        size, has_more = 0, True
        while has_more and size <= max(self._body_limit, READ_ANYWAY):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _HungUp
            piece, has_more = message.get("body", b""), message.get("more_body", False)
            size += len(piece)
            if size <= self._body_limit:
                pieces.append(piece)
        if size > self._body_limit:
            raise _TooLarge
        return b"".join(pieces)


def _headers(answer: Answer, *, is_open: bool) -> Iterator[tuple[Blob, Blob]]:
    """The headers of an answer: its own, and what it does not say itself."""
    own = {name for name, _ in answer.headers}
    if answer.content_type:
        yield b"content-type", answer.content_type
    if answer.status not in WITHOUT_BODY:
        yield b"content-length", str(len(answer.body)).encode()
    for name, value in CROSS_ORIGIN if is_open else ():
        if name not in own:
            yield name, value
    yield from answer.headers


def header(scope: Scope, wanted: Blob) -> Blob | None:
    """The value of a header, whose name is in lower case."""
    return next((value for name, value in scope["headers"] if name == wanted), None)


def is_preflight(scope: Scope) -> bool:
    """A browser asks whether a page may ask, of the interface or of any path."""
    is_asked = header(scope, b"access-control-request-method") is not None
    return scope["method"] == "OPTIONS" and (is_asked or scope["path"].startswith(API))


def content_type(scope: Scope) -> Blob:
    """The type that a body is said to have, without parameters; empty if none is said."""
    return (header(scope, b"content-type") or b"").split(b";")[0].strip().lower()


def _closing(answer: Answer) -> Answer:
    return Answer(answer.status, answer.body, answer.content_type, CLOSE)


def _log(scope: Scope, outcome: Text, size: ByteCount, seconds: float) -> None:
    client = scope.get("client") or ("-", 0)
    path = ascii(scope["path"])[1:-1]
    log.info("%s %s %s %s %d bytes %.1f ms", client[0], scope["method"], path, outcome, size, seconds * 1000)
