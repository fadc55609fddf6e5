"""The abstract syntax of WebAssembly modules: what the decoder gives and everything else reads."""

from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cached_property
from operator import attrgetter
from typing import Final

from attrs import field, frozen


class ValueType(Enum):
    """The types of values. Source: core specification, value types."""

    I32 = "i32"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    V128 = "v128"
    FUNCREF = "funcref"
    EXTERNREF = "externref"

    @property
    def is_reference(self) -> bool:
        """Values of the type are references, not numbers or vectors."""
        return self in (ValueType.FUNCREF, ValueType.EXTERNREF)


NULL: Final[int] = -1
"""The null reference. No bit pattern of a number and no function index is negative."""


@frozen
class FunctionType:
    """The types of a function's parameters and results."""

    parameters: tuple[ValueType, ...] = ()
    results: tuple[ValueType, ...] = ()

    def __str__(self) -> str:
        return f"[{' '.join(t.value for t in self.parameters)}] -> [{' '.join(t.value for t in self.results)}]"


class Immediates(Enum):
    """What follows an opcode in the binary format."""

    NONE = "-"
    BLOCK_TYPE = "blocktype"
    LABEL = "label"
    LABELS = "labels"
    FUNCTION = "function"
    TYPE_AND_TABLE = "type,table"
    TYPES = "types"
    LOCAL = "local"
    GLOBAL = "global"
    TABLE = "table"
    TWO_TABLES = "table,table"
    ELEMENT = "element"
    ELEMENT_AND_TABLE = "element,table"
    MEMORY = "memory"
    TWO_MEMORIES = "memory,memory"
    DATA = "data"
    DATA_AND_MEMORY = "data,memory"
    MEMORY_ARGUMENT = "memarg"
    I32 = "i32"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    V128 = "v128"
    LANE = "lane"
    SIXTEEN_LANES = "lanes"
    MEMORY_ARGUMENT_AND_LANE = "memarg,lane"
    REFERENCE_TYPE = "reftype"


ADDRESS: Final = "address"
"""Stands in signatures for the type of addresses of memory 0."""

SignatureType = ValueType | str
"""A value type, or `ADDRESS`."""


@frozen(eq=False)
class Opcode:
    """One row of the table of instructions. There is one object per row, so rows are compared by identity."""

    encoding: bytes
    """The opcode, with its prefix if it has one."""
    name: str
    """The name in the text format."""
    immediates: Immediates
    parameters: tuple[SignatureType, ...] | None
    """The types popped, the last one from the top; None if they depend on the context."""
    results: tuple[SignatureType, ...] | None
    """The types pushed; None if they depend on the context."""

    def __repr__(self) -> str:
        return f"<{self.name}>"


BlockType = int | ValueType | None
"""The index of a function type; or the only result; or neither parameters nor results."""


@frozen
class Instruction:
    """One instruction of the flat list that a body is. Only the fields that the opcode's immediates name are used."""

    opcode: Opcode
    index: int = 0
    """The index of a label, function, type, local, global, table, segment, or lane."""
    second_index: int = 0
    """The table of `call_indirect` and `table.init`, the source table of `table.copy`."""
    constant: int = 0
    """The bits of a constant."""
    alignment: int = 0
    """The exponent of the alignment that a memory access states."""
    offset: int = 0
    """What a memory access adds to the address, in bytes."""
    block_type: BlockType = None
    labels: tuple[int, ...] = ()
    """The labels of `br_table`, the default last."""
    types: tuple[ValueType, ...] = ()
    """The type of `select` with a type, or of `ref.null`."""
    lanes: tuple[int, ...] = ()
    """The sixteen indices of `i8x16.shuffle`."""

    @property
    def name(self) -> str:
        """The name in the text format."""
        return self.opcode.name


Expression = tuple[Instruction, ...]
"""A flat list of instructions, the closing `end` included."""


@frozen
class Limits:
    """The least and greatest size of a memory, in pages, or of a table, in elements."""

    minimum: int
    maximum: int | None = None
    is_64_bit: bool = False
    """Addresses or indices are of type i64."""

    @property
    def address_type(self) -> ValueType:
        """The type of addresses or indices."""
        return ValueType.I64 if self.is_64_bit else ValueType.I32


@frozen
class TableType:
    """The type of a table."""

    element: ValueType
    limits: Limits


@frozen
class MemoryType:
    """The type of a memory; sizes are in pages of 64 KiB."""

    limits: Limits


@frozen
class GlobalType:
    """The type of a global."""

    value_type: ValueType
    is_mutable: bool


ImportDescription = int | TableType | MemoryType | GlobalType
"""The index of a function's type, or the type of what else is imported."""


@frozen
class Import:
    """Something that a module asks its embedder for."""

    module: str
    name: str
    description: ImportDescription


class ExternalKind(Enum):
    """What an import or export is. The values are those of the binary format."""

    FUNCTION = 0
    TABLE = 1
    MEMORY = 2
    GLOBAL = 3


@frozen
class Export:
    """Something that a module offers under a name."""

    name: str
    kind: ExternalKind
    index: int


@frozen
class Function:
    """A function defined in the module."""

    type_index: int
    local_groups: tuple[tuple[int, ValueType], ...]
    """How many locals of which type, without the parameters."""
    body: Expression = field(repr=False)

    @property
    def number_of_locals(self) -> int:
        """The number of locals, without the parameters."""
        return sum(count for count, _ in self.local_groups)

    def counted_instructions(self) -> Mapping[Opcode, int]:
        """How often each instruction stands in the body."""
        return Counter(map(attrgetter("opcode"), self.body))


