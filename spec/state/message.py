"""Messages: calls, functions about to run, and responses."""

from attrs import frozen

from spec.canister.environment import Caller
from spec.canister.outcome import Callback
from spec.state.origin import CallOrigin
from spec.values.checklist import defines
from spec.values.identifiers import Blob, CallContextId, CanisterId, MethodName
from spec.values.quantities import Cycles
from spec.values.rejects import Response


@frozen
class Unordered:
    """The message keeps no order relative to others."""


@frozen
class Between:
    """Messages with an equal value are taken in their order."""

    sender: CanisterId
    """The management canister stands for the system."""
    receiver: CanisterId


QueueName = Unordered | Between


@frozen
class PublicMethod:
    """A method called by a user or a canister."""

    method_name: MethodName
    argument: Blob


@frozen
class CallbackInvocation:
    """The handling of a response."""

    callback: Callback
    response: Response
    refunded_cycles: Cycles


@frozen
class Heartbeat:
    """The heartbeat hook."""


@frozen
class GlobalTimer:
    """The global timer hook."""


@frozen
class OnLowWasmMemory:
    """The low-memory hook."""


EntryPoint = PublicMethod | CallbackInvocation | Heartbeat | GlobalTimer | OnLowWasmMemory


@frozen
@defines("def.message-shapes", "seed2.canister-id", "seed2.call-is-two-messages")
class CallMessage:
    """A call that was not started yet. Source: abstract-behavior, calls and messages."""

    origin: CallOrigin
    caller: Caller
    callee: CanisterId
    method_name: MethodName
    argument: Blob
    transferred_cycles: Cycles
    queue: QueueName


@frozen
@defines("def.message-shapes")
class FuncMessage:
    """A function that is about to run in a call context."""

    call_context: CallContextId
    caller: Caller
    receiver: CanisterId
    entry_point: EntryPoint
    queue: QueueName
    reserved_cycles: Cycles
    """What was set aside for this execution: MAX_CYCLES_PER_MESSAGE or MAX_CYCLES_PER_RESPONSE."""


@frozen
@defines("def.message-shapes", "seed2.call-is-two-messages")
class ResponseMessage:
    """A response on its way to the maker of the call."""

    origin: CallOrigin
    response: Response
    refunded_cycles: Cycles


Message = CallMessage | FuncMessage | ResponseMessage
