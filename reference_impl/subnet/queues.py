"""
Messages under way: one queue per pair of sender and receiver, one of ingress per canister, and responses per canister.

Every message has an id, given in the order of arrival and kept when the message changes shape at its place, and a
position in the one order of all messages, so that the specification's single queue can be told at any time.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from reference_impl.subnet.message_memory import guaranteed_room
from spec.profile import Limits
from spec.state.message import Between, CallMessage, FuncMessage, Message, ResponseMessage, Unordered
from spec.state.origin import CallOrigin, Deadline, FromCanister, FromUser
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, RequestId
from spec.values.quantities import ByteCount

Ids = OrderedDict[int, None]
"""Message ids in their order, with removal from anywhere in constant time."""
Turn = tuple[CanisterId, tuple[CanisterId | None, ...], tuple[int, ...]]
"""A receiver, the senders that wait there, None for users, in the order in which they are next, and calls of users."""


def _has_deadline(message: Message) -> bool:
    if isinstance(message, FuncMessage) or not isinstance(message.origin, FromCanister):
        return False
    return isinstance(message.origin.deadline, Deadline)


class Inbox:
    """What waits for one canister (or for the management canister): calls by sender, ingress."""

    __slots__ = ("by_sender", "ingress", "turns")

    def __init__(self) -> None:
        self.by_sender: dict[CanisterId, Ids] = {}
        self.ingress: Ids = OrderedDict()
        self.turns: OrderedDict[CanisterId | None, None] = OrderedDict()
        """The senders that have messages here, None for ingress, in the order in which they are next."""


class MessageQueues:
    """All messages, with constant-time access to what may be processed next."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._messages: dict[int, Message] = {}
        self._positions: dict[int, int] = {}
        self._first_position = 0
        self._next_position = 0
        self.next_id = 0
        self._inboxes: dict[CanisterId, Inbox] = {}
        self._responses: Ids = OrderedDict()
        self.user_responses: Ids = OrderedDict()
        """Responses to users, in the order of their arrival."""
        self._away: set[int] = set()
        """The calls that left the subnet: they wait in no inbox until they are answered."""
        self.pending_function: int | None = None
        """The id of the function that is about to run, between the creation of its context and its execution."""
        self.guaranteed_memory: ByteCount = 0
        """What messages take of the memory for calls with unbounded wait."""

    def __contains__(self, message_id: int) -> bool:
        return message_id in self._messages

    def __getitem__(self, message_id: int) -> Message:
        return self._messages[message_id]

    def get(self, message_id: int) -> Message | None:
        """The message with this id, if there is one."""
        return self._messages.get(message_id)

    def in_order(self) -> Iterator[tuple[int, Message]]:
        """Pairs of id and message in the one order of all messages, oldest first."""
        for message_id in sorted(self._messages, key=self._positions.__getitem__):
            yield message_id, self._messages[message_id]

    def append(self, message: Message) -> int:
        """The message enters as the youngest one; the result is its id."""
        message_id = self.next_id
        self.next_id = message_id + 1
        self._next_position += 1
        self._place(message_id, message, self._next_position)
        return message_id

    def append_for_user(self, message: ResponseMessage) -> None:
        """A response to a user enters as the youngest message."""
        message_id = self.next_id
        self.next_id = message_id + 1
        self._next_position += 1
        self._positions[message_id] = self._next_position
        self._messages[message_id] = message
        self.user_responses[message_id] = None

    def append_as(self, message_id: int, message: CallMessage | ResponseMessage) -> None:
        """The message enters as the youngest one, with an id that is not one of those given in order."""
        assert message_id not in self._messages and message_id < 0, "ids in order begin at zero"
        self._next_position += 1
        self._place(message_id, message, self._next_position)

    def prepend(self, message: Message) -> int:
        """The message enters as the oldest one; the result is its id."""
        self._first_position -= 1
        assert not isinstance(message, CallMessage) or isinstance(message.queue, Unordered), "order is kept"
        message_id = self.next_id
        self.next_id = message_id + 1
        self._place(message_id, message, self._first_position)
        return message_id

    def _place(self, message_id: int, message: Message, position: int) -> None:
        self._positions[message_id] = position
        self._messages[message_id] = message
        if isinstance(message, FuncMessage):
            self.pending_function = message_id
            return
        if isinstance(message, CallMessage):
            self._enter_inbox(message_id, message)
        elif isinstance(message.origin, FromUser):
            self.user_responses[message_id] = None
            return
        else:
            self._responses[message_id] = None
        if isinstance(message.origin, FromCanister):
            self.guaranteed_memory += guaranteed_room(self._limits, message)

    def _put(self, message_id: int, message: Message) -> None:
        self._messages[message_id] = message
        self.guaranteed_memory += guaranteed_room(self._limits, message)

    def _take(self, message_id: int) -> Message:
        """The message leaves its place among those that are next, and the room that it takes."""
        message = self._messages.pop(message_id)
        if isinstance(message, FuncMessage):
            self.pending_function = None
            return message
        if isinstance(message, CallMessage):
            self._leave_inbox(message_id, message)
        elif isinstance(message.origin, FromUser):
            del self.user_responses[message_id]
            return message
        else:
            del self._responses[message_id]
        if isinstance(message.origin, FromCanister):
            self.guaranteed_memory -= guaranteed_room(self._limits, message)
        return message

    def _enter_inbox(self, message_id: int, message: CallMessage) -> None:
        inbox = self._inboxes.get(message.callee)
        if inbox is None:
            inbox = self._inboxes[message.callee] = Inbox()
        if isinstance(message.queue, Unordered):
            inbox.ingress[message_id] = inbox.turns[None] = None
            return
        sender = message.queue.sender
        ids = inbox.by_sender.get(sender)
        if ids is None:
            ids = inbox.by_sender[sender] = OrderedDict()
        ids[message_id] = inbox.turns[sender] = None

    def send_away(self, message_id: int) -> None:
        """A call that holds up no other leaves the subnet. Nothing but an answer can come of it."""
        message = self._messages[message_id]
        assert isinstance(message, CallMessage) and isinstance(message.queue, Unordered), "it holds up no other"
        self._leave_inbox(message_id, message)
        self._away.add(message_id)

    @property
    def away(self) -> list[int]:
        """The calls that left the subnet, oldest first."""
        return sorted(self._away)

    def _leave_inbox(self, message_id: int, message: CallMessage) -> None:
        if message_id in self._away:
            self._away.remove(message_id)
            return
        inbox = self._inboxes[message.callee]
        sender: CanisterId | None = None
        ids = inbox.ingress
        if isinstance(message.queue, Between):
            sender = message.queue.sender
            ids = inbox.by_sender[message.queue.sender]
        del ids[message_id]
        if not ids:
            del inbox.turns[sender]
            if sender is not None:
                del inbox.by_sender[sender]
        if not inbox.turns:
            del self._inboxes[message.callee]

    def refill(self, entries: Iterable[tuple[int, Message]], next_id: int, away: Iterable[int]) -> None:
        """Messages as they were kept, in their order; no others may be here."""
        assert not self._messages, "only what is empty is filled"
        for message_id, message in entries:
            self.next_id = message_id
            self.append(message)
        self.next_id = next_id
        for message_id in away:
            self.send_away(message_id)

    def only(self, receiver: CanisterId, responses: Iterable[int]) -> "MessageQueues":
        """The calls that wait for a receiver, and some responses, each in the same order in queues of their own."""
        inbox = self._inboxes.get(receiver)
        calls = [] if inbox is None else [*inbox.ingress, *(one for ids in inbox.by_sender.values() for one in ids)]
        alone = MessageQueues(self._limits)
        alone.refill(((one, self._messages[one]) for one in (*calls, *responses)), self.next_id, ())
        if inbox is not None:
            alone._inboxes[receiver].turns = inbox.turns.copy()
        return alone

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Who is next at each receiver."""
        return tuple((one, tuple(inbox.turns), tuple(inbox.ingress)) for one, inbox in self._inboxes.items())

    @property
    def order_of_responses(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The responses to canisters and those to users, each in their order."""
        return tuple(self._responses), tuple(self.user_responses)

    def reorder(self, turns: Iterable[Turn], responses: Iterable[int], user_responses: Iterable[int]) -> None:
        """The messages that are here are next in this order, as `turns` and `order_of_responses` tell it."""
        for receiver, senders, ingress in turns:
            inbox = self._inboxes[receiver]
            assert inbox.turns.keys() == set(senders) and inbox.ingress.keys() == set(ingress), "only the order changes"
            inbox.turns, inbox.ingress = OrderedDict.fromkeys(senders), OrderedDict.fromkeys(ingress)
        to_canisters, to_users = OrderedDict.fromkeys(responses), OrderedDict.fromkeys(user_responses)
        assert self._responses.keys() == to_canisters.keys() and self.user_responses.keys() == to_users.keys()
        self._responses, self.user_responses = to_canisters, to_users

    def remove(self, message_id: int) -> Message:
        """Takes a message out."""
        message = self._take(message_id)
        del self._positions[message_id]
        return message

    def take_user_response(self, message_id: int) -> tuple[RequestId, ResponseMessage]:
        """Takes out a response to a user; it comes with the id of the request."""
        message = self._messages.pop(message_id)
        assert isinstance(message, ResponseMessage) and isinstance(message.origin, FromUser)
        del self.user_responses[message_id], self._positions[message_id]
        return message.origin.request_id, message

    def start(self, message_id: int, function: FuncMessage | None = None) -> None:
        """
        Replaces a call or a response, at its place, by the function that handles it, which is pending then.

        Without a function the place stays empty: whoever runs it straight away has it in hand, and ends with
        `remove_pending`, or with `park` where it cannot be run now.
        """
        assert self.pending_function is None, "a function is handled before the next one starts"
        self._take(message_id)
        self.pending_function = message_id
        if function is not None:
            self._messages[message_id] = function

    def start_oldest(self) -> int:
        """An empty place in front of all messages is that of a function in hand; the result is its id."""
        assert self.pending_function is None, "a function is handled before the next one starts"
        message_id = self.next_id
        self.next_id = message_id + 1
        self._first_position -= 1
        self._positions[message_id] = self._first_position
        self.pending_function = message_id
        return message_id

    def park(self, function: FuncMessage) -> None:
        """The function that is pending stands at its place."""
        assert self.pending_function is not None, "a function is pending"
        self._messages[self.pending_function] = function

    def remove_pending(self) -> None:
        """The function that is pending, at its place or in somebody's hand, is done."""
        message_id = self.pending_function
        assert message_id is not None
        self._messages.pop(message_id, None)
        del self._positions[message_id]
        self.pending_function = None

    def replace(self, message_id: int, message: CallMessage | ResponseMessage) -> None:
        """Another call or response stands at the place of the one with this id. A call keeps its receiver."""
        if self._messages[message_id] == message:
            return
        self._take(message_id)
        self._put(message_id, message)
        match message:
            case CallMessage():
                self._enter_inbox(message_id, message)
                self._restore_order(message)
            case ResponseMessage():
                self._responses_like(message)[message_id] = None

    def _restore_order(self, message: CallMessage) -> None:
        """Brings the calls between a sender and a receiver into their order again."""
        if isinstance(message.queue, Between):
            by_sender = self._inboxes[message.callee].by_sender
            ids = sorted(by_sender[message.queue.sender], key=self._positions.__getitem__)
            by_sender[message.queue.sender] = OrderedDict.fromkeys(ids)

    def is_eligible(self, message_id: int) -> bool:
        """No older call of the same sender to the same receiver waits. The message must be a call."""
        message = self._messages[message_id]
        assert isinstance(message, CallMessage)
        match message.queue:
            case Between():
                return next(iter(self._inboxes[message.callee].by_sender[message.queue.sender])) == message_id
            case Unordered():
                return True

    def next_call(self, receiver: CanisterId) -> int | None:
        """The call whose turn it is at a receiver: senders and ingress take turns, each in its own order."""
        inbox = self._inboxes.get(receiver)
        if inbox is None:
            return None
        turns = inbox.turns
        sender = next(iter(turns))
        if len(turns) > 1:
            turns.move_to_end(sender)
        return next(iter(inbox.ingress if sender is None else inbox.by_sender[sender]))

    def eligible_calls(self, receiver: CanisterId) -> list[int]:
        """The calls that may be taken next at a receiver."""
        inbox = self._inboxes.get(receiver)
        if inbox is None:
            return []
        return [*inbox.ingress, *(next(iter(ids)) for ids in inbox.by_sender.values())]

    def responses(self) -> list[int]:
        """The responses to canisters, in the order of their arrival."""
        return list(self._responses)

    def next_response(self) -> int | None:
        """The response to a canister that arrived first."""
        return next(iter(self._responses), None)

    def _responses_like(self, message: ResponseMessage) -> Ids:
        return self.user_responses if isinstance(message.origin, FromUser) else self._responses

    def receivers(self) -> list[CanisterId]:
        """The canisters for which calls wait, in increasing order, without the management canister."""
        found = sorted(self._inboxes)
        if MANAGEMENT_CANISTER in self._inboxes:
            found.remove(CanisterId(MANAGEMENT_CANISTER))
        return found

    def waiting_calls(self, receiver: CanisterId) -> int:
        """How many calls wait for a receiver."""
        inbox = self._inboxes.get(receiver)
        if inbox is None:
            return 0
        from_users = len(inbox.ingress)
        return from_users + sum(map(len, inbox.by_sender.values())) if inbox.by_sender else from_users

    @property
    def waiting_responses(self) -> int:
        """How many responses wait for canisters."""
        return len(self._responses)

    def origin(self, message_id: int) -> CallOrigin:
        """Where the call comes from that the message with this id, a call or a response, belongs to."""
        message = self._messages[message_id]
        assert not isinstance(message, FuncMessage)
        return message.origin

    def with_deadline(self) -> list[int]:
        """The calls and responses whose maker waits with a bound and was not told yet that it waits in vain."""
        return [message_id for message_id, message in self.in_order() if _has_deadline(message)]

    @property
    def is_empty(self) -> bool:
        """No message is under way."""
        return not self._messages
