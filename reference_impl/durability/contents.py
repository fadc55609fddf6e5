"""
What a state directory keeps of an engine, as entries by key: what has changed since they were last asked for.

Modules and chunks are kept once, by their hashes, however many canisters have them. Memories are kept by their 4 KiB
pages, of which those are looked at that executions have written since. The instance notes which canisters and requests
may have changed, and only those are looked at. So what is asked for costs what has changed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, Protocol

from attrs import evolve, field, frozen
from rpds import HashTrieMap

from reference_impl.durability.checkpoints import Later
from reference_impl.durability.kept_values import NoValue, decoded, encoded
from reference_impl.durability.pages_on_disk import PAGE_NUMBER_SIZE, PagesOnDisk
from reference_impl.engine import Engine
from reference_impl.reads.state_tree import state_tree
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.ingress_history import Asker
from reference_impl.subnet.subnet_instance import SubnetInstance
from reference_impl.trace.restoration import (
    KeptCanister,
    bring_back_canisters,
    kept_canister,
    resume,
    under_way,
)
from reference_impl.wasm.instances.page_tracking import differences
from reference_impl.wasm.instances.stored_pages import StoredPages
from reference_impl.wasm.instances.written_pages import WRITTEN
from spec.canister.wasm_state import WasmState
from spec.state.canister import Code
from spec.state.request import KnownRequest
from spec.state.snapshot import Snapshot
from spec.values.containers import Map
from spec.values.identifiers import Blob, CanisterId, RequestId
from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, ByteCount, Count, Nanoseconds

ENGINE: Final = b"E"
"""The key of all that is one for the whole engine. The keys of the rest begin with a letter too."""
CANISTER, CONTENT, REQUEST, PAGE = b"C", b"B", b"R", b"P"
HEAP, STABLE = b"h", b"s"
"""The two memories of a canister or of a snapshot."""

NO_MEMORY: Final = LinearMemory()
Changes = dict[Blob, Blob | Later | None]
"""What is new, by key: None for what is there no longer. Pages that are in files are read later."""
Owner = Blob
"""The id of a canister or of a snapshot."""


def _page_prefix(kind: Blob, owner: Owner) -> Blob:
    return PAGE + kind + bytes((len(owner),)) + owner


class _Same:
    """Equal to what holds the same object."""

    __slots__ = ("held",)

    def __init__(self, held: object) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.held is other.held

    __hash__ = None  # type: ignore[assignment]


def _seen(record: CanisterRecord, instance: SubnetInstance) -> tuple[object, ...]:
    """All that the entry of a canister is made from. What is never changed in place is told by which object it is."""
    return (
        _Same(record.settings),
        _Same(record.code and record.code.wasm_state),
        _Same(record.code and record.code.installed),
        _Same(record.status),
        None if record.time == instance.system_time else record.time,
        *(record.balance, record.reserved_balance, record.version, record.global_timer, record.certified_data),
        *(record.created_at, record.installed_at, record.low_memory_hook, record.next_log_index, record.heartbeat_at),
        *(record.history.total, len(record.history.changes), tuple(record.logs), tuple(record.stop_calls_since)),
        *(tuple(record.chunk_store), dict(record.open_calls), dict(record.consumed)),
        tuple((one, _Same(snapshot)) for one, snapshot in record.snapshots.items()),
    )


def _is_apart(instance: SubnetInstance) -> bool:
    """For canisters without a time of their own it is not as late as for the system."""
    return instance.clock.time != instance.system_time


def _with_other_time(instance: SubnetInstance) -> set[CanisterId]:
    """The canisters with a time of their own that is not the system's."""
    time, canisters = instance.system_time, instance.canisters
    return {one for one in instance.with_own_time if canisters[one].time != time}


@frozen
class _Known:
    """A canister when it was last looked at."""

    identity: object
    seen: tuple[object, ...]
    contents: frozenset[Blob] = frozenset()
    """The hashes of its modules and chunks."""
    memories: dict[Blob, LinearMemory] = field(factory=dict)
    """By the beginning of the keys of their pages."""


