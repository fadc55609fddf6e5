"""What an execution gives: a return with its requested effects, or a trap."""

from enum import Enum

from attrs import field, frozen

from spec.canister.wasm_state import WasmState
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, MethodName, Text
from spec.values.quantities import ByteCount, Count, Cycles, Instructions, Nanoseconds, Seconds
from spec.values.rejects import Response


@frozen
@defines("entry.closure")
class Closure:
    """A function of the module's table and the value it is called with."""

    function: int
    """Index in table 0. Any number may be given; one that is no such function traps when called."""
    argument: int
    """Passed to the function, as unsigned integer."""


@frozen
@defines("entry.closure")
class Callback:
    """What happens when a call is answered. Abstract in the interface specification; this is its concrete mapping."""

    on_reply: Closure
    on_reject: Closure
    on_cleanup: Closure | None = None
    reserved_cycles: Cycles = 0
    """
    What was set aside at `ic0.call_perform` for handling the response: MAX_CYCLES_PER_RESPONSE at the rate of the
    module that made the call.
    """


@frozen
class MethodCall:
    """A call that an execution made with `ic0.call_perform`."""

    callee: CanisterId
    method_name: MethodName
    argument: Blob
    transferred_cycles: Cycles
    callback: Callback
    """Its `reserved_cycles` leave the balance together with `fee` and `transferred_cycles`."""
    fee: Cycles
    """The fee for transmitting the request; burned when the call is made."""
    timeout: Seconds | None = None
    """The time-out of a bounded-wait call; None for a call that waits without bound."""
    number: Count = field(default=0, eq=False)
    """Which `ic0.call_perform` of its execution it is, counted from 0; failed ones count. No part of what is called."""


class TrapReason(Enum):
    """Why an execution did not return."""

    TRAPPED = "trapped"
    """A WebAssembly trap, a violated condition of the System API, or `ic0.trap`."""
    OUT_OF_INSTRUCTIONS = "out of instructions"
    """The instruction limit was exceeded."""
    SLICE_OVERRUN = "slice overrun"
    """A single operation was charged more than slices of the execution hold."""
    NO_SUCH_METHOD = "no such method"
    """The module has no function for this entry point."""


class TrapCause(Enum):
    """What made code trap, as far as it is no violated condition of the System API."""

    STACK_OVERFLOW = "stack overflow"
    """Calls were nested too deep."""
    HEAP_OUT_OF_BOUNDS = "heap out of bounds"
    STABLE_MEMORY_OUT_OF_BOUNDS = "stable memory out of bounds"
    STABLE_MEMORY_TOO_LARGE = "stable memory too large for 32 bits"
    TABLE_OUT_OF_BOUNDS = "table out of bounds"
    DIVISION_BY_ZERO = "division by zero"
    UNREACHABLE = "unreachable"
    CYCLES_TOO_MANY = "cycles beyond 64 bits"
    """An amount of cycles that a function of 64 bits cannot give."""
    OTHER = "other"
    """Any other trap of the core specification."""
    ASKED_FOR = "asked for"
    """`ic0.trap` was called."""


@frozen
@defines("unspec.fn.logs")
class SystemRecord:
    """
    A place in a log at which the system may write a record of its own: a trap, or bytes to print that are not there.

    Source: canister-interface, debugging aids; abstract-behavior, message execution (on logs).
    """

    otherwise: Blob | None = None
    """What stands there if the system writes nothing of its own: what `ic0.trap` was given. None: no record."""
    cause: TrapCause | None = field(default=None, eq=False)
    """Why code trapped here, for those who predict what the system writes; no part of the meaning of a module."""


LogEntry = Blob | SystemRecord


@frozen
class Growth:
    """A memory was to grow, the heap or stable memory."""

    granted: ByteCount
    """By so much it grew; 0 if it did not."""
    calls_before: Count
    """So many calls were to be performed before."""
    balance: Cycles = 0
    """What the canister had then, as it saw it itself."""


@frozen
class Trapped:
    """The execution failed: nothing that it did is kept."""

    instructions_used: Instructions
    """What it is charged for."""
    reason: TrapReason
    message: Text = ""
    """For people, for example what was given to `ic0.trap`."""
    logs: tuple[LogEntry, ...] = ()
    """What `ic0.debug_print` wrote, oldest first, and where the system may write."""
    growths: Count = field(default=0, eq=False)
    """How often a memory was to grow, for those who consider refusing it; no part of the meaning of a module."""
    tried_growths: tuple[Growth, ...] = field(default=(), eq=False)
    """Each of them, likewise, where it is known."""
    calls_tried: Count = field(default=0, eq=False)
    """How often a call was to be performed, likewise."""
    made_calls: tuple[MethodCall, ...] = field(default=(), eq=False)
    """The calls that were performed before it failed, likewise, where they are known."""


@frozen
class Returned:
    """The execution returned. Fields that an entry point cannot set keep their defaults."""

    new_state: WasmState
    instructions_used: Instructions
    new_calls: List[MethodCall] = field(factory=List)
    """In the order of their `ic0.call_perform`."""
    new_certified_data: Blob | None = None
    """What `ic0.certified_data_set` was given last; None if it was not called."""
    new_global_timer: Nanoseconds | None = None
    """What `ic0.global_timer_set` was given last; None if it was not called."""
    response: Response | None = None
    cycles_accepted: Cycles = 0
    """Accepted from the cycles available in the call context."""
    cycles_burned: Cycles = 0
    """Burned with `ic0.cycles_burn128`."""
    cycles_lost: Cycles = 0
    """
    Those for which there was no room when they were accepted, attached to a call, or came back from a call that was not
    made.
    """
    logs: tuple[LogEntry, ...] = ()
    """What `ic0.debug_print` wrote, oldest first, and where the system may write."""
    cleaned_up_after: Trapped | None = None
    """The trap of the callback after which the cleanup closure returned; its instructions are counted above."""
    growths: Count = field(default=0, eq=False)
    """How often a memory was to grow, for those who consider refusing it; no part of the meaning of a module."""
    tried_growths: tuple[Growth, ...] = field(default=(), eq=False)
    """Each of them, likewise, where it is known."""
    calls_tried: Count = field(default=0, eq=False)
    """How often a call was to be performed, likewise."""


Outcome = Returned | Trapped


@frozen
class Inspected:
    """What `canister_inspect_message` gave. A module without it accepts every message."""

    accepts: bool
    """It returned, and accepted the message."""
    traps: bool = False
    """It did not return."""
    growths: Count = field(default=0, eq=False)
    """How often a memory was to grow, for those who consider refusing it; no part of the meaning of a module."""
