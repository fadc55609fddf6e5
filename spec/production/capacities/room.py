"""
What is left of the capacities of a subnet, for one core or for a management call.

Free memory is divided by the number of cores, so that cores that execute at the same time never take more than there
is; of the free callbacks each core sees all. Source: facts on the round, execute_round E2.
"""

from collections.abc import Collection

from attrs import evolve, frozen

from spec.production.capacities.usage import (
    callbacks_taken,
    custom_sections_taken,
    guaranteed_message_memory,
    is_guaranteed,
    memory_for_call,
    memory_taken,
)
from spec.state.message import CallMessage
from spec.state.origin import FromCanister
from spec.state.state import State
from spec.values.quantities import ByteCount


@frozen
class Room:
    """What is left. Numbers are negative where more is taken than there is."""

    memory: int
    """In bytes."""
    memory_for_callbacks: ByteCount
    """So much more is there for callbacks, in bytes."""
    custom_sections: int
    """In bytes."""
    guaranteed_messages: int
    """In bytes."""
    callbacks: int

    def memory_of(self, is_callback: bool) -> int:
        """The memory into which an execution may grow."""
        return self.memory + (self.memory_for_callbacks if is_callback else 0)


def free_memory(state: State) -> int:
    """What canisters may still take of the subnet, but for what is kept for callbacks."""
    kept = state.profile.capacities.memory_for_callbacks
    return state.profile.limits.subnet_memory - kept - memory_taken(state)


def free_message_memory(state: State, under_way: Collection[int] = (), away: Collection[int] = ()) -> int:
    """What calls with unbounded wait may still take."""
    return state.profile.capacities.guaranteed_message_memory - guaranteed_message_memory(state, under_way, away)


def room_of(state: State, under_way: Collection[int] = (), away: Collection[int] = ()) -> Room:
    """What is left for each core."""
    capacities, cores = state.profile.capacities, state.profile.rounds.threads
    return Room(
        memory=free_memory(state) // cores,
        memory_for_callbacks=capacities.memory_for_callbacks // cores,
        custom_sections=(capacities.custom_sections_memory - custom_sections_taken(state)) // cores,
        guaranteed_messages=free_message_memory(state, under_way, away) // cores,
        callbacks=capacities.callbacks - callbacks_taken(state),
    )


def left_after(room: Room, before: State, after: State) -> Room:
    """
    What is left on a core that has executed something between two states.

    What a handled response gives back is there from the next iteration on.
    """
    known = frozenset(before.messages.ids())
    made = [one for number, one in after.messages.entries if number not in known and isinstance(one, CallMessage)]
    return evolve(
        room,
        memory=room.memory - (memory_taken(after) - memory_taken(before)),
        custom_sections=room.custom_sections - (custom_sections_taken(after) - custom_sections_taken(before)),
        guaranteed_messages=room.guaranteed_messages
        - sum(memory_for_call(after.profile.limits, call) for call in made if is_guaranteed(call.origin)),
        callbacks=room.callbacks - sum(isinstance(call.origin, FromCanister) for call in made),
    )
