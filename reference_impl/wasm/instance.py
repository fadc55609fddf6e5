"""A running instance of a rewritten module, and the memory and globals in it."""

import ctypes
import ctypes.util
import threading
from collections.abc import Iterator
from typing import Final

import wasmtime
from attrs import define, field, frozen
from wasmtime import _ffi as ffi

from reference_impl.wasm import engine
from reference_impl.wasm.instrument import (
    CALL_CLOSURE,
    COUNTER,
    DEPTH,
    EXHAUSTED,
    START_FUNCTION,
    SYSTEM_MEMORY,
    THE_MEMORY,
    Instrumented,
    function_export,
    global_export,
)
from reference_impl.wasm.parsed_module import VALUE_SIZES, ParsedModule
from reference_impl.wasm.system_memory import SystemMemory
from spec.values.memory import ZERO_PAGE, LinearMemory
from spec.values.quantities import OS_PAGE, WASM_PAGE, ByteCount

_libc: Final = ctypes.CDLL(None)
_compare: Final = _libc.memcmp
_compare.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_compare.restype = ctypes.c_int

KEPT_INSTANCES: Final = 4
"""How many idle instances of one module are kept for reuse."""


@frozen(eq=False)
class CompiledModule:
    """A module, rewritten and compiled, with its idle instances."""

    parsed: ParsedModule
    instrumented: Instrumented
    module: wasmtime.Module
    linker: wasmtime.Linker
    idle: list["Instance"] = field(factory=list)
    lock: threading.Lock = field(factory=threading.Lock)
    exported_functions: dict[str, int] = field(init=False)
    """The indices of the exported functions, by name."""
    variants: list["CompiledModule"] = field(factory=list)
    """At most one: the same module for threads with a large stack."""

    @exported_functions.default
    def _exported_functions(self) -> dict[str, int]:
        return self.parsed.exported_functions()

    def for_large_stack(self, linker: wasmtime.Linker) -> "CompiledModule":
        """The same module for threads with a large stack."""
        with self.lock:
            if not self.variants:
                module = wasmtime.Module.deserialize(engine.large_stack_engine(), self.module.serialize())
                self.variants.append(CompiledModule(self.parsed, self.instrumented, module, linker))
            return self.variants[0]

    def take_instance(self, heap: LinearMemory) -> "Instance":
        """An instance that no other execution uses, if possible one that holds this heap already."""
        with self.lock:
            # Memories cannot shrink.
            fitting = [one for one in self.idle if one.heap.wasm_pages <= heap.wasm_pages]
            if fitting:
                chosen = next((one for one in fitting if one.heap.contents is heap.contents), fitting[0])
                self.idle.remove(chosen)
                return chosen
        return Instance(self)

    def give_back(self, instance: "Instance") -> None:
        """Keeps an instance for reuse."""
        with self.lock:
            self.idle.append(instance)
            if len(self.idle) > KEPT_INSTANCES:
                self.idle.pop(0)


@define
class _Pages:
    """The pages that an instance's memory holds, apart from what the current execution has changed."""

    known: dict[int, bytes]
    order: list[int] | None = None

    def in_order(self) -> list[int]:
        """The numbers of the pages that are not all zero."""
        if self.order is None:
            self.order = sorted(self.known)
        return self.order

    def put(self, number: int, page: bytes) -> None:
        """Notes a page."""
        if page != ZERO_PAGE:
            if number not in self.known:
                self.order = None
            self.known[number] = page
        elif self.known.pop(number, None) is not None:
            self.order = None


