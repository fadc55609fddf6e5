"""
The official test scripts of WebAssembly on the reference implementation: each module is rewritten as a canister's is.

A canister imports functions alone, so modules that import memories, tables or globals are skipped. Instructions that
change tables, which canisters may not use, are rewritten for the scripts as all others are. Instances of one script
call each other; each counts its instructions.
"""

import ctypes
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, NoReturn

import wasmtime
from attrs import define, field
from wasmtime import _ffi as ffi

from reference_impl.wasm.instances.wasmtime_engine import CounterCell, GlobalCell, accepting_engine, engine
from reference_impl.wasm.layout.encoding import Malformed as Refused
from reference_impl.wasm.layout.parsed_module import I32, I64, VALUE_SIZES, ParsedModule, parse
from reference_impl.wasm.rewriting.code_rewriting import Bounds
from reference_impl.wasm.rewriting.instrument import (
    COUNTER,
    DEPTH,
    EXHAUSTED,
    LIMIT,
    ONE_SLICE,
    START_FUNCTION,
    THE_MEMORY,
    function_export,
    global_export,
    instrument,
)
from reference_impl.wasm.rewriting.requirements import check_sizes, most_pages
from spec.profile import Limits
from spec.tooling.wast.engine import Find, ScriptInstance, Skipped, ValidModule
from spec.tooling.wast.script_link import SPECTEST_FUNCTIONS
from spec.wasm.binary import Malformed, decode
from spec.wasm.execute import LinkError
from spec.wasm.syntax import NULL
from spec.wasm.traps import OutOfInstructions, Trap
from spec.wasm.validate import Invalid, validate

INSTRUCTIONS: Final = 10**10
"""How many an action may take; only runaway tests come near."""

CALL_DEPTH: Final = 1_000

SLOT: Final = 16
"""Bytes between parameters, and between results."""

EXHAUSTED_STACK: Final = "call stack exhausted"
EXTERNREF: Final = 0x6F
NUMBERS: Final = frozenset({I32, I64})
"""The kinds of values that stand beside references from outside."""

TRAPS: Final = {
    0: EXHAUSTED_STACK,
    1: "out of bounds memory access",
    3: "out of bounds table access",
    4: "uninitialized element",
    5: "indirect call type mismatch",
    6: "integer overflow",
    7: "integer divide by zero",
    8: "invalid conversion to integer",
    9: "unreachable",
}
"""The engine's codes of traps, in the words of the scripts."""

SEGMENTS: Final = {
    "a data segment does not fit the memory": "out of bounds memory access",
    "an element segment does not fit its table": "out of bounds table access",
}
"""Why the reference implementation refuses a module that the scripts have trap when it is instantiated."""


class NothingElse:
    """`spectest`: functions that do nothing. What else is in it cannot be imported here."""

    def call(self, name: str, arguments: Sequence[int]) -> list[int]:
        """Nothing happens."""
        return []

    def read(self, name: str) -> int:
        """No script reads these globals."""
        raise Skipped("globals of spectest are not there")

    def start(self) -> None:
        """It has no start function."""


