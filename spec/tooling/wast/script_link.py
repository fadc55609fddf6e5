"""
Instances of test scripts: they may share memories, tables and globals with each other.

Canisters never share anything, so this is needed for the official scripts only. A reference to a function must then
say of which instance: it is a number from a range that the instance has for itself.
"""

from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from typing import ClassVar, Final, overload

from attrs import define, evolve, field

from spec.tooling.wast.engine import Find, ScriptInstance, ValidModule
from spec.wasm.binary import decode
from spec.wasm.execute import HostFunction, Instance, LinkError
from spec.wasm.initial import InitialState, constant_value, initial_memory, initial_state
from spec.wasm.memory import Memory
from spec.wasm.opcodes import BY_NAME
from spec.wasm.store import TYPE_MISMATCH, Table
from spec.wasm.syntax import (
    NULL,
    Export,
    Expression,
    ExternalKind,
    Function,
    FunctionType,
    Global,
    GlobalType,
    Import,
    Instruction,
    Limits,
    MemoryType,
    Module,
    SegmentMode,
    TableType,
    ValueType,
)
from spec.wasm.traps import Trap
from spec.wasm.validate import validate

COUNTER: Final = 10**10
"""How many instructions an action may take; only runaway tests come near."""

CALL_DEPTH: Final = 5_000
PAGES: Final = 65_536

REFERENCES: Final = 1 << 32
"""Each instance has so many numbers for references to its functions."""

END: Final = Instruction(BY_NAME["end"])
REFERENCE_TO_FUNCTION: Final = BY_NAME["ref.func"]


def constant(value_type: ValueType, bits: int) -> Expression:
    """A constant expression with this value."""
    if value_type.is_reference:
        null = Instruction(BY_NAME["ref.null"], types=(value_type,))
        return null if bits == NULL else Instruction(REFERENCE_TO_FUNCTION, index=bits), END
    return Instruction(BY_NAME[f"{value_type.value}.const"], constant=bits), END


# The module `spectest`

I32, I64, F32, F64 = ValueType.I32, ValueType.I64, ValueType.F32, ValueType.F64

SPECTEST_FUNCTIONS: Final[dict[str, FunctionType]] = {
    "print": FunctionType(),
    "print_i32": FunctionType((I32,)),
    "print_i64": FunctionType((I64,)),
    "print_f32": FunctionType((F32,)),
    "print_f64": FunctionType((F64,)),
    "print_i32_f32": FunctionType((I32, F32)),
    "print_f64_f64": FunctionType((F64, F64)),
}
"""The functions that scripts may import from `spectest`; they do nothing here."""

SPECTEST_GLOBALS: Final[dict[str, tuple[ValueType, int]]] = {
    "global_i32": (I32, 666),
    "global_i64": (I64, 666),
    "global_f32": (F32, 0x4426A666),
    "global_f64": (F64, 0x4084D4CCCCCCCCCD),
}
"""The immutable globals: type and bits (666, and 666.6)."""

SPECTEST_TABLES: Final[dict[str, TableType]] = {
    "table": TableType(ValueType.FUNCREF, Limits(10, 20)),
    "table64": TableType(ValueType.FUNCREF, Limits(10, 20, is_64_bit=True)),
}


def _exports(kind: ExternalKind, names: Iterable[str]) -> tuple[Export, ...]:
    return tuple(Export(name, kind, index) for index, name in enumerate(names))


def spectest() -> Module:
    """The module from which every script may import."""
    return Module(
        types=tuple(SPECTEST_FUNCTIONS.values()),
        functions=tuple(Function(index, (), (END,)) for index in range(len(SPECTEST_FUNCTIONS))),
        defined_tables=tuple(SPECTEST_TABLES.values()),
        defined_memories=(MemoryType(Limits(1, 2)),),
        defined_globals=tuple(
            Global(GlobalType(value_type, is_mutable=False), constant(value_type, bits))
            for value_type, bits in SPECTEST_GLOBALS.values()
        ),
        exports=(
            *_exports(ExternalKind.FUNCTION, SPECTEST_FUNCTIONS),
            *_exports(ExternalKind.TABLE, SPECTEST_TABLES),
            *_exports(ExternalKind.MEMORY, ("memory",)),
            *_exports(ExternalKind.GLOBAL, SPECTEST_GLOBALS),
        ),
    )


# Instances that share

Cell = tuple[MutableSequence[int], int]
"""Where the value of a global is kept."""


