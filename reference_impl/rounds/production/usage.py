"""
What is in use of the capacities of a subnet within a round, and what is left of them on a core.

Messages count with the place where they are: a call that has not reached its callee takes no room for the response
there. Source: rs/replicated_state/src/canister_state/queues.rs, message statistics.
"""

from collections import Counter
from collections.abc import Iterator

from attrs import define, evolve

from reference_impl.environments.room import Lack
from reference_impl.rounds.production.blocks import Capacity
from reference_impl.rounds.production.conductor import Conductor
from reference_impl.subnet.capacities import Capacities
from reference_impl.subnet.message_memory import is_guaranteed, response_room, size_of_call, size_of_response
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import CallOrigin, FromCanister, NoDeadline
from spec.values.identifiers import CanisterId
from spec.values.quantities import ByteCount, Count


def is_best_effort(origin: CallOrigin) -> bool:
    """A canister waits for the response with a bound, or was told that it waits in vain."""
    return isinstance(origin, FromCanister) and not isinstance(origin.deadline, NoDeadline)


@define
class _Part:
    """Message memory that one canister holds."""

    holder: CanisterId
    size: ByteCount
    is_guaranteed: bool
    is_message: bool = False
    """It is a message, and no room that is kept for one."""


def _parts(conductor: Conductor) -> Iterator[_Part]:
    """All message memory in use, part by part; the room that canisters of other subnets keep is theirs."""
    for part in _parts_of_all(conductor):
        if part.is_message or not conductor.instance.is_elsewhere(part.holder):
            yield part


def _parts_of_all(conductor: Conductor) -> Iterator[_Part]:
    instance, limits = conductor.instance, conductor.instance.profile.limits
    kept = response_room(limits)
    if instance.correspondence is not None:
        for sent in instance.correspondence.calls.values():
            if is_guaranteed(sent):
                yield _Part(sent.maker, kept, True)
    for origin in Capacities(instance).origins_in_progress():
        if isinstance(origin, FromCanister) and is_guaranteed(origin):
            yield _Part(origin.maker, kept, True)
            yield _Part(origin.callee, kept, True)
    for message_id, message in instance.messages.in_order():
        if not isinstance(message, CallMessage | ResponseMessage) or not isinstance(message.origin, FromCanister):
            continue
        origin, arrived = message.origin, not conductor.is_on_its_way(message_id)
        guaranteed = is_guaranteed(origin)
        if isinstance(message, CallMessage):
            size = size_of_call(limits, message)
            if guaranteed:
                # The call itself lies in the room of the response that its maker waits for, as far as it fits in.
                yield _Part(origin.maker, kept, True)
                if arrived:
                    yield _Part(origin.callee, kept, True)
                size = max(size - kept, 0)
            yield _Part(origin.callee if arrived else origin.maker, size, guaranteed, is_message=True)
        else:
            size = size_of_response(limits, message.response)
            yield _Part(origin.maker if arrived else origin.callee, size, guaranteed, is_message=True)
            if guaranteed and not arrived:
                yield _Part(origin.maker, kept, True)


def guaranteed_message_memory(conductor: Conductor) -> ByteCount:
    """What calls without bound take on the whole subnet."""
    return sum(part.size for part in _parts(conductor) if part.is_guaranteed)


def best_effort_message_memory(conductor: Conductor) -> ByteCount:
    """What calls with bound take on the whole subnet."""
    return sum(part.size for part in _parts(conductor) if not part.is_guaranteed)


def message_memory_of(conductor: Conductor, canister_id: CanisterId) -> ByteCount:
    """What messages take in the queues of a canister, which pays for it."""
    return sum(part.size for part in _parts(conductor) if part.holder == canister_id)


def spare_message_memory(conductor: Conductor) -> int:
    """What is left for calls without bound on the whole subnet."""
    return conductor.instance.profile.capacities.guaranteed_message_memory - guaranteed_message_memory(conductor)


def spare_memory(instance: SubnetInstance) -> int:
    """What is left of the subnet's memory for anything but callbacks; below zero if more is taken."""
    kept = instance.profile.capacities.memory_for_callbacks
    return instance.profile.limits.subnet_memory - kept - instance.memory_in_use[instance.subnet.subnet_id]


def custom_sections_in_use(instance: SubnetInstance) -> ByteCount:
    """What the custom sections of the installed modules take."""
    own = instance.subnet.subnet_id
    return sum(
        canister.code.installed.custom_sections_size
        for canister in instance.canisters.values()
        if canister.code is not None and canister.subnet.subnet_id == own
    )


@define
class RoomOnCore:
    """What a core has left in an iteration. What executions give back meanwhile is there for the next iteration."""

    own_memory: int
    memory_for_callbacks: ByteCount
    own_message_memory: int
    free_callbacks: int
    callbacks_of_canister: Count
    reached: Counter[Capacity]

    @classmethod
    def now(cls, conductor: Conductor) -> "RoomOnCore":
        """What each core has when an iteration begins."""
        instance = conductor.instance
        capacities, cores = instance.profile.capacities, instance.profile.rounds.threads
        return cls(
            own_memory=spare_memory(instance) // cores,
            memory_for_callbacks=capacities.memory_for_callbacks // cores,
            own_message_memory=spare_message_memory(conductor) // cores,
            free_callbacks=capacities.callbacks - Capacities(instance).callbacks_in_use,
            callbacks_of_canister=capacities.callbacks_of_canister,
            reached=conductor.reached,
        )

    def copied(self) -> "RoomOnCore":
        """The same for another core."""
        return evolve(self)

    def memory(self, is_callback: bool = False) -> ByteCount:
        """Into how much memory an execution may grow."""
        return max(self.own_memory + (self.memory_for_callbacks if is_callback else 0), 0)

    def message_memory(self) -> ByteCount:
        """What calls without bound may take."""
        return max(self.own_message_memory, 0)

    def admits_call(self, open_calls: Count, made: Count) -> bool:
        """A canister that had so many calls open, and has made so many more, may make another one."""
        return made < max(self.free_callbacks, self.callbacks_of_canister - open_calls)

    def noted(self, lacks: tuple[Lack, ...], refused_growths: tuple[Count, ...]) -> None:
        """Counts what an execution did not find."""
        for lack in lacks:
            self.reached[LACKS[lack]] += 1
        self.reached[Capacity.MEMORY] += len(refused_growths)

    def less(self, conductor: Conductor, memory_before: ByteCount, first_new: int) -> None:
        """After an execution, which made the messages from this one on."""
        instance = conductor.instance
        taken = instance.memory_in_use[instance.subnet.subnet_id] - memory_before
        self.own_memory -= taken
        self.reached[Capacity.MEMORY_FOR_CALLBACKS] += taken > 0 > self.own_memory
        for message_id in range(first_new, instance.messages.next_id):
            message = instance.messages.get(message_id)
            if isinstance(message, CallMessage) and isinstance(message.origin, FromCanister):
                self.reached[Capacity.OWN_CALLBACKS] += self.free_callbacks <= 0
                self.free_callbacks -= 1
                if is_guaranteed(message.origin):
                    limits = instance.profile.limits
                    self.own_message_memory -= max(response_room(limits), size_of_call(limits, message))


LACKS = {
    Lack.SLOT: Capacity.SLOTS_OF_CALLEE,
    Lack.CALLBACK: Capacity.CALLBACKS,
    Lack.MEMORY: Capacity.MESSAGE_MEMORY,
}
"""The capacities by what calls may not find."""
