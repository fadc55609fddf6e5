"""Call contexts: the memory that a call is still to be answered."""

from attrs import frozen

from spec.canister.environment import Caller
from spec.state.origin import CallOrigin, Expired, FromCanister
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId, Text
from spec.values.quantities import Cycles, Instructions
from spec.values.rejects import RejectReason


@frozen
class FailedExecution:
    """Why the latest execution in a call context failed; it words the reject when the context starves."""

    reason: RejectReason
    message: Text


@frozen
@defines("seed2.os-bookkeeping")
class CallContext:
    """A call being processed by a canister. Source: abstract-behavior, call contexts (`CallCtxt`)."""

    canister: CanisterId
    """The canister that processes the call."""
    origin: CallOrigin
    caller: Caller
    """Who made the call; callbacks of calls made in this context see the same caller."""
    needs_to_respond: bool
    """No response has been given yet."""
    deleted: bool
    """The code was uninstalled; callbacks in this context run no code."""
    available_cycles: Cycles
    """What is left of the cycles sent with the call."""
    instructions_used: Instructions = 0
    """By the executions in this context so far, for performance counter 1."""
    last_failure: FailedExecution | None = None


@defines("inv.cycles.response-reserve")
def cycles_reserved_for(origin: CallOrigin) -> Cycles:
    """
    What the maker of a call has set aside for handling the response (MAX_CYCLES_PER_RESPONSE).

    Nothing once the deadline has expired: the amount then belongs to the SYS_UNKNOWN response.
    """
    match origin:
        case FromCanister(deadline=Expired()):
            return 0
        case FromCanister():
            return origin.callback.reserved_cycles
        case _:
            return 0
