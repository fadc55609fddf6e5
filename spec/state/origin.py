"""Where a call comes from, and so where its response goes."""

from attrs import frozen

from spec.canister.environment import Caller
from spec.canister.outcome import Callback
from spec.values.checklist import defines
from spec.values.identifiers import CallContextId, CanisterId, RequestId
from spec.values.quantities import Nanoseconds


@frozen
class NoDeadline:
    """The call waits without bound."""


@frozen
class Deadline:
    """The call of a bounded-wait caller, not expired yet."""

    time: Nanoseconds


@frozen
class Expired:
    """The caller was told SYS_UNKNOWN; a later response is dropped."""

    time: Nanoseconds
    """When the deadline was."""


CallDeadline = NoDeadline | Deadline | Expired


@frozen
@defines("seed2.communication")
class FromUser:
    """The call is a user's request."""

    request_id: RequestId


@frozen
@defines("seed2.communication")
class FromCanister:
    """The call was made by a canister."""

    calling_context: CallContextId
    """The call context in which the call was made."""
    callback: Callback
    deadline: CallDeadline
    caller_of_context: Caller
    """
    The caller that the callback sees: that of the calling context. The interface specification looks it up through
    origins, which may be gone by then.
    """
    callee: CanisterId
    """To whom the call went. Not in the interface specification; it tells how many calls to one canister are open."""
    maker: CanisterId
    """
    Which canister made the call. Not in the interface specification; the calling context is gone when cycles of an
    expired call come back.
    """


@frozen
class FromSystemTask:
    """A heartbeat, a global timer or a low-memory hook; nobody waits for a response."""


CallOrigin = FromUser | FromCanister | FromSystemTask
