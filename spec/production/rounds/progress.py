"""A round under way: every change of the state is a label that was taken."""

from collections.abc import Iterator

from attrs import evolve, frozen

from spec.machine import step
from spec.production.capacities.room import Room, room_of
from spec.production.rounds.round_state import ForAnother, LongExecution, Place, Record, RoundState, Waiting, entry
from spec.production.streams.addresses import subnet_concerned
from spec.state.canister import Stopping
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, Message, ResponseMessage
from spec.state.origin import CallOrigin, Expired, FromCanister
from spec.state.request import Done, Received, Rejected, Replied
from spec.state.state import State
from spec.transition import Output, Step
from spec.values.checklist import defines
from spec.values.containers import Map
from spec.values.identifiers import MANAGEMENT_CANISTER, CallContextId, CanisterId, MessageId, Principal, RequestId
from spec.values.quantities import OS_PAGE, ByteCount, Count, Instructions

EXPIRIES = ("call_expiry_of_message", "call_expiry_of_call_context", "call_expiry_of_stop_call")


@frozen
class Progress:
    """State and round state, and what led there. `take` is the only way to another state."""

    state: State
    rounds: RoundState
    labels: tuple[Label, ...] = ()
    outputs: tuple[Output, ...] = ()
    heap_delta: ByteCount = 0
    """Memory changed in this round by the executions on the cores."""
    slices: tuple[tuple[CanisterId, Instructions], ...] = ()
    management_instructions: Instructions = 0
    fully_executed: frozenset[CanisterId] = frozenset()
    """The canisters that had their full share in this round."""
    long_at_first: frozenset[CanisterId] = frozenset()
    """The canisters that had a long execution when canisters began to execute in this round; they rest after it."""
    completed: frozenset[CanisterId] = frozenset()
    """The canisters that brought an execution to its end in this round."""
    room: Room | None = None
    """What is left on the core that executes."""
    for_others: tuple[ForAnother, ...] = ()
    told: tuple[MessageId, ...] = ()
    """Both as in `Round`."""

    def tried(self, label: Label) -> Step | None:
        """What a label would do; None if it is not enabled."""
        result = step(self.state, label)
        return result if isinstance(result, Step) else None

    def take(self, label: Label) -> "Progress":
        """After a label, which must be enabled."""
        result = step(self.state, label)
        assert isinstance(result, Step), f"{label}: {result}"
        return self.took(label, result)

    def took(self, label: Label, fired: Step) -> "Progress":
        """After a label of which it is known what it does."""
        after = evolve(self, state=fired.state, labels=(*self.labels, label), outputs=self.outputs + fired.outputs)
        for message_id in range(self.state.messages.next_id, fired.state.messages.next_id):
            if message_id in fired.state.messages:
                after = after.at(message_id, on_its_way(after, label, MessageId(message_id)))
        return after

    def take_if_enabled(self, label: Label) -> "Progress":
        """After a label, or the same if it is not enabled."""
        fired = self.tried(label)
        return self if fired is None else self.took(label, fired)

    def take_for_another(self, label: Label) -> "Progress":
        """After a label about a call between subnets whose other end does not hear of it."""
        after = self.take(label)
        made = tuple(map(MessageId, range(self.state.messages.next_id, after.state.messages.next_id)))
        return evolve(after, for_others=(*self.for_others, ForAnother(len(self.labels), made)))

    # What is remembered

    def record(self, canister_id: CanisterId) -> Record:
        """What is remembered of a canister."""
        return entry(self.rounds.records, canister_id, Record(charged_until=self.state.system_time))

    def with_record(self, canister_id: CanisterId, record: Record) -> "Progress":
        """With other things remembered of a canister."""
        return evolve(self, rounds=evolve(self.rounds, records=self.rounds.records.set(canister_id, record)))

    def long_execution(self, canister_id: CanisterId) -> LongExecution | None:
        """The long execution of a canister, paused or aborted."""
        return entry(self.rounds.long_executions, canister_id, None)

    def is_paused(self, canister_id: CanisterId) -> bool:
        """An execution or installation of the canister goes on later; nothing else may touch the canister."""
        long = self.long_execution(canister_id)
        return long is not None and long.is_paused

    def with_long_execution(self, canister_id: CanisterId, long: LongExecution | None) -> "Progress":
        """With another long execution of a canister, or none."""
        known = self.rounds.long_executions
        if long is not None:
            return evolve(self, rounds=evolve(self.rounds, long_executions=known.set(canister_id, long)))
        after = known.remove(canister_id) if canister_id in known else known
        return evolve(self, rounds=evolve(self.rounds, long_executions=after))

    def placed(self, message_id: MessageId, place: Place) -> "Progress":
        """With a message at another place."""
        return self.at(message_id, evolve(self.rounds.waiting[message_id], place=place))

    def at(self, message_id: int, waiting: Waiting) -> "Progress":
        """With a message where it is said to be; one that reaches its receiver is the latest there."""
        rounds = self.rounds
        if waiting.place is Place.INPUT:
            rounds = evolve(rounds, arrivals=rounds.arrivals + 1)
            waiting = evolve(waiting, arrival=rounds.arrivals)
        return evolve(self, rounds=evolve(rounds, waiting=rounds.waiting.set(message_id, waiting)))

    def under_way(self) -> frozenset[int]:
        """The messages of the subnet that have not reached their receivers."""
        places = (Place.INPUT, Place.AWAY)
        return frozenset(one for one, waiting in self.rounds.waiting.items() if waiting.place not in places)

    def away(self) -> frozenset[int]:
        """The messages that are in streams, or on other subnets."""
        return frozenset(one for one, waiting in self.rounds.waiting.items() if waiting.place is Place.AWAY)

    def room_of_core(self) -> Room:
        """What is left for each core now."""
        return room_of(self.state, self.under_way(), self.away())

    def is_elsewhere(self, canister_id: Principal) -> bool:
        """What goes to this canister leaves the subnet, or has no way to go."""
        topology = self.rounds.topology
        return topology is not None and topology.is_elsewhere(canister_id, self.state.subnet.subnet_id)

    def address(self, message: Message) -> Principal | None:
        """Where a message goes that came into being here; None for the answer to a user."""
        topology, receiver = self.rounds.topology, receiver_of(self.state, message)
        if topology is None or not isinstance(message, CallMessage) or receiver != MANAGEMENT_CANISTER:
            return receiver
        concerned = subnet_concerned(topology, message)
        return receiver if concerned in (None, self.state.subnet.subnet_id) else concerned

    def is_of_another(self, origin: CallOrigin) -> bool:
        """A canister of another subnet made the call."""
        return isinstance(origin, FromCanister) and self.is_elsewhere(origin.maker)

    def is_own_request(self, request_id: RequestId) -> bool:
        """The request was sent to this subnet."""
        return not self.is_elsewhere(self.state.requests[request_id].effective_id)

    def canisters(self) -> list[CanisterId]:
        """The canisters of the subnet, in the order of their ids. Others may be in the state, and are left alone."""
        own = self.state.subnet.subnet_id
        return [one for one, canister in self.state.canisters.items() if canister.subnet.subnet_id == own]


