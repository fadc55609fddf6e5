"""The WebAssembly engine: how wasmtime is set up, and calls into it without checks that are not needed."""

import ctypes
import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime import _func as wasmtime_functions

STACK: Final = 2**20
"""Bytes of native stack for WebAssembly that every thread has room for, and some to spare for host functions."""

LARGE_STACK: Final = 8 * 2**30
"""
What the deepest calls of the largest functions take: a thousand frames with half a million vectors each, as a function
has no more than a million instructions. Addresses only, until used.
"""

_SINGLE_PASS: Final = 1
"""The number of the register allocator of one pass in wasmtime."""

_NO_MEMORY: Final = f"os error {errno.ENOMEM}"
"""How wasmtime ends the text of what the operating system refused for want of memory."""

SPARE_STACK: Final = 16 * 2**20
"""For the host, beside the large stack."""


def _config(stack: int, multi_memory: bool = True) -> wasmtime.Config:
    config = wasmtime.Config()
    config.cranelift_nan_canonicalization = True
    config.wasm_memory64 = True
    config.wasm_bulk_memory = True
    config.wasm_simd = True
    config.wasm_tail_call = True
    config.wasm_multi_value = True
    config.wasm_reference_types = True
    config.wasm_relaxed_simd = False
    config.wasm_threads = False
    config.wasm_multi_memory = multi_memory
    config.wasm_exceptions = False
    config.wasm_function_references = False
    config.wasm_gc = False
    config.wasm_wide_arithmetic = False
    config.wasm_custom_page_sizes = False
    config.wasm_stack_switching = False
    # The engine wants this to be as large, though it is not used.
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), stack)
    config.max_wasm_stack = stack
    return config


@cache
def engine() -> wasmtime.Engine:
    """
    Runs the rewritten modules.

    Made at first use, not at import: it catches the signals of traps, and whoever asks for those later takes them away.
    """
    return wasmtime.Engine(_config(STACK))


@cache
def _quickly_compiling_engine() -> wasmtime.Engine:
    """Compiles without optimization, in a time that grows with the code, for `engine` to run."""
    config = _config(STACK)
    config.cranelift_opt_level = "none"
    ffi.wasmtime_config_cranelift_regalloc_algorithm_set(config.ptr(), _SINGLE_PASS)
    return wasmtime.Engine(config)


@contextmanager
def in_what_memory_there_is() -> Iterator[None]:
    """Raises `MemoryError` where the engine finds no memory: what a canister is told does not depend on that."""
    try:
        yield
    except wasmtime.WasmtimeError as problem:
        if _NO_MEMORY not in str(problem):
            raise
        first = str(problem).splitlines()[0]
        raise MemoryError(f"this machine has too little memory for the WebAssembly engine: {first}") from None


def compile_module(binary: bytes, is_hard: bool) -> wasmtime.Module:
    """The module for `engine`. What is hard to compile is compiled quickly and runs slower."""
    with in_what_memory_there_is():
        if not is_hard:
            return wasmtime.Module(engine(), binary)
        return wasmtime.Module.deserialize(engine(), wasmtime.Module(_quickly_compiling_engine(), binary).serialize())


def require_memory() -> None:
    """Raises `MemoryError` if there is no room for the smallest instance, which takes 4 GiB of addresses."""
    module = compile_module(bytes(wasmtime.wat2wasm("(module (memory 1))")), is_hard=False)
    with in_what_memory_there_is():
        wasmtime.Instance(wasmtime.Store(engine()), module, [])


@cache
def accepting_engine() -> wasmtime.Engine:
    """Accepts what a canister module may use."""
    return wasmtime.Engine(_config(STACK, multi_memory=False))


@cache
def large_stack_engine() -> wasmtime.Engine:
    """Runs the same compiled modules, in threads with a large stack."""
    return wasmtime.Engine(_config(LARGE_STACK))


_thread_start: Final = threading.Lock()
_Result = TypeVar("_Result")


