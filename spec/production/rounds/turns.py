"""The rings of senders: who has a turn at a canister, or at the management canister, once a message has arrived."""

from attrs import evolve

from spec.production.rounds.inputs import source_of
from spec.production.rounds.progress import Progress
from spec.production.rounds.round_state import Rotation, Source, entry
from spec.state.message import CallMessage
from spec.state.origin import FromUser
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, MessageId, Principal


def announced(progress: Progress, receiver: CanisterId, message_id: MessageId) -> Progress:
    """With the sender of a message at the end of the receiver's ring of senders, if it is not in it."""
    message = progress.state.messages[message_id]
    sender = progress.rounds.waiting[message_id].sender
    if isinstance(message, CallMessage) and isinstance(message.origin, FromUser):
        return progress
    return with_turn(progress, receiver, source_of(progress, sender), sender)


def with_turn(progress: Progress, receiver: Principal, source: Source, sender: Principal) -> Progress:
    """With a sender at the end of the ring of a source of a receiver, if it is not in it."""
    if receiver == MANAGEMENT_CANISTER:
        turned = with_sender(progress.rounds.management, source.value, sender)
        return evolve(progress, rounds=evolve(progress.rounds, management=turned))
    if receiver not in progress.state.canisters:
        return progress
    canister_id = CanisterId(receiver)
    record = progress.record(canister_id)
    turned = with_sender(record.rotation, source.value, sender)
    return progress.with_record(canister_id, evolve(record, rotation=turned))


def with_sender(rotation: Rotation, name: str, sender: Principal) -> Rotation:
    """The rotation in which a sender has a turn, the last one if it had none."""
    ring = entry(rotation.rings, name, ())
    return rotation if sender in ring else evolve(rotation, rings=rotation.rings.set(name, (*ring, sender)))
