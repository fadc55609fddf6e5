"""Calls that an execution has performed, and what the host and the module tell each other of calls."""

from functools import lru_cache
from typing import Final

from attrs import define, field

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.environments.room import Lack
from reference_impl.wasm.instances.system_memory import SystemMemory
from reference_impl.wasm.layout.fast_functions import (
    CALL_PLACE,
    CALL_RESERVE,
    CALL_ROOM,
    CALLS_MADE,
    NAME_SIZE,
    PAYLOAD,
    RECORD,
    SHORT_BLOB,
    TIMEOUT,
)
from spec.canister.environment import Environment
from spec.canister.outcome import Callback, Closure, MethodCall
from spec.values.identifiers import Blob, CanisterId, Principal
from spec.values.quantities import ByteCount, Count, Cycles, Seconds

KEPT_CALLBACKS: Final = 1024
"""Code calls with the same closures again and again."""
REPLACED: Final = "replace"
"""What becomes of bytes of a method's name that are not UTF-8: such a method does not exist."""


class CallNotTaken(Exception):
    """
    The subnet has no room for a call that the module has performed by itself. The state is as it was; in another
    execution of the same the host decides.
    """


@define(eq=False)
class CallUnderConstruction:
    """What `ic0.call_new` has started, where the host has it."""

    callee: CanisterId
    method_name: str
    name_size: ByteCount
    on_reply: Closure
    on_reject: Closure
    on_cleanup: Closure | None = None
    argument: bytearray = field(factory=bytearray)
    cycles: Cycles = 0
    timeout: Seconds | None = None

    @property
    def payload(self) -> ByteCount:
        """The bytes of method name and argument."""
        return self.name_size + len(self.argument)


@lru_cache(KEPT_CALLBACKS)
def _callback(
    on_reply: int,
    reply_argument: int,
    on_reject: int,
    reject_argument: int,
    cleanup: tuple[int, int] | None,
    reserve: Cycles,
) -> Callback:
    on_cleanup = None if cleanup is None else Closure(*cleanup)
    return Callback(Closure(on_reply, reply_argument), Closure(on_reject, reject_argument), on_cleanup, reserve)


class PerformedCalls:
    """The calls that an execution has performed, as far as the host knows them."""

    __slots__ = ("_to", "calls", "memory", "without_slot")

    def __init__(self) -> None:
        self.calls: list[MethodCall] = []
        self.without_slot: list[Count] = []
        """The numbers of those that were not performed since the subnet had no room for them."""
        self.memory: ByteCount = 0
        """What those with unbounded wait take of the subnet's memory for messages."""
        self._to: dict[CanisterId, Count] = {}
        """How many there are, by callee."""

    def add(self, call: MethodCall, room: ByteCount) -> None:
        """A call was performed that holds so much room in queues."""
        self.calls.append(call)
        self._to[call.callee] = self._to.get(call.callee, 0) + 1
        if call.timeout is None:
            self.memory += room

    def lack(self, callee: CanisterId, memory: ByteCount, environment: Environment) -> Lack | None:
        """What another call does not find that takes so much of the memory for messages; None if that is known."""
        room = environment.room if isinstance(environment, KeptEnvironment) else None
        if room is None:
            return None
        taken = self.memory + memory if memory else 0
        return room.lack(callee, self._to.get(callee, 0), len(self.calls), taken)

    def is_refused(self, number: Count, callee: CanisterId, memory: ByteCount, environment: Environment) -> bool:
        """The system does not take a call that could be paid for, and that takes so much memory for messages."""
        lack = self.lack(callee, memory, environment)
        if lack is not None:
            assert isinstance(environment, KeptEnvironment) and environment.room is not None, "something was asked"
            self.without_slot.append(number)
            environment.room.lacks += (lack,)
        return lack is not None or number in environment.refused_calls

    def take_over(self, system: SystemMemory, environment: Environment) -> None:
        """Takes over what the module has performed by itself. Raises `CallNotTaken`."""
        cells = system.cells
        reserve, place = cells[CALL_RESERVE], 0
        is_bounded = isinstance(environment, KeptEnvironment) and environment.room is not None
        for _ in range(cells[CALLS_MADE]):
            numbers, written = system.call_record(place)
            call, room = _performed(numbers, written, reserve), numbers[CALL_ROOM]
            if is_bounded and self.lack(call.callee, 0 if numbers[TIMEOUT] else room, environment) is not None:
                raise CallNotTaken
            self.add(call, room)
            place += (RECORD + numbers[PAYLOAD] + 7) & -8
        cells[CALLS_MADE] = cells[CALL_PLACE] = 0


def _performed(numbers: tuple[int, ...], written: Blob, reserve: Cycles) -> MethodCall:
    """The call of a record."""
    # All at once: that is the quickest way, as this happens for every call.
    (
        callee_size,
        name_size,
        _,
        on_reply,
        reply_argument,
        on_reject,
        reject_argument,
        has_cleanup,
        on_cleanup,
        cleanup_argument,
        timeout,
        low,
        high,
        fee,
        number,
        _,
    ) = numbers
    cleanup = (on_cleanup, cleanup_argument) if has_cleanup else None
    argument = SHORT_BLOB + name_size
    return MethodCall(
        Principal(written[:callee_size]),
        written[SHORT_BLOB:argument].decode(errors=REPLACED),
        written[argument:],
        low | high << 64,
        _callback(on_reply, reply_argument, on_reject, reject_argument, cleanup, reserve),
        fee,
        timeout - 1 if timeout else None,
        number,
    )


def under_construction(numbers: tuple[int, ...], written: Blob) -> CallUnderConstruction:
    """The call of a record that is not performed yet."""
    call = _performed(numbers, written, 0)
    return CallUnderConstruction(
        callee=call.callee,
        method_name=call.method_name,
        name_size=numbers[NAME_SIZE],
        on_reply=call.callback.on_reply,
        on_reject=call.callback.on_reject,
        on_cleanup=call.callback.on_cleanup,
        argument=bytearray(call.argument),
        cycles=call.transferred_cycles,
        timeout=call.timeout,
    )
