"""
What is left of the capacities of a subnet: memory, memory of messages, callbacks, compute.

The part of one core is what counts, as in production. Every message counts as if it had reached its receiver: an
engine without streams delivers at once.
"""

from functools import cached_property

from attrs import define

from reference_impl.subnet.message_memory import response_room
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.canister import Stopping
from spec.state.origin import CallOrigin
from spec.values.quantities import ByteCount, Count


@define(slots=False)
class Capacities:
    """What an instance has left at a moment; each figure is computed at first use."""

    instance: SubnetInstance

    @property
    def _cores(self) -> Count:
        return self.instance.profile.rounds.threads

    def memory(self, is_callback: bool = False) -> ByteCount:
        """What one core may take of the subnet's memory; callbacks have a part of their own beside it."""
        kept = self.instance.profile.capacities.memory_for_callbacks
        used = self.instance.memory_in_use[self.instance.subnet.subnet_id]
        free = self.instance.profile.limits.subnet_memory - kept - used
        return max(free // self._cores + (kept // self._cores if is_callback else 0), 0)

    @property
    def message_memory_in_use(self) -> ByteCount:
        """What calls with unbounded wait take, with the room that is kept for responses to them."""
        instance = self.instance
        begun = instance.contexts.guaranteed + instance.guaranteed_stop_calls
        return instance.messages.guaranteed_memory + 2 * response_room(instance.profile.limits) * begun

    def origins_in_progress(self) -> list[CallOrigin]:
        """Where the calls come from that were begun and are not answered."""
        contexts, canisters = self.instance.contexts, self.instance.canisters
        origins = [contexts[one].origin for one in contexts if contexts[one].needs_to_respond]
        for canister_id in self.instance.stopping:
            status = canisters[canister_id].status
            assert isinstance(status, Stopping)
            origins += [waiting.origin for waiting in status.stop_calls]
        return origins

    def message_memory(self) -> ByteCount:
        """What one core may take of the memory for calls with unbounded wait."""
        free = self.instance.profile.capacities.guaranteed_message_memory - self.message_memory_in_use
        return max(free // self._cores, 0)

    @cached_property
    def callbacks_in_use(self) -> Count:
        """How many calls of the subnet's canisters are open."""
        return sum(
            canister.open_calls.total()
            for canister in self.instance.canisters.values()
            if canister.subnet.subnet_id == self.instance.subnet.subnet_id
        )

    def admits_call(self, open_calls: Count, made: Count) -> bool:
        """A canister that had so many calls open, and has made so many more, may make another; a few in any case."""
        capacities = self.instance.profile.capacities
        return (
            made < capacities.callbacks_of_canister - open_calls or made < capacities.callbacks - self.callbacks_in_use
        )

    def noted(self, lacks: tuple[object, ...], refused_growths: tuple[Count, ...]) -> None:
        """Nobody asks what executions did not find."""
