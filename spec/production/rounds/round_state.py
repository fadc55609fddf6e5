"""What a subnet remembers from round to round beside the state, and what a round gets from outside."""

from enum import Enum
from typing import TypeVar

from attrs import field, frozen

from spec.production.streams.stream import Slice, Stream
from spec.production.streams.topology import Topology
from spec.state.label import Label
from spec.state.origin import FromCanister
from spec.state.request import Request
from spec.transition import Output
from spec.values.containers import List, Map
from spec.values.identifiers import Blob, CanisterId, MessageId, Principal, RequestId, SubnetId
from spec.values.quantities import ByteCount, Count, Cycles, Instructions, Nanoseconds

Key = TypeVar("Key")
Value = TypeVar("Value")
Other = TypeVar("Other")


def entry(entries: Map[Key, Value], key: Key, otherwise: Other) -> Value | Other:
    """The value of a key, or another one if there is none."""
    if key in entries:
        return entries[key]
    return otherwise


class Method(Enum):
    """What a canister is looked at for when a round begins; the pointer goes round in this order."""

    GLOBAL_TIMER = "global timer"
    HEARTBEAT = "heartbeat"
    MESSAGE = "message"


class Source(Enum):
    """Where inputs come from; they are taken from the sources in turn, in this order."""

    SAME_SUBNET = "same subnet"
    INGRESS = "ingress"
    OTHER_SUBNETS = "other subnets"


class Place(Enum):
    """Where a message is on its way."""

    OUTPUT = "output"
    """It leaves its sender after the iteration."""
    STREAM = "stream"
    """It is delivered in the next round."""
    INPUT = "input"
    """Its receiver may take it."""
    LEAVING = "leaving"
    """It waits for room in the stream to another subnet."""
    AWAY = "away"
    """It is in that stream, or on another subnet."""


@frozen
class Waiting:
    """A message on its way, or at its receiver."""

    sender: CanisterId
    place: Place
    since: Nanoseconds = 0
    """When it was sent."""
    arrival: Count = 0
    """The how manieth message it was that reached a receiver; the queue of a sender is in this order."""


@frozen
class Sent:
    """A message in a stream. It keeps its size when it is answered, by a signal, and so is gone."""

    message_id: MessageId
    size: ByteCount


@frozen
class SentRefund:
    """Cycles in a stream that go back to a canister whose calls or responses were dropped."""

    recipient: CanisterId
    amount: Cycles
    carriers: tuple[MessageId, ...]
    """The messages in the state that have the cycles, until these arrive."""
    size: ByteCount


Posted = Sent | SentRefund
"""What a stream holds."""


@frozen
class Rotation:
    """Whose turn it is among the inputs of a canister, or of the management canister."""

    next_source: Source = Source.SAME_SUBNET
    rings: Map[str, tuple[Principal, ...]] = field(factory=Map)
    """By the name of a source, the senders with inputs, the next one first. Ingress turns over canisters concerned."""


@frozen
class Record:
    """What is remembered of a canister. A new one has the values that are given here."""

    charged_until: Nanoseconds
    """Up to when storage and compute are paid for."""
    priority: int = 0
    """Accumulated priority, in points: 10^6 are one percent of a round on a core."""
    executed_rounds: Count = 0
    """How many rounds of the current long execution are not yet paid for with priority; it may be one otherwise."""
    long_since: Count | None = None
    """The round in which its current long execution began."""
    fully_executed: Count = 0
    """The last round in which it had its full share."""
    heap_delta_debit: ByteCount = 0
    install_debit: Instructions = 0
    next_method: Method = Method.GLOBAL_TIMER
    rotation: Rotation = field(factory=Rotation)
    unpaid: Cycles = 0
    """Fees of ingress that are taken as soon as no execution is paused."""


@frozen
class Beginning:
    """What an execution begins with: the rule, and the message or canister that it is about."""

    rule: str
    subject: MessageId | CanisterId


