"""
Which input a canister takes next: its sources in turn, and in each of them the senders in turn.

Source: facts on the round, input order. Calls of one sender stay in their order, as the rules ask; responses stand in
the same queue as calls, although the rules would let them overtake. Queues have no capacity here: the rules know none.
"""

from collections.abc import Callable, Mapping

from attrs import evolve, frozen

from spec.production.rounds.progress import Progress, fresh_context, receiver_of
from spec.production.rounds.round_state import Beginning, Place, Rotation, Source, entry
from spec.rules.management.outside import FREE_METHODS, PRICED_METHODS
from spec.settling import CALL_REJECTIONS
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, Message, ResponseMessage, Unordered
from spec.state.origin import FromUser
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, CallContextId, CanisterId, MessageId, Principal, RequestId

Item = tuple[RequestId | None, MessageId | None]
"""A request that was not started, or else a message."""

Inputs = Mapping[Source, Mapping[Principal, tuple[Item, ...]]]
"""By source and sender, oldest first. Senders stand in the order of their oldest input."""

OUTSIDE_METHODS = FREE_METHODS + PRICED_METHODS

SOURCES = tuple(Source)
ROUND_THE_SOURCES = {source: SOURCES[(number + 1) % len(SOURCES)] for number, source in enumerate(SOURCES)}


@frozen
class Chosen:
    """What a look at the inputs came to."""

    item: Item | None
    """The input whose turn it is; None if none may be taken."""
    rotation: Rotation
    """Whose turn it is after the look."""


def inputs_of(progress: Progress, canister_id: CanisterId) -> Inputs:
    """What a canister may take, or what waits for the management canister."""
    state, rounds = progress.state, progress.rounds
    found: dict[Source, dict[Principal, tuple[Item, ...]]] = {source: {} for source in SOURCES}

    def add(source: Source, sender: Principal, item: Item) -> None:
        found[source][sender] = (*found[source].get(sender, ()), item)

    for message_id, message in sorted(state.messages.entries, key=lambda one: rounds.waiting[one[0]].arrival):
        waiting = rounds.waiting[message_id]
        if waiting.place is not Place.INPUT or receiver_of(state, message) != canister_id:
            continue
        if is_in_hand(progress, MessageId(message_id)):
            continue
        if isinstance(message, CallMessage) and isinstance(message.origin, FromUser):
            effective_id = state.requests[message.origin.request_id].effective_id
            add(Source.INGRESS, effective_id, (None, MessageId(message_id)))
        else:
            add(source_of(progress, waiting.sender), waiting.sender, (None, MessageId(message_id)))
    for request_id in rounds.ingress:
        known = state.requests[request_id]
        if known.request.canister_id == canister_id:
            add(Source.INGRESS, known.effective_id, (request_id, None))
    return found


def is_in_hand(progress: Progress, message_id: MessageId) -> bool:
    """The message is no longer in a queue: its long execution, the next round, or the outside world has it."""
    message = progress.state.messages[message_id]
    begun = {long.beginning.subject for _, long in progress.rounds.long_executions.items()}
    return message_id in begun | {*progress.rounds.postponed} or (
        isinstance(message, CallMessage)
        and message.method_name in OUTSIDE_METHODS
        and message.callee == MANAGEMENT_CANISTER
        and isinstance(message.queue, Unordered)
    )


def source_of(progress: Progress, sender: CanisterId) -> Source:
    """The source that the messages of a sender belong to."""
    if progress.is_elsewhere(sender):
        return Source.OTHER_SUBNETS
    canisters = progress.state.canisters
    if sender in canisters and canisters[sender].subnet.subnet_id != progress.state.subnet.subnet_id:
        return Source.OTHER_SUBNETS
    return Source.SAME_SUBNET