@defines("seed1.new-messages")
def on_its_way(progress: Progress, label: Label, message_id: MessageId) -> Waiting:
    """Who sent a message that a label brought into being, and where it is."""
    after = progress.state
    message = after.messages[message_id]
    sender = sender_of(message)
    if label.rule in EXPIRIES or label.rule == "initiate_call":
        return Waiting(sender, Place.INPUT, after.system_time)
    address = progress.address(message)
    if address is not None and progress.is_elsewhere(address):
        return Waiting(sender, Place.LEAVING, after.system_time)
    receiver = receiver_of(after, message)
    is_local = sender in after.canisters and receiver is not None and receiver in after.canisters
    place = Place.OUTPUT if is_local and not progress.is_elsewhere(sender) else Place.STREAM
    return Waiting(sender, place, after.system_time)


def sender_of(message: Message) -> CanisterId:
    """The canister that sent a message; of a response, the one that was called, also if another one responds for it."""
    match message:
        case CallMessage():
            return CanisterId(message.caller.principal)
        case ResponseMessage(origin=FromCanister(callee=callee)):
            return callee
        case _:
            return MANAGEMENT_CANISTER


def receiver_of(state: State, message: Message) -> CanisterId | None:
    """
    The canister that takes a message; None for the answer to a user.

    Of a response that nobody waits for, the calling context may be gone, and its id another one's.
    """
    match message:
        case CallMessage():
            return message.callee
        case FuncMessage():
            return message.receiver
        case ResponseMessage(origin=FromCanister(deadline=Expired(), maker=maker)):
            return maker
        case ResponseMessage(origin=FromCanister(calling_context=context_id)):
            return state.call_contexts[context_id].canister if context_id in state.call_contexts else None
        case ResponseMessage():
            return None


