"""An environment that a canister keeps from one execution to the next."""

from collections.abc import Hashable
from typing import Any, Final

from attrs import frozen

from reference_impl.environments.room import Room
from spec.canister.environment import Environment
from spec.values.identifiers import Blob, Text
from spec.values.quantities import ByteCount, CanisterVersion, Cycles, Instructions, Nanoseconds

_PLACES: Final[Any] = Environment
_set_limit = _PLACES.instruction_limit.__set__
_set_time = _PLACES.time.__set__
_set_timer = _PLACES.global_timer.__set__
_set_balance = _PLACES.balance.__set__
_set_reserved_balance = _PLACES.reserved_balance.__set__
_set_version = _PLACES.canister_version.__set__
_set_context_instructions = _PLACES.call_context_instructions.__set__
_set_certificate = _PLACES.certificate.__set__


@frozen
class CallPrices:
    """What calls take from the balance besides the transferred cycles, as far as their size does not matter."""

    fee: Cycles
    """For transmitting an empty request; burned at once."""
    reserve: Cycles
    """Set aside for the longest response and the most expensive callback."""


class KeptEnvironment(Environment):
    """
    What a canister sees as long as its settings, its status, its module and the sizes of what it has stay.

    The rest is brought up to date before each execution, so it holds until the next one of the canister begins.
    """

    __slots__ = ("asked", "freezing_limits", "prices", "room", "starts")
    __setattr__ = object.__setattr__

    room: Room | None
    """The room for what the execution asks for, if that is not to be told beforehand."""
    starts: dict[Hashable, tuple[Blob, Cycles]]
    """
    What modules share with the host when an execution begins, as far as it stays as long as this does, and the balance
    that they may not spend, by what else it depends on.
    """
    prices: dict[bool, CallPrices]
    """What calls take, by whether the memory of the module has 64-bit addresses, once found out."""
    freezing_limits: dict[tuple[ByteCount, ByteCount], Cycles]
    """Some, by the size of memories and globals and by that of messages in queues."""

    asked: set[Text] | None
    """
    The system functions by which what is not replicated has learned what changes by itself; None if nobody notes that.
    """

    def __init__(self, *values: Any, **more: Any) -> None:
        super().__init__(*values, **more)
        self.room = None
        self.starts = {}
        self.prices = {}
        self.freezing_limits = {}
        self.asked = None if self.replicated else set()

    def bring_up_to_date(
        self,
        instruction_limit: Instructions,
        time: Nanoseconds,
        global_timer: Nanoseconds,
        balance: Cycles,
        reserved_balance: Cycles,
        canister_version: CanisterVersion,
        call_context_instructions: Instructions,
        certificate: Blob | None,
    ) -> None:
        """The values for the execution that comes next, which has no room so far."""
        _set_limit(self, instruction_limit)
        _set_time(self, time)
        _set_timer(self, global_timer)
        _set_balance(self, balance)
        _set_reserved_balance(self, reserved_balance)
        _set_version(self, canister_version)
        _set_context_instructions(self, call_context_instructions)
        _set_certificate(self, certificate)
        self.room = None
        if self.asked:
            self.asked = set()