def choose(inputs: Inputs, rotation: Rotation, may_be_taken: Callable[[Item], bool]) -> Chosen:
    """
    The input whose turn it is.

    An empty source is passed over. An input that may not be taken is skipped, whereby its source and its sender lose
    their turn; it stays in front of the others of its sender. Source: `skip_input` in
    rs/replicated_state/src/canister_state/queues.rs.
    """
    skipped = dict.fromkeys(SOURCES, 0)
    rotation = turned_to_inputs(inputs, rotation)
    while ring := rotation.rings[rotation.next_source.value]:
        source = rotation.next_source
        sender, others = ring[0], ring[1:]
        item, *more = inputs[source][sender]
        is_taken = may_be_taken(item)
        after = (*others, sender) if more or not is_taken else others
        rotation = Rotation(ROUND_THE_SOURCES[source], rotation.rings.set(source.value, after))
        if is_taken:
            return Chosen(item, rotation)
        skipped[source] += 1
        if all(skipped[one] >= len(in_turn(inputs[one], rotation, one)) for one in SOURCES):
            break
        rotation = turned_to_inputs(inputs, rotation)
    return Chosen(None, rotation)


def turned_to_inputs(inputs: Inputs, rotation: Rotation) -> Rotation:
    """The rotation with a source and a sender in front that has inputs, if there is any."""
    source = rotation.next_source
    for _ in SOURCES:
        ring = in_turn(inputs[source], rotation, source)
        while ring and ring[0] not in inputs[source]:
            ring = ring[1:]
        rotation = evolve(rotation, next_source=source, rings=rotation.rings.set(source.value, ring))
        if ring:
            return rotation
        source = ROUND_THE_SOURCES[source]
    return evolve(rotation, next_source=source)


def in_turn(senders: Mapping[Principal, tuple[Item, ...]], rotation: Rotation, source: Source) -> tuple[Principal, ...]:
    """
    The senders of a source in the order of their turns; new ones come last.

    A canister whose messages were dropped keeps its place until its turn comes; a user's requests that expire take
    theirs with them.
    """
    known = entry(rotation.rings, source.value, ())
    if source is Source.INGRESS:
        known = tuple(one for one in known if one in senders)
    return known + tuple(one for one in senders if one not in known)


@defines("seed2.input-queue")
def next_input(progress: Progress, canister_id: CanisterId) -> Chosen:
    """The input that a canister takes next."""
    return choose(
        inputs_of(progress, canister_id),
        progress.record(canister_id).rotation,
        lambda item: beginning_of(*started(progress, item)) is not None,
    )


def beginning_of(progress: Progress, message_id: MessageId) -> Beginning | None:
    """With which rule a message is handled; None if it has to wait."""
    for rule in rules_for(progress.state.messages[message_id]):
        beginning = Beginning(rule, message_id)
        if progress.tried(label_of(progress, beginning)) is not None:
            return beginning
    return None


def rules_for(message: Message) -> tuple[str, ...]:
    """
    The rules that can handle a message to a canister, the first that is enabled first.

    No reason to reject a call holds if a call context can be created for it.
    """
    match message:
        case CallMessage():
            return ("call_context_creation", *CALL_REJECTIONS)
        case ResponseMessage():
            return ("callback_of_deleted_context", "callback_invocation")
        case FuncMessage():
            return ("message_execution",)


def label_of(progress: Progress, beginning: Beginning) -> Label:
    """The label that an execution begins with, in a call context of its own if it needs one."""
    subject: dict[str, MessageId | CanisterId | CallContextId] = {
        "message_id" if isinstance(beginning.subject, int) else "canister_id": beginning.subject
    }
    if beginning.rule.endswith("context_creation"):
        subject["context_id"] = fresh_context(progress.state)
    return Label(beginning.rule, subject)


def started(progress: Progress, item: Item) -> tuple[Progress, MessageId]:
    """After a request became a call, if the input is one; and the message to handle."""
    request_id, message_id = item
    if request_id is None:
        assert message_id is not None
        return progress, message_id
    message_id = MessageId(progress.state.messages.next_id)
    after = progress.take(Label("initiate_call", {"request_id": request_id}))
    waits = tuple(one for one in after.rounds.ingress if one != request_id)
    return evolve(after, rounds=evolve(after.rounds, ingress=waits)), message_id