class SharedGlobals(MutableSequence[int]):
    """Globals of which some are those of other instances."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = cells

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> MutableSequence[int]: ...

    def __getitem__(self, index: int | slice) -> int | MutableSequence[int]:
        """The value of one global."""
        if isinstance(index, slice):
            return SharedGlobals(self.cells[index])
        owner, place = self.cells[index]
        return owner[place]

    def __setitem__(self, index: int | slice, value: int | Iterable[int]) -> None:
        """Sets one global."""
        if isinstance(index, slice) or not isinstance(value, int):
            raise TypeError("globals are set one at a time")
        owner, place = self.cells[index]
        owner[place] = value

    def __len__(self) -> int:
        return len(self.cells)

    def __delitem__(self, index: int | slice) -> None:
        raise TypeError("globals are not removed")

    def insert(self, index: int, value: int) -> None:
        """There are no more globals than at the start."""
        raise TypeError("globals are not added")


class LinkedInstance(Instance):
    """An instance among others, whose functions it may call by reference."""

    def __init__(
        self,
        module: Module,
        imported: Sequence[HostFunction],
        initial: InitialState,
        memory: Memory | None,
        others: list["LinkedInstance"],
    ) -> None:
        super().__init__(module, {}, initial, memory, COUNTER, None, CALL_DEPTH)
        self.imported = list(imported)
        self.others = others

    def call(self, name: str, arguments: Sequence[int]) -> list[int]:
        """Calls an exported function."""
        self.counter = COUNTER
        return self.invoke(self._exported(name, ExternalKind.FUNCTION), arguments)

    def read(self, name: str) -> int:
        """The bit pattern of an exported global."""
        return self.globals[self._exported(name, ExternalKind.GLOBAL)]

    def start(self) -> None:
        """Runs the start function, if there is one."""
        if self.module.start is not None:
            self.invoke(self.module.start, ())

    def _exported(self, name: str, kind: ExternalKind) -> int:
        index = self.module.exported(name, kind)
        assert index is not None, "there is no such export"
        return index

    def owner(self, reference: int) -> tuple["LinkedInstance", int]:
        """The instance whose function is referred to, and its index there."""
        number, index = divmod(reference, REFERENCES)
        return self.others[number], index

    def referenced(self, reference: int, expected: FunctionType) -> int:
        """The index of a function of this instance; of another one's, a negative number that says which."""
        owner, index = self.owner(reference)
        if owner.module.function_type(index) != expected:
            raise Trap(TYPE_MISMATCH)
        return index if owner is self else -1 - reference

    def call_host(self, function_index: int, stack: list[int]) -> None:
        """Calls an imported function, or one of another instance."""
        if function_index >= 0:
            super().call_host(function_index, stack)
            return
        owner, index = self.owner(-1 - function_index)
        first = len(stack) - len(owner.module.function_type(index).parameters)
        arguments = stack[first:]
        del stack[first:]
        stack.extend(owner.invoke(index, arguments))


def relocated(module: Module, first_reference: int) -> Module:
    """The module with references to functions as numbers of its instance."""

    def moved(expression: Expression) -> Expression:
        return tuple(
            evolve(one, index=one.index + first_reference) if one.opcode is REFERENCE_TO_FUNCTION else one
            for one in expression
        )

    if first_reference == 0:
        return module
    return evolve(
        module,
        functions=tuple(evolve(function, body=moved(function.body)) for function in module.functions),
        defined_globals=tuple(evolve(entry, initial=moved(entry.initial)) for entry in module.defined_globals),
        elements=tuple(evolve(segment, items=tuple(map(moved, segment.items))) for segment in module.elements),
    )


def without_active_segments(module: Module) -> Module:
    """The module with its active segments already dropped."""
    return evolve(
        module,
        elements=tuple(
            evolve(one, mode=SegmentMode.DECLARATIVE) if one.mode is SegmentMode.ACTIVE else one
            for one in module.elements
        ),
        data=tuple(
            evolve(one, mode=SegmentMode.PASSIVE, content=b"") if one.mode is SegmentMode.ACTIVE else one
            for one in module.data
        ),
    )


def fits(given: Limits, wanted: Limits) -> bool:
    """What is given may be imported as what is wanted."""
    if given.is_64_bit != wanted.is_64_bit or given.minimum < wanted.minimum:
        return False
    return wanted.maximum is None or (given.maximum is not None and given.maximum <= wanted.maximum)


@define
class Imported:
    """What a module is given for its imports, each kind in the order of its indices."""

    functions: list[HostFunction] = field(factory=list)
    function_imports: list[Import] = field(factory=list)
    tables: list[Table] = field(factory=list)
    table_types: list[TableType] = field(factory=list)
    memories: list[Memory] = field(factory=list)
    memory_types: list[MemoryType] = field(factory=list)
    globals: list[Cell] = field(factory=list)
    global_types: list[GlobalType] = field(factory=list)

    def defined_in(self, module: Module) -> Module:
        """The module with tables, memories and globals made into definitions of its own."""
        values = [owner[place] for owner, place in self.globals]
        return evolve(
            module,
            imports=tuple(self.function_imports),
            defined_tables=(*self.table_types, *module.defined_tables),
            defined_memories=(*self.memory_types, *module.defined_memories),
            defined_globals=(
                *(
                    Global(declared, constant(declared.value_type, value))
                    for declared, value in zip(self.global_types, values, strict=True)
                ),
                *module.defined_globals,
            ),
        )