def adopted(progress: Progress) -> Progress:
    """The round state fits the state: what came without a round is known, what is gone is forgotten."""
    state, rounds = progress.state, progress.rounds
    unknown = Place.STREAM if rounds.topology is None else Place.AWAY
    waiting = Map.of(
        (
            one,
            rounds.waiting[one] if one in rounds.waiting else Waiting(sender_of(message), unknown, state.system_time),
        )
        for one, message in state.messages.entries
    )
    own = [(one, known.status) for one, known in state.requests.items() if progress.is_own_request(one)]
    received = [one for one, status in own if isinstance(status, Received)]
    answered = [one for one, status in own if isinstance(status, Replied | Rejected | Done)]
    kept = [one for one in rounds.ingress if one in received]
    ids = progress.canisters()
    return evolve(
        progress,
        rounds=evolve(
            rounds,
            records=Map.of((one, progress.record(one)) for one in ids),
            long_executions=Map.of((one, long) for one, long in rounds.long_executions.items() if one in ids),
            waiting=waiting,
            ingress=(*kept, *(one for one in received if one not in kept)),
            postponed=tuple(one for one in rounds.postponed if one in state.messages),
            answered=Map.of((one, entry(rounds.answered, one, state.system_time)) for one in answered),
            stop_calls=Map.of((one, stop_times(progress, one)) for one in ids if is_stopping(state, one)),
        ),
    )


def is_stopping(state: State, canister_id: CanisterId) -> bool:
    """Calls may wait for the canister to stop."""
    return isinstance(state.canisters[canister_id].status, Stopping)


def stop_times(progress: Progress, canister_id: CanisterId) -> tuple[int, ...]:
    """When the calls began to wait that wait for a canister to stop; those that are new, now."""
    status = progress.state.canisters[canister_id].status
    assert isinstance(status, Stopping)
    times = entry(progress.rounds.stop_calls, canister_id, ())
    new = len(status.stop_calls) - len(times)
    return times[: len(status.stop_calls)] + (progress.state.system_time,) * max(new, 0)


# What follows without any choice


def followed(progress: Progress) -> Progress:
    """After contexts that can get no response were answered, and those that nothing refers to were forgotten."""
    while True:
        free = unreferenced(progress.state)
        if not free:
            return progress
        for context_id in free:
            if progress.state.call_contexts[context_id].needs_to_respond:
                progress = progress.take(Label("call_context_starvation", {"context_id": context_id}))
            progress = progress.take(Label("call_context_removal", {"context_id": context_id}))


def unreferenced(state: State) -> list[CallContextId]:
    """The call contexts in which no response can be handled any more, in the order of their ids."""
    if any(isinstance(message, FuncMessage) for message in state.messages):
        return []
    referenced = set(awaited(state))
    return [one for one, _ in state.call_contexts.items() if one not in referenced]


def awaited(state: State) -> Iterator[CallContextId]:
    """The call contexts in which a response is awaited. Source: abstract-behavior, call context starvation."""
    origins = [message.origin for message in state.messages if isinstance(message, CallMessage | ResponseMessage)]
    origins += [context.origin for _, context in state.call_contexts.items() if context.needs_to_respond]
    for _, canister in state.canisters.items():
        if isinstance(canister.status, Stopping):
            origins += [call.origin for call in canister.status.stop_calls]
    for origin in origins:
        if isinstance(origin, FromCanister) and not isinstance(origin.deadline, Expired):
            yield origin.calling_context


def fresh_context(state: State) -> CallContextId:
    """A call context id that is free."""
    return CallContextId(max(state.call_contexts.keys(), default=-1) + 1)


def executed_instructions(outputs: tuple[Output, ...]) -> Instructions:
    """What the code used that ran in some steps."""
    return sum(getattr(output, "instructions", 0) for output in outputs)


def changed_memory(before: State, after: State, canister_id: CanisterId) -> ByteCount:
    """
    The bytes of the 4 KiB pages of heap and stable memory that differ.

    Production counts the pages that were written to, even if the bytes are as before.
    """
    pages: Count = 0
    if canister_id not in before.canisters or canister_id not in after.canisters:
        return 0
    earlier, later = (getattr(one.canisters[canister_id].code, "wasm_state", None) for one in (before, after))
    if later is None:
        return 0
    for name in ("wasm_memory", "stable_memory"):
        mine, theirs = getattr(later, name), getattr(earlier, name, None)
        if mine is not theirs:
            pages += sum(1 for _ in mine.differing_pages(theirs if theirs is not None else type(mine)()))
    return OS_PAGE * pages