class RewrittenInstance:
    """An instance of a rewritten module."""

    def __init__(self, script: "RewrittenScript", parsed: ParsedModule, instance: wasmtime.Instance) -> None:
        self.parsed = parsed
        self._script = script
        self._exports = instance.exports(script.store)
        self._counter = CounterCell(script.store, self._global(COUNTER), 8)
        self._limit = CounterCell(script.store, self._global(LIMIT), 8)
        self._one_slice = CounterCell(script.store, self._global(ONE_SLICE), 8)
        self._depth = GlobalCell(script.store, self._global(DEPTH), 4)
        self._exhausted = GlobalCell(script.store, self._global(EXHAUSTED), 4)
        self._fill_memory()

    def _global(self, name: str) -> wasmtime.Global:
        cell = self._exports[name]
        assert isinstance(cell, wasmtime.Global)
        return cell

    def _fill_memory(self) -> None:
        """Writes the active data segments, which rewriting takes out."""
        for segment in self.parsed.data_segments:
            if segment.offset is not None and segment.content:
                memory = self._exports[THE_MEMORY]
                assert isinstance(memory, wasmtime.Memory)
                memory.write(self._script.store, segment.content, segment.offset)

    def function(self, name: str) -> wasmtime.Func | None:
        """An exported function."""
        index = self.parsed.exported_functions().get(name)
        return None if index is None else self._function(function_export(index))

    def _function(self, export: str) -> wasmtime.Func:
        function = self._exports[export]
        assert isinstance(function, wasmtime.Func)
        return function

    def prepare(self) -> None:
        """Sets what an action may take."""
        self._counter.set(INSTRUCTIONS)
        self._limit.set(INSTRUCTIONS)
        self._one_slice.set(INSTRUCTIONS)
        self._depth.set(CALL_DEPTH - 1)
        self._exhausted.set(0)

    def has_nested_too_deep(self) -> bool:
        """The calls of an execution went deeper than they may."""
        left = self._depth.get()
        return left == 0 or left >> 31 == 1

    def has_run_out(self) -> bool:
        """The counter ended an execution."""
        return self._exhausted.get() != 0

    def call(self, name: str, arguments: Sequence[int]) -> list[int]:
        """Calls an exported function."""
        index = self.parsed.exported_functions().get(name)
        assert index is not None, "there is no such export"
        signature = self.parsed.type_of_function(index)
        assert len(signature.parameters) == len(arguments), "the function has other parameters"
        function = self._function(function_export(index))
        return self._script.run(function, signature.parameters, arguments, signature.results)

    def read(self, name: str) -> int:
        """The bit pattern of an exported global."""
        index = next((one.index for one in self.parsed.exports if one.name == name), None)
        assert index is not None, "there is no such export"
        size = VALUE_SIZES.get(self.parsed.globals[index].value_type)
        if size is None:
            raise Skipped("globals that hold references cannot be read from outside")
        return GlobalCell(self._script.store, self._global(global_export(index)), size).get()

    def start(self) -> None:
        """Runs the start function, if there is one."""
        if self.parsed.start is not None:
            self._script.run(self._function(START_FUNCTION), b"", (), b"")


