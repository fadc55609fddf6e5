"""One execution as the System API sees it: what it was given, what it has done so far."""

from collections import deque
from typing import Final

from reference_impl.wasm.instances.instance import WasmtimeInstance
from reference_impl.wasm.instances.stable_memory import StableMemory
from reference_impl.wasm.layout.fast_functions import (
    ACCEPTED,
    AVAILABLE,
    BALANCE,
    BURNED,
    CALL_IN_HOST,
    CALL_IN_MODULE,
    CALL_PLACE,
    CALL_STATE,
    CALLS_TRIED,
    HEAP_SIZE,
    HEAP_SPENDING,
    KEPT_BACK,
    LOG_SPACE,
    NO_CALL,
    REPLIED,
    ROOM_MOST,
    ROOM_TAKEN,
    SPENDABLE,
    STABLE_PAGES,
    STABLE_SPENDING,
)
from reference_impl.wasm.layout.system_functions import LOG_SENT, LOG_STORED, Context
from reference_impl.wasm.rewriting.charge_code import is_overrun
from reference_impl.wasm.rewriting.fast_stable_code import PAGE_CHARGE
from reference_impl.wasm.system_api import costs
from reference_impl.wasm.system_api.given import Given
from reference_impl.wasm.system_api.performed_calls import CallUnderConstruction, PerformedCalls, under_construction
from spec.canister.environment import Caller, Environment
from spec.canister.outcome import Growth, LogEntry, SystemRecord, TrapCause, TrapReason
from spec.canister.wasm_state import WasmState
from spec.values.identifiers import Blob, CanisterId
from spec.values.quantities import MAXIMUM_CYCLES, ByteCount, Count, Cycles, Instructions
from spec.values.rejects import Reply, Response

LOWEST: Final = -(2**63)
"""Where the counter saturates."""
HIGHEST: Final = 2**63 - 1
NOTHING: Final = b""
"""What stands for a reply to which the host has appended nothing."""
CYCLES_SIZE: Final[ByteCount] = 16
LOG_RECORD: Final[ByteCount] = 40
"""What a log record takes beside its text. Source: facts on System API costs, notes."""


