"""The state of the Internet Computer."""

from attrs import field, frozen

from spec.profile import Profile
from spec.state.call_context import CallContext, cycles_reserved_for
from spec.state.canister import Canister, Stopping, Subnet
from spec.state.message import CallMessage, FuncMessage, Message, ResponseMessage
from spec.state.network import ApiBoundaryNode, SubnetRecord
from spec.state.request import KnownRequest
from spec.values.containers import List, Map, Queue
from spec.values.identifiers import Blob, CallContextId, CanisterId, Principal, RequestId, SnapshotId, SubnetId
from spec.values.quantities import Cycles, Nanoseconds


@frozen
class State:
    """`S` of the interface specification. Source: abstract-behavior, the system state."""

    profile: Profile
    """The constants of this instance. They never change."""
    root_key: Blob
    """The DER-encoded public key of the root subnet."""
    system_time: Nanoseconds
    subnet: Subnet
    """The subnet on which new canisters are created."""
    requests: Map[RequestId, KnownRequest] = field(factory=Map)
    canisters: Map[CanisterId, Canister] = field(factory=Map)
    call_contexts: Map[CallContextId, CallContext] = field(factory=Map)
    messages: Queue[Message] = field(factory=Queue)
    subnet_admins: Map[SubnetId, List[Principal]] = field(factory=Map)
    subnets: Map[SubnetId, SubnetRecord] = field(factory=Map)
    """What users can learn of the subnets; no rule changes it."""
    api_boundary_nodes: Map[Principal, ApiBoundaryNode] = field(factory=Map)
    """By the ids of the nodes; no rule changes it."""
    deleted_canisters: List[CanisterId] = field(factory=List)
    """Ids that may not be used again."""
    used_snapshot_ids: List[SnapshotId] = field(factory=List)
    """Every id that a snapshot ever had."""


def cycles_of_canister(canister: Canister) -> Cycles:
    """The cycles that belong to a canister: its balances, and those of stop calls that wait at it."""
    own = canister.balance + canister.reserved_balance
    match canister.status:
        case Stopping():
            return own + canister.status.stop_calls.total(
                lambda call: call.cycles + cycles_reserved_for(call.origin),
            )
        case _:
            return own


def cycles_of_call_context(context: CallContext) -> Cycles:
    """The cycles that a call context holds: what is left of the transfer, and what the caller set aside."""
    if not context.needs_to_respond:
        return context.available_cycles
    return context.available_cycles + cycles_reserved_for(context.origin)


def cycles_of_message(message: Message) -> Cycles:
    """The cycles that a message carries."""
    match message:
        case CallMessage():
            return message.transferred_cycles + cycles_reserved_for(message.origin)
        case FuncMessage():
            return message.reserved_cycles
        case ResponseMessage():
            return message.refunded_cycles + cycles_reserved_for(message.origin)


def total_cycles(state: State) -> Cycles:
    """All cycles in the state."""
    return (
        state.canisters.total(cycles_of_canister)
        + state.call_contexts.total(cycles_of_call_context)
        + state.messages.total(cycles_of_message)
    )
