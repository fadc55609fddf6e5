"""
Whose turn it is among the inputs of a canister, or of the management canister.

Inputs come from three sources, which take turns; within a source the senders take turns. Each sender has a queue of
its own. A sender whose queue has run empty without its doing, because messages were dropped, keeps its place in the
ring until its turn comes. Source: rs/replicated_state/src/canister_state/queues.rs and queues/input_schedule.rs.
"""

from collections import deque
from collections.abc import Callable
from enum import IntEnum

from spec.values.identifiers import Principal, RequestId

Item = RequestId | int
"""A request that was not started, or the id of a message."""


class Source(IntEnum):
    """Where inputs come from, in the order of their turns."""

    SAME_SUBNET = 0
    USERS = 1
    OTHER_SUBNETS = 2


class Turns:
    """Inputs in their queues, and the order in which they are taken."""

    def __init__(self, is_gone: Callable[[Item], bool]) -> None:
        """`is_gone` tells of an input that it was dropped meanwhile."""
        self._is_gone = is_gone
        self._source = Source.SAME_SUBNET
        self._rings: dict[Source, deque[Principal]] = {source: deque() for source in Source}
        self._queues: dict[tuple[Source, Principal], deque[Item]] = {}

    def add(self, source: Source, sender: Principal, item: Item, *, first: bool = False) -> None:
        """An input comes in, at the end of its sender's queue or at its front."""
        queue = self._queues.setdefault((source, sender), deque())
        if first:
            queue.appendleft(item)
        else:
            queue.append(item)
        if sender not in self._rings[source]:
            self._rings[source].append(sender)

    def has_any(self, may_take: Callable[[Item], bool]) -> bool:
        """The first input of some sender may be taken."""
        heads = [self._head(source, sender) for source in Source for sender in self._rings[source]]
        return any(head is not None and may_take(head) for head in heads)

    def take(self, may_take: Callable[[Item], bool]) -> Item | None:
        """
        The next input that may be taken, which leaves its queue; None if there is none.

        An input that may not be taken is skipped: source and sender lose their turn, and the input keeps its place
        before others of its sender.
        """
        skipped = dict.fromkeys(Source, 0)
        while self._turn_to_a_source_with_inputs():
            source, ring = self._source, self._rings[self._source]
            sender = ring[0]
            item = self._head(source, sender)
            assert item is not None
            self._source = _after(source)
            if may_take(item):
                self._queues[source, sender].popleft()
                ring.popleft()
                if self._head(source, sender) is not None:
                    ring.append(sender)
                return item
            ring.rotate(-1)
            skipped[source] += 1
            if all(skipped[one] >= len(self._rings[one]) for one in Source):
                return None
        return None

    def like(self, is_gone: Callable[[Item], bool]) -> "Turns":
        """The same inputs in the same order, which go their own way from here."""
        alike = Turns(is_gone)
        alike._source = self._source
        alike._rings = {source: ring.copy() for source, ring in self._rings.items()}
        alike._queues = {key: queue.copy() for key, queue in self._queues.items()}
        return alike

    def forget_turns(self) -> None:
        """Sources begin anew. There must be no input."""
        self._source = Source.SAME_SUBNET
        self._queues.clear()
        for ring in self._rings.values():
            ring.clear()

    def _turn_to_a_source_with_inputs(self) -> bool:
        self.forget_users_without_requests()
        for _ in Source:
            ring = self._rings[self._source]
            while ring and self._head(self._source, ring[0]) is None:
                ring.popleft()
            if ring:
                return True
            self._source = _after(self._source)
        return False

    def forget_users_without_requests(self) -> None:
        """Requests that have expired are taken out at once, so no user's place in the ring outlasts them."""
        ring = self._rings[Source.USERS]
        left = [sender for sender in ring if self._head(Source.USERS, sender) is not None]
        if len(left) < len(ring):
            self._rings[Source.USERS] = deque(left)

    def _head(self, source: Source, sender: Principal) -> Item | None:
        queue = self._queues.get((source, sender))
        while queue:
            if not self._is_gone(queue[0]):
                return queue[0]
            queue.popleft()
        self._queues.pop((source, sender), None)
        return None


def _after(source: Source) -> Source:
    return Source((source + 1) % len(Source))
