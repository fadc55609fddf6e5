"""
The end of a round: what leaves the subnet is moved into streams, as far as there is room.

Refunds come first, the largest in front. Then senders take turns, and the queues of a sender to its receivers take
turns. A queue whose stream is full is left as it is for the round. Requests that have no way to go, or may not cross,
are rejected afterwards. Production draws from the time who begins; here it is the canister with the least id, after the
management canister.

Source: rs/messaging/src/routing/stream_builder.rs, `build_streams_impl`, `route_refunds`;
rs/replicated_state/src/replicated_state.rs, `OutputIterator`.
"""

from collections import deque

from attrs import define, evolve, field, frozen

from spec.production.capacities.usage import size_of
from spec.production.rounds.bounded_wait import arrived, refunds_in_order, with_bounded
from spec.production.rounds.progress import Progress
from spec.production.rounds.round_state import Place, Posted, Sent, SentRefund, entry
from spec.production.streams.stream import Stream, extended
from spec.production.streams.topology import StreamLimits, Topology
from spec.rules.conditions import is_eligible
from spec.state.label import Label
from spec.state.message import CallMessage
from spec.values.checklist import defines
from spec.values.containers import Map
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, MessageId, Principal, SubnetId
from spec.values.quantities import ByteCount, Count
from spec.values.rejects import RejectCode

Queues = deque[tuple[Principal, deque[MessageId]]]
"""The queues of a sender, each with the address of its messages, the one whose turn it is first."""


@frozen
class Refused:
    """The requests that are rejected instead of moved."""

    without_route: tuple[MessageId, ...] = ()
    too_large: tuple[MessageId, ...] = ()


@define
class Filling:
    """A stream that is being filled: how much it holds by now, and what is new in it."""

    messages: Count
    refunds: Count
    size: ByteCount
    new: list[Posted] = field(factory=list)

    @classmethod
    def of(cls, stream: Stream[Posted]) -> "Filling":
        """A stream to which nothing was added so far."""
        return cls(
            messages=len(stream.messages),
            refunds=sum(isinstance(one, SentRefund) for one in stream.messages),
            size=sum(one.size for one in stream.messages),
        )

    def add(self, posted: Posted) -> None:
        """One more at the end."""
        self.messages += 1
        self.refunds += isinstance(posted, SentRefund)
        self.size += posted.size
        self.new.append(posted)


@define
class Routing:
    """Routing under way."""

    progress: Progress
    topology: Topology
    refused: Refused = field(factory=Refused)
    fillings: dict[SubnetId, Filling] = field(factory=dict)

    def to(self, destination: SubnetId) -> Filling:
        """The stream to a subnet."""
        if destination not in self.fillings:
            self.fillings[destination] = Filling.of(stream_to(self.progress, destination))
        return self.fillings[destination]

    def is_full(self, destination: SubnetId) -> bool:
        """The stream to a subnet takes no more messages."""
        filling, is_system = self.to(destination), self.topology.subnets[destination].is_system
        return has_reached(self.topology.limits, filling, is_to_system=is_system)

    def filled(self) -> Progress:
        """After what is new was put into the streams."""
        progress = self.progress
        for destination, filling in self.fillings.items():
            if filling.new:
                stream = extended(stream_to(progress, destination), tuple(filling.new))
                progress = with_stream(progress, destination, stream)
        return progress


@defines("seed1.xnet-queues")
def routed(progress: Progress) -> Progress:
    """After what leaves the subnet was moved into streams, and what cannot go was rejected."""
    topology = progress.rounds.topology
    if topology is None:
        return progress
    routing = Routing(progress, topology)
    move_refunds(routing)
    move_messages(routing)
    return rejected(routing.filled(), routing.refused)


def move_refunds(routing: Routing) -> None:
    """Refunds are moved into streams that do not hold too many of them; the others wait."""
    limits = routing.topology.limits
    left: dict[CanisterId, tuple[MessageId, ...]] = {}
    for refund in refunds_in_order(routing.progress, limits.refund_record):
        destination = routing.topology.route(refund.recipient)
        assert destination is not None, "who made a call has a place"
        filling = routing.to(destination)
        if filling.refunds < limits.refunds and not has_reached(limits, filling, is_to_system=False):
            filling.add(refund)
        else:
            left[refund.recipient] = refund.carriers
    routing.progress = evolve(routing.progress, rounds=evolve(routing.progress.rounds, refunds=Map.of(left.items())))