class Instance:
    """An instance. One execution at a time uses it."""

    def __init__(self, compiled: CompiledModule) -> None:
        self.compiled = compiled
        self.store = wasmtime.Store(compiled.linker.engine)
        self._instance = compiled.linker.instantiate(self.store, compiled.module)
        self._exports = self._instance.exports(self.store)
        parsed = compiled.parsed
        self.counter = engine.CounterCell(self.store, self._global(COUNTER), 8)
        self._depth = engine.GlobalCell(self.store, self._global(DEPTH), 4)
        self._exhausted = engine.GlobalCell(self.store, self._global(EXHAUSTED), 4)
        self._persistent = [
            (
                engine.GlobalCell(self.store, self._global(global_export(index)), VALUE_SIZES[one.value_type]),
                one.is_mutable,
            )
            for index in parsed.persistent_globals()
            for one in [parsed.globals[index]]
        ]
        memory = self._exports[THE_MEMORY] if parsed.memory else None
        assert memory is None or isinstance(memory, wasmtime.Memory)
        self._memory = ctypes.byref(memory._memory) if memory else None
        self.system = self._system_memory() if compiled.instrumented.has_system_memory else None
        """What the functions inside the module use, if there are any."""
        self.heap = LinearMemory(parsed.memory.minimum if parsed.memory else 0)
        self._pages = _Pages({})

    def _system_memory(self) -> SystemMemory:
        memory = self._exports[SYSTEM_MEMORY]
        assert isinstance(memory, wasmtime.Memory)
        pointer = ffi.wasmtime_memory_data(self.store._context(), ctypes.byref(memory._memory))
        # This memory cannot grow, so it stays where it is.
        return SystemMemory(ctypes.cast(pointer, ctypes.c_void_p).value or 0)

    def _global(self, name: str) -> wasmtime.Global:
        cell = self._exports[name]
        assert isinstance(cell, wasmtime.Global)
        return cell

    def _base(self) -> int:
        pointer = ffi.wasmtime_memory_data(self.store._context(), self._memory)
        return ctypes.cast(pointer, ctypes.c_void_p).value or 0

    @property
    def memory_size(self) -> ByteCount:
        """The size of the heap now."""
        if self._memory is None:
            return 0
        return int(ffi.wasmtime_memory_data_size(self.store._context(), self._memory))

    def read(self, source: int, size: int) -> bytes:
        """Bytes of the heap, which must lie inside."""
        return ctypes.string_at(self._base() + source, size) if size else b""

    def write(self, destination: int, content: bytes) -> None:
        """Puts bytes into the heap, inside of which they must lie."""
        if content:
            ctypes.memmove(self._base() + destination, content, len(content))

    def load(self, heap: LinearMemory, globals_before: tuple[int, ...]) -> bool:
        """Puts the state of a canister into the instance. False if the heap does not fit the module's memory."""
        if not self._grow_to(heap.wasm_pages):
            return False
        if self.heap.contents is not heap.contents:
            self._exchange_pages(heap)
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
        error = ffi.wasmtime_memory_grow(self.store._context(), self._memory, missing, ctypes.byref(before))
        if error:
            ffi.wasmtime_error_delete(error)
        return not error

    def _exchange_pages(self, heap: LinearMemory) -> None:
        for number in [number for number in self._pages.known if number not in heap.contents]:
            self.write(number * OS_PAGE, ZERO_PAGE)
            self._pages.put(number, ZERO_PAGE)
        base = self._base() if heap.contents else 0
        for number, page in heap.contents.items():
            if self._pages.known.get(number) is not page:
                ctypes.memmove(base + number * OS_PAGE, page, OS_PAGE)
                self._pages.put(number, page)

    def globals_now(self) -> tuple[int, ...]:
        """The bit patterns of the persistent globals."""
        return tuple(cell.get() for cell, _ in self._persistent)

    def changed_pages(self) -> dict[int, bytes]:
        """The 4 KiB pages of the heap that differ from what was loaded."""
        if self._memory is None:
            return {}
        base, known = self._base(), self._pages.known
        changed: list[int] = []
        following = 0
        for number in self._pages.in_order():
            changed.extend(_pages_not_zero(base, following, number))
            if _compare(known[number], base + number * OS_PAGE, OS_PAGE):
                changed.append(number)
            following = number + 1
        changed.extend(_pages_not_zero(base, following, self.memory_size // OS_PAGE))
        return {number: ctypes.string_at(base + number * OS_PAGE, OS_PAGE) for number in changed}

    def keep(self, changed: dict[int, bytes]) -> LinearMemory:
        """Takes the changes over into the heap that counts as loaded."""
        pages = self.memory_size // WASM_PAGE
        if changed or pages != self.heap.wasm_pages:
            self.heap = self.heap.with_pages(pages, changed.items())
            for number in changed:
                self._pages.put(number, self.heap.page(number))
        return self.heap

    def undo(self, changed: dict[int, bytes]) -> bool:
        """Takes the changes back. False if that is impossible since the memory has grown."""
        if self.memory_size != self.heap.size:
            return False
        base = self._base() if changed else 0
        for number in changed:
            ctypes.memmove(base + number * OS_PAGE, self._pages.known.get(number, ZERO_PAGE), OS_PAGE)
        return True

    def prepare(self, limit: int, depth: int) -> None:
        """Sets how many instructions may be executed, and how deep calls may nest."""
        self.counter.set(limit)
        self._depth.set(depth - 1)
        self._exhausted.set(0)

    @property
    def is_exhausted(self) -> bool:
        """The execution ran out of instructions."""
        return self._exhausted.get() == 1

    def function(self, exported: str) -> wasmtime.Func:
        """A function that the original module exports."""
        return self._function(function_export(self.compiled.exported_functions[exported]))

    def start_function(self) -> wasmtime.Func:
        """The start function, which the module must have."""
        return self._function(START_FUNCTION)

    def closure_function(self) -> wasmtime.Func | None:
        """The function that calls functions of the table, if there is a table of functions."""
        tables = self.compiled.parsed.tables
        return self._function(CALL_CLOSURE) if tables and CALL_CLOSURE in self._export_names() else None

    def _export_names(self) -> set[str]:
        return {export.name for export in self.compiled.module.exports}

    def _function(self, name: str) -> wasmtime.Func:
        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)
        return function


def _pages_not_zero(base: int, first: int, last: int) -> Iterator[int]:
    """The numbers of the pages from `first` up to `last`, not included, that hold a byte other than zero."""
    if first >= last:
        return
    start, size = base + first * OS_PAGE, (last - first) * OS_PAGE
    # All bytes are equal to the next one and the first is zero.
    if ctypes.string_at(start, 1) == b"\0" and not _compare(start, start + 1, size - 1):
        return
    if last - first == 1:
        yield first
        return
    middle = (first + last) // 2
    yield from _pages_not_zero(base, first, middle)
    yield from _pages_not_zero(base, middle, last)
