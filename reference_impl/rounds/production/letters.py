"""
What other subnets have sent is taken in, and what canisters send to other subnets is put into streams.

In an engine a call to another subnet is there until the end of the round. Then it is a letter in a stream, and a number
in the list of calls that are not answered. The other subnet's engine makes a message of the letter, which knows its
maker by that number alone. Source: rs/messaging/src/routing/stream_handler.rs and stream_builder.rs.
"""

from collections import OrderedDict
from collections.abc import Mapping

from reference_impl.messages import delivery
from reference_impl.rounds.production.addresses import address_of_call
from reference_impl.rounds.production.bounded_calls import (
    NOWHERE,
    answer_late,
    enter,
    seconds_of,
    send_refunds,
    take_refund,
)
from reference_impl.rounds.production.conductor import Conductor, Place
from reference_impl.rounds.production.usage import spare_message_memory
from reference_impl.subnet.message_memory import is_guaranteed, response_room, size_of_call, size_of_response
from reference_impl.subnet.network import SYSTEM
from reference_impl.subnet.streams import (
    AnswerLetter,
    CallLetter,
    Correspondence,
    Delivery,
    Limit,
    NotTakenIn,
    Outgoing,
    RefundLetter,
)
from spec.canister.environment import Caller
from spec.state.canister import Running, Stopping
from spec.state.message import Between, CallMessage, ResponseMessage
from spec.state.origin import Deadline, FromCanister, NoDeadline
from spec.values.identifiers import MANAGEMENT_CANISTER, CallContextId, CanisterId, Principal, SubnetId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count
from spec.values.rejects import RejectCode, RejectReason, system_reject

ANSWERS = {
    NotTakenIn.CANISTER_NOT_FOUND: (RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND),
    NotTakenIn.CANISTER_STOPPED: (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPED),
    NotTakenIn.CANISTER_STOPPING: (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPING),
    NotTakenIn.OUT_OF_MEMORY: (RejectCode.CANISTER_ERROR, RejectReason.SYSTEM_OVERLOADED),
}
"""What the maker of a call is told that was not taken in."""


# What comes


def take_in(conductor: Conductor, deliveries: Mapping[SubnetId, Delivery]) -> None:
    """First what other subnets have made of own letters, then their letters; subnets in the order of their ids."""
    correspondence = conductor.instance.correspondence
    if correspondence is None:
        return
    for subnet_id in sorted(deliveries):
        _read_signals(conductor, correspondence, subnet_id, deliveries[subnet_id])
    for subnet_id in sorted(deliveries):
        outgoing = correspondence.to(subnet_id)
        for letter in deliveries[subnet_id].letters:
            match letter:
                case AnswerLetter():
                    _take_in_answer(conductor, subnet_id, outgoing, letter)
                case CallLetter():
                    _take_in_call(conductor, subnet_id, outgoing, letter)
                case RefundLetter():
                    take_refund(conductor, letter)
                    outgoing.sign()


def _read_signals(
    conductor: Conductor, correspondence: Correspondence, subnet_id: SubnetId, delivered: Delivery
) -> None:
    """Own letters are forgotten that have a signal, and signals on letters that are forgotten there."""
    outgoing, head = correspondence.to(subnet_id), delivered.head
    assert outgoing.begin <= head.signals_end <= outgoing.end, "signals are about letters that are there"
    assert head.begin <= outgoing.signals_end and delivered.first == outgoing.signals_end, "letters come in order"
    while outgoing.begin < head.signals_end:
        index, letter = outgoing.begin, outgoing.forget()
        why = head.not_taken_in.get(index)
        if why is not None:
            assert isinstance(letter, CallLetter), "answers are always taken in"
            reject = system_reject(*ANSWERS[why])
            returned = AnswerLetter(
                letter.sender, letter.receiver, letter.number, reject, letter.cycles, 0, letter.deadline
            )
            message_id = _answered(conductor, correspondence, returned)
            conductor.traffic.answered_by_signal.append((subnet_id, index, message_id))
    outgoing.not_taken_in = {one: why for one, why in outgoing.not_taken_in.items() if one >= head.begin}


def _answered(conductor: Conductor, correspondence: Correspondence, letter: AnswerLetter) -> int:
    """A response is with its receiver, or comes too late; the id that it has here."""
    answerer = letter.answerer
    if answerer in conductor.instance.network:
        answerer = MANAGEMENT_CANISTER
        correspondence.asking.discard(letter.maker)
    origin = correspondence.calls.pop(letter.number, None)
    if origin is None:
        return answer_late(conductor, letter.maker, answerer, letter.response, letter.refund, letter.deadline)
    message_id = enter(conductor, answerer, ResponseMessage(origin, letter.response, letter.refund))
    conductor.arrive(message_id)
    return message_id


