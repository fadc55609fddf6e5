"""
What is taken of the capacities of a subnet: memory of canisters, of custom sections and of messages, and callbacks.

Messages that have not reached their receiver are named by their ids, since the rules do not tell where a message is.
Source: facts on limits, memory accounting; rs/replicated_state/src/canister_state/queues.rs for message memory.
"""

from collections.abc import Collection, Iterator

from spec.canister.module import MalformedModule
from spec.canister.outcome import MethodCall
from spec.fees import larger, less
from spec.profile import Limits
from spec.rules.modules import module_or_defect
from spec.rules.resources import allocated_memory
from spec.state.canister import Canister, Code, Stopping
from spec.state.message import CallMessage, FuncMessage, Message, ResponseMessage
from spec.state.origin import CallOrigin, Expired, FromCanister, NoDeadline
from spec.state.state import State
from spec.values.identifiers import CanisterId
from spec.values.quantities import ByteCount, Count, Percent
from spec.values.rejects import Reject, RejectReason, Reply, Response

# Canisters.


def canisters_of(state: State) -> list[tuple[CanisterId, Canister]]:
    """The canisters of the subnet, with their ids."""
    own = state.subnet.subnet_id
    return [(one, canister) for one, canister in state.canisters.items() if canister.subnet.subnet_id == own]


def memory_taken(state: State) -> ByteCount:
    """What the canisters of the subnet use, or have allocated."""
    return sum(allocated_memory(state.profile, canister) for _, canister in canisters_of(state))


def compute_taken(state: State) -> Percent:
    """The sum of the compute allocations on the subnet."""
    return sum(canister.settings.compute_allocation for _, canister in canisters_of(state))


def custom_sections_taken(state: State) -> ByteCount:
    """What the custom sections of all installed modules of the subnet take: name, content and one byte each."""
    return sum(custom_sections_of(state, canister) for _, canister in canisters_of(state))


def custom_sections_of(state: State, canister: Canister) -> ByteCount:
    """What the custom sections of an installed module take."""
    module = module_or_defect(state.profile, canister.code.raw_module) if isinstance(canister.code, Code) else None
    if module is None or isinstance(module, MalformedModule):
        return 0
    sections = module.public_custom_sections.items() + module.private_custom_sections.items()
    return sum(len(name.encode()) + len(content) + 1 for name, content in sections)


# Calls.


def open_origins(state: State) -> Iterator[FromCanister]:
    """The origins of the calls of canisters whose responses, or the news that none will come, were not handled yet."""
    origins: list[CallOrigin] = [message.origin for message in state.messages if not isinstance(message, FuncMessage)]
    origins += begun_origins(state)
    for origin in origins:
        if isinstance(origin, FromCanister) and not isinstance(origin.deadline, Expired):
            yield origin


def begun_origins(state: State) -> list[CallOrigin]:
    """The origins of the calls that are being processed."""
    return [origin for origin, _ in begun_calls(state)]


def begun_calls(state: State) -> list[tuple[CallOrigin, CanisterId]]:
    """The calls that are being processed: where each comes from, and the canister that has it or is about to stop."""
    contexts = [context for _, context in state.call_contexts.items() if context.needs_to_respond]
    calls = [(context.origin, context.canister) for context in contexts]
    for canister_id, canister in state.canisters.items():
        if isinstance(canister.status, Stopping):
            calls += [(call.origin, canister_id) for call in canister.status.stop_calls]
    return calls


def callbacks_taken(state: State) -> Count:
    """How many calls of the canisters of the subnet are open."""
    own = {canister_id for canister_id, _ in canisters_of(state)}
    return sum(origin.maker in own for origin in open_origins(state))


# Messages.


def largest_response(limits: Limits) -> ByteCount:
    """The room that is kept for the response to a call with unbounded wait, at its maker and at its callee each."""
    return limits.response_record + limits.inter_canister_payload


def size_of_request(limits: Limits, call: CallMessage | MethodCall) -> ByteCount:
    """What a call takes in a queue."""
    return limits.request_record + len(call.method_name.encode()) + len(call.argument)


def size_of_response(limits: Limits, response: Response) -> ByteCount:
    """What a response takes in a queue."""
    payload = len(response.data) if isinstance(response, Reply) else 1 + len(response.message.encode())
    return limits.response_record + payload


def size_of(limits: Limits, message: Message) -> ByteCount:
    """What a message takes in a queue or a stream."""
    match message:
        case CallMessage():
            return size_of_request(limits, message)
        case ResponseMessage():
            return size_of_response(limits, message.response)
        case FuncMessage():
            return 0


