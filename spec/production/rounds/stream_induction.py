"""
What comes from other subnets: their signals, by which own messages are discarded, then their messages.

Subnets come in the order of their ids. Every message gets a signal: it was taken in, or why not. A request that was not
taken in is answered by the signal, so in the state of the rules its rejection is a step of the subnet that refuses it,
and the response is on its way for as long as the signal is. Responses and refunds are always taken in.

Source: rs/messaging/src/routing/stream_handler.rs, `process_stream_slices`. It refuses any request to a canister that
is stopping or has stopped. Here one that comes behind others of its sender is taken in, and rejected after them: the
rules take the calls of one canister to another in their order.
"""

from spec.production.capacities.room import free_message_memory
from spec.production.capacities.usage import is_guaranteed, memory_for_call
from spec.production.rounds.bounded_wait import answer_arrived, arrived, refund_taken
from spec.production.rounds.progress import Progress
from spec.production.rounds.round_state import Batch, Place, Posted, SentRefund, entry
from spec.production.rounds.routing import stream_to, with_stream
from spec.production.streams.stream import (
    Refusal,
    Slice,
    Stream,
    accepted,
    discarded,
    fault_of,
    refused,
    without_signals_before,
)
from spec.state.canister import Running, Stopping
from spec.state.label import Label
from spec.state.message import CallMessage, ResponseMessage
from spec.transition import Step
from spec.values.identifiers import MANAGEMENT_CANISTER, MessageId, SubnetId
from spec.values.rejects import RejectCode


def streams_inducted(progress: Progress, batch: Batch) -> Progress:
    """After the slices of a block were taken in: first all their signals, then all their messages."""
    slices = sorted(batch.slices.items())
    for subnet_id, slice_ in slices:
        progress = signals_taken(progress, subnet_id, slice_)
    for subnet_id, slice_ in slices:
        for sent in slice_.messages:
            if isinstance(sent, SentRefund):
                progress = refund_taken(progress, sent)
                progress = with_stream(progress, subnet_id, accepted(stream_to(progress, subnet_id)))
            else:
                progress = inducted_message(progress, subnet_id, sent.message_id)
    return progress


def signals_taken(progress: Progress, subnet_id: SubnetId, slice_: Slice[Posted]) -> Progress:
    """After what another subnet has signalled was discarded; what it has refused is answered."""
    stream = stream_to(progress, subnet_id)
    fault = fault_of(slice_, stream)
    assert fault is None, fault
    header = slice_.header
    stream, not_taken = discarded(stream, header.signals_end, header.reject_signals)
    progress = with_stream(progress, subnet_id, without_signals_before(stream, header.begin))
    for signal, _ in not_taken:
        assert signal.answer is not None, "a refused request was answered"
        progress = answer_arrived(progress, signal.answer)
    return progress


def inducted_message(progress: Progress, subnet_id: SubnetId, message_id: MessageId) -> Progress:
    """After a message of another subnet was taken in, or refused; there is a signal for it."""
    stream = stream_to(progress, subnet_id)
    if isinstance(progress.state.messages[message_id], ResponseMessage):
        return with_stream(answer_arrived(progress, message_id), subnet_id, accepted(stream))
    refusal = refusal_of(progress, message_id)
    if refusal is None:
        return with_stream(arrived(progress, message_id), subnet_id, accepted(stream))
    reason, label = refusal
    progress = progress.take(label)
    return answered_by_signal(progress, subnet_id, stream, reason)


def answered_by_signal(progress: Progress, subnet_id: SubnetId, stream: Stream[Posted], reason: Refusal) -> Progress:
    """After the rejection of a request of another subnet: the signal carries it."""
    answer = MessageId(progress.state.messages.next_id - 1)
    return with_stream(progress.placed(answer, Place.AWAY), subnet_id, refused(stream, reason, answer))


def refusal_of(progress: Progress, message_id: MessageId) -> tuple[Refusal, Label] | None:
    """Why a call of another subnet is not taken in, and the label that rejects it; None if it is."""
    message = progress.state.messages[message_id]
    assert isinstance(message, CallMessage)
    found: tuple[Refusal, Label] | None = None
    canister = entry(progress.state.canisters, message.callee, None)
    if canister is None and message.callee != MANAGEMENT_CANISTER:
        found = Refusal.CANISTER_NOT_FOUND, Label("reject_call_to_missing_canister", {"message_id": message_id})
    elif canister is not None and not isinstance(canister.status, Running):
        reason = Refusal.CANISTER_STOPPING if isinstance(canister.status, Stopping) else Refusal.CANISTER_STOPPED
        found = reason, Label("reject_call_to_stopped_canister", {"message_id": message_id})
    elif lacks_memory(progress, message):
        choices = {"message_id": message_id, "code": RejectCode.CANISTER_ERROR}
        found = Refusal.OUT_OF_MEMORY, Label("spontaneous_call_rejection", choices)
    return found if found is not None and isinstance(progress.tried(found[1]), Step) else None


def lacks_memory(progress: Progress, call: CallMessage) -> bool:
    """There is no room left for a request with unbounded wait and the response to it."""
    free = free_message_memory(progress.state, progress.under_way(), progress.away())
    return is_guaranteed(call.origin) and memory_for_call(progress.state.profile.limits, call) > free
