"""
An instance between and within rounds: where its messages are, what is remembered of its canisters, what a round did.

Everything that changes the instance goes through `take`, so whatever a transition brings into being is noted at once.
"""

import copy
from collections import Counter
from collections.abc import Iterable
from enum import Enum

from attrs import define, field

from reference_impl.rounds import transitions
from reference_impl.rounds.foresight import Foresight
from reference_impl.rounds.production.addresses import address_of_call
from reference_impl.rounds.production.blocks import Capacity
from reference_impl.rounds.production.turns import Item, Source, Turns
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.observations import ExecutionShown, NotTaken, StatusChange
from reference_impl.subnet.streams import Limit
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, ResponseMessage
from spec.state.origin import FromCanister, FromUser
from spec.state.request import Received, Rejected, Replied
from spec.values.identifiers import MANAGEMENT_CANISTER, CallContextId, CanisterId, RequestId, SubnetId
from spec.values.quantities import ByteCount, Count, Cycles, Instructions, Nanoseconds

Points = int
"""Of priority; a million of them are one percent of a core in a round."""

AT_ONCE = frozenset(("initiate_call", "call_expiry_of_message", "call_expiry_of_call_context"))
"""The transitions whose messages are with their receivers at once; and those of stop calls that expire."""


class Place(Enum):
    """How far a message has come."""

    AT_ITS_MAKER = 0
    IN_A_STREAM = 1
    AT_ITS_RECEIVER = 2
    LEAVING = 3
    """It waits for room in the stream to another subnet. What is in such a stream is no message here."""


@define
class Whereabouts:
    """Where a message is."""

    sender: CanisterId
    place: Place
    since: Nanoseconds
    arrival: Count = 0
    """The how manieth message it was that reached a receiver."""


@define
class Book:
    """What is remembered of a canister."""

    paid_until: Nanoseconds
    turns: Turns
    priority: Points = 0
    unpaid_rounds: Count = 0
    """How many rounds of its long execution it has had and not paid for with priority."""
    long_since: Count | None = None
    """The round in which its long execution began."""
    heap_delta: ByteCount = 0
    """The debit of changed bytes."""
    installed: Instructions = 0
    """The debit of instructions of installations."""
    looks_next_for: Count = 0
    """At which of timer, heartbeat and message the canister is looked at first, by number."""
    owes: Cycles = 0
    """Fees that are taken when no execution of it is paused."""


@define
class LongRun:
    """An execution or installation that takes more than a slice and has not ended."""

    rule: str
    """The transition that begins it."""
    subject: int | CanisterId
    """The message or, for a task, the canister."""
    total: Instructions
    done: Instructions
    is_installation: bool = False
    is_aborted: bool = False


@define
class Traffic:
    """What went between this subnet and others in a round."""

    posted: list[tuple[SubnetId, Count, int]] = field(factory=list)
    """To which subnet, at which index of the stream, and which message it was."""
    taken_in: list[tuple[SubnetId, Count, int]] = field(factory=list)
    """From which subnet, at which index, and which message it is now."""
    not_taken_in: list[tuple[SubnetId, Count, int, int]] = field(factory=list)
    """From which subnet, at which index, which message it was, and that which rejected it, which a signal carries."""
    answered_by_signal: list[tuple[SubnetId, Count, int]] = field(factory=list)
    """By which subnet, at which index of the stream to it, and the message that became of the signal."""
    told: list[tuple[Count, int]] = field(factory=list)
    """The numbers of calls whose makers were told that nothing is known of them, and by which messages."""
    given_up: list[tuple[int, CanisterId, Count]] = field(factory=list)
    """The messages of other subnets' calls that were dropped, with the makers and the numbers of the calls."""
    shed: Count = 0
    """How many of them for want of memory."""
    management_given_up: Count = 0
    """How many calls of other subnets to the management canister were rejected instead of dropped."""
    late: Count = 0
    """How many responses came for which nobody waited any more."""
    refunds: Count = 0
    """How many sums of cycles came back."""
    reached: Counter[Limit] = field(factory=Counter)
    """How often each limit was reached."""


@define
class Notes:
    """What happened in a round."""

    was_long: frozenset[CanisterId] = frozenset()
    """The canisters that had a long execution when the canisters began to execute."""
    full: set[CanisterId] = field(factory=set)
    """Those that had all of their turn."""
    completed: set[CanisterId] = field(factory=set)
    """Those that brought an execution to its end."""
    heap_delta: ByteCount = 0
    """Memory that executions on the cores have changed."""
    management_instructions: Instructions = 0
    slices: list[tuple[CanisterId, Instructions]] = field(factory=list)


