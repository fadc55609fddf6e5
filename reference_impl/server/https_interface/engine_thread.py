"""
An engine on a thread of its own, whose time follows a clock and whose rounds run when there is something to do.

Between two rounds others have their turn, so that a query waits for one round at most.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from reference_impl.engine import Engine
from reference_impl.server.engine_owner import Answered, Clock, EngineOwner, Forgetting
from spec.values.identifiers import RequestId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Nanoseconds

TICK: Final[Nanoseconds] = NANOSECONDS_PER_SECOND // 10
"""Time moves on in steps of at least this, so that a heartbeat beats so often at most."""
IDLE_SECONDS: Final = 0.1
"""So long nothing is done if there was nothing to do."""
log = logging.getLogger("icspec.serve")


class EngineThread(EngineOwner):
    """Owns an engine from now on. `stop` ends the thread."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__("engine")
        self._engine = engine
        self._clock = clock
        self._forgetting = Forgetting(engine)
        self._progress: asyncio.Task[None] | None = None
        self._is_stopping = False

    def start(self) -> None:
        """From now on rounds run by themselves. Needs a running event loop."""
        self._progress = asyncio.get_running_loop().create_task(self._run_rounds())

    async def stop(self) -> None:
        """No more rounds; what was asked for is done first."""
        self._is_stopping = True
        self.wake()
        if self._progress is not None:
            await self._progress
        self._thread.shutdown(wait=True)

    async def ask(self, act: Callable[[Engine], Answered]) -> Answered:
        """What the engine answers, at the time that it is now."""

        def at_present() -> Answered:
            self._catch_up()
            return act(self._engine)

        return await self._on_thread(at_present)

    async def _run_rounds(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            try:
                did_something = await self._round()
            except Exception:
                log.exception("a round failed")
                did_something = False
            if not did_something and not self._is_stopping:
                await self._pause(IDLE_SECONDS)

    async def _round(self) -> bool:
        did_something, ended = await self.ask(self._round_of)
        self._tell(ended)
        return did_something

    def _round_of(self, engine: Engine) -> tuple[bool, list[RequestId]]:
        did_something = not engine.is_quiescent
        if did_something:
            engine.round()
        self._forgetting.forget()
        engine.explain()
        return did_something, self._ended(engine)

    def _catch_up(self) -> None:
        passed = self._clock() - self._engine.instance.system_time
        if passed >= TICK:
            self._engine.advance(passed)
