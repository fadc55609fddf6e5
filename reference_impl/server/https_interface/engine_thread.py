"""
An engine on a thread of its own, whose time follows a clock and whose rounds run when there is something to do.

Between two rounds others have their turn, so that a query waits for one round at most. Where the engine is kept in a
state directory, answers wait until all that they rest on is there; if that cannot be, there are no answers any more.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from attrs import frozen

from reference_impl.durability.acknowledging import Acknowledging
from reference_impl.durability.directory import StateDirectory
from reference_impl.durability.faults import StateDirectoryFault
from reference_impl.engine import Engine
from reference_impl.server.engine_owner import Answered, Clock, EngineOwner, Forgetting
from spec.values.identifiers import RequestId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Nanoseconds

TICK: Final[Nanoseconds] = NANOSECONDS_PER_SECOND // 10
"""Time moves on in steps of at least this, so that a heartbeat beats so often at most."""
IDLE_SECONDS: Final = 0.1
"""So long nothing is done if there was nothing to do."""
log = logging.getLogger("icspec.serve")


@frozen(eq=False)
class _Reading:
    """Something that changes nothing."""

    act: Callable[[Engine], Any]
    answer: Future[Any]

    def answer_from(self, engine: Engine) -> None:
        """Does it. What is wrong is told to him who asked, and to nobody else."""
        try:
            self.answer.set_result(self.act(engine))
        except Exception as problem:
            self.answer.set_exception(problem)


class EngineThread(EngineOwner):
    """Owns an engine from now on, and the directory in which it is kept, if it is. `stop` ends the thread."""

    def __init__(self, engine: Engine, clock: Clock, kept: StateDirectory | None = None) -> None:
        super().__init__("engine")
        self._kept = kept
        self._acknowledging = None if kept is None else Acknowledging(kept)
        self.fault: StateDirectoryFault | None = None
        """Why the engine cannot be kept any more."""
        self.at_fault: Callable[[], object] = lambda: None
        """Called, on any thread, when there is such a fault."""
        self.at_round: Callable[[float], object] = lambda _: None
        """Called, on the thread, with the seconds that a round took in which there was something to do."""
        self._engine = engine
        self._clock = clock
        self._forgetting = Forgetting(engine)
        self._progress: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._readings: deque[_Reading] = deque()
        """Those that wait for the thread, which has them done at once."""

    def start(self) -> None:
        """From now on rounds run by themselves. Needs a running event loop."""
        self._progress = asyncio.get_running_loop().create_task(self._run_rounds())

    async def stop(self) -> None:
        """No more rounds; what was asked for is done first."""
        self._is_stopping = True
        self.wake()
        if self._progress is not None:
            await self._progress
        if self._kept is not None:
            await self._on_thread(self._close)
        self._thread.shutdown(wait=True)

    async def ask(self, act: Callable[[Engine], Answered]) -> Answered:
        """What the engine answers, at the time that it is now. Raises `StateDirectoryFault`."""
        answered, noted = await self._on_thread(lambda: self._at_present(act))
        if self._acknowledging is not None:
            try:
                await self._acknowledging.wait(noted)
            except StateDirectoryFault as fault:
                self._fail(fault)
                raise
        return answered

    async def read(self, act: Callable[[Engine], Answered]) -> Answered:
        """What the engine answers; all that wait to read do so at once, on as many threads as the engine has."""
        answer: Future[Answered] = Future()
        self._readings.append(_Reading(act, answer))
        await self.ask(self._answer_readings)
        return answer.result()

    def _answer_readings(self, engine: Engine) -> None:
        """All that waits is answered, so that whoever comes here next for his answer has it already."""
        waiting = []
        while self._readings:
            waiting.append(self._readings.popleft())
        engine.at_once([one.answer_from for one in waiting])
        for one in waiting:
            problem = one.answer.exception()
            if isinstance(problem, StateDirectoryFault):
                # Reason: a page that is damaged is everybody's.
                raise problem

    def _at_present(self, act: Callable[[Engine], Answered]) -> tuple[Answered, Count]:
        """What the engine answers, and how many inputs of the directory that rests on. On the thread."""
        if self.fault is not None:
            raise self.fault
        try:
            self._catch_up()
            return act(self._engine), 0 if self._kept is None else self._kept.noted
        except StateDirectoryFault as fault:
            self._fail(fault)
            raise

    def _fail(self, fault: StateDirectoryFault) -> None:
        if self.fault is None:
            self.fault = fault
            self.at_fault()

    def _close(self) -> None:
        """The directory is left with a checkpoint. On the thread."""
        assert self._kept is not None and self._acknowledging is not None
        self._acknowledging.close()
        try:
            if self.fault is None:
                self._kept.checkpoint()
        except StateDirectoryFault as fault:
            self._fail(fault)
        self._kept.close()

    async def _run_rounds(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            try:
                did_something = await self._round()
            except StateDirectoryFault:
                self._tell(list(self._waiting))
                return
            except Exception:
                log.exception("a round failed")
                did_something = False
            if not did_something and not self._is_stopping:
                await self._pause(IDLE_SECONDS)

    async def _round(self) -> bool:
        # Reason: who is told that a request has ended asks how, and that answer waits for the directory.
        (did_something, ended), _ = await self._on_thread(lambda: self._at_present(self._round_of))
        self._tell(ended)
        return did_something

    def _round_of(self, engine: Engine) -> tuple[bool, list[RequestId]]:
        did_something = not engine.is_quiescent
        if did_something:
            began = time.perf_counter()
            engine.round()
            self.at_round(time.perf_counter() - began)
        self._forgetting.forget()
        engine.explain()
        if self._kept is not None:
            self._kept.after_round()
        return did_something, self._ended(engine)

    def _catch_up(self) -> None:
        passed = self._clock() - self._engine.instance.system_time
        if passed >= TICK:
            self._engine.advance(passed)
