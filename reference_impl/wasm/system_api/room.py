"""Room for what an execution asks for: slots of callees, callbacks, memory of messages, and memory to grow into."""

from collections.abc import Callable, Mapping
from enum import Enum

from attrs import asdict, define, field, frozen

from spec.canister.environment import Environment
from spec.values.identifiers import CanisterId
from spec.values.quantities import ByteCount, Count


class Lack(Enum):
    """Why a call that could be paid for is not made."""

    SLOT = "its callee has no slot for it"
    CALLBACK = "there is no callback"
    MEMORY = "there is no memory for its message"


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
    lacks: tuple[Lack, ...] = ()
    """Why these were refused, and others that the same code tried and that count no more."""
    memory_at_end: ByteCount = 0
    """The largest size of heap and stable memory together when code ended."""

    def lack(self, callee: CanisterId, to_callee: Count, to_all: Count, memory: ByteCount) -> Lack | None:
        """
        What a call does not find, beside so many that the execution made to its callee and to all.

        `memory` is what it and they take of the memory for messages, nothing if it takes none itself.
        """
        if self.open_calls.get(callee, 0) + to_callee >= self.slots:
            return Lack.SLOT
        if to_all >= self.callbacks():
            return Lack.CALLBACK
        if memory > 0 and memory > self.message_memory():
            return Lack.MEMORY
        return None


@frozen
class EnvironmentWithRoom(Environment):
    """What an execution sees whose calls need room; which of them fail is not known before."""

    room: Room = field(kw_only=True)


def with_room(environment: Environment, room: Room) -> EnvironmentWithRoom:
    """The same environment, but that calls need room."""
    return EnvironmentWithRoom(**asdict(environment, recurse=False), room=room)