@define
class RewrittenScript:
    """The instances of one script on the reference implementation's engine."""

    words_for_traps: ClassVar[Mapping[str, str]] = {"undefined element": TRAPS[3]}
    limits: Limits
    store: wasmtime.Store = field(factory=lambda: wasmtime.Store(engine()))
    instances: list[RewrittenInstance] = field(factory=list)

    def spectest(self) -> ScriptInstance:
        """The instance from which every script may import functions."""
        return NothingElse()

    def instance(self, valid: ValidModule, find: Find) -> ScriptInstance:
        """An instance; the start function is not run."""
        try:
            parsed = parse(valid.binary, keeps_elements=True)
            check_sizes(parsed, self.limits)
            bounds = Bounds(
                most_pages(parsed, self.limits),
                self.limits.function_instructions,
                self.limits.function_complexity,
                admits_table_changes=True,
            )
            module = wasmtime.Module(engine(), instrument(parsed, bounds).binary)
        except Refused as refused:
            if str(refused) in SEGMENTS:
                raise Trap(SEGMENTS[str(refused)]) from None
            raise Skipped(f"the reference implementation refuses modules: {_kind(str(refused))}") from None
        imported = [self._imported(find, one.module, one.name, parsed, one.type_index) for one in parsed.imports]
        try:
            linked = wasmtime.Instance(self.store, module, imported)
        except wasmtime.WasmtimeError as problem:
            raise LinkError(str(problem)) from None
        self.instances.append(RewrittenInstance(self, parsed, linked))
        return self.instances[-1]

    def _imported(self, find: Find, module: str, name: str, parsed: ParsedModule, type_index: int) -> wasmtime.Func:
        exporter = find(module)
        found = exporter.function(name) if isinstance(exporter, RewrittenInstance) else self._of_spectest(name)
        if found is None:
            raise LinkError(f"unknown import {module}.{name}")
        return found

    def _of_spectest(self, name: str) -> wasmtime.Func | None:
        declared = SPECTEST_FUNCTIONS.get(name)
        if declared is None:
            return None
        kinds = [getattr(wasmtime.ValType, one.value)() for one in declared.parameters]
        return wasmtime.Func(self.store, wasmtime.FuncType(kinds, []), lambda *_: None)

    def refuse(self, binary: bytes) -> None:
        """Raises `Malformed` or `Invalid` if the bytes are no valid module, as the engine finds."""
        try:
            validate(decode(binary))
        except (Malformed, Invalid) as refusal:
            # What is refused for a feature alone says nothing of what else is wrong with it.
            if "not accepted" in refusal.reason:
                raise
        try:
            wasmtime.Module.validate(accepting_engine(), binary)
        except wasmtime.WasmtimeError as problem:
            raise Invalid(str(problem)) from None

    def run(self, function: wasmtime.Func, parameters: bytes, arguments: Sequence[int], results: bytes) -> list[int]:
        """Calls a function with bit patterns, which may be vectors. Raises `Trap`."""
        for one in self.instances:
            one.prepare()
        if EXTERNREF in parameters + results:
            return self._run_with_references(function, parameters, arguments, results)
        slots = bytearray(SLOT * max(len(parameters), len(results), 1))
        for place, (kind, argument) in enumerate(zip(parameters, arguments, strict=True)):
            slots[SLOT * place : SLOT * place + SLOT] = _to_slot(kind, argument)
        code = self._call(function, slots)
        if code is not None:
            self._trap(code)
        return [
            _from_slot(kind, bytes(slots[SLOT * place : SLOT * place + SLOT])) for place, kind in enumerate(results)
        ]

    def _run_with_references(
        self, function: wasmtime.Func, parameters: bytes, arguments: Sequence[int], results: bytes
    ) -> list[int]:
        """The same for functions that take or give references from outside, which stand for their numbers."""
        if not (NUMBERS | {EXTERNREF}).issuperset(parameters + results):
            raise Skipped("references from outside beside other than integers are not there")
        given = [
            (None if argument == NULL else argument) if kind == EXTERNREF else argument
            for kind, argument in zip(parameters, arguments, strict=True)
        ]
        try:
            answer = function(self.store, *given)
        except wasmtime.Trap as trap:
            code = trap.trap_code
            self._trap(-1 if code is None else code.value)
        answers = [] if not results else [answer] if len(results) == 1 else answer
        return [
            (NULL if one is None else one) if kind == EXTERNREF else one & ((1 << 8 * VALUE_SIZES[kind]) - 1)
            for kind, one in zip(results, answers, strict=True)
        ]

    def _call(self, function: wasmtime.Func, slots: bytearray) -> int | None:
        """The code of the trap; None if the call returns."""
        shared = (ctypes.c_ubyte * len(slots)).from_buffer(slots)
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        error = ffi.wasmtime_func_call_unchecked(
            self.store._context(),
            ctypes.byref(function._func),
            ctypes.cast(shared, ctypes.POINTER(ffi.wasmtime_val_raw_t)),
            len(slots) // SLOT,
            ctypes.byref(trap),
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        if not trap:
            return None
        code = ctypes.c_uint8()
        ffi.wasmtime_trap_code(trap, ctypes.byref(code))
        ffi.wasm_trap_delete(trap)
        return code.value

    def _trap(self, code: int) -> NoReturn:
        if any(one.has_nested_too_deep() for one in self.instances):
            raise Trap(EXHAUSTED_STACK)
        if any(one.has_run_out() for one in self.instances):
            raise OutOfInstructions
        raise Trap(TRAPS.get(code, f"a trap with the code {code}"))


def _kind(refused: str) -> str:
    """What a module is refused for, without the names in it."""
    return "imports of what is no function" if refused.endswith("is not a function") else refused


def _to_slot(kind: int, bits: int) -> bytes:
    size = VALUE_SIZES.get(kind)
    if size is None and bits != NULL:
        raise Skipped("references from outside are not there")
    return (0 if size is None else bits).to_bytes(SLOT, "little")


def _from_slot(kind: int, slot: bytes) -> int:
    size = VALUE_SIZES.get(kind)
    if size is None:
        return NULL if not any(slot[:8]) else int.from_bytes(slot[:8], "little")
    return int.from_bytes(slot[:size], "little")
