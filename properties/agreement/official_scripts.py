"""
The official test scripts of WebAssembly on the reference implementation: each module is rewritten as a canister's is.

A canister imports functions alone; `shared_parts` lets modules import memories, tables and globals as well.
Instructions that change tables, which canisters may not use, are rewritten for the scripts as all others are. Instances
of one script call each other; each counts its instructions.
"""

import ctypes
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, NoReturn

import wasmtime
from attrs import define, evolve, field, frozen
from wasmtime import _ffi as ffi

from properties.agreement.shared_parts import (
    Parts,
    function_of,
    functions_placed,
    global_of,
    table_export,
    with_definitions,
    with_imports,
)
from reference_impl.wasm.instances.wasmtime_engine import CounterCell, GlobalCell, accepting_engine, engine
from reference_impl.wasm.layout.encoding import Malformed as Refused
from reference_impl.wasm.layout.parsed_module import I32, I64, VALUE_SIZES, ParsedModule, parse
from reference_impl.wasm.rewriting.code_rewriting import Bounds
from reference_impl.wasm.rewriting.counting_code import OVERRUN, RUN_OUT, TOO_DEEP
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
from spec.tooling.wast.script_link import fits, kind_of, no_exporter
from spec.wasm.binary import Malformed, decode
from spec.wasm.execute import LinkError
from spec.wasm.initial import constant_value
from spec.wasm.syntax import (
    NULL,
    Expression,
    ExternalKind,
    GlobalType,
    Import,
    MemoryType,
    Module,
    SegmentMode,
    TableType,
)
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


Extern = wasmtime.Func | wasmtime.Global | wasmtime.Memory | wasmtime.Table
"""What instances share."""

SPECTEST: Final = """(module
  (func (export "print")) (func (export "print_i32") (param i32)) (func (export "print_i64") (param i64))
  (func (export "print_f32") (param f32)) (func (export "print_f64") (param f64))
  (func (export "print_i32_f32") (param i32 f32)) (func (export "print_f64_f64") (param f64 f64))
  (global (export "global_i32") i32 (i32.const 666)) (global (export "global_i64") i64 (i64.const 666))
  (global (export "global_f32") f32 (f32.const 666.6)) (global (export "global_f64") f64 (f64.const 666.6))
  (table (export "table") 10 20 funcref) (table (export "table64") i64 10 20 funcref)
  (memory (export "memory") 1 2))"""
"""What scripts may import without making it: functions that do nothing, constants, tables and a memory."""


class RewrittenInstance:
    """An instance of a rewritten module."""

    def __init__(
        self, script: "RewrittenScript", module: Module, parsed: ParsedModule, instance: wasmtime.Instance
    ) -> None:
        self.module = module
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

    def shared(self, kind: ExternalKind, index: int) -> Extern:
        """What stands at an index and is exported."""
        names = {
            ExternalKind.FUNCTION: function_export(index),
            ExternalKind.TABLE: table_export(index),
            ExternalKind.MEMORY: THE_MEMORY,
            ExternalKind.GLOBAL: global_export(index),
        }
        found = self._exports[names[kind]]
        assert isinstance(found, Extern)
        return found

    def size(self, kind: ExternalKind, index: int) -> int:
        """How many elements a table has now, or how many pages a memory."""
        found = self.shared(kind, index)
        assert isinstance(found, wasmtime.Table | wasmtime.Memory)
        return found.size(self._script.store)

    def write_active_segments(self, values: Sequence[int], imported: Sequence[wasmtime.Global]) -> None:
        """
        Writes active segments in their order, those of elements first; traps at the first that does not fit.

        `values` are the bit patterns of the imported globals.
        """
        for segment in self.module.elements:
            if segment.mode is SegmentMode.ACTIVE:
                table = self._exports[table_export(segment.table)]
                assert isinstance(table, wasmtime.Table)
                elements = [self._element(item, imported) for item in segment.items]
                self._write_elements(table, constant_value(segment.offset, values), elements)
        for one in self.module.data:
            if one.mode is SegmentMode.ACTIVE:
                memory, offset = self._exports[THE_MEMORY], constant_value(one.offset, values)
                assert isinstance(memory, wasmtime.Memory)
                if offset + len(one.content) > memory.data_len(self._script.store):
                    raise Trap(TRAPS[1])
                memory.write(self._script.store, one.content, offset)

    def _element(self, item: Expression, imported: Sequence[wasmtime.Global]) -> wasmtime.Func | None:
        index, place = function_of(item), global_of(item)
        if index is not None:
            return self._function(function_export(index))
        value = None if place is None else imported[place].value(self._script.store)
        assert value is None or isinstance(value, wasmtime.Func), "elements are functions"
        return value

    def _write_elements(self, table: wasmtime.Table, offset: int, elements: Sequence[wasmtime.Func | None]) -> None:
        if offset + len(elements) > table.size(self._script.store):
            raise Trap(TRAPS[3])
        for place, element in enumerate(elements):
            table.set(self._script.store, offset + place, element)

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
        return self._exhausted.get() == TOO_DEEP

    def has_run_out(self) -> bool:
        """The counter ended an execution."""
        return self._exhausted.get() in (RUN_OUT, OVERRUN)

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
        index = self.module.exported(name, ExternalKind.GLOBAL)
        assert index is not None, "there is no such export"
        return self.value_of(index)

    def value_of(self, index: int) -> int:
        """The bit pattern of a global that is exported."""
        size = VALUE_SIZES.get(self.parsed.globals[index].value_type)
        if size is None:
            raise Skipped("globals that hold references cannot be read from outside")
        return GlobalCell(self._script.store, self._global(global_export(index)), size).get()

    def start(self) -> None:
        """Runs the start function, if there is one."""
        if self.parsed.start is not None:
            self._script.run(self._function(START_FUNCTION), b"", (), b"")


