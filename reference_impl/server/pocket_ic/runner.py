"""
An instance on a thread of its own: one operation at a time, in the order in which they came.

In live mode rounds run between them, at the pace of the machine's clock. The HTTPS interface of an instance asks it in
the same way.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from reference_impl.engine import Engine
from reference_impl.server.engine_owner import Answered, Clock, EngineOwner
from reference_impl.server.pocket_ic import outside
from reference_impl.server.pocket_ic.fields import Refused
from reference_impl.server.pocket_ic.live_outcalls import answer_from_outside
from reference_impl.server.pocket_ic.simulation import Simulation
from spec.values.identifiers import RequestId, Text
from spec.values.management import HttpRequestArguments
from spec.values.quantities import Count, Nanoseconds

LEAST_DELAY_SECONDS: Final = 0.1
"""So long live mode waits between two rounds, unless something is asked for."""
API: Final = "api"
"""How operations are named that come through the HTTPS interface."""

log = logging.getLogger("icspec.serve")


class Deleted(Refused):
    """There is no instance any more."""

    def __init__(self) -> None:
        super().__init__("Instance was deleted")


class Runner(EngineOwner):
    """Owns a simulation from now on, until it is closed."""

    def __init__(self, simulation: Simulation, clock: Clock = time.time_ns, *, makes_outcalls: bool = False) -> None:
        """In live mode it makes outcalls for real, if it is told so; otherwise they wait for clients to answer them."""
        super().__init__("instance")
        self._makes_outcalls = makes_outcalls
        self._asked_outside: dict[int, asyncio.Task[None]] = {}
        """The outcalls that are being made, by the ids of their messages."""
        self._simulation = simulation
        self._clock = clock
        self._progress: asyncio.Task[None] | None = None
        self._under_way: list[Text] = []
        self._is_closed = False
        self.needs_proof = True
        """Users of the HTTPS interface prove who they are."""
        self.operations: Count = 0
        """How many operations there were."""

    @property
    def current(self) -> Text | None:
        """The operation that is done at present, if one is."""
        return self._under_way[0] if self._under_way else None

    @property
    def is_closed(self) -> bool:
        """There is no instance any more."""
        return self._is_closed

    @property
    def is_live(self) -> bool:
        """Rounds run by themselves."""
        return self._progress is not None

    async def run(self, name: Text, act: Callable[[Simulation], Answered]) -> Answered:
        """What an operation gives, after those that came before it. Raises `Deleted` if there is no instance then."""
        self._under_way.append(name)
        self.operations += 1
        try:
            return await self._do(act)
        finally:
            self._under_way.remove(name)

    async def _do(self, act: Callable[[Simulation], Answered]) -> Answered:
        if self._is_closed:
            raise Deleted

        def alone() -> tuple[Answered, list[RequestId]]:
            if self._is_closed:
                raise Deleted
            done = act(self._simulation)
            return done, self._ended(self._simulation.engine)

        done, ended = await self._on_thread(alone)
        self._tell(ended)
        return done

    async def close(self, last: Callable[[Simulation], Answered]) -> Answered:
        """Ends the instance after what came before, with a last act."""
        await self.stop_progress()

        def end(simulation: Simulation) -> Answered:
            self._is_closed = True
            return last(simulation)

        try:
            return await self.run("delete", end)
        finally:
            self._thread.shutdown(wait=False)

    async def ask(self, act: Callable[[Engine], Answered]) -> Answered:
        """What the engine answers."""

        def asked(simulation: Simulation) -> Answered:
            answered = act(simulation.engine)
            simulation.engine.explain()
            return answered

        return await self.run(API, asked)

    # Live mode

    async def start_progress(self, delay_milliseconds: int | None) -> None:
        """From now on rounds run by themselves, and time is that of the machine's clock, or goes on beside it."""
        if self.is_live:
            raise Refused("Auto progress mode has already been enabled.")
        seconds = max((delay_milliseconds or 0) / 1000, LEAST_DELAY_SECONDS)
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._progress = asyncio.get_running_loop().create_task(self._run_rounds(seconds, begun))
        await begun

    async def stop_progress(self) -> None:
        """No more rounds by themselves."""
        progress, self._progress = self._progress, None
        if progress is not None:
            self.wake()
            await progress

    async def _run_rounds(self, delay_seconds: float, begun: "asyncio.Future[None]") -> None:
        own = self._progress
        ahead = await self._begin(begun)
        while self._progress is own and not self._is_closed:
            self._wake.clear()
            try:
                await self._do(lambda simulation: _round_at(simulation, self._clock() + ahead))
                if self._makes_outcalls:
                    await self._ask_outside()
            except Deleted:
                return
            except Exception:
                log.exception("a round failed")
            if self._progress is own:
                await self._pause(delay_seconds)

    async def _ask_outside(self) -> None:
        """Makes the outcalls that wait and are not being made yet."""
        waiting = await self._do(lambda simulation: _outcalls_of(simulation))
        for message_id, asked in waiting.items():
            if message_id not in self._asked_outside:
                making = asyncio.get_running_loop().create_task(self._make_outcall(message_id, asked))
                self._asked_outside[message_id] = making

    async def _make_outcall(self, message_id: int, asked: HttpRequestArguments) -> None:
        answer = await asyncio.to_thread(answer_from_outside, asked)

        def give(simulation: Simulation) -> None:
            # Reason: a client may have answered it meanwhile, or its time may be over.
            if message_id in _outcalls_of(simulation):
                outside.give(simulation.engine, message_id, asked, [answer])

        try:
            await self._do(give)
        except Deleted:
            return
        except Exception:
            log.exception("an outcall could not be answered")
        finally:
            del self._asked_outside[message_id]
        self.wake()

    async def _begin(self, begun: "asyncio.Future[None]") -> Nanoseconds:
        """The time becomes that of the clock, if it is not ahead of it; by how much it is ahead."""

        def certify(simulation: Simulation) -> Nanoseconds:
            now = self._clock()
            ahead = max(simulation.clock - now, 0)
            simulation.set_certified_time(now + ahead)
            simulation.instance.started_at = simulation.instance.system_time
            return ahead

        try:
            ahead = await self._do(certify)
        except BaseException as problem:
            begun.set_exception(problem)
            raise
        begun.set_result(None)
        return ahead


def _outcalls_of(simulation: Simulation) -> dict[int, HttpRequestArguments]:
    waiting = outside.waiting_outcalls(simulation.instance)
    return {message_id: outside.arguments_of(message) for message_id, message in waiting}


def _round_at(simulation: Simulation, now: Nanoseconds) -> None:
    simulation.set_time(max(now, simulation.clock))
    simulation.round()