class Contents:
    """Follows one engine, as only one may."""

    def __init__(self, numbers: Mapping[CanisterId, Count] | None = None) -> None:
        """Canisters that were brought back have numbers already."""
        self._numbers = dict(numbers or {})
        """Canisters are brought back in the order of these."""
        self._next_number: Count = max(self._numbers.values(), default=0) + 1
        self._canisters: dict[CanisterId, _Known] = {}
        self._holders: Counter[Blob] = Counter()
        """How many canisters have a module or chunk, by its hash."""
        self._requests: dict[RequestId, KnownRequest] = {}
        self._changes: Changes = {}
        self._has_looked = False
        self._looks_at_pages = True
        self._with_other_time: set[CanisterId] = set()
        """The canisters for which it was not as late as for the system."""
        self._was_apart = False

    def take_as_kept(self, engine: Engine) -> None:
        """All is kept as it is. No page is looked at."""
        self._looks_at_pages = False
        self.changes(engine)
        self._looks_at_pages = True

    def changes(self, engine: Engine) -> Changes:
        """The entries that have changed since they were last asked for; at first, all of them."""
        return {ENGINE: encoded(_of_engine(engine)), **self.changes_of_parts(engine.instance)}

    def changes_of_parts(self, instance: SubnetInstance) -> Changes:
        """Those of canisters and requests."""
        for canister_id in self._to_look_at(instance):
            record = instance.canisters.get(canister_id)
            if record is not None:
                self._follow(canister_id, record, instance)
            elif canister_id in self._canisters:
                self._forget(canister_id)
        self._follow_requests(instance)
        self._has_looked = True
        changes, self._changes = self._changes, {}
        return changes

    def overlooked(self, instance: SubnetInstance) -> Blob | None:
        """
        The id of a canister or request that is not as it was last looked at; None if there is none.

        When the instance has not changed since there is none, unless it did not note something.
        """
        canisters = {one: _seen(record, instance) for one, record in instance.canisters.items()}
        kept = {one: known.seen for one, known in self._canisters.items()}
        requests = dict(instance.ingress.items())
        different = (one for one in canisters.keys() | kept.keys() if canisters.get(one) != kept.get(one))
        others = (
            one for one in requests.keys() | self._requests.keys() if requests.get(one) != self._requests.get(one)
        )
        return next(different, None) or next(others, None)

    def _to_look_at(self, instance: SubnetInstance) -> Iterable[CanisterId]:
        """The canisters whose entries may be others now; those that are new are in their order."""
        noted, instance.to_keep = instance.to_keep, {}
        with_other_time, was_apart = self._with_other_time, self._was_apart
        self._with_other_time, self._was_apart = _with_other_time(instance), _is_apart(instance)
        if not self._has_looked or was_apart or self._was_apart:
            return [*(self._canisters.keys() - instance.canisters.keys()), *instance.canisters]
        return [*noted, *((with_other_time | self._with_other_time) - noted.keys())]

    def _follow_requests(self, instance: SubnetInstance) -> None:
        changed = instance.ingress.changed(Asker.KEEPING)
        if changed is None or not self._has_looked:
            changed = {**self._requests, **dict(instance.ingress.items())}
        for request_id in changed:
            now, before = instance.ingress.get(request_id), self._requests.get(request_id)
            if now is not None and now is not before:
                self._requests[request_id] = now
                self._changes[REQUEST + request_id] = encoded(now)
            elif now is None and before is not None:
                del self._requests[request_id]
                self._changes[REQUEST + request_id] = None

    def _forget(self, canister_id: CanisterId) -> None:
        known = self._canisters.pop(canister_id)
        del self._numbers[canister_id]
        self._changes[CANISTER + canister_id] = None
        self._hold({}, known.contents)
        self._follow_memories({}, known.memories)

    def _follow(self, canister_id: CanisterId, record: CanisterRecord, instance: SubnetInstance) -> None:
        seen = _seen(record, instance)
        before = self._canisters.get(canister_id)
        if before is not None and before.identity is record.identity and before.seen == seen:
            return
        if before is not None and before.identity is not record.identity:
            # Reason: another canister has taken its id, and comes after those that were there then.
            del self._numbers[canister_id]
        entry = _Entry(kept_canister(record))
        is_at_system_time = record.time == instance.system_time
        told = [self._number_of(canister_id), is_at_system_time, entry.without_contents()]
        self._changes[CANISTER + canister_id] = encoded(told)
        self._hold(entry.contents, frozenset() if before is None else before.contents)
        self._follow_memories(entry.memories, {} if before is None else before.memories)
        self._canisters[canister_id] = _Known(record.identity, seen, frozenset(entry.contents), entry.memories)

    def _number_of(self, canister_id: CanisterId) -> Count:
        if canister_id not in self._numbers:
            self._numbers[canister_id] = self._next_number
            self._next_number += 1
        return self._numbers[canister_id]

    def _hold(self, contents: dict[Blob, Blob], before: frozenset[Blob]) -> None:
        """A canister has these modules and chunks, by their hashes; before it had those."""
        for digest in contents.keys() - before:
            self._holders[digest] += 1
            if self._holders[digest] == 1:
                self._changes[CONTENT + digest] = contents[digest]
        for digest in before - contents.keys():
            self._holders[digest] -= 1
            if not self._holders[digest]:
                del self._holders[digest]
                self._changes[CONTENT + digest] = None

    def _follow_memories(self, now: dict[Blob, LinearMemory], before: dict[Blob, LinearMemory]) -> None:
        for prefix in now.keys() | before.keys():
            then = before.get(prefix, NO_MEMORY)
            memory = now.get(prefix, NO_MEMORY)
            if self._looks_at_pages and then.contents is not memory.contents:
                for number in sorted(_differing(then, memory)):
                    key = prefix + number.to_bytes(PAGE_NUMBER_SIZE, "big")
                    self._changes[key] = _value(memory, number)
            WRITTEN.follow(memory)


