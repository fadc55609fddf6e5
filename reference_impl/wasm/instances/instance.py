"""A running instance of a rewritten module, and the memory and globals in it."""

import ctypes
import threading
import weakref
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import wasmtime
from attrs import evolve, field, frozen
from rpds import HashTrieMap
from wasmtime import _ffi as ffi

from reference_impl.wasm.instances import wasmtime_engine
from reference_impl.wasm.instances.kept_instances import KEPT
from reference_impl.wasm.instances.page_tracking import page_tracking
from reference_impl.wasm.instances.stable_memory import StableMemory
from reference_impl.wasm.instances.system_memory import SystemMemory
from reference_impl.wasm.instances.written_pages import WRITTEN
from reference_impl.wasm.layout.fast_functions import COUNTER_LEFT, SPENDING
from reference_impl.wasm.layout.parsed_module import VALUE_SIZES, ParsedModule
from reference_impl.wasm.rewriting.added_memories import USUAL_STABLE_PAGES, with_stable_pages
from reference_impl.wasm.rewriting.code_rewriting import Bounds
from reference_impl.wasm.rewriting.instrument import (
    BEGIN_CLOSURE,
    COUNTER,
    EXHAUSTED,
    GROWTHS,
    STABLE_MEMORY,
    SYSTEM_MEMORY,
    THE_MEMORY,
    Instrumented,
    begin_export,
    global_export,
    has_closures,
    instrument,
)
from reference_impl.wasm.rewriting.requirements import is_old_motoko
from spec.values.checklist import defines
from spec.values.memory import ZERO_PAGE, LinearMemory
from spec.values.quantities import WASM_PAGE, ByteCount, Count

_memory_data: Final = wasmtime_engine.native("wasmtime_memory_data", ctypes.c_void_p, 2)
_memory_data_size: Final = wasmtime_engine.native("wasmtime_memory_data_size", ctypes.c_size_t, 2)

NO_MEMORY: Final = LinearMemory()


class Entry(NamedTuple):
    """Where an execution begins: an export of the rewritten module, and what it is called with."""

    export: str
    parameters: tuple[int, ...] = ()


KEPT_INSTANCES: Final = 64
"""How many idle instances of one module are kept for reuse."""
FEW_PAGES: Final[Count] = 64
"""Where memories have no more, they are rather loaded into an idle instance than into a new one."""