class LaterFunction(Function):
    """A function of a module that was decoded before: its locals and its body are decoded when they are asked for."""

    __slots__ = ("read",)

    read: Callable[[], Function]
    """Decodes it."""

    def __init__(self, type_index: int, read: Callable[[], Function]) -> None:
        object.__setattr__(self, "type_index", type_index)
        object.__setattr__(self, "read", read)

    def __getattr__(self, name: str) -> object:
        """Called for what is not there yet."""
        if name not in ("local_groups", "body"):
            raise AttributeError(name)
        decoded = self.read()
        object.__setattr__(self, "local_groups", decoded.local_groups)
        object.__setattr__(self, "body", decoded.body)
        return getattr(decoded, name)


@frozen
class Global:
    """A global defined in the module."""

    type: GlobalType
    initial: Expression


class SegmentMode(Enum):
    """When a segment is used."""

    ACTIVE = "active"
    PASSIVE = "passive"
    DECLARATIVE = "declarative"


@frozen
class ElementSegment:
    """References to be written to a table."""

    type: ValueType
    mode: SegmentMode
    items: tuple[Expression, ...]
    table: int = 0
    offset: Expression = ()


@frozen
class DataSegment:
    """Bytes to be written to a memory."""

    mode: SegmentMode
    content: bytes = field(repr=False)
    memory: int = 0
    offset: Expression = ()


@frozen
class CustomSection:
    """Bytes that do not bear on execution."""

    name: str
    content: bytes


@frozen(eq=False)
class Module:
    """A decoded module. Modules are compared by identity, so that what is derived from one can be kept with it."""

    types: tuple[FunctionType, ...] = ()
    imports: tuple[Import, ...] = ()
    functions: tuple[Function, ...] = ()
    defined_tables: tuple[TableType, ...] = ()
    defined_memories: tuple[MemoryType, ...] = ()
    defined_globals: tuple[Global, ...] = ()
    exports: tuple[Export, ...] = ()
    start: int | None = None
    """The index of the start function."""
    elements: tuple[ElementSegment, ...] = ()
    data: tuple[DataSegment, ...] = ()
    data_count: int | None = None
    """The number of data segments that the data count section states."""
    custom_sections: tuple[CustomSection, ...] = ()

    @cached_property
    def imported_functions(self) -> tuple[Import, ...]:
        """The imports that are functions, in the order of their function indices."""
        return tuple(entry for entry in self.imports if isinstance(entry.description, int))

    @cached_property
    def names_of_imported_functions(self) -> frozenset[tuple[str, str]]:
        """The modules and names from which functions are imported."""
        return frozenset((entry.module, entry.name) for entry in self.imported_functions)

    @cached_property
    def function_type_indices(self) -> tuple[int, ...]:
        """The type index of every function, imported ones first."""
        imported = (entry.description for entry in self.imports if isinstance(entry.description, int))
        return (*imported, *(function.type_index for function in self.functions))

    @cached_property
    def tables(self) -> tuple[TableType, ...]:
        """The types of all tables, imported ones first."""
        imported = (entry.description for entry in self.imports if isinstance(entry.description, TableType))
        return (*imported, *self.defined_tables)

    @cached_property
    def memories(self) -> tuple[MemoryType, ...]:
        """The types of all memories, imported ones first."""
        imported = (entry.description for entry in self.imports if isinstance(entry.description, MemoryType))
        return (*imported, *self.defined_memories)

    @cached_property
    def imported_globals(self) -> tuple[GlobalType, ...]:
        """The types of the imported globals."""
        return tuple(entry.description for entry in self.imports if isinstance(entry.description, GlobalType))

    @cached_property
    def globals(self) -> tuple[GlobalType, ...]:
        """The types of all globals, imported ones first."""
        return (*self.imported_globals, *(entry.type for entry in self.defined_globals))

    @cached_property
    def has_64_bit_memory(self) -> bool:
        """Memory 0 has 64-bit addresses."""
        return bool(self.memories) and self.memories[0].limits.is_64_bit

    def function_type(self, index: int) -> FunctionType:
        """The type of a function, by its index."""
        return self.types[self.function_type_indices[index]]

    def block_type(self, block_type: BlockType) -> FunctionType:
        """The function type that a block type stands for."""
        if block_type is None:
            return FunctionType()
        if isinstance(block_type, int):
            return self.types[block_type]
        return FunctionType((), (block_type,))

    @cached_property
    def persistent_global_indices(self) -> tuple[int, ...]:
        """The globals that outlive an execution: those defined in the module that are mutable or exported."""
        exported = {entry.index for entry in self.exports if entry.kind is ExternalKind.GLOBAL}
        first = len(self.imported_globals)
        return tuple(
            index
            for index, entry in enumerate(self.globals)
            if index >= first and (entry.is_mutable or index in exported)
        )

    @cached_property
    def _exported_indices(self) -> dict[tuple[str, ExternalKind], int]:
        """The index of each export by its name and kind."""
        return {(entry.name, entry.kind): entry.index for entry in reversed(self.exports)}

    def exported(self, name: str, kind: ExternalKind) -> int | None:
        """The index of what is exported under a name, or None."""
        return self._exported_indices.get((name, kind))