def on_large_stack(function: Callable[[], _Result]) -> _Result:
    """What the function gives when it is run in a thread of its own, with a large stack."""
    results: list[_Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as problem:
            failures.append(problem)

    thread = threading.Thread(target=run)
    with _thread_start:
        before = threading.stack_size(LARGE_STACK + SPARE_STACK)
        try:
            thread.start()
        except RuntimeError:
            raise MemoryError(f"this machine has too little memory for a stack of {LARGE_STACK} bytes") from None
        finally:
            threading.stack_size(before)
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


class End(Enum):
    """How a call into a module ended."""

    RETURNED = "returned"
    UNREACHABLE = "came to `unreachable`"
    OUTSIDE_HEAP = "an access outside of the heap"
    OUTSIDE_TABLE = "an access outside of the table"
    OTHER_SIGNATURE = "an indirect call with another signature"
    DIVISION_BY_ZERO = "a division by zero"
    TRAPPED = "trapped otherwise"
    STACK_OVERFLOW = "stack overflow"


SLOT: Final = 16
"""The distance in bytes between parameters in an unchecked call."""

MASK_32: Final = 2**32 - 1
MASK_64: Final = 2**64 - 1

_HOST_CALLBACK: Final = ctypes.CFUNCTYPE(
    ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
)
_NO_FINALIZER: Final = ctypes.cast(0, ctypes.CFUNCTYPE(None, ctypes.c_void_p))
_NO_TRAP: Final = ctypes.POINTER(ffi.wasm_trap_t)
_NO_CODE: Final = 255
_ENDS: Final = {
    0: End.STACK_OVERFLOW,
    1: End.OUTSIDE_HEAP,
    3: End.OUTSIDE_TABLE,
    5: End.OTHER_SIGNATURE,
    7: End.DIVISION_BY_ZERO,
    9: End.UNREACHABLE,
}
"""By the codes of traps in wasmtime."""
_kept_callbacks: Final[list[Any]] = []

_TYPES: Final = {"i": wasmtime.ValType.i32, "l": wasmtime.ValType.i64}


class HostFailure(threading.local):
    """The exception that a host function has raised in this thread and that waits to leave the engine."""

    raised: BaseException | None = None


_host_failure: Final = HostFailure()


HostFunction = Callable[[int, int, int, int], int]
"""Gets nothing, the caller, the address of the values and their number; gives 0, or the address of a trap."""


def define_host_function(
    linker: wasmtime.Linker, name: str, parameters: str, result: str, function: HostFunction
) -> None:
    """Makes a function importable from `ic0`. The letters give the types: `i` for 32 bits, `l` for 64 bits."""
    native = _HOST_CALLBACK(function)
    _kept_callbacks.append(native)
    function_type = wasmtime.FuncType(
        [_TYPES[letter]() for letter in parameters], [_TYPES[letter]() for letter in result]
    )
    text = name.encode()
    error = ffi.wasmtime_linker_define_func_unchecked(
        linker.ptr(),
        ctypes.create_string_buffer(b"ic0"),
        3,
        ctypes.create_string_buffer(text),
        len(text),
        function_type.ptr(),
        ctypes.cast(native, ffi.wasmtime_func_unchecked_callback_t),
        None,
        _NO_FINALIZER,
    )
    assert not error


def function_of_store(store: wasmtime.Store, function: Callable[[], int]) -> wasmtime.Func:
    """A function without parameters for a table of one store. What it raises comes out of the call into the module."""

    def answer() -> int:
        try:
            return function()
        except BaseException as problem:
            _host_failure.raised = problem
            raise

    return wasmtime.Func(store, wasmtime.FuncType([], [wasmtime.ValType.i32()]), answer)


def raised_in_host(problem: BaseException) -> int:
    """The trap by which an exception leaves a host function; it comes out of the call into the module."""
    _host_failure.raised = problem
    return ctypes.cast(ffi.wasmtime_trap_new(b"host", 4), ctypes.c_void_p).value or 0


def host_parameters(parameters: str) -> Callable[[int], list[int]]:
    """Reads the parameters of a host function, by letters, as unsigned integers from the address of the values."""
    masks = [MASK_32 if letter == "i" else MASK_64 for letter in parameters]
    slots_type = ctypes.c_uint64 * (2 * len(parameters))

    def read(slots: int) -> list[int]:
        return [value & mask for value, mask in zip(slots_type.from_address(slots)[::2], masks, strict=True)]

    return read


def give_back(slots: int, result: int, letter: str) -> None:
    """Writes the result of a host function to the address of the values."""
    ctypes.c_uint64.from_address(slots).value = result & (MASK_32 if letter == "i" else MASK_64)


def native(name: str, result: Any, parameters: int) -> Any:
    """A function of the engine's library that takes addresses as integers, which is quicker than pointers."""
    function = ffi.dll[name]
    function.argtypes = [ctypes.c_void_p] * parameters
    function.restype = result
    return function


_global_get: Final = native("wasmtime_global_get", None, 3)
_global_set: Final = native("wasmtime_global_set", ctypes.c_void_p, 3)


def context_address(store: wasmtime.Store) -> int:
    """The address by which a store is known to the engine as long as it lives."""
    return ctypes.cast(store._context(), ctypes.c_void_p).value or 0


_call_unchecked: Final = native("wasmtime_func_call_unchecked", ctypes.c_void_p, 5)


class KeptFunction:
    """A function of no results that is called again and again, without checks: its addresses stay the same."""

    __slots__ = ("_addresses", "_function", "_slots", "_store", "_trap")

    def __init__(self, store: wasmtime.Store, function: wasmtime.Func) -> None:
        most = max(len(function.type(store).params), 1)
        self._store = store
        self._function = function
        """Kept, as its address is."""
        self._slots = (ctypes.c_uint64 * (2 * most))()
        self._trap = _NO_TRAP()
        self._addresses = (
            context_address(store),
            ctypes.addressof(function._func),
            ctypes.addressof(self._slots),
            most,
            ctypes.addressof(self._trap),
        )

    def call(self, parameters: Sequence[int]) -> End:
        """Calls it with parameters of the right types. Raises what a host function has raised."""
        if parameters:
            for index, parameter in enumerate(parameters):
                self._slots[2 * index] = parameter
        error = _call_unchecked(*self._addresses)
        if error or self._trap:
            return self._ended(error)
        return End.RETURNED

    def _ended(self, error: int | None) -> End:
        code = ctypes.c_uint8(_NO_CODE)
        if self._trap:
            ffi.wasmtime_trap_code(self._trap, ctypes.byref(code))
            ffi.wasm_trap_delete(self._trap)
            ctypes.memset(self._addresses[-1], 0, ctypes.sizeof(ctypes.c_void_p))
        raised, _host_failure.raised = _host_failure.raised, None
        if error:
            # What a function of a store raised is raised here, so nobody else is to raise it again.
            wasmtime_functions.LAST_EXCEPTION = None
            problem = wasmtime.WasmtimeError._from_ptr(ctypes.cast(error, ctypes.POINTER(ffi.wasmtime_error_t)))
            raise raised or problem
        if raised is not None:
            raise raised
        return _ENDS.get(code.value, End.TRAPPED)


def call(store: wasmtime.Store, function: wasmtime.Func, parameters: list[int]) -> End:
    """
    Calls a function of no results with parameters of the right types. Raises what a host function has raised.
    """
    return KeptFunction(store, function).call(parameters)


class GlobalCell:
    """A global of an instance, as a bit pattern."""

    __slots__ = ("_addresses", "_content", "_global", "_mask", "_store", "_value")

    def __init__(self, store: wasmtime.Store, cell: wasmtime.Global, size: int) -> None:
        self._store = store
        self._global = cell._global
        self._value = ffi.wasmtime_val_t()
        self._addresses = (
            context_address(store),
            ctypes.addressof(self._global),
            ctypes.addressof(self._value),
        )
        offset = ffi.wasmtime_val_t.of.offset
        self._content = (ctypes.c_uint64 * 2).from_buffer(self._value, offset)
        self._mask = (1 << 8 * size) - 1
        # Sets the kind of the value once.
        _global_get(*self._addresses)

    def get(self) -> int:
        """The bit pattern, as unsigned integer."""
        _global_get(*self._addresses)
        return (int(self._content[0]) | int(self._content[1]) << 64) & self._mask

    def set(self, bits: int) -> None:
        """Gives the global a new value."""
        self._content[0] = bits & MASK_64
        self._content[1] = bits >> 64
        error = _global_set(*self._addresses)
        assert not error


class CounterCell(GlobalCell):
    """A 64-bit global that holds a signed number."""

    __slots__ = ()

    def get(self) -> int:
        """The number."""
        _global_get(*self._addresses)
        bits = int(self._content[0])
        return bits - 2**64 if bits >> 63 else bits

    def set(self, bits: int) -> None:
        """Gives the global a new value."""
        self._content[0] = bits & MASK_64
        error = _global_set(*self._addresses)
        assert not error
