"""A canister of the engine: changed in place, with the sizes that fees depend on kept up to date."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Final, NamedTuple

from attrs import field, fields, frozen, mutable

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.subnet.ledger import Ledger
from spec.canister.module import CanisterModule
from spec.canister.outcome import LogEntry
from spec.canister.wasm_state import WasmState
from spec.state.canister import (
    Canister,
    CanisterCode,
    CanisterStatus,
    Code,
    Empty,
    HookStatus,
    LogRecord,
    Running,
    Settings,
    Stopping,
    Subnet,
)
from spec.state.history import CanisterHistory, Change, ControllersChange, Creation
from spec.state.snapshot import Snapshot
from spec.values.containers import List, Map
from spec.values.identifiers import Blob, CanisterId, MethodName, Principal, SnapshotId, Text
from spec.values.quantities import WASM_PAGE, ByteCount, CanisterVersion, Count, Cycles, Instructions, Nanoseconds

LONGEST_LOG: ByteCount = 4096
"""So much of a log is told at most. Source: management-canister, fetch_canister_logs."""
LOG_RECORD_SIZE: ByteCount = 40
"""What a record of a log takes beside its text. Source: production's log buffer."""

HISTORY_ENTRY_SIZE: ByteCount = 184
"""What one entry of the history takes. Source: production's memory accounting."""
HISTORY_CONTROLLER_SIZE: ByteCount = 30
"""What one controller listed in an entry of the history takes besides."""
GLOBAL_SIZE: ByteCount = 32
"""What a global takes; one more is counted for the instruction counter."""
CHUNK_SIZE: ByteCount = 2**20
"""What one stored chunk takes, however long it is."""


@frozen(slots=False)
class InstalledModule:
    """A module with its bytes."""

    raw_module: Blob
    """As uploaded."""
    module: CanisterModule

    @cached_property
    def hash(self) -> Blob:
        """SHA-256 of the module as uploaded."""
        return hashlib.sha256(self.raw_module).digest()

    @cached_property
    def custom_sections_size(self) -> ByteCount:
        """Names and contents of the public and private sections, and a byte for the visibility of each."""
        sections = (*self.module.public_custom_sections.items(), *self.module.private_custom_sections.items())
        return sum(len(name.encode()) + len(content) + 1 for name, content in sections)

    @cached_property
    def size(self) -> ByteCount:
        """What the module takes of the canister's memory."""
        return len(self.raw_module) + self.custom_sections_size


@mutable
class InstalledCode:
    """The code of a canister and what it remembers."""

    installed: InstalledModule
    wasm_state: WasmState


def globals_size(wasm_state: WasmState) -> ByteCount:
    """What the globals take."""
    return GLOBAL_SIZE * (len(wasm_state.globals) + 1)


def wasm_state_size(wasm_state: WasmState) -> ByteCount:
    """What heap, stable memory and globals take."""
    pages = wasm_state.wasm_memory.wasm_pages + wasm_state.stable_memory.wasm_pages
    return pages * WASM_PAGE + GLOBAL_SIZE * (len(wasm_state.globals) + 1)


def snapshot_size(snapshot: Snapshot) -> ByteCount:
    """What a snapshot takes of its canister's memory."""
    chunks = CHUNK_SIZE * len(snapshot.chunk_store)
    return wasm_state_size(snapshot.wasm_state) + len(snapshot.raw_module) + chunks + len(snapshot.certified_data)


def change_size(change: Change) -> ByteCount:
    """What one entry of the history takes."""
    match change.details:
        case Creation() | ControllersChange():
            return HISTORY_ENTRY_SIZE + HISTORY_CONTROLLER_SIZE * len(change.details.controllers)
        case _:
            return HISTORY_ENTRY_SIZE


class History:
    """The changes of a canister, growing at their end."""

    __slots__ = ("changes", "size", "total")

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.total: Count = 0
        self.size: ByteCount = 0

    def record(self, change: Change) -> None:
        """One more change."""
        self.changes.append(change)
        self.total += 1
        self.size += change_size(change)

    def trim(self, kept: Count) -> None:
        """Only the newest changes are kept; the total stays."""
        self.changes = self.changes[len(self.changes) - kept :]
        self.size = sum(map(change_size, self.changes))

    def copied(self) -> "History":
        """The same, which goes on apart from this."""
        copied = History()
        copied.changes, copied.total, copied.size = list(self.changes), self.total, self.size
        return copied

    def frozen(self) -> CanisterHistory:
        """The same as a value of the specification."""
        return CanisterHistory(self.total, List(tuple(self.changes)))


