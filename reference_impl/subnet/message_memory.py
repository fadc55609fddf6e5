"""What calls take of the memory for messages. Source: rs/replicated_state/src/canister_state/queues.rs, statistics."""

from spec.profile import Limits
from spec.state.message import CallMessage, Message, ResponseMessage
from spec.state.origin import CallOrigin, FromCanister, NoDeadline
from spec.values.quantities import ByteCount
from spec.values.rejects import Reply, Response


def is_guaranteed(origin: CallOrigin) -> bool:
    """A canister waits for the response without bound."""
    return isinstance(origin, FromCanister) and isinstance(origin.deadline, NoDeadline)


def response_room(limits: Limits) -> ByteCount:
    """What is kept for a response to a call without bound."""
    return limits.response_record + limits.inter_canister_payload


def size_of_call(limits: Limits, call: CallMessage) -> ByteCount:
    """What a call takes in a queue."""
    return limits.request_record + len(call.method_name.encode()) + len(call.argument)


def size_of_response(limits: Limits, response: Response) -> ByteCount:
    """What a response takes in a queue."""
    size = len(response.data) if isinstance(response, Reply) else len(response.message.encode()) + 1
    return limits.response_record + size


def guaranteed_room(limits: Limits, message: Message) -> ByteCount:
    """
    What a message takes of the memory for calls without bound, if it has reached its receiver.

    Room for the response is kept at the maker of a call and at its callee; the call lies in the one or is longer.
    """
    match message:
        case CallMessage() if is_guaranteed(message.origin):
            kept = response_room(limits)
            return kept + max(kept, size_of_call(limits, message))
        case ResponseMessage() if is_guaranteed(message.origin):
            return size_of_response(limits, message.response)
        case _:
            return 0