@frozen(eq=False)
class _PageLater:
    """A page that is in a file, and is read when it is needed."""

    memory: LinearMemory
    number: int

    def __len__(self) -> ByteCount:
        return OS_PAGE

    def read(self) -> Blob:
        """The page."""
        return self.memory.page(self.number)


def _value(memory: LinearMemory, number: int) -> Blob | Later | None:
    """The page with a number; None if there is none."""
    contents: Any = memory.contents
    if isinstance(contents, StoredPages) and contents.is_in_file(number):
        return _PageLater(memory, number)
    page: Blob | None = contents.get(number)
    return page


def _differing(then: LinearMemory, memory: LinearMemory) -> Iterable[int]:
    """The numbers of pages that are not the same as then. A page that was not written is the same object."""
    before: Any = then.contents
    now: Any = memory.contents
    numbers: Iterable[int] | None = WRITTEN.since(then, memory)
    if isinstance(before, StoredPages) or isinstance(now, StoredPages):
        # Reason: a page in a file is another object each time.
        if numbers is None and isinstance(now, StoredPages):
            numbers = now.differing_from(before)
        return {*before, *now} if numbers is None else numbers
    if numbers is None:
        return [number for number, _ in differences(then, memory)]
    return [number for number in numbers if before.get(number) is not now.get(number)]


class _Entry:
    """A canister, with what is kept beside it."""

    def __init__(self, kept: KeptCanister) -> None:
        self._kept = kept
        self.contents: dict[Blob, Blob] = {}
        """Modules and chunks by their hashes."""
        self.memories: dict[Blob, LinearMemory] = {}
        """By the beginning of the keys of their pages."""

    def without_contents(self) -> KeptCanister:
        """The canister with hashes in place of modules, and without chunks and pages, which are noted."""
        canister = self._kept.canister
        code = canister.code
        if isinstance(code, Code):
            code = Code(self._noted(code.raw_module), self._without_pages(code.wasm_state, self._kept.canister_id))
        snapshots = {one: self._snapshot(one, snapshot) for one, snapshot in canister.snapshots.items()}
        chunks = self._chunks(canister.chunk_store)
        slim = evolve(canister, code=code, chunk_store=chunks, snapshots=Map.of(snapshots.items()))
        return evolve(self._kept, canister=slim)

    def _noted(self, content: Blob) -> Blob:
        digest = sha256(content).digest()
        self.contents[digest] = content
        return digest

    def _chunks(self, chunks: Map[Blob, Blob]) -> Map[Blob, Blob]:
        self.contents.update(chunks.items())
        return Map.of((digest, b"") for digest, _ in chunks.items())

    def _without_pages(self, state: WasmState, owner: Owner) -> WasmState:
        self.memories[_page_prefix(HEAP, owner)] = state.wasm_memory
        self.memories[_page_prefix(STABLE, owner)] = state.stable_memory
        return evolve(
            state,
            wasm_memory=LinearMemory(state.wasm_memory.wasm_pages),
            stable_memory=LinearMemory(state.stable_memory.wasm_pages),
        )

    def _snapshot(self, snapshot_id: Blob, snapshot: Snapshot) -> Snapshot:
        return evolve(
            snapshot,
            raw_module=self._noted(snapshot.raw_module),
            wasm_state=self._without_pages(snapshot.wasm_state, snapshot_id),
            chunk_store=self._chunks(snapshot.chunk_store),
        )


# What is one for the whole engine


def _of_engine(engine: Engine) -> dict[str, Any]:
    instance = engine.instance
    return {
        "time": instance.system_time,
        "started_at": instance.started_at,
        "rounds": engine.rounds,
        "admins": [[subnet_id, admins] for subnet_id, admins in instance.subnet_admins.items()],
        "under_way": under_way(instance),
        "root_hash": state_tree(instance).hash,
    }