def kind_of(entry: Import) -> ExternalKind:
    """What is imported."""
    match entry.description:
        case TableType():
            return ExternalKind.TABLE
        case MemoryType():
            return ExternalKind.MEMORY
        case GlobalType():
            return ExternalKind.GLOBAL
        case _:
            return ExternalKind.FUNCTION


def calling(exporter: Instance, index: int) -> HostFunction:
    """The function of another instance."""
    return lambda _, arguments: exporter.invoke(index, arguments)


def resolve(module: Module, find: Find) -> Imported:
    """What the module imports. Raises `LinkError` if something does not exist or does not fit."""
    found = Imported()
    for entry in module.imports:
        exporter = find(entry.module, entry.name)
        assert isinstance(exporter, LinkedInstance), "all instances are of this engine"
        index = exporter.module.exported(entry.name, kind_of(entry))
        if index is None:
            raise LinkError(f"unknown import or incompatible type: {entry.module}.{entry.name}")
        if not _add(found, module, entry, exporter, index):
            raise LinkError(f"incompatible import type: {entry.module}.{entry.name}")
    return found


def _add(found: Imported, module: Module, entry: Import, exporter: LinkedInstance, index: int) -> bool:
    """Adds one import, and tells whether its type fits. Of memories and tables the size now counts."""
    match entry.description:
        case TableType(element, limits):
            table, declared = exporter.tables[index], exporter.module.tables[index]
            given = evolve(declared.limits, minimum=len(table.elements))
            found.tables.append(table)
            found.table_types.append(TableType(declared.element, given))
            return fits(given, limits) and declared.element is element
        case MemoryType(limits):
            given = evolve(exporter.module.memories[index].limits, minimum=exporter.heap.size >> 16)
            found.memories.append(exporter.heap)
            found.memory_types.append(MemoryType(given))
            return fits(given, limits)
        case GlobalType() as wanted:
            found.globals.append((exporter.globals, index))
            found.global_types.append(exporter.module.globals[index])
            return exporter.module.globals[index] == wanted
        case type_index:
            found.functions.append(calling(exporter, index))
            found.function_imports.append(entry)
            return exporter.module.function_type(index) == module.types[type_index]


def fresh_memory(module: Module) -> Memory | None:
    """The memory that the module defines."""
    return Memory(initial_memory(module), module.memories[0], PAGES) if module.memories else None


def link(module: Module, find: Find, others: list[LinkedInstance]) -> LinkedInstance:
    """
    An instance of a valid module, added to the others. The start function is not run.

    Raises `LinkError`, or `Trap` if an active segment does not fit; what the segments before it wrote stays.
    """
    found = resolve(module, find)
    own = found.defined_in(relocated(module, len(others) * REFERENCES))
    if not (found.tables or found.memories or found.globals):
        instance = LinkedInstance(own, found.functions, initial_state(own), fresh_memory(own), others)
        others.append(instance)
        return instance
    bare = without_active_segments(own)
    memory = found.memories[0] if found.memories else fresh_memory(bare)
    instance = LinkedInstance(bare, found.functions, initial_state(bare), memory, others)
    instance.tables[: len(found.tables)] = found.tables
    values = instance.globals
    defined = range(len(found.globals), len(values))
    instance.globals = SharedGlobals([*found.globals, *((values, index) for index in defined)])
    others.append(instance)
    apply_active_segments(instance, own)
    return instance


def apply_active_segments(instance: LinkedInstance, module: Module) -> None:
    """Writes active segments, those of elements first, in their order."""
    values = instance.globals
    for element in module.elements:
        if element.mode is SegmentMode.ACTIVE:
            references = [constant_value(item, values) for item in element.items]
            instance.tables[element.table].put(constant_value(element.offset, values), references)
    for segment in module.data:
        if segment.mode is SegmentMode.ACTIVE:
            instance.heap.write(constant_value(segment.offset, values), segment.content)


@define
class InterpretedScript:
    """The instances of one script on the specification's interpreter."""

    words_for_traps: ClassVar[Mapping[str, str]] = {}
    linked: list[LinkedInstance] = field(factory=list)
    """All instances."""

    def spectest(self) -> LinkedInstance:
        """The instance from which every script may import."""
        return link(spectest(), no_exporter, self.linked)

    def instance(self, valid: ValidModule, find: Find) -> LinkedInstance:
        """An instance; the start function is not run. Raises `LinkError`, or `Trap` if a segment does not fit."""
        return link(valid.module, find, self.linked)

    def refuse(self, binary: bytes) -> None:
        """Raises `Malformed` or `Invalid` if the bytes are no valid module."""
        validate(decode(binary))


def no_exporter(name: str, _: str) -> ScriptInstance:
    """There is nothing to import from."""
    raise LinkError(f"unknown import {name}")
