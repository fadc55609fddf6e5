"""
The end of a round: what leaves the subnet is moved into streams, as far as there is room.

Senders take turns, and the queues of a sender to its receivers take turns. A queue whose stream is full is left as it
is for the round. Requests that have no way to go, or may not cross, are rejected afterwards. Production draws from the
time who begins; here it is the canister with the least id, after the management canister. It also routes refunds of
calls with bounded wait, first of all; here such calls do not cross, as in production before it let them.

Source: rs/messaging/src/routing/stream_builder.rs, `build_streams_impl`; rs/replicated_state/src/replicated_state.rs,
`OutputIterator`.
"""

from collections import deque

from attrs import evolve, field, frozen

from spec.production.capacities.usage import size_of_request, size_of_response
from spec.production.rounds.induction import announced
from spec.production.rounds.progress import Progress, receiver_of
from spec.production.rounds.round_state import Place, Sent, entry
from spec.production.streams.stream import Stream, pushed
from spec.production.streams.topology import StreamLimits, Topology
from spec.profile import Limits
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, Message, ResponseMessage
from spec.state.origin import FromCanister, NoDeadline
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, MessageId, SubnetId
from spec.values.quantities import ByteCount
from spec.values.rejects import RejectCode

Queues = deque[tuple[CanisterId, deque[MessageId]]]
"""The queues of a sender, each with its receiver, the one whose turn it is first."""


@frozen
class Refused:
    """The requests that are rejected instead of moved."""

    without_route: tuple[MessageId, ...] = ()
    with_deadline: tuple[MessageId, ...] = ()
    too_large: tuple[MessageId, ...] = ()


@frozen
class Routing:
    """Routing under way."""

    progress: Progress
    refused: Refused = field(factory=Refused)


@defines("seed1.xnet-queues")
def routed(progress: Progress) -> Progress:
    """After what leaves the subnet was moved into streams, and what cannot go was rejected."""
    topology = progress.rounds.topology
    if topology is None:
        return progress
    routing, senders = Routing(progress), waiting_by_sender(progress)
    while senders:
        queues = senders.popleft()
        receiver, messages = queues[0]
        destination = topology.route(receiver)
        if destination is not None and is_full(routing.progress, topology, destination):
            queues.popleft()
            if queues:
                senders.appendleft(queues)
            continue
        routing = moved(routing, messages.popleft(), destination)
        queues.rotate(-1)
        if not messages:
            queues.pop()
        if queues:
            senders.append(queues)
    return rejected(routing)


def waiting_by_sender(progress: Progress) -> deque[Queues]:
    """What waits to leave: the management canister's first, then that of the canisters in the order of their ids."""
    leaving: dict[CanisterId, dict[CanisterId, deque[MessageId]]] = {}
    for number, _ in progress.state.messages.entries:
        message_id = MessageId(number)
        waiting = progress.rounds.waiting[message_id]
        if waiting.place is Place.LEAVING:
            receiver = receiver_of(progress.state, progress.state.messages[message_id])
            assert receiver is not None, "only what has a receiver leaves"
            leaving.setdefault(waiting.sender, {}).setdefault(receiver, deque()).append(message_id)
    in_turn = sorted(leaving, key=lambda one: (one != MANAGEMENT_CANISTER, one))
    return deque(deque(sorted(leaving[one].items())) for one in in_turn)


def is_full(progress: Progress, topology: Topology, destination: SubnetId) -> bool:
    """The stream to a subnet takes no more messages."""
    stream = stream_to(progress, destination)
    return has_reached(
        topology.limits,
        len(stream.messages),
        sum(sent.size for sent in stream.messages),
        is_to_system=topology.subnets[destination].is_system,
    )


def has_reached(limits: StreamLimits, messages: int, size: ByteCount, *, is_to_system: bool) -> bool:
    """So many messages of this size in all are as many as a stream takes."""
    return (
        messages >= limits.messages
        or size >= limits.bytes
        or (is_to_system and messages >= limits.messages_to_system_subnet)
    )


def size_of(limits: Limits, message: Message) -> ByteCount:
    """What a message takes in a queue or a stream."""
    match message:
        case CallMessage():
            return size_of_request(limits, message)
        case ResponseMessage():
            return size_of_response(limits, message.response)
        case FuncMessage():
            return 0


def stream_to(progress: Progress, subnet_id: SubnetId) -> Stream[Sent]:
    """The stream to a subnet; an empty one at first."""
    return entry(progress.rounds.streams, subnet_id, Stream[Sent]())


def with_stream(progress: Progress, subnet_id: SubnetId, stream: Stream[Sent]) -> Progress:
    """With another stream to a subnet."""
    return evolve(progress, rounds=evolve(progress.rounds, streams=progress.rounds.streams.set(subnet_id, stream)))


def moved(routing: Routing, message_id: MessageId, destination: SubnetId | None) -> Routing:
    """After a message was moved into its stream, or put aside to be rejected."""
    progress, refused = routing.progress, routing.refused
    message = progress.state.messages[message_id]
    limits = progress.state.profile.limits
    if isinstance(message, CallMessage):
        if destination is None:
            return evolve(routing, refused=evolve(refused, without_route=(*refused.without_route, message_id)))
        if payload_size(message) > limits.inter_canister_payload:
            return evolve(routing, refused=evolve(refused, too_large=(*refused.too_large, message_id)))
        if not isinstance(message.origin, FromCanister) or not isinstance(message.origin.deadline, NoDeadline):
            return evolve(routing, refused=evolve(refused, with_deadline=(*refused.with_deadline, message_id)))
    assert destination is not None, "who made a call has a place"
    stream = pushed(stream_to(progress, destination), Sent(message_id, size_of(limits, message)))
    return Routing(with_stream(progress.placed(message_id, Place.AWAY), destination, stream), refused)


def payload_size(call: CallMessage) -> ByteCount:
    """The bytes of a call that are limited between subnets."""
    return len(call.method_name.encode()) + len(call.argument)


def rejected(routing: Routing) -> Progress:
    """After the requests that were put aside were rejected; their makers have the answers at once."""
    progress, refused = routing.progress, routing.refused
    for message_id in refused.without_route:
        progress = answered(progress, Label("reject_call_to_missing_canister", {"message_id": message_id}))
    for message_id in refused.with_deadline:
        choices = {"message_id": message_id, "code": RejectCode.DESTINATION_INVALID}
        progress = answered(progress, Label("spontaneous_call_rejection", choices))
    for message_id in refused.too_large:
        choices = {"message_id": message_id, "code": RejectCode.CANISTER_ERROR}
        progress = answered(progress, Label("spontaneous_call_rejection", choices))
    return progress


def answered(progress: Progress, label: Label) -> Progress:
    """After a label that rejects a call of a canister of the subnet, which has the answer at once."""
    progress = progress.take(label)
    return arrived(progress, MessageId(progress.state.messages.next_id - 1))


def arrived(progress: Progress, message_id: MessageId) -> Progress:
    """With a message at its receiver, as the last one of its sender."""
    receiver = receiver_of(progress.state, progress.state.messages[message_id])
    assert receiver is not None
    return announced(progress.placed(message_id, Place.INPUT), receiver, message_id)