class PagesOfMemories(Protocol):
    """The pages of memories that were kept."""

    def pages(self, prefix: Blob) -> Any:
        """The contents of a memory, by the beginning of the keys of its pages; None if it has none."""


def bring_back(engine: Engine, entries: Mapping[Blob, Blob], pages: PagesOfMemories | None = None) -> Contents:
    """
    An engine without canisters becomes the one of which these entries were kept, and is followed from there on.

    Pages may be elsewhere than in the entries.

    Raises `NoValue` or `ValueError` for entries of no engine, and if what is certified is not what it was.
    """
    told = decoded(entries[ENGINE])
    instance = engine.instance
    instance.system_time, instance.started_at, engine.rounds = told["time"], told["started_at"], told["rounds"]
    instance.subnet_admins = dict(told["admins"])
    kept_canisters = [decoded(value) for key, value in entries.items() if key[:1] == CANISTER]
    whole = _Whole(entries, pages or _PagesOfEntries(entries), told["time"])
    in_order = sorted(kept_canisters, key=lambda one: one[0])
    bring_back_canisters(instance, (whole.canister(kept, at) for _, at, kept in in_order))
    requests = ((RequestId(key[1:]), decoded(value)) for key, value in entries.items() if key[:1] == REQUEST)
    resume(instance, evolve(told["under_way"], requests=tuple(requests)))
    if state_tree(instance).hash != told["root_hash"]:
        raise NoValue("what is certified is not what was certified when this was kept")
    contents = Contents({kept.canister_id: number for number, _, kept in in_order})
    contents.take_as_kept(engine)
    return contents


class PagesAside(PagesOnDisk):
    """The pages of all memories stay in the files of checkpoints."""

    def takes(self, key: Blob) -> bool:
        """The entry is a page."""
        return key[:1] == PAGE


class _PagesOfEntries:
    """The pages of all memories are among the entries."""

    def __init__(self, entries: Mapping[Blob, Blob]) -> None:
        self._memories: dict[Blob, dict[int, Blob]] = {}
        for key, value in entries.items():
            if key[:1] == PAGE:
                number = int.from_bytes(key[-PAGE_NUMBER_SIZE:], "big")
                self._memories.setdefault(key[:-PAGE_NUMBER_SIZE], {})[number] = value

    def pages(self, prefix: Blob) -> Any:
        """The contents of a memory; None if it has none."""
        return HashTrieMap(self._memories[prefix]) if prefix in self._memories else None


@frozen
class _Whole:
    """Puts together what was kept apart."""

    entries: Mapping[Blob, Blob]
    pages: PagesOfMemories
    system_time: Nanoseconds

    def canister(self, kept: KeptCanister, is_at_system_time: bool) -> KeptCanister:
        """A canister with its modules, chunks and pages."""
        canister = kept.canister
        code = canister.code
        if isinstance(code, Code):
            code = Code(self._content(code.raw_module), self._with_pages(code.wasm_state, kept.canister_id))
        snapshots = {one: self._snapshot(one, snapshot) for one, snapshot in canister.snapshots.items()}
        whole = evolve(
            canister,
            code=code,
            time=self.system_time if is_at_system_time else canister.time,
            chunk_store=self._chunks(canister.chunk_store),
            snapshots=Map.of(snapshots.items()),
        )
        return evolve(kept, canister=whole)

    def _content(self, digest: Blob) -> Blob:
        if CONTENT + digest not in self.entries:
            raise NoValue("a module or chunk is missing")
        return self.entries[CONTENT + digest]

    def _chunks(self, chunks: Map[Blob, Blob]) -> Map[Blob, Blob]:
        return Map.of((digest, self._content(digest)) for digest, _ in chunks.items())

    def _with_pages(self, state: WasmState, owner: Owner) -> WasmState:
        return evolve(
            state,
            wasm_memory=self._memory(HEAP, owner, state.wasm_memory),
            stable_memory=self._memory(STABLE, owner, state.stable_memory),
        )

    def _memory(self, kind: Blob, owner: Owner, empty: LinearMemory) -> LinearMemory:
        pages = self.pages.pages(_page_prefix(kind, owner))
        return empty if pages is None else LinearMemory(empty.wasm_pages, pages)

    def _snapshot(self, snapshot_id: Blob, snapshot: Snapshot) -> Snapshot:
        return evolve(
            snapshot,
            raw_module=self._content(snapshot.raw_module),
            wasm_state=self._with_pages(snapshot.wasm_state, snapshot_id),
            chunk_store=self._chunks(snapshot.chunk_store),
        )
