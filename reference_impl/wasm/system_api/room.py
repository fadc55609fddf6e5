"""Room for what an execution asks for: slots of callees, callbacks, memory of messages, and memory to grow into."""

from collections.abc import Callable, Mapping

from attrs import asdict, define, field, frozen

from spec.canister.environment import Environment
from spec.values.identifiers import CanisterId
from spec.values.quantities import ByteCount, Count


@define
class Room:
    """What is there before an execution, and what came of it."""

    slots: Count
    """So many calls to one callee may be open."""
    open_calls: Mapping[CanisterId, Count]
    """Those that are, by callee."""
    callbacks: Callable[[], Count]
    """How many more calls the canister may make to all callees together."""
    message_memory: Callable[[], ByteCount]
    """What its calls with unbounded wait may take."""
    refused: tuple[Count, ...] = ()
    """The calls of the execution that could be paid for and had no room, by their numbers."""
    memory_at_end: ByteCount = 0
    """The largest size of heap and stable memory together when code ended."""

    def has_slot(self, callee: CanisterId, more: Count) -> bool:
        """There is a slot for a call beside the open ones and some more."""
        return self.open_calls.get(callee, 0) + more < self.slots


@frozen
class EnvironmentWithRoom(Environment):
    """What an execution sees whose calls need room; which of them fail is not known before."""

    room: Room = field(kw_only=True)


def with_room(environment: Environment, room: Room) -> EnvironmentWithRoom:
    """The same environment, but that calls need room."""
    return EnvironmentWithRoom(**asdict(environment, recurse=False), room=room)
