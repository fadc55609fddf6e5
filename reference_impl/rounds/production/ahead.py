"""
Canisters go ahead with the turns that they are about to have, on several threads.

Each gets a likeness of the instance, and of what is remembered of it, and goes through its turn there. The round goes
through all turns in their order, and takes over an execution that was done ahead on exactly the same; so it makes no
difference to what a round does how many threads there are, or how far canisters go ahead.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from attrs import evolve

from reference_impl.rounds import foresight
from reference_impl.rounds.production.conductor import Conductor, Place
from reference_impl.rounds.production.executions import Core, Turn
from reference_impl.subnet.observations import Recorder
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.message import CallMessage, ResponseMessage
from spec.values.identifiers import CanisterId, RequestId
from spec.values.quantities import Count

AT_A_TIME: Final[Count] = 8
"""So many canisters go ahead together, so that little is done in vain where a round ends before their turns."""


class Ahead:
    """The canisters of an iteration, core by core, and how many of them have gone ahead."""

    def __init__(
        self,
        conductor: Conductor,
        on_each: Sequence[Sequence[CanisterId]],
        core: Core,
        queued: dict[CanisterId, list[str]],
    ) -> None:
        """`core` is one of those that have executed nothing, and `queued` has the tasks of each canister."""
        self._conductor = conductor
        self._on_each = on_each
        self._core = core
        self._queued = queued
        self._gone: set[CanisterId] = set()

    def look(self, number: Count, place: Count) -> None:
        """It is the turn of a canister of a core: it goes ahead with some that come next, if it has not."""
        conductor = self._conductor
        if conductor.foresight is None or self._on_each[number][place] in self._gone:
            return
        # Those of other cores come first: the first of each, then the second of each.
        others = [core[place:] if one == number else core for one, core in enumerate(self._on_each) if one >= number]
        longest = max(map(len, others))
        in_turn = [core[step] for step in range(longest) for core in others if step < len(core)]
        chosen = [one for one in in_turn if one not in self._gone][:AT_A_TIME]
        self._gone.update(chosen)
        conductor.foresight.look_ahead(conductor.instance, self._turns(chosen))

    def forget(self) -> None:
        """What was not taken over is dropped."""
        if self._conductor.foresight is not None:
            self._conductor.foresight.forget()

    def _turns(self, chosen: Sequence[CanisterId]) -> list[foresight.Turn]:
        conductor = self._conductor
        messages: dict[CanisterId, list[int]] = {one: [] for one in chosen}
        responses: dict[CanisterId, list[int]] = {one: [] for one in chosen}
        requests: dict[CanisterId, list[RequestId]] = {one: [] for one in chosen}
        for message_id, message in conductor.instance.messages.in_order():
            receiver = conductor.receiver(message_id)
            if receiver not in messages:
                continue
            if isinstance(message, CallMessage):
                messages[receiver].append(message_id)
            elif isinstance(message, ResponseMessage) and conductor.mail[message_id].place is Place.AT_ITS_RECEIVER:
                messages[receiver].append(message_id)
                responses[receiver].append(message_id)
        for request_id in conductor.waiting:
            to = CanisterId(conductor.instance.ingress[request_id].request.canister_id)
            if to in requests:
                requests[to].append(request_id)
        return [self._turn(one, messages[one], responses[one], requests[one]) for one in chosen]

    def _turn(
        self,
        canister_id: CanisterId,
        messages: Sequence[int],
        responses: Sequence[int],
        requests: Sequence[RequestId],
    ) -> foresight.Turn:
        like = self._conductor.like(canister_id, messages)
        core = evolve(self._core, room=evolve(self._core.room, reached=Counter()))
        queued = list(self._queued.get(canister_id, ()))

        def go_through(instance: SubnetInstance) -> None:
            instance.recorder = Recorder(explains=True)
            like.instance = instance
            Turn(like, core, canister_id, queued).run()

        return foresight.Turn(canister_id, go_through, tuple(responses), tuple(requests))