class MethodStart(NamedTuple):
    """How a public method starts."""

    is_query: bool
    """It keeps no changes: it is a query and no update."""
    limit: Instructions
    """How many instructions it may use."""
    price: Cycles
    """What is set aside before."""


@frozen
class Standing:
    """
    What follows from the settings, the status and the code of a canister and from the sizes of all that it has.

    It is kept until one of these changes: `SubnetInstance.has_changed` drops it.
    """

    ledger: Ledger
    """The prices of its subnet."""
    memory_usage: ByteCount
    freezing_limit: Cycles
    largest_easy_heap: ByteCount
    """How large the heap may be before the canister is low on memory."""
    environments: dict[int, KeptEnvironment] = field(factory=dict)
    """What its executions see: by the number of their thread if they are not replicated, otherwise by zero."""
    prices: dict[Instructions, Cycles] = field(factory=dict)
    """What executions cost, by how many instructions they are given."""
    methods: dict[MethodName, MethodStart] = field(factory=dict)
    """How the methods start that the module has, as far as they were called."""


@mutable
class SharedClock:
    """What time it is for all canisters whose clocks have moved on together."""

    time: Nanoseconds = 0


@mutable
class CanisterRecord:
    """Everything of one canister."""

    canister_id: CanisterId
    settings: Settings
    subnet: Subnet
    _time: Nanoseconds | None
    """None if it is that of the shared clock."""
    created_at: Nanoseconds
    balance: Cycles
    reserved_balance: Cycles = 0
    code: InstalledCode | None = None
    """None for an empty canister."""
    status: CanisterStatus = field(factory=Running)
    version: CanisterVersion = 0
    global_timer: Nanoseconds = 0
    certified_data: Blob = b""
    installed_at: Nanoseconds | None = None
    history: History = field(factory=History)
    low_memory_hook: HookStatus = HookStatus.CONDITION_NOT_SATISFIED
    chunk_store: dict[Blob, Blob] = field(factory=dict)
    open_calls: Counter[CanisterId] = field(factory=Counter)
    """How many calls it has made whose responses it has not begun to handle, by callee; only callees with any."""
    logs: list[LogRecord] = field(factory=list)
    next_log_index: Count = 0
    """The number of the next log record, whatever becomes of those before."""
    snapshots: dict[SnapshotId, Snapshot] = field(factory=dict)
    consumed: dict[Text, Cycles] = field(factory=dict)
    """What the canister was charged so far, by the use that `canister_metrics` tells."""
    stop_calls_since: list[Nanoseconds] = field(factory=list)
    """Since when each waiting stop call waits, in the system's time."""
    counted_on_subnet: ByteCount = 0
    """With how many bytes the canister is part of the subnet's use of memory."""
    heartbeat_at: Nanoseconds | None = None
    """The canister's time when the scheduler last ran its heartbeat; it beats once at each time."""
    standing: Standing | None = field(default=None, repr=False)
    """None if it is to be found out anew."""
    _clock: SharedClock = field(factory=SharedClock, repr=False)
    identity: object = field(factory=object, repr=False, eq=False)
    """Copies of the record have the same one; another canister that gets the id has another one."""

    @property
    def time(self) -> Nanoseconds:
        """What time it is for the canister."""
        return self._clock.time if self._time is None else self._time

    @time.setter
    def time(self, time: Nanoseconds) -> None:
        self._time = time

    @property
    def follows_clock(self) -> bool:
        """It is as late for it as the shared clock says."""
        return self._time is None

    def follow(self, clock: SharedClock) -> None:
        """From now on it is as late for the canister as the shared clock says."""
        self._time, self._clock = None, clock

    def call_answered(self, callee: CanisterId) -> None:
        """The canister begins to handle the response to a call."""
        left = self.open_calls[callee] - 1
        if left:
            self.open_calls[callee] = left
        else:
            del self.open_calls[callee]

    def is_controlled_by(self, principal: Principal) -> bool:
        """The principal is a controller."""
        return self.settings.controllers.contains(principal)

    def is_beside(self, other: "CanisterRecord") -> bool:
        """Both are on the same subnet."""
        return self.subnet.subnet_id == other.subnet.subnet_id

    @property
    def chunk_store_size(self) -> ByteCount:
        """What the chunks take."""
        return CHUNK_SIZE * len(self.chunk_store)

    @property
    def snapshots_size(self) -> ByteCount:
        """What the snapshots take."""
        return sum(map(snapshot_size, self.snapshots.values()))

    def memory_usage(self, wasm_state: WasmState | None = None) -> ByteCount:
        """What the canister takes now, or would take if its code were in the state given."""
        without_code = self.history.size
        if self.chunk_store or self.snapshots:
            without_code += self.chunk_store_size + self.snapshots_size
        if self.code is None:
            return without_code
        state = self.code.wasm_state if wasm_state is None else wasm_state
        return wasm_state_size(state) + self.code.installed.size + without_code

    def add_logs(self, entries: Iterable[LogEntry], system_records: Iterable[Blob | None] = ()) -> None:
        """
        Entries at the young end of the log, at the canister's time.

        Where the system may write, its next record stands, or what stands there without one.
        """
        records = iter(system_records)
        for entry in entries:
            content: Blob | None
            if isinstance(entry, bytes):
                content = entry
            else:
                own = next(records, None)
                content = entry.otherwise if own is None else own
            if content is not None:
                self.logs.append(LogRecord(self.next_log_index, self.time, content))
                self.next_log_index += 1

    @property
    def logs_size(self) -> ByteCount:
        """What the records of the log take."""
        return _logs_size(self.logs)

    @property
    def has_long_log(self) -> bool:
        """The log is longer than one is kept."""
        return self.logs_size > LONGEST_LOG

    @property
    def logs_that_fit(self) -> Count:
        """How many of the youngest records are together no longer than a log is kept."""
        kept, size = 0, 0
        for record in reversed(self.logs):
            size += _logs_size([record])
            if size > LONGEST_LOG:
                break
            kept += 1
        return kept

    def keep_logs(self, kept: Count) -> None:
        """Forgets all but so many of the youngest records."""
        self.logs = self.logs[len(self.logs) - kept :]

    def copied(self) -> "CanisterRecord":
        """The same canister. What changes in one of them does not change in the other."""
        like = CanisterRecord.__new__(CanisterRecord)
        for take, put in _PLACES:
            put(like, take(self))
        code = self.code
        like.code = None if code is None else InstalledCode(code.installed, code.wasm_state)
        like.history = self.history.copied()
        like.chunk_store, like.snapshots = dict(self.chunk_store), dict(self.snapshots)
        like.open_calls, like.consumed = Counter(self.open_calls), dict(self.consumed)
        like.logs, like.stop_calls_since = list(self.logs), list(self.stop_calls_since)
        return like

    def _frozen_code(self) -> CanisterCode:
        if self.code is None:
            return Empty()
        return Code(self.code.installed.raw_module, self.code.wasm_state)

    def frozen(self) -> Canister:
        """The same as a value of the specification."""
        return Canister(
            code=self._frozen_code(),
            settings=self.settings,
            status=self.status,
            version=self.version,
            subnet=self.subnet,
            time=self.time,
            global_timer=self.global_timer,
            balance=self.balance,
            reserved_balance=self.reserved_balance,
            certified_data=self.certified_data,
            created_at=self.created_at,
            installed_at=self.installed_at,
            history=self.history.frozen(),
            low_memory_hook=self.low_memory_hook,
            chunk_store=Map.of(self.chunk_store.items()),
            logs=List(tuple(self.logs)),
            next_log_index=self.next_log_index,
            snapshots=Map.of(self.snapshots.items()),
        )


_PLACES: Final = [
    (place.__get__, place.__set__) for place in (getattr(CanisterRecord, one.name) for one in fields(CanisterRecord))
]
"""Where the fields of a record are. Reason: records are copied often, and this is the quickest way."""


def _logs_size(records: list[LogRecord]) -> ByteCount:
    return sum(LOG_RECORD_SIZE + len(record.content) for record in records)


def empty_canister(canister_id: CanisterId, canister: Canister) -> CanisterRecord:
    """A canister that is there at the beginning. Raises `ValueError` if it has code or snapshots, or is stopping."""
    if not isinstance(canister.code, Empty) or len(canister.snapshots) or isinstance(canister.status, Stopping):
        raise ValueError(f"canister {canister_id.hex()} is not one that an instance can begin with")
    record = CanisterRecord(
        canister_id=canister_id,
        settings=canister.settings,
        subnet=canister.subnet,
        time=canister.time,
        created_at=canister.created_at,
        balance=canister.balance,
        reserved_balance=canister.reserved_balance,
        status=canister.status,
        version=canister.version,
    )
    for change in canister.history.recent_changes:
        record.history.record(change)
    record.history.total = canister.history.total_changes
    return record
