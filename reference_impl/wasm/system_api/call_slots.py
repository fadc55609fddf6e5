"""Room for calls: a callee takes so many from one canister until their responses are handled."""

from collections.abc import Mapping

from attrs import asdict, define, field, frozen

from spec.canister.environment import Environment
from spec.values.identifiers import CanisterId
from spec.values.quantities import Count


@define
class CallSlots:
    """How many calls are open before an execution, and which of its own calls then found no slot."""

    most: Count
    """The slots for calls to one callee."""
    open_calls: Mapping[CanisterId, Count]
    """By callee."""
    refused: tuple[Count, ...] = ()
    """The calls of the execution that could be paid for and had no slot, by their numbers."""

    def has_slot(self, callee: CanisterId, more: Count) -> bool:
        """There is a slot for a call beside the open ones and some more."""
        return self.open_calls.get(callee, 0) + more < self.most


@frozen
class EnvironmentWithSlots(Environment):
    """What an execution sees whose calls need slots; which of them fail is not known before."""

    slots: CallSlots = field(kw_only=True)


def with_slots(environment: Environment, slots: CallSlots) -> EnvironmentWithSlots:
    """The same environment, but that calls need slots."""
    return EnvironmentWithSlots(**asdict(environment, recurse=False), slots=slots)
