"""Messages leave their makers and reach their receivers, or are dropped."""

from reference_impl.messages import delivery, expiry
from reference_impl.rounds.production.blocks import Capacity
from reference_impl.rounds.production.conductor import Conductor, Place
from reference_impl.rounds.production.usage import spare_message_memory
from reference_impl.subnet.message_memory import is_guaranteed, response_room
from spec.state.message import CallMessage, ResponseMessage
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId

Pair = tuple[CanisterId, CanisterId]
"""Sender and receiver."""


def deliver(conductor: Conductor, *places: Place) -> None:
    """
    The messages at some places reach their receivers, sender by sender; contexts that wait for nothing are settled.

    Responses that nobody waits for are dropped. A call between canisters that waits without bound stays with its
    maker while there is no memory for the response that its callee will owe, and so do those behind it.
    """
    instance = conductor.instance
    moving = [one for one, where in conductor.mail.items() if one in instance.messages and where.place in places]
    stuck: set[Pair] = set()
    for message_id in sorted(moving, key=lambda one: (conductor.mail[one].sender, one)):
        receiver, message = conductor.receiver(message_id), instance.messages[message_id]
        if isinstance(message, ResponseMessage) and expiry.is_expired(instance, message_id):
            drop(conductor, message_id)
        elif receiver == MANAGEMENT_CANISTER or receiver in instance.canisters:
            pair = (conductor.mail[message_id].sender, receiver)
            if _has_to_stay(conductor, message_id, pair in stuck):
                stuck.add(pair)
                conductor.reached[Capacity.MESSAGE_MEMORY_OF_CALLEE] += 1
            else:
                conductor.arrive(message_id)
        elif isinstance(message, CallMessage):
            conductor.must_take(
                "reject_call_to_missing_canister",
                message_id=message_id,
                code=int(delivery.OPEN_CODES["reject_call_to_missing_canister"]),
            )
    conductor.follow()


def _has_to_stay(conductor: Conductor, message_id: int, is_behind: bool) -> bool:
    message = conductor.instance.messages[message_id]
    if not isinstance(message, CallMessage) or conductor.mail[message_id].place is not Place.AT_ITS_MAKER:
        return False
    if is_behind:
        return True
    kept = response_room(conductor.instance.profile.limits)
    return is_guaranteed(message.origin) and kept > spare_message_memory(conductor)


def drop(conductor: Conductor, message_id: int) -> None:
    """A message that nobody waits for is dropped; its cycles come back."""
    refunds = expiry.gives_cycles_back(conductor.instance, message_id)
    conductor.must_take("drop_expired_message", message_id=message_id, refunds_cycles=refunds)