class Conductor:
    """The instance, with everything that rounds know of it."""

    def __init__(self, instance: SubnetInstance) -> None:
        self.instance = instance
        # What a round has done is told by the steps it took.
        instance.recorder.explains = True
        self.number: Count = 0
        self.mail: dict[int, Whereabouts] = {}
        self.books: dict[CanisterId, Book] = {}
        self.long_runs: dict[CanisterId, LongRun] = {}
        self.management = Turns(self._is_gone)
        self._arrivals: Count = 0
        self.held: set[int] = set()
        """The messages that somebody has in hand: a long execution, the outside world, the next round."""
        self.postponed: list[int] = []
        """Calls for randomness, which the next round answers."""
        self.waiting: dict[RequestId, None] = {}
        """The requests that are not started."""
        self.answered: dict[RequestId, Nanoseconds] = {}
        self.pay_later: set[RequestId] = set()
        """Changes of settings that nobody has paid for when they came."""
        self.heap_delta: ByteCount = 0
        """Memory that has changed since the last checkpoint."""
        self.foresight: Foresight | None = None
        """With it canisters go ahead on several threads."""
        self.notes = Notes()
        self.traffic = Traffic()
        self.executed: Instructions = 0
        """By all code so far; only differences matter."""
        self.reached: Counter[Capacity] = Counter()

    def like(self, canister_id: CanisterId, message_ids: Iterable[int]) -> "Conductor":
        """
        What is remembered of one canister and some messages, for an instance that holds nothing else.

        What is in it may change; the instance is to be set.
        """
        like = copy.copy(self)
        like.mail = {one: copy.copy(self.mail[one]) for one in message_ids}
        like.books = {canister_id: copy.copy(self.book(canister_id))}
        like.books[canister_id].turns = like.books[canister_id].turns.like(like._is_gone)
        like.long_runs = {one: copy.copy(run) for one, run in self.long_runs.items() if one == canister_id}
        like.management = Turns(like._is_gone)
        like.held, like.postponed, like.pay_later = set(self.held), [], set()
        like.waiting, like.answered = dict(self.waiting), {}
        like.notes, like.traffic, like.reached = Notes(was_long=self.notes.was_long), Traffic(), Counter()
        return like

    # Canisters

    def canisters(self) -> list[CanisterId]:
        """The canisters of the subnet, by their ids."""
        own = self.instance.subnet.subnet_id
        return sorted(one for one, canister in self.instance.canisters.items() if canister.subnet.subnet_id == own)

    def canister(self, canister_id: CanisterId) -> CanisterRecord:
        """A canister, which must exist."""
        return self.instance.canisters[canister_id]

    def book(self, canister_id: CanisterId) -> Book:
        """What is remembered of a canister; a new one has paid until now."""
        found = self.books.get(canister_id)
        if found is None:
            found = self.books[canister_id] = Book(self.instance.system_time, Turns(self._is_gone))
        return found

    def is_paused(self, canister_id: CanisterId) -> bool:
        """An execution of the canister, or an installation, goes on where it stopped."""
        run = self.long_runs.get(canister_id)
        return run is not None and not run.is_aborted

    def is_executing(self, canister_id: CanisterId) -> bool:
        """The canister has a long execution, paused or aborted, which is no installation."""
        run = self.long_runs.get(canister_id)
        return run is not None and not run.is_installation

    def forget_gone(self) -> None:
        """Nothing is remembered of canisters and messages that are gone."""
        own = frozenset(self.canisters())
        for canister_id in own:
            self.book(canister_id)
        self.books = {one: book for one, book in self.books.items() if one in own}
        self.long_runs = {one: run for one, run in self.long_runs.items() if one in own}
        messages = self.instance.messages
        self.mail = {one: where for one, where in self.mail.items() if one in messages}
        self.held = {one for one in self.held if one in messages}
        self.postponed = [one for one in self.postponed if one in messages]

    # Transitions

    def take(self, rule: str, **choices: object) -> bool:
        """Takes a transition, if it can be taken."""
        before = self.instance.messages.next_id
        taken = transitions.take(self.instance, Label(rule, choices))
        if isinstance(taken, NotTaken):
            return False
        self.note_step(before)
        return True

    def must_take(self, rule: str, **choices: object) -> None:
        """Takes a transition that can be taken."""
        assert self.take(rule, **choices), f"{rule} with {choices}"

    def note_step(self, before: int) -> None:
        """Notes what the latest transition brought into being; `before` it, this was the next message id."""
        instance = self.instance
        step = instance.recorder.last_step
        for message_id in range(before, instance.messages.next_id):
            if message_id in instance.messages:
                self.mail[message_id] = self._whereabouts(step.label.rule, message_id)
                if self.mail[message_id].place is Place.AT_ITS_RECEIVER and step.label.rule != "initiate_call":
                    self.arrive(message_id)
        for shown in step.observed.outputs:
            match shown:
                case ExecutionShown():
                    self.executed += shown.instructions
                case StatusChange(request_id, status):
                    self._note_status(request_id, status)

    def _note_status(self, request_id: RequestId, status: object) -> None:
        if not isinstance(status, Received):
            self.waiting.pop(request_id, None)
        match status:
            case Received():
                self.waiting[request_id] = None
            case Replied() | Rejected():
                self.answered[request_id] = self.instance.system_time
            case None:
                self.answered.pop(request_id, None)

    def forget_what_was_tried(self) -> None:
        """After the instance was brought back: messages that were made in vain are nowhere."""
        for message_id in [one for one in self.mail if one >= self.instance.messages.next_id]:
            del self.mail[message_id]

    def fresh_context(self) -> CallContextId:
        """A call context id that nothing has now."""
        return CallContextId(max(self.instance.contexts, default=-1) + 1)

    def follow(self) -> None:
        """Contexts that wait for nothing are answered, if they owe a response, and go away."""
        contexts = self.instance.contexts
        while alone := sorted(one for one in contexts if contexts.is_unreferenced(one)):
            for context_id in alone:
                if contexts[context_id].needs_to_respond:
                    self.must_take("call_context_starvation", context_id=context_id)
                self.must_take("call_context_removal", context_id=context_id)

    # Messages

    def _is_gone(self, item: Item) -> bool:
        if isinstance(item, int):
            return item not in self.instance.messages or item in self.held
        return item not in self.waiting

    def receiver(self, message_id: int) -> CanisterId | None:
        """Who gets a message; None for the answer to a user."""
        match self.instance.messages[message_id]:
            case CallMessage(callee=callee):
                return callee
            case ResponseMessage(origin=FromCanister(maker=maker)):
                return maker
            case FuncMessage(receiver=receiver):
                return receiver
            case _:
                return None

    def _whereabouts(self, rule: str, message_id: int) -> Whereabouts:
        now, canisters = self.instance.system_time, self.instance.canisters
        message = self.instance.messages[message_id]
        match message:
            case CallMessage():
                sender = CanisterId(message.caller.principal)
            case ResponseMessage(origin=FromCanister(callee=callee)):
                sender = callee
            case _:
                sender = MANAGEMENT_CANISTER
        if rule in AT_ONCE or rule == "call_expiry_of_stop_call":
            return Whereabouts(sender, Place.AT_ITS_RECEIVER, now)
        receiver = self.receiver(message_id)
        address = address_of_call(self.instance, message) if isinstance(message, CallMessage) else receiver
        if address is not None and self.instance.is_elsewhere(address):
            return Whereabouts(sender, Place.LEAVING, now)
        is_local = sender in canisters and receiver in canisters
        return Whereabouts(sender, Place.AT_ITS_MAKER if is_local else Place.IN_A_STREAM, now)

    def _source(self, sender: CanisterId) -> Source:
        if self.instance.is_elsewhere(sender):
            return Source.OTHER_SUBNETS
        canister = self.instance.canisters.get(sender)
        is_foreign = canister is not None and canister.subnet.subnet_id != self.instance.subnet.subnet_id
        return Source.OTHER_SUBNETS if is_foreign else Source.SAME_SUBNET

    def turns_of(self, receiver: CanisterId) -> Turns:
        """The inputs of a canister, or of the management canister."""
        return self.management if receiver == MANAGEMENT_CANISTER else self.book(receiver).turns

    def arrive(self, message_id: int, *, first: bool = False) -> None:
        """A message is with its receiver, as the last of its sender or the first."""
        receiver = self.receiver(message_id)
        assert receiver is not None
        where, message = self.mail[message_id], self.instance.messages[message_id]
        where.place = Place.AT_ITS_RECEIVER
        if not first:
            self._arrivals += 1
            where.arrival = self._arrivals
        if isinstance(message, CallMessage) and isinstance(message.origin, FromUser):
            about = self.instance.ingress[message.origin.request_id].effective_id
            self.turns_of(receiver).add(Source.USERS, about, message_id, first=first)
        else:
            self.turns_of(receiver).add(self._source(where.sender), where.sender, message_id, first=first)

    def put_back(self, message_id: int) -> None:
        """A message that was in hand is the next one of its sender again."""
        self.held.discard(message_id)
        self.arrive(message_id, first=True)

    def is_on_its_way(self, message_id: int) -> bool:
        """The message has not reached its receiver."""
        return self.mail[message_id].place is not Place.AT_ITS_RECEIVER

    def started(self, item: Item) -> int:
        """The message of an input; a request becomes a call."""
        if isinstance(item, int):
            return item
        message_id = self.instance.messages.next_id
        self.must_take("initiate_call", request_id=item)
        return message_id