def _take_in_answer(conductor: Conductor, subnet_id: SubnetId, outgoing: Outgoing, letter: AnswerLetter) -> None:
    correspondence = conductor.instance.correspondence
    assert correspondence is not None
    message_id = _answered(conductor, correspondence, letter)
    conductor.traffic.taken_in.append((subnet_id, outgoing.signals_end, message_id))
    outgoing.sign()


def _take_in_call(conductor: Conductor, subnet_id: SubnetId, outgoing: Outgoing, letter: CallLetter) -> None:
    is_for_management = letter.receiver == conductor.instance.subnet.subnet_id
    receiver = MANAGEMENT_CANISTER if is_for_management else letter.receiver
    origin = FromCanister(
        calling_context=CallContextId(letter.number),
        callback=NOWHERE,
        deadline=Deadline(letter.deadline * NANOSECONDS_PER_SECOND) if letter.deadline else NoDeadline(),
        caller_of_context=Caller(),
        callee=receiver,
        maker=letter.sender,
    )
    call = CallMessage(
        origin=origin,
        caller=Caller(letter.sender),
        callee=receiver,
        method_name=letter.method_name,
        argument=letter.argument,
        transferred_cycles=letter.cycles,
        queue=Between(letter.sender, receiver),
    )
    why = _obstacle(conductor, call)
    message_id = enter(conductor, letter.sender, call)
    if why is None or not _reject(conductor, message_id, why):
        conductor.arrive(message_id)
        conductor.traffic.taken_in.append((subnet_id, outgoing.signals_end, message_id))
        outgoing.sign()
        return
    answer_id = conductor.instance.messages.next_id - 1
    conductor.instance.messages.remove(answer_id)
    del conductor.mail[answer_id]
    conductor.traffic.not_taken_in.append((subnet_id, outgoing.signals_end, message_id, answer_id))
    conductor.traffic.reached[Limit[why.name]] += 1
    outgoing.sign(why)


def _obstacle(conductor: Conductor, call: CallMessage) -> NotTakenIn | None:
    canister = conductor.instance.canisters.get(call.callee)
    if canister is None and call.callee != MANAGEMENT_CANISTER:
        return NotTakenIn.CANISTER_NOT_FOUND
    if canister is not None and not isinstance(canister.status, Running):
        is_stopping = isinstance(canister.status, Stopping)
        return NotTakenIn.CANISTER_STOPPING if is_stopping else NotTakenIn.CANISTER_STOPPED
    limits = conductor.instance.profile.limits
    if not is_guaranteed(call.origin):
        return None
    needed = max(response_room(limits), size_of_call(limits, call))
    return NotTakenIn.OUT_OF_MEMORY if needed > spare_message_memory(conductor) else None


def _reject(conductor: Conductor, message_id: int, why: NotTakenIn) -> bool:
    """
    The call is rejected.

    It cannot be where its canister has stopped and an older call of its maker waits, or where the canister is empty.
    """
    match why:
        case NotTakenIn.CANISTER_NOT_FOUND:
            rule = "reject_call_to_missing_canister"
            return conductor.take(rule, message_id=message_id, code=int(delivery.OPEN_CODES[rule]))
        case NotTakenIn.OUT_OF_MEMORY:
            code = int(RejectCode.CANISTER_ERROR)
            return conductor.take("spontaneous_call_rejection", message_id=message_id, code=code)
        case NotTakenIn.CANISTER_STOPPED | NotTakenIn.CANISTER_STOPPING:
            is_next = conductor.instance.messages.is_eligible(message_id)
            return is_next and conductor.take("reject_call_to_stopped_canister", message_id=message_id)


# What goes

Queues = OrderedDict[Principal, list[int]]
"""What waits to leave a sender, by addresses, the one whose turn it is first."""


def send(conductor: Conductor) -> None:
    """What leaves is put into streams, sender by sender and receiver by receiver in turn, as far as they take it."""
    correspondence = conductor.instance.correspondence
    if correspondence is None:
        return
    send_refunds(conductor, correspondence)
    turns, refused = _leaving(conductor), _Refused()
    while turns:
        sender, queues = turns.popitem(last=False)
        receiver, waiting = queues.popitem(last=False)
        owner = conductor.instance.network.reached_by(receiver)
        is_system = owner is not None and owner.kind == SYSTEM
        limit = None if owner is None else _limit(correspondence, correspondence.to(owner.subnet_id), is_system)
        if limit is None and not _may_leave(conductor, correspondence, waiting[0]):
            limit = Limit.MANAGEMENT_CALL
        if limit is not None:
            conductor.traffic.reached[limit] += 1
            if queues:
                turns[sender] = queues
                turns.move_to_end(sender, last=False)
            continue
        _go(conductor, correspondence, waiting.pop(0), None if owner is None else owner.subnet_id, refused)
        if waiting:
            queues[receiver] = waiting
        if queues:
            turns[sender] = queues
    refused.answer(conductor)