def memory_for_call(limits: Limits, call: CallMessage | MethodCall) -> ByteCount:
    """What a call with unbounded wait takes when it is made."""
    return larger(largest_response(limits), size_of_request(limits, call))


def is_guaranteed(origin: CallOrigin) -> bool:
    """The call is one of a canister that waits without bound."""
    return isinstance(origin, FromCanister) and isinstance(origin.deadline, NoDeadline)


def is_best_effort(origin: CallOrigin) -> bool:
    """The call is one of a canister that waits with bound."""
    return isinstance(origin, FromCanister) and not isinstance(origin.deadline, NoDeadline)


def is_untold(message: ResponseMessage) -> bool:
    """Of a message that is away: its call was given up, and the maker is told only when the deadline has passed."""
    reject = message.response
    return is_guaranteed(message.origin) and isinstance(reject, Reject) and reject.reason is RejectReason.CALL_TIMED_OUT


def guaranteed_message_memory(state: State, under_way: Collection[int] = (), away: Collection[int] = ()) -> ByteCount:
    """
    What calls with unbounded wait take: responses, room that is kept for responses, and what requests have above that.

    The maker of a call keeps room from the call to the arrival of the response, the callee from the arrival of the call
    to the response. A request lies in the room of its maker as far as it fits in. What is away takes nothing, but the
    room that its maker keeps. Responses in streams are not counted either, which production does.
    """
    limits = state.profile.limits
    kept = largest_response(limits)
    own = {canister_id for canister_id, _ in canisters_of(state)}
    taken = 0
    for origin, canister_id in begun_calls(state):
        if isinstance(origin, FromCanister) and is_guaranteed(origin):
            taken += kept * ((origin.maker in own) + (canister_id in own))
    for message_id, message in state.messages.entries:
        if isinstance(message, FuncMessage) or not isinstance(message.origin, FromCanister):
            continue
        if not is_guaranteed(message.origin):
            continue
        makes, is_here = message.origin.maker in own, message_id not in away
        has_arrived = is_here and message_id not in under_way
        if isinstance(message, CallMessage):
            taken += kept * makes + kept * has_arrived
            taken += less(size_of_request(limits, message), kept) * is_here
        elif is_here or not is_untold(message):
            taken += size_of_response(limits, message.response) * is_here + kept * (makes and not has_arrived)
    return taken


def best_effort_message_memory(state: State, away: Collection[int] = ()) -> ByteCount:
    """What calls with bounded wait and responses to them take while they are in queues; no room is kept for any."""
    limits = state.profile.limits
    here = [message for message_id, message in state.messages.entries if message_id not in away]
    calls = [message for message in here if isinstance(message, CallMessage)]
    responses = [message for message in here if isinstance(message, ResponseMessage)]
    return sum(size_of_request(limits, call) for call in calls if is_best_effort(call.origin)) + sum(
        size_of_response(limits, one.response) for one in responses if is_best_effort(one.origin)
    )


def message_memory_of(
    state: State, canister_id: CanisterId, under_way: Collection[int] = (), away: Collection[int] = ()
) -> ByteCount:
    """What messages take in the queues of one canister; it pays for that as for its own memory."""
    limits = state.profile.limits
    kept = largest_response(limits)
    taken = 0
    for origin in begun_origins(state):
        if isinstance(origin, FromCanister) and is_guaranteed(origin):
            taken += kept * ((origin.maker == canister_id) + (origin.callee == canister_id))
    for message_id, message in state.messages.entries:
        if isinstance(message, FuncMessage) or not isinstance(message.origin, FromCanister):
            continue
        origin, is_under_way = message.origin, message_id in under_way
        makes, serves = origin.maker == canister_id, origin.callee == canister_id
        if message_id in away:
            is_answer = isinstance(message, ResponseMessage) and is_untold(message)
            taken += kept * (makes and is_guaranteed(origin) and not is_answer)
            continue
        if isinstance(message, CallMessage):
            size = size_of_request(limits, message)
            if is_guaranteed(origin):
                taken += kept * makes + kept * (serves and not is_under_way)
                size = less(size, kept)
            taken += size * (makes if is_under_way else serves)
        else:
            taken += size_of_response(limits, message.response) * (serves if is_under_way else makes)
            taken += kept * (makes and is_under_way and is_guaranteed(origin))
    return taken
