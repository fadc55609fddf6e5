"""What a server has: instances, blobs, gateways, and the outcomes of operations that clients did not wait for."""

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from attrs import define, frozen

from reference_impl.server.engine_owner import Clock
from reference_impl.server.pocket_ic.blobs import Blobs
from reference_impl.server.pocket_ic.fields import Json, Malformed, Refused, number_in
from reference_impl.server.pocket_ic.operations import Operation
from reference_impl.server.pocket_ic.runner import Deleted, Runner
from reference_impl.server.pocket_ic.simulation import Simulation
from spec.values.identifiers import Text
from spec.values.quantities import Count

OK: Final = 200
ACCEPTED: Final = 202
BAD_REQUEST: Final = 400
CONFLICT: Final = 409
UNPROCESSABLE: Final = 422
SERVER_ERROR: Final = 500

LABEL_SIZE: Final = 16
PATIENCE_SECONDS: Final = 300.0
"""
So long an operation is waited for, if the client says nothing. The real server waits for ten seconds, and most clients
take what it answers then for the end.
"""

log = logging.getLogger("icspec.serve")


@frozen
class Outcome:
    """What a client is answered: a status of HTTP, and JSON."""

    status: int
    value: Json


def refusal(problem: Refused) -> Outcome:
    """An operation that is not done."""
    return Outcome(problem.status, {"message": str(problem)})


@define
class Hosted:
    """An instance with what belongs to it."""

    runner: Runner
    number: Count
    at_end: Callable[[Simulation], None]
    """What is done with the instance at its end."""

    @property
    def label(self) -> Text:
        """Names the state that it is in."""
        number = ((self.number << 64) + self.runner.operations) % (1 << 8 * LABEL_SIZE)
        return base64.urlsafe_b64encode(number.to_bytes(LABEL_SIZE, "little")).decode()

    @property
    def status(self) -> Text:
        """As the list of instances tells it."""
        if self.runner.is_closed:
            return "Deleted"
        return "Available" if self.runner.current is None else f"Busy({self.runner.current})"


class PocketServer:
    """All that there is between the start and the end of a server. It lives in one event loop."""

    def __init__(
        self,
        clock: Clock = time.time_ns,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        makes_outcalls: bool = False,
    ) -> None:
        """Instances in live mode make outcalls for real, if they are told so."""
        self._clock = clock
        self._makes_outcalls = makes_outcalls
        self._patience_seconds = patience_seconds
        self.blobs = Blobs()
        self.instances: list[Hosted] = []
        self._outcomes: dict[tuple[Text, Text], Outcome] = {}
        self._pending: set[asyncio.Task[Outcome]] = set()

    def host(self, simulation: Simulation, at_end: Callable[[Simulation], None] = lambda _: None) -> Hosted:
        """A new instance."""
        hosted = Hosted(
            Runner(simulation, self._clock, makes_outcalls=self._makes_outcalls), len(self.instances), at_end
        )
        self.instances.append(hosted)
        return hosted

    def find(self, number: Text) -> Hosted:
        """The instance with a number. Raises `Refused` if there is none, or none any more."""
        place = number_in(number)
        if place is None or place >= len(self.instances):
            raise Refused("Instance not found")
        hosted = self.instances[place]
        if hosted.runner.is_closed:
            raise Deleted
        return hosted

    async def delete(self, number: Count) -> None:
        """
        An instance ends, after what was asked of it before; nothing is to be done if there is none.

        Raises `Refused` if it cannot be left as its end demands; it is no more then, either.
        """
        if number < len(self.instances):
            hosted = self.instances[number]
            with suppress(Deleted):
                await hosted.runner.close(hosted.at_end)

    async def close(self) -> None:
        """Every instance ends."""
        for hosted in self.instances:
            try:
                await self.delete(hosted.number)
            except Exception:
                log.exception("instance %d did not end as it should", hosted.number)

    async def operate(
        self, number: Text, name: Text, operation: Operation, body: Json, patience_milliseconds: int | None = None
    ) -> Outcome:
        """
        What becomes of an operation.

        A client that says how long it waits is told at once that an instance is busy, and later that its operation is
        not done yet; with the names that it is told then it may ask for the outcome.
        """
        try:
            hosted = self.find(number)
        except Refused as problem:
            return refusal(problem)
        busy = hosted.runner.current
        if busy is not None and patience_milliseconds is not None:
            return Outcome(CONFLICT, {"state_label": hosted.label, "op_id": busy})
        seconds = self._patience_seconds if patience_milliseconds is None else patience_milliseconds / 1000
        acting = outcome_of(hosted.runner.run(name, lambda simulation: operation(simulation, self.blobs, body)), name)
        task = asyncio.get_running_loop().create_task(acting)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if done:
            return task.result()
        label = hosted.label
        task.add_done_callback(lambda ended: self._keep((label, name), ended))
        return Outcome(ACCEPTED, {"state_label": label, "op_id": name})

    def _keep(self, key: tuple[Text, Text], ended: "asyncio.Task[Outcome]") -> None:
        if not ended.cancelled():
            self._outcomes[key] = ended.result()

    def outcome(self, label: Text, name: Text) -> Outcome | None:
        """The outcome of an operation that its client did not wait for, if it is done."""
        return self._outcomes.get((label, name))

    def forget(self, label: Text, name: Text) -> bool:
        """The outcome is not needed any more; whether there was one."""
        return self._outcomes.pop((label, name), None) is not None


async def outcome_of(acting: Coroutine[Any, Any, Json], name: Text) -> Outcome:
    """What a client is told of an operation."""
    try:
        return Outcome(OK, await acting)
    except Refused as problem:
        return refusal(problem)
    except Malformed as problem:
        return Outcome(UNPROCESSABLE, str(problem))
    except Exception:
        log.exception("%s failed", name)
        return Outcome(SERVER_ERROR, {"message": f"The server failed at {name}."})
