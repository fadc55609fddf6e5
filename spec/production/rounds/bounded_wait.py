"""
Calls with bounded wait between subnets: who is told when nothing comes, and what becomes of the cycles.

Two subnets have to do with such a call, and neither hears from the other that it has given up. The subnet of the maker
tells it at the deadline that the outcome is unknown, wherever the call is by then. The subnet of the callee drops the
call, or the response while it waits for a stream, when the deadline has passed by its own clock, or for want of memory.
Its cycles go back as a refund that tells nothing but the amount and who gets it. A response that comes later than the
deadline is dropped where it arrives, and its cycles come back there.

In the state of the rules a call expires once. So whichever subnet gives up first takes that step; where that is the
subnet of the callee, the answer to the maker waits for the maker's subnet to come to the deadline.

Source: rs/replicated_state/src/replicated_state.rs, `time_out_messages` and `time_out_callbacks`;
rs/replicated_state/src/canister_state/queues/refunds.rs; facts on the round, time-outs and shedding.
"""

from attrs import evolve

from spec.canister.outcome import Callback, Closure
from spec.production.choices import as_production
from spec.production.rounds.progress import Progress, receiver_of
from spec.production.rounds.round_state import Place, SentRefund, entry
from spec.production.rounds.turns import announced
from spec.state.canister import Stopping
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, ResponseMessage
from spec.state.origin import CallOrigin, Deadline, Expired, FromCanister, NoDeadline
from spec.values.identifiers import MANAGEMENT_CANISTER, MessageId
from spec.values.quantities import ByteCount, Cycles
from spec.values.rejects import Reject, RejectCode, RejectReason


def dropped(progress: Progress, message_id: MessageId) -> Progress:
    """After a message of an expired call was dropped; its cycles come back, if there are any."""
    return progress.take(drop_of(progress, message_id))


def drop_of(progress: Progress, message_id: MessageId) -> Label:
    """The label that drops a message of an expired call."""
    return as_production(progress.state, Label("drop_expired_message", {"message_id": message_id}))


# The subnet of the maker


def makers_told(progress: Progress, due: tuple[FromCanister, ...]) -> Progress:
    """
    After canisters were told that the outcome of calls is unknown that they made to other subnets.

    Canisters come in the order of their ids, and the calls of each by their deadlines.
    """
    for origin in sorted(due, key=in_order):
        progress = told(without_bounded(progress, origin), origin)
    return progress


def in_order(origin: FromCanister) -> tuple[object, ...]:
    """By maker, deadline, calling context, callee and callback; calls that agree in all of them are told alike."""
    assert isinstance(origin.deadline, Deadline)
    return origin.maker, origin.deadline.time, origin.calling_context, origin.callee, *numbers_of(origin.callback)


def numbers_of(callback: Callback) -> tuple[int, ...]:
    """The numbers in a callback, in an order."""
    closures: tuple[Closure | None, ...] = (callback.on_reply, callback.on_reject, callback.on_cleanup)
    numbers = (number for one in closures if one is not None for number in (one.function, one.argument))
    return callback.reserved_cycles, *numbers


def told(progress: Progress, origin: FromCanister) -> Progress:
    """After a canister has the answer that the outcome of a call is unknown."""
    label = expiry_elsewhere(progress, origin)
    if label is None:
        message_id = untold_answer(progress, origin)
    else:
        progress = progress.take_for_another(label)
        message_id = MessageId(progress.state.messages.next_id - 1)
    progress = progress.placed(message_id, Place.INPUT)
    return announced(evolve(progress, told=(*progress.told, message_id)), origin.maker, message_id)


def expiry_elsewhere(progress: Progress, origin: FromCanister) -> Label | None:
    """The label by which a call expires that is in a stream or on another subnet; None if it has expired."""
    state, away = progress.state, progress.away()
    for message_id, message in state.messages.entries:
        if message_id in away and not isinstance(message, FuncMessage) and message.origin == origin:
            return Label("call_expiry_of_message", {"message_id": message_id})
    for context_id, context in state.call_contexts.items():
        is_there = progress.is_elsewhere(context.canister)
        if is_there and context.needs_to_respond and context.origin == origin:
            return Label("call_expiry_of_call_context", {"context_id": context_id})
    for canister_id, canister in state.canisters.items():
        if isinstance(canister.status, Stopping) and progress.is_elsewhere(canister_id):
            for index, call in enumerate(canister.status.stop_calls.items):
                if call.origin == origin:
                    return Label("call_expiry_of_stop_call", {"canister_id": canister_id, "index": index})
    return None


def untold_answer(progress: Progress, origin: FromCanister) -> MessageId:
    """The answer to a call that its callee's subnet has given up before."""
    answers = (
        MessageId(message_id)
        for message_id, message in progress.state.messages.entries
        if message_id in progress.away()
        and isinstance(message, ResponseMessage)
        and message.origin == evolve(origin, deadline=NoDeadline())
        and is_unknown(message)
    )
    return next(answers)