class Ended(Exception):
    """The execution has ended without returning."""

    def __init__(
        self, reason: TrapReason = TrapReason.TRAPPED, message: str = "", cause: TrapCause | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.cause = cause
        """What a record in the log calls the trap; None if none is made."""


class Execution:
    """
    The state of one execution, made when it first needs the host. Source: abstract-behavior, the execution state.

    What is written below with a value is what it begins with.
    """

    response: Response | None = None
    overflow: Cycles = 0
    """What would have made an amount of cycles too large for 128 bits, and is gone."""
    call: CallUnderConstruction | None = None
    """Unless the module has it."""
    new_certified_data: Blob | None = None
    """What the host has set; what the module has set afterwards is in its memory."""
    log_size: ByteCount = 0
    """What the records that the log still holds take."""
    reply_data: bytes | bytearray = NOTHING
    """What has been appended to the reply, as far as the host has it."""
    _performed: PerformedCalls | None = None
    _logs: list[LogEntry] | None = None
    _log_records: deque[ByteCount] | None = None
    growths_under_way: tuple[tuple[ByteCount, Count, Cycles], ...] = ()
    """Of each growth that is told: the size of memories before, the calls tried before, and the balance."""

    def __init__(self, instance: WasmtimeInstance, state: WasmState, given: Given) -> None:
        """The execution of a function that an instance has begun on a state."""
        self.given = given
        self.state = state
        """The state before it."""
        self.instance = instance
        self.environment: Environment = given.environment
        self.cells = instance.system.cells
        """The cells of the system memory."""
        self.growths_tried: Count = given.growths_before
        """How often a memory was to grow. Code that is not exact does not ask for the heap, and is not counted."""

    @property
    def self_id(self) -> CanisterId:
        """The canister."""
        return self.state.self_id

    @property
    def context(self) -> Context:
        """From where it was begun."""
        return self.given.context

    @property
    def argument(self) -> Blob:
        """What it was given."""
        return self.given.argument

    @property
    def caller(self) -> Caller:
        """Who called."""
        return self.given.caller

    @property
    def performed(self) -> PerformedCalls:
        """The calls that were performed, as far as the host knows them."""
        if self._performed is None:
            self._performed = PerformedCalls()
        return self._performed

    @property
    def performed_if_any(self) -> PerformedCalls | None:
        """The same, or None if the host has known of none."""
        return self._performed

    @property
    def logs(self) -> tuple[LogEntry, ...]:
        """What was written into the log."""
        return () if self._logs is None else tuple(self._logs)

    @property
    def one_slice(self) -> Instructions:
        """How much a slice of the execution holds."""
        return self.given.one_slice

    @property
    def is_64_bit(self) -> bool:
        """The module has a 64-bit memory."""
        return self.instance.compiled.parsed.has_64_bit_memory

    @property
    def largest_response(self) -> ByteCount:
        """How many bytes a reply or a reject message may have."""
        return self.given.largest_response

    @property
    def must_respond(self) -> bool:
        """The call is not answered yet, and whoever executes owes the answer."""
        return self.given.needs_to_respond and self.response is None

    @property
    def calls_tried(self) -> Count:
        """How often a call was to be performed."""
        return self.cells[CALLS_TRIED]

    def take_calls(self) -> None:
        """Takes over what the module has done about calls by itself. Raises `CallNotTaken`."""
        cells, system = self.cells, self.instance.system
        if cells[CALL_STATE] == CALL_IN_MODULE:
            self.call = under_construction(*system.call_record(cells[CALL_PLACE]))
            cells[CALL_STATE] = CALL_IN_HOST
        self.performed.take_over(system, self.environment)

    def set_call(self, call: CallUnderConstruction | None) -> None:
        """The host begins a call, or there is none any more."""
        self.call = call
        self.cells[CALL_STATE] = NO_CALL if call is None else CALL_IN_HOST

    def may_grow(self) -> bool:
        """The system lets the memory grow that is to grow now, if there is room."""
        number = self.growths_tried
        self.growths_tried += 1
        if self.given.tells_growths:
            self.growths_under_way += ((self.memory_size, self.calls_tried, self.balance()),)
        self.trap_unless(number not in self.environment.trapping_growths)
        return number not in self.environment.refused_growths

    @property
    def memory_size(self) -> ByteCount:
        """The size of heap and stable memory together now."""
        return self.instance.memory_size + self.stable_size

    def growths_told(self) -> tuple[Growth, ...]:
        """Each growth that is told, by how much it went."""
        sizes = [size for size, _, _ in self.growths_under_way[1:]]
        after = [*sizes, self.memory_size] if self.growths_under_way else []
        return tuple(
            Growth(then - before, calls, balance)
            for then, (before, calls, balance) in zip(after, self.growths_under_way, strict=True)
        )

    def trap_unless(self, condition: bool, cause: TrapCause | None = None) -> None:
        """Ends the execution if a condition of the System API does not hold."""
        if not condition:
            raise Ended(cause=cause)

    @property
    def stable(self) -> StableMemory:
        """The stable memory, which the module must use."""
        assert self.instance.stable is not None
        return self.instance.stable

    @property
    def stable_size(self) -> ByteCount:
        """The size of stable memory now."""
        return self.state.stable_memory.size if self.instance.stable is None else self.instance.stable.size

    @property
    def stable_page_charge(self) -> Instructions:
        """What pages of stable memory that were written have been charged for."""
        return 0 if self.instance.stable is None else PAGE_CHARGE * self.instance.stable.pages_written

    # INSTRUCTIONS

    def charge(self, amount: Instructions) -> None:
        """Charges for a system function. Source: facts on System API costs, rule C2."""
        counter = self.instance.counter.get()
        if counter < 0 or amount > HIGHEST:
            raise Ended(TrapReason.OUT_OF_INSTRUCTIONS)
        self.instance.counter.set(counter - amount)
        self._end_if_overrun(counter, amount)
        if counter < amount:
            raise Ended(TrapReason.OUT_OF_INSTRUCTIONS)

    def charge_in_module(self, amount: Instructions) -> None:
        """Charges as the helper in the module does. Source: facts on instruction weights, rule D4."""
        before = self.instance.counter.get()
        counter = max(LOWEST, before - amount) if amount <= HIGHEST else LOWEST
        self.instance.counter.set(counter)
        self._end_if_overrun(before, amount)
        if counter < 0:
            raise Ended(TrapReason.OUT_OF_INSTRUCTIONS)

    def _end_if_overrun(self, counter: int, amount: Instructions) -> None:
        """Ends the execution if an amount is too large for slices. Source: the same facts, rules T4 and T5."""
        if is_overrun(self.given.limit - counter, amount, self.given.limit, self.one_slice):
            raise Ended(TrapReason.SLICE_OVERRUN)

    def executed(self) -> Instructions:
        """The instructions used so far."""
        return self.given.limit - self.instance.counter.get()

    # MEMORY

    def read(self, source: int, size: int) -> Blob:
        """Bytes of the heap; a trap if they do not lie inside."""
        heap_size = self.cells[HEAP_SIZE]
        if source + size > heap_size:
            raise Ended
        return bytes(self.instance.view(heap_size)[source : source + size])

    def read_text(self, source: int, size: int) -> str:
        """Text from the heap; a trap if it does not lie inside or is not valid UTF-8."""
        try:
            return self.read(source, size).decode()
        except UnicodeDecodeError:
            raise Ended from None

    def write(self, destination: int, content: Blob) -> None:
        """Puts bytes into the heap; a trap if they do not lie inside."""
        heap_size = self.cells[HEAP_SIZE]
        if destination + len(content) > heap_size:
            raise Ended
        self.instance.view(heap_size)[destination : destination + len(content)] = content

    def copy(self, destination: int, offset: int, size: int, source: Blob) -> None:
        """Copies a part of a blob into the heap. Source: canister-interface, blob-typed arguments and results."""
        if offset + size > len(source):
            raise Ended
        self.write(destination, source[offset : offset + size])

    def write_cycles(self, destination: int, amount: Cycles) -> None:
        """Writes an amount of cycles as 16 bytes, little-endian."""
        self.write(destination, min(amount, MAXIMUM_CYCLES).to_bytes(CYCLES_SIZE, "little"))

    # REPLY

    def gather_reply(self) -> None:
        """Takes over what has been appended to the reply inside the module."""
        if self.reply_data is NOTHING:
            self.reply_data = bytearray()
        self.reply_data += self.instance.system.take_reply()

    def take_over(self) -> None:
        """Takes over what the module has done by itself and the host must know of: that it has replied."""
        if self.cells[REPLIED]:
            self.cells[REPLIED] = 0
            self.reply()

    def reply(self) -> None:
        """Replies with what was appended."""
        self.respond(Reply(bytes(self.reply_data) + self.instance.system.take_reply()))

    def append_to_reply(self, content: Blob) -> None:
        """Appends to the reply, whose length the caller has checked."""
        self.reply_data += content
        self.instance.system.leave_room(self.largest_response - len(self.reply_data))

    def respond(self, response: Response) -> None:
        """Responds; cycles not accepted go back."""
        self.response = response
        self.instance.system.set_amount(AVAILABLE, 0)
        self.instance.system.close_reply()

    # CYCLES

    def balance(self) -> Cycles:
        """The balance now. Source: canister-interface, canister_cycle_balance128."""
        return self.instance.system.amount(BALANCE)

    @property
    def available(self) -> Cycles:
        """What may still be accepted of the cycles of the call."""
        return self.instance.system.amount(AVAILABLE)

    def _not_to_be_spent(self, messages_size: ByteCount) -> Cycles:
        """The balance below which the canister would be frozen now, with messages of this size."""
        environment, size = self.environment, self.cells[HEAP_SIZE] + self.stable_size + costs.globals_size(self.state)
        return costs.not_to_be_spent(size, messages_size, environment)

    def liquid_balance(self, messages_size: ByteCount = 0) -> Cycles:
        """What may be spent now without freezing the canister, with messages of this size; 0 if it is frozen."""
        return max(0, self.balance() - self._not_to_be_spent(messages_size))

    def call_price(self, payload: ByteCount) -> tuple[Cycles, Cycles]:
        """What calling with so many bytes of method name and argument takes: the fee, and what is set aside."""
        environment = self.environment
        prices = costs.call_prices(self.is_64_bit, environment)
        return prices.fee + costs.scale(environment.profile.fees.call_byte * payload, environment), prices.reserve

    def accept_cycles(self, most: Cycles) -> Cycles:
        """Moves cycles from the call to the balance, as many as are there."""
        system, available = self.instance.system, self.available
        amount = min(most, available)
        system.set_amount(AVAILABLE, available - amount)
        system.set_amount(ACCEPTED, system.amount(ACCEPTED) + amount)
        self.gain(amount)
        return amount

    def gain(self, amount: Cycles) -> None:
        """Adds to the balance what it has room for; the rest is gone."""
        balance = self.balance()
        gained = min(amount, MAXIMUM_CYCLES - balance)
        self.overflow += amount - gained
        self.instance.system.set_amount(BALANCE, balance + gained)

    def spend(self, amount: Cycles) -> None:
        """Takes from the balance what may be spent."""
        self.instance.system.set_amount(BALANCE, self.balance() - amount)
        self.tell_spendable()

    def tell_spendable(self) -> None:
        """Tells the module what may be spent from now on."""
        system, cells = self.instance.system, self.cells
        cells[HEAP_SPENDING], cells[STABLE_SPENDING] = cells[HEAP_SIZE], cells[STABLE_PAGES]
        cells[ROOM_MOST] = cells[ROOM_TAKEN] + costs.room_for_some_calls(self.environment)
        system.set_amount(SPENDABLE, self.liquid_balance(cells[ROOM_MOST]))
        system.set_amount(KEPT_BACK, min(self._not_to_be_spent(0), MAXIMUM_CYCLES))

    def burn_cycles(self, most: Cycles) -> Cycles:
        """Burns cycles, but no more than may be spent."""
        system, amount = self.instance.system, min(most, self.liquid_balance())
        system.set_amount(BURNED, system.amount(BURNED) + amount)
        self.spend(amount)
        return amount

    def attach_cycles(self, call: CallUnderConstruction, amount: Cycles) -> None:
        """Moves cycles from the balance onto a call."""
        attached = min(amount, MAXIMUM_CYCLES - call.cycles)
        self.overflow += amount - attached
        call.cycles += attached
        self.spend(amount)

    def drop_call(self) -> None:
        """Gives up the call under construction, if there is one; the balance gets its cycles back."""
        if self.call is not None:
            self.gain(self.call.cycles)
            self.set_call(None)

    # LOG

    def log_cost(self, size: int) -> Instructions:
        """What writing so many bytes into the log costs. Source: facts on System API costs, debug_print."""
        capacity = self.environment.profile.limits.log_capacity
        return LOG_STORED * min(size, capacity) + LOG_SENT * min(size, capacity - self.log_size)

    def log(self, text: Blob) -> None:
        """Adds to the log, which only replicated executions have."""
        self._keep(self._stored(text))

    def log_of_system(self, otherwise: Blob | None, cause: TrapCause | None) -> None:
        """Leaves a place in the log where the system may write; without that, the text given stands there, if any."""
        self._keep(SystemRecord(None if otherwise is None else self._stored(otherwise), cause))

    def _keep(self, entry: LogEntry) -> None:
        if self.context.is_replicated:
            if self._logs is None:
                self._logs = []
            self._logs.append(entry)

    def _stored(self, text: Blob) -> Blob:
        """What the log keeps of a text, for which the oldest records make room."""
        limits = self.environment.profile.limits
        kept = text[: min(limits.log_message, max(0, limits.log_capacity - LOG_RECORD))]
        if self._log_records is None:
            self._log_records = deque()
        self._log_records.append(LOG_RECORD + len(kept))
        self.log_size += LOG_RECORD + len(kept)
        while self.log_size > limits.log_capacity:
            self.log_size -= self._log_records.popleft()
        self.cells[LOG_SPACE] = limits.log_capacity - self.log_size
        return kept