@frozen(eq=False)
class CompiledModule:
    """A module, rewritten and compiled, with its idle instances."""

    parsed: ParsedModule
    bounds: Bounds
    instrumented: Instrumented
    module: wasmtime.Module
    linker: wasmtime.Linker
    idle: list["WasmtimeInstance"] = field(factory=list)
    lock: threading.Lock = field(factory=threading.Lock)
    exported_functions: dict[str, int] = field(init=False)
    """The indices of the exported functions, by name."""
    room_for_stable_memory: Count = USUAL_STABLE_PAGES
    """In WebAssembly pages."""
    with_more_room: list["CompiledModule"] = field(factory=list)
    """At most one: the same module with room for the largest stable memory."""
    with_large_stack: list["CompiledModule"] = field(factory=list)
    """At most one: the same module for threads with a large stack."""
    exact: list["CompiledModule"] = field(factory=list)
    """At most one: the module rewritten so that the counter is right after every trap, and growing is asked for."""

    entries: dict[str, Entry] = field(init=False)
    """Where executions may begin, by the name of the exported function."""
    closures: Count = field(init=False)
    """How many places the table has at whose functions executions may begin."""
    spends: bool = field(init=False)
    """It imports functions by which it may call or burn cycles."""
    is_old_motoko: bool = field(init=False)
    """It needs pages to be upgraded: see `takes_pages_for_upgrades`."""

    @entries.default
    def _entries(self) -> dict[str, Entry]:
        return {name: Entry(begin_export(index)) for name, index in self.exported_functions.items()}

    @spends.default
    def _spends(self) -> bool:
        return any(one.name in SPENDING for one in self.parsed.imports)

    @is_old_motoko.default
    def _is_old_motoko(self) -> bool:
        return is_old_motoko(self.parsed)

    @property
    def start_entry(self) -> Entry:
        """The start function, which the module must have."""
        assert self.parsed.start is not None
        return Entry(begin_export(self.parsed.start))

    def closure_entry(self, function: int, argument: int) -> Entry | None:
        """A function of the table with one argument; None if there is no such place in a table."""
        return Entry(BEGIN_CLOSURE, (function, argument)) if function < self.closures else None

    @closures.default
    def _closures(self) -> Count:
        return self.parsed.tables[0].limits.minimum if has_closures(self.parsed) else 0

    @exported_functions.default
    def _exported_functions(self) -> dict[str, int]:
        return self.parsed.exported_functions()

    def for_large_stack(self, linker: wasmtime.Linker) -> "CompiledModule":
        """The same module for threads with a large stack."""
        with self.lock:
            if not self.with_large_stack:
                with wasmtime_engine.in_what_memory_there_is():
                    module = wasmtime.Module.deserialize(wasmtime_engine.large_stack_engine(), self.module.serialize())
                self.with_large_stack.append(self._variant(module=module, linker=linker))
            return self.with_large_stack[0]

    def counting_exactly(self) -> "CompiledModule":
        """The module whose counter is right after every trap, and which asks before it grows; compiled at first use."""
        with self.lock:
            if not self.exact:
                instrumented = instrument(self.parsed, self.bounds, is_exact=True)
                module = wasmtime_engine.compile_module(instrumented.binary, instrumented.is_hard_to_compile)
                self.exact.append(
                    self._variant(instrumented=instrumented, module=module, room_for_stable_memory=USUAL_STABLE_PAGES)
                )
            return self.exact[0]

    def has_room_for(self, stable_memory: LinearMemory) -> bool:
        """Instances can hold this stable memory, or never use it."""
        return stable_memory.wasm_pages <= self.room_for_stable_memory or not self.instrumented.has_stable_memory

    def for_large_stable_memory(self, pages: Count) -> "CompiledModule":
        """The same module with room for a stable memory of so many pages, the most that the profile allows."""
        with self.lock:
            if not self.with_more_room:
                instrumented = evolve(self.instrumented, binary=with_stable_pages(self.instrumented.binary, pages))
                module = wasmtime_engine.compile_module(instrumented.binary, instrumented.is_hard_to_compile)
                self.with_more_room.append(
                    self._variant(instrumented=instrumented, module=module, room_for_stable_memory=pages)
                )
            return self.with_more_room[0]

    def _variant(self, **changes: Any) -> "CompiledModule":
        """A module like this one, with instances of its own."""
        own: dict[str, Any] = {"idle": [], "lock": threading.Lock()}
        return evolve(self, **own, with_large_stack=[], exact=[], with_more_room=[], **changes)

    def take_instance(self, heap: LinearMemory, stable_memory: LinearMemory = NO_MEMORY) -> "WasmtimeInstance":
        """An instance that no other execution uses, if possible one that holds these memories already."""
        idle = self.idle
        with self.lock:
            for place in range(len(idle) - 1, -1, -1):
                if idle[place].heap is heap and idle[place].holds(heap, stable_memory):
                    # It goes on counting as kept: it is about to be the latest again.
                    return idle.pop(place)
            chosen = self._chosen(heap, stable_memory)
            if chosen is not None:
                idle.remove(chosen)
        if chosen is None:
            return WasmtimeInstance(self)
        KEPT.take(chosen)
        return chosen

    def _chosen(self, heap: LinearMemory, stable_memory: LinearMemory) -> "WasmtimeInstance | None":
        """The idle instance to be taken where none holds both; None if a new one is to be made."""
        # Memories cannot shrink.
        fitting = [one for one in self.idle if one.heap.wasm_pages <= heap.wasm_pages and one.is_usable()]
        holding = [one for one in fitting if one.heap.contents is heap.contents]
        if holding:
            return next((one for one in holding if one.holds_stable(stable_memory)), holding[0])
        is_small = len(heap.contents) + len(stable_memory.contents) <= FEW_PAGES
        return fitting[0] if fitting and (is_small or len(self.idle) >= self._most_idle) else None

    @property
    def _most_idle(self) -> Count:
        # Addresses for large stable memories are few.
        return KEPT_INSTANCES if self.room_for_stable_memory <= USUAL_STABLE_PAGES else 1

    def give_back(self, instance: "WasmtimeInstance") -> None:
        """Keeps an instance for reuse."""
        if not instance.is_usable():
            KEPT.take(instance)
            return
        idle = self.idle
        with self.lock:
            idle.append(instance)
            if len(idle) > 1 and len(idle) > self._most_idle:
                KEPT.take(idle.pop(0))
        if not KEPT.is_latest(instance):
            for one in KEPT.put(instance):
                one.compiled.drop(one)

    def drop(self, instance: "WasmtimeInstance") -> None:
        """An instance is not kept any more, if nobody has taken it meanwhile."""
        with self.lock:
            if instance in self.idle:
                self.idle.remove(instance)


