"""Room for what an execution asks for: slots of callees, callbacks, memory of messages, and memory to grow into."""

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

from attrs import define

from spec.values.identifiers import CanisterId
from spec.values.quantities import ByteCount, Count


class Lack(Enum):
    """Why a call that could be paid for is not made."""

    SLOT = "its callee has no slot for it"
    CALLBACK = "there is no callback"
    MEMORY = "there is no memory for its message"


class Left(Protocol):
    """What is left of the capacities of a subnet for an execution, and who asks what it did not find."""

    def memory(self, is_callback: bool = False) -> ByteCount:
        """Into how much memory it may grow."""
        ...

    def message_memory(self) -> ByteCount:
        """What its calls without bound may take."""
        ...

    def admits_call(self, open_calls: Count, made: Count) -> bool:
        """A canister that had so many calls open, and has made so many more, may make another one."""
        ...

    def noted(self, lacks: tuple[Lack, ...], refused_growths: tuple[Count, ...]) -> None:
        """Takes note of what it did not find."""
        ...


@define(eq=False)
class Room:
    """What is there before an execution, and what came of it."""

    slots: Count
    """So many calls to one callee may be open."""
    open_calls: Mapping[CanisterId, Count]
    """Those that the canister has made, by callee."""
    left: Left
    """What the subnet has left."""
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
        if not self.left.admits_call(sum(self.open_calls.values()), to_all):
            return Lack.CALLBACK
        if memory > 0 and memory > self.left.message_memory():
            return Lack.MEMORY
        return None
