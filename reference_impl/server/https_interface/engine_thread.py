"""
An engine on a thread of its own, whose time follows a clock and whose rounds run when there is something to do.

After everything that is done on the thread the state is committed. Whoever only reads does so in the state that was
committed last, on other threads, and waits for no round; calls are taken in between two rounds. Where the engine is
kept in a state directory, answers wait until all that they rest on is there; if that cannot be, there are no answers
any more.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from reference_impl.durability.acknowledging import Acknowledging
from reference_impl.durability.directory import StateDirectory
from reference_impl.durability.faults import StateDirectoryFault
from reference_impl.engine import Engine
from reference_impl.server.engine_owner import Answered, Clock, EngineOwner, Forgetting
from reference_impl.server.readable import Readable
from spec.values.identifiers import RequestId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Nanoseconds

TICK: Final[Nanoseconds] = NANOSECONDS_PER_SECOND // 10
"""Time moves on in steps of at least this, so that a heartbeat beats so often at most."""
IDLE_SECONDS: Final = 0.1
"""So long nothing is done if there was nothing to do."""
log = logging.getLogger("icspec.serve")


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
        self._under_way: Count = 0
        """How much is to be done on the thread, with what is being done."""
        self._readers = ThreadPoolExecutor(engine.threads, thread_name_prefix="readers")
        self._committed = engine.keep_committed_states()

    def start(self) -> None:
        """From now on rounds run by themselves. Needs a running event loop."""
        self._progress = asyncio.get_running_loop().create_task(self._run_rounds())

    async def stop(self) -> None:
        """No more rounds; what was asked for is done first."""
        self._is_stopping = True
        self.wake()
        if self._progress is not None:
            await self._progress
        self._readers.shutdown(wait=True)
        if self._kept is not None:
            await self._on_thread(self._close)
        self._thread.shutdown(wait=True)

    async def ask(self, act: Callable[[Engine], Answered]) -> Answered:
        """What the engine answers, at the time that it is now. Raises `StateDirectoryFault`."""
        answered, noted = await self._on_thread(lambda: self._at_present(act))
        await self._are_kept(noted)
        return answered

    async def read(self, act: Callable[[Readable], Answered]) -> Answered:
        """
        What somebody reads in the state that was committed last. Raises `StateDirectoryFault`.

        While nothing is done on the thread, that is a state of the time that it is now.
        """
        if not self._under_way and self._is_late():
            await self.ask(lambda _: None)
        answered, noted = await asyncio.get_running_loop().run_in_executor(self._readers, self._read, act)
        await self._are_kept(noted)
        return answered

    def _read(self, act: Callable[[Readable], Answered]) -> tuple[Answered, Count]:
        """What is read, and how many inputs of the directory that rests on. On a thread of readers."""
        if self.fault is not None:
            raise self.fault
        try:
            with self._committed.reading() as state:
                # Reason: the state rests on no more than what was noted until now.
                noted = self._noted
                return act(Readable(state, max(self._clock(), state.system_time), self._engine)), noted
        except StateDirectoryFault as fault:
            # Reason: a page that is damaged is everybody's.
            self._fail(fault)
            raise

    async def _on_thread(self, act: Callable[[], Answered]) -> Answered:
        self._under_way += 1
        try:
            return await super()._on_thread(act)
        finally:
            self._under_way -= 1

    async def _are_kept(self, noted: Count) -> None:
        """Until so many inputs are in the directory, if there is one."""
        if self._acknowledging is None:
            return
        try:
            await self._acknowledging.wait(noted)
        except StateDirectoryFault as fault:
            self._fail(fault)
            raise

    def _is_late(self) -> bool:
        return self._clock() - self._engine.instance.system_time >= TICK

    def _at_present(self, act: Callable[[Engine], Answered]) -> tuple[Answered, Count]:
        """What the engine answers, and how many inputs of the directory that rests on. On the thread."""
        if self.fault is not None:
            raise self.fault
        try:
            self._catch_up()
            try:
                return act(self._engine), self._noted
            finally:
                self._committed.commit()
        except StateDirectoryFault as fault:
            self._fail(fault)
            raise

    @property
    def _noted(self) -> Count:
        return 0 if self._kept is None else self._kept.noted

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
            self._committed.commit()