def with_pages(contents: "HashTrieMap[int, bytes]", changed: dict[int, bytes]) -> "HashTrieMap[int, bytes]":
    """The contents of a memory in which some pages hold other bytes."""
    for number, page in changed.items():
        if page != ZERO_PAGE:
            contents = contents.insert(number, page)
        elif number in contents:
            contents = contents.remove(number)
    return contents


class WasmtimeInstance:
    """An instance. One execution at a time uses it."""

    def __init__(self, compiled: CompiledModule) -> None:
        self.compiled = compiled
        self.store = wasmtime.Store(compiled.linker.engine)
        with wasmtime_engine.in_what_memory_there_is():
            self._instance = compiled.linker.instantiate(self.store, compiled.module)
        self._exports = self._instance.exports(self.store)
        parsed = compiled.parsed
        self.counter = wasmtime_engine.CounterCell(self.store, self._global(COUNTER), 8)
        self._exhausted = wasmtime_engine.GlobalCell(self.store, self._global(EXHAUSTED), 4)
        self._begun: dict[str, wasmtime_engine.KeptFunction] = {}
        """The functions at which executions have begun, by export."""
        self._persistent = [
            (
                wasmtime_engine.GlobalCell(self.store, self._global(global_export(index)), VALUE_SIZES[one.value_type]),
                one.is_mutable,
            )
            for index in parsed.persistent_globals()
            for one in [parsed.globals[index]]
        ]
        memory = self._exports[THE_MEMORY] if parsed.memory else None
        assert memory is None or isinstance(memory, wasmtime.Memory)
        self._memory = memory._memory if memory else None
        self._memory_addresses = (
            wasmtime_engine.context_address(self.store),
            ctypes.addressof(self._memory) if self._memory is not None else 0,
        )
        self.system = SystemMemory(self._base_of(SYSTEM_MEMORY))
        """What an execution begins with, and what the functions inside the module use."""
        self.stable = self._stable_memory() if compiled.instrumented.has_stable_memory else None
        self.may_grow: Callable[[], bool] = lambda: True
        """Asked by exact code each time before the heap grows."""
        if compiled.instrumented.is_exact and parsed.memory:
            self._answer_growths()
        self.heap = LinearMemory(parsed.memory.minimum if parsed.memory else 0)
        self._globals: tuple[int, ...] | None = None if self._persistent else ()
        """What the persistent globals hold; None while that is not known."""
        self._view = memoryview(b"")
        self._size_at_base: ByteCount = 0
        self._known_base = 0
        """Where the heap is as long as it has this size, above zero."""
        self._pages = page_tracking()

    def _answer_growths(self) -> None:
        """Lets the code ask whether the heap may grow. What the store holds must not keep the instance alive."""
        instance = weakref.ref(self)

        def answer() -> int:
            asked = instance()
            return int(asked is None or asked.may_grow())

        table = self._exports[GROWTHS]
        assert isinstance(table, wasmtime.Table)
        table.set(self.store, 0, wasmtime_engine.function_of_store(self.store, answer))

    def _stable_memory(self) -> StableMemory:
        return StableMemory(self.system, self._base_of(STABLE_MEMORY), self.compiled.room_for_stable_memory)

    def _base_of(self, name: str) -> int:
        """Where a memory is that cannot grow, so that it stays there."""
        memory = self._exports[name]
        assert isinstance(memory, wasmtime.Memory)
        return _memory_data(wasmtime_engine.context_address(self.store), ctypes.addressof(memory._memory)) or 0

    def _global(self, name: str) -> wasmtime.Global:
        cell = self._exports[name]
        assert isinstance(cell, wasmtime.Global)
        return cell

    def _base(self) -> int:
        return _memory_data(*self._memory_addresses) or 0

    @property
    def memory_size(self) -> ByteCount:
        """The size of the heap now."""
        if self._memory is None:
            return 0
        return int(_memory_data_size(*self._memory_addresses))

    def _base_at(self, size: ByteCount) -> int:
        """Where the heap is, whose size now the caller knows: it moves only when it grows."""
        if size != self._size_at_base or not size:
            self._known_base, self._size_at_base = self._base(), size
        return self._known_base

    def address(self, place: int) -> int:
        """Where a place in the heap is in this process, until the heap grows."""
        return self._base() + place

    def view(self, size: ByteCount) -> memoryview:
        """The bytes of the heap, whose size now the caller knows."""
        if len(self._view) != size:
            self._view = memoryview((ctypes.c_ubyte * size).from_address(self._base_at(size))).cast("B")
        return self._view

    def has(self, heap: LinearMemory, globals_before: tuple[int, ...]) -> bool:
        """The instance holds the state of a canister already. From now on it may hold another one."""
        held, self._globals = self._globals, None if self._persistent else ()
        return self.heap is heap and held == globals_before

    def load(self, heap: LinearMemory, globals_before: tuple[int, ...]) -> bool:
        """Puts the state of a canister into the instance. False if the heap does not fit the module's memory."""
        if self.heap is not heap:
            if not self._grow_to(heap.wasm_pages):
                return False
            if self._memory is not None and self.heap.contents is not heap.contents:
                self._pages.load(self._base(), self.heap, heap)
            self.heap = heap
        for (cell, is_mutable), bits in zip(self._persistent, globals_before, strict=True):
            if is_mutable:
                cell.set(bits)
        return True

    def _grow_to(self, pages: int) -> bool:
        missing = pages - self.memory_size // WASM_PAGE
        if missing <= 0:
            return missing == 0
        if self._memory is None:
            return False
        before = ctypes.c_uint64()
        error = ffi.wasmtime_memory_grow(
            self.store._context(), ctypes.byref(self._memory), missing, ctypes.byref(before)
        )
        if error:
            ffi.wasmtime_error_delete(error)
        return not error

    def keep_globals(self) -> tuple[int, ...]:
        """The bit patterns of the persistent globals, which stay until the next execution."""
        if self._persistent:
            self._globals = tuple([cell.get() for cell, _ in self._persistent])
        return self._globals or ()

    def size_and_changes(self) -> tuple[ByteCount, dict[int, bytes]]:
        """The size of the heap now, and its 4 KiB pages that differ from what was loaded."""
        if self._memory is None:
            return 0, {}
        size: ByteCount = _memory_data_size(*self._memory_addresses)
        base = self._known_base if size == self._size_at_base else self._base_at(size)
        return size, self._pages.changed(base, size, self.heap)

    @defines("seed1.memory-management-responsibility")
    def keep(self, changed: dict[int, bytes], size: ByteCount) -> LinearMemory:
        """Takes the changes over into the heap that counts as loaded, which has this size now."""
        if not changed and size == self.heap.wasm_pages * WASM_PAGE and not self._pages.has_copies:
            return self.heap
        if self._memory is not None:
            self._pages.keep(self._base_at(size), size, changed)
        if changed or size != self.heap.size:
            before = self.heap
            self.heap = LinearMemory(size // WASM_PAGE, with_pages(before.contents, changed))
            WRITTEN.note(before, self.heap, changed)
        return self.heap

    def undo(self, changed: dict[int, bytes]) -> bool:
        """Takes the changes back. False if that is impossible since the memory has grown."""
        if self.stable is not None:
            self.stable.undo()
        if self.memory_size != self.heap.size:
            return False
        if self._memory is not None:
            self._pages.undo(self._base(), changed, self.heap)
        return True

    def exchange(self, before: LinearMemory, now: LinearMemory) -> None:
        """Where one memory was loaded, an equal one counts as loaded."""
        if self.heap is before:
            self.heap = now
        if self.stable is not None:
            self.stable.exchange(before, now)

    @property
    def pages(self) -> Count:
        """How many 4 KiB pages that are not empty are in its memories."""
        return len(self.heap.contents) + (0 if self.stable is None else self.stable.pages)

    def holds(self, heap: LinearMemory, stable_memory: LinearMemory) -> bool:
        """The instance can serve an execution on these memories, and holds them already."""
        stable = self.stable
        return (
            self.heap is heap
            and self._pages.is_usable
            and (stable is None or stable.holds(stable_memory) and stable.is_usable())
        )

    def holds_stable(self, stable_memory: LinearMemory) -> bool:
        """No stable memory need be loaded."""
        return self.stable is None or self.stable.holds(stable_memory)

    def is_usable(self) -> bool:
        """The instance can serve another execution."""
        return self._pages.is_usable and (self.stable is None or self.stable.is_usable())

    def counter_left(self) -> int:
        """How many instructions were left when the function returned; below 0 where it was charged more than it had."""
        left = self.system.cells[COUNTER_LEFT]
        return left - 2**64 if left >> 63 else left

    @property
    def end(self) -> int:
        """Why the execution ended in the module, as in `counting_code`; 0 if there was no such reason."""
        return self._exhausted.get()

    def begin(self, entry: Entry) -> wasmtime_engine.End:
        """Runs a function with what the system memory was filled with. Raises what a host function has raised."""
        export, parameters = entry
        function = self._begun.get(export)
        if function is None:
            function = self._begun[export] = wasmtime_engine.KeptFunction(self.store, self._function(export))
        return function.call(parameters)

    def _function(self, name: str) -> wasmtime.Func:
        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)
        return function