def is_unknown(message: ResponseMessage) -> bool:
    """The response tells that the deadline of the call has passed."""
    return isinstance(message.response, Reject) and message.response.reason is RejectReason.CALL_TIMED_OUT


def with_bounded(progress: Progress, origin: CallOrigin) -> Progress:
    """With a call that leaves for another subnet, if its maker waits with bound."""
    if not isinstance(origin, FromCanister) or not isinstance(origin.deadline, Deadline):
        return progress
    return evolve(progress, rounds=evolve(progress.rounds, bounded=(*progress.rounds.bounded, origin)))


def without_bounded(progress: Progress, origin: CallOrigin) -> Progress:
    """Without a call whose maker has the answer."""
    known = progress.rounds.bounded
    if origin not in known:
        return progress
    place = known.index(origin)
    return evolve(progress, rounds=evolve(progress.rounds, bounded=known[:place] + known[place + 1 :]))


def answer_arrived(progress: Progress, message_id: MessageId) -> Progress:
    """
    After a response of another subnet has reached its maker; a late one is dropped.

    One of the management canister there lets the next call to a management canister go.
    """
    message = progress.state.messages[message_id]
    assert isinstance(message, ResponseMessage) and isinstance(message.origin, FromCanister)
    if message.origin.callee == MANAGEMENT_CANISTER:
        asking = progress.rounds.asking - {message.origin.maker}
        progress = evolve(progress, rounds=evolve(progress.rounds, asking=asking))
    if isinstance(message.origin.deadline, Expired):
        return dropped(progress, message_id)
    return arrived(without_bounded(progress, message.origin), message_id)


def arrived(progress: Progress, message_id: MessageId) -> Progress:
    """With a message at its receiver, as the last one of its sender."""
    receiver = receiver_of(progress.state, progress.state.messages[message_id])
    assert receiver is not None
    return announced(progress.placed(message_id, Place.INPUT), receiver, message_id)


# The subnet of the callee


def is_answered_in_any_case(progress: Progress, message_id: MessageId) -> bool:
    """The message is a response of the management canister to another subnet, where later calls wait for it."""
    message = progress.state.messages[message_id]
    if not isinstance(message, ResponseMessage) or not isinstance(message.origin, FromCanister):
        return False
    return message.origin.callee == MANAGEMENT_CANISTER and progress.is_of_another(message.origin)


def given_up_for_another(progress: Progress, message_id: MessageId) -> Progress:
    """
    After a call of another subnet, or a response to one, was given up.

    It is dropped; but a call to the management canister is rejected, since later ones of its maker wait for the answer.
    """
    message = progress.state.messages[message_id]
    if isinstance(message, CallMessage) and message.callee == MANAGEMENT_CANISTER:
        choices = {"message_id": message_id, "code": RejectCode.SYS_TRANSIENT}
        return progress.take(Label("spontaneous_call_rejection", choices))
    return dropped_for_another(progress, message_id)


def dropped_for_another(progress: Progress, message_id: MessageId) -> Progress:
    """
    After a call of another subnet, or a response to one, was dropped.

    A response takes the cycles of a call back, so that it holds up no other.
    """
    message = progress.state.messages[message_id]
    assert not isinstance(message, FuncMessage) and isinstance(message.origin, FromCanister)
    if isinstance(message.origin.deadline, Deadline):
        progress = progress.take_for_another(Label("call_expiry_of_message", {"message_id": message_id}))
        progress = progress.placed(MessageId(progress.state.messages.next_id - 1), Place.AWAY)
    if not carried(message):
        return progress.take_for_another(drop_of(progress, message_id))
    if isinstance(message, CallMessage):
        choices = {"message_id": message_id, "code": RejectCode.SYS_TRANSIENT}
        progress = progress.take_for_another(Label("spontaneous_call_rejection", choices))
        message_id = MessageId(progress.state.messages.next_id - 1)
    waiting = (*entry(progress.rounds.refunds, message.origin.maker, ()), message_id)
    refunds = progress.rounds.refunds.set(message.origin.maker, waiting)
    return evolve(progress, rounds=evolve(progress.rounds, refunds=refunds)).placed(message_id, Place.AWAY)


def carried(message: CallMessage | ResponseMessage) -> Cycles:
    """The cycles in a message."""
    return message.transferred_cycles if isinstance(message, CallMessage) else message.refunded_cycles


def refunds_in_order(progress: Progress, record: ByteCount) -> list[SentRefund]:
    """What waits to go back, the largest amount first; of equal ones the canister with the smaller id."""
    refunds = []
    for recipient, carriers in progress.rounds.refunds.items():
        amount = 0
        for one in carriers:
            message = progress.state.messages[one]
            assert isinstance(message, ResponseMessage)
            amount += message.refunded_cycles
        refunds.append(SentRefund(recipient, amount, carriers, record))
    return sorted(refunds, key=lambda one: (-one.amount, one.recipient))


def refund_taken(progress: Progress, refund: SentRefund) -> Progress:
    """After the cycles of a refund were given to a canister; they are lost if it is gone."""
    for message_id in refund.carriers:
        progress = progress.take_for_another(drop_of(progress, message_id))
    return progress
