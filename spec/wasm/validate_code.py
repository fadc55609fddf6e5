"""
Validation of function bodies. Source: core specification, appendix, validation algorithm.

One rule for each instruction; what they do with operands and blocks is in `validate_stacks`.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

from spec.wasm.opcodes import BY_NAME
from spec.wasm.syntax import (
    ADDRESS,
    Function,
    FunctionType,
    Immediates,
    Instruction,
    Module,
    Opcode,
    SignatureType,
    TableType,
    ValueType,
)
from spec.wasm.validate_stacks import Invalid, Stacks

MAXIMUM_LOCALS: Final = 50_000
"""
The greatest number of locals of a function, parameters included. Source: the limit that WebAssembly engines share.
"""

I32: Final = ValueType.I32

VECTOR_BYTES: Final = 16


def access_width(name: str) -> int:
    """The number of bytes that a load or store accesses: `i64.load32_u` accesses 4, `v128.load8x8_s` accesses 8."""
    value_type, operation = name.split(".")
    widths = re.findall(r"[0-9]+", operation) or [value_type[1:]]
    return math.prod(map(int, widths)) // 8


def number_of_lanes(name: str) -> int:
    """The number of lanes among which an instruction names one: of `i8x16.extract_lane_s` 16, `v128.load32_lane` 4."""
    shape = name.split(".")[0]
    return int(shape.partition("x")[2]) if "x" in shape else VECTOR_BYTES // access_width(name)


class BodyChecker(Stacks):
    """Checks the bodies of one module, one after the other."""

    def __init__(self, module: Module, referable: frozenset[int]) -> None:
        super().__init__()
        self.module = module
        self.referable = referable
        self.address = module.memories[0].limits.address_type if module.memories else None
        self.globals = module.globals
        self.locals: list[ValueType] = []
        self.rules = self._rules()

    # The check of a body

    def check(self, function: Function) -> None:
        """Raises `Invalid` if the body does not have the function's type."""
        signature = self.module.types[function.type_index]
        if len(signature.parameters) + function.number_of_locals > MAXIMUM_LOCALS:
            raise Invalid(f"too many locals: at most {MAXIMUM_LOCALS} are accepted")
        self.locals = [*signature.parameters]
        for count, value_type in function.local_groups:
            self.locals.extend([value_type] * count)
        self.operands, self.frames = [], []
        self.open_frame("function", FunctionType((), signature.results))
        rules = self.rules
        for instruction in function.body:
            if not self.frames:
                raise Invalid("operators remaining after end of function")
            rules[instruction.opcode](instruction)
        if self.frames:
            raise Invalid("END opcode expected")

    def _rules(self) -> dict[Opcode, Callable[[Instruction], None]]:
        rules = {opcode: self._rule_for(opcode) for opcode in BY_NAME.values()}
        for name, rule in self._contextual_rules().items():
            rules[BY_NAME[name]] = rule
        return rules

    def _rule_for(self, opcode: Opcode) -> Callable[[Instruction], None]:
        """The rule of an instruction whose types its row of the table gives."""
        if opcode.parameters is None or opcode.results is None:
            return self._missing
        parameters, results = self._resolve(opcode.parameters), self._resolve(opcode.results)
        expected = tuple(reversed(parameters))
        operands_of = self

        def by_signature(_: Instruction) -> None:
            operands = operands_of.operands
            height = operands_of.frames[-1].height
            for parameter in expected:
                if len(operands) > height and operands[-1] is parameter:
                    operands.pop()
                else:
                    operands_of.pop(parameter)
            operands.extend(results)

        match opcode.immediates:
            case Immediates.LANE:
                return self._lane(opcode, by_signature)
            case Immediates.SIXTEEN_LANES:
                return self._sixteen_lanes(by_signature)
            case Immediates.MEMORY_ARGUMENT_AND_LANE:
                return self._lane(opcode, self._memory_access(opcode, by_signature))
            case Immediates.MEMORY_ARGUMENT:
                return self._memory_access(opcode, by_signature)
            case Immediates.MEMORY | Immediates.TWO_MEMORIES | Immediates.DATA_AND_MEMORY:
                return self._memory_operation(opcode, by_signature)
        return by_signature

    def _resolve(self, types: Sequence[SignatureType]) -> tuple[ValueType, ...]:
        """The types, with that of addresses put in; without a memory it does not matter, as another check fails."""
        resolved = ((self.address or I32) if entry == ADDRESS else entry for entry in types)
        return tuple(entry for entry in resolved if isinstance(entry, ValueType))

    def _missing(self, instruction: Instruction) -> None:
        raise AssertionError(f"no rule for {instruction.name}")

    # Control

    def unreachable(self, _: Instruction) -> None:
        """`unreachable` does not return."""
        self.rest_is_unreachable()

    def block(self, instruction: Instruction) -> None:
        """`block` and `loop` take their parameters into the new frame."""
        block_type = self.block_type(instruction)
        self.pop_all(block_type.parameters)
        self.open_frame(instruction.name, block_type)

    def if_(self, instruction: Instruction) -> None:
        """`if` also takes a condition."""
        self.pop(I32)
        self.block(instruction)

    def block_type(self, instruction: Instruction) -> FunctionType:
        """The type of the block."""
        if isinstance(instruction.block_type, int) and instruction.block_type >= len(self.module.types):
            raise Invalid(f"unknown type {instruction.block_type}")
        return self.module.block_type(instruction.block_type)

    def else_(self, _: Instruction) -> None:
        """`else` ends the first part of an `if`."""
        frame = self.close_frame()
        if frame.opcode != "if":
            raise Invalid("else without if")
        self.open_frame("else", frame.type)

    def end(self, _: Instruction) -> None:
        """`end` leaves the results; an `if` without `else` must leave its parameters."""
        frame = self.close_frame()
        if frame.opcode == "if" and frame.type.parameters != frame.type.results:
            raise Invalid("type mismatch: if without else whose parameters are not its results")
        self.operands.extend(frame.type.results)

    def br(self, instruction: Instruction) -> None:
        """`br` takes what the label takes."""
        self.pop_all(self.label_types(instruction.index))
        self.rest_is_unreachable()

    def br_if(self, instruction: Instruction) -> None:
        """`br_if` leaves what the label takes."""
        self.pop(I32)
        types = self.label_types(instruction.index)
        self.pop_all(types)
        self.operands.extend(types)

    def br_table(self, instruction: Instruction) -> None:
        """All labels of `br_table` fit the operands."""
        self.pop(I32)
        default = self.label_types(instruction.labels[-1])
        found = [self.label_types(label) for label in set(instruction.labels[:-1])]
        height = self.frames[-1].height
        # Blocks of one type share the tuple, so each is checked once however many labels there are.
        for types in {id(types): types for types in found}.values():
            if len(types) != len(default):
                raise Invalid("type mismatch: the labels take different numbers of values")
            operands = self.operands[height:]
            if not self.are_on_top(types):
                self.pop_all(types)
                self.operands[height:] = operands
        self.pop_all(default)
        self.rest_is_unreachable()

    def return_(self, _: Instruction) -> None:
        """`return` takes the results of the function."""
        self.pop_all(self.frames[0].type.results)
        self.rest_is_unreachable()

    def callee(self, instruction: Instruction) -> FunctionType:
        """The type of the function that is called directly."""
        if instruction.index >= len(self.module.function_type_indices):
            raise Invalid(f"unknown function {instruction.index}")
        return self.module.function_type(instruction.index)

    def callee_in_table(self, instruction: Instruction) -> FunctionType:
        """The type of the function that is called through a table; takes the index."""
        table = self.table(instruction.second_index)
        if table.element is not ValueType.FUNCREF:
            raise Invalid("type mismatch: calls go through tables of funcref")
        if instruction.index >= len(self.module.types):
            raise Invalid(f"unknown type {instruction.index}")
        self.pop(table.limits.address_type)
        return self.module.types[instruction.index]

    def call(self, callee: FunctionType) -> None:
        """A call takes the parameters and leaves the results."""
        self.pop_all(callee.parameters)
        self.operands.extend(callee.results)

    def return_call(self, callee: FunctionType) -> None:
        """The results of a tail call are those of the function."""
        if callee.results != self.frames[0].type.results:
            raise Invalid("type mismatch: the results of the callee are not those of the function")
        self.pop_all(callee.parameters)
        self.rest_is_unreachable()

    # Parametric instructions and variables

    def drop(self, _: Instruction) -> None:
        """`drop` takes any value."""
        self.pop()

    def select(self, _: Instruction) -> None:
        """`select` without a type chooses between two numbers or two vectors of one type."""
        self.pop(I32)
        first, second = self.pop(), self.pop()
        if any(entry is not None and entry.is_reference for entry in (first, second)):
            raise Invalid("type mismatch: select without a type chooses between numbers")
        if first is not second and first is not None and second is not None:
            raise Invalid(f"type mismatch: {first.value} and {second.value}")
        self.push(second if first is None else first)

    def select_typed(self, instruction: Instruction) -> None:
        """`select` with a type states exactly one."""
        if len(instruction.types) != 1:
            raise Invalid("invalid result arity")
        self.pop_all((instruction.types[0], instruction.types[0], I32))
        self.push(instruction.types[0])

    def local(self, instruction: Instruction) -> ValueType:
        """The type of a local."""
        if instruction.index >= len(self.locals):
            raise Invalid(f"unknown local {instruction.index}")
        return self.locals[instruction.index]

    def local_get(self, instruction: Instruction) -> None:
        """`local.get`."""
        self.operands.append(self.local(instruction))

    def local_set(self, instruction: Instruction) -> None:
        """`local.set`."""
        self.pop(self.local(instruction))

    def local_tee(self, instruction: Instruction) -> None:
        """`local.tee`."""
        value_type = self.local(instruction)
        self.pop(value_type)
        self.push(value_type)

    def global_get(self, instruction: Instruction) -> None:
        """`global.get`."""
        if instruction.index >= len(self.globals):
            raise Invalid(f"unknown global {instruction.index}")
        self.push(self.globals[instruction.index].value_type)

    def global_set(self, instruction: Instruction) -> None:
        """`global.set`, only on mutable globals."""
        if instruction.index >= len(self.globals):
            raise Invalid(f"unknown global {instruction.index}")
        if not self.globals[instruction.index].is_mutable:
            raise Invalid(f"immutable global {instruction.index}: global is immutable")
        self.pop(self.globals[instruction.index].value_type)

    # References, tables, segments

    def ref_null(self, instruction: Instruction) -> None:
        """`ref.null`."""
        self.push(instruction.types[0])

    def ref_is_null(self, _: Instruction) -> None:
        """`ref.is_null` takes any reference."""
        operand = self.pop()
        if operand is not None and not operand.is_reference:
            raise Invalid(f"type mismatch: expected a reference, found {operand.value}")
        self.push(I32)

    def ref_func(self, instruction: Instruction) -> None:
        """`ref.func` names a function that is declared as referable."""
        self.callee(instruction)
        if instruction.index not in self.referable:
            raise Invalid(f"undeclared function reference {instruction.index}")
        self.push(ValueType.FUNCREF)

    def table(self, index: int) -> TableType:
        """The type of a table."""
        if index >= len(self.module.tables):
            raise Invalid(f"unknown table {index}")
        return self.module.tables[index]

    def element_type(self, index: int) -> ValueType:
        """The type of an element segment."""
        if index >= len(self.module.elements):
            raise Invalid(f"unknown elem segment {index}")
        return self.module.elements[index].type

    def table_get(self, instruction: Instruction) -> None:
        """`table.get`."""
        table = self.table(instruction.index)
        self.pop(table.limits.address_type)
        self.push(table.element)

    def table_set(self, instruction: Instruction) -> None:
        """`table.set`."""
        table = self.table(instruction.index)
        self.pop_all((table.limits.address_type, table.element))

    def table_size(self, instruction: Instruction) -> None:
        """`table.size`."""
        self.push(self.table(instruction.index).limits.address_type)

    def table_grow(self, instruction: Instruction) -> None:
        """`table.grow`."""
        table = self.table(instruction.index)
        self.pop_all((table.element, table.limits.address_type))
        self.push(table.limits.address_type)

    def table_fill(self, instruction: Instruction) -> None:
        """`table.fill`."""
        table = self.table(instruction.index)
        self.pop_all((table.limits.address_type, table.element, table.limits.address_type))

    def table_copy(self, instruction: Instruction) -> None:
        """`table.copy` between tables of one type; the length has the smaller index type."""
        target, source = self.table(instruction.index), self.table(instruction.second_index)
        if target.element is not source.element:
            raise Invalid("type mismatch: tables of different types")
        length = ValueType.I64 if target.limits.is_64_bit and source.limits.is_64_bit else I32
        self.pop_all((target.limits.address_type, source.limits.address_type, length))

    def table_init(self, instruction: Instruction) -> None:
        """`table.init`."""
        table = self.table(instruction.second_index)
        if self.element_type(instruction.index) is not table.element:
            raise Invalid("type mismatch: segment and table of different types")
        self.pop_all((table.limits.address_type, I32, I32))

    def elem_drop(self, instruction: Instruction) -> None:
        """`elem.drop`."""
        self.element_type(instruction.index)

    def data_drop(self, instruction: Instruction) -> None:
        """`data.drop` names a segment that the data count section counts."""
        if instruction.index >= (self.module.data_count or 0):
            raise Invalid(f"unknown data segment {instruction.index}")

    # Memory

    def need_memory(self) -> None:
        """There is a memory."""
        if self.address is None:
            raise Invalid("unknown memory 0")

    def _memory_access(self, opcode: Opcode, rule: Callable[[Instruction], None]) -> Callable[[Instruction], None]:
        """Loads and stores: the alignment is at most the natural one, the offset is an address."""
        natural = access_width(opcode.name).bit_length() - 1
        offsets = 1 << (64 if self.address is ValueType.I64 else 32)

        def memory_access(instruction: Instruction) -> None:
            self.need_memory()
            if instruction.alignment > natural:
                raise Invalid("alignment must not be larger than natural")
            if instruction.offset >= offsets:
                raise Invalid("offset out of range")
            rule(instruction)

        return memory_access

    def _memory_operation(self, opcode: Opcode, rule: Callable[[Instruction], None]) -> Callable[[Instruction], None]:
        """The other instructions on memory."""
        names_data = opcode.immediates is Immediates.DATA_AND_MEMORY

        def memory_operation(instruction: Instruction) -> None:
            self.need_memory()
            if names_data:
                self.data_drop(instruction)
            rule(instruction)

        return memory_operation

    # Lanes

    def _lane(self, opcode: Opcode, rule: Callable[[Instruction], None]) -> Callable[[Instruction], None]:
        """The index of a lane is one of the shape."""
        number = number_of_lanes(opcode.name)

        def on_lane(instruction: Instruction) -> None:
            if instruction.index >= number:
                raise Invalid(f"invalid lane index {instruction.index}")
            rule(instruction)

        return on_lane

    def _sixteen_lanes(self, rule: Callable[[Instruction], None]) -> Callable[[Instruction], None]:
        """Each index is one of the lanes of two vectors."""

        def on_lanes(instruction: Instruction) -> None:
            if max(instruction.lanes) >= 2 * VECTOR_BYTES:
                raise Invalid(f"invalid lane index {max(instruction.lanes)}")
            rule(instruction)

        return on_lanes

    def _contextual_rules(self) -> dict[str, Callable[[Instruction], None]]:
        """The rules of the instructions whose types depend on the context, by name."""
        return {
            "unreachable": self.unreachable,
            "block": self.block,
            "loop": self.block,
            "if": self.if_,
            "else": self.else_,
            "end": self.end,
            "br": self.br,
            "br_if": self.br_if,
            "br_table": self.br_table,
            "return": self.return_,
            "call": lambda instruction: self.call(self.callee(instruction)),
            "call_indirect": lambda instruction: self.call(self.callee_in_table(instruction)),
            "return_call": lambda instruction: self.return_call(self.callee(instruction)),
            "return_call_indirect": lambda instruction: self.return_call(self.callee_in_table(instruction)),
            "drop": self.drop,
            "select": self.select,
            "select (result t)": self.select_typed,
            "local.get": self.local_get,
            "local.set": self.local_set,
            "local.tee": self.local_tee,
            "global.get": self.global_get,
            "global.set": self.global_set,
            "ref.null": self.ref_null,
            "ref.is_null": self.ref_is_null,
            "ref.func": self.ref_func,
            "table.get": self.table_get,
            "table.set": self.table_set,
            "table.size": self.table_size,
            "table.grow": self.table_grow,
            "table.fill": self.table_fill,
            "table.copy": self.table_copy,
            "table.init": self.table_init,
            "elem.drop": self.elem_drop,
            "data.drop": self.data_drop,
        }
