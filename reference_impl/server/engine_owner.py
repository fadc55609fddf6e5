"""
An engine on a thread of its own, which nothing else touches.

What it is asked to do is done in the order in which it was asked. Who hands in a request may wait until it has ended.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from reference_impl.engine import Engine
from reference_impl.server.readable import Readable, has_ended
from spec.state.label import Label
from spec.state.request import Done, Rejected, Replied
from spec.values.identifiers import RequestId, Text
from spec.values.quantities import NANOSECONDS_PER_SECOND, Nanoseconds

Answered = TypeVar("Answered")
Clock = Callable[[], Nanoseconds]

RETENTION: Final[Nanoseconds] = 300 * NANOSECONDS_PER_SECOND
"""So long after they expired requests are known. Source: https-interface, asynchronous call overview."""
FORGETTING: Final[Nanoseconds] = 10 * NANOSECONDS_PER_SECOND
"""So often those are looked for that need not be known any more."""


class EngineOwner(ABC):
    """Owns an engine from now on. It is made and asked in one event loop."""

    def __init__(self, thread_name: Text) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=thread_name)
        self._waiting: dict[RequestId, set[asyncio.Future[None]]] = {}
        self._wake = asyncio.Event()

    @abstractmethod
    async def ask(self, act: Callable[[Engine], Answered]) -> Answered:
        """What the engine answers."""

    async def read(self, act: Callable[[Readable], Answered]) -> Answered:
        """What somebody reads who changes nothing; others may read at the same time."""
        return await self.ask(lambda engine: act(Readable.of(engine)))

    async def end_of(self, request_id: RequestId, take: Callable[[Engine], Answered], seconds: float) -> Answered:
        """Hands in a request, and waits until it has ended, for so long at most; what taking it in gave."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(request_id, set()).add(ended)
        try:
            taken = await self.ask(take)
            if taken is None:
                self.wake()
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await ended
            return taken
        finally:
            self._waiting[request_id].discard(ended)
            if not self._waiting[request_id]:
                del self._waiting[request_id]

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    async def _pause(self, seconds: float) -> None:
        """Until there is something to do, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _on_thread(self, act: Callable[[], Answered]) -> Answered:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)

    def _ended(self, engine: Engine) -> list[RequestId]:
        """The requests that have ended and that somebody waits for. On the thread."""
        return [one for one in list(self._waiting) if has_ended(engine.instance, one)]

    def _tell(self, ended: Iterable[RequestId]) -> None:
        """Those who wait for these requests go on. In the event loop."""
        for request_id in ended:
            for one in self._waiting.get(request_id, ()):
                if not one.done():
                    one.set_result(None)


class Forgetting:
    """Requests of an engine are forgotten when they need not be known any more."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._looked_at = engine.instance.system_time

    def forget(self) -> None:
        """Looks for such requests, if that was not done lately."""
        now = self._engine.instance.system_time
        if now < self._looked_at + FORGETTING:
            return
        self._looked_at = now
        old = [
            request_id
            for request_id, known in self._engine.instance.ingress.items()
            if known.request.ingress_expiry + RETENTION < now and isinstance(known.status, Replied | Rejected | Done)
        ]
        for request_id in old:
            self._engine.take(Label("request_deletion", {"request_id": request_id}))