def shares_references(module: Module) -> bool:
    """Other modules may call functions of this one through references, or this one those of others."""
    shared = (ExternalKind.TABLE, ExternalKind.GLOBAL)
    imported = len(module.imported_functions)
    bodies = (function.body for function in module.functions) if imported else ()
    return any(entry.kind in shared for entry in module.exports) or any(
        instruction.name == "ref.func" and instruction.index < imported for body in bodies for instruction in body
    )


@frozen
class Found:
    """What is given for an import."""

    kind: ExternalKind
    extern: Extern
    value: int | None = None
    """The bit pattern of a global."""


@define
class RewrittenScript:
    """The instances of one script on the reference implementation's engine."""

    words_for_traps: ClassVar[Mapping[str, str]] = {"undefined element": TRAPS[3]}
    limits: Limits
    store: wasmtime.Store = field(factory=lambda: wasmtime.Store(engine()))
    instances: list[RewrittenInstance] = field(factory=list)

    def spectest(self) -> ScriptInstance:
        """The instance from which every script may import."""
        binary = bytes(wasmtime.wat2wasm(SPECTEST))
        return self.instance(ValidModule(decode(binary), binary), no_exporter)

    def instance(self, valid: ValidModule, find: Find) -> ScriptInstance:
        """An instance; the start function is not run."""
        module = valid.module
        found = [self._imported(find, module, entry) for entry in module.imports]
        values = [value for one in found if (value := one.value) is not None]
        shares = bool(Parts.of(module))
        binary = with_definitions(valid.binary, module, values) if shares else valid.binary
        parsed, rewritten = self._rewritten(binary, shares or shares_references(module))
        if shares or any(one.kind is ExternalKind.TABLE for one in module.exports):
            rewritten = with_imports(rewritten, module, functions_placed(module) if shares else [])
        try:
            compiled = wasmtime.Module(engine(), rewritten)
            in_order = sorted(found, key=lambda one: one.kind is not ExternalKind.FUNCTION)
            linked = wasmtime.Instance(self.store, compiled, [one.extern for one in in_order])
        except wasmtime.WasmtimeError as problem:
            raise LinkError(str(problem)) from None
        instance = RewrittenInstance(self, module, parsed, linked)
        self.instances.append(instance)
        if shares:
            globals_found = [one.extern for one in found if isinstance(one.extern, wasmtime.Global)]
            instance.write_active_segments(values, globals_found)
        return instance

    def _rewritten(self, binary: bytes, keeps_types: bool) -> tuple[ParsedModule, bytes]:
        try:
            parsed = parse(binary, keeps_elements=True)
            check_sizes(parsed, self.limits)
            bounds = Bounds(
                most_pages(parsed, self.limits),
                self.limits.function_instructions,
                self.limits.function_complexity,
                admits_table_changes=True,
                keeps_types=keeps_types,
            )
            return parsed, instrument(parsed, bounds).binary
        except Refused as refused:
            if str(refused) in SEGMENTS:
                raise Trap(SEGMENTS[str(refused)]) from None
            raise Skipped(f"the reference implementation refuses modules: {refused}") from None

    def _imported(self, find: Find, module: Module, entry: Import) -> "Found":
        """What is imported. Raises `LinkError` if it does not exist or does not fit."""
        exporter, kind = find(entry.module, entry.name), kind_of(entry)
        assert isinstance(exporter, RewrittenInstance), "all instances are of this engine"
        index = exporter.module.exported(entry.name, kind)
        if index is None:
            raise LinkError(f"unknown import {entry.module}.{entry.name}")
        given, value = exporter.module, None
        match entry.description:
            case TableType(element, limits):
                declared = given.tables[index]
                now = evolve(declared.limits, minimum=exporter.size(kind, index))
                is_fitting = fits(now, limits) and declared.element is element
            case MemoryType(limits):
                is_fitting = fits(evolve(given.memories[index].limits, minimum=exporter.size(kind, index)), limits)
            case GlobalType() as wanted:
                is_fitting = given.globals[index] == wanted
                value = NULL if wanted.value_type.is_reference else exporter.value_of(index)
            case type_index:
                is_fitting = given.function_type(index) == module.types[type_index]
        if not is_fitting:
            raise LinkError(f"incompatible import type: {entry.module}.{entry.name}")
        return Found(kind, exporter.shared(kind, index), value)

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
