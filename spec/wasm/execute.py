"""
Execution: instantiation of a module, and the loop that takes one piece of code after another.

An instance is mutable and lives as long as one execution; nothing of it is kept but the values that it gives at the
end. Prepared code is kept with the module, so that many instances of one module are cheap.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spec.values.checklist import defines
from spec.values.memory import LinearMemory
from spec.values.quantities import Count, Instructions
from spec.wasm.flat_code import (
    BRANCH,
    BRANCH_IF,
    BRANCH_TABLE,
    BRANCH_UNLESS,
    CALL,
    CALL_INDIRECT,
    GO_ON,
    RETURN,
    RETURN_CALL_INDIRECT,
    TAIL_CALLS,
    FlatCode,
    flat_code,
)
from spec.wasm.initial import InitialState, initial_memory, initial_state
from spec.wasm.memory import Memory
from spec.wasm.store import (
    CALL_STACK_EXHAUSTED,
    TYPE_MISMATCH,
    UNDEFINED_ELEMENT,
    UNINITIALIZED_ELEMENT,
    Store,
    Table,
)
from spec.wasm.straight_code import keep
from spec.wasm.syntax import NULL, FunctionType, Module, ValueType
from spec.wasm.traps import NotCallable
from spec.wasm.traps import OutOfInstructions as OutOfInstructions
from spec.wasm.traps import Trap as Trap


class LinkError(Exception):
    """The module imports something that it is not given."""


@defines("seed2.wasm-instance")
class Instance(Store):
    """One execution of a module: created fresh, and thrown away after it."""

    def __init__(
        self,
        module: Module,
        host: Mapping[tuple[str, str], "HostFunction"],
        initial: InitialState,
        memory: Memory | None,
        counter: int,
        one_slice: Instructions | None,
        maximum_call_depth: int,
    ) -> None:
        self.module = module
        self.host = host
        self.imported: list[HostFunction | None] = [None] * len(module.imported_functions)
        """The imported functions that were called, by index."""
        self.counter = self.limit = counter
        self.one_slice = one_slice
        self.memory = memory
        self.maximum_call_depth = maximum_call_depth
        self.tables = [Table(entry, list(held)) for entry, held in zip(module.tables, initial.tables, strict=True)]
        self.globals = list(initial.globals)
        self.element_segments = list(initial.element_segments)
        self.data_segments = list(initial.data_segments)
        self.may_grow = None
        self.after_memory_grow = None
        self.code = initial.code

    # What the embedder asks for

    def invoke(self, function_index: int, arguments: Sequence[int]) -> list[int]:
        """Calls a function with bit patterns; its results likewise. Raises as in `spec.wasm.traps`."""
        if function_index < len(self.imported):
            return list(self.host_function(function_index)(self, arguments))
        return self._run(function_index, arguments)

    def invoke_table_element(
        self, index: int, arguments: Sequence[int], expected: FunctionType | None = None
    ) -> list[int]:
        """
        Calls a function of table 0, with the checks of `call_indirect`.

        Without an expected type, it is that of a callback: each argument has the type of addresses, and there is no
        result.
        """
        if not self.tables:
            raise NotCallable(UNDEFINED_ELEMENT)
        if expected is None:
            address = ValueType.I64 if self.module.has_64_bit_memory else ValueType.I32
            expected = FunctionType((address,) * len(arguments))
        try:
            function = self.callee(0, index, expected)
        except Trap as trap:
            raise NotCallable(trap.reason) from None
        return self.invoke(function, arguments)

    def linear_memory(self) -> LinearMemory:
        """The contents of the memory now; empty without a memory."""
        return LinearMemory() if self.memory is None else self.memory.as_value()

    def changed_pages(self) -> Count:
        """The number of 4 KiB pages of the memory whose bytes differ from those at the start."""
        return 0 if self.memory is None else len(self.memory.changed())

    def persistent_globals(self) -> tuple[int, ...]:
        """The values of the globals that outlive an execution, in the order of their indices."""
        return tuple(self.globals[index] for index in self.module.persistent_global_indices)

    # Calls

    def callee(self, table: int, index: int, expected: FunctionType) -> int:
        """The function at an index of a table, which must have the expected type."""
        elements = self.tables[table].elements
        if index >= len(elements):
            raise Trap(UNDEFINED_ELEMENT)
        function = elements[index]
        if function == NULL:
            raise Trap(UNINITIALIZED_ELEMENT)
        return self.referenced(function, expected)

    def referenced(self, reference: int, expected: FunctionType) -> int:
        """The index of the function referred to, which must have the expected type."""
        known = self.module.function_type(reference)
        if known is not expected and known != expected:
            raise Trap(TYPE_MISMATCH)
        return reference

    def _code(self, function_index: int) -> FlatCode:
        """The code of a function defined in the module; made when it is first called."""
        code = self.code.get(function_index)
        if code is None:
            code = flat_code(self.module, self.module.functions[function_index - len(self.imported)])
            self.code[function_index] = code
        return code

    def host_function(self, function_index: int) -> "HostFunction":
        """An imported function; looked up when it is first called."""
        function = self.imported[function_index]
        if function is None:
            entry = self.module.imported_functions[function_index]
            function = self.imported[function_index] = self.host[entry.module, entry.name]
        return function

    def call_host(self, function_index: int, stack: list[int]) -> None:
        """Calls an imported function with operands from the stack."""
        number = len(self.module.function_type(function_index).parameters)
        arguments = stack[len(stack) - number :]
        del stack[len(stack) - number :]
        stack.extend(self.host_function(function_index)(self, arguments))

    def _entered(self, kind: int, first: Any, second: Any, stack: list[int], depth: Count) -> FlatCode | None:
        """The code that a call goes on with, at so many calls in progress; None if the host has answered."""
        if kind == CALL_INDIRECT:
            index = self.callee(second, stack.pop(), first)
        elif kind == RETURN_CALL_INDIRECT:
            index = self.callee(first[1], stack.pop(), first[0])
            if second is not None:
                keep(stack, second)
        else:
            index = first
        if index < len(self.imported):
            self.call_host(index, stack)
            return None
        if depth >= self.maximum_call_depth and kind not in TAIL_CALLS:
            raise Trap(CALL_STACK_EXHAUSTED)
        return self._code(index)

    def _run(self, function_index: int, arguments: Sequence[int]) -> list[int]:
        """
        Calls a function of the module and takes pieces of code until it returns.

        The operands of all calls share one stack. A call in progress is the code, the piece of it that comes next, and
        the locals. The ways in which control goes on are asked for in the order of how often they come.
        """
        imported, most_callers = len(self.imported), self.maximum_call_depth - 1
        stack: list[int] = []
        callers: list[tuple[FlatCode, int, list[int]]] = []
        code = self._code(function_index)
        pieces, place, local_values = code.pieces, 0, [*arguments, *code.other_locals]
        while True:
            straight, kind, first, second = pieces[place]
            given = (straight or code.composed(place))(self, stack, local_values)
            if kind == BRANCH_UNLESS:
                place = place + 1 if given else first
            elif kind == BRANCH:
                place = first
            elif kind == BRANCH_IF:
                if given:
                    place = first
                    if second is not None:
                        keep(stack, second)
                else:
                    place += 1
            elif kind == GO_ON:
                place += 1
            elif kind == CALL and first >= imported and len(callers) < most_callers:
                # The most frequent call, which goes on as `_entered` says.
                callers.append((code, place + 1, local_values))
                code = self.code.get(first) or self._code(first)
                pieces, place, local_values = code.pieces, 0, code.take_locals(stack)
            elif kind == RETURN:
                if not callers:
                    return stack
                code, place, local_values = callers.pop()
                pieces = code.pieces
            elif kind == BRANCH_TABLE:
                place, shape = first[min(given, len(first) - 1)]
                if shape is not None:
                    keep(stack, shape)
            else:
                entered = self._entered(kind, first, second, stack, len(callers) + 1)
                if entered is None:
                    place += 1
                    continue
                if kind not in TAIL_CALLS:
                    callers.append((code, place + 1, local_values))
                code = entered
                pieces, place, local_values = code.pieces, 0, code.take_locals(stack)


HostFunction = Callable[[Instance, Sequence[int]], Sequence[int]]
"""An imported function: the instance that calls and the arguments, to the results. It may raise `Trap`."""


def check_imports(module: Module, host: Mapping[tuple[str, str], HostFunction]) -> None:
    """Raises `LinkError` unless the module imports nothing but functions that there are."""
    if len(module.imported_functions) == len(module.imports) and module.names_of_imported_functions <= host.keys():
        return
    for entry in module.imports:
        if not isinstance(entry.description, int):
            raise LinkError(f"{entry.module}.{entry.name} is not a function: only functions can be imported")
        if (entry.module, entry.name) not in host:
            raise LinkError(f"unknown import {entry.module}.{entry.name}")


def instantiate(
    module: Module,
    host: Mapping[tuple[str, str], HostFunction],
    *,
    counter: int,
    memory: LinearMemory | None,
    globals: Sequence[int] | None,
    maximum_call_depth: int,
    maximum_memory_pages: int | None,
    one_slice: Instructions | None = None,
) -> Instance:
    """
    A fresh instance of a valid module. The start function is not run: that is an execution of its own.

    `memory` and `globals` are what an earlier execution left: the memory is taken as it is, and the values of the
    persistent globals are put in, in the order of their indices. None stands for what the module itself says. Tables
    and passive segments are always fresh. Raises `LinkError`, or `Trap` if an active segment does not fit.
    """
    check_imports(module, host)
    initial = initial_state(module)
    heap = None
    if module.memories:
        contents = initial_memory(module) if memory is None else memory
        heap = Memory(contents, module.memories[0], maximum_memory_pages)
    instance = Instance(module, host, initial, heap, counter, one_slice, maximum_call_depth)
    if globals is not None:
        for index, value in zip(module.persistent_global_indices, globals, strict=True):
            instance.globals[index] = value
    return instance
