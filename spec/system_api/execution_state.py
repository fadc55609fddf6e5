"""
The state of one execution: what the System API reads and changes while a function of a canister runs.

It lives as long as one invocation. Nothing in it reaches the canister unless the function returns. Source:
abstract-behavior, the execution state.
"""

from collections.abc import Callable
from itertools import pairwise

from attrs import define, field, frozen

from spec.canister.environment import Caller, Environment
from spec.canister.outcome import Closure, Growth, LogEntry, MethodCall, SystemRecord, TrapCause
from spec.canister.wasm_state import WasmState
from spec.fees import freezing_limit_with_messages, larger, liquid_balance, smaller
from spec.system_api.context import REPLICATED, Context
from spec.system_api.stable_pages import StablePages
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MethodName, Text
from spec.values.quantities import WASM_PAGE, ByteCount, Count, Cycles, Instructions, Nanoseconds, Seconds, credited
from spec.values.rejects import Reject, Response
from spec.wasm.execute import Instance
from spec.wasm.traps import Trap

PERSISTENT_GLOBAL: ByteCount = 32
"""What a global counts in the memory usage; one more stands for the instruction counter. Source: facts on limits."""

LOG_RECORD: ByteCount = 40
"""What a log record takes beside its text. Source: facts on System API costs, notes."""


@frozen
class Parameters:
    """What an entry point is called with. Source: abstract-behavior, `Params`."""

    environment: Environment
    caller: Caller = Caller(MANAGEMENT_CANISTER)
    argument: Blob = b""
    """The argument of the call, or in a reply callback the data of the reply."""
    reject: Reject | None = None
    """The reject that a reject callback, or its cleanup, handles."""
    refunded_cycles: Cycles = 0
    method_name: MethodName = ""
    """Of the message that is inspected."""
    deadline: Nanoseconds | None = None
    """After which the caller may stop waiting."""
    available_cycles: Cycles = 0
    needs_to_respond: bool = True
    """The call has not been answered by an earlier execution."""
    growths_before: tuple[Growth, ...] = ()
    """How the callback tried to grow memories, after whose trap a cleanup runs."""


@frozen
class GrowthUnderWay:
    """A memory is about to grow."""

    size_before: ByteCount
    """Of the heap and stable memory together."""
    calls_before: Count
    balance: Cycles


@define
class CallUnderConstruction:
    """A call between `ic0.call_new` and `ic0.call_perform`."""

    callee: CanisterId
    method_name: MethodName
    name_size: ByteCount
    """Of the method name as given, in bytes."""
    on_reply: Closure
    on_reject: Closure
    on_cleanup: Closure | None = None
    argument: bytearray = field(factory=bytearray)
    transferred_cycles: Cycles = 0
    timeout: Seconds | None = None

    @property
    def payload(self) -> ByteCount:
        """The bytes that are paid for and limited."""
        return self.name_size + len(self.argument)


