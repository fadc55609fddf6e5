"""A running instance of a rewritten module, and the memory and globals in it."""

import ctypes
import threading
from typing import Final

import wasmtime
from attrs import field, frozen
from wasmtime import _ffi as ffi

from reference_impl.wasm import engine
from reference_impl.wasm.code_rewriting import Bounds
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
    instrument,
)
from reference_impl.wasm.page_tracking import page_tracking
from reference_impl.wasm.parsed_module import VALUE_SIZES, ParsedModule
from reference_impl.wasm.system_memory import SystemMemory
from spec.values.memory import LinearMemory
from spec.values.quantities import WASM_PAGE, ByteCount

_memory_data: Final = engine.native("wasmtime_memory_data", ctypes.c_void_p, 2)
_memory_data_size: Final = engine.native("wasmtime_memory_data_size", ctypes.c_size_t, 2)

KEPT_INSTANCES: Final = 4
"""How many idle instances of one module are kept for reuse."""


@frozen(eq=False)
class CompiledModule:
    """A module, rewritten and compiled, with its idle instances."""

    parsed: ParsedModule
    bounds: Bounds
    instrumented: Instrumented
    module: wasmtime.Module
    linker: wasmtime.Linker
    idle: list["Instance"] = field(factory=list)
    lock: threading.Lock = field(factory=threading.Lock)
    exported_functions: dict[str, int] = field(init=False)
    """The indices of the exported functions, by name."""
    with_large_stack: list["CompiledModule"] = field(factory=list)
    """At most one: the same module for threads with a large stack."""
    exact: list["CompiledModule"] = field(factory=list)
    """At most one: the module rewritten so that the counter is right after every trap."""

    @exported_functions.default
    def _exported_functions(self) -> dict[str, int]:
        return self.parsed.exported_functions()

    def for_large_stack(self, linker: wasmtime.Linker) -> "CompiledModule":
        """The same module for threads with a large stack."""
        with self.lock:
            if not self.with_large_stack:
                module = wasmtime.Module.deserialize(engine.large_stack_engine(), self.module.serialize())
                self.with_large_stack.append(
                    CompiledModule(self.parsed, self.bounds, self.instrumented, module, linker)
                )
            return self.with_large_stack[0]

    def counting_exactly(self) -> "CompiledModule":
        """The module rewritten so that the counter is right after every trap; compiled at first use."""
        with self.lock:
            if not self.exact:
                instrumented = instrument(self.parsed, self.bounds, is_exact=True)
                module = wasmtime.Module(self.linker.engine, instrumented.binary)
                self.exact.append(CompiledModule(self.parsed, self.bounds, instrumented, module, self.linker))
            return self.exact[0]

    def take_instance(self, heap: LinearMemory) -> "Instance":
        """An instance that no other execution uses, if possible one that holds this heap already."""
        with self.lock:
            # Memories cannot shrink.
            fitting = [one for one in self.idle if one.heap.wasm_pages <= heap.wasm_pages and one.is_usable()]
            if fitting:
                chosen = next((one for one in fitting if one.heap.contents is heap.contents), fitting[0])
                self.idle.remove(chosen)
                return chosen
        return Instance(self)

    def give_back(self, instance: "Instance") -> None:
        """Keeps an instance for reuse."""
        if not instance.is_usable():
            return
        with self.lock:
            self.idle.append(instance)
            if len(self.idle) > KEPT_INSTANCES:
                self.idle.pop(0)


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
        self._memory = memory._memory if memory else None
        self._memory_addresses = (
            engine.context_address(self.store),
            ctypes.addressof(self._memory) if self._memory is not None else 0,
        )
        self.system = self._system_memory() if compiled.instrumented.has_system_memory else None
        """What the functions inside the module use, if there are any."""
        self.heap = LinearMemory(parsed.memory.minimum if parsed.memory else 0)
        self._pages = page_tracking()

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
        return _memory_data(*self._memory_addresses) or 0

    @property
    def memory_size(self) -> ByteCount:
        """The size of the heap now."""
        if self._memory is None:
            return 0
        return int(_memory_data_size(*self._memory_addresses))

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

    def globals_now(self) -> tuple[int, ...]:
        """The bit patterns of the persistent globals."""
        return tuple(cell.get() for cell, _ in self._persistent)

    def changed_pages(self) -> dict[int, bytes]:
        """The 4 KiB pages of the heap that differ from what was loaded."""
        if self._memory is None:
            return {}
        return self._pages.changed(self._base(), self.memory_size, self.heap)

    def keep(self, changed: dict[int, bytes]) -> LinearMemory:
        """Takes the changes over into the heap that counts as loaded."""
        size = self.memory_size
        if self._memory is not None:
            self._pages.keep(self._base(), size, changed)
        if changed or size != self.heap.size:
            self.heap = self.heap.with_pages(size // WASM_PAGE, changed.items())
        return self.heap

    def undo(self, changed: dict[int, bytes]) -> bool:
        """Takes the changes back. False if that is impossible since the memory has grown."""
        if self.memory_size != self.heap.size:
            return False
        if self._memory is not None:
            self._pages.undo(self._base(), changed, self.heap)
        return True

    def is_usable(self) -> bool:
        """The instance can serve another execution."""
        return self._pages.is_usable()

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