@frozen
class LongExecution:
    """An execution that takes more than a slice, and has not come to its end."""

    beginning: Beginning
    instructions: Instructions
    """What it uses in all, as the rules say when it is tried."""
    executed: Instructions
    """In its slices so far."""
    is_installation: bool = False
    is_aborted: bool = False
    """It begins anew when it is its turn again."""

    @property
    def is_paused(self) -> bool:
        """It goes on where it stopped."""
        return not self.is_aborted


@frozen
class RoundState:
    """What a subnet remembers from round to round. The empty one fits any state."""

    number: Count = 0
    """How many rounds there were."""
    records: Map[CanisterId, Record] = field(factory=Map)
    long_executions: Map[CanisterId, LongExecution] = field(factory=Map)
    waiting: Map[int, Waiting] = field(factory=Map)
    """By message id."""
    arrivals: Count = 0
    """How many messages have reached their receivers."""
    ingress: tuple[RequestId, ...] = ()
    """Requests that were not started, in the order in which they came."""
    paid_afterwards: tuple[RequestId, ...] = ()
    """Requests to change settings that nobody has paid for when they came."""
    management: Rotation = field(factory=Rotation)
    postponed: tuple[MessageId, ...] = ()
    """Calls to `raw_rand`, answered in the next round."""
    stop_calls: Map[CanisterId, tuple[Nanoseconds, ...]] = field(factory=Map)
    """When the calls began to wait that wait for a canister to stop."""
    answered: Map[RequestId, Nanoseconds] = field(factory=Map)
    """When the requests were answered that are still known."""
    heap_delta: ByteCount = 0
    """How much memory has changed since the last checkpoint."""
    topology: Topology | None = None
    """The subnets of the registry; None if this one is alone, and all canisters are its own."""
    streams: Map[SubnetId, Stream[Posted]] = field(factory=Map)
    """Those to other subnets. Their messages are in the state, and away."""
    bounded: tuple[FromCanister, ...] = ()
    """The calls with bounded wait that left for other subnets, and whose makers have no answer."""
    asking: frozenset[CanisterId] = frozenset()
    """The canisters with an unanswered call to the management canister of another subnet."""
    refunds: Map[CanisterId, tuple[MessageId, ...]] = field(factory=Map)
    """Responses that were dropped, whose cycles wait for a stream, by the canisters elsewhere that get them."""


@frozen
class Ingress:
    """A request in a block."""

    request: Request
    effective_id: Principal
    size: ByteCount | None = None
    """The bytes of the signed message, for which the canister pays. None: nobody pays."""


@frozen
class Batch:
    """What consensus hands to a round."""

    time: Nanoseconds
    ingress: tuple[Ingress, ...] = ()
    answers: tuple[Label, ...] = ()
    """What the outside world answers: labels of the rules for it. One whose call is gone is passed over."""
    randomness: Blob = bytes(32)
    """The value of the random tape (`spec.production.random_tape`). Checklist: `seed1.random-tape`."""
    subnet_admins: Map[SubnetId, List[Principal]] | None = None
    """Those of the registry; None if they are as before."""
    slices: Map[SubnetId, Slice[Posted]] = field(factory=Map)
    """What streams of other subnets have for this one, verified (`spec.production.streams.certified`)."""


@frozen
class ForAnother:
    """A label about a call that another subnet made or executes, and which that subnet does not hear of."""

    number: Count
    """Which of the labels of the round it is."""
    made: tuple[MessageId, ...]
    """The messages that it brought into being."""


@frozen
class Round:
    """What a round did. The labels, taken one after another, lead from the state before to the state after."""

    labels: tuple[Label, ...]
    outputs: tuple[Output, ...]
    number: Count
    cores: tuple[Instructions, ...]
    """What was executed on each core."""
    iterations: Count
    management_instructions: Instructions
    """What the management canister used."""
    slices: tuple[tuple[CanisterId, Instructions], ...]
    """The slices of long executions that did not end with them."""
    for_others: tuple[ForAnother, ...] = ()
    """Those of the labels that are about calls between subnets whose other end does not hear of them."""
    told: tuple[MessageId, ...] = ()
    """The responses by which canisters were told that the outcome of a call to another subnet is unknown."""