def _leaving(conductor: Conductor) -> OrderedDict[CanisterId, Queues]:
    found: dict[CanisterId, dict[Principal, list[int]]] = {}
    for message_id, message in conductor.instance.messages.in_order():
        where = conductor.mail[message_id]
        if where.place is Place.LEAVING:
            receiver: Principal | None = conductor.receiver(message_id)
            if isinstance(message, CallMessage):
                receiver = address_of_call(conductor.instance, message)
            assert receiver is not None
            found.setdefault(where.sender, {}).setdefault(receiver, []).append(message_id)
    senders = sorted(found, key=lambda one: (one != MANAGEMENT_CANISTER, one))
    return OrderedDict((one, OrderedDict(sorted(found[one].items()))) for one in senders)


def _limit(correspondence: Correspondence, outgoing: Outgoing, is_system: bool) -> Limit | None:
    """What keeps a stream from taking more."""
    bounds, count = correspondence.bounds, len(outgoing.letters)
    messages = count - outgoing.refunds
    if count >= bounds.messages:
        return Limit.MESSAGES
    if outgoing.size >= bounds.bytes:
        return Limit.BYTES
    return Limit.MESSAGES_TO_SYSTEM_SUBNET if is_system and messages >= bounds.messages_to_system_subnet else None


def _may_leave(conductor: Conductor, correspondence: Correspondence, message_id: int) -> bool:
    """Calls of a canister to management canisters go one after another."""
    message = conductor.instance.messages[message_id]
    if not isinstance(message, CallMessage) or message.callee != MANAGEMENT_CANISTER:
        return True
    return message.caller.principal not in correspondence.asking and conductor.instance.messages.is_eligible(message_id)


class _Refused:
    """The calls that may not go."""

    def __init__(self) -> None:
        self.calls: dict[Limit, list[int]] = {Limit.NO_ROUTE: [], Limit.TOO_LARGE: []}

    def answer(self, conductor: Conductor) -> None:
        """They are rejected, and their makers have the answers at once."""
        for limit, calls in self.calls.items():
            for message_id in calls:
                conductor.traffic.reached[limit] += 1
                code = RejectCode.CANISTER_ERROR if limit is Limit.TOO_LARGE else RejectCode.DESTINATION_INVALID
                rule = "reject_call_to_missing_canister" if limit is Limit.NO_ROUTE else "spontaneous_call_rejection"
                conductor.must_take(rule, message_id=message_id, code=int(code))
                conductor.arrive(conductor.instance.messages.next_id - 1)


def _go(
    conductor: Conductor,
    correspondence: Correspondence,
    message_id: int,
    destination: SubnetId | None,
    refused: _Refused,
) -> None:
    """A message leaves, or is refused."""
    instance = conductor.instance
    message = instance.messages[message_id]
    assert isinstance(message, CallMessage | ResponseMessage) and isinstance(message.origin, FromCanister)
    if isinstance(message, CallMessage):
        size = len(message.method_name.encode()) + len(message.argument)
        if destination is None:
            refused.calls[Limit.NO_ROUTE].append(message_id)
            return
        if size > instance.profile.limits.inter_canister_payload:
            refused.calls[Limit.TOO_LARGE].append(message_id)
            return
    assert destination is not None, "who made a call has a place"
    letter = _letter(conductor, correspondence, message)
    index: Count = correspondence.to(destination).post(letter)
    instance.messages.remove(message_id)
    conductor.traffic.posted.append((destination, index, message_id))


def _letter(
    conductor: Conductor, correspondence: Correspondence, message: CallMessage | ResponseMessage
) -> CallLetter | AnswerLetter:
    origin = message.origin
    assert isinstance(origin, FromCanister)
    own = conductor.instance.subnet.subnet_id
    if isinstance(message, ResponseMessage):
        return AnswerLetter(
            origin.maker,
            CanisterId(own) if origin.callee == MANAGEMENT_CANISTER else origin.callee,
            origin.calling_context,
            message.response,
            message.refunded_cycles,
            size_of_response(conductor.instance.profile.limits, message.response),
            seconds_of(origin),
        )
    number = correspondence.next_number
    correspondence.next_number += 1
    correspondence.calls[number] = origin
    if message.callee == MANAGEMENT_CANISTER:
        correspondence.asking.add(origin.maker)
    return CallLetter(
        origin.maker,
        CanisterId(address_of_call(conductor.instance, message)),
        number,
        message.method_name,
        message.argument,
        message.transferred_cycles,
        size_of_call(conductor.instance.profile.limits, message),
        seconds_of(origin),
    )
