"""
Several subnets: one state of the specification, and what each subnet remembers of its rounds and streams.

The text knows one system; which canisters are on which subnet matters to it for prices and ids alone. So whatever
subnets do is a run of the one system: a round of a subnet takes labels about its own canisters, and a message in a
stream is a message that has not been started. Rounds of subnets may alternate in any way, as long as time does not go
back.
"""

from attrs import evolve, field, frozen

from spec.production.rounds.execution_round import execute_round
from spec.production.rounds.progress import Progress, adopted
from spec.production.rounds.round_state import Batch, Posted, Round, RoundState, SentRefund, entry
from spec.production.streams.stream import Slice, Stream, slice_from
from spec.production.streams.topology import Topology
from spec.production.streams.wire import AnonymousRefund, StreamMessage, StreamRequest, StreamResponse
from spec.state.canister import Subnet
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import FromCanister, NoDeadline
from spec.state.state import State
from spec.values.checklist import defines
from spec.values.containers import Map
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, SubnetId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Seconds


@frozen
class Network:
    """The subnets of one system."""

    state: State
    subnets: Map[SubnetId, Subnet]
    rounds: Map[SubnetId, RoundState] = field(factory=Map)
    """What each subnet remembers of its rounds."""


def network_of(state: State, subnets: tuple[Subnet, ...], topology: Topology) -> Network:
    """Subnets that have had no round so far. The state may have canisters on all of them."""
    begun = RoundState(topology=topology)
    return Network(
        state,
        subnets=Map.of((subnet.subnet_id, subnet) for subnet in subnets),
        rounds=Map.of(
            (subnet.subnet_id, adopted(Progress(evolve(state, subnet=subnet), begun)).rounds) for subnet in subnets
        ),
    )


def seen_from(network: Network, subnet_id: SubnetId) -> State:
    """The state in which new canisters are created on this subnet."""
    return evolve(network.state, subnet=network.subnets[subnet_id])


@defines("seed1.subnet-parallelism")
def network_round(network: Network, subnet_id: SubnetId, batch: Batch) -> tuple[Network, Round]:
    """
    A round of one subnet, and what it did.

    Nothing of other subnets goes into it but the slices of the batch, and it changes nothing of theirs.
    """
    state, rounds, done = execute_round(seen_from(network, subnet_id), network.rounds[subnet_id], batch)
    return Network(state, network.subnets, network.rounds.set(subnet_id, rounds)), done


def stream_between(network: Network, sender: SubnetId, receiver: SubnetId) -> Stream[Posted]:
    """The stream from one subnet to another."""
    return entry(network.rounds[sender].streams, receiver, Stream[Posted]())


def slice_for(network: Network, sender: SubnetId, receiver: SubnetId, most: Count) -> Slice[Posted]:
    """What the receiver has not taken in of a stream, so many messages at most."""
    reverse = stream_between(network, receiver, sender)
    return slice_from(stream_between(network, sender, receiver), reverse.signals_end, most)


# What the wire shows


def wire_form(
    state: State,
    posted: Posted,
    callback: Count = 0,
    *,
    sender: SubnetId | None = None,
    receiver: SubnetId | None = None,
) -> StreamMessage:
    """
    What the wire shows of a message between two subnets.

    The number of the callback is the affair of the subnet of the maker. The subnets stand for their management
    canisters, and need not be given for other messages.
    """
    if isinstance(posted, SentRefund):
        return AnonymousRefund(posted.recipient, posted.amount)
    message = state.messages[posted.message_id]
    assert isinstance(message, CallMessage | ResponseMessage) and isinstance(message.origin, FromCanister)
    origin = message.origin
    if isinstance(message, CallMessage):
        return StreamRequest(
            shown(message.callee, receiver),
            origin.maker,
            callback,
            message.transferred_cycles,
            message.method_name,
            message.argument,
            deadline_of(origin),
        )
    return StreamResponse(
        origin.maker,
        shown(origin.callee, sender),
        callback,
        message.refunded_cycles,
        message.response,
        deadline_of(origin),
    )


def shown(canister_id: CanisterId, subnet_id: SubnetId | None) -> CanisterId:
    """How the wire names a canister, which may be the management canister of a subnet."""
    return CanisterId(subnet_id) if canister_id == MANAGEMENT_CANISTER and subnet_id is not None else canister_id


def deadline_of(origin: FromCanister) -> Seconds:
    """The deadline of a call on the wire; zero for one with unbounded wait."""
    return 0 if isinstance(origin.deadline, NoDeadline) else origin.deadline.time // NANOSECONDS_PER_SECOND