def move_messages(routing: Routing) -> None:
    """Messages are moved into streams as far as those take them."""
    senders = waiting_by_sender(routing.progress)
    while senders:
        queues = senders.popleft()
        address, messages = queues[0]
        destination = routing.topology.route(address)
        has_to_wait = not may_leave(routing.progress, messages[0])
        if destination is not None and (routing.is_full(destination) or has_to_wait):
            queues.popleft()
            if queues:
                senders.appendleft(queues)
            continue
        move(routing, messages.popleft(), destination)
        queues.rotate(-1)
        if not messages:
            queues.pop()
        if queues:
            senders.append(queues)


def waiting_by_sender(progress: Progress) -> deque[Queues]:
    """What waits to leave: the management canister's first, then that of the canisters in the order of their ids."""
    leaving: dict[CanisterId, dict[Principal, deque[MessageId]]] = {}
    for number, _ in progress.state.messages.entries:
        message_id = MessageId(number)
        waiting = progress.rounds.waiting[message_id]
        if waiting.place is Place.LEAVING:
            address = progress.address(progress.state.messages[message_id])
            assert address is not None, "only what has a receiver leaves"
            leaving.setdefault(waiting.sender, {}).setdefault(address, deque()).append(message_id)
    in_turn = sorted(leaving, key=lambda one: (one != MANAGEMENT_CANISTER, one))
    return deque(deque(sorted(leaving[one].items())) for one in in_turn)


def has_reached(limits: StreamLimits, filling: Filling, *, is_to_system: bool) -> bool:
    """A stream takes no more. Refunds do not count for what a system subnet gets: nobody there has to handle them."""
    return (
        filling.messages >= limits.messages
        or filling.size >= limits.bytes
        or (is_to_system and filling.messages - filling.refunds >= limits.messages_to_system_subnet)
    )


def stream_to(progress: Progress, subnet_id: SubnetId) -> Stream[Posted]:
    """The stream to a subnet; an empty one at first."""
    return entry(progress.rounds.streams, subnet_id, Stream[Posted]())


def with_stream(progress: Progress, subnet_id: SubnetId, stream: Stream[Posted]) -> Progress:
    """With another stream to a subnet."""
    return evolve(progress, rounds=evolve(progress.rounds, streams=progress.rounds.streams.set(subnet_id, stream)))


def move(routing: Routing, message_id: MessageId, destination: SubnetId | None) -> None:
    """A message is moved into its stream, or put aside to be rejected."""
    progress, refused = routing.progress, routing.refused
    message = progress.state.messages[message_id]
    limits = progress.state.profile.limits
    if isinstance(message, CallMessage):
        if destination is None:
            routing.refused = evolve(refused, without_route=(*refused.without_route, message_id))
            return
        if payload_size(message) > limits.inter_canister_payload:
            routing.refused = evolve(refused, too_large=(*refused.too_large, message_id))
            return
        progress = asked(with_bounded(progress, message.origin), message)
    assert destination is not None, "who made a call has a place"
    routing.to(destination).add(Sent(message_id, size_of(limits, message)))
    routing.progress = progress.placed(message_id, Place.AWAY)


def may_leave(progress: Progress, message_id: MessageId) -> bool:
    """
    A call to a management canister leaves when its maker has no older one that waits or is unanswered.

    The text keeps all calls of a canister to the management canister in their order, on whichever subnet they are
    executed; production does so on each subnet alone.
    """
    message = progress.state.messages[message_id]
    if not isinstance(message, CallMessage) or message.callee != MANAGEMENT_CANISTER:
        return True
    is_next = is_eligible(progress.state, message_id, message.queue)
    return is_next and message.caller.principal not in progress.rounds.asking


def asked(progress: Progress, call: CallMessage) -> Progress:
    """After a call leaves; its maker asks no other management canister until it is answered."""
    if call.callee != MANAGEMENT_CANISTER:
        return progress
    asking = progress.rounds.asking | {CanisterId(call.caller.principal)}
    return evolve(progress, rounds=evolve(progress.rounds, asking=asking))


def payload_size(call: CallMessage) -> ByteCount:
    """The bytes of a call that are limited between subnets."""
    return len(call.method_name.encode()) + len(call.argument)


def rejected(progress: Progress, refused: Refused) -> Progress:
    """After the requests that were put aside were rejected; their makers have the answers at once."""
    for message_id in refused.without_route:
        progress = answered(progress, Label("reject_call_to_missing_canister", {"message_id": message_id}))
    for message_id in refused.too_large:
        choices = {"message_id": message_id, "code": RejectCode.CANISTER_ERROR}
        progress = answered(progress, Label("spontaneous_call_rejection", choices))
    return progress


def answered(progress: Progress, label: Label) -> Progress:
    """After a label that rejects a call of a canister of the subnet, which has the answer at once."""
    progress = progress.take(label)
    return arrived(progress, MessageId(progress.state.messages.next_id - 1))
