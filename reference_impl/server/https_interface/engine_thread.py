"""
An engine on a thread of its own, whose time follows a clock and whose rounds run when there is something to do.

Nothing else touches the engine. What it is asked to do is done in the order in which it was asked; between two rounds
others have their turn, so that a query waits for one round at most.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from reference_impl.engine import Engine
from reference_impl.server.https_interface.handling import has_ended
from spec.state.label import Label
from spec.state.request import Done, Rejected, Replied
from spec.values.identifiers import RequestId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Nanoseconds

Answered = TypeVar("Answered")
Clock = Callable[[], Nanoseconds]

TICK: Final[Nanoseconds] = NANOSECONDS_PER_SECOND // 10
"""Time moves on in steps of at least this, so that a heartbeat beats so often at most."""
IDLE_SECONDS: Final = 0.1
"""So long nothing is done if there was nothing to do."""
RETENTION: Final[Nanoseconds] = 300 * NANOSECONDS_PER_SECOND
"""So long after they expired requests are known. Source: https-interface, asynchronous call overview."""
FORGETTING: Final[Nanoseconds] = 10 * NANOSECONDS_PER_SECOND
"""So often those are looked for that need not be known any more."""

log = logging.getLogger("icspec.serve")


class EngineThread:
    """Owns an engine from now on. `stop` ends the thread."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._waiting: dict[RequestId, set[asyncio.Future[None]]] = {}
        self._wake = asyncio.Event()
        self._progress: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._forgot_at: Nanoseconds = 0

    def start(self) -> None:
        """From now on rounds run by themselves. Needs a running event loop."""
        self._progress = asyncio.get_running_loop().create_task(self._run_rounds())

    async def stop(self) -> None:
        """No more rounds; what was asked for is done first."""
        self._is_stopping = True
        self._wake.set()
        if self._progress is not None:
            await self._progress
        self._thread.shutdown(wait=True)

    async def ask(self, act: Callable[[Engine], Answered]) -> Answered:
        """What the engine answers, at the time that it is now."""

        def at_present() -> Answered:
            self._catch_up()
            return act(self._engine)

        return await asyncio.get_running_loop().run_in_executor(self._thread, at_present)

    async def end_of(self, request_id: RequestId, take: Callable[[Engine], Answered], seconds: float) -> Answered:
        """Hands in a request, and waits until it has ended, for so long at most; what taking it in gave."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(request_id, set()).add(ended)
        try:
            taken = await self.ask(take)
            if taken is None:
                self._wake.set()
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

    async def _run_rounds(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            try:
                did_something = await self._round()
            except Exception:
                log.exception("a round failed")
                did_something = False
            if not did_something and not self._is_stopping:
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await self._wake.wait()

    async def _round(self) -> bool:
        waiting = tuple(self._waiting)
        did_something, ended = await self.ask(lambda engine: self._round_of(engine, waiting))
        for request_id in ended:
            for one in self._waiting.get(request_id, ()):
                if not one.done():
                    one.set_result(None)
        return did_something

    def _round_of(self, engine: Engine, waiting: Iterable[RequestId]) -> tuple[bool, list[RequestId]]:
        did_something = not engine.is_quiescent
        if did_something:
            engine.round()
        self._forget(engine)
        engine.explain()
        return did_something, [one for one in waiting if has_ended(engine, one)]

    def _catch_up(self) -> None:
        passed = self._clock() - self._engine.instance.system_time
        if passed >= TICK:
            self._engine.advance(passed)

    def _forget(self, engine: Engine) -> None:
        now = engine.instance.system_time
        if now < self._forgot_at + FORGETTING:
            return
        self._forgot_at = now
        old = [
            request_id
            for request_id, known in engine.instance.ingress.items()
            if known.request.ingress_expiry + RETENTION < now and isinstance(known.status, Replied | Rejected | Done)
        ]
        for request_id in old:
            engine.take(Label("request_deletion", {"request_id": request_id}))