@define
@defines("entry.execution-state")
class Execution:
    """The mutable state of one invocation."""

    context: Context
    parameters: Parameters
    self_id: CanisterId
    wasm64: bool
    """Memory 0 of the module has 64-bit addresses."""
    limit: Instructions
    """With which the instruction counter started."""
    stable_memory: StablePages
    instance: Instance | None = None
    """The module instance, from its creation on."""
    response: Response | None = None
    reply_data: bytearray = field(factory=bytearray)
    available_cycles: Cycles = 0
    accepted_cycles: Cycles = 0
    burned_cycles: Cycles = 0
    lost_cycles: Cycles = 0
    """Those for which there was no room where they were added."""
    pending_call: CallUnderConstruction | None = None
    calls: list[MethodCall] = field(factory=list)
    calls_tried: Count = 0
    """How often `ic0.call_perform` was called, whether or not it succeeded."""
    growths: list[GrowthUnderWay] = field(factory=list)
    """The growths of memories that were tried, whether or not they succeeded."""
    message_memory: ByteCount = 0
    """What these calls take of message memory."""
    new_certified_data: Blob | None = None
    new_global_timer: Nanoseconds | None = None
    message_accepted: bool = False
    """`ic0.accept_message` was called."""
    stable_page_charge: Instructions = 0
    """The part of what was charged that is for pages of stable memory."""
    trap_message: Text = ""
    """What `ic0.trap` was given."""
    logs: list[LogEntry] = field(factory=list)
    log_records: list[ByteCount] = field(factory=list)
    """The sizes of the records that the log of this execution holds."""

    @property
    def environment(self) -> Environment:
        """The system as the execution sees it."""
        return self.parameters.environment

    @property
    def running(self) -> Instance:
        """The module instance."""
        assert self.instance is not None
        return self.instance

    # Memories.

    def may_grow(self) -> bool:
        """The system lets the memory grow that is to grow now, if there is room. Traps where it ends the execution."""
        number = self.growths_tried
        self.growths.append(GrowthUnderWay(self.memory_size, self.calls_tried, self.balance))
        if number in self.environment.trapping_growths:
            raise Trap("the system has no memory left")
        return number not in self.environment.refused_growths

    @property
    def growths_tried(self) -> Count:
        """How often a memory was to grow, the heap or stable memory, whether or not it did."""
        return len(self.parameters.growths_before) + len(self.growths)

    @property
    def tried_growths(self) -> tuple[Growth, ...]:
        """All growths that were tried, those of the callback before a cleanup included."""
        if not self.growths:
            return self.parameters.growths_before
        sizes = [*(growth.size_before for growth in self.growths), self.memory_size]
        granted = (after - before for before, after in pairwise(sizes))
        return self.parameters.growths_before + tuple(
            Growth(size, growth.calls_before, growth.balance)
            for size, growth in zip(granted, self.growths, strict=True)
        )

    @property
    def memory_size(self) -> ByteCount:
        """Of the heap and stable memory together."""
        return self.heap_size + self.stable_memory.wasm_pages * WASM_PAGE

    # The heap.

    @property
    def heap_size(self) -> ByteCount:
        """In bytes; 0 for a module without memory."""
        memory = self.running.memory
        return 0 if memory is None else memory.size

    @defines("api-general.blob-idiom")
    def read_heap(self, source: int, size: int) -> bytes:
        """Bytes of the heap. Traps if they are not all inside it."""
        memory = self.running.memory
        if source + size > self.heap_size:
            raise Trap(f"{size} bytes at {source} are outside the heap")
        return b"" if memory is None else memory.read(source, size)

    def check_heap(self, destination: int, size: int) -> None:
        """Traps unless so many bytes can be written there."""
        if destination + size > self.heap_size:
            raise Trap(f"{size} bytes at {destination} are outside the heap")

    def write_heap(self, destination: int, content: bytes) -> None:
        """Replaces bytes of the heap. Traps if they are not all inside it."""
        self.check_heap(destination, len(content))
        memory = self.running.memory
        if memory is not None and content:
            memory.write(destination, content)

    @defines("api-general.blob-idiom")
    def copy_to_heap(self, destination: int, offset: int, size: int, source: bytes) -> None:
        """Copies a part of a blob. Traps if the part is not inside the blob, or does not fit into the heap."""
        if offset + size > len(source):
            raise Trap(f"{size} bytes at {offset} are outside the {len(source)} bytes there are")
        self.write_heap(destination, source[offset : offset + size])

    @defines("api-general.cycles-encoding")
    def write_cycles(self, destination: int, amount: Cycles) -> None:
        """Writes an amount of cycles: 16 bytes, the least significant one first."""
        self.write_heap(destination, amount.to_bytes(16, "little"))

    # Cycles.

    @property
    def performed_calls_cost(self) -> Cycles:
        """What has left the balance for calls that were performed."""
        return sum(call.transferred_cycles + call.fee + call.callback.reserved_cycles for call in self.calls)

    @property
    @defines("unspec.fn.balance-drift")
    def balance(self) -> Cycles:
        """The balance as the canister sees it: without what the call under construction carries."""
        carried = 0 if self.pending_call is None else self.pending_call.transferred_cycles
        gained = self.environment.balance + self.accepted_cycles - self.lost_cycles
        return gained - self.burned_cycles - self.performed_calls_cost - carried

    @defines("seed1.top-up")
    def accept_cycles(self, largest: Cycles) -> Cycles:
        """
        Moves cycles from the call to the balance and gives how many.

        The call loses as many as were asked for, if it has them, also where the balance has no room for them.
        """
        accepted = smaller(largest, self.available_cycles)
        self.lost_cycles += credited(self.balance, accepted).lost
        self.available_cycles -= accepted
        self.accepted_cycles += accepted
        return accepted

    def attach_cycles(self, call: CallUnderConstruction, amount: Cycles) -> None:
        """Moves cycles from the balance to the call under construction."""
        attached = credited(call.transferred_cycles, amount)
        call.transferred_cycles = attached.total
        self.lost_cycles += attached.lost

    @defines("entry.pending-call-discarded")
    def drop_pending_call(self) -> None:
        """The call under construction, if there is one, is not made; its cycles come back."""
        if self.pending_call is not None:
            self.lost_cycles += credited(self.balance, self.pending_call.transferred_cycles).lost
            self.pending_call = None

    @property
    def memory_usage(self) -> ByteCount:
        """What the canister's memory amounts to now."""
        environment = self.environment
        persistent_globals = len(self.running.persistent_globals())
        return (
            self.heap_size
            + self.stable_memory.size
            + PERSISTENT_GLOBAL * (persistent_globals + 1)
            + environment.memory_usage_raw_module
            + environment.memory_usage_canister_history
            + environment.memory_usage_chunk_store
            + environment.memory_usage_snapshots
        )

    def liquid(self, balance: Cycles, message_memory: ByteCount = 0) -> Cycles:
        """What of a balance may be spent without freezing the canister, if it pays for so much message memory."""
        environment = self.environment
        limit = freezing_limit_with_messages(
            environment.profile.fees,
            environment.compute_allocation,
            environment.memory_allocation,
            environment.freezing_threshold,
            self.memory_usage,
            message_memory,
            environment.subnet_size,
        )
        return larger(liquid_balance(balance, environment.reserved_balance, limit), 0)

    # Logs.

    @property
    def log_space(self) -> ByteCount:
        """The bytes still free in the log of this execution."""
        return self.environment.profile.limits.log_capacity - sum(self.log_records)

    @defines("inv.logs-replicated-only")
    def log(self, text: Blob) -> None:
        """
        Writes to the log, where the oldest records make room. Only replicated executions keep it.

        A text that the log has no room for at all is cut.
        """
        kept = self._cut(text)
        if self.context in REPLICATED:
            self.logs.append(kept)

    def log_of_system(self, otherwise: Blob | None, cause: TrapCause | None) -> None:
        """Notes that the system may write to the log, and what stands there if it does not."""
        kept = None if otherwise is None else self._cut(otherwise)
        if self.context in REPLICATED:
            self.logs.append(SystemRecord(kept, cause))

    def _cut(self, text: Blob) -> Blob:
        """What the log keeps of a text, which then takes its room."""
        limits = self.environment.profile.limits
        kept = text[: smaller(limits.log_message, larger(limits.log_capacity - LOG_RECORD, 0))]
        self.log_records.append(LOG_RECORD + len(kept))
        while self.log_space < 0:
            self.log_records.pop(0)
        return kept


def start_execution(
    context: Context, parameters: Parameters, wasm_state: WasmState, wasm64: bool, limit: Instructions
) -> Execution:
    """The state in which an invocation starts."""
    return Execution(
        context=context,
        parameters=parameters,
        self_id=wasm_state.self_id,
        wasm64=wasm64,
        limit=limit,
        stable_memory=StablePages(wasm_state.stable_memory),
        available_cycles=parameters.available_cycles,
    )


ApiFunction = Callable[..., int | None]
"""
The meaning of an import: the execution and the operands, as unsigned numbers, to the result, if there is one.
Checklist: `module.numbers-unsigned`.
"""
