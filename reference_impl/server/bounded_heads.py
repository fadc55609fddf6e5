"""
Heads of requests are bounded, in time and in size, on the protocol of uvicorn that parses with httptools.

Uvicorn waits for a head as long as the client likes, and keeps whatever comes; bodies are bounded by the applications.
"""

import asyncio
import logging
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from spec.values.quantities import ByteCount

HEAD_SECONDS: Final = 30.0
"""So long a head may take to come in, from its first byte or from the beginning of the connection."""
LARGEST_HEAD: Final[ByteCount] = 64 << 10
"""Bytes of a head, about: no more than one reading from the connection beyond."""
REQUEST_TIMEOUT: Final = 408
HEAD_TOO_LARGE: Final = 431
log = logging.getLogger("icspec.serve")


class BoundedHeads(HttpToolsProtocol):
    """One connection. A client whose head takes too long or is too large is told so, and the connection ends."""

    head_seconds = HEAD_SECONDS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._timer: asyncio.TimerHandle | None = None
        self._is_after_head = False
        """The head is here, and the rest of the request is not."""
        self._has_ended_request = False
        """What came in last had the end of a request."""
        self._size: ByteCount = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is awaited."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something comes in."""
        was_after_head = self._is_after_head
        if not was_after_head and self._timer is None:
            self._await_head()
        self._has_ended_request = False
        super().data_received(data)
        if was_after_head or self._is_after_head or self._has_ended_request:
            # Reason: bodies are bounded elsewhere, and the next head has begun in this reading at the earliest.
            self._size = 0
            return
        self._size += len(data)
        if self._size > LARGEST_HEAD:
            self._refuse(HEAD_TOO_LARGE, f"The head is larger than {LARGEST_HEAD} bytes.")

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._stop_timer()
        self._is_after_head = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The whole request is here; the next one may begin whenever the client likes."""
        self._is_after_head = False
        self._has_ended_request = True
        super().on_message_complete()

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._is_too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_too_slow(self) -> None:
        self._refuse(REQUEST_TIMEOUT, f"The head took longer than {self.head_seconds:g} seconds.")

    def _refuse(self, status: int, because: str) -> None:
        self._stop_timer()
        if self.transport.is_closing():
            return
        log.info("%s - - %d: %s", self.client[0] if self.client else "-", status, because)
        is_answering = self.cycle is not None and not self.cycle.response_complete
        # Reason: who has asked nothing yet, as browsers do to be quick later, expects no answer.
        if self._size and not is_answering:
            head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head % len(because) + because.encode())
        self.transport.close()
